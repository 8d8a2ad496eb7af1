//! Inbox events to the table `inbox_cursor`.

use crate::Error;
use natter_domain::inbox::Event;
use natter_streams::Record;
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes {
    /// By account and conversation; the last one counts.
    cursors: HashMap<(Uuid, Uuid), u64>,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let Event::CursorsAdvanced { cursors } = record.decode()?;
        for cursor in cursors {
            self.cursors.insert((record.aggregate_id, cursor.conversation_id.0), cursor.seq);
        }
        Ok(())
    }

    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.cursors.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO inbox_cursor (account_id, conversation_id, read_seq)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[])
             ON CONFLICT (account_id, conversation_id) DO UPDATE SET read_seq = excluded.read_seq",
        )
        .bind(self.cursors.keys().map(|(account, _)| *account).collect::<Vec<_>>())
        .bind(self.cursors.keys().map(|(_, conversation)| *conversation).collect::<Vec<_>>())
        .bind(self.cursors.values().map(|seq| *seq as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write read cursors"))?;
        Ok(())
    }
}
