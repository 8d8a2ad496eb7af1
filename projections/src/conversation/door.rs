//! Who waits at a group's door: invitations, requests, links, bans. Writing the tables `group_*`, and reading them for those
//! whom it concerns. Whether a viewer is one of these, the caller has found out.

use super::group::{Place, Statement, text};
use crate::{Error, Page, Shared, friendship::block, page::Cursor};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId, Sealed, Timestamp,
    conversation::{Event, Way},
};
use natter_streams::{clock, statement};
use sqlx::{query, types::time::OffsetDateTime};
use uuid::Uuid;

pub(super) fn statements(place: &Place, event: &Event) -> Vec<Statement> {
    let one = |sql, account: &AccountId| query(sql).bind(place.conversation).bind(account.0);
    // By the event's time: the same whenever it is applied.
    let expired = |sql| query(sql).bind(place.conversation).bind(place.time);
    match event {
        Event::MembersInvited { account_ids, untold, by, expires_at, .. } => vec![
            expired("DELETE FROM group_invitation WHERE conversation_id = $1 AND expires_at <= $2"),
            invited(place, account_ids, untold, *by, *expires_at),
        ],
        Event::InvitationEnded { account_id, .. } => {
            vec![one("DELETE FROM group_invitation WHERE conversation_id = $1 AND account_id = $2", account_id)]
        }
        Event::JoinRequested { account_id, message, at, expires_at } => {
            vec![
                expired("DELETE FROM group_request WHERE conversation_id = $1 AND expires_at <= $2"),
                requested(place, *account_id, message.as_ref(), *at, *expires_at),
            ]
        }
        Event::JoinDeclined { account_id, .. } => {
            vec![one("DELETE FROM group_request WHERE conversation_id = $1 AND account_id = $2", account_id)]
        }
        Event::MembersJoined { account_ids, way, .. } => came(place, account_ids, *way),
        Event::Banned { account_id, by } => {
            let banned = query(
                "INSERT INTO group_ban (conversation_id, account_id, banned_by, banned_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            );
            let banned = banned.bind(place.conversation).bind(account_id.0).bind(by.0).bind(place.time);
            let theirs = [
                "DELETE FROM group_invitation WHERE conversation_id = $1 AND invited_by = $2",
                "DELETE FROM group_link WHERE conversation_id = $1 AND made_by = $2",
            ];
            let theirs = theirs.into_iter().map(|sql| one(sql, account_id));
            std::iter::once(banned).chain(came(place, &[*account_id], Way::Added)).chain(theirs).collect()
        }
        Event::Unbanned { account_id, .. } => {
            vec![one("DELETE FROM group_ban WHERE conversation_id = $1 AND account_id = $2", account_id)]
        }
        Event::LinkMade { link_id, secret, by, at, expires_at, uses } => vec![
            expired("DELETE FROM group_link WHERE conversation_id = $1 AND expires_at <= $2"),
            query(
                "INSERT INTO group_link (conversation_id, link_id, secret, made_by, made_at, expires_at, uses)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            )
            .bind(place.conversation)
            .bind(*link_id)
            .bind(secret.to_string())
            .bind(by.0)
            .bind(OffsetDateTime::from(*at))
            .bind(expires_at.map(OffsetDateTime::from))
            .bind(uses.map(|uses| uses as i32)),
        ],
        Event::LinkRevoked { link_id, .. } => vec![
            query("DELETE FROM group_link WHERE conversation_id = $1 AND link_id = $2")
                .bind(place.conversation)
                .bind(*link_id),
        ],
        _ => Vec::new(),
    }
}

fn invited(
    place: &Place,
    account_ids: &[AccountId],
    untold: &[AccountId],
    by: AccountId,
    expires_at: Timestamp,
) -> Statement {
    query(
        "INSERT INTO group_invitation (conversation_id, account_id, invited_by, is_told, invited_at, expires_at)
         SELECT $1, account_id, $3, account_id <> ALL($4::uuid[]), $5, $6 FROM UNNEST($2::uuid[]) AS invited(account_id)
         ON CONFLICT (conversation_id, account_id) DO UPDATE SET invited_by = excluded.invited_by,
             is_told = excluded.is_told, invited_at = excluded.invited_at, expires_at = excluded.expires_at",
    )
    .bind(place.conversation)
    .bind(ids(account_ids))
    .bind(by.0)
    .bind(ids(untold))
    .bind(place.time)
    .bind(OffsetDateTime::from(expires_at))
}

fn requested(
    place: &Place,
    account: AccountId,
    message: Option<&Sealed>,
    at: Timestamp,
    expires_at: Timestamp,
) -> Statement {
    query(
        "INSERT INTO group_request (conversation_id, account_id, message, asked_at, expires_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (conversation_id, account_id) DO UPDATE
         SET message = excluded.message, asked_at = excluded.asked_at, expires_at = excluded.expires_at",
    )
    .bind(place.conversation)
    .bind(account.0)
    .bind(text(message))
    .bind(OffsetDateTime::from(at))
    .bind(OffsetDateTime::from(expires_at))
}

/// Nothing of theirs waits any more.
fn came(place: &Place, accounts: &[AccountId], way: Way) -> Vec<Statement> {
    let of_them = [
        "DELETE FROM group_invitation WHERE conversation_id = $1 AND account_id = ANY($2)",
        "DELETE FROM group_request WHERE conversation_id = $1 AND account_id = ANY($2)",
    ];
    let mut statements: Vec<_> =
        of_them.into_iter().map(|sql| query(sql).bind(place.conversation).bind(ids(accounts))).collect();
    if let Way::Link(link) = way {
        let used = query(
            "UPDATE group_link SET used = used + 1, used_position = $3
             WHERE conversation_id = $1 AND link_id = $2 AND used_position < $3",
        );
        statements.push(used.bind(place.conversation).bind(link).bind(place.position));
    }
    statements
}

fn ids(accounts: &[AccountId]) -> Vec<Uuid> {
    accounts.iter().map(|account| account.0).collect()
}

/// Account, by whom, when, until when.
type InvitedRow = (Uuid, Uuid, OffsetDateTime, OffsetDateTime);

/// Group, its sealed name, picture, how many are in; by whom, when, until when.
type InvitationRow = (Uuid, Option<String>, Option<Uuid>, i64, Uuid, OffsetDateTime, OffsetDateTime);

pub struct Query<'a>(pub(crate) &'a Shared);

impl Query<'_> {
    /// What the viewer is invited to, the newest first, but by whom there is a block with. Into a closed group only admins bring
    /// people.
    pub async fn invitations(&self, viewer: AccountId, page: &Page) -> Result<wire::PageOf<wire::Invitation>, Error> {
        let (time, id) = page.after()?;
        let sql = format!(
            "SELECT conversation_id, name, avatar,
                    member_count,
                    invited_by, invited_at, expires_at
             FROM group_invitation JOIN conversation USING (conversation_id)
             WHERE account_id = $1 AND is_told AND expires_at > $2
               AND (join_policy <> 'closed' OR EXISTS (
                   SELECT FROM member WHERE member.conversation_id = conversation.conversation_id
                     AND member.account_id = invited_by AND left_seq IS NULL AND (is_admin OR invited_by = owner)))
               AND ($3::timestamptz IS NULL OR (invited_at, conversation_id) < ($3, $4::uuid))
               AND NOT {}
             ORDER BY invited_at DESC, conversation_id DESC LIMIT $5",
            block::between("$1", "invited_by")
        );
        let mut rows: Vec<InvitationRow> = sqlx::query_as(&sql)
            .bind(viewer.0)
            .bind(now())
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list invitations"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.5.into(), id: row.0 });
        let keys: Vec<_> = rows.iter().filter_map(|row| Some((row.0, Sealed::key_of(row.1.as_deref()?)?))).collect();
        let opener = self.0.keys.opener(keys).await?;
        let shown = |row: InvitationRow| {
            let (id, name, avatar, member_count, by, at, expires_at) = row;
            let name = name.as_deref().and_then(Sealed::parse).and_then(|sealed| opener.open_text(id, &sealed));
            wire::Invitation {
                conversation: wire::ConversationOutside { id, name, avatar, member_count: member_count as u64 },
                by,
                invited_at: moment(at),
                expires_at: moment(expires_at),
            }
        };
        Ok(wire::PageOf { items: rows.into_iter().map(shown).collect(), next_cursor })
    }

    /// Whom the group has invited, the newest first.
    pub async fn invited(&self, group: ConversationId, page: &Page) -> Result<wire::PageOf<wire::Invited>, Error> {
        let (time, id) = page.after()?;
        let mut rows: Vec<InvitedRow> = sqlx::query_as(
            "SELECT account_id, invited_by, invited_at, expires_at FROM group_invitation
             WHERE conversation_id = $1 AND expires_at > $2
               AND ($3::timestamptz IS NULL OR (invited_at, account_id) < ($3, $4::uuid))
             ORDER BY invited_at DESC, account_id DESC LIMIT $5",
        )
        .bind(group.0)
        .bind(now())
        .bind(time)
        .bind(id)
        .bind(page.rows())
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("list who is invited"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.2.into(), id: row.0 });
        let shown = |(account_id, by, at, expires_at): InvitedRow| wire::Invited {
            account_id,
            by,
            invited_at: moment(at),
            expires_at: moment(expires_at),
        };
        Ok(wire::PageOf { items: rows.into_iter().map(shown).collect(), next_cursor })
    }

    /// Who asks to come, the newest first, but those whom there is a block with: the viewer gets no word of theirs.
    pub async fn requests(
        &self,
        viewer: AccountId,
        group: ConversationId,
        page: &Page,
    ) -> Result<wire::PageOf<wire::JoinRequest>, Error> {
        type Row = (Uuid, Option<String>, OffsetDateTime, OffsetDateTime);
        let (time, id) = page.after()?;
        let sql = format!(
            "SELECT account_id, message, asked_at, expires_at FROM group_request
             WHERE conversation_id = $1 AND expires_at > $2
               AND ($3::timestamptz IS NULL OR (asked_at, account_id) < ($3, $4::uuid))
               AND NOT {}
             ORDER BY asked_at DESC, account_id DESC LIMIT $5",
            block::between("$6", "group_request.account_id")
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(group.0)
            .bind(now())
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .bind(viewer.0)
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list who asks to come"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.2.into(), id: row.0 });
        let keys: Vec<_> = rows.iter().filter_map(|row| Some((row.0, Sealed::key_of(row.1.as_deref()?)?))).collect();
        let opener = self.0.keys.opener(keys).await?;
        let shown = |(account_id, message, at, expires_at): Row| {
            let message = message.as_deref().and_then(Sealed::parse);
            wire::JoinRequest {
                account_id,
                message: message.and_then(|sealed| opener.open_text(account_id, &sealed)),
                asked_at: moment(at),
                expires_at: moment(expires_at),
            }
        };
        Ok(wire::PageOf { items: rows.into_iter().map(shown).collect(), next_cursor })
    }

    /// Who is banned, the newest first.
    pub async fn bans(&self, group: ConversationId, page: &Page) -> Result<wire::PageOf<wire::Ban>, Error> {
        type Row = (Uuid, Uuid, OffsetDateTime);
        let (time, id) = page.after()?;
        let mut rows: Vec<Row> = sqlx::query_as(
            "SELECT account_id, banned_by, banned_at FROM group_ban
             WHERE conversation_id = $1 AND ($2::timestamptz IS NULL OR (banned_at, account_id) < ($2, $3::uuid))
             ORDER BY banned_at DESC, account_id DESC LIMIT $4",
        )
        .bind(group.0)
        .bind(time)
        .bind(id)
        .bind(page.rows())
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("list who is banned"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.2.into(), id: row.0 });
        let shown = |(account_id, by, at): Row| wire::Ban { account_id, by, banned_at: moment(at) };
        Ok(wire::PageOf { items: rows.into_iter().map(shown).collect(), next_cursor })
    }

    /// Links that are good, the newest first: all of them, or `of` this person. Where nobody comes by them, none is.
    pub async fn links(&self, group: ConversationId, of: Option<AccountId>) -> Result<Vec<LinkRow>, Error> {
        type Row = (Uuid, String, Uuid, OffsetDateTime, Option<OffsetDateTime>, Option<i32>, i32);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT link_id, secret, made_by, made_at, expires_at, uses, used FROM group_link
             WHERE conversation_id = $1 AND ($2::uuid IS NULL OR made_by = $2)
               AND (expires_at IS NULL OR expires_at > $3) AND (uses IS NULL OR used < uses)
               AND EXISTS (SELECT FROM conversation
                           WHERE conversation_id = $1 AND ends_at IS NULL AND join_policy <> 'closed')
             ORDER BY made_at DESC, link_id DESC",
        )
        .bind(group.0)
        .bind(of.map(|account| account.0))
        .bind(now())
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("list links"))?;
        let keys: Vec<_> = rows.iter().filter_map(|row| Some((group.0, Sealed::key_of(&row.1)?))).collect();
        let opener = self.0.keys.opener(keys).await?;
        let shown = |(link_id, secret, by, at, expires_at, uses, used): Row| LinkRow {
            link_id,
            secret: Sealed::parse(&secret).and_then(|sealed| opener.open(group.0, &sealed)),
            by: AccountId(by),
            made_at: at.into(),
            expires_at: expires_at.map(Timestamp::from),
            uses: uses.map(|uses| uses as u32),
            used: used as u32,
        };
        Ok(rows.into_iter().map(shown).collect())
    }
}

/// A link; what a person shows to come by it is for whoever makes tokens.
pub struct LinkRow {
    pub link_id: Uuid,
    pub secret: Option<Vec<u8>>,
    pub by: AccountId,
    pub made_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub uses: Option<u32>,
    pub used: u32,
}

fn now() -> OffsetDateTime {
    clock::now().into()
}

fn moment(time: OffsetDateTime) -> String {
    Timestamp::from(time).to_string()
}
