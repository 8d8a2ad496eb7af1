//! The rows that nodes share by. Every change of an owner is one autocommit statement that says what must be so;
//! PostgreSQL's clock decides what has expired, and nobody else's comes in.
//!
//! What may be lost in a crash of PostgreSQL: a renewal, a release, a candidate; they do not wait for the disk. What
//! may not: a takeover, for its epoch could be given a second time.

use super::{
    Context, Share,
    contact::Contact,
    machine::{Candidate, Row, Taken},
};
use crate::{
    Error, Lane, Log, Node,
    statement::{ANSWER_TIMEOUT, run},
};
use futures::future::join_all;
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};
use std::{collections::HashMap, time::Duration};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Renewals and takeovers wait for appends to their lane, so a few go side by side on each server; at least one
/// connection stays free for those that wait for nobody.
const RENEWALS: usize = 2;
const TAKEOVERS: usize = 2;

/// This statement's commit does not wait for the disk. Read in its RETURNING or SELECT, so that it is executed.
const QUICK: &str = "(SELECT set_config('synchronous_commit', 'off', true) AS durability) quick";

/// What a look found.
pub(super) struct View {
    pub rows: Vec<Row>,
    pub living: Vec<Candidate>,
}

pub(super) struct Board {
    log: Log,
    share: Share,
    me: Node,
    owner: String,
    /// Seconds.
    term: f64,
    /// A renewal or a look that takes longer is tried on another connection while there still is a lease to renew.
    patience: Duration,
    /// Of each server: one that does not answer keeps no lane of another waiting.
    permits: Vec<Permits>,
}

struct Permits {
    renewals: Semaphore,
    takeovers: Semaphore,
}

impl Board {
    pub(super) fn new(context: &Context, share: Share) -> Self {
        let Context { log, node, settings, .. } = context;
        Self {
            log: log.clone(),
            share,
            me: node.clone(),
            owner: node.to_string(),
            term: settings.term.as_secs_f64(),
            patience: ANSWER_TIMEOUT.min(settings.term / 2),
            permits: log.row_pools().iter().map(|_| Permits::new()).collect(),
        }
    }

    /// Before the first look. An earlier start of ours is dead, and those who died long ago are nobody's concern.
    pub(super) async fn arrive(&self) -> Result<(), Error> {
        let sql = "DELETE FROM candidates WHERE share = $1
            AND (starts_with(owner, $2 || '/') AND owner <> $3 OR expires_at < now() - interval '1 hour')";
        let arrived = run(self.log.lease_pool(), self.patience, async |connection| {
            sqlx::query(sql).bind(self.share.name()).bind(&*self.me.name).bind(&self.owner).execute(connection).await
        });
        arrived.await.map(drop).map_err(Error::database("arrive among those who share lanes"))
    }

    /// Who lives (we do, if we `join`, so connected), and who has what. Rows that cannot be read now are left out.
    pub(super) async fn look(&self, join: Option<Contact>) -> Result<View, Error> {
        if let Some(contact) = join {
            self.join(contact).await.map_err(Error::database("join those who share lanes"))?;
        }
        let living = self.living().await.map_err(Error::database("read who shares lanes"))?;
        let mut rows = Vec::new();
        for read in join_all(self.pools().into_iter().map(|pool| self.rows(pool))).await {
            match read {
                Ok(read) => rows.extend(read),
                Err(error) => {
                    tracing::warn!(share = self.share.name(), %error, "read the rows of leases: trying again");
                }
            }
        }
        Ok(View { rows, living })
    }

    /// Makes a free row ours, if its epoch is still the one that was seen. `send` is called when nothing but the
    /// database is waited for any more.
    pub(super) async fn take_over(&self, lane: Lane, epoch: i64, send: impl FnOnce()) -> Result<Option<Taken>, Error> {
        let sql = format!(
            "UPDATE {} SET epoch = epoch + 1, owner = $3, expires_at = now() + make_interval(secs => $4)
             WHERE {} AND lane = $2 AND epoch = $5
               AND (owner = '' OR expires_at <= now() OR starts_with(owner, $6 || '/'))
             RETURNING epoch",
            self.table(),
            self.scope(),
        );
        let permit = self.permits(lane).takeovers.acquire().await;
        send();
        let taken = run(self.pool(lane), ANSWER_TIMEOUT, async |connection| {
            sqlx::query_scalar(&sql)
                .bind(self.share.name())
                .bind(lane.number())
                .bind(&self.owner)
                .bind(self.term)
                .bind(epoch)
                .bind(&*self.me.name)
                .fetch_optional(connection)
                .await
        });
        let Some(epoch) = taken.await.map_err(Error::lane("take over the lease", lane))? else { return Ok(None) };
        drop(permit);
        Ok(Some(Taken { lane, epoch, incarnation: self.incarnation(lane).await? }))
    }

