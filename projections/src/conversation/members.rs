//! Who is in a conversation, by pages, and what the viewer is in it.

use super::Query;
use crate::{Error, Page, gate, page::Cursor};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId, HandleId, KeyId, Sealed, Timestamp,
    conversation::{Beginning, Bucket, Role},
};
use natter_streams::{sealing::Opener, statement};
use sqlx::{PgPool, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

/// Who is in, as somebody sees it.
pub enum Members {
    /// The conversation does not exist for them.
    Unknown,
    /// They were in and are not: it is no matter of theirs any more.
    Left,
    /// Who subscribes to a channel is for its admins to know.
    NotShown,
    Are(wire::PageOf<wire::Member>),
}

/// What somebody is to a conversation.
pub enum Standing {
    /// It does not exist for them.
    Unknown,
    /// They were in and are not.
    Left,
    Is(Role),
}

/// Which of them.
#[derive(Clone, Default, Debug)]
pub struct MemberFilter {
    pub role: Option<Role>,
    pub named: Option<Named>,
    /// Whether they have read the announcement.
    pub has_read: Option<bool>,
}

/// By what somebody looks for members.
#[derive(Clone, Debug)]
pub struct Named {
    /// Keyed hash of the beginning of a user name.
    pub prefix: Option<HandleId>,
    /// That of a nickname in the group, and where it is looked for.
    pub nickname: Option<(Bucket, Beginning)>,
}

impl Named {
    fn is_called(&self, nickname: Option<&str>) -> bool {
        self.nickname.as_ref().zip(nickname).is_some_and(|((_, beginning), nickname)| beginning.is_of(nickname))
    }

    fn bucket(&self) -> Option<i16> {
        self.nickname.as_ref().map(|(Bucket(number), _)| *number as i16)
    }
}

impl MemberFilter {
    /// With `$5` and `$6`. Each filter is a statement of its own: one for all would read a large group from its end to find
    /// somebody.
    fn condition(&self) -> (String, Option<Uuid>) {
        let named = match &self.named {
            Some(named) => (IS_LIKELY_NAMED, named.prefix.map(|prefix| prefix.0)),
            None => ("$5::uuid IS NULL AND $6::smallint IS NULL", None),
        };
        let role = match self.role {
            Some(Role::Owner) => " AND account_id = owner",
            Some(Role::Admin) => " AND coalesce(person.is_admin, member.is_admin)",
            Some(Role::Member) => {
                " AND NOT coalesce(person.is_admin, member.is_admin) AND account_id IS DISTINCT FROM owner"
            }
            None => "",
        };
        let read = match self.has_read {
            Some(true) => format!(" AND {HAS_READ}"),
            Some(false) => format!(" AND NOT {HAS_READ}"),
            None => String::new(),
        };
        (format!("{}{role}{read}", named.0), named.1)
    }
}

/// Whose user name begins so, and those of whose nicknames some may.
const IS_LIKELY_NAMED: &str = "account_id IN (
    SELECT account_id FROM account_prefix WHERE prefix = $5
    UNION ALL
    SELECT called.account_id FROM member AS called
    WHERE called.conversation_id = $1 AND called.nickname_bucket = $6 AND called.left_seq IS NULL)";

/// Whether it is the user name that begins so.
const IS_NAMED: &str =
    "EXISTS (SELECT FROM account_prefix AS named WHERE named.prefix = $5 AND named.account_id = member.account_id)";

/// Of a channel, whether or not they subscribe to it.
const STAFF: &str = "(SELECT conversation_id, account_id, since AS joined_at, is_admin, NULL AS nickname, muted_until,
    NULL::bigint AS left_seq FROM channel_person) AS member";

/// The announcement, as it stands.
const HAS_READ: &str = "EXISTS (
    SELECT FROM inbox_cursor AS view WHERE view.account_id = member.account_id
      AND view.conversation_id = member.conversation_id AND announcement_read_seq >= announced_seq)";

/// Account, since when, whether they own the conversation, whether they are an admin, what they are called, until when
/// they are muted, whether they are looked for by their user name.
type Row = (Uuid, OffsetDateTime, bool, bool, Option<String>, Option<OffsetDateTime>, bool);

