//! Single messages that people delete for themselves. What the log says of the message, and what its conversation says of who
//! sees it, come along as facts.

use super::{Inboxes, outside};
use crate::{Keyed, error::Error, message::Named};
use natter_domain::{
    AccountId,
    conversation::{State, system_message_seq},
    inbox::{Command, Outside},
};
use natter_streams::Positions;

/// Bytes of a command, roughly.
const BYTES: usize = 512;

impl Inboxes<'_> {
    /// Deletes the message for the caller. The id of a system message says its number, whether or not there is one: the caller
    /// has seen it.
    pub async fn delete(&self, by: Keyed, of: Named) -> Result<Positions, Error> {
        let Named { conversation: conversation_id, message: message_id } = of;
        let seq = match system_message_seq(conversation_id, message_id) {
            Some(seq) => Some(seq),
            None => self.0.births.place(conversation_id, message_id).await?.map(|place| place.seq),
        };
        let state = self.look(conversation_id).await?;
        let outside = hidden(&state, by.caller.account, seq);
        let command = Command::Delete { conversation_id, message_id, seq: seq.unwrap_or_default(), outside };
        Ok(self.decide(by, command, &format!("delete {conversation_id} {message_id}"), BYTES).await?.positions)
    }
}

/// `None`: they are in, and see it. In the same words whatever it is that is not there.
fn hidden(state: &State, who: AccountId, seq: Option<u64>) -> Option<Outside> {
    match outside(state, who) {
        Some(Outside::NotFound) => Some(Outside::NoMessage),
        Some(outside) => Some(outside),
        None => {
            let is_seen = seq.is_some_and(|seq| seq <= state.last_seq && state.sees(who, seq));
            (!is_seen).then_some(Outside::NoMessage)
        }
    }
}
