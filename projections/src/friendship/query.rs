//! Lists of friend requests, and what two people have in common.

use crate::{
    Error, Page, Shared,
    page::Cursor,
    sync::{After, Since},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, FriendshipId, KeyId, RequestId, Sealed, Timestamp};
use natter_streams::{
    clock,
    sealing::{Keys, Opener},
    statement,
};
use sqlx::{PgPool, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

/// Whose requests: those that others sent to the viewer, or those that the viewer sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    In,
    Out,
}

pub struct Query<'a>(pub(crate) &'a Shared);

type Row = (
    Uuid,
    Uuid,
    Uuid,
    Uuid,
    Option<String>,
    String,
    OffsetDateTime,
    OffsetDateTime,
    Option<Uuid>,
    Option<String>,
    // Whether its receiver does not see it.
    bool,
);

/// A request for frames.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) request: wire::FriendRequest,
    pub(crate) ignored: bool,
}

/// Of a viewer's requests, `$2`, those that they are shown.
const SHOWN: &str = "NOT (ignored AND receiver = $2)";

/// `$1` is now: a request expires without an event.
const COLUMNS: &str = "request_id, friendship_id, sender, receiver, message,
    CASE WHEN status = 'pending' AND expires_at <= $1 THEN 'expired' ELSE status END AS status,
    created_at, expires_at, conversation_id, source, ignored";

impl Query<'_> {
    /// One request and its pair, if the viewer is one of its two people.
    pub async fn request(
        &self,
        viewer: AccountId,
        request: RequestId,
    ) -> Result<Option<(FriendshipId, wire::FriendRequest)>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM friend_request WHERE request_id = $2 AND $3 IN (sender, receiver)");
        let row: Option<Row> = sqlx::query_as(&sql)
            .bind(now())
            .bind(request.0)
            .bind(viewer.0)
            .fetch_optional(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read a friend request"))?;
        let pair = row.as_ref().map(|row| FriendshipId(row.1));
        Ok(pair.zip(shown_all(&self.0.keys, row.into_iter().collect()).await?.pop()))
    }

    /// The viewer's requests of one direction, newest first, without those that they ignore; with `status`, only those that have it now.
    pub async fn requests(
        &self,
        viewer: AccountId,
        direction: Direction,
        status: Option<&str>,
        page: &Page,
    ) -> Result<wire::PageOf<wire::FriendRequest>, Error> {
        self.some_requests(viewer, direction, SHOWN, status, page).await
    }

    /// All that are held on an account, those too that they ignore.
    pub async fn held_requests(
        &self,
        account: AccountId,
        direction: Direction,
        page: &Page,
    ) -> Result<wire::PageOf<wire::FriendRequest>, Error> {
        self.some_requests(account, direction, "true", None, page).await
    }

    async fn some_requests(
        &self,
        viewer: AccountId,
        direction: Direction,
        which: &str,
        status: Option<&str>,
        page: &Page,
    ) -> Result<wire::PageOf<wire::FriendRequest>, Error> {
        let mine = match direction {
            Direction::In => "receiver",
            Direction::Out => "sender",
        };
        let sql = format!(
            "SELECT * FROM (SELECT {COLUMNS} FROM friend_request WHERE {mine} = $2) AS request
             WHERE {which} AND ($3::text IS NULL OR status = $3)
               AND ($4::timestamptz IS NULL OR (created_at, request_id) < ($4, $5::uuid))
             ORDER BY created_at DESC, request_id DESC LIMIT $6"
        );
        let (time, id) = page.after()?;
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(now())
            .bind(viewer.0)
            .bind(status)
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list friend requests"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.6.into(), id: row.0 });
        Ok(wire::PageOf { items: shown_all(&self.0.keys, rows).await?, next_cursor })
    }

    /// Friends and groups that the two have in common, some of them: for who asks whether there is one.
    pub async fn between(
        &self,
        one: AccountId,
        other: AccountId,
    ) -> Result<(Vec<AccountId>, Vec<ConversationId>), Error> {
        let friends: Vec<Uuid> = sqlx::query_scalar(
            "SELECT friend_id FROM friendship AS mine JOIN friendship AS theirs USING (friend_id)
             WHERE mine.account_id = $1 AND NOT mine.ended AND theirs.account_id = $2 AND NOT theirs.ended LIMIT 8",
        )
        .bind(one.0)
        .bind(other.0)
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read friends in common"))?;
        let groups: Vec<Uuid> = sqlx::query_scalar(
            "SELECT conversation_id FROM member AS mine JOIN member AS theirs USING (conversation_id)
                 JOIN conversation USING (conversation_id)
             WHERE mine.account_id = $1 AND mine.left_seq IS NULL AND theirs.account_id = $2 AND theirs.left_seq IS NULL
               AND kind = 'group' LIMIT 8",
        )
        .bind(one.0)
        .bind(other.0)
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read groups in common"))?;
        Ok((friends.into_iter().map(AccountId).collect(), groups.into_iter().map(ConversationId).collect()))
    }

    /// The viewer's requests, of both directions, that changed or have expired, and those that they ignore since.
    pub(crate) async fn requests_changed(
        &self,
        since: Since<'_>,
    ) -> Result<(Vec<wire::FriendRequest>, Vec<Uuid>, Option<After>), Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM friend_request
             WHERE (sender = $2 OR receiver = $2) AND request_id > $4
               AND CASE WHEN ignored AND receiver = $2 THEN NOT $7 AND ignored_changed > ($3::bigint[])[lane + 1]
                   ELSE changed > ($3::bigint[])[lane + 1]
                       OR (status = 'pending' AND expires_at > $5 AND expires_at <= $1) END
             ORDER BY request_id LIMIT $6"
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(now())
            .bind(since.viewer.0)
            .bind(since.positions())
            .bind(since.after.id)
            .bind(OffsetDateTime::from(since.told.time()))
            .bind(since.rows())
            .bind(since.told.is_nothing())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read which friend requests changed"))?;
        let rest = since.cut(&mut rows, |row| After { id: row.0, number: 0 });
        let (ignored, rows): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.10 && row.3 == since.viewer.0);
        let ignored = ignored.into_iter().map(|row| row.0).collect();
        Ok((shown_all(&self.0.keys, rows).await?, ignored, rest))
    }
}

