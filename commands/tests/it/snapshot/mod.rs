//! Snapshots: what they save, that they are never needed, and who makes them again.

mod ignored;
mod law;
mod long;
mod rebuilt;
mod sealed;

use crate::support::eventually;
use natter_commands::snapshot::{Loaded, Settings, load, run};
use natter_domain::{
    AccountId, Address, ConversationId, Decider, KeyId, MessageId, Sealed,
    conversation::{BodyKind, Event},
};
use natter_streams::{
    Draft, Lane, Link, Log, clock,
    feed::Feeds,
    id,
    log::{Appended, Ownership, chain},
    reader::Reader,
};
use natter_testkit::{BOUND, Stack, within};
use sqlx::{Row, postgres::PgRow};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const LANE: Lane = Lane::new(0);

/// A log that this test alone writes to, with no process on it.
pub struct Scene {
    pub stack: Stack,
    pub log: Log,
    ownership: Ownership,
    head: Link,
}

/// A row of `snapshots`.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored {
    pub sequence: u64,
    pub version: i32,
    pub position: u64,
    pub state: String,
}

/// A projector at work.
pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<Option<()>>,
}

impl Scene {
    pub async fn set() -> Self {
        let stack = Stack::new().await;
        let log = Log::connect(stack.database_url(), Some(2)).await.expect("open the log");
        let (ownership, head) = log.take_over(LANE, "a test").await.expect("take the lane over");
        Self { stack, log, ownership, head: head.link }
    }

    /// Appends these as the aggregate's events from number `from` on; gives back the position of the last.
    pub async fn append<D: Decider>(&mut self, id: Uuid, from: u64, events: &[D::Event]) -> u64 {
        let drafts: Vec<Draft> =
            (from..).zip(events).map(|(sequence, event)| draft::<D>(id, sequence, event)).collect();
        self.append_all(&drafts).await
    }

    pub async fn append_all(&mut self, drafts: &[Draft]) -> u64 {
        for batch in drafts.chunks(1_000) {
            let records = chain(&self.head, batch.to_vec());
            let appended = self.log.append(&self.ownership, self.head.position, &records).await;
            assert!(matches!(appended, Appended::Durable), "{appended:?}");
            self.head = records.last().expect("a chunk is not empty").link();
        }
        self.head.position
    }

    pub async fn load<D: Decider>(&self, id: Uuid) -> Loaded<D> {
        load(&self.log, LANE, id).await.expect("load an aggregate")
    }

    /// What makes snapshots of this lane, to be polled.
    pub fn projector(&self, settings: Settings) -> impl Future<Output = ()> + use<> {
        let (log, feeds) = (self.log.clone(), Feeds::new([self.head]));
        async move { run(&log, LANE, settings, |last| Reader::tap(log.clone(), &feeds, last)).await }
    }

    pub fn start(&self, settings: Settings) -> Running {
        let stop = CancellationToken::new();
        let task = tokio::spawn(stop.clone().run_until_cancelled_owned(self.projector(settings)));
        Running { stop, task }
    }

    /// Lets a projector work until the aggregate has a snapshot of its event `sequence`.
    pub async fn make(&self, settings: Settings, id: Uuid, sequence: u64) {
        let running = self.start(settings);
        self.has(id, sequence).await;
        running.stop().await;
    }

    pub async fn has(&self, id: Uuid, sequence: u64) {
        eventually("the snapshot is made", async || match self.stored(id).await {
            Some(stored) if stored.sequence == sequence => Ok(()),
            other => Err(format!("{other:?}, not {sequence}")),
        })
        .await;
    }

    pub async fn stored(&self, id: Uuid) -> Option<Stored> {
        let row = sqlx::query(
            "SELECT sequence, state_version, position, state::text AS state FROM snapshots WHERE aggregate_id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(self.stack.pool())
        .await
        .expect("read the snapshots");
        row.as_ref().map(stored)
    }
}

fn stored(row: &PgRow) -> Stored {
    Stored {
        sequence: row.get::<i64, _>("sequence") as u64,
        version: row.get("state_version"),
        position: row.get::<i64, _>("position") as u64,
        state: row.get("state"),
    }
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        within("the projector stops", BOUND, self.task).await.expect("it does not panic");
    }
}

pub fn draft<D: Decider>(id: Uuid, sequence: u64, event: &D::Event) -> Draft {
    let address = Address { noun: D::NOUN, id, route: id };
    Draft::encode(event, address, sequence, "{}".into(), clock::now()).expect("it is small")
}

pub fn folded<D: Decider>(events: &[D::Event]) -> D::State {
    let mut state = D::State::default();
    for event in events {
        D::evolve(&mut state, event);
    }
    state
}

/// One conversation's first `count` events.
pub fn talk(members: [AccountId; 2], count: u64) -> Vec<Event> {
    let body = Sealed { key: KeyId::Installation, bytes: vec![7; 16] };
    let sent = |seq| Event::MessageSent {
        message_id: MessageId(id::new()),
        seq,
        sender: members[0],
        body: body.clone(),
        body_kind: BodyKind::Text,
        size: 1,
        details: Default::default(),
    };
    let started = Event::started_direct(members);
    std::iter::once(started).chain((1..count).map(sent)).collect()
}

pub fn somebody() -> AccountId {
    AccountId(id::new())
}

pub fn somewhere() -> ConversationId {
    ConversationId(id::new())
}
