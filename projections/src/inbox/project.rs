//! Inbox events to the table `inbox_cursor`: one row per person and conversation, made by whatever comes first. Each kind
//! of event writes columns of its own, so the last one of its kind counts, and their order among each other does not.

use crate::Error;
use natter_domain::{
    ConversationId, Sealed, Timestamp,
    inbox::{Cursor, Event, View},
};
use natter_streams::{Lane, Record};
use sqlx::{PgConnection, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

/// By account and conversation.
type Last<T> = HashMap<(Uuid, Uuid), Told<T>>;

#[derive(Default)]
pub(crate) struct Changes {
    cursors: Last<u64>,
    shown: Last<Shown>,
    views: Last<View>,
    drafts: Last<Option<(Sealed, Timestamp)>>,
    cleared: Last<u64>,
    announcements: Last<u64>,
    /// Single messages.
    deleted: Vec<Deleted>,
}

struct Deleted {
    account: Uuid,
    conversation: Uuid,
    message: Uuid,
    seq: u64,
    lane: Lane,
    position: u64,
}

struct Told<T> {
    what: T,
    lane: Lane,
    position: u64,
}

/// What the other one of a direct conversation is told: an event that tells them says how far.
#[derive(Clone, Copy, Default)]
struct Shown {
    read: u64,
    delivered: u64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        match record.decode()? {
            Event::CursorsAdvanced { cursors } => {
                for moved in cursors {
                    tell(&mut self.cursors, record, moved.conversation_id, moved.seq);
                    self.show(record, &moved, moved.seq);
                }
            }
            Event::DeliveriesAdvanced { cursors } => cursors.iter().for_each(|come| self.show(record, come, 0)),
            Event::EndingRead { .. } => {}
            Event::ViewChanged { conversation_id, view } => tell(&mut self.views, record, conversation_id, view),
            Event::DraftChanged { conversation_id, draft } => {
                let draft = draft.map(|draft| (draft, record.time));
                tell(&mut self.drafts, record, conversation_id, draft);
            }
            Event::Cleared { conversation_id, up_to_seq } => {
                tell(&mut self.cleared, record, conversation_id, up_to_seq);
            }
            Event::MessageDeleted { conversation_id, message_id, seq } => {
                let (conversation, message) = (conversation_id.0, message_id.0);
                let (account, lane, position) = (record.aggregate_id, record.lane, record.position);
                self.deleted.push(Deleted { account, conversation, message, seq, lane, position });
            }
            Event::AnnouncementRead { conversation_id, seq } => {
                tell(&mut self.announcements, record, conversation_id, seq);
            }
        }
        Ok(())
    }

    /// What was read has come.
    fn show(&mut self, record: &Record, cursor: &Cursor, read: u64) {
        if cursor.peer.is_none() {
            return;
        }
        let before = self.shown.get(&(record.aggregate_id, cursor.conversation_id.0)).map(|told| told.what);
        let Shown { read: known, delivered } = before.unwrap_or_default();
        let shown = Shown { read: known.max(read), delivered: delivered.max(cursor.seq) };
        tell(&mut self.shown, record, cursor.conversation_id, shown);
    }

    /// `erased`: of whom nothing that they told is kept.
    pub(crate) async fn write(self, erased: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
        write_seqs("read_seq", &self.cursors, connection).await?;
        write_seqs("cleared_seq", &self.cleared, connection).await?;
        write_seqs("announcement_read_seq", &self.announcements, connection).await?;
        write_deleted(&self.deleted, connection).await?;
        forget_cleared(&self.cleared, connection).await?;
        write_shown(&self.shown, connection).await?;
        write_views(&self.views, connection).await?;
        write_drafts(&self.drafts, connection).await?;
        forget(erased, connection).await
    }
}

fn tell<T>(last: &mut Last<T>, record: &Record, conversation: ConversationId, what: T) {
    let told = Told { what, lane: record.lane, position: record.position };
    last.insert((record.aggregate_id, conversation.0), told);
}

/// What every statement begins with: account, conversation, lane and position, as `$1` to `$4`.
struct Keys {
    accounts: Vec<Uuid>,
    conversations: Vec<Uuid>,
    lanes: Vec<i16>,
    positions: Vec<i64>,
}

