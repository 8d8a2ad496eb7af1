//! Somebody who is online: a connection that a task of its own keeps, and what all of them note together.

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use natter_client::{
    Client,
    socket::{Frame, Frames},
};
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

/// Microseconds, up to a minute.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("these are bounds")
}

/// Who changed to what and when, and when it was told.
pub struct Ledger {
    begin: Instant,
    numbers: HashMap<Uuid, usize>,
    people: Vec<Note>,
    told: AtomicU64,
    times: Mutex<Histogram<u64>>,
}

struct Note {
    account: Uuid,
    is_away: AtomicBool,
    /// Microseconds after the beginning.
    changed_at: AtomicU64,
}

impl Ledger {
    pub fn new(accounts: Vec<Uuid>) -> Self {
        let numbers = accounts.iter().enumerate().map(|(number, account)| (*account, number)).collect();
        let note = |account| Note { account, is_away: AtomicBool::new(false), changed_at: AtomicU64::new(0) };
        let people = accounts.into_iter().map(note).collect();
        Self { begin: Instant::now(), numbers, people, told: AtomicU64::new(0), times: Mutex::new(histogram()) }
    }

    pub fn account(&self, number: usize) -> Uuid {
        self.people[number].account
    }

    /// They change, now: whether they are away from here on.
    pub fn turn(&self, number: usize) -> bool {
        let note = &self.people[number];
        let is_away = !note.is_away.load(Relaxed);
        note.changed_at.store(self.now(), Relaxed);
        note.is_away.store(is_away, Relaxed);
        is_away
    }

    /// `heard`: when the change was made that this watcher was last told of each, for the same may be pushed again.
    fn hear(&self, push: &Heard, heard: &mut HashMap<Uuid, u64>) {
        let Some(note) = self.numbers.get(&push.account_id).map(|number| &self.people[*number]) else { return };
        let (at, changed_at) = (self.now(), note.changed_at.load(Relaxed));
        if changed_at == 0 || (push.state == "away") != note.is_away.load(Relaxed) {
            return;
        }
        if heard.insert(push.account_id, changed_at) == Some(changed_at) {
            return;
        }
        self.told.fetch_add(1, Relaxed);
        self.lock().saturating_record(at.saturating_sub(changed_at).max(1));
    }

    fn now(&self) -> u64 {
        self.begin.elapsed().as_micros() as u64
    }

    pub fn told(&self) -> u64 {
        self.told.load(Relaxed)
    }

    pub fn times(&self) -> Histogram<u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Heard {
    account_id: Uuid,
    state: String,
}

/// What is asked of a connection.
struct Order {
    text: String,
    /// To whom the number of those who are online is told, of an answer that lists people.
    answer: Option<oneshot::Sender<usize>>,
}

/// Dropping it leaves.
pub struct Sitter {
    orders: mpsc::Sender<Order>,
}

impl Sitter {
    /// Returns once they are online.
    pub async fn connect(url: &str, token: &str, ledger: Arc<Ledger>) -> Result<Self> {
        let bearer = format!("Bearer {token}");
        let mut frames = Frames::connect(&Client::new(url)?, &[("authorization", &bearer)]).await?;
        tokio::time::timeout(PATIENCE, ready(&mut frames)).await.context("nobody says `ready`")??;
        let (orders, ordered) = mpsc::channel(4);
        tokio::spawn(sit(frames, ordered, ledger));
        Ok(Self { orders })
    }

    /// How many of these people are online.
    pub async fn subscribe(&self, accounts: &[Uuid]) -> Result<usize> {
        let text = json!({"id": "s", "op": "presence.subscribe", "account_ids": accounts}).to_string();
        let (answer, answered) = oneshot::channel();
        self.order(Order { text, answer: Some(answer) }).await?;
        let answered = tokio::time::timeout(PATIENCE, answered).await.context("a subscription is not answered")?;
        answered.context("a watcher's connection ended")
    }

    pub async fn change(&self, is_away: bool) -> Result<()> {
        let state = if is_away { "away" } else { "online" };
        let text = json!({"id": "c", "op": "presence.set", "state": state}).to_string();
        self.order(Order { text, answer: None }).await
    }

    /// Their connection lives.
    pub fn is_online(&self) -> bool {
        !self.orders.is_closed()
    }

    async fn order(&self, order: Order) -> Result<()> {
        self.orders.send(order).await.ok().context("a connection ended")
    }
}

async fn ready(frames: &mut Frames) -> Result<()> {
    loop {
        match frames.next().await {
            Frame::Text(text) if text.contains("\"ready\"") => return Ok(()),
            Frame::Closed(close) => bail!("closed before `ready`: {close}"),
            _ => {}
        }
    }
}

async fn sit(mut frames: Frames, mut orders: mpsc::Receiver<Order>, ledger: Arc<Ledger>) {
    let (mut waiting, mut heard) = (None, HashMap::new());
    loop {
        tokio::select! {
            frame = frames.next() => match frame {
                Frame::Text(text) => take(&text, &ledger, &mut waiting, &mut heard),
                Frame::Closed(_) => return,
                Frame::Binary(_) | Frame::Ping => {}
            },
            order = orders.recv() => {
                let Some(order) = order else { return };
                waiting = order.answer.or(waiting);
                if frames.send_text(&order.text).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn take(text: &str, ledger: &Ledger, waiting: &mut Option<oneshot::Sender<usize>>, heard: &mut HashMap<Uuid, u64>) {
    if text.contains("\"event\":\"presence\"") {
        if let Ok(push) = serde_json::from_str(text) {
            ledger.hear(&push, heard);
        }
    } else if text.contains("\"items\"")
        && let Some(waiting) = waiting.take()
    {
        let _ = waiting.send(text.matches("\"online\":true").count());
    }
}
