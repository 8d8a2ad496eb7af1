//! Who has read a message: members whose cursor has come to it, by pages. Nobody is told of it as it happens in a group, so
//! it is asked for, and only where the group is small enough for the server.

use super::Query;
use crate::{Error, Page, gate, page::Cursor};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp};
use natter_streams::statement;
use uuid::Uuid;

/// Who has read it, as somebody sees it.
pub enum Readers {
    /// Conversation or message do not exist for them.
    Unknown,
    /// They were in and are not: it is no matter of theirs any more.
    Left,
    /// It is a channel, or has too many members.
    NotShown,
    Are(wire::PageOf<wire::Reader>),
}

/// Those who are in, a bounded number, are found by who is in; then each by their keys. The message came while they were in: who
/// came later has its number behind them without having read it. What a direct conversation's other one is not told, they are
/// not shown here either. `$6`: the viewer, who is shown nobody's reading where their own is not shown.
const READERS: &str = "
    WITH present AS MATERIALIZED (
        SELECT account_id FROM member WHERE conversation_id = $1 AND left_seq IS NULL
        ORDER BY joined_at DESC, account_id DESC LIMIT $5)
    SELECT account_id, cursor.seq
    FROM present JOIN account USING (account_id) CROSS JOIN LATERAL (
        SELECT CASE WHEN $7 THEN shown_read_seq ELSE read_seq END AS seq FROM inbox_cursor
        WHERE inbox_cursor.account_id = present.account_id AND conversation_id = $1) AS cursor
    WHERE account_id > $3 AND account_id IS DISTINCT FROM $8 AND cursor.seq >= $2 AND read_receipts
      AND (SELECT own.read_receipts FROM account AS own WHERE own.account_id = $6)
      AND EXISTS (SELECT FROM member AS stay WHERE stay.conversation_id = $1 AND stay.account_id = present.account_id
                  AND coalesce(entered_seq, joined_seq) < $2 AND (stay.left_seq IS NULL OR stay.left_seq >= $2))
    ORDER BY account_id LIMIT $4";

impl Query<'_> {
    /// Members whose cursor is at or behind the message, by their ids; who sent it is left out. `most`: of so many members at most.
    pub async fn readers(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        message: MessageId,
        most: u64,
        page: &Page,
    ) -> Result<Readers, Error> {
        let (_, after) = page.after()?;
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(Readers::Unknown) };
        if membership.latest().left_seq.is_some() {
            return Ok(Readers::Left);
        }
        let found = self.0.history().by_ids(conversation, &[message]).await?.pop();
        let Some(found) = found.filter(|message| membership.sees(message.seq)) else { return Ok(Readers::Unknown) };
        let (kind, members) = self.size(conversation).await?;
        if kind == "channel" || members > most {
            return Ok(Readers::NotShown);
        }
        let mut rows: Vec<(Uuid, i64)> = sqlx::query_as(READERS)
            .bind(conversation.0)
            .bind(found.seq as i64)
            .bind(after.unwrap_or_default())
            .bind(page.rows())
            .bind(members as i64)
            .bind(viewer.0)
            .bind(kind == "direct")
            .bind(found.sender.map(|sender| sender.0))
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read who has read a message"))?;
        let next_cursor = page.cut(&mut rows, |&(id, _)| Cursor { time: Timestamp::default(), id });
        let reader = |(account_id, seq): (Uuid, i64)| wire::Reader { account_id, read_seq: seq as u64 };
        Ok(Readers::Are(wire::PageOf { items: rows.into_iter().map(reader).collect(), next_cursor }))
    }

    /// Kind, and how many are in.
    async fn size(&self, conversation: ConversationId) -> Result<(String, u64), Error> {
        let sql = "SELECT kind, member_count FROM conversation WHERE conversation_id = $1";
        let row: (String, i64) = sqlx::query_as(sql)
            .bind(conversation.0)
            .fetch_one(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read how many are in a conversation"))?;
        Ok((row.0, row.1 as u64))
    }
}
