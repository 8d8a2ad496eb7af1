//! What an edge asks of sessions.

use crate::{Error, Shared};
use natter_client::wire;
use natter_domain::{AccountId, Sealed, SessionId, Timestamp, limit};
use natter_streams::{clock, sealing::Opener, statement};
use sqlx::types::time::OffsetDateTime;
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

/// Id, device, platform, opened at, last used at, address.
type Row = (Uuid, Option<String>, Option<String>, OffsetDateTime, Option<OffsetDateTime>, Option<String>);

/// The same; when it ended, and why.
type KeptRow = (
    Uuid,
    Option<String>,
    Option<String>,
    OffsetDateTime,
    Option<OffsetDateTime>,
    Option<String>,
    Option<OffsetDateTime>,
    Option<String>,
);

/// A session that is or was.
pub struct Kept {
    /// None of them is the current one.
    pub session: wire::Session,
    pub ended_at: Option<Timestamp>,
    pub ended_reason: Option<String>,
}

impl Query<'_> {
    /// An account's sessions that can still be used, the newest first.
    pub async fn open_of(&self, account: AccountId, current: SessionId) -> Result<Vec<wire::Session>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT session_id, device_name, platform, opened_at, last_used_at, address FROM session
             WHERE account_id = $1 AND ended_at IS NULL AND expires_at > $2
             ORDER BY opened_at DESC, session_id DESC LIMIT $3",
        )
        .bind(account.0)
        .bind(OffsetDateTime::from(clock::now()))
        .bind(limit::SESSIONS_MAX as i64)
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("list sessions"))?;
        let sealed = rows.iter().flat_map(|row| [&row.1, &row.5]).flatten();
        let keys: Vec<_> = sealed.filter_map(|text| Some((account.0, Sealed::key_of(text)?))).collect();
        let opener = self.0.keys.opener(keys).await?;
        Ok(rows.into_iter().map(|row| shown(&opener, account, current, row)).collect())
    }

    /// All of an account's sessions behind this one, by their ids: those that ended too.
    pub async fn all_of(&self, account: AccountId, after: Uuid, rows: u32) -> Result<Vec<Kept>, Error> {
        let rows: Vec<KeptRow> = sqlx::query_as(
            "SELECT session_id, device_name, platform, opened_at, last_used_at, address, ended_at, ended_reason FROM session
             WHERE account_id = $1 AND session_id > $2 ORDER BY session_id LIMIT $3",
        )
        .bind(account.0)
        .bind(after)
        .bind(i64::from(rows))
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read an account's sessions"))?;
        let sealed = rows.iter().flat_map(|row| [&row.1, &row.5]).flatten();
        let keys: Vec<_> = sealed.filter_map(|text| Some((account.0, Sealed::key_of(text)?))).collect();
        let opener = self.0.keys.opener(keys).await?;
        let kept = |(id, name, platform, opened_at, last_used_at, address, ended_at, ended_reason): KeptRow| Kept {
            session: shown(
                &opener,
                account,
                SessionId(Uuid::nil()),
                (id, name, platform, opened_at, last_used_at, address),
            ),
            ended_at: ended_at.map(Timestamp::from),
            ended_reason,
        };
        Ok(rows.into_iter().map(kept).collect())
    }

    /// What its device said that it is; `None` too where there is no such session.
    pub async fn platform(&self, session: SessionId) -> Result<Option<String>, Error> {
        let platform: Option<Option<String>> = sqlx::query_scalar("SELECT platform FROM session WHERE session_id = $1")
            .bind(session.0)
            .fetch_optional(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read what a session's device is"))?;
        Ok(platform.flatten())
    }

    /// The sessions that were ended at or after that moment: their access tokens may still look valid.
    pub async fn ended_since(&self, moment: Timestamp) -> Result<Vec<SessionId>, Error> {
        let ids: Vec<Uuid> =
            sqlx::query_scalar("SELECT session_id FROM session WHERE ended_at >= $1 ORDER BY ended_at")
                .bind(OffsetDateTime::from(moment))
                .fetch_all(statement::bounded(&self.0.pool()))
                .await
                .map_err(Error::database("read ended sessions"))?;
        Ok(ids.into_iter().map(SessionId).collect())
    }
}

fn shown(opener: &Opener, account: AccountId, current: SessionId, row: Row) -> wire::Session {
    let (id, name, platform, opened_at, last_used_at, address) = row;
    let open = |text: &str| Sealed::parse(text).and_then(|sealed| opener.open_text(account.0, &sealed));
    wire::Session {
        id,
        device: wire::SessionDevice { name: name.as_deref().and_then(open), platform },
        created_at: Timestamp::from(opened_at).to_string(),
        last_used_at: Timestamp::from(last_used_at.unwrap_or(opened_at)).to_string(),
        address: address.as_deref().and_then(open),
        current: id == current.0,
    }
}
