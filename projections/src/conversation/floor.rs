//! Who is in a conversation, and which of them may speak there: for what is told while it happens and kept nowhere.
//!
//! It is the read side's answer to what `domain/src/conversation/curb.rs` decides, and may be a moment older. Nothing
//! depends on it but a sign that somebody types.

use super::{Query, members::role, stays};
use crate::{Error, Projection, generation::reader};
use natter_domain::{
    AccountId, ConversationId, Timestamp,
    conversation::{Permissions, Power, Role},
};
use natter_streams::statement;
use sqlx::{Row, postgres::PgRow, types::time::OffsetDateTime};
use uuid::Uuid;

/// Those who are in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Floor(Vec<Voice>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Voice {
    pub account: AccountId,
    pub may_speak: bool,
    /// Until then they may not, whatever else is so.
    pub muted_until: Option<Timestamp>,
}

impl Floor {
    pub fn new(voices: Vec<Voice>) -> Self {
        Self(voices)
    }

    /// All but the speaker; `None` where that one is not in, or may not speak now.
    pub fn heard_by(&self, speaker: AccountId, now: Timestamp) -> Option<impl Iterator<Item = AccountId>> {
        let voice = self.0.iter().find(|voice| voice.account == speaker)?;
        let speaks = voice.may_speak && voice.muted_until.is_none_or(|until| until <= now);
        let others = move |account: &AccountId| *account != speaker;
        speaks.then(|| self.0.iter().map(|voice| voice.account).filter(others))
    }
}

/// What the conversation says of itself, and what one member is there.
const SQL: &str = "
    SELECT kind, is_open AND barred_by = '{}' AS is_open, is_muted, permissions, ends_at IS NOT NULL OR has_ended AS is_over,
           account_id, account_id IS NOT DISTINCT FROM owner AS is_owner, is_admin, muted_until
    FROM conversation JOIN member USING (conversation_id)
    WHERE conversation_id = $1 AND left_seq IS NULL AND kind IN ('direct', 'group')
      AND (kind = 'direct' OR member_count <= $2 AND stay_count < $3) AND ";

impl Query<'_> {
    /// Empty where nobody is told of what passes by: in groups of more than `most` members, crowds, channels, and where
    /// it is not known who is in.
    pub async fn floor(&self, conversation: ConversationId, most: u64) -> Result<Floor, Error> {
        let home = self.0.live.home(Projection::Relations);
        let sql = format!("{SQL}{}", stays::is_whole("$4", "conversation_id"));
        let rows = sqlx::query(&sql)
            .bind(conversation.0)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .bind(i64::try_from(self.0.crowd_min).unwrap_or(i64::MAX))
            .bind(reader(Projection::Relations, home.generation))
            .fetch_all(statement::bounded(&home.reading))
            .await
            .map_err(Error::database("read who may speak in a conversation"))?;
        Ok(Floor(rows.iter().map(voice).collect()))
    }
}

fn voice(row: &PgRow) -> Voice {
    let account = AccountId(row.get::<Uuid, _>("account_id"));
    if row.get::<&str, _>("kind") == "direct" {
        return Voice { account, may_speak: row.get("is_open"), muted_until: None };
    }
    let role = role(row.get("is_owner"), row.get("is_admin"));
    let permissions: Option<Permissions> =
        row.get::<Option<&str>, _>("permissions").and_then(|json| serde_json::from_str(json).ok());
    let is_admin = role >= Role::Admin;
    let is_allowed = role >= permissions.unwrap_or_default().least(Power::Post);
    let is_silenced = row.get::<bool, _>("is_muted") && !is_admin;
    let muted_until: Option<OffsetDateTime> = row.get("muted_until");
    Voice {
        account,
        may_speak: !row.get::<bool, _>("is_over") && is_allowed && !is_silenced,
        muted_until: muted_until.filter(|_| !is_admin).map(Timestamp::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId(Uuid::from_u128(number))
    }

    #[test]
    fn who_may_not_speak_is_heard_by_nobody() {
        let at = Timestamp::from_millis;
        let voice = |number, may_speak, muted_until| Voice { account: account(number), may_speak, muted_until };
        let floor = Floor::new(vec![voice(1, true, None), voice(2, false, None), voice(3, true, Some(at(1_000)))]);
        let heard = |speaker, now| floor.heard_by(account(speaker), at(now)).map(Iterator::collect::<Vec<_>>);
        assert_eq!(heard(1, 0), Some(vec![account(2), account(3)]));
        assert_eq!(heard(2, 0), None, "may not");
        assert_eq!(heard(3, 999), None, "is muted");
        assert_eq!(heard(3, 1_000), Some(vec![account(1), account(2)]), "is muted no more");
        assert_eq!(heard(4, 0), None, "is not in");
    }
}