/// Requests by id, for frames; who gets to see them is the caller's matter.
pub(crate) async fn requests(
    pool: &PgPool,
    keys: &Keys,
    ids: &[RequestId],
) -> Result<HashMap<RequestId, Asked>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM friend_request WHERE request_id = ANY($2)");
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(now())
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read friend requests"))?;
    let ignored: Vec<bool> = rows.iter().map(|row| row.10).collect();
    let shown = shown_all(keys, rows).await?.into_iter().zip(ignored);
    Ok(shown.map(|(request, ignored)| (RequestId(request.id), Asked { request, ignored })).collect())
}

fn now() -> OffsetDateTime {
    clock::now().into()
}

async fn shown_all(keys: &Keys, rows: Vec<Row>) -> Result<Vec<wire::FriendRequest>, Error> {
    let wanted = |row: &Row| {
        let key = Sealed::key_of(row.4.as_deref()?)?;
        Some((sealed_for(key, FriendshipId(row.1), AccountId(row.2)), key))
    };
    let opener = keys.opener(rows.iter().filter_map(wanted).collect::<Vec<_>>()).await?;
    Ok(rows.into_iter().map(|row| shown(&opener, row)).collect())
}

/// Whose the message of a request is: its sender's. Before people had keys of their own it was the pair's.
pub(crate) fn sealed_for(key: KeyId, pair: FriendshipId, sender: AccountId) -> Uuid {
    match key {
        KeyId::Installation => pair.0,
        KeyId::Owner | KeyId::Month(_) => sender.0,
    }
}

fn shown(opener: &Opener, row: Row) -> wire::FriendRequest {
    let (id, friendship, from, to, message, status, created_at, expires_at, conversation_id, source, _) = row;
    let open = |text: String| {
        let sealed = Sealed::parse(&text)?;
        opener.open_text(sealed_for(sealed.key, FriendshipId(friendship), AccountId(from)), &sealed)
    };
    wire::FriendRequest {
        id,
        from,
        to,
        message: message.and_then(open),
        source,
        status,
        created_at: Timestamp::from(created_at).to_string(),
        expires_at: Timestamp::from(expires_at).to_string(),
        conversation_id,
    }
}
