//! The raw limit of sending: on the same servers, at the same time, only what the pipeline must do outside itself. The
//! batched event insert (the same rows and statement, 1,000 at a time, fenced), the pipelined publish, the batched
//! history insert; everything is prepared beforehand, nothing is decided, encoded for people, or delivered.

use super::scratch;
use anyhow::{Result, bail, ensure};
use indicatif::ProgressBar;
use natter_domain::{AccountId, ConversationId, MessageId, conversation};
use natter_projections::{
    Step,
    message::{Body, Change, HistoryStore, PostgresHistory, What},
};
use natter_streams::{
    Draft, Hash, Lane, Link, Log, Record,
    bus::Bus,
    clock, id,
    keyring::Keyring,
    log::{Appended, Ownership},
    probe,
};
use sqlx::{Executor, PgPool, postgres::PgPoolOptions};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Lanes that insert at the same time: as many as the log has writers.
const LANES: u16 = 4;
const BATCH: usize = 1_000;
const BATCHES: usize = 12;
const ROWS: usize = LANES as usize * BATCH * BATCHES;
const PEOPLE: u128 = 256;

pub struct Raw {
    /// Messages per second, each inserted, published and inserted into history, all at the same time.
    pub together: f64,
    /// Rows per second of the event insert with nothing beside it.
    pub insert_alone: f64,
}

/// Measures in a database of its own beside the given one.
pub async fn measure(database_url: &str, nats_url: &str, text: &str) -> Result<Raw> {
    scratch::with(database_url, "raw", async |url: &str| measure_in(url, nats_url, text).await).await
}

async fn measure_in(database_url: &str, nats_url: &str, text: &str) -> Result<Raw> {
    crate::serve::migrate(database_url).await?;
    let log = Log::connect(database_url, Some(LANES)).await?;
    let bus = Bus::connect(nats_url).await?;
    let writing = PgPoolOptions::new()
        .max_connections(u32::from(LANES))
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute("SET synchronous_commit = off").await.map(|_| ()) })
        })
        .connect(database_url)
        .await?;
    let progress = ProgressBar::new(3).with_message("raw limit");
    // Twice: the first round warms tables, statements and caches.
    let mut insert_alone = 0f64;
    let mut heads = Vec::new();
    for _ in 0..2 {
        let lanes = prepare(&log, text, &heads).await?;
        insert_alone = per_second(insert_all(&log, &lanes).await?);
        heads = lanes.iter().filter_map(|lane| lane.records.last().map(|last| last.link())).collect();
        progress.inc(1);
    }
    let lanes = prepare(&log, text, &heads).await?;
    let together = together(&log, &bus, &writing, &lanes).await?;
    progress.finish_and_clear();
    Ok(Raw { together, insert_alone })
}

fn per_second(took: Duration) -> f64 {
    ROWS as f64 / took.as_secs_f64()
}

/// What one lane will do.
struct Prepared {
    ownership: Ownership,
    base: Link,
    records: Vec<Arc<Record>>,
    /// The same events as a young lane would publish them.
    published: Vec<Arc<Record>>,
    messages: Vec<Vec<Change>>,
}

async fn prepare(log: &Log, text: &str, heads: &[Link]) -> Result<Vec<Arc<Prepared>>> {
    let keyring = Keyring::new(&id::random());
    let mut lanes = Vec::new();
    for lane in log.lanes().iter() {
        let (ownership, head) = log.take_over(lane, "raw").await?;
        ensure!(heads.is_empty() || heads.contains(&head.link), "somebody else writes to the raw limit's log");
        let begin = Link::start(lane, ownership.incarnation);
        let drafts = (0..BATCH * BATCHES).map(|number| draft(&keyring, lane, number, &head.link, text));
        let drafts: Vec<(Draft, Change)> = drafts.collect::<Result<_>>()?;
        let (drafts, messages): (Vec<Draft>, Vec<Change>) = drafts.into_iter().unzip();
        lanes.push(Arc::new(Prepared {
            ownership,
            base: head.link,
            records: natter_streams::log::chain(&head.link, drafts.iter().cloned()),
            published: natter_streams::log::chain(&begin, drafts),
            messages: messages.chunks(BATCH).map(<[Change]>::to_vec).collect(),
        }));
    }
    Ok(lanes)
}