    /// For those who append. A reader has no use for it, and shall not ask the lane's server, which may be away, for its
    /// own row, which is elsewhere.
    async fn incarnation(&self, lane: Lane) -> Result<Uuid, Error> {
        if self.share != Share::Lanes {
            return Ok(Uuid::nil());
        }
        let incarnation = run(self.log.row_pool(lane), ANSWER_TIMEOUT, async |connection| {
            let sql = "SELECT incarnation FROM lanes WHERE lane = $1";
            sqlx::query_scalar(sql).bind(lane.number()).fetch_one(connection).await
        });
        incarnation.await.map_err(Error::lane("read the incarnation", lane))
    }

    /// Which of these lanes can go into one statement: a lane's row may wait for an append, and must not be locked
    /// while another waits. Nobody holds a reader's row for longer than we do.
    pub(super) fn together(&self, lanes: Vec<(Lane, i64)>) -> Vec<Vec<(Lane, i64)>> {
        match self.share {
            Share::Lanes => lanes.into_iter().map(|lane| vec![lane]).collect(),
            Share::Reader(_) => vec![lanes],
        }
    }

    /// Renews lanes of one statement, by owner: who works on a lane may have raised its epoch. Gives back what was
    /// renewed, with its epoch. `send`: as above.
    pub(super) async fn renew(&self, lanes: &[Lane], send: impl FnOnce()) -> Result<HashMap<Lane, i64>, Error> {
        let Some(first) = lanes.first() else { return Ok(HashMap::new()) };
        // `greatest`: an earlier renewal that was delayed does not take back what a later one gave.
        let sql = format!(
            "UPDATE {} SET expires_at = greatest(expires_at, now() + make_interval(secs => $4)) FROM {QUICK}
             WHERE {} AND lane = ANY($2) AND owner = $3 RETURNING lane, epoch, quick.durability",
            self.table(),
            self.scope(),
        );
        let _permit = self.permits(*first).renewals.acquire().await;
        send();
        let numbers: Vec<i16> = lanes.iter().map(|lane| lane.number()).collect();
        let renewed = run(self.pool(*first), self.patience, async |connection| {
            let renewal = sqlx::query(&sql).bind(self.share.name()).bind(numbers).bind(&self.owner).bind(self.term);
            renewal.fetch_all(connection).await
        });
        let rows = renewed.await.map_err(Error::lane("renew the lease", *first))?;
        Ok(rows.iter().map(|row| (lane(row), row.get("epoch"))).collect())
    }

    /// Gives a row back, if it is ours. Its epoch stays: the next takeover raises it. So a release that arrives late, when
    /// we have taken the row again, finds another epoch than it was read with and frees nothing.
    pub(super) async fn release(&self, lane: Lane) -> Result<(), Error> {
        let (table, scope) = (self.table(), self.scope());
        let read = format!("SELECT epoch FROM {table} WHERE {scope} AND lane = $2 AND owner = $3");
        let free = format!(
            "UPDATE {table} SET owner = '', expires_at = '-infinity' FROM {QUICK}
             WHERE {scope} AND lane = $2 AND owner = $3 AND epoch = $4 RETURNING quick.durability"
        );
        let (share, number) = (self.share.name(), lane.number());
        let released = run(self.pool(lane), ANSWER_TIMEOUT, async |connection| {
            let read = sqlx::query_scalar(&read).bind(share).bind(number).bind(&self.owner);
            let Some(epoch) = read.fetch_optional(&mut *connection).await? else { return Ok(()) };
            let epoch: i64 = epoch;
            let free = sqlx::query(&free).bind(share).bind(number).bind(&self.owner).bind(epoch);
            free.fetch_optional(connection).await.map(drop)
        });
        released.await.map_err(Error::lane("release the lease", lane))
    }

    pub(super) async fn leave(&self) -> Result<(), Error> {
        let left = run(self.log.lease_pool(), self.patience, async |connection| {
            let leave = sqlx::query("DELETE FROM candidates WHERE share = $1 AND owner = $2");
            leave.bind(self.share.name()).bind(&self.owner).execute(connection).await
        });
        left.await.map(drop).map_err(Error::database("leave those who share lanes"))
    }

