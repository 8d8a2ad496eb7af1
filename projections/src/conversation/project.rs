//! Conversation events to the tables `conversation` and `member`. Of messages only the newest number and its time are
//! kept: a batch of messages moves each conversation's row once.

use crate::Error;
use natter_domain::{
    AccountId, Timestamp,
    conversation::{Event, Kind},
};
use natter_streams::Record;
use sqlx::{PgConnection, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes {
    started: Vec<(Uuid, Kind, Timestamp)>,
    joined: Vec<Joined>,
    /// The newest message's number and time.
    active: HashMap<Uuid, (u64, Timestamp)>,
}

struct Joined {
    conversation: Uuid,
    account: AccountId,
    joined_seq: u64,
    position: u64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let conversation = record.aggregate_id;
        match record.decode()? {
            Event::Started { kind, members } => {
                self.started.push((conversation, kind, record.time));
                let joined = |account| Joined { conversation, account, joined_seq: 0, position: record.position };
                self.joined.extend(members.into_iter().map(joined));
            }
            Event::MessageSent { seq, .. } => {
                self.active.insert(conversation, (seq, record.time));
            }
        }
        Ok(())
    }

    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), Error> {
        self.write_started(connection).await?;
        self.write_joined(connection).await?;
        self.write_active(connection).await
    }

    async fn write_started(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.started.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO conversation (conversation_id, kind, last_seq, last_activity)
             SELECT id, kind, 0, time FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[]) AS change(id, kind, time)
             ON CONFLICT DO NOTHING",
        )
        .bind(self.started.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
        .bind(self.started.iter().map(|(_, kind, _)| kind.as_str()).collect::<Vec<_>>())
        .bind(self.started.iter().map(|&(_, _, time)| time.into()).collect::<Vec<OffsetDateTime>>())
        .execute(connection)
        .await
        .map_err(Error::database("write started conversations"))?;
        Ok(())
    }

    async fn write_joined(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.joined.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO member (conversation_id, account_id, joined_seq, joined_position)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) ON CONFLICT DO NOTHING",
        )
        .bind(self.joined.iter().map(|row| row.conversation).collect::<Vec<_>>())
        .bind(self.joined.iter().map(|row| row.account.0).collect::<Vec<_>>())
        .bind(self.joined.iter().map(|row| row.joined_seq as i64).collect::<Vec<_>>())
        .bind(self.joined.iter().map(|row| row.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write members"))?;
        Ok(())
    }

    async fn write_active(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.active.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE conversation SET last_seq = change.seq, last_activity = change.time
             FROM UNNEST($1::uuid[], $2::bigint[], $3::timestamptz[]) AS change(id, seq, time)
             WHERE conversation_id = change.id",
        )
        .bind(self.active.keys().copied().collect::<Vec<_>>())
        .bind(self.active.values().map(|(seq, _)| *seq as i64).collect::<Vec<_>>())
        .bind(self.active.values().map(|&(_, time)| time.into()).collect::<Vec<OffsetDateTime>>())
        .execute(connection)
        .await
        .map_err(Error::database("write conversations' activity"))?;
        Ok(())
    }
}
