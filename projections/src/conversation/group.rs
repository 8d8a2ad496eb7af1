//! What changes of a group beside its messages and who is in: how it is set up, who is what, who may come ([`super::door`]),
//! and the log of it all ([`super::log`]). Such events are few, so each is a statement or two of its own, in the order of the log.

use super::{door, log};
use crate::Error;
use natter_domain::{
    AccountId, EventId, Sealed, Timestamp,
    conversation::{Bucket, Change, Event, Kind, Role},
};
use natter_streams::Record;
use sqlx::{PgConnection, postgres::PgArguments, query, query::Query, types::time::OffsetDateTime};
use uuid::Uuid;

pub(super) type Statement = Query<'static, sqlx::Postgres, PgArguments>;

/// Where and when it happened.
pub(super) struct Place {
    pub conversation: Uuid,
    pub position: i64,
    pub event: EventId,
    pub time: OffsetDateTime,
}

#[derive(Default)]
pub(super) struct Changes(Vec<(Place, Event)>);

macro_rules! set_card {
    ($column:literal) => {
        concat!("UPDATE conversation SET ", $column, " = $2 WHERE conversation_id = $1")
    };
}

/// Of the stay in which it happened: the same batch may hold its end, and the begin of the next one. In a channel it is of no
/// stay.
macro_rules! set_stay {
    ($column:literal) => {
        concat!(
            "UPDATE member SET ",
            $column,
            " = $4 WHERE conversation_id = $1 AND account_id = $2 AND joined_position < $3
             AND (left_position IS NULL OR left_position > $3)
             AND NOT EXISTS (SELECT FROM conversation WHERE conversation_id = $1 AND kind = 'channel')"
        )
    };
}

impl Changes {
    pub fn note(&mut self, record: &Record, event: &Event) {
        let is_of_a_group = match event {
            Event::Started { owner, .. } => owner.is_some(),
            Event::MessageSent { .. }
            | Event::Paused { .. }
            | Event::CountdownBegan { .. }
            | Event::StandingChanged { .. } => false,
            _ => true,
        };
        if is_of_a_group {
            self.0.push((Place::of(record), event.clone()));
        }
    }

    pub async fn write(&self, connection: &mut PgConnection) -> Result<(), Error> {
        for (place, event) in &self.0 {
            let statements = place.statements(event)?.into_iter().chain(door::statements(place, event));
            for statement in statements.chain(log::statement(place, event)) {
                statement.execute(&mut *connection).await.map_err(Error::database("write what changed in a group"))?;
            }
        }
        Ok(())
    }
}

impl Place {
    fn of(record: &Record) -> Self {
        let (conversation, position) = (record.aggregate_id, record.position as i64);
        Self { conversation, position, event: record.event_id, time: record.time.into() }
    }

    fn statements(&self, event: &Event) -> Result<Vec<Statement>, Error> {
        Ok(match event {
            Event::Started { kind: Kind::Channel, owner: Some(owner), .. } => vec![self.staff(*owner, false)],
            Event::Renamed { .. } => vec![self.card_changed()],
            Event::Changed { change, .. } => vec![self.changed(change)?, self.card_changed()],
            Event::Announced { seq, text, by } => {
                vec![self.announced(*seq, text.as_ref(), *by), self.card_changed()]
            }
            Event::OwnerChanged { account_id, by, .. } => vec![
                query(set_card!("owner")).bind(self.conversation).bind(account_id.0),
                self.role(*account_id, false),
                self.role(*by, true),
                self.staff(*account_id, false),
                self.staff(*by, true),
            ],
            Event::RoleChanged { account_id, role, .. } => {
                let is_admin = *role == Role::Admin;
                vec![self.role(*account_id, is_admin), self.staff(*account_id, is_admin)]
            }
            Event::Banned { account_id, .. } => vec![self.staff(*account_id, false), self.put_out(*account_id)],
            Event::NicknameChanged { account_id, nickname, bucket, .. } => vec![
                self.stay(set_stay!("nickname"), *account_id).bind(text(nickname.as_ref())),
                self.stay(set_stay!("nickname_bucket"), *account_id).bind(bucket.map(|Bucket(number)| number as i16)),
            ],
            Event::MemberMuted { account_id, until, .. } => vec![
                self.stay(set_stay!("muted_until"), *account_id).bind(until.map(OffsetDateTime::from)),
                self.silenced(*account_id, *until),
            ],
            Event::MembersJoined { account_ids, .. } => vec![self.still_muted(account_ids)],
            Event::Dissolved { seq, ends_at, .. } => vec![
                query(set_card!("ends_at")).bind(self.conversation).bind(OffsetDateTime::from(*ends_at)),
                query(set_card!("dissolved_seq")).bind(self.conversation).bind(*seq as i64),
                self.card_changed(),
            ],
            Event::Ended {} => self.ended(),
            _ => Vec::new(),
        })
    }

