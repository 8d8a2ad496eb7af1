//! Friendship events to the tables `friendship` and `block`. What has ended stays as a row, so that it can be told.

use crate::Error;
use natter_domain::{
    AccountId, ConversationId, FriendshipId, Timestamp,
    friendship::{Event, Note},
};
use natter_streams::{Lane, Record};
use sqlx::{PgConnection, types::time::OffsetDateTime};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Changes {
    /// By account and friend: both rows of each pair. What the batch says last.
    friends: BTreeMap<(AccountId, AccountId), Friend>,
    /// By who blocks and who is blocked.
    blocks: BTreeMap<(AccountId, AccountId), Block>,
}

struct Friend {
    at: At,
    /// They have become friends in this batch.
    begun: Option<(ConversationId, Timestamp)>,
    /// Whether they are friends no more, where the batch says it.
    ended: Option<bool>,
    note: Option<Note>,
}

struct Block {
    at: At,
    since: Timestamp,
    ended: bool,
}

/// Where it last changed.
struct At {
    friendship: FriendshipId,
    lane: Lane,
    position: u64,
}

impl At {
    fn of(record: &Record) -> Self {
        Self { friendship: FriendshipId(record.aggregate_id), lane: record.lane, position: record.position }
    }
}

impl Changes {
    pub(super) fn note(&mut self, record: &Record, event: &Event) {
        match event {
            Event::Accepted { from, to, conversation_id, .. } => {
                for (account, friend) in [(*from, *to), (*to, *from)] {
                    let row = self.friend(record, account, friend);
                    row.begun = Some((*conversation_id, record.time));
                    (row.ended, row.note) = (Some(false), Some(Note::default()));
                }
            }
            Event::Removed { by, other, .. } => {
                for (account, friend) in [(*by, *other), (*other, *by)] {
                    let row = self.friend(record, account, friend);
                    (row.ended, row.note) = (Some(true), Some(Note::default()));
                }
            }
            Event::FriendChanged { account, friend, remark, folder, starred } => {
                let note = Note { remark: remark.clone(), folder: folder.clone(), starred: *starred };
                self.friend(record, *account, *friend).note = Some(note);
            }
            Event::Blocked { by, other, .. } => self.block(record, *by, *other, false),
            Event::Unblocked { by, other, .. } => self.block(record, *by, *other, true),
            Event::Requested { .. }
            | Event::Rejected { .. }
            | Event::Cancelled { .. }
            | Event::Ignored { .. }
            | Event::Expired { .. }
            | Event::Opened { .. } => {}
        }
    }

    fn friend(&mut self, record: &Record, account: AccountId, friend: AccountId) -> &mut Friend {
        let nothing = || Friend { at: At::of(record), begun: None, ended: None, note: None };
        let row = self.friends.entry((account, friend)).or_insert_with(nothing);
        row.at = At::of(record);
        row
    }

    fn block(&mut self, record: &Record, by: AccountId, other: AccountId, ended: bool) {
        self.blocks.insert((by, other), Block { at: At::of(record), since: record.time, ended });
    }

    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), Error> {
        self.write_begun(connection).await?;
        self.write_friends(connection).await?;
        self.write_blocks(connection).await
    }

    async fn write_begun(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let begun = self.friends.iter().filter_map(|(pair, row)| Some((pair, row, row.begun?)));
        let begun: Vec<_> = begun.collect();
        if begun.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO friendship (account_id, friend_id, friendship_id, conversation_id, since, lane, changed)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::smallint[],
                                  $7::bigint[])
             ON CONFLICT (account_id, friend_id) DO UPDATE
             SET conversation_id = excluded.conversation_id, since = excluded.since, changed = excluded.changed",
        )
        .bind(begun.iter().map(|((account, _), ..)| account.0).collect::<Vec<_>>())
        .bind(begun.iter().map(|((_, friend), ..)| friend.0).collect::<Vec<_>>())
        .bind(begun.iter().map(|(_, row, _)| row.at.friendship.0).collect::<Vec<_>>())
        .bind(begun.iter().map(|(.., (conversation, _))| conversation.0).collect::<Vec<_>>())
        .bind(begun.iter().map(|(.., (_, since))| (*since).into()).collect::<Vec<OffsetDateTime>>())
        .bind(begun.iter().map(|(_, row, _)| row.at.lane.number()).collect::<Vec<_>>())
        .bind(begun.iter().map(|(_, row, _)| row.at.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write friends"))?;
        Ok(())
    }

    async fn write_friends(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.friends.is_empty() {
            return Ok(());
        }
        let note = |row: &Friend| row.note.clone().unwrap_or_default();
        sqlx::query(
            "UPDATE friendship SET changed = change.position, ended = coalesce(change.ended, friendship.ended),
                 remark = CASE WHEN is_noted THEN change.remark ELSE friendship.remark END,
                 folder = CASE WHEN is_noted THEN change.folder ELSE friendship.folder END,
                 starred = CASE WHEN is_noted THEN change.starred ELSE friendship.starred END
             FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[], $5::boolean[], $6::text[], $7::text[],
                         $8::boolean[])
                  AS change(account_id, friend_id, position, ended, is_noted, remark, folder, starred)
             WHERE friendship.account_id = change.account_id AND friendship.friend_id = change.friend_id",
        )
        .bind(self.friends.keys().map(|(account, _)| account.0).collect::<Vec<_>>())
        .bind(self.friends.keys().map(|(_, friend)| friend.0).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| row.at.position as i64).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| row.ended).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| row.note.is_some()).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| note(row).remark.map(|it| it.to_string())).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| note(row).folder.map(|it| it.to_string())).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| note(row).starred).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write what became of friends"))?;
        Ok(())
    }

    async fn write_blocks(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO block (account_id, blocked_id, friendship_id, since, ended, lane, changed)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::boolean[], $6::smallint[],
                                  $7::bigint[])
             ON CONFLICT (account_id, blocked_id) DO UPDATE
             SET since = excluded.since, ended = excluded.ended, changed = excluded.changed",
        )
        .bind(self.blocks.keys().map(|(by, _)| by.0).collect::<Vec<_>>())
        .bind(self.blocks.keys().map(|(_, other)| other.0).collect::<Vec<_>>())
        .bind(self.blocks.values().map(|row| row.at.friendship.0).collect::<Vec<_>>())
        .bind(self.blocks.values().map(|row| row.since.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.blocks.values().map(|row| row.ended).collect::<Vec<_>>())
        .bind(self.blocks.values().map(|row| row.at.lane.number()).collect::<Vec<_>>())
        .bind(self.blocks.values().map(|row| row.at.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write blocks"))?;
        Ok(())
    }
}
