//! Who is told of what is said in a channel: a row of `member` for each who is or was, as if they had always been in. So lists,
//! what changed and edges find channels where they find groups; who may see what does not depend on it (`gate`).

use crate::Error;
use natter_domain::{AccountId, subscription::Event};
use natter_streams::Record;
use sqlx::{PgConnection, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

/// What a batch says of each.
#[derive(Default)]
pub(super) struct Changes(HashMap<(Uuid, AccountId), Said>);

/// The newest beginning, and an end if one came behind it.
#[derive(Default)]
struct Said {
    begun: Option<Moment>,
    ended: Option<Moment>,
}

#[derive(Clone, Copy)]
struct Moment {
    last_seq: i64,
    position: i64,
    time: OffsetDateTime,
}

impl Changes {
    pub fn note(&mut self, record: &Record, event: Event) {
        let (Event::Begun { account_id, last_seq, .. } | Event::Ended { account_id, last_seq, .. }) = event;
        let (last_seq, position, time) = (last_seq as i64, record.position as i64, record.time.into());
        let (moment, said) = (Moment { last_seq, position, time }, self.0.entry((event.channel().0, account_id)));
        let said = said.or_default();
        match event {
            Event::Begun { .. } => *said = Said { begun: Some(moment), ended: None },
            Event::Ended { .. } => said.ended = Some(moment),
        }
    }

    pub async fn write(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let begun = self.0.iter().filter_map(|(of, said)| Some((of, said.begun?))).collect::<Vec<_>>();
        let ended = self.0.iter().filter_map(|(of, said)| Some((of, said.ended?))).collect::<Vec<_>>();
        write(connection, BEGUN, &begun).await?;
        write(connection, ENDED, &ended).await
    }
}

const BEGUN: &str = "
    INSERT INTO member (conversation_id, account_id, joined_seq, joined_position, joined_at, entered_seq)
    SELECT channel, account, 0, position, time, seq
    FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[])
         AS change(channel, account, seq, position, time)
    ON CONFLICT (conversation_id, account_id, joined_seq) DO UPDATE
    SET left_seq = NULL, left_position = NULL, joined_position = excluded.joined_position,
        joined_at = excluded.joined_at, entered_seq = excluded.entered_seq";

const ENDED: &str = "
    UPDATE member SET left_seq = seq, left_position = position
    FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[])
         AS change(channel, account, seq, position, time)
    WHERE conversation_id = channel AND account_id = account";

async fn write(
    connection: &mut PgConnection,
    sql: &'static str,
    rows: &[(&(Uuid, AccountId), Moment)],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(sql)
        .bind(rows.iter().map(|((channel, _), _)| *channel).collect::<Vec<_>>())
        .bind(rows.iter().map(|((_, account), _)| account.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, moment)| moment.last_seq).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, moment)| moment.position).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, moment)| moment.time).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write subscriptions"))
}
