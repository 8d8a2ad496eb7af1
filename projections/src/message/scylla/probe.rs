//! The bare driver on a keyspace: see [`crate::message::probe`].

use super::{
    Error, Link, Session, Settings,
    cell::{Cell, bucket, limit},
    row::Row,
    statement::Read,
    write::Writes,
};
use crate::message::Change;
use natter_domain::ConversationId;
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A new keyspace takes a cluster seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Probe {
    session: Arc<Session>,
    at_once: usize,
}

impl Probe {
    pub(in crate::message) async fn open(
        settings: Settings,
        postgres: PgPool,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let session = Link::open(settings.clone(), postgres, stop.clone()).session(PATIENCE).await?;
        Ok(Self { session, at_once: settings.writes_at_once })
    }

    /// The statements that the tables need, batched by partition; which partitions there are is not written down.
    pub(in crate::message) async fn insert(&self, changes: &[Change]) -> Result<(), Error> {
        Writes::of(changes).run(&self.session, self.at_once).await.map_err(Error::history("insert messages"))
    }

    /// From the one partition that has the newest of them.
    pub(in crate::message) async fn page(
        &self,
        conversation: ConversationId,
        until: u64,
        rows: u32,
    ) -> Result<Vec<u64>, Error> {
        let cells: [Cell<'_>; 5] =
            [conversation.into(), bucket(until).into(), 0.into(), until.into(), limit(rows as usize)];
        let rows: Vec<Row> =
            self.session.rows(Read::NewestFirst, &cells).await.map_err(Error::history("select a page"))?;
        Ok(rows.into_iter().map(|row| row.seq as u64).collect())
    }
}
