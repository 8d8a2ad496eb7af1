//! Lists of friend requests and friends.

use crate::{
    Error, Page, Paged, Shared,
    account::card::{self, Viewer},
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

type Row = (Uuid, Uuid, Uuid, Uuid, Option<String>, String, OffsetDateTime, OffsetDateTime, Option<Uuid>);

/// Friend, since when, conversation; which state of the friend's account is the newest.
type FriendRow = (Uuid, OffsetDateTime, Uuid, Option<i64>, Option<i64>);

/// `$1` is now: a request expires without an event.
const COLUMNS: &str = "request_id, friendship_id, sender, receiver, message,
    CASE WHEN status = 'pending' AND expires_at <= $1 THEN 'expired' ELSE status END AS status,
    created_at, expires_at, conversation_id";

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

    /// The viewer's requests of one direction, newest first; with `status`, only those that have it now.
    pub async fn requests(
        &self,
        viewer: AccountId,
        direction: Direction,
        status: Option<&str>,
        page: &Page,
    ) -> Result<Paged<wire::FriendRequest>, Error> {
        let mine = match direction {
            Direction::In => "receiver",
            Direction::Out => "sender",
        };
        let sql = format!(
            "SELECT * FROM (SELECT {COLUMNS} FROM friend_request WHERE {mine} = $2) AS request
             WHERE ($3::text IS NULL OR status = $3)
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
        Ok(Paged { items: shown_all(&self.0.keys, rows).await?, next_cursor })
    }

    /// Friends and groups that the two have in common, some of them: for who asks whether there is one.
    pub async fn between(
        &self,
        one: AccountId,
        other: AccountId,
    ) -> Result<(Vec<AccountId>, Vec<ConversationId>), Error> {
        let friends: Vec<Uuid> = sqlx::query_scalar(
            "SELECT friend_id FROM friendship AS mine JOIN friendship AS theirs USING (friend_id)
             WHERE mine.account_id = $1 AND theirs.account_id = $2 LIMIT 8",
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

    /// The viewer's friends, the newest first.
    pub async fn friends(&self, viewer: AccountId, page: &Page) -> Result<Paged<wire::Friend>, Error> {
        let (time, id) = page.after()?;
        // Accounts are looked at for the rows of the page only.
        let sql = format!(
            "SELECT friend_id, since, conversation_id, {} FROM (
                 SELECT friend_id, since, conversation_id FROM friendship
                 WHERE account_id = $1 AND ($2::timestamptz IS NULL OR (since, friend_id) < ($2, $3::uuid))
                 ORDER BY since DESC, friend_id DESC LIMIT $4) AS page
             LEFT JOIN account ON account.account_id = friend_id AND registered_at IS NOT NULL
             ORDER BY since DESC, friend_id DESC",
            card::STATE
        );
        let mut rows: Vec<FriendRow> = sqlx::query_as(&sql)
            .bind(viewer.0)
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list friends"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.1.into(), id: row.0 });
        Ok(Paged { items: self.friends_shown(rows).await?, next_cursor })
    }

    async fn friends_shown(&self, rows: Vec<FriendRow>) -> Result<Vec<wire::Friend>, Error> {
        let wanted = rows.iter().map(|row| (AccountId(row.0), card::state(row.3, row.4)));
        let mut cards = card::shown(self.0, wanted).await?;
        let friend = |(id, since, conversation_id, ..): FriendRow| wire::Friend {
            account: cards
                .remove(&AccountId(id))
                .map_or_else(|| card::unknown(AccountId(id)), |card| card.to(Viewer::Friend)),
            since: Timestamp::from(since).to_string(),
            conversation_id,
        };
        Ok(rows.into_iter().map(friend).collect())
    }

    /// The viewer's friends that changed, or whose account did.
    pub(crate) async fn friends_changed(&self, since: Since<'_>) -> Result<(Vec<wire::Friend>, Option<After>), Error> {
        let sql = format!(
            "SELECT friend_id, since, friendship.conversation_id, {} FROM friendship
             LEFT JOIN account ON account.account_id = friend_id AND registered_at IS NOT NULL
             WHERE friendship.account_id = $1 AND friend_id > $3
               AND (friendship.changed > ($2::bigint[])[friendship.lane + 1]
                    OR account.changed > ($2::bigint[])[account.lane + 1])
             ORDER BY friend_id LIMIT $4",
            card::STATE
        );
        let mut rows: Vec<FriendRow> = sqlx::query_as(&sql)
            .bind(since.viewer.0)
            .bind(since.positions())
            .bind(since.after.id)
            .bind(since.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read which friends changed"))?;
        let rest = since.cut(&mut rows, |row| After { id: row.0, number: 0 });
        Ok((self.friends_shown(rows).await?, rest))
    }

    /// The viewer's requests, of both directions, that changed or have expired.
    pub(crate) async fn requests_changed(
        &self,
        since: Since<'_>,
    ) -> Result<(Vec<wire::FriendRequest>, Option<After>), Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM friend_request
             WHERE (sender = $2 OR receiver = $2) AND request_id > $4
               AND (changed > ($3::bigint[])[lane + 1]
                    OR (status = 'pending' AND expires_at > $5 AND expires_at <= $1))
             ORDER BY request_id LIMIT $6"
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(now())
            .bind(since.viewer.0)
            .bind(since.positions())
            .bind(since.after.id)
            .bind(OffsetDateTime::from(since.told.time()))
            .bind(since.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read which friend requests changed"))?;
        let rest = since.cut(&mut rows, |row| After { id: row.0, number: 0 });
        Ok((shown_all(&self.0.keys, rows).await?, rest))
    }
}

/// Requests by id, for frames; who gets to see them is the caller's matter.
pub(crate) async fn requests(
    pool: &PgPool,
    keys: &Keys,
    ids: &[RequestId],
) -> Result<HashMap<RequestId, wire::FriendRequest>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM friend_request WHERE request_id = ANY($2)");
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(now())
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read friend requests"))?;
    Ok(shown_all(keys, rows).await?.into_iter().map(|request| (RequestId(request.id), request)).collect())
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
    let (id, friendship, from, to, message, status, created_at, expires_at, conversation_id) = row;
    let open = |text: String| {
        let sealed = Sealed::parse(&text)?;
        opener.open_text(sealed_for(sealed.key, FriendshipId(friendship), AccountId(from)), &sealed)
    };
    wire::FriendRequest {
        id,
        from,
        to,
        message: message.and_then(open),
        status,
        created_at: Timestamp::from(created_at).to_string(),
        expires_at: Timestamp::from(expires_at).to_string(),
        conversation_id,
    }
}
