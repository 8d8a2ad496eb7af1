//! When messages end by themselves: [`Due::ExpireMessage`]. Their conversation says when ([`begin`], [`begun`]); what was
//! recalled has no moment any more.

use crate::timer::{Change, Due, Subject};
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp, conversation::Event, message::Place};
use natter_streams::Record;
use uuid::Uuid;

/// How the field begins in the text of an event. All that is said in words there is sealed.
const FIELD: &str = "\"self_destruct\":";

pub(crate) fn subject(message: Uuid) -> Subject {
    Subject { kind: "message.expire", id: message }
}

/// What became of a message does to the timers.
pub(crate) fn change(event: &Record) -> Option<Change> {
    let is_over = ["recalled", "expired"].contains(&&*event.event_type);
    is_over.then(|| Change::End(subject(event.aggregate_id)))
}

/// What its sending does. Of most messages this looks at the text alone: they end only if somebody wants it.
pub(crate) fn begin(event: &Record) -> Result<Option<Change>, natter_streams::Error> {
    if !event.payload.contains(FIELD) {
        return Ok(None);
    }
    let Event::MessageSent { message_id, seq, sender, details, .. } = event.decode()? else { return Ok(None) };
    let message = place(event, message_id, seq, sender, event.time);
    let expires_at = details.self_destruct.and_then(|it| it.expires_at());
    Ok(expires_at.map(|expires_at| Change::begin(event, Due::ExpireMessage { message, expires_at }, expires_at)))
}

/// What its being read does.
pub(crate) fn begun(event: &Record) -> Result<Option<Change>, natter_streams::Error> {
    let Event::CountdownBegan { message_id, seq, sender, sent_at, expires_at } = event.decode()? else {
        return Ok(None);
    };
    let message = place(event, message_id, seq, sender, sent_at);
    Ok(Some(Change::begin(event, Due::ExpireMessage { message, expires_at }, expires_at)))
}

fn place(event: &Record, message_id: MessageId, seq: u64, sender: AccountId, sent_at: Timestamp) -> Place {
    Place { conversation_id: ConversationId(event.aggregate_id), message_id, seq, sender: Some(sender), sent_at }
}
