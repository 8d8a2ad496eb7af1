//! How a group or a channel is set up, and what it says of itself: read for the rows of a page, or of a batch, at once.

use super::members::role;
use crate::Error;
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId, KeyId, Sealed, Timestamp,
    conversation::{Permissions, Role},
};
use natter_streams::{sealing::Opener, statement};
use sqlx::{PgPool, Row, postgres::PgRow, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

/// A row. What is sealed is so still.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    conversation_id: Uuid,
    avatar: Option<Uuid>,
    description: Option<String>,
    announcement: Option<String>,
    announced_seq: Option<i64>,
    announced_at: Option<OffsetDateTime>,
    announced_by: Option<Uuid>,
    join_policy: String,
    shares_history: bool,
    is_muted: bool,
    slow_mode: i32,
    permissions: Option<String>,
    ends_at: Option<OffsetDateTime>,
    dissolved_seq: Option<i64>,
    card_changed: i64,
    /// Of the viewer's latest stay, if they have one.
    entered_seq: Option<i64>,
    is_in: Option<bool>,
    is_owner: Option<bool>,
    is_admin: Option<bool>,
}

/// Of those that are groups or channels, and what the viewer is there, if there is one.
pub(crate) async fn cards(
    pool: &PgPool,
    groups: &[Uuid],
    viewer: Option<AccountId>,
) -> Result<HashMap<ConversationId, Card>, Error> {
    if groups.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT conversation_id, avatar, description, announcement, announced_seq, announced_at, announced_by,
                join_policy, shares_history, is_muted, slow_mode, permissions, ends_at, dissolved_seq, card_changed, entered_seq,
                kind = 'channel' OR latest.is_in AS is_in, $2 = owner AS is_owner,
                CASE WHEN kind = 'channel' THEN EXISTS (
                    SELECT FROM channel_person WHERE channel_person.conversation_id = conversation.conversation_id
                      AND account_id = $2 AND channel_person.is_admin)
                ELSE latest.is_admin END AS is_admin
         FROM conversation LEFT JOIN LATERAL (
             SELECT entered_seq, left_seq IS NULL AS is_in, is_admin
             FROM member WHERE member.conversation_id = conversation.conversation_id AND account_id = $2
             ORDER BY joined_seq DESC LIMIT 1) AS latest ON true
         WHERE conversation_id = ANY($1) AND kind IN ('group', 'channel')",
    )
    .bind(groups)
    .bind(viewer.map(|viewer| viewer.0))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read how groups are set up"))?;
    Ok(rows.iter().map(Card::of).map(|card| (ConversationId(card.conversation_id), card)).collect())
}

/// Of a group that is set up like this, and otherwise as it begins.
pub fn settings(join_policy: &str, permissions: &Permissions) -> wire::GroupSettings {
    let Permissions { invite, post, pin, mention_all, edit_card } = permissions;
    wire::GroupSettings {
        join_policy: join_policy.to_owned(),
        shares_history: false,
        muted: false,
        slow_mode: 0,
        permissions: wire::Permissions {
            invite: invite.as_str().to_owned(),
            post: post.as_str().to_owned(),
            pin: pin.as_str().to_owned(),
            mention_all: mention_all.as_str().to_owned(),
            edit_card: edit_card.as_str().to_owned(),
        },
    }
}

impl Card {
    fn of(row: &PgRow) -> Self {
        Self {
            conversation_id: row.get("conversation_id"),
            avatar: row.get("avatar"),
            description: row.get("description"),
            announcement: row.get("announcement"),
            announced_seq: row.get("announced_seq"),
            announced_at: row.get("announced_at"),
            announced_by: row.get("announced_by"),
            join_policy: row.get("join_policy"),
            shares_history: row.get("shares_history"),
            is_muted: row.get("is_muted"),
            slow_mode: row.get("slow_mode"),
            permissions: row.get("permissions"),
            ends_at: row.get("ends_at"),
            dissolved_seq: row.get("dissolved_seq"),
            card_changed: row.get("card_changed"),
            entered_seq: row.get("entered_seq"),
            is_in: row.get("is_in"),
            is_owner: row.get("is_owner"),
            is_admin: row.get("is_admin"),
        }
    }

    /// What it is opened with.
    pub fn keys(&self) -> impl Iterator<Item = (Uuid, KeyId)> {
        let sealed = [&self.description, &self.announcement];
        sealed.into_iter().filter_map(|text| Some((self.conversation_id, Sealed::key_of(text.as_deref()?)?)))
    }

    /// The number at which the viewer came, less one: what was said before they need not read.
    pub fn entered_seq(&self) -> u64 {
        self.entered_seq.unwrap_or(0) as u64
    }

    /// What the viewer is, while they are in.
    pub fn role(&self) -> Option<Role> {
        let is = |flag: Option<bool>| flag.unwrap_or(false);
        is(self.is_in).then(|| role(is(self.is_owner), is(self.is_admin)))
    }

    /// Whether it says something that was not so at that position of its lane.
    pub fn has_changed_since(&self, position: u64) -> bool {
        self.card_changed as u64 > position
    }

    /// Writes what it says into the conversation.
    pub fn fill(&self, opener: &Opener, conversation: &mut wire::Conversation) {
        conversation.avatar = self.avatar;
        conversation.description = self.open(opener, self.description.as_deref());
        conversation.announcement = self.announcement(opener);
        conversation.settings = Some(self.settings());
        self.fill_end(conversation);
    }

    /// Of what it says to somebody who has left there is only that it is over, if they were in when it was dissolved.
    pub fn fill_for_former(&self, left_seq: u64, conversation: &mut wire::Conversation) {
        if self.dissolved_seq.is_some_and(|seq| seq as u64 <= left_seq) {
            self.fill_end(conversation);
        }
    }

    fn fill_end(&self, conversation: &mut wire::Conversation) {
        if let Some(ends_at) = self.ends_at {
            conversation.state = "dissolved".to_owned();
            conversation.ends_at = Some(Timestamp::from(ends_at).to_string());
        }
    }

    fn announcement(&self, opener: &Opener) -> Option<wire::Announcement> {
        Some(wire::Announcement {
            text: self.open(opener, self.announcement.as_deref())?,
            seq: self.announced_seq? as u64,
            at: Timestamp::from(self.announced_at?).to_string(),
            by: self.announced_by?,
        })
    }

    fn settings(&self) -> wire::GroupSettings {
        let stored = self.permissions.as_deref().and_then(|json| serde_json::from_str(json).ok());
        wire::GroupSettings {
            shares_history: self.shares_history,
            muted: self.is_muted,
            slow_mode: self.slow_mode as u32,
            ..settings(&self.join_policy, &stored.unwrap_or_default())
        }
    }

    fn open(&self, opener: &Opener, text: Option<&str>) -> Option<String> {
        opener.open_text(self.conversation_id, &Sealed::parse(text?)?)
    }
}