impl Keys {
    fn of<T>(last: &Last<T>) -> Self {
        Self {
            accounts: last.keys().map(|(account, _)| *account).collect(),
            conversations: last.keys().map(|(_, conversation)| *conversation).collect(),
            lanes: last.values().map(|told| told.lane.number()).collect(),
            positions: last.values().map(|told| told.position as i64).collect(),
        }
    }
}

/// A column of numbers. Its name is one of ours.
async fn write_seqs(column: &'static str, seqs: &Last<u64>, connection: &mut PgConnection) -> Result<(), Error> {
    if seqs.is_empty() {
        return Ok(());
    }
    let keys = Keys::of(seqs);
    let sql = format!(
        "INSERT INTO inbox_cursor (account_id, conversation_id, lane, changed, {column})
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::bigint[])
         ON CONFLICT (account_id, conversation_id) DO UPDATE
         SET {column} = excluded.{column}, changed = greatest(inbox_cursor.changed, excluded.changed)"
    );
    sqlx::query(&sql)
        .bind(keys.accounts)
        .bind(keys.conversations)
        .bind(keys.lanes)
        .bind(keys.positions)
        .bind(seqs.values().map(|told| told.what as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write how far people have read"))?;
    Ok(())
}

/// `shown_changed` is for the other one: to its owner nothing has changed by it.
async fn write_shown(shown: &Last<Shown>, connection: &mut PgConnection) -> Result<(), Error> {
    if shown.is_empty() {
        return Ok(());
    }
    let keys = Keys::of(shown);
    sqlx::query(
        "INSERT INTO inbox_cursor (account_id, conversation_id, lane, shown_changed, shown_read_seq, shown_delivered_seq)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[])
         ON CONFLICT (account_id, conversation_id) DO UPDATE
         SET shown_read_seq = greatest(inbox_cursor.shown_read_seq, excluded.shown_read_seq),
             shown_delivered_seq = greatest(inbox_cursor.shown_delivered_seq, excluded.shown_delivered_seq),
             shown_changed = greatest(inbox_cursor.shown_changed, excluded.shown_changed)",
    )
    .bind(keys.accounts)
    .bind(keys.conversations)
    .bind(keys.lanes)
    .bind(keys.positions)
    .bind(shown.values().map(|told| told.what.read as i64).collect::<Vec<_>>())
    .bind(shown.values().map(|told| told.what.delivered as i64).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(Error::database("write what others are told of reading"))?;
    Ok(())
}

async fn write_views(views: &Last<View>, connection: &mut PgConnection) -> Result<(), Error> {
    if views.is_empty() {
        return Ok(());
    }
    let (keys, views): (_, Vec<&View>) = (Keys::of(views), views.values().map(|told| &told.what).collect());
    sqlx::query(
        "INSERT INTO inbox_cursor (account_id, conversation_id, lane, changed, pinned, quiet_until, archived, hidden_seq,
                                   folder, marked_unread)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::boolean[], $6::timestamptz[],
                              $7::boolean[], $8::bigint[], $9::text[], $10::boolean[])
         ON CONFLICT (account_id, conversation_id) DO UPDATE
         SET pinned = excluded.pinned, quiet_until = excluded.quiet_until, archived = excluded.archived,
             hidden_seq = excluded.hidden_seq, folder = excluded.folder, marked_unread = excluded.marked_unread,
             changed = greatest(inbox_cursor.changed, excluded.changed)",
    )
    .bind(keys.accounts)
    .bind(keys.conversations)
    .bind(keys.lanes)
    .bind(keys.positions)
    .bind(views.iter().map(|view| view.pinned).collect::<Vec<_>>())
    .bind(views.iter().map(|view| view.quiet_until.map(OffsetDateTime::from)).collect::<Vec<_>>())
    .bind(views.iter().map(|view| view.archived).collect::<Vec<_>>())
    .bind(views.iter().map(|view| view.hidden_seq.map(|seq| seq as i64)).collect::<Vec<_>>())
    .bind(views.iter().map(|view| view.folder.as_ref().map(ToString::to_string)).collect::<Vec<_>>())
    .bind(views.iter().map(|view| view.marked_unread).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(Error::database("write how conversations are shown"))?;
    Ok(())
}

async fn write_drafts(drafts: &Last<Option<(Sealed, Timestamp)>>, connection: &mut PgConnection) -> Result<(), Error> {
    if drafts.is_empty() {
        return Ok(());
    }
    let keys = Keys::of(drafts);
    let drafts: Vec<_> = drafts.values().map(|told| told.what.as_ref()).collect();
    sqlx::query(
        "INSERT INTO inbox_cursor (account_id, conversation_id, lane, changed, draft, draft_at)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::text[], $6::timestamptz[])
         ON CONFLICT (account_id, conversation_id) DO UPDATE
         SET draft = excluded.draft, draft_at = excluded.draft_at,
             changed = greatest(inbox_cursor.changed, excluded.changed)",
    )
    .bind(keys.accounts)
    .bind(keys.conversations)
    .bind(keys.lanes)
    .bind(keys.positions)
    .bind(drafts.iter().map(|draft| draft.map(|(text, _)| text.to_string())).collect::<Vec<_>>())
    .bind(drafts.iter().map(|draft| draft.map(|(_, at)| OffsetDateTime::from(*at))).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(Error::database("write drafts"))?;
    Ok(())
}

/// The conversation has changed for its owner, too: what waits there, and what is the newest that they see.
async fn write_deleted(deleted: &[Deleted], connection: &mut PgConnection) -> Result<(), Error> {
    if deleted.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "WITH gone AS (
             INSERT INTO message_deleted (account_id, conversation_id, lane, changed, message_id, seq)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::uuid[], $6::bigint[])
             ON CONFLICT DO NOTHING)
         INSERT INTO inbox_cursor (account_id, conversation_id, lane, changed)
         SELECT account, conversation, lane, max(position)
         FROM UNNEST($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[]) AS deleted(account, conversation, lane, position)
         GROUP BY account, conversation, lane
         ON CONFLICT (account_id, conversation_id) DO UPDATE
         SET changed = greatest(inbox_cursor.changed, excluded.changed)",
    )
    .bind(deleted.iter().map(|row| row.account).collect::<Vec<_>>())
    .bind(deleted.iter().map(|row| row.conversation).collect::<Vec<_>>())
    .bind(deleted.iter().map(|row| row.lane.number()).collect::<Vec<_>>())
    .bind(deleted.iter().map(|row| row.position as i64).collect::<Vec<_>>())
    .bind(deleted.iter().map(|row| row.message).collect::<Vec<_>>())
    .bind(deleted.iter().map(|row| row.seq as i64).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(Error::database("write which messages are deleted"))?;
    Ok(())
}

