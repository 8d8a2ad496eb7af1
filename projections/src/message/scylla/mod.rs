//! History in a cluster that speaks CQL: ScyllaDB or Apache Cassandra; nothing rests on what only one of them has.
//!
//! There are no transactions: rows are written first, then the checkpoint is moved in PostgreSQL. What a crash leaves
//! between the two, and what a write without an answer may have done, is written again; every write carries its event's
//! position as timestamp, so nothing is doubled and older never wins. `migrations/scylla/` tells the tables.
//!
//! While the cluster is away, reads fail within a few seconds as unavailable and the projector waits; nothing else does.

mod cell;
mod find;
mod fold;
mod held;
mod past;
pub mod probe;
mod read;
mod row;
mod runs;
mod schema;
mod session;
mod settings;
mod statement;
mod walk;
mod write;

pub(crate) use cell::{part, seqs};
pub use settings::{Consistency, Settings, Wrong};

use crate::{
    Error, Projection, Step,
    message::{
        Change, Filter, Found, HistoryStore, Message, Order, Reactor, Span, Tally, Version, Votes, What,
        held::{Held, Unit},
    },
    sql,
};
use futures::{FutureExt, future::BoxFuture};
use natter_domain::{AccountId, ConversationId, MessageId};
use natter_streams::{checkpoint::MOVE, statement as bounded};
use session::{Link, Session};
use sqlx::PgPool;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    error::Error as StdError,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use write::{Part, Writes};

type Fault = Box<dyn StdError + Send + Sync>;

/// Partitions remembered as written down; the set begins anew behind it.
const KNOWN: usize = 100_000;

pub struct ScyllaHistory {
    link: Link,
    settings: Settings,
    /// Of the checkpoints.
    postgres: PgPool,
    known: Mutex<HashSet<Part>>,
}

impl ScyllaHistory {
    /// Connects in the background, until told to stop. `postgres` has the checkpoints.
    pub fn open(settings: Settings, postgres: PgPool, stop: &CancellationToken) -> Result<Self, Error> {
        settings.check().map_err(Error::history("read the settings of message history"))?;
        let link = Link::open(settings.clone(), postgres.clone(), stop.clone());
        Ok(Self { link, settings, postgres, known: Mutex::default() })
    }

    /// Empties every table, for a new beginning: where a log lost its end, its positions come again, and what they stood
    /// for before would win over what they stand for now. Checkpoints are the caller's, who moves them first.
    pub async fn empty(&self) -> Result<(), Error> {
        let what = "empty message history";
        let session = self.session().await.map_err(Error::history(what))?;
        schema::empty(&session.driver, &self.settings).await.map_err(Error::history(what))
    }

    /// Throws the keyspace away, if it is there; refused where it is another installation's. `postgres` says whose ours
    /// are.
    pub async fn remove(settings: &Settings, postgres: &PgPool) -> Result<(), Error> {
        let what = "throw a keyspace of message history away";
        settings.check().map_err(Error::history(what))?;
        schema::remove(settings, postgres).await.map_err(Error::history(what))
    }

    /// Waits until the cluster has answered once; for an operator's command, which has the time.
    pub(crate) async fn reached(&self, patience: Duration) -> Result<(), Error> {
        self.link.session(patience).await.map(drop)
    }

    /// All that there is of every conversation, in parts.
    pub(crate) async fn units(&self) -> Result<BTreeSet<Unit>, Error> {
        let what = "list the conversations of a generation";
        let session = self.session().await.map_err(Error::history(what))?;
        session.units().await.map_err(Error::history(what))
    }

    pub(crate) async fn held(&self, units: &[Unit]) -> Result<BTreeMap<Unit, Held>, Error> {
        let what = "read the messages of a generation";
        let session = self.session().await.map_err(Error::history(what))?;
        session.held(units).await.map_err(Error::history(what))
    }

    async fn append(&self, changes: &[Change], step: &Step) -> Result<(), Error> {
        self.stands_at(step).await?;
        if !changes.is_empty() {
            self.write(changes).await.map_err(Error::history("write history"))?;
        }
        let step = step.of(Projection::History);
        let patient = bounded::bounded(&self.postgres).for_at_most(sql::PATIENCE);
        let moved = step.bind(MOVE).execute(patient).await.map_err(Error::database("move history's checkpoint"))?;
        Ok(step.taken(moved.rows_affected())?)
    }

    /// Whoever was overtaken learns it before writing. Should it happen afterwards, the same rows are written twice.
    async fn stands_at(&self, step: &Step) -> Result<(), Error> {
        let sql = "SELECT position FROM public.checkpoints WHERE projection = $1 AND lane = $2";
        let found: Option<i64> = sqlx::query_scalar(sql)
            .bind(step.of(Projection::History).projection)
            .bind(step.from.lane.number())
            .fetch_optional(bounded::bounded(&self.postgres))
            .await
            .map_err(Error::database("read history's checkpoint"))?;
        let stands = found.is_none_or(|position| position as u64 == step.from.position);
        Ok(step.of(Projection::History).taken(u64::from(stands))?)
    }

    async fn write(&self, changes: &[Change]) -> Result<(), Fault> {
        let session = self.link.session(self.settings.write_timeout).await?;
        let late = late(&session, changes).await?;
        let mut writes = Writes::of(changes.iter().filter(|change| !late.contains(&change.position)));
        let unknown: Vec<Part> = self.unknown(writes.parts());
        writes.make_known(&unknown, changes.first().map_or(0, |change| change.position));
        writes.run(&session, self.settings.writes_at_once).await?;
        self.remember(unknown);
        Ok(())
    }

