//! Group commit over lanes: whatever the lanes of one server have ready when a connection is free becomes one statement,
//! one commit and one wait for the disk. Many lanes would otherwise make many thin commits, each with a round trip and
//! task switches on both sides. While there is much to do, commits begin a moment apart: without that pace 4,000 messages
//! a second made 800 commits, kept two cores as busy as 14,000 do, and waited longer for each other than for it.
//!
//! Lanes stay apart nevertheless. Each is fenced by its own epoch and base; one whose row somebody holds is skipped, so
//! that nobody waits for its neighbour's takeover; and where the server says no to the statement (a key that is in the
//! log already), each lane is appended alone, as if the others were not there. What says nothing of the statement itself
//! leaves all of them in doubt, and each settles that by itself: a connection that broke, a server that ends or has run
//! out of something.

use super::{
    Appended, Log, Ownership,
    append::{bind_rows, refuse_as_told},
};
use crate::{Lane, Record, metrics};
use sqlx::{PgConnection, Row};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// No lane is added to a statement that has as many events or bytes.
const EVENTS: usize = 1_000;
const BYTES: usize = 1024 * 1024;

const APPEND_ALL: &str = "
    WITH mine AS (SELECT * FROM UNNEST($1::smallint[], $2::bigint[], $3::bigint[]) AS mine(lane, epoch, base)),
    fence AS (
        SELECT lanes.lane FROM lanes JOIN mine ON lanes.lane = mine.lane AND lanes.epoch = mine.epoch
        WHERE coalesce((SELECT position FROM events WHERE events.lane = mine.lane ORDER BY position DESC LIMIT 1), 0) = mine.base
        FOR NO KEY UPDATE OF lanes SKIP LOCKED),
    stored AS (
        INSERT INTO events (lane, position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                            payload, metadata, command_key, fingerprint, time, hash)
        SELECT fence.lane, row.position, row.event_id, row.aggregate_type, row.aggregate_id, row.sequence,
               row.event_type, row.event_version, row.payload::json, row.metadata::json, row.command_key,
               row.fingerprint, row.time, row.hash
        FROM fence JOIN
             UNNEST($4::smallint[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::bigint[], $10::text[],
                    $11::text[], $12::text[], $13::text[], $14::uuid[], $15::bytea[], $16::timestamptz[], $17::bytea[])
             AS row(lane, position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload,
                    metadata, command_key, fingerprint, time, hash) ON row.lane = fence.lane)
    SELECT lane FROM fence";

/// Between the beginnings of two commits, the first of which had [`MANY`] events: where there is little to do nobody waits.
const PACE: Duration = Duration::from_millis(2);
const MANY: usize = 8;

/// The batches of one server's lanes that wait for a connection.
pub(super) struct Group {
    waiting: Mutex<VecDeque<Batch>>,
    /// When the next commit may begin.
    due: Mutex<tokio::time::Instant>,
    /// As many as connections that append.
    writers: Arc<Semaphore>,
}

struct Batch {
    ownership: Ownership,
    base: u64,
    records: Vec<Arc<Record>>,
    answer: oneshot::Sender<Appended>,
}

impl Batch {
    /// Nobody may wait for it any more.
    fn answer(self, appended: Appended) {
        let _ = self.answer.send(appended);
    }

    fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.payload.len() + record.metadata.len()).sum()
    }
}

impl Group {
    pub fn new(writers: usize) -> Self {
        let due = Mutex::new(tokio::time::Instant::now());
        Self { waiting: Mutex::default(), due, writers: Arc::new(Semaphore::new(writers)) }
    }

