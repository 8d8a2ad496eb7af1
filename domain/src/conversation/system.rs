//! System messages: what happened to a conversation, told among its messages. They take a number, have no sender, and are
//! the events themselves: nothing is stored of them beside.

use super::{Change, Event, Kind, Role};
use crate::{AccountId, ConversationId, MessageId, id::derived};
use uuid::Builder;

/// What a system message says. Ids only: who they are called is for the reader's client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemMessage {
    pub seq: u64,
    /// Stable: what programs switch on.
    pub code: &'static str,
    /// A plain rendering without names.
    pub text: String,
    pub account_ids: Vec<AccountId>,
    pub by: AccountId,
}

impl SystemMessage {
    /// The one that the event is.
    pub fn of(event: &Event) -> Option<Self> {
        let told = |seq, code, text: String, account_ids, by| Some(Self { seq, code, text, account_ids, by });
        let of_all = |seq, code, text: &str, by| told(seq, code, text.to_owned(), vec![], by);
        match event {
            Event::Started { kind, owner, .. } => {
                let by = (*owner)?;
                let (code, text) = match kind {
                    Kind::Channel => ("channel.created", "the channel was created"),
                    _ => ("group.created", "the group was created"),
                };
                told(kind.first_seq(), code, text.to_owned(), vec![by], by)
            }
            Event::MembersJoined { seq, account_ids, by, .. } => {
                told(*seq, "member.joined", people(account_ids.len(), "joined"), account_ids.clone(), *by)
            }
            Event::MemberLeft { seq, account_id, by, .. } => {
                let how = if account_id == by { "left" } else { "was removed" };
                told(*seq, "member.left", people(1, how), vec![*account_id], *by)
            }
            Event::Renamed { last_seq, by, is_message: true, .. } => {
                of_all(*last_seq, "group.renamed", "the group has another name", *by)
            }
            Event::Changed { change, by, last_seq } if change.is_told() => {
                let (code, text) = of_change(change);
                of_all(*last_seq, code, text, *by)
            }
            Event::Announced { seq, text: Some(_), by } => {
                of_all(*seq, "group.announced", "there is an announcement", *by)
            }
            Event::Announced { seq, text: None, by } => {
                of_all(*seq, "group.announcement_removed", "the announcement was taken back", *by)
            }
            Event::OwnerChanged { seq, account_id, by } => {
                told(*seq, "group.owner_changed", "the group has another owner".to_owned(), vec![*account_id], *by)
            }
            Event::RoleChanged { seq, account_id, role, by } => {
                let (code, text) = match role {
                    Role::Admin => ("member.promoted", "1 member became an admin"),
                    _ => ("member.demoted", "1 admin became a member"),
                };
                told(*seq, code, text.to_owned(), vec![*account_id], *by)
            }
            Event::Dissolved { seq, by, .. } => of_all(*seq, "group.dissolved", "the group was dissolved", *by),
            _ => None,
        }
    }
}

fn of_change(change: &Change) -> (&'static str, &'static str) {
    match change {
        Change::Avatar(_) => ("group.avatar_changed", "the group has another picture"),
        Change::Description(_) => ("group.description_changed", "the group has another description"),
        Change::SharesHistory(true) => ("group.history_shared", "newcomers see what was said before them"),
        Change::SharesHistory(false) => ("group.history_hidden", "newcomers do not see what was said before them"),
        Change::Muted(true) => ("group.muted", "only admins write"),
        Change::Muted(false) => ("group.unmuted", "members write again"),
        Change::SlowMode(0) => ("group.slow_mode_off", "slow mode is off"),
        Change::SlowMode(_) => ("group.slow_mode", "slow mode is on"),
        Change::JoinPolicy(_) | Change::Permissions(_) => ("group.changed", "the group was set up otherwise"),
    }
}

fn people(count: usize, how: &str) -> String {
    match count {
        1 => format!("1 member {how}"),
        count => format!("{count} members {how}"),
    }
}

/// The id of the system message of that number: half of it the conversation's, half of it the number's.
pub fn system_message_id(conversation: ConversationId, seq: u64) -> MessageId {
    let mut bytes = *derived("natter system message", &[conversation.0.as_bytes()]).as_bytes();
    bytes[8..].copy_from_slice(&seq.to_be_bytes());
    MessageId(Builder::from_custom_bytes(bytes).into_uuid())
}

/// The number of the system message that has, or would have, this id. Nobody sends under such an id (CNV-8).
pub fn system_message_seq(conversation: ConversationId, id: MessageId) -> Option<u64> {
    const NUMBER: u64 = u64::MAX >> 2; // the two bits above are the variant of a UUID
    let (_, low) = id.0.as_u64_pair();
    let seq = low & NUMBER;
    (system_message_id(conversation, seq) == id).then_some(seq)
}
