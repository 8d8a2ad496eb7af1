//! Messages: sending, what is done to them later, and reading. REST and WebSocket come through the same functions.

pub mod http;
pub mod socket;

use crate::{edge::Inside, http::problem::Problem};
use natter_client::wire::{self, Body};
use natter_commands::{Caller, Pending, Sent};
use natter_domain::{ConversationId, Emoji, GivenText, MessageId};
use natter_projections::{Projection, message::Range};

/// What answers about messages are made of: who may see them, and what they say.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations, Projection::History];

/// A body that may be sent.
pub struct Checked {
    json: String,
    /// Bytes of its text.
    size: u32,
}

impl Checked {
    pub fn new(body: &Body) -> Result<Self, Problem> {
        let Body::Text { text } = body else {
            return Err(Problem::invalid("/body/kind", "only the server writes messages of this kind"));
        };
        let text = GivenText::parse(text).map_err(Problem::at("/body/text"))?;
        let json = serde_json::to_string(body).map_err(Problem::internal)?;
        Ok(Self { json, size: text.as_str().len() as u32 })
    }
}

/// What a person reacts with.
pub fn emoji(text: &str) -> Result<Emoji, Problem> {
    Emoji::parse(text).map_err(Problem::at("/emoji"))
}

/// Queues a message behind what was queued before; the answer comes once it is durable.
pub fn send(
    inside: &Inside,
    caller: Caller,
    conversation_id: ConversationId,
    message_id: MessageId,
    body: &Checked,
) -> Pending<Sent> {
    let muted = inside.mutes.of(caller.account);
    inside.commands.conversation().muted(muted).send(caller, conversation_id, message_id, &body.json, body.size)
}

/// A range of a conversation's messages that the caller may see.
pub async fn page(
    inside: &Inside,
    caller: Caller,
    conversation_id: ConversationId,
    mut range: Range,
) -> Result<Vec<wire::Message>, Problem> {
    // No conversation reaches the largest number that the store can hold.
    let most = i64::MAX as u64;
    range.before_seq = range.before_seq.map(|seq| seq.min(most));
    range.after_seq = range.after_seq.map(|seq| seq.min(most));
    range.around_seq = range.around_seq.map(|seq| seq.min(most));
    let items = inside.projections.message().page(caller.account, conversation_id, range).await?;
    items.ok_or_else(Problem::not_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_1_to_16384_bytes_and_no_nul() {
        let check = |text: &str| Checked::new(&Body::Text { text: text.to_owned() }).map(|body| body.size);
        assert_eq!(check("\u{1f600}").unwrap(), 4);
        assert_eq!(check(&"a".repeat(16_384)).unwrap(), 16_384);
        let system = Body::System { code: "x".into(), text: "x".into(), account_ids: vec![], by: None };
        assert_eq!(Checked::new(&system).map(|_| ()).unwrap_err().errors[0].pointer, "/body/kind");
        for bad in ["", "a\0b", &"a".repeat(16_385)] {
            assert_eq!(check(bad).unwrap_err().errors[0].pointer, "/body/text");
        }
    }
}
