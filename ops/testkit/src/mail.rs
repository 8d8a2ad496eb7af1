//! A mail server and a gateway for text messages that do as a test tells them, and remember what came.

use crate::eventually::{BOUND, eventually};
use serde_json::Value;
use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A mail as the server got it.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Header and body.
    pub data: String,
}

/// What it answers to a recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    Takes,
    /// 451: to be tried again.
    PutsOff,
    /// 550.
    Refuses,
    /// Says nothing more until who asks has gone.
    Hangs,
}

impl State {
    fn mood(&self) -> Mood {
        *lock(&self.mood)
    }
}

/// A mail server on a port of this machine.
pub struct MailServer {
    pub address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    /// Before it is taken.
    told: Box<dyn Fn(&Mail) + Send + Sync>,
    mails: Mutex<Vec<Mail>>,
    mood: Mutex<Mood>,
    refused: Mutex<usize>,
}

impl MailServer {
    pub async fn start() -> Self {
        Self::on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// On an address that may just have been left.
    pub async fn on(address: SocketAddr) -> Self {
        Self::telling(address, |_| {}).await
    }

    /// Tells of every mail before it says that it has taken it.
    pub async fn telling(address: SocketAddr, told: impl Fn(&Mail) + Send + Sync + 'static) -> Self {
        let listener = eventually("the mail server's port is free", BOUND, async || {
            TcpListener::bind(address).await.map_err(|error| error.to_string())
        })
        .await;
        let address = listener.local_addr().expect("a listener has an address");
        let (told, mood) = (Box::new(told), Mutex::new(Mood::Takes));
        let state = Arc::new(State { told, mails: Mutex::default(), mood, refused: Mutex::default() });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, shared.clone()));
            }
        });
        Self { address, state, task }
    }

    /// An address where nobody is.
    pub async fn nowhere() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        listener.local_addr().expect("a listener has an address")
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub fn feel(&self, mood: Mood) {
        *lock(&self.state.mood) = mood;
    }

    /// How many recipients it did not take.
    pub fn refused(&self) -> usize {
        *lock(&self.state.refused)
    }

    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.state.mails).clone()
    }

    /// The first mail to somebody.
    pub async fn mail_to(&self, to: &str) -> Mail {
        eventually(&format!("a mail to {to}"), BOUND * 2, async || {
            let mails = self.mails();
            let found = mails.iter().find(|mail| mail.to.iter().any(|one| one == to)).cloned();
            found.ok_or_else(|| format!("{mails:?}"))
        })
        .await
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn talk(stream: TcpStream, state: Arc<State>) {
    let mut stream = BufReader::new(stream);
    let _ = converse(&mut stream, &state).await;
}

async fn converse(stream: &mut BufReader<TcpStream>, state: &State) -> std::io::Result<()> {
    let (mut from, mut to) = (String::new(), Vec::new());
    stream.write_all(b"220 test\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" | "HELO" => "250-test\r\n250 8BITMIME\r\n",
            "MAIL" => {
                from = between(&line);
                "250 ok\r\n"
            }
            "RCPT" => match state.mood() {
                Mood::Takes => {
                    to.push(between(&line));
                    "250 ok\r\n"
                }
                Mood::Hangs => return stream.read_to_end(&mut Vec::new()).await.map(drop),
                mood => {
                    *lock(&state.refused) += 1;
                    if mood == Mood::PutsOff { "451 later\r\n" } else { "550 nobody of that name\r\n" }
                }
            },
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let data = data(stream).await?;
                let mail = Mail { from: from.clone(), to: std::mem::take(&mut to), data };
                (state.told)(&mail);
                lock(&state.mails).push(mail);
                "250 taken\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            "RSET" | "NOOP" => "250 ok\r\n",
            _ => "502 not here\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

async fn data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn between(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(inside, _)| inside.to_owned()).unwrap_or_default()
}

/// A gateway for text messages: takes a POST with JSON, and answers as it is told.
pub struct Gateway {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Answers each of the first posts with one of these statuses, then with 202.
    pub async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("a listener has an address");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (shared, mut statuses) = (taken.clone(), VecDeque::from_iter(statuses.iter().copied()));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = post(stream, statuses.pop_front().unwrap_or(202), &shared).await;
            }
        });
        Self { address, taken, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/send", self.address)
    }

    /// Bodies that were answered with 202.
    pub fn taken(&self) -> Vec<Value> {
        lock(&self.taken).clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn post(stream: TcpStream, status: u16, taken: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            length = value.trim().parse().unwrap_or_default();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    if status == 202 {
        lock(taken).push(serde_json::from_slice(&body).unwrap_or_default());
    }
    let answer = format!("HTTP/1.1 {status} as told\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
