//! Friendship events to the tables `friend_request` and `friendship`.

use crate::Error;
use natter_domain::{
    AccountId, ConversationId, FriendshipId, RequestId, Sealed, Timestamp,
    friendship::{Event, Outcome},
};
use natter_streams::{Lane, Record};
use sqlx::{PgConnection, types::time::OffsetDateTime};
use std::collections::HashMap;

#[derive(Default)]
pub(crate) struct Changes {
    requested: Vec<Requested>,
    answered: Vec<Answered>,
    /// By account and friend: both rows of each pair.
    friends: HashMap<(AccountId, AccountId), Friend>,
}

struct Requested {
    request: RequestId,
    friendship: FriendshipId,
    sender: AccountId,
    receiver: AccountId,
    message: Option<Sealed>,
    at: Timestamp,
    expires_at: Timestamp,
    lane: Lane,
    position: u64,
}

struct Answered {
    request: RequestId,
    outcome: Outcome,
    conversation: Option<ConversationId>,
    position: u64,
}

struct Friend {
    friendship: FriendshipId,
    conversation: ConversationId,
    since: Timestamp,
    lane: Lane,
    position: u64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let friendship = FriendshipId(record.aggregate_id);
        let (lane, position) = (record.lane, record.position);
        let answered = |request, outcome, conversation| Answered { request, outcome, conversation, position };
        match record.decode()? {
            Event::Requested { request_id: request, from: sender, to: receiver, message, at, expires_at } => {
                let row = Requested { request, friendship, sender, receiver, message, at, expires_at, lane, position };
                self.requested.push(row);
            }
            Event::Accepted { request_id, from, to, conversation_id: conversation } => {
                self.answered.push(answered(request_id, Outcome::Accepted, Some(conversation)));
                for (account, friend) in [(from, to), (to, from)] {
                    let row = Friend { friendship, conversation, since: record.time, lane, position };
                    self.friends.insert((account, friend), row);
                }
            }
            Event::Rejected { request_id, .. } => self.answered.push(answered(request_id, Outcome::Rejected, None)),
        }
        Ok(())
    }

    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), Error> {
        self.write_requested(connection).await?;
        self.write_answered(connection).await?;
        self.write_friends(connection).await
    }

    async fn write_requested(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.requested.is_empty() {
            return Ok(());
        }
        let rows = &self.requested;
        sqlx::query(
            "INSERT INTO friend_request
                 (request_id, friendship_id, sender, receiver, message, status, created_at, expires_at, lane, changed)
             SELECT request_id, friendship_id, sender, receiver, message, 'pending', created_at, expires_at, lane, changed
             FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[],
                         $7::timestamptz[], $8::smallint[], $9::bigint[])
                  AS change(request_id, friendship_id, sender, receiver, message, created_at, expires_at, lane, changed)
             ON CONFLICT DO NOTHING",
        )
        .bind(rows.iter().map(|row| row.request.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.friendship.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.sender.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.receiver.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.message.as_ref().map(ToString::to_string)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(rows.iter().map(|row| row.expires_at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(rows.iter().map(|row| row.lane.number()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write friend requests"))?;
        Ok(())
    }

    /// A request is answered once, so no row is named twice.
    async fn write_answered(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.answered.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE friend_request
             SET status = change.status, conversation_id = change.conversation_id, changed = change.position
             FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::bigint[])
                  AS change(request_id, status, conversation_id, position)
             WHERE friend_request.request_id = change.request_id",
        )
        .bind(self.answered.iter().map(|row| row.request.0).collect::<Vec<_>>())
        .bind(self.answered.iter().map(|row| status(row.outcome)).collect::<Vec<_>>())
        .bind(self.answered.iter().map(|row| row.conversation.map(|id| id.0)).collect::<Vec<_>>())
        .bind(self.answered.iter().map(|row| row.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write answers to friend requests"))?;
        Ok(())
    }

    async fn write_friends(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.friends.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO friendship (account_id, friend_id, friendship_id, conversation_id, since, lane, changed)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::smallint[],
                                  $7::bigint[])
             ON CONFLICT (account_id, friend_id) DO UPDATE
             SET conversation_id = excluded.conversation_id, since = excluded.since, changed = excluded.changed",
        )
        .bind(self.friends.keys().map(|(account, _)| account.0).collect::<Vec<_>>())
        .bind(self.friends.keys().map(|(_, friend)| friend.0).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| row.friendship.0).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| row.conversation.0).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| row.since.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.friends.values().map(|row| row.lane.number()).collect::<Vec<_>>())
        .bind(self.friends.values().map(|row| row.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write friends"))?;
        Ok(())
    }
}

/// The public word for an answer.
pub(crate) const fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
    }
}