    fn changed(&self, change: &Change) -> Result<Statement, Error> {
        let set = |sql| query(sql).bind(self.conversation);
        Ok(match change {
            Change::Avatar(avatar) => set(set_card!("avatar")).bind(*avatar),
            Change::Description(description) => set(set_card!("description")).bind(text(description.as_ref())),
            Change::JoinPolicy(policy) => set(set_card!("join_policy")).bind(policy.as_str()),
            Change::SharesHistory(shares) => set(set_card!("shares_history")).bind(*shares),
            Change::Muted(is_muted) => set(set_card!("is_muted")).bind(*is_muted),
            Change::SlowMode(seconds) => set(set_card!("slow_mode")).bind(*seconds as i32),
            Change::Permissions(permissions) => {
                let json = serde_json::to_string(permissions).map_err(Error::Settings)?;
                set(set_card!("permissions")).bind(json)
            }
        })
    }

    fn card_changed(&self) -> Statement {
        query(set_card!("card_changed")).bind(self.conversation).bind(self.position)
    }

    fn announced(&self, seq: u64, words: Option<&Sealed>, by: AccountId) -> Statement {
        query(
            "UPDATE conversation SET announcement = $2, announced_seq = $3, announced_at = $4, announced_by = $5
             WHERE conversation_id = $1",
        )
        .bind(self.conversation)
        .bind(text(words))
        .bind(seq as i64)
        .bind(self.time)
        .bind(by.0)
    }

    fn role(&self, account: AccountId, is_admin: bool) -> Statement {
        self.stay(set_stay!("is_admin"), account).bind(is_admin)
    }

    /// Of a channel, whose admins need not subscribe to it.
    fn staff(&self, account: AccountId, is_admin: bool) -> Statement {
        query(
            "INSERT INTO channel_person (conversation_id, account_id, is_admin, since)
             SELECT $1, $2, $3, $4 FROM conversation WHERE conversation_id = $1 AND kind = 'channel'
             ON CONFLICT (conversation_id, account_id) DO UPDATE SET is_admin = excluded.is_admin",
        )
        .bind(self.conversation)
        .bind(account.0)
        .bind(is_admin)
        .bind(self.time)
    }

    fn silenced(&self, account: AccountId, until: Option<Timestamp>) -> Statement {
        query(
            "INSERT INTO channel_person (conversation_id, account_id, is_admin, muted_until, since)
             SELECT $1, $2, false, $3, $4 FROM conversation WHERE conversation_id = $1 AND kind = 'channel'
             ON CONFLICT (conversation_id, account_id) DO UPDATE SET muted_until = excluded.muted_until",
        )
        .bind(self.conversation)
        .bind(account.0)
        .bind(until.map(OffsetDateTime::from))
        .bind(self.time)
    }

    /// Who is banned from a channel is told no more of it. Their subscription ends behind this, and then they are counted out.
    fn put_out(&self, account: AccountId) -> Statement {
        query(
            "UPDATE member SET left_seq = 0, left_position = $3 FROM conversation
             WHERE member.conversation_id = $1 AND member.account_id = $2 AND joined_position < $3
               AND (left_position IS NULL OR left_position < $3) AND conversation.conversation_id = $1 AND kind = 'channel'",
        )
        .bind(self.conversation)
        .bind(account.0)
        .bind(self.position)
    }

    fn stay(&self, sql: &'static str, account: AccountId) -> Statement {
        query(sql).bind(self.conversation).bind(account.0).bind(self.position)
    }

    /// Who leaves and comes back is muted as long as they were to be.
    fn still_muted(&self, accounts: &[AccountId]) -> Statement {
        query(
            "UPDATE member SET muted_until = before.muted_until
             FROM (SELECT DISTINCT ON (account_id) account_id, muted_until FROM member
                   WHERE conversation_id = $1 AND account_id = ANY($2) AND joined_position < $3
                   ORDER BY account_id, joined_position DESC) AS before
             WHERE member.conversation_id = $1 AND member.account_id = before.account_id
               AND member.joined_position = $3 AND before.muted_until IS NOT NULL",
        )
        .bind(self.conversation)
        .bind(accounts.iter().map(|account| account.0).collect::<Vec<_>>())
        .bind(self.position)
    }

    /// Without members it exists for nobody.
    fn ended(&self) -> Vec<Statement> {
        let of_all = [
            // Of a channel they may be many: they stay, and it is over for all.
            "DELETE FROM member WHERE conversation_id = $1
             AND NOT EXISTS (SELECT FROM conversation WHERE conversation_id = $1 AND kind = 'channel')",
            "DELETE FROM group_invitation WHERE conversation_id = $1",
            "DELETE FROM group_request WHERE conversation_id = $1",
            "DELETE FROM group_link WHERE conversation_id = $1",
            "DELETE FROM group_ban WHERE conversation_id = $1",
            "DELETE FROM group_log WHERE conversation_id = $1",
            "DELETE FROM channel_person WHERE conversation_id = $1",
            "UPDATE conversation SET has_ended = true WHERE conversation_id = $1",
        ];
        of_all.into_iter().map(|sql| query(sql).bind(self.conversation)).collect()
    }
}

pub(super) fn text(sealed: Option<&Sealed>) -> Option<String> {
    sealed.map(ToString::to_string)
}
