//! People who talk while processes are hurt: each waits for an acknowledgement before they send the next message, sends
//! again under the same id until it comes, and comes back at any edge. On another device each follows what is said.

use super::{
    Options, READ_AGAIN,
    reconcile::{Acknowledged, Seen, digest},
};
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use natter_client::{
    Client, Error, Follower, Signed, Socket,
    follow::{self, Update},
    rest::Range,
    socket::Handover,
    wire,
};
use rand::Rng;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// How long one try may take; the message is sent again then, perhaps elsewhere.
const TRY: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(50);
/// People who come in at the same time: passwords cost something.
const AT_ONCE: usize = 8;
const PAGE: u32 = 200;

/// Somebody, signed in at every edge: a session for each.
pub struct Person {
    name: String,
    edges: Arc<[String]>,
    sessions: Mutex<Vec<Signed>>,
}

/// Two people and what they said.
pub struct Talk {
    pub conversation: Uuid,
    pub people: [Arc<Person>; 2],
    /// The newest positions, of either side.
    positions: Mutex<[Option<String>; 2]>,
    /// When an acknowledgement came, in microseconds of the run, of a try begun since the last blow.
    flowed_at: AtomicU64,
}

/// All of them, and what everybody must know.
pub struct World {
    pub talks: Vec<Arc<Talk>>,
    begun: Instant,
    pub acknowledged: AtomicU64,
    /// Messages that somebody has begun to send.
    begun_to_send: AtomicU64,
    sends: u64,
    /// Nobody is hurt any more.
    pub over: AtomicBool,
    /// Since when a try counts as a sign of life, in microseconds of the run.
    hurt_at: AtomicU64,
}

impl World {
    /// Everybody registers, and befriends one other.
    pub async fn gather(options: &Options, edges: Vec<String>) -> Result<Self> {
        let edges: Arc<[String]> = edges.into();
        let talks = futures::stream::iter(0..options.pairs)
            .map(|number| meet(edges.clone(), number))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(Self {
            talks,
            begun: Instant::now(),
            acknowledged: AtomicU64::new(0),
            begun_to_send: AtomicU64::new(0),
            sends: options.sends,
            over: AtomicBool::new(false),
            hurt_at: AtomicU64::new(0),
        })
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// From now on a conversation flows once a message was acknowledged whose sending began later than this.
    pub fn mark(&self) -> Instant {
        let now = Instant::now();
        self.hurt_at.store(self.micros(now), Ordering::SeqCst);
        now
    }

    /// When the last conversation flowed again since the mark. `None`: one does not yet.
    pub fn flows_since_mark(&self) -> Option<Instant> {
        let hurt_at = self.hurt_at.load(Ordering::SeqCst);
        let flowed = self.talks.iter().map(|talk| talk.flowed_at.load(Ordering::SeqCst));
        let (first, last) = flowed.fold((u64::MAX, 0), |(first, last), at| (first.min(at), last.max(at)));
        (first > hurt_at).then(|| self.begun + Duration::from_micros(last))
    }

    fn micros(&self, moment: Instant) -> u64 {
        moment.duration_since(self.begun).as_micros() as u64
    }

    /// Enough was sent, and nobody is hurt any more.
    fn is_enough(&self) -> bool {
        self.over.load(Ordering::SeqCst) && self.begun_to_send.load(Ordering::SeqCst) >= self.sends
    }

    fn heard(&self, talk: &Talk, begun: Instant) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let hurt_at = self.hurt_at.load(Ordering::SeqCst);
        if self.micros(begun) > hurt_at && talk.flowed_at.load(Ordering::SeqCst) <= hurt_at {
            talk.flowed_at.store(self.micros(Instant::now()), Ordering::SeqCst);
        }
    }
}

async fn meet(edges: Arc<[String]>, number: usize) -> Result<Arc<Talk>> {
    let one = Person::enter(&edges, &format!("chaos-{number}-one")).await?;
    let other = Person::enter(&edges, &format!("chaos-{number}-other")).await?;
    let asked = one.at(0).request_friend(other.id(), None).await.context("ask for friendship")?;
    let accepted = other.at(0).accept_friend(asked.id).await.context("accept")?;
    let conversation = accepted.conversation_id.context("an accepted request names its conversation")?;
    let people = [Arc::new(one), Arc::new(other)];
    Ok(Arc::new(Talk { conversation, people, positions: Mutex::default(), flowed_at: AtomicU64::new(0) }))
}

impl Person {
    async fn enter(edges: &Arc<[String]>, name: &str) -> Result<Self> {
        let registration = wire::Register::new(name, name);
        let first = Client::new(&edges[0])?.register(&registration).await.context("register")?;
        let mut sessions = vec![first];
        for edge in &edges[1..] {
            sessions.push(sign_in(edge, name).await.context("sign in")?);
        }
        Ok(Self { name: name.to_owned(), edges: edges.clone(), sessions: Mutex::new(sessions) })
    }

    fn id(&self) -> Uuid {
        self.at(0).id()
    }

    /// The session at that edge.
    fn at(&self, edge: usize) -> Signed {
        lock(&self.sessions)[edge].clone()
    }

    fn some_edge(&self) -> usize {
        rand::rng().random_range(0..self.edges.len())
    }

    /// A session that can be renewed no more is replaced by a new one.
    async fn sign_in_again(&self, edge: usize) -> Result<(), Error> {
        let signed = sign_in(&self.edges[edge], &self.name).await?;
        lock(&self.sessions)[edge] = signed;
        Ok(())
    }

