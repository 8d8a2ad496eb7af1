//! The log of a group: what happened to it and who did it, for its admins. One row for each event but messages.

use super::{
    door::Query,
    group::{Place, Statement, text},
};
use crate::{Error, Page, page::Cursor};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId, Event as _, Sealed, Timestamp,
    conversation::{Change, Event, Way},
};
use natter_streams::statement as bounds;
use serde_json::{Value, json};
use sqlx::{query, types::time::OffsetDateTime};
use uuid::Uuid;

pub(super) fn statement(place: &Place, event: &Event) -> Option<Statement> {
    if matches!(event, Event::Ended {}) {
        return None;
    }
    let (by, accounts) = who(event);
    let statement = query(
        "INSERT INTO group_log (conversation_id, happened_at, event_id, action, done_by, account_ids, detail, words)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    );
    Some(
        statement
            .bind(place.conversation)
            .bind(place.time)
            .bind(place.event.0)
            .bind(event.name())
            .bind(by.map(|by| by.0))
            .bind(accounts.iter().map(|account| account.0).collect::<Vec<_>>())
            .bind(detail(event).map(|detail| detail.to_string()))
            .bind(text(words(event))),
    )
}

/// Who did it, and to whom.
fn who(event: &Event) -> (Option<AccountId>, Vec<AccountId>) {
    match event {
        Event::Started { owner, members, .. } => (*owner, members.clone()),
        Event::MembersJoined { by, account_ids, .. } | Event::MembersInvited { by, account_ids, .. } => {
            (Some(*by), account_ids.clone())
        }
        Event::MemberLeft { by, account_id, .. }
        | Event::OwnerChanged { by, account_id, .. }
        | Event::RoleChanged { by, account_id, .. }
        | Event::NicknameChanged { by, account_id, .. }
        | Event::MemberMuted { by, account_id, .. }
        | Event::Banned { by, account_id }
        | Event::Unbanned { by, account_id }
        | Event::InvitationEnded { by, account_id, is_told: _ }
        | Event::JoinDeclined { by, account_id } => (Some(*by), vec![*account_id]),
        Event::JoinRequested { account_id, .. } => (Some(*account_id), vec![*account_id]),
        Event::Renamed { by, .. }
        | Event::Changed { by, .. }
        | Event::Announced { by, .. }
        | Event::LinkMade { by, .. }
        | Event::LinkRevoked { by, .. }
        | Event::Dissolved { by, .. } => (Some(*by), Vec::new()),
        Event::MessageSent { .. }
        | Event::Paused { .. }
        | Event::CountdownBegan { .. }
        | Event::StandingChanged { .. }
        | Event::Ended {} => (None, Vec::new()),
    }
}

/// What else there is to know that nobody has said in words.
fn detail(event: &Event) -> Option<Value> {
    let way = |way: &Way| match way {
        Way::Added => "added",
        Way::Invited => "invited",
        Way::Asked => "asked",
        Way::Open => "open",
        Way::Link(_) => "link",
    };
    Some(match event {
        Event::MembersJoined { way: Way::Link(link), .. } => json!({"way": "link", "link_id": link}),
        Event::MembersJoined { way: came, .. } => json!({"way": way(came)}),
        Event::RoleChanged { role, .. } => json!({"role": role}),
        Event::MemberMuted { until, .. } => json!({"muted_until": until}),
        Event::Changed { change, .. } => of_change(change),
        Event::LinkMade { link_id, expires_at, uses, .. } => {
            json!({"link_id": link_id, "expires_at": expires_at, "max_uses": uses})
        }
        Event::LinkRevoked { link_id, .. } => json!({"link_id": link_id}),
        Event::Dissolved { ends_at, .. } => json!({"ends_at": ends_at}),
        _ => return None,
    })
}

fn of_change(change: &Change) -> Value {
    match change {
        Change::Avatar(avatar) => json!({"avatar": avatar}),
        Change::Description(_) => json!({"what": "description"}),
        Change::JoinPolicy(policy) => json!({"join_policy": policy}),
        Change::SharesHistory(shares) => json!({"shares_history": shares}),
        Change::Muted(is_muted) => json!({"muted": is_muted}),
        Change::SlowMode(seconds) => json!({"slow_mode": seconds}),
        Change::Permissions(permissions) => json!({"permissions": permissions}),
    }
}

/// What was said of the group, under its own keys.
fn words(event: &Event) -> Option<&Sealed> {
    match event {
        Event::Started { name, .. } => name.as_ref(),
        Event::Renamed { name, .. } => Some(name),
        Event::Announced { text, .. } => text.as_ref(),
        Event::Changed { change: Change::Description(text), .. } => text.as_ref(),
        _ => None,
    }
}

impl Query<'_> {
    /// The newest first.
    pub async fn log(&self, group: ConversationId, page: &Page) -> Result<wire::PageOf<wire::GroupEvent>, Error> {
        type Row = (Uuid, OffsetDateTime, String, Option<Uuid>, Vec<Uuid>, Option<String>, Option<String>);
        let (time, id) = page.after()?;
        let mut rows: Vec<Row> = sqlx::query_as(
            "SELECT event_id, happened_at, action, done_by, account_ids, detail, words FROM group_log
             WHERE conversation_id = $1 AND ($2::timestamptz IS NULL OR (happened_at, event_id) < ($2, $3::uuid))
             ORDER BY happened_at DESC, event_id DESC LIMIT $4",
        )
        .bind(group.0)
        .bind(time)
        .bind(id)
        .bind(page.rows())
        .fetch_all(bounds::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read a group's log"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.1.into(), id: row.0 });
        let keys: Vec<_> = rows.iter().filter_map(|row| Some((group.0, Sealed::key_of(row.6.as_deref()?)?))).collect();
        let opener = self.0.keys.opener(keys).await?;
        let shown = |(id, at, action, by, account_ids, detail, words): Row| wire::GroupEvent {
            id,
            at: Timestamp::from(at).to_string(),
            action,
            by,
            account_ids,
            detail: detail.and_then(|json| serde_json::from_str(&json).ok()),
            text: words.as_deref().and_then(Sealed::parse).and_then(|sealed| opener.open_text(group.0, &sealed)),
        };
        Ok(wire::PageOf { items: rows.into_iter().map(shown).collect(), next_cursor })
    }
}
