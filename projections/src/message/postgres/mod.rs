//! History in PostgreSQL: the tables `message`, `message_change` and `reaction`.

mod find;
pub(crate) mod held;
mod past;
mod patch;
mod read;
mod write;

pub(in crate::message) use write::{counted, whose, written};

use crate::{
    Error, Step,
    message::{Change, Filter, Found, HistoryStore, Message, Order, Reactor, Span, Tally, Version, Votes},
};
use futures::{FutureExt, future::BoxFuture};
use natter_domain::{AccountId, ConversationId, MessageId};
use sqlx::PgPool;
use std::collections::{HashMap, HashSet};

pub struct PostgresHistory {
    reading: PgPool,
    writing: PgPool,
}

impl PostgresHistory {
    /// Reads and writes through different connections, to the database that has the checkpoints.
    pub fn new(reading: PgPool, writing: PgPool) -> Self {
        Self { reading, writing }
    }
}

impl HistoryStore for PostgresHistory {
    fn append<'a>(&'a self, changes: &'a [Change], step: &'a Step) -> BoxFuture<'a, Result<(), Error>> {
        write::append(&self.writing, changes, step).boxed()
    }

    fn page<'a>(
        &'a self,
        conversation: ConversationId,
        spans: &'a [Span],
        order: Order,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Message>, Error>> {
        read::page(&self.reading, conversation, spans, order, limit).boxed()
    }

    fn by_ids<'a>(
        &'a self,
        conversation: ConversationId,
        ids: &'a [MessageId],
    ) -> BoxFuture<'a, Result<Vec<Message>, Error>> {
        read::by_ids(&self.reading, conversation, ids).boxed()
    }

    fn unread<'a>(
        &'a self,
        viewer: AccountId,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, u64>, Error>> {
        read::unread(&self.reading, viewer, spans).boxed()
    }

    fn tally<'a>(
        &'a self,
        viewer: AccountId,
        conversation: ConversationId,
        spans: &'a [Span],
    ) -> BoxFuture<'a, Result<Tally, Error>> {
        read::tally(&self.reading, viewer, conversation, spans).boxed()
    }

    fn last<'a>(
        &'a self,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, Message>, Error>> {
        read::last(&self.reading, spans).boxed()
    }

    fn changed(
        &self,
        conversation: ConversationId,
        after: u64,
        until: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        read::changed(&self.reading, conversation, after, until, limit).boxed()
    }

    fn find<'a>(
        &'a self,
        conversation: ConversationId,
        spans: &'a [Span],
        filter: &'a Filter,
        limit: u32,
    ) -> BoxFuture<'a, Result<Found, Error>> {
        find::find(&self.reading, conversation, spans, filter, limit).boxed()
    }

    fn recalled<'a>(
        &'a self,
        conversation: ConversationId,
        seqs: &'a [u64],
    ) -> BoxFuture<'a, Result<HashSet<u64>, Error>> {
        read::recalled(&self.reading, conversation, seqs).boxed()
    }

    fn versions(
        &self,
        conversation: ConversationId,
        seq: u64,
        after: u64,
        until: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Version>, Error>> {
        past::versions(&self.reading, conversation, seq, (after, until), limit).boxed()
    }

    fn reactors<'a>(
        &'a self,
        conversation: ConversationId,
        seq: u64,
        votes: Votes<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reactor>, Error>> {
        past::reactors(&self.reading, conversation, seq, votes).boxed()
    }

    fn mine<'a>(
        &'a self,
        viewer: AccountId,
        conversation: ConversationId,
        seqs: &'a [u64],
    ) -> BoxFuture<'a, Result<HashMap<u64, Vec<String>>, Error>> {
        read::mine(&self.reading, viewer, conversation, seqs).boxed()
    }
}

/// PostgreSQL has no unsigned numbers; no seq and no position comes near.
fn number(unsigned: u64) -> i64 {
    i64::try_from(unsigned).unwrap_or(i64::MAX)
}