    /// The conversation as it can be read now, by whichever edge answers.
    pub async fn history(&self, talk: &Talk, bound: Duration) -> Result<Vec<Seen>> {
        let deadline = Instant::now() + bound;
        let position = talk.position();
        let mut history: Vec<Seen> = Vec::new();
        loop {
            let edge = self.some_edge();
            let after_seq = Some(history.last().map_or(0, |last| last.seq));
            let range = Range { after_seq, limit: Some(PAGE), ..Range::default() };
            match self.at(edge).at(&position).messages(talk.conversation, range).await {
                Ok(page) if page.is_empty() => return Ok(history),
                Ok(page) => history.extend(page.iter().map(seen)),
                Err(error) if Instant::now() > deadline => return Err(error).context("read the history"),
                Err(error) => self.mend(edge, &error).await?,
            }
        }
    }

    /// What can be done about a failed call before the next try.
    async fn mend(&self, edge: usize, error: &Error) -> Result<()> {
        let signed_out = matches!(error, Error::Spent)
            || matches!(error.code(), Some("unauthenticated" | "token_expired" | "session_revoked"));
        if signed_out {
            // Fails while the edge is away: the next try comes back here.
            let _ = self.sign_in_again(edge).await;
        } else if !error.is_passing() {
            bail!("{} was refused: {error}", self.name);
        }
        let pause = PAUSE.mul_f64(rand::rng().random_range(0.5..2.0));
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

async fn sign_in(edge: &str, name: &str) -> Result<Signed, Error> {
    let login = wire::Login { login: name.to_owned(), password: Some(name.to_owned()), code: None, device: None };
    Client::new(edge)?.login(&login).await
}

impl Talk {
    /// What a read has to wait for to see all of it.
    fn position(&self) -> String {
        lock(&self.positions).iter().flatten().cloned().collect::<Vec<_>>().join(",")
    }

    /// Sends until it is enough; what was acknowledged, in that order.
    pub async fn send(self: Arc<Self>, world: Arc<World>, side: usize) -> Result<Vec<Acknowledged>> {
        let (person, mut line, mut acknowledged) = (self.people[side].clone(), None, Vec::new());
        while !world.is_enough() {
            world.begun_to_send.fetch_add(1, Ordering::SeqCst);
            let text = text(self.conversation, side, acknowledged.len());
            let sent = self.insist(&world, &person, &mut line, &text).await?;
            acknowledged.push(Acknowledged {
                message_id: sent.message_id,
                seq: sent.seq,
                sender: person.id(),
                text: digest(&text),
            });
            lock(&self.positions)[side] = Some(sent.position);
        }
        Ok(acknowledged)
    }

    /// Until it is acknowledged, under the same id.
    async fn insist(
        &self,
        world: &World,
        person: &Person,
        line: &mut Option<Socket>,
        text: &str,
    ) -> Result<wire::SentOk> {
        let body = wire::Body::text(text);
        let message = wire::MessageNew::new(natter_client::new_id(), body);
        let mut edge = person.some_edge();
        loop {
            let begun = Instant::now();
            let tried = tokio::time::timeout(TRY, self.try_once(&person.at(edge), line, &message)).await;
            let late = |_| Err(Error::Silent { what: "a send".to_owned(), after: TRY });
            let error = match tried.unwrap_or_else(late) {
                Ok(sent) => {
                    world.heard(self, begun);
                    return Ok(sent);
                }
                Err(error) => error,
            };
            if !matches!(error, Error::Refused(_)) {
                // The connection is in doubt: the next one goes to any edge.
                *line = None;
                edge = person.some_edge();
            }
            person.mend(edge, &error).await?;
        }
    }

    async fn try_once(
        &self,
        signed: &Signed,
        line: &mut Option<Socket>,
        message: &wire::MessageNew,
    ) -> Result<wire::SentOk, Error> {
        if line.is_none() {
            *line = Some(Socket::connect(signed, Handover::Header).await?);
        }
        let socket = line.as_ref().expect("it was just opened");
        socket.requests().send(self.conversation, message).await?.answer().await
    }

    /// Follows until it is told to stop; what was shown, in that order.
    pub async fn follow(self: Arc<Self>, side: usize, shown: Arc<Shown>) {
        let person = &self.people[side];
        let edge = person.some_edge();
        loop {
            let settings = follow::Settings {
                look_every: READ_AGAIN,
                longest_pause: Duration::from_secs(2),
                known: [(self.conversation, shown.count())].into(),
                ..follow::Settings::default()
            };
            let mut follower = Follower::start(person.at(edge), settings);
            // `None`: its session has ended.
            while let Some(update) = follower.next().await {
                if let Update::Message(message) = update {
                    shown.add(seen(&message));
                }
            }
            let _ = person.sign_in_again(edge).await;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a follower's app has shown.
#[derive(Default)]
pub struct Shown(Mutex<Vec<Seen>>);

impl Shown {
    fn add(&self, seen: Seen) {
        lock(&self.0).push(seen);
    }

    pub fn count(&self) -> u64 {
        lock(&self.0).len() as u64
    }

    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *lock(&self.0))
    }
}

fn seen(message: &wire::Message) -> Seen {
    let text = message.body.as_ref().and_then(wire::Body::as_text).map_or(0, digest);
    Seen { message_id: message.message_id, seq: message.seq, sender: message.sender, text }
}

/// No two are the same, nor of one length; with letters that take several bytes and signs that JSON escapes.
fn text(conversation: Uuid, side: usize, number: usize) -> String {
    let filler = "Wörter \"in\" Reihe \\ und 言葉, ".repeat(number % 7);
    format!("{conversation} {side} {number} {filler}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
