//! What an edge asks of sessions.

use crate::{Error, Shared};
use natter_domain::{SessionId, Timestamp};
use natter_streams::statement;
use sqlx::types::time::OffsetDateTime;
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

impl Query<'_> {
    /// The sessions that were ended at or after that moment: their access tokens may still look valid.
    pub async fn ended_since(&self, moment: Timestamp) -> Result<Vec<SessionId>, Error> {
        let ids: Vec<Uuid> =
            sqlx::query_scalar("SELECT session_id FROM session WHERE ended_at >= $1 ORDER BY ended_at")
                .bind(OffsetDateTime::from(moment))
                .fetch_all(statement::bounded(&self.0.pool()))
                .await
                .map_err(Error::database("read ended sessions"))?;
        Ok(ids.into_iter().map(SessionId).collect())
    }
}
