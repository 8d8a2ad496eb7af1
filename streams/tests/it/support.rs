//! What the tests of this crate share: a log of a test's own, drafts to fill it with, and a look at who waits for whom.

use async_nats::{
    ConnectOptions, ServerAddr,
    jetstream::{self, message::PublishMessage},
};
use natter_domain::{AccountId, ConversationId, MessageId, Sealed, conversation};
use natter_streams::{
    Draft, Hash, Lane, Link, Log, Record, clock,
    committer::{Committer, Settled},
    event::CommandKey,
    feed::Feeds,
    id, stream, subject,
};
use natter_testkit::{BOUND, Stack, within};
use sqlx::{Connection, Executor, PgConnection};
use std::{borrow::Cow, sync::Arc};
use uuid::Uuid;

pub const LANE: Lane = Lane::new(0);
pub const LANES: u16 = 2;

/// A log of this test's own.
pub async fn log() -> (Stack, Log) {
    let stack = Stack::new().await;
    let log = connect(&stack).await;
    (stack, log)
}

pub async fn connect(stack: &Stack) -> Log {
    Log::connect(stack.database_url(), Some(LANES)).await.expect("open the log")
}

pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(what, BOUND, natter_testkit::eventually(what, BOUND, look)).await
}

/// A message in a conversation of its own; `number` can be found in it.
pub fn draft(number: u32) -> Draft {
    let id = ConversationId(id::new());
    let event = message(number, 16);
    Draft::encode(&event, conversation::address(id), 1, r#"{"by":"tëst"}"#.into(), clock::now()).expect("it is small")
}

pub fn message(number: u32, bytes: usize) -> conversation::Event {
    conversation::Event::MessageSent {
        message_id: MessageId(id::new()),
        seq: 1,
        sender: AccountId(id::new()),
        body: Sealed { key: natter_domain::KeyId::Installation, bytes: vec![7; bytes] },
        body_kind: conversation::BodyKind::Text,
        size: number,
        details: Default::default(),
    }
}

pub fn keyed(number: u32, key: Uuid) -> Draft {
    Draft { key: Some(CommandKey { key, fingerprint: [0; 16] }), ..draft(number) }
}

/// As the write side makes it: the key stands in the metadata too.
pub fn commanded(number: u32, key: Uuid) -> Draft {
    let fingerprint = [number as u8; 16];
    let metadata = format!(r#"{{"command":"{key}"}}"#).into();
    Draft { key: Some(CommandKey { key, fingerprint }), metadata, ..draft(number) }
}

/// `count` events behind `base`, as a committer would chain them.
pub fn records(base: &Link, count: u32) -> Vec<Arc<Record>> {
    let mut last = *base;
    let next = |number| {
        let record = record(draft(number), &last);
        last = record.link();
        Arc::new(record)
    };
    (0..count).map(next).collect()
}

/// One event behind `last`.
pub fn record_behind(last: &Link) -> Record {
    record(draft(0), last)
}

fn record(draft: Draft, last: &Link) -> Record {
    let mut record = Record {
        lane: last.lane,
        incarnation: last.incarnation,
        position: last.position + 1,
        event_id: draft.event_id,
        noun: draft.address.noun,
        aggregate_id: draft.address.id,
        sequence: draft.sequence,
        event_type: Cow::Borrowed(draft.event_type),
        version: draft.version,
        payload: draft.payload,
        metadata: draft.metadata,
        key: draft.key,
        time: draft.time,
        previous: last.hash,
        hash: Hash::default(),
    };
    record.hash = record.link_hash();
    record
}

/// The owner of a lane, as a process would be it.
pub struct Owner {
    pub committer: Committer<u32>,
    pub feeds: Feeds,
    number: u32,
}

impl Owner {
    pub async fn of(log: &Log) -> Self {
        let committer = Committer::start(log.clone(), LANE, "owner".into()).await.expect("take the lane over");
        let incarnation = log.incarnation(Lane::new(1)).await.expect("lane 1 is there");
        let feeds = Feeds::new([committer.head(), Link::start(Lane::new(1), incarnation)]);
        Self { committer, feeds, number: 0 }
    }

    /// Appends `count` events in one batch.
    pub async fn append(&mut self, count: u32) -> Vec<Arc<Record>> {
        let drafts = (0..count).map(|more| draft(self.number + more)).collect();
        self.number += count;
        self.append_these(drafts).await
    }

    pub async fn append_these(&mut self, drafts: Vec<Draft>) -> Vec<Arc<Record>> {
        let events = self.commit(drafts).await;
        self.feeds.lane(LANE).publish(Arc::new(events.clone()), self.committer.head());
        events
    }

    /// Appends, and tells no reader.
    pub async fn append_untold(&mut self, count: u32) -> Vec<Arc<Record>> {
        self.commit((0..count).map(draft).collect()).await
    }

    async fn commit(&mut self, drafts: Vec<Draft>) -> Vec<Arc<Record>> {
        self.committer.queue(drafts, 0);
        match self.settled().await {
            Settled::Committed { mut answers, .. } => answers.remove(0).1,
            Settled::Ended { why, .. } => panic!("the batch is not stored: {why:?}"),
        }
    }

    pub async fn settled(&mut self) -> Settled<u32> {
        within("a batch ends", BOUND, self.committer.settled()).await
    }
}

/// Everything that lane 0 holds, verified.
pub async fn whole(log: &Log) -> Vec<Arc<Record>> {
    let incarnation = log.incarnation(LANE).await.expect("the lane is there");
    log.read(&Link::start(LANE, incarnation), 100_000).await.expect("read the lane")
}

/// JetStream as anybody who may come in sees it.
pub async fn jetstream(stack: &Stack) -> jetstream::Context {
    let address: ServerAddr = stack.nats_url().parse().expect("the NATS url is one");
    let (user, password) = (address.username().unwrap_or_default(), address.password().unwrap_or_default());
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    jetstream::new(options.connect(address).await.expect("connect to NATS"))
}

/// What the stream of lane 0 holds, from its first message on; `None` where one of them is not an event.
pub async fn carried(context: &jetstream::Context) -> Result<Vec<Option<Record>>, String> {
    let found = context.get_stream(subject::stream(LANE)).await.map_err(|error| error.to_string())?;
    let state = found.cached_info().state.clone();
    let mut carried = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = found.get_raw_message(sequence).await.map_err(|error| error.to_string())?;
        carried.push(stream::decode_stored(&message));
    }
    Ok(carried)
}

/// Event N of the lane is message N of its stream.
pub async fn stream_becomes_log(context: &jetstream::Context, log: &Log) {
    let events: Vec<_> = published(&whole(log).await).into_iter().map(Some).collect();
    eventually("the stream is the log", async || {
        let carried = carried(context).await?;
        if carried == events { Ok(()) } else { Err(format!("{} of {} messages", carried.len(), events.len())) }
    })
    .await;
}

/// The message of an event, as the relay publishes it.
pub fn carrier(event: &Record) -> PublishMessage {
    PublishMessage::build().payload(stream::payload(event)).headers(stream::headers(event))
}

/// As readers of a stream see events whose metadata names no command.
pub fn published(records: &[Arc<Record>]) -> Vec<Record> {
    records.iter().map(|record| Record { key: None, ..(**record).clone() }).collect()
}

/// A transaction of somebody else that holds the lane's row.
pub struct Holder(PgConnection);

impl Holder {
    pub async fn hold(stack: &Stack) -> Self {
        let mut connection = PgConnection::connect(stack.database_url()).await.expect("connect");
        connection.execute("BEGIN").await.expect("begin");
        connection.execute("SELECT lane FROM lanes WHERE lane = 0 FOR UPDATE").await.expect("lock the lane's row");
        Self(connection)
    }

    /// In the same transaction.
    pub async fn run(&mut self, statement: &str) {
        self.0.execute(statement).await.expect("the row is ours");
    }

    pub async fn release(mut self) {
        self.0.execute("COMMIT").await.expect("let the lane's row go");
    }
}

/// Waits until so many writers of the test's log wait for a lock; gives back the backends, the longest waiting first.
pub async fn blocked(stack: &Stack, count: usize) -> Vec<i32> {
    blocked_of(stack, &["natter writers"], count).await
}

/// The same of other connections.
pub async fn blocked_of(stack: &Stack, names: &[&str], count: usize) -> Vec<i32> {
    let what = format!("{count} writers wait for the lane's row");
    eventually(&what, async || {
        let waiting: Vec<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND application_name = ANY($1) ORDER BY query_start",
        )
        .bind(names)
        .fetch_all(stack.pool())
        .await
        .map_err(|error| error.to_string())?;
        if waiting.len() == count { Ok(waiting) } else { Err(format!("{} wait", waiting.len())) }
    })
    .await
}

/// Waits until these connections have had their answers.
pub async fn idle(stack: &Stack, names: &[&str]) {
    eventually("nothing is under way", async || {
        let busy: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'
             AND application_name = ANY($1)",
        )
        .bind(names)
        .fetch_one(stack.pool())
        .await
        .map_err(|error| error.to_string())?;
        if busy == 0 { Ok(()) } else { Err(format!("{busy} are busy")) }
    })
    .await;
}

pub async fn terminate(stack: &Stack, backend: i32) {
    let ended: bool = sqlx::query_scalar("SELECT pg_terminate_backend($1)")
        .bind(backend)
        .fetch_one(stack.pool())
        .await
        .expect("terminate a backend");
    assert!(ended, "there was such a backend");
}

/// Runs SQL past every door.
pub async fn sql(stack: &Stack, statement: &str) -> u64 {
    let done = sqlx::query(statement).execute(stack.pool()).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}")).rows_affected()
}