/// What was deleted with the conversation has no row of its own.
async fn forget_cleared(cleared: &Last<u64>, connection: &mut PgConnection) -> Result<(), Error> {
    if cleared.is_empty() {
        return Ok(());
    }
    let Keys { accounts, conversations, .. } = Keys::of(cleared);
    sqlx::query(
        "DELETE FROM message_deleted AS gone
         USING UNNEST($1::uuid[], $2::uuid[], $3::bigint[]) AS cleared(account, conversation, seq)
         WHERE gone.account_id = account AND gone.conversation_id = conversation AND gone.seq <= cleared.seq",
    )
    .bind(accounts)
    .bind(conversations)
    .bind(cleared.values().map(|told| told.what as i64).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(Error::database("forget which messages were deleted one by one"))?;
    Ok(())
}

async fn forget(erased: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
    if erased.is_empty() {
        return Ok(());
    }
    sqlx::query("UPDATE inbox_cursor SET folder = NULL, draft = NULL, draft_at = NULL WHERE account_id = ANY($1)")
        .bind(erased)
        .execute(&mut *connection)
        .await
        .map_err(Error::database("forget the drafts of erased accounts"))?;
    sqlx::query("DELETE FROM message_deleted WHERE account_id = ANY($1)")
        .bind(erased)
        .execute(connection)
        .await
        .map_err(Error::database("forget what erased accounts have deleted"))?;
    Ok(())
}
