//! An accepted request opens the direct conversation. The one who accepts waits for it, and does it under the same key;
//! this does it for the case that that process died in between.

use crate::{
    conversation,
    keys::Key,
    process::{self, Orders, Process},
};
use natter_domain::{Noun, RequestId, conversation::Conversation, friendship::Event};
use natter_streams::Record;

pub(crate) struct OpensConversation;

impl Process for OpensConversation {
    const NAME: &'static str = "friendship.opens_conversation";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        if event.noun != Noun::Friendship || event.event_type != "accepted" {
            return Ok(());
        }
        if let Event::Accepted { request_id, from, to, conversation_id } = event.decode()? {
            let (address, command) = conversation::direct(conversation_id, [from, to]);
            // A request is accepted once, and who accepts knows its id.
            orders.caused_by(request_id.0).give::<Conversation>(address, command);
        }
        Ok(())
    }
}

/// Of the command that opens the conversation of those who became friends by this request.
pub(super) fn key(request_id: RequestId) -> Key {
    process::key(OpensConversation::NAME, request_id.0, 0)
}
