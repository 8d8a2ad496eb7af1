//! System messages: what happened to a conversation, told among its messages. They take a number, have no sender, and are
//! the events themselves: nothing is stored of them beside.

use super::Event;
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
        match event {
            Event::Started { kind, owner, .. } => {
                let by = (*owner)?;
                told(kind.first_seq(), "group.created", "the group was created".to_owned(), vec![by], by)
            }
            Event::MembersJoined { seq, account_ids, by } => {
                told(*seq, "member.joined", people(account_ids.len(), "joined"), account_ids.clone(), *by)
            }
            Event::MemberLeft { seq, account_id, by, .. } => {
                let how = if account_id == by { "left" } else { "was removed" };
                told(*seq, "member.left", people(1, how), vec![*account_id], *by)
            }
            Event::MessageSent { .. } | Event::Renamed { .. } => None,
        }
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