impl Query<'_> {
    /// What the viewer is in the conversation.
    pub async fn standing(&self, viewer: AccountId, conversation: ConversationId) -> Result<Standing, Error> {
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(Standing::Unknown) };
        if membership.latest().left_seq.is_some() {
            return Ok(Standing::Left);
        }
        let row: Option<(bool, bool)> = sqlx::query_as(
            "SELECT $2 IS NOT DISTINCT FROM owner, coalesce(person.is_admin, member.is_admin, false)
             FROM conversation LEFT JOIN member ON member.conversation_id = conversation.conversation_id
                  AND member.account_id = $2 AND left_seq IS NULL
             LEFT JOIN channel_person AS person ON person.conversation_id = conversation.conversation_id
                  AND person.account_id = $2
             WHERE conversation.conversation_id = $1 AND (kind = 'channel' OR member.account_id IS NOT NULL)",
        )
        .bind(conversation.0)
        .bind(viewer.0)
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read what somebody is in a group"))?;
        Ok(row.map_or(Standing::Left, |(is_owner, is_admin)| Standing::Is(role(is_owner, is_admin))))
    }

    /// Somebody, as they are, or were when they left; of a channel, of whom something was said there, or who subscribes to it.
    pub async fn member(
        &self,
        conversation: ConversationId,
        account: AccountId,
    ) -> Result<Option<wire::Member>, Error> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT account_id, coalesce(joined_at, since), account_id IS NOT DISTINCT FROM owner,
                    coalesce(person.is_admin, member.is_admin, false), nickname,
                    coalesce(person.muted_until, member.muted_until), false
             FROM member FULL JOIN channel_person AS person USING (conversation_id, account_id)
                  JOIN conversation USING (conversation_id)
             WHERE conversation_id = $1 AND account_id = $2 ORDER BY joined_seq DESC LIMIT 1",
        )
        .bind(conversation.0)
        .bind(account.0)
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read a member"))?;
        let opener = self.0.keys.opener(row.iter().filter_map(key).collect::<Vec<_>>()).await?;
        Ok(row.map(|row| member(row, &opener)))
    }

    async fn is_channel(&self, conversation: ConversationId) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT FROM conversation WHERE conversation_id = $1 AND kind = 'channel')";
        let is_one = sqlx::query_scalar(sql).bind(conversation.0).fetch_one(statement::bounded(&self.0.pool())).await;
        is_one.map_err(Error::database("read of what kind a conversation is"))
    }

    /// Who is in, the newest first; of a channel, who subscribes to it. A page of those who are looked for by a name may have fewer
    /// than there is room for, and still not be the last: whose nickname is another one is left out of it once it is opened.
    pub async fn members(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        filter: MemberFilter,
        page: &Page,
    ) -> Result<Members, Error> {
        let (time, id) = page.after()?;
        match self.standing(viewer, conversation).await? {
            Standing::Unknown => return Ok(Members::Unknown),
            Standing::Left => return Ok(Members::Left),
            Standing::Is(Role::Member) if self.is_channel(conversation).await? => return Ok(Members::NotShown),
            Standing::Is(_) => {}
        }
        let (which, who) = filter.condition();
        let of_staff = matches!(filter.role, Some(Role::Owner | Role::Admin)) && self.is_channel(conversation).await?;
        let from = if of_staff { STAFF } else { "member" };
        let sql = format!(
            "SELECT account_id, joined_at, account_id IS NOT DISTINCT FROM owner,
                    coalesce(person.is_admin, member.is_admin), nickname,
                    coalesce(person.muted_until, member.muted_until), {IS_NAMED}
             FROM {from} JOIN conversation USING (conversation_id)
                  LEFT JOIN channel_person AS person USING (conversation_id, account_id)
             WHERE conversation_id = $1 AND left_seq IS NULL AND {which}
               AND (joined_at, account_id) < (coalesce($2, 'infinity'::timestamptz),
                   coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
             ORDER BY joined_at DESC, account_id DESC LIMIT $4"
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(conversation.0)
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .bind(who)
            .bind(filter.named.as_ref().and_then(Named::bucket))
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list members"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.1.into(), id: row.0 });
        let opener = self.0.keys.opener(rows.iter().filter_map(key).collect::<Vec<_>>()).await?;
        let is_meant = |is_named: bool, member: &wire::Member| match &filter.named {
            Some(named) => is_named || named.is_called(member.nickname.as_deref()),
            None => true,
        };
        let members = rows.into_iter().map(|row| (row.6, member(row, &opener)));
        let items =
            members.filter(|(is_named, member)| is_meant(*is_named, member)).map(|(_, member)| member).collect();
        Ok(Members::Are(wire::PageOf { items, next_cursor }))
    }
}

/// Owner and admins of these groups, as far as they are in: an owner leaves as the last one.
pub(crate) async fn admins(pool: &PgPool, groups: &[Uuid]) -> Result<HashMap<ConversationId, Vec<AccountId>>, Error> {
    if groups.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT conversation_id, account_id FROM member
         WHERE conversation_id = ANY($1) AND left_seq IS NULL AND is_admin
         UNION ALL
         SELECT conversation_id, owner FROM conversation JOIN member USING (conversation_id)
         WHERE conversation_id = ANY($1) AND left_seq IS NULL AND account_id = owner",
    )
    .bind(groups)
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read the admins of groups"))?;
    let mut all = HashMap::<_, Vec<AccountId>>::new();
    for (group, account) in rows {
        all.entry(ConversationId(group)).or_default().push(AccountId(account));
    }
    Ok(all)
}

pub(super) fn role(is_owner: bool, is_admin: bool) -> Role {
    match (is_owner, is_admin) {
        (true, _) => Role::Owner,
        (false, true) => Role::Admin,
        (false, false) => Role::Member,
    }
}

/// What a row is opened with.
fn key(row: &Row) -> Option<(Uuid, KeyId)> {
    Some((row.0, Sealed::key_of(row.4.as_deref()?)?))
}

fn member((account_id, joined_at, is_owner, is_admin, nickname, muted_until, _): Row, opener: &Opener) -> wire::Member {
    let nickname = nickname.as_deref().and_then(Sealed::parse);
    wire::Member {
        account_id,
        role: role(is_owner, is_admin).as_str().to_owned(),
        nickname: nickname.and_then(|sealed| opener.open_text(account_id, &sealed)),
        joined_at: Timestamp::from(joined_at).to_string(),
        muted_until: muted_until.map(|until| Timestamp::from(until).to_string()),
    }
}
