//! What a home for message history costs at least, for benchmarks: the same rows inserted and the same pages selected
//! through the bare driver. Nothing is read from the log, no checkpoint moves, nobody asks who may see what, no body is
//! opened, nothing is shared.

use crate::{
    Error,
    message::{Body, Change, What, scylla},
};
use natter_domain::ConversationId;
use scylla::probe as cql;
use sqlx::{Executor, PgPool, postgres::PgPoolOptions, types::time::OffsetDateTime};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// As many connections as a generation's projectors and queries have.
const WRITERS: u32 = 4;
const READERS: u32 = 7;

/// Like the projectors' connections.
const WRITING: &str = "SET synchronous_commit = off";

/// The tables of a projection that has not run are what they are inserted into.
const INSERT: &str =
    "INSERT INTO public.message (conversation_id, seq, message_id, sender, body, sent_at, position)
     SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::bigint[])";

const PAGE: &str = "SELECT seq, message_id, sender, body, edited_body, sent_at, edited_at, recalled_at, pinned_at,
         reactions::text, position, changed
     FROM public.message WHERE conversation_id = $1 AND seq <= $2 ORDER BY seq DESC LIMIT $3";

type Row = (
    i64,
    Uuid,
    Option<Uuid>,
    Option<String>,
    Option<String>,
    OffsetDateTime,
    Option<OffsetDateTime>,
    Option<OffsetDateTime>,
    Option<OffsetDateTime>,
    Option<String>,
    i64,
    Option<i64>,
);

/// The bare driver on one home of messages.
pub enum Probe {
    Postgres { writing: PgPool, reading: PgPool },
    Cql(Box<cql::Probe>),
}

/// Sent messages, ready to be bound.
#[derive(Default)]
pub struct Rows {
    conversations: Vec<Uuid>,
    seqs: Vec<i64>,
    ids: Vec<Uuid>,
    senders: Vec<Option<Uuid>>,
    bodies: Vec<String>,
    times: Vec<OffsetDateTime>,
    positions: Vec<i64>,
}

impl Probe {
    /// On a database with our tables.
    pub async fn postgres(database_url: &str) -> Result<Self, Error> {
        let failed = || Error::database("connect a probe to PostgreSQL");
        let writing = PgPoolOptions::new()
            .max_connections(WRITERS)
            .after_connect(|connection, _| Box::pin(async move { connection.execute(WRITING).await.map(drop) }))
            .connect(database_url)
            .await
            .map_err(failed())?;
        let reading = PgPoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect(database_url)
            .await
            .map_err(failed())?;
        Ok(Self::Postgres { writing, reading })
    }

    /// On a keyspace, which is made where it is missing. `database_url`: of the installation that it belongs to.
    pub async fn cql(settings: scylla::Settings, database_url: &str, stop: &CancellationToken) -> Result<Self, Error> {
        let postgres = PgPool::connect(database_url).await.map_err(Error::database("connect a probe to PostgreSQL"))?;
        Ok(Self::Cql(Box::new(cql::Probe::open(settings, postgres, stop).await?)))
    }

    /// Inserts messages that were sent; anything else among the changes is left out.
    pub async fn insert(&self, changes: &[Change], rows: &Rows) -> Result<(), Error> {
        match self {
            Self::Postgres { writing, .. } => rows.insert(writing).await,
            Self::Cql(probe) => probe.insert(changes).await,
        }
    }

    /// The numbers of the newest `limit` messages up to `until`, each message read whole.
    pub async fn page(&self, conversation: ConversationId, until: u64, limit: u32) -> Result<Vec<u64>, Error> {
        match self {
            Self::Postgres { reading, .. } => page(reading, conversation, until, limit).await,
            Self::Cql(probe) => probe.page(conversation, until, limit).await,
        }
    }
}

async fn page(pool: &PgPool, conversation: ConversationId, until: u64, limit: u32) -> Result<Vec<u64>, Error> {
    let rows: Vec<Row> = sqlx::query_as(PAGE)
        .bind(conversation.0)
        .bind(i64::try_from(until).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(Error::database("select a page"))?;
    Ok(rows.into_iter().map(|(seq, ..)| seq as u64).collect())
}

impl Rows {
    pub fn of(changes: &[Change]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            let What::Sent { message_id, sender, body, .. } = &change.what else { continue };
            rows.push(change, message_id.0, sender.map(|sender| sender.0), body);
        }
        rows
    }

    fn push(&mut self, change: &Change, id: Uuid, sender: Option<Uuid>, body: &Body) {
        self.conversations.push(change.conversation_id.0);
        self.seqs.push(change.seq as i64);
        self.ids.push(id);
        self.senders.push(sender);
        self.bodies.push(body.to_string());
        self.times.push(change.at.into());
        self.positions.push(change.position as i64);
    }

    async fn insert(&self, pool: &PgPool) -> Result<(), Error> {
        sqlx::query(INSERT)
            .bind(&self.conversations)
            .bind(&self.seqs)
            .bind(&self.ids)
            .bind(&self.senders)
            .bind(&self.bodies)
            .bind(&self.times)
            .bind(&self.positions)
            .execute(pool)
            .await
            .map(drop)
            .map_err(Error::database("insert messages"))
    }
}