    fn unknown(&self, parts: impl Iterator<Item = Part>) -> Vec<Part> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        parts.filter(|part| !known.contains(part)).collect()
    }

    fn remember(&self, parts: Vec<Part>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + parts.len() > KNOWN {
            known.clear();
        }
        known.extend(parts);
    }

    async fn session(&self) -> Result<Arc<Session>, Fault> {
        Ok(self.link.session(self.settings.read_timeout).await?)
    }

    /// A read of several statements as one that is given up in time.
    async fn read<T>(&self, what: &'static str, read: impl Future<Output = Result<T, Fault>>) -> Result<T, Error> {
        let in_time = tokio::time::timeout(self.settings.read_timeout * 2, read).await;
        in_time.map_err(Error::history(what))?.map_err(Error::history(what))
    }
}

impl HistoryStore for ScyllaHistory {
    fn is_away(&self) -> bool {
        self.link.is_away()
    }

    fn append<'a>(&'a self, changes: &'a [Change], step: &'a Step) -> BoxFuture<'a, Result<(), Error>> {
        self.append(changes, step).boxed()
    }

    fn page<'a>(
        &'a self,
        conversation: ConversationId,
        spans: &'a [Span],
        order: Order,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Message>, Error>> {
        self.read("read a page of messages", async move {
            self.session().await?.page(conversation, spans, order, limit).await
        })
        .boxed()
    }

    fn by_ids<'a>(
        &'a self,
        conversation: ConversationId,
        ids: &'a [MessageId],
    ) -> BoxFuture<'a, Result<Vec<Message>, Error>> {
        self.read("read messages", async move { self.session().await?.by_ids(conversation, ids).await }).boxed()
    }

    fn unread<'a>(
        &'a self,
        viewer: AccountId,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, u64>, Error>> {
        self.read("count unread messages", async move { self.session().await?.unread(viewer, spans).await }).boxed()
    }

    fn tally<'a>(
        &'a self,
        viewer: AccountId,
        conversation: ConversationId,
        spans: &'a [Span],
    ) -> BoxFuture<'a, Result<Tally, Error>> {
        self.read("count messages by what they are", async move {
            self.session().await?.tally(viewer, conversation, spans).await
        })
        .boxed()
    }

    fn last<'a>(
        &'a self,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, Message>, Error>> {
        self.read("read the newest messages", async move { self.session().await?.last(spans).await }).boxed()
    }

    fn changed(
        &self,
        conversation: ConversationId,
        after: u64,
        until: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        self.read(
            "read what changed",
            async move { self.session().await?.changed(conversation, after, until, limit).await },
        )
        .boxed()
    }

    fn find<'a>(
        &'a self,
        conversation: ConversationId,
        spans: &'a [Span],
        filter: &'a Filter,
        limit: u32,
    ) -> BoxFuture<'a, Result<Found, Error>> {
        self.read(
            "look for messages",
            async move { self.session().await?.find(conversation, spans, filter, limit).await },
        )
        .boxed()
    }

    fn recalled<'a>(
        &'a self,
        conversation: ConversationId,
        seqs: &'a [u64],
    ) -> BoxFuture<'a, Result<HashSet<u64>, Error>> {
        self.read("read what was recalled", async move { self.session().await?.recalled(conversation, seqs).await })
            .boxed()
    }

    fn versions(
        &self,
        conversation: ConversationId,
        seq: u64,
        after: u64,
        until: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Version>, Error>> {
        self.read("read what a message said before", async move {
            self.session().await?.versions(conversation, seq, (after, until), limit).await
        })
        .boxed()
    }

    fn reactors<'a>(
        &'a self,
        conversation: ConversationId,
        seq: u64,
        votes: Votes<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reactor>, Error>> {
        self.read("read who has reacted", async move { self.session().await?.reactors(conversation, seq, votes).await })
            .boxed()
    }

    fn mine<'a>(
        &'a self,
        viewer: AccountId,
        conversation: ConversationId,
        seqs: &'a [u64],
    ) -> BoxFuture<'a, Result<HashMap<u64, Vec<String>>, Error>> {
        self.read("read reactions", async move { self.session().await?.mine(viewer, conversation, seqs).await }).boxed()
    }
}

/// Positions of what comes behind a recall: somebody reads how far it was. Rare, so that it is asked for.
async fn late(session: &Session, changes: &[Change]) -> Result<HashSet<u64>, Fault> {
    let mut late = HashSet::new();
    for change in changes.iter().filter(|change| matches!(change.what, What::Counting { .. })) {
        let is_recall = |other: &Change| {
            let of_it = (other.conversation_id, other.seq) == (change.conversation_id, change.seq);
            of_it && matches!(other.what, What::Recalled { .. }) && other.position < change.position
        };
        // Of a recalled message the last change is its recall.
        let is_over = |stored: &Message| stored.recalled_at.is_some() && stored.changed < change.position;
        let is_late = changes.iter().any(is_recall)
            || session.by_seqs(change.conversation_id, BTreeSet::from([change.seq])).await?.iter().any(is_over);
        is_late.then(|| late.insert(change.position));
    }
    Ok(late)
}
