//! Conversations as one of their members sees them.
//!
//! Two projections meet here: relations knows conversations, members and cursors, history the messages. Each may be
//! ahead of the other, and what is shown is what both have: messages are taken up to relations' `last_seq` (the gate
//! does that), then `last_seq` is told as the newest of those that history has. Capping, not waiting: a list must not
//! hang because one lane of history does; a caller who needs a certain message to be there says so by its position.

use super::{
    card::{Card, cards},
    own::{Facts, Own, spans},
    unread,
};
use crate::{
    Error, Page, Shared,
    account::card,
    inbox::view,
    message::{Message, mention},
    page::Cursor,
    sync::{After, Since},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, Sealed};
use natter_streams::statement;
use sqlx::{Row, postgres::PgRow, types::time::OffsetDateTime};
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

/// Everything about the rows of `page`, which are cut to their number before this is looked up. `$1` is the viewer; who
/// has left sees what the conversation was called then, and how many it had.
const DETAILS: &str = "
    SELECT page.conversation_id, kind, CASE WHEN latest.left_seq IS NULL THEN name ELSE latest.left_name END AS name,
           last_seq, last_activity,
           ARRAY(SELECT joined_seq FROM member WHERE member.conversation_id = page.conversation_id
                 AND account_id = $1 ORDER BY joined_seq) AS joined,
           ARRAY(SELECT left_seq FROM member WHERE member.conversation_id = page.conversation_id
                 AND account_id = $1 ORDER BY joined_seq) AS left_seqs,
           ARRAY(SELECT left_position FROM member WHERE member.conversation_id = page.conversation_id
                 AND account_id = $1 ORDER BY joined_seq) AS left_positions,
           {VIEW},
           ARRAY(SELECT seq FROM message_deleted WHERE message_deleted.conversation_id = page.conversation_id
                 AND account_id = $1 ORDER BY seq) AS deleted,
           CASE WHEN latest.left_seq IS NULL THEN member_count ELSE coalesce(latest.left_count, 0) END AS member_count,
           kind = 'channel' AS is_channel, coalesce(latest.is_in, false) AS is_subscribed,
           kind = 'channel' AND (has_ended OR EXISTS (
               SELECT FROM group_ban WHERE group_ban.conversation_id = page.conversation_id AND account_id = $1)) AS is_shut,
           CASE WHEN kind = 'direct' THEN
               ARRAY(SELECT account_id FROM member WHERE member.conversation_id = page.conversation_id
                     AND left_seq IS NULL ORDER BY account_id)
           ELSE '{}' END AS account_ids,
           peer.changed AS peer_changed, peer.writer AS peer_writer,
           CASE WHEN theirs.shows_reading THEN theirs.read_seq END AS peer_read_seq,
           theirs.delivered_seq AS peer_delivered_seq,
           is_open AND NOT $1 = ANY(barred_by) AS is_open
    FROM page LEFT JOIN inbox_cursor AS view ON view.conversation_id = page.conversation_id AND view.account_id = $1
    LEFT JOIN LATERAL (
        SELECT CASE WHEN kind <> 'channel' THEN left_seq END AS left_seq, left_name, left_count, left_seq IS NULL AS is_in
        FROM member WHERE member.conversation_id = page.conversation_id AND account_id = $1
        ORDER BY joined_seq DESC LIMIT 1) AS latest ON true
    LEFT JOIN LATERAL (
        SELECT account.changed, account.xmin::text::bigint AS writer FROM member JOIN account USING (account_id)
        WHERE kind = 'direct' AND member.conversation_id = page.conversation_id AND left_seq IS NULL
          AND account_id <> $1 AND registered_at IS NOT NULL
        ORDER BY account_id LIMIT 1) AS peer ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(shown_read_seq, 0) AS read_seq, coalesce(shown_delivered_seq, 0) AS delivered_seq,
               account.read_receipts AND (SELECT own.read_receipts FROM account AS own WHERE own.account_id = $1)
                   AS shows_reading
        FROM member JOIN account USING (account_id) LEFT JOIN inbox_cursor USING (account_id, conversation_id)
        WHERE kind = 'direct' AND member.conversation_id = page.conversation_id AND left_seq IS NULL
          AND account_id <> $1
        ORDER BY account_id LIMIT 1) AS theirs ON true
    ORDER BY last_activity DESC, page.conversation_id DESC";

