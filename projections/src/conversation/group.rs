//! What changes of a group beside its messages and who is in: how it is set up, who is what, who may come ([`super::door`]),
//! and the log of it all ([`super::log`]). Such events are few, so each is a statement or two of its own, in the order of the log.

use super::{door, log};
use crate::Error;
use natter_domain::{
    AccountId, EventId, Sealed,
    conversation::{Change, Event, Role},
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

/// Of the stay in which it happened: the same batch may hold its end, and the begin of the next one.
macro_rules! set_stay {
    ($column:literal) => {
        concat!(
            "UPDATE member SET ",
            $column,
            " = $4 WHERE conversation_id = $1 AND account_id = $2 AND joined_position < $3
             AND (left_position IS NULL OR left_position > $3)"
        )
    };
}

impl Changes {
    pub fn note(&mut self, record: &Record, event: &Event) {
        let is_of_a_group = match event {
            Event::Started { owner, .. } => owner.is_some(),
            Event::MessageSent { .. } | Event::Paused { .. } | Event::StandingChanged { .. } => false,
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
            Event::Renamed { .. } => vec![self.card_changed()],
            Event::Changed { change, .. } => vec![self.changed(change)?, self.card_changed()],
            Event::Announced { seq, text, by } => {
                vec![self.announced(*seq, text.as_ref(), *by), self.card_changed()]
            }
            Event::OwnerChanged { account_id, by, .. } => vec![
                query(set_card!("owner")).bind(self.conversation).bind(account_id.0),
                self.role(*account_id, false),
                self.role(*by, true),
            ],
            Event::RoleChanged { account_id, role, .. } => vec![self.role(*account_id, *role == Role::Admin)],
            Event::NicknameChanged { account_id, nickname, .. } => {
                vec![self.stay(set_stay!("nickname"), *account_id).bind(text(nickname.as_ref()))]
            }
            Event::MemberMuted { account_id, until, .. } => {
                vec![self.stay(set_stay!("muted_until"), *account_id).bind(until.map(OffsetDateTime::from))]
            }
            Event::MembersJoined { account_ids, .. } => vec![self.still_muted(account_ids)],
            Event::Dissolved { ends_at, .. } => {
                let ends_at = OffsetDateTime::from(*ends_at);
                let dissolved = query(set_card!("ends_at")).bind(self.conversation).bind(ends_at);
                vec![dissolved, self.card_changed()]
            }
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
            "DELETE FROM member WHERE conversation_id = $1",
            "DELETE FROM group_invitation WHERE conversation_id = $1",
            "DELETE FROM group_request WHERE conversation_id = $1",
            "DELETE FROM group_link WHERE conversation_id = $1",
            "DELETE FROM group_ban WHERE conversation_id = $1",
            "DELETE FROM group_log WHERE conversation_id = $1",
        ];
        of_all.into_iter().map(|sql| query(sql).bind(self.conversation)).collect()
    }
}

pub(super) fn text(sealed: Option<&Sealed>) -> Option<String> {
    sealed.map(ToString::to_string)
}