    async fn join(&self, contact: Contact) -> Result<(), sqlx::Error> {
        let sql = format!(
            "INSERT INTO candidates (share, owner, expires_at, contact)
             SELECT $1, $2, now() + make_interval(secs => $3), $4 FROM {QUICK} WHERE quick.durability = 'off'
             ON CONFLICT (share, owner) DO UPDATE SET expires_at = excluded.expires_at, contact = excluded.contact"
        );
        let joined = run(self.log.lease_pool(), self.patience, async |connection| {
            let join = sqlx::query(&sql).bind(self.share.name()).bind(&self.owner).bind(self.term);
            join.bind(contact.as_str()).execute(connection).await
        });
        joined.await.map(drop)
    }

    async fn living(&self) -> Result<Vec<Candidate>, sqlx::Error> {
        let sql = "SELECT owner, contact FROM candidates WHERE share = $1 AND expires_at > now()";
        let rows: Vec<(String, String)> = run(self.log.lease_pool(), self.patience, async |connection| {
            sqlx::query_as(sql).bind(self.share.name()).fetch_all(connection).await
        })
        .await?;
        let candidate = |(owner, contact): &(String, String)| {
            Some(Candidate { node: Node::parse(owner)?, contact: Contact::parse(contact) })
        };
        Ok(rows.iter().filter_map(candidate).collect())
    }

    async fn rows(&self, pool: &PgPool) -> Result<Vec<Row>, sqlx::Error> {
        let sql = format!(
            "SELECT lane, owner, epoch, expires_at <= now() AS expired FROM {} WHERE {}",
            self.table(),
            self.scope(),
        );
        let select =
            async |connection: &mut PgConnection| sqlx::query(&sql).bind(self.share.name()).fetch_all(connection).await;
        let mut rows = run(pool, self.patience, select).await?;
        if let Share::Reader(name) = self.share
            && rows.len() < self.log.lanes().count()
        {
            self.make_rows(name).await?;
            rows = run(pool, self.patience, select).await?;
        }
        Ok(rows.iter().map(row).filter(|row| self.log.lanes().contains(row.lane)).collect())
    }

    /// A reader that nobody has run yet has no rows.
    async fn make_rows(&self, reader: &str) -> Result<(), sqlx::Error> {
        let numbers: Vec<i16> = self.log.lanes().iter().map(Lane::number).collect();
        let made = run(self.log.lease_pool(), self.patience, async |connection| {
            let sql = "INSERT INTO readers (reader, lane) SELECT $1, unnest($2::smallint[]) ON CONFLICT DO NOTHING";
            sqlx::query(sql).bind(reader).bind(numbers).execute(connection).await
        });
        made.await.map(drop)
    }

    fn pool(&self, lane: Lane) -> &PgPool {
        match self.share {
            Share::Lanes => self.log.row_pool(lane),
            Share::Reader(_) => self.log.lease_pool(),
        }
    }

    fn pools(&self) -> Vec<&PgPool> {
        match self.share {
            Share::Lanes => self.log.row_pools(),
            Share::Reader(_) => vec![self.log.lease_pool()],
        }
    }

    fn permits(&self, lane: Lane) -> &Permits {
        match self.share {
            Share::Lanes => &self.permits[self.log.row_store(lane)],
            Share::Reader(_) => &self.permits[0],
        }
    }

    fn table(&self) -> &'static str {
        match self.share {
            Share::Lanes => "lanes",
            Share::Reader(_) => "readers",
        }
    }

    /// Which rows of the table; `$1` is the share's name in every statement.
    fn scope(&self) -> &'static str {
        match self.share {
            Share::Lanes => "$1::text IS NOT NULL",
            Share::Reader(_) => "reader = $1",
        }
    }
}

impl Permits {
    fn new() -> Self {
        Self { renewals: Semaphore::new(RENEWALS), takeovers: Semaphore::new(TAKEOVERS) }
    }
}

fn row(row: &PgRow) -> Row {
    // Whoever took the lane without being a node of ours holds it too, until it expires.
    let stranger = |owner: &str| Node { name: owner.into(), start: Uuid::nil() };
    let owner: &str = row.get("owner");
    let owner = (!owner.is_empty()).then(|| Node::parse(owner).unwrap_or_else(|| stranger(owner)));
    Row { lane: lane(row), owner, epoch: row.get("epoch"), expired: row.get("expired") }
}

fn lane(row: &PgRow) -> Lane {
    Lane::new(row.get::<i16, _>("lane") as u8)
}
