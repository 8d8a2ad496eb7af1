//! Incarnations of a lane. A loss that was declared ends one; what follows belongs to a new one, while older events keep
//! theirs: it is part of their hash. The table `seams` says where each begins.

use super::{Log, Ownership};
use crate::{Error, Hash, Lane, Link, statement};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// A lane's row and its head, as of one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub epoch: i64,
    pub head: Link,
}

impl Log {
    /// Whether this event is in the log: nothing that was read may ever be gone from it.
    pub async fn holds(&self, link: &Link) -> Result<bool, Error> {
        Ok(self.found(link).await?.is_some())
    }

    /// The same place, in the incarnation of what comes next there. `None`: the log does not hold this event.
    pub async fn found(&self, link: &Link) -> Result<Option<Link>, Error> {
        const FOUND: &str = "SELECT (SELECT hash FROM events WHERE events.lane = lanes.lane AND position = $2) AS hash,
            coalesce((SELECT incarnation FROM seams WHERE seams.lane = lanes.lane AND position <= $2
                      ORDER BY position DESC LIMIT 1), incarnation) AS incarnation
            FROM lanes WHERE lane = $1";
        let found = sqlx::query(FOUND).bind(link.lane.number()).bind(link.position as i64);
        let found = async |connection: &mut PgConnection| found.fetch_one(connection).await;
        let row = self
            .ask(link.lane, self.lane_pool(link.lane), found)
            .await
            .map_err(Error::lane("look for one event", link.lane))?;
        let stored = row.get::<Option<Vec<u8>>, _>("hash").unwrap_or_default();
        let same = if link.position == 0 { link.hash == Hash::default() } else { stored == link.hash.0 };
        Ok(same.then(|| Link { incarnation: row.get("incarnation"), ..*link }))
    }

    /// What an owner compares with what it remembers. `None`: the lane has no row any more.
    pub(crate) async fn standing(&self, lane: Lane) -> Result<Option<Standing>, Error> {
        const STANDING: &str = "SELECT epoch, incarnation, position, hash FROM lanes LEFT JOIN LATERAL
            (SELECT position, hash FROM events WHERE events.lane = lanes.lane ORDER BY position DESC LIMIT 1) AS newest
            ON true WHERE lanes.lane = $1";
        let standing = sqlx::query(STANDING).bind(lane.number());
        let standing = async |connection: &mut PgConnection| standing.fetch_optional(connection).await;
        let row = self
            .ask(lane, self.lane_pool(lane), standing)
            .await
            .map_err(Error::lane("read the row and the head", lane))?;
        Ok(row.map(|row| {
            let incarnation = row.get("incarnation");
            let position = row.get::<Option<i64>, _>("position").unwrap_or_default() as u64;
            let hash = row.get::<Option<Vec<u8>>, _>("hash").and_then(|bytes| bytes.try_into().ok());
            let head = Link { lane, incarnation, position, hash: hash.map(Hash).unwrap_or_default() };
            Standing { epoch: row.get("epoch"), head }
        }))
    }

    /// The incarnations that declared losses have ended.
    pub async fn ended_incarnations(&self, lane: Lane) -> Result<Vec<Uuid>, Error> {
        sqlx::query_scalar(
            "SELECT DISTINCT seams.incarnation FROM seams JOIN lanes USING (lane)
             WHERE lane = $1 AND seams.incarnation <> lanes.incarnation",
        )
        .bind(lane.number())
        .fetch_all(statement::bounded(self.lane_pool(lane)))
        .await
        .map_err(Error::lane("read the seams of", lane))
    }

    /// From behind `position` on the lane's events belong to `incarnation`. False: the lane is not ours any more.
    pub(crate) async fn begin_incarnation(
        &self,
        ownership: &Ownership,
        position: u64,
        incarnation: Uuid,
    ) -> Result<bool, Error> {
        // One statement: the row is locked while the seams are written, and all of it reads the row as it was.
        const BEGIN: &str = "
            WITH fence AS (SELECT lane, incarnation FROM lanes WHERE lane = $1 AND epoch = $2 FOR NO KEY UPDATE),
            first AS (INSERT INTO seams (lane, position, incarnation) SELECT lane, 0, incarnation FROM fence WHERE $3 > 0
                      ON CONFLICT DO NOTHING),
            next AS (INSERT INTO seams AS mine (lane, position, incarnation) SELECT lane, $3, $4 FROM fence
                     ON CONFLICT (lane, position) DO UPDATE SET incarnation = $4)
            UPDATE lanes SET incarnation = $4 FROM fence WHERE lanes.lane = fence.lane";
        let done = sqlx::query(BEGIN)
            .bind(ownership.lane.number())
            .bind(ownership.epoch)
            .bind(position as i64)
            .bind(incarnation)
            .execute(statement::bounded(self.lane_writers(ownership.lane)))
            .await
            .map_err(Error::lane("begin an incarnation", ownership.lane))?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes a lane for a repair: whoever ran it is fenced.
    pub(crate) async fn seize(&self, lane: Lane) -> Result<Ownership, Error> {
        // Far ahead, so that no epoch that was given before PostgreSQL went back is ever given again.
        const SEIZE: &str =
            "UPDATE lanes SET epoch = epoch + 1000000, owner = $2, expires_at = now() + interval '1 minute'
            WHERE lane = $1 RETURNING epoch, incarnation";
        let row = sqlx::query(SEIZE)
            .bind(lane.number())
            .bind(crate::Node::new("repair").to_string())
            .fetch_one(statement::bounded(self.lane_writers(lane)))
            .await
            .map_err(Error::lane("take over the row for a repair", lane))?;
        Ok(Ownership { lane, epoch: row.get("epoch"), incarnation: row.get("incarnation") })
    }

    /// A repair may take longer than the lane was seized for.
    pub(crate) async fn keep_seized(&self, ownership: &Ownership) -> Result<(), Error> {
        sqlx::query("UPDATE lanes SET expires_at = now() + interval '1 minute' WHERE lane = $1 AND epoch = $2")
            .bind(ownership.lane.number())
            .bind(ownership.epoch)
            .execute(statement::bounded(self.lane_writers(ownership.lane)))
            .await
            .map(drop)
            .map_err(Error::lane("keep the row for a repair", ownership.lane))
    }

    /// Gives a lane that was seized to whoever wants it.
    pub(crate) async fn release(&self, ownership: &Ownership) -> Result<(), Error> {
        sqlx::query("UPDATE lanes SET owner = '', expires_at = '-infinity' WHERE lane = $1 AND epoch = $2")
            .bind(ownership.lane.number())
            .bind(ownership.epoch)
            .execute(statement::bounded(self.lane_writers(ownership.lane)))
            .await
            .map(drop)
            .map_err(Error::lane("give back the row", ownership.lane))
    }
}
