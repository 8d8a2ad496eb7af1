//! Inbox events to the table `inbox_cursor`.

use crate::Error;
use natter_domain::inbox::Event;
use natter_streams::{Lane, Record};
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes {
    /// By account and conversation; the last one counts.
    cursors: HashMap<(Uuid, Uuid), Cursor>,
}

struct Cursor {
    seq: u64,
    lane: Lane,
    position: u64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let Event::CursorsAdvanced { cursors } = record.decode()?;
        for moved in cursors {
            let cursor = Cursor { seq: moved.seq, lane: record.lane, position: record.position };
            self.cursors.insert((record.aggregate_id, moved.conversation_id.0), cursor);
        }
        Ok(())
    }

    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.cursors.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO inbox_cursor (account_id, conversation_id, read_seq, lane, changed)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::smallint[], $5::bigint[])
             ON CONFLICT (account_id, conversation_id) DO UPDATE
             SET read_seq = excluded.read_seq, changed = excluded.changed",
        )
        .bind(self.cursors.keys().map(|(account, _)| *account).collect::<Vec<_>>())
        .bind(self.cursors.keys().map(|(_, conversation)| *conversation).collect::<Vec<_>>())
        .bind(self.cursors.values().map(|cursor| cursor.seq as i64).collect::<Vec<_>>())
        .bind(self.cursors.values().map(|cursor| cursor.lane.number()).collect::<Vec<_>>())
        .bind(self.cursors.values().map(|cursor| cursor.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write read cursors"))?;
        Ok(())
    }
}
