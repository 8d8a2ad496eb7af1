//! What becomes of a friendship is told to the pair's direct conversation. The one who did it waits for that, and does it
//! under the same key; this does it for the case that that process died in between. What comes late or out of order the
//! conversation knows by its revision.

use crate::{
    conversation,
    keys::Key,
    process::{self, Orders, Process},
};
use natter_domain::{AccountId, FriendshipId, Noun, conversation::Conversation, friendship::Event, id::derived};
use natter_streams::Record;
use uuid::Uuid;

/// Those after which the conversation may stand otherwise.
const SAYING: [&str; 5] = ["accepted", "removed", "blocked", "unblocked", "opened"];

pub(crate) struct OpensConversation;

impl Process for OpensConversation {
    const NAME: &'static str = "friendship.opens_conversation";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        if event.noun != Noun::Friendship || !SAYING.contains(&&*event.event_type) {
            return Ok(());
        }
        let event: Event = event.decode()?;
        if let Some((id, members, standing)) = event.standing() {
            let (address, command) = conversation::direct(id, members, standing.clone());
            orders.caused_by(cause(&event, members, standing.revision)).give::<Conversation>(address, command);
        }
        Ok(())
    }
}

/// What the one who did it knows too: a request is accepted once, and a pair has each revision once.
fn cause(event: &Event, members: [AccountId; 2], revision: u64) -> Uuid {
    match event {
        Event::Accepted { request_id, .. } => request_id.0,
        _ => of_revision(members, revision),
    }
}

fn of_revision([one, other]: [AccountId; 2], revision: u64) -> Uuid {
    let pair = FriendshipId::of(one, other);
    derived("natter friendship standing", &[pair.0.as_bytes(), &revision.to_le_bytes()])
}

/// Of the command that tells the conversation what this event says.
pub(super) fn key(event: &Event, members: [AccountId; 2], revision: u64) -> Key {
    process::key(OpensConversation::NAME, cause(event, members, revision), 0)
}

/// Of the command that tells it again, when nothing has happened.
pub(super) fn key_again(members: [AccountId; 2], revision: u64) -> Key {
    process::key(OpensConversation::NAME, of_revision(members, revision), 0)
}