/// The viewer's conversations that [`Shown`] wants (`$5` to `$8`), from place `$2`, `$3` on. Hidden is what has nothing newer
/// for them than when they hid it.
const MINE: &str = "
    WITH mine AS (
        SELECT conversation_id, CASE WHEN bool_and(left_seq IS NOT NULL) THEN max(left_seq) END AS left_seq
        FROM member WHERE account_id = $1 GROUP BY conversation_id),
    page AS (
        SELECT conversation_id, kind, name, last_seq, last_activity, member_count, is_open, barred_by, has_ended
        FROM mine JOIN conversation USING (conversation_id)
             LEFT JOIN (SELECT conversation_id, pinned, archived, hidden_seq, folder FROM inbox_cursor
                        WHERE account_id = $1) AS view USING (conversation_id)
        WHERE ($2::timestamptz IS NULL OR (last_activity, conversation_id) < ($2, $3::uuid))
          AND (kind <> 'channel' OR left_seq IS NULL AND NOT has_ended)
          AND coalesce(hidden_seq >= coalesce(left_seq, last_seq), false) = $5
          AND ($6::boolean IS NULL OR coalesce(pinned, false) = $6)
          AND ($7::boolean IS NULL OR coalesce(archived, false) = $7)
          AND ($8::text IS NULL OR folder = $8)
        ORDER BY last_activity DESC, conversation_id DESC LIMIT $4
    )";

/// All channels that go on, from place `$2`, `$3` on.
const CHANNELS: &str = "
    WITH page AS (
        SELECT conversation_id, kind, name, last_seq, last_activity, member_count, is_open, barred_by, has_ended
        FROM conversation
        WHERE kind = 'channel' AND ends_at IS NULL
          AND ($2::timestamptz IS NULL OR (last_activity, conversation_id) < ($2, $3::uuid))
          AND NOT EXISTS (SELECT FROM group_ban WHERE group_ban.conversation_id = conversation.conversation_id
                          AND account_id = $1)
        ORDER BY last_activity DESC, conversation_id DESC LIMIT $4
    )";

const ONE: &str = "
    WITH page AS (
        SELECT conversation_id, kind, name, last_seq, last_activity, member_count, is_open, barred_by, has_ended
        FROM conversation
        WHERE conversation_id = $2)";

const THESE: &str = "
    WITH page AS (
        SELECT conversation_id, kind, name, last_seq, last_activity, member_count, is_open, barred_by, has_ended
        FROM conversation
        WHERE conversation_id = ANY($2))";

/// `$2`: what the viewer was told, by lane. The other one of a direct conversation, what has come to them and what they have read
/// are shown in it, the last as both their settings say. Who has left is told of their leaving and of recalls, and of nothing else that happens there.
const CHANGED: &str = "
    WITH mine AS (
        SELECT conversation_id, bool_or(left_position IS NULL) AS is_in, max(left_position) AS left_position,
               max(own_changed) AS own_changed
        FROM member WHERE account_id = $1 AND conversation_id > $3 GROUP BY conversation_id)
    SELECT conversation.conversation_id, NOT is_in AND left_position > ($2::bigint[])[coalesce(conversation.lane, 0) + 1]
    FROM mine JOIN conversation USING (conversation_id)
         LEFT JOIN inbox_cursor ON inbox_cursor.account_id = $1
              AND inbox_cursor.conversation_id = conversation.conversation_id
    WHERE (is_in AND conversation.changed > ($2::bigint[])[coalesce(conversation.lane, 0) + 1])
       OR own_changed > ($2::bigint[])[coalesce(conversation.lane, 0) + 1]
       OR greatest(recalled, left_position) > ($2::bigint[])[coalesce(conversation.lane, 0) + 1]
       OR inbox_cursor.changed > ($2::bigint[])[inbox_cursor.lane + 1]
       OR (kind = 'direct' AND EXISTS (
           SELECT FROM member AS other JOIN account USING (account_id)
           WHERE other.conversation_id = conversation.conversation_id AND account_id <> $1
             AND account.changed > ($2::bigint[])[account.lane + 1]))
       OR (kind = 'direct' AND EXISTS (
           SELECT FROM member AS other JOIN inbox_cursor AS theirs USING (account_id, conversation_id)
           WHERE other.conversation_id = conversation.conversation_id AND account_id <> $1
             AND shown_changed > ($2::bigint[])[theirs.lane + 1]))
       OR (kind = 'direct' AND EXISTS (
           SELECT FROM account WHERE account_id = $1 AND settings_changed > ($2::bigint[])[account.lane + 1]))
    ORDER BY conversation.conversation_id LIMIT $4";

