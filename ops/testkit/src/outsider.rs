//! Everybody whom an installation asks, as one process of its own (`examples/outsider.rs`): a hook, a translator, pages, a mail
//! server. It can be slow, say what cannot be meant, and be killed; what it was asked, and the mails it took, are kept here.

use crate::{
    eventually::{BOUND, eventually},
    node::free_port,
    servers::binary,
};
use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// What a text says for the hook to refuse it, or to say it in other words.
pub const REFUSED: &str = "hook-refuses-this";
pub const REWRITTEN: &str = "hook-rewrites-this";
pub const NEW_WORDS: &str = "in other words";

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mood {
    Well,
    /// Late, or not at all.
    Slow,
    /// What cannot be meant, or that it cannot answer.
    Wrong,
}

impl Mood {
    pub const ALL: [Self; 3] = [Self::Well, Self::Slow, Self::Wrong];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Slow => "slow",
            Self::Wrong => "wrong",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mood| mood.as_str() == name)
    }
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Dropping it kills the process.
pub struct Outsider {
    http: SocketAddr,
    smtp: SocketAddr,
    child: Child,
    orders: ChildStdin,
    heard: Arc<Mutex<Heard>>,
}

/// What it says of itself, over all its starts.
#[derive(Default)]
struct Heard {
    /// The mood that it is in, as it says.
    mood: Option<Mood>,
    /// How often it was asked, by what and in which mood.
    asked: BTreeMap<(String, Mood), u64>,
    /// To whom, and what.
    mails: Vec<(String, String)>,
}

impl Outsider {
    /// Its pages and questions at this address of this machine, its mail server at another.
    pub async fn start(host: Ipv4Addr) -> Self {
        let [http, smtp] = [host, Ipv4Addr::LOCALHOST].map(|host| SocketAddr::from((host, free_port())));
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (child, orders) = spawn(http, smtp, heard.clone());
        let started = Self { http, smtp, child, orders, heard };
        started.is(Mood::Well).await;
        started
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    pub fn smtp_url(&self) -> String {
        format!("smtp://{}", self.smtp)
    }

    /// Once it says so itself.
    pub async fn feels(&mut self, mood: Mood) {
        self.orders.write_all(format!("{mood}\n").as_bytes()).await.expect("it listens");
        self.is(mood).await;
    }

    async fn is(&self, mood: Mood) {
        eventually(&format!("who is asked is {mood}"), BOUND, async || match lock(&self.heard).mood {
            Some(now) if now == mood => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }

    pub async fn kill(&mut self) {
        self.child.kill().await.expect("kill it");
        lock(&self.heard).mood = None;
    }

    /// Where it was.
    pub async fn start_again(&mut self) {
        (self.child, self.orders) = spawn(self.http, self.smtp, self.heard.clone());
        self.is(Mood::Well).await;
    }

    /// How often it was asked so in this mood; a mail is `mail`.
    pub fn asked(&self, what: &str, mood: Mood) -> u64 {
        lock(&self.heard).asked.get(&(what.to_owned(), mood)).copied().unwrap_or(0)
    }

    /// What came to somebody, the oldest first.
    pub fn mails_to(&self, to: &str) -> Vec<String> {
        let heard = lock(&self.heard);
        heard.mails.iter().filter(|(whom, _)| whom == to).map(|(_, said)| said.clone()).collect()
    }
}

fn spawn(http: SocketAddr, smtp: SocketAddr, heard: Arc<Mutex<Heard>>) -> (Child, ChildStdin) {
    let program = binary().with_file_name("examples").join("outsider");
    let mut child = Command::new(&program)
        .args([http.to_string(), smtp.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
    let (orders, said) = (child.stdin.take().expect("it is piped"), child.stdout.take().expect("it is piped"));
    tokio::spawn(listen(BufReader::new(said).lines(), heard));
    (child, orders)
}

/// `mood well`, `asked /hook slow`, `mail somebody@example.org "..."`.
async fn listen(mut lines: Lines<BufReader<ChildStdout>>, heard: Arc<Mutex<Heard>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        let mut heard = lock(&heard);
        match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["mood", mood] => heard.mood = Mood::of(mood),
            ["asked", what, mood] => {
                let mood = Mood::of(mood).expect("a mood");
                *heard.asked.entry((what.to_owned(), mood)).or_default() += 1;
            }
            ["mail", to, said] => heard.mails.push((to.to_owned(), serde_json::from_str(said).expect("a string"))),
            _ => panic!("who is asked says {line}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
