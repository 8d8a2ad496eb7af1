//! Single messages that people have deleted for themselves. Who may see what without them is the gate's.

use crate::{
    Error, Shared,
    sync::{After, Since},
};
use natter_client::wire;
use natter_domain::AccountId;
use natter_streams::statement;
use uuid::Uuid;

/// Queries of inboxes that are of no conversation.
pub struct Query<'a>(pub(crate) &'a Shared);

/// Conversation, seq, message.
type Row = (Uuid, i64, Uuid);

impl Query<'_> {
    /// What the viewer has deleted since.
    pub(crate) async fn changed(&self, since: Since<'_>) -> Result<(Vec<wire::DeletedMessage>, Option<After>), Error> {
        let mut rows: Vec<Row> = sqlx::query_as(
            "SELECT conversation_id, seq, message_id FROM message_deleted
             WHERE account_id = $1 AND changed > ($2::bigint[])[lane + 1] AND (conversation_id, seq) > ($3, $4)
             ORDER BY conversation_id, seq LIMIT $5",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .bind(since.after.id)
        .bind(since.after.number as i64)
        .bind(since.rows())
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read which messages were deleted"))?;
        let rest = since.cut(&mut rows, |&(id, seq, _)| After { id, number: seq as u64 });
        Ok((rows.into_iter().map(deleted).collect(), rest))
    }

    /// All that somebody has deleted one by one, by conversation and number: for who gives them all that is held on them.
    pub async fn deleted_messages(
        &self,
        viewer: AccountId,
        after: (Uuid, u64),
        rows: u32,
    ) -> Result<Vec<wire::DeletedMessage>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT conversation_id, seq, message_id FROM message_deleted
             WHERE account_id = $1 AND (conversation_id, seq) > ($2, $3) ORDER BY conversation_id, seq LIMIT $4",
        )
        .bind(viewer.0)
        .bind(after.0)
        .bind(after.1 as i64)
        .bind(i64::from(rows))
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read what an account has deleted"))?;
        Ok(rows.into_iter().map(deleted).collect())
    }
}

fn deleted((conversation_id, seq, message_id): Row) -> wire::DeletedMessage {
    wire::DeletedMessage { conversation_id, seq: seq as u64, message_id }
}