/// Which of somebody's conversations are listed.
#[derive(Clone, Default, Debug)]
pub struct Shown {
    /// Those that they have hidden, and no others; false: all others.
    pub hidden: bool,
    pub pinned: Option<bool>,
    pub archived: Option<bool>,
    pub folder: Option<String>,
}

/// Everything about the rows of a page.
fn detailed(page: &str) -> String {
    format!("{page} {}", DETAILS.replace("{VIEW}", view::COLUMNS))
}

impl Query<'_> {
    /// The viewer's conversations but for those that they have hidden; those that were left included, by last activity.
    pub async fn list(&self, viewer: AccountId, page: &Page) -> Result<wire::PageOf<wire::OwnConversation>, Error> {
        self.some(viewer, &Shown::default(), page).await
    }

    /// Some of them.
    pub async fn some(
        &self,
        viewer: AccountId,
        which: &Shown,
        page: &Page,
    ) -> Result<wire::PageOf<wire::OwnConversation>, Error> {
        let (time, id) = page.after()?;
        let mut rows: Vec<PgRow> = sqlx::query(&detailed(MINE))
            .bind(viewer.0)
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .bind(which.hidden)
            .bind(which.pinned)
            .bind(which.archived)
            .bind(self.folder(viewer, which).await?)
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list conversations"))?;
        let next_cursor = page.cut(&mut rows, place);
        Ok(wire::PageOf { items: self.shown(viewer, rows).await?, next_cursor })
    }

    /// Channels that the viewer may read, by last activity, whether or not they subscribe to them.
    pub async fn channels(&self, viewer: AccountId, page: &Page) -> Result<wire::PageOf<wire::OwnConversation>, Error> {
        let (time, id) = page.after()?;
        let mut rows: Vec<PgRow> = sqlx::query(&detailed(CHANNELS))
            .bind(viewer.0)
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list channels"))?;
        let next_cursor = page.cut(&mut rows, place);
        Ok(wire::PageOf { items: self.shown(viewer, rows).await?, next_cursor })
    }

    /// As it stands in rows: the same name always gives the same value.
    async fn folder(&self, viewer: AccountId, which: &Shown) -> Result<Option<String>, Error> {
        let Some(folder) = &which.folder else { return Ok(None) };
        Ok(Some(self.0.keys.of_account(viewer).await?.seal_alike(folder.as_bytes()).to_string()))
    }

    /// One conversation; `None` if the viewer never was in it.
    pub async fn get(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
    ) -> Result<Option<wire::OwnConversation>, Error> {
        let rows = sqlx::query(&detailed(ONE))
            .bind(viewer.0)
            .bind(conversation.0)
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read a conversation"))?;
        Ok(self.shown(viewer, rows).await?.pop())
    }

    /// Those of the conversations that the viewer is or was in, in any order.
    pub async fn these(
        &self,
        viewer: AccountId,
        conversations: &[ConversationId],
    ) -> Result<Vec<wire::OwnConversation>, Error> {
        let ids: Vec<Uuid> = conversations.iter().map(|id| id.0).collect();
        self.shown(viewer, self.rows(viewer, ids).await?).await
    }

    async fn rows(&self, viewer: AccountId, ids: Vec<Uuid>) -> Result<Vec<PgRow>, Error> {
        sqlx::query(&detailed(THESE))
            .bind(viewer.0)
            .bind(ids)
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read conversations"))
    }

    /// How the number of the viewer's unread messages came about; `None`: they never were in the conversation.
    pub async fn explain(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
    ) -> Result<Option<wire::UnreadExplained>, Error> {
        let place = self.0.counted_to(conversation);
        let rows = self.rows(viewer, vec![conversation.0]).await?;
        let mut rows: Vec<Own> = rows.iter().filter_map(|row| Own::of(viewer, row)).collect();
        self.set_up(viewer, &mut rows).await?;
        let Some(row) = rows.pop() else { return Ok(None) };
        let last = self.0.history().last(&spans(std::slice::from_ref(&row), Own::all)).await?;
        let last_seq = row.known_to(last.get(&conversation));
        let unread = unread::of_one(self.0, &row.membership, &row.waiting_spans(last_seq)).await?;
        Ok(Some(wire::UnreadExplained {
            read_seq: row.read_seq(),
            last_seq,
            cleared_seq: row.view.cleared_seq,
            marked_unread: row.view.is_marked_unread(),
            position: place.to_string(),
            ..unread
        }))
    }

    /// The viewer's conversations behind this one, by their ids: those that were left too.
    pub async fn ids_of(&self, viewer: AccountId, after: Uuid, rows: u32) -> Result<Vec<ConversationId>, Error> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT DISTINCT conversation_id FROM member WHERE account_id = $1 AND conversation_id > $2
             ORDER BY conversation_id LIMIT $3",
        )
        .bind(viewer.0)
        .bind(after)
        .bind(i64::from(rows))
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read an account's conversations"))?;
        Ok(ids.into_iter().map(ConversationId).collect())
    }

    /// The viewer's conversations that changed for them, and those of them in which a stay of theirs has ended since.
    pub(crate) async fn changed(
        &self,
        since: Since<'_>,
    ) -> Result<(Vec<wire::OwnConversation>, Vec<Uuid>, Option<After>), Error> {
        let mut found: Vec<(Uuid, bool)> = sqlx::query_as(CHANGED)
            .bind(since.viewer.0)
            .bind(since.positions())
            .bind(since.after.id)
            .bind(since.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read which conversations changed"))?;
        let rest = since.cut(&mut found, |row| After { id: row.0, number: 0 });
        let ids: Vec<Uuid> = found.iter().map(|(id, _)| *id).collect();
        let rows = self.rows(since.viewer, ids).await?;
        let left = found.into_iter().filter_map(|(id, left)| left.then_some(id)).collect();
        Ok((self.shown(since.viewer, rows).await?, left, rest))
    }

    /// How those of them are set up that have a card.
    async fn set_up(&self, viewer: AccountId, rows: &mut [Own]) -> Result<(), Error> {
        let groups: Vec<Uuid> = rows.iter().filter(|row| row.is_hall()).map(|row| row.id().0).collect();
        let mut cards = cards(&self.0.pool(), &groups, Some(viewer)).await?;
        rows.iter_mut().for_each(|row| row.card = cards.remove(&row.id()));
        Ok(())
    }

    /// A handful of queries, however many rows.
    async fn shown(&self, viewer: AccountId, rows: Vec<PgRow>) -> Result<Vec<wire::OwnConversation>, Error> {
        let mut rows: Vec<Own> = rows.iter().filter_map(|row| Own::of(viewer, row)).collect();
        self.set_up(viewer, &mut rows).await?;
        let last = self.0.history().last(&spans(&rows, Own::all)).await?;
        let newest = |row: &Own| last.get(&row.id()).map_or(0, |message| message.seq);
        let unread_spans = spans(&rows, |row| row.unread_spans(newest(row)));
        let unread = self.0.history().unread(viewer, &unread_spans).await?;
        let mentions = mention::count(&self.0.pool(), viewer, &unread_spans).await?;
        let peers = rows.iter().filter_map(|row| Some((row.peer()?, row.peer_state)));
        let names = rows.iter().filter_map(|row| Some((row.id().0, Sealed::key_of(row.name.as_deref()?)?)));
        let views = rows.iter().flat_map(|row| row.view.keys(viewer));
        let wanted = names
            .chain(views)
            .chain(last.values().filter_map(Message::key))
            .chain(rows.iter().filter_map(|row| row.card.as_ref()).flat_map(Card::keys));
        let opener = self.0.keys.opener(wanted.collect::<Vec<_>>()).await?;
        let facts = Facts { last, unread, mentions, peers: card::shown(self.0, peers).await?, opener };
        Ok(rows.iter().map(|row| facts.shown(row)).collect())
    }
}

fn place(row: &PgRow) -> Cursor {
    let time = row.get::<OffsetDateTime, _>("last_activity").into();
    Cursor { time, id: row.get("conversation_id") }
}
