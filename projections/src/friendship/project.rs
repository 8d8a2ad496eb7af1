//! Friendship events to the table `friend_request`; friends and blocks: [`super::relation`].

use super::relation;
use crate::Error;
use natter_domain::{
    AccountId, ConversationId, FriendshipId, RequestId, Sealed, Timestamp,
    friendship::{Event, Outcome, Source},
};
use natter_streams::{Lane, Record};
use sqlx::{PgConnection, types::time::OffsetDateTime};

#[derive(Default)]
pub(crate) struct Changes {
    requested: Vec<Requested>,
    ignored: Vec<(RequestId, u64)>,
    ended: Vec<Ended>,
    relations: relation::Changes,
}

struct Requested {
    request: RequestId,
    friendship: FriendshipId,
    sender: AccountId,
    receiver: AccountId,
    message: Option<Sealed>,
    source: Option<Source>,
    at: Timestamp,
    expires_at: Timestamp,
    lane: Lane,
    position: u64,
}

struct Ended {
    request: RequestId,
    outcome: Outcome,
    conversation: Option<ConversationId>,
    position: u64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let friendship = FriendshipId(record.aggregate_id);
        let (lane, position) = (record.lane, record.position);
        let event: Event = record.decode()?;
        self.relations.note(record, &event);
        match event {
            Event::Requested { request_id: request, from, to, message, at, expires_at, source } => {
                let (sender, receiver) = (from, to);
                let row = Requested {
                    request,
                    friendship,
                    sender,
                    receiver,
                    message,
                    source,
                    at,
                    expires_at,
                    lane,
                    position,
                };
                self.requested.push(row);
            }
            Event::Accepted { request_id, conversation_id, .. } => {
                self.end(request_id, Outcome::Accepted, Some(conversation_id), position);
            }
            Event::Rejected { request_id, .. } => self.end(request_id, Outcome::Rejected, None, position),
            Event::Cancelled { request_id, .. } => self.end(request_id, Outcome::Cancelled, None, position),
            Event::Expired { request_id, .. } => self.end(request_id, Outcome::Expired, None, position),
            Event::Ignored { request_id, .. } => self.ignored.push((request_id, position)),
            Event::Removed { .. }
            | Event::Blocked { .. }
            | Event::Unblocked { .. }
            | Event::Opened { .. }
            | Event::FriendChanged { .. } => {}
        }
        Ok(())
    }

    fn end(&mut self, request: RequestId, outcome: Outcome, conversation: Option<ConversationId>, position: u64) {
        self.ended.push(Ended { request, outcome, conversation, position });
    }

    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), Error> {
        self.write_requested(connection).await?;
        self.write_ignored(connection).await?;
        self.write_ended(connection).await?;
        self.relations.write(connection).await
    }

    async fn write_requested(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.requested.is_empty() {
            return Ok(());
        }
        let rows = &self.requested;
        sqlx::query(
            "INSERT INTO friend_request (request_id, friendship_id, sender, receiver, message, status, created_at,
                 expires_at, lane, changed, source)
             SELECT request_id, friendship_id, sender, receiver, message, 'pending', created_at, expires_at, lane, changed,
                 source
             FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[],
                         $7::timestamptz[], $8::smallint[], $9::bigint[], $10::text[])
                  AS change(request_id, friendship_id, sender, receiver, message, created_at, expires_at, lane, changed,
                            source)
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
        .bind(rows.iter().map(|row| row.source.map(Source::as_str)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write friend requests"))?;
        Ok(())
    }

    /// Nothing of it is told to the sender: `changed` stays.
    async fn write_ignored(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.ignored.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE friend_request SET ignored = true, ignored_changed = change.position
             FROM UNNEST($1::uuid[], $2::bigint[]) AS change(request_id, position)
             WHERE friend_request.request_id = change.request_id",
        )
        .bind(self.ignored.iter().map(|(request, _)| request.0).collect::<Vec<_>>())
        .bind(self.ignored.iter().map(|(_, position)| *position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write which friend requests are ignored"))?;
        Ok(())
    }

    /// A request ends once, so no row is named twice. Who answers what they had ignored sees it again.
    async fn write_ended(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.ended.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE friend_request
             SET status = change.status, conversation_id = change.conversation_id, changed = change.position,
                 ignored = ignored AND change.status NOT IN ('accepted', 'rejected')
             FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::bigint[])
                  AS change(request_id, status, conversation_id, position)
             WHERE friend_request.request_id = change.request_id",
        )
        .bind(self.ended.iter().map(|row| row.request.0).collect::<Vec<_>>())
        .bind(self.ended.iter().map(|row| status(row.outcome)).collect::<Vec<_>>())
        .bind(self.ended.iter().map(|row| row.conversation.map(|id| id.0)).collect::<Vec<_>>())
        .bind(self.ended.iter().map(|row| row.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write how friend requests ended"))?;
        Ok(())
    }
}

/// The public word for how a request ended.
pub(crate) const fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Cancelled => "cancelled",
        Outcome::Expired => "expired",
    }
}
