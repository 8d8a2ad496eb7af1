//! How long a dissolved group can be read, and a message that ends by itself.

use crate::{
    message,
    timer::{Change, Due},
};
use natter_domain::{ConversationId, conversation::Event};
use natter_streams::Record;

/// What a conversation's event does to the timers.
pub(crate) fn change(event: &Record) -> Result<Option<Change>, natter_streams::Error> {
    let due = Due::EndConversation { conversation: ConversationId(event.aggregate_id) };
    match &*event.event_type {
        "dissolved" => match event.decode()? {
            Event::Dissolved { ends_at, .. } => Ok(Some(Change::begin(event, due, ends_at))),
            _ => Ok(None),
        },
        "message_sent" => message::timer::begin(event),
        "countdown_began" => message::timer::begun(event),
        "ended" => Ok(Some(Change::End(due.subject()))),
        _ => Ok(None),
    }
}
