//! When people were online last, and who may be shown it and whether they are online now.
//!
//! The table is no projection: no event says that somebody came or went, so nothing of it can be built again. The doors
//! write it now and then ([`Query::remember`]), the latest moment wins, and a row goes with its account. It stands in no
//! generation; who may be shown it is asked of relations.

use crate::{Error, Projection, Shared, account::card, friendship::block};
use natter_domain::{AccountId, Timestamp};
use natter_streams::statement;
use sqlx::{PgConnection, types::time::OffsetDateTime};
use uuid::Uuid;

/// Rows of one statement: whoever asks for more asks piece by piece, so that what fails is no more than a piece.
pub const AT_ONCE: usize = 1_000;

pub struct Query<'a>(pub(crate) &'a Shared);

/// Somebody, and whom they look at.
pub type Pair = (AccountId, AccountId);

/// A viewer may know of somebody whether they are online, and when they were last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    pub pair: Pair,
    pub last_seen_at: Option<Timestamp>,
}

/// Viewer, whom they look at, that one's settings, when they were online last.
type Row = (Uuid, Uuid, Option<String>, Option<OffsetDateTime>);

impl Query<'_> {
    /// Of these pairs those of whom the first may know it of the second: neither blocks the other, the second is there and
    /// does not hide it. Oneself is hidden from nobody. One statement: [`AT_ONCE`] pairs at the most.
    pub async fn sights(&self, pairs: &[Pair]) -> Result<Vec<Sight>, Error> {
        self.rows(pairs).await?.into_iter().filter_map(|row| sight(row).transpose()).collect()
    }

    async fn rows(&self, pairs: &[Pair]) -> Result<Vec<Row>, Error> {
        let sql = format!(
            "SELECT pair.viewer, account.account_id, settings, last_seen_at
             FROM UNNEST($1::uuid[], $2::uuid[]) AS pair(viewer, other)
                  JOIN account ON account.account_id = pair.other
                  LEFT JOIN public.presence AS seen ON seen.account_id = pair.other
             WHERE registered_at IS NOT NULL AND closed_at IS NULL AND NOT {}",
            block::between("pair.viewer", "pair.other")
        );
        sqlx::query_as(&sql)
            .bind(pairs.iter().map(|(viewer, _)| viewer.0).collect::<Vec<_>>())
            .bind(pairs.iter().map(|(_, other)| other.0).collect::<Vec<_>>())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read who may see whether somebody is online"))
    }

    /// When somebody was online last, whoever may know it.
    pub async fn last_seen(&self, account: AccountId) -> Result<Option<Timestamp>, Error> {
        let at: Option<OffsetDateTime> =
            sqlx::query_scalar("SELECT last_seen_at FROM public.presence WHERE account_id = $1")
                .bind(account.0)
                .fetch_optional(statement::bounded(&self.0.pool()))
                .await
                .map_err(Error::database("read when somebody was online last"))?;
        Ok(at.map(Timestamp::from))
    }

    /// Writes when these people were online last, each once; what is later already stays. Of whom there is nothing any
    /// more nothing is written.
    pub async fn remember(&self, seen: &[(AccountId, Timestamp)]) -> Result<(), Error> {
        let pool = self.0.live.home(Projection::Relations).writing.clone();
        for some in seen.chunks(AT_ONCE) {
            // In one order, so that no two doors wait for each other.
            sqlx::query(
                "INSERT INTO public.presence (account_id, last_seen_at)
                 SELECT account_id, at FROM UNNEST($1::uuid[], $2::timestamptz[]) AS seen(account_id, at)
                      JOIN account USING (account_id)
                 WHERE closed_at IS NULL ORDER BY account_id
                 ON CONFLICT (account_id) DO UPDATE SET last_seen_at = excluded.last_seen_at
                 WHERE presence.last_seen_at < excluded.last_seen_at",
            )
            .bind(some.iter().map(|(account, _)| account.0).collect::<Vec<_>>())
            .bind(some.iter().map(|(_, at)| OffsetDateTime::from(*at)).collect::<Vec<_>>())
            .execute(statement::bounded(&pool))
            .await
            .map_err(Error::database("write when people were online last"))?;
        }
        Ok(())
    }
}

fn sight((viewer, other, settings, last_seen_at): Row) -> Result<Option<Sight>, Error> {
    let is_shown = viewer == other || card::settings(settings.as_deref())?.show_online.0;
    let pair = (AccountId(viewer), AccountId(other));
    Ok(is_shown.then(|| Sight { pair, last_seen_at: last_seen_at.map(Timestamp::from) }))
}

/// Whose accounts are closed or erased.
pub(crate) async fn forget(connection: &mut PgConnection, accounts: &[Uuid]) -> Result<(), Error> {
    sqlx::query("DELETE FROM public.presence WHERE account_id = ANY($1)")
        .bind(accounts)
        .execute(connection)
        .await
        .map_err(Error::database("forget when people were online last"))?;
    Ok(())
}