    fn put(&self, batch: Batch) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(batch);
    }

    /// What fits into one statement; a lane that gave up one batch and has another is in it once.
    fn take(&self) -> Vec<Batch> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut lanes) = (Vec::new(), BTreeSet::new());
        let (mut events, mut bytes) = (0, 0);
        while let Some(next) = waiting.front() {
            (events, bytes) = (events + next.records.len(), bytes + next.bytes());
            let fits = taken.is_empty() || (events <= EVENTS && bytes <= BYTES);
            if !fits || !lanes.insert(next.ownership.lane) {
                break;
            }
            taken.extend(waiting.pop_front());
        }
        taken
    }

    async fn due(&self) {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::time::sleep_until(due).await;
    }

    fn begun(&self, batches: &[Batch]) {
        if batches.iter().map(|batch| batch.records.len()).sum::<usize>() >= MANY {
            *self.due.lock().unwrap_or_else(PoisonError::into_inner) = tokio::time::Instant::now() + PACE;
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn free_writer(&self) -> Option<OwnedSemaphorePermit> {
        self.writers.clone().try_acquire_owned().ok()
    }
}

impl Log {
    /// [`Self::append`], in one commit with what other lanes have ready. It goes on when this is dropped.
    pub async fn commit(&self, ownership: &Ownership, base: u64, records: Vec<Arc<Record>>) -> Appended {
        let (answer, appended) = oneshot::channel();
        let lane = ownership.lane;
        let group = &self.store(lane).group;
        group.put(Batch { ownership: *ownership, base, records, answer });
        if let Some(writer) = group.free_writer() {
            tokio::spawn(self.clone().write(lane, writer));
        }
        appended.await.unwrap_or_else(|_| Appended::Unknown(Arc::new(sqlx::Error::WorkerCrashed)))
    }

    /// Writes for the server that has this lane while anything waits.
    async fn write(self, lane: Lane, mut writer: OwnedSemaphorePermit) {
        let group = &self.store(lane).group;
        loop {
            // Lanes that were answered just now have more: they are let in first.
            tokio::task::yield_now().await;
            group.due().await;
            let batches = group.take();
            if !batches.is_empty() {
                group.begun(&batches);
                self.append_all(batches).await;
                continue;
            }
            drop(writer);
            // Somebody may have come between the look and the drop. Looked at before a writer is taken: whoever comes
            // while one is taken for nothing finds none free, and nobody would look again.
            if group.is_empty() {
                return;
            }
            match group.free_writer() {
                Some(again) => writer = again,
                None => return,
            }
        }
    }

    async fn append_all(&self, mut batches: Vec<Batch>) {
        if batches.len() == 1
            && let Some(alone) = batches.pop()
        {
            return self.append_alone(alone).await;
        }
        let begun = Instant::now();
        match self.insert_all(&batches).await {
            Ok(stored) => {
                let is_stored = |batch: &Batch| stored.contains(&batch.ownership.lane.number());
                let (stored, rest): (Vec<Batch>, Vec<Batch>) = batches.into_iter().partition(is_stored);
                if !stored.is_empty() {
                    metrics::committed(stored.iter().map(|batch| batch.records.len()).sum(), begun.elapsed());
                }
                stored.into_iter().for_each(|batch| batch.answer(Appended::Durable));
                self.append_each(rest);
            }
            // Refused before anything was stored. Whose fault it was shows when each goes alone.
            Err(error) if is_definite(&error) => self.append_each(batches),
            Err(error) => {
                let error = Arc::new(error);
                batches.into_iter().for_each(|batch| batch.answer(Appended::Unknown(error.clone())));
            }
        }
    }

    /// Each waits for its own row, and hears why not.
    fn append_each(&self, batches: Vec<Batch>) {
        for batch in batches {
            let log = self.clone();
            tokio::spawn(async move { log.append_alone(batch).await });
        }
    }

    async fn append_alone(&self, batch: Batch) {
        let begun = Instant::now();
        let appended = self.append(&batch.ownership, batch.base, &batch.records).await;
        if matches!(appended, Appended::Durable) {
            metrics::committed(batch.records.len(), begun.elapsed());
        }
        batch.answer(appended);
    }

    /// The lanes that were stored; the others may not be ours, or their rows are held.
    async fn insert_all(&self, batches: &[Batch]) -> Result<BTreeSet<i16>, sqlx::Error> {
        let lane = batches[0].ownership.lane;
        let records: Vec<&Record> = batches.iter().flat_map(|batch| &batch.records).map(|record| &**record).collect();
        let of_each = |field: fn(&Batch) -> i64| batches.iter().map(field).collect::<Vec<_>>();
        let statement = sqlx::query(APPEND_ALL)
            .bind(batches.iter().map(|batch| batch.ownership.lane.number()).collect::<Vec<_>>())
            .bind(of_each(|batch| batch.ownership.epoch))
            .bind(of_each(|batch| batch.base as i64))
            .bind(records.iter().map(|record| record.lane.number()).collect::<Vec<_>>());
        let statement = bind_rows(statement, &records);
        let store = async |connection: &mut PgConnection| {
            refuse_as_told(connection).await?;
            statement.fetch_all(connection).await
        };
        Ok(self.ask(lane, self.lane_writers(lane), store).await?.iter().map(|row| row.get(0)).collect())
    }
}

/// Nothing was stored, and each lane alone may fare better: it is tried once. Any other error of the server undoes the
/// statement as well. But who is out of room (class 53) would say so to each, and then each would ask after its lane all
/// the same: that question waits for room by itself. And a server that ends (57P01) is not asked at once.
fn is_definite(error: &sqlx::Error) -> bool {
    const UNIQUE_VIOLATION: &str = "23505";
    const DEADLOCK: &str = "40P01";
    /// Somebody's word, or the statement took too long: it may have waited for what one of the lanes wrote.
    const CANCELLED: &str = "57014";
    let Some(code) = error.as_database_error().and_then(sqlx::error::DatabaseError::code) else { return false };
    [UNIQUE_VIOLATION, DEADLOCK, CANCELLED].contains(&&*code)
}