/// A message as the pipeline would write it, and its row in history.
pub(super) fn draft(keyring: &Keyring, lane: Lane, number: usize, head: &Link, text: &str) -> Result<(Draft, Change)> {
    let (round, place) = (number as u128 / PEOPLE, number as u128 % PEOPLE);
    let conversation_id = ConversationId(uuid::Uuid::from_u128((lane.index() as u128) << 64 | place));
    let (message_id, sender) = (MessageId(id::new()), AccountId(uuid::Uuid::from_u128(place)));
    let seq = u64::try_from(round)? + 1 + head.position;
    let body = keyring.seal(conversation_id.0, format!(r#"{{"kind":"text","text":"{text}"}}"#).as_bytes());
    let (body_kind, size) = (conversation::BodyKind::Text, u32::try_from(text.len())?);
    let event = conversation::Event::MessageSent {
        message_id,
        seq,
        sender,
        body: body.clone(),
        body_kind,
        size,
        details: Box::default(),
    };
    let metadata = format!(r#"{{"actor":"{sender}","session":"{sender}","command":"{message_id}"}}"#);
    let now = clock::now();
    let mut draft = Draft::encode(&event, conversation::address(conversation_id), seq, metadata.into(), now)?;
    draft.key = Some(natter_streams::event::CommandKey { key: id::new(), fingerprint: id::random() });
    let what = What::text(message_id, sender, Body::Sealed(body));
    Ok((draft, Change { conversation_id, seq, position: seq, at: now, what }))
}

async fn insert_all(log: &Log, lanes: &[Arc<Prepared>]) -> Result<Duration> {
    let begin = Instant::now();
    all(lanes.iter().map(|lane| insert(log.clone(), lane.clone())).map(tokio::spawn).collect()).await?;
    Ok(begin.elapsed())
}

/// Waits for tasks of their own, so that no part waits for another's core.
async fn all(tasks: Vec<JoinHandle<Result<()>>>) -> Result<()> {
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn insert(log: Log, lane: Arc<Prepared>) -> Result<()> {
    let mut base = lane.base.position;
    for batch in lane.records.chunks(BATCH) {
        match log.append(&lane.ownership, base, batch).await {
            Appended::Durable => base += batch.len() as u64,
            other => bail!("insert a batch: {other:?}"),
        }
    }
    Ok(())
}

async fn remember(history: Arc<PostgresHistory>, lane: Arc<Prepared>) -> Result<()> {
    let mut from = Link { hash: Hash::default(), ..lane.base };
    for messages in &lane.messages {
        let to = Link { position: from.position + messages.len() as u64, ..from };
        HistoryStore::append(&*history, messages, &Step { from, to, generation: Default::default() }).await?;
        from = to;
    }
    Ok(())
}

async fn publish(bus: Bus, lane: Arc<Prepared>) -> Result<()> {
    Ok(probe::publish(&bus, &lane.published).await?)
}

/// All three at once; the slowest counts.
async fn together(log: &Log, bus: &Bus, writing: &PgPool, lanes: &[Arc<Prepared>]) -> Result<f64> {
    let history = Arc::new(PostgresHistory::new(writing.clone(), writing.clone()));
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for lane in lanes {
        tasks.push(tokio::spawn(insert(log.clone(), lane.clone())));
        tasks.push(tokio::spawn(publish(bus.clone(), lane.clone())));
        tasks.push(tokio::spawn(remember(history.clone(), lane.clone())));
    }
    all(tasks).await?;
    Ok(per_second(begin.elapsed()))
}
