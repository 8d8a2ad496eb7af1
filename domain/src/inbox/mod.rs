//! An inbox is one person's own view of their conversations: how far they have read in each, how each is shown to them,
//! what they have written and not sent, and what they have deleted for themselves. Nobody else is told of it, but for
//! cursors. These come in bundles, as an edge gathers them for a second; what the conversations have to say (their
//! newest message, where the member came, whether they are in) comes along as facts, so that this noun asks nobody.
//!
//! - INB-1: a cursor never goes back; one that would is dropped, silently.
//! - INB-2: a cursor never lies beyond the newest message; one such, and the whole bundle is refused.
//! - INB-3: a cursor is never before the place where the member came: there is nothing there that they have to read.
//! - INB-4: of a conversation named twice the highest counts.
//! - INB-5: an event names at most 1,000 conversations, so that it fits; a longer bundle gives several.
//! - INB-6: a view is changed field by field; what is so already is silent.
//! - INB-7: a conversation is made quiet until a time to come.
//! - INB-8: what is hidden is so until there is a message that is newer than all that were there then.
//! - INB-9: what is marked as unread is so until the cursor moves forward, or the mark is taken off.
//! - INB-10: a conversation that its owner deletes for themselves loses, for them, all messages up to the newest one that
//!   they may see, its draft and its mark, and is hidden. What is gone never comes back.
//! - INB-11: a person pins 100 conversations at the most, has 100 folders and 1,000 drafts.
//! - INB-12: how far an announcement was read never goes back, and never lies beyond the newest message. Only groups and
//!   channels have one.
//! - INB-13: only members read; where one of a bundle is not theirs, the whole bundle is refused.
//! - INB-14: of a conversation that is over for its owner nothing is set any more, but what was set is taken back.
//! - INB-15: how far messages have come to a device never goes back and never lies beyond the newest message. What was read
//!   has come. Of direct conversations only is it said, since nobody else is told.
//! - INB-16: where the other one is not to know what was read, they are told that it has come, and no more.
//! - INB-17: where messages end by being read, it is said how far was read, whether or not the other one is told.
//! - INB-18: a single message that its owner deletes for themselves is gone for good. Of one conversation they delete 1,000 so
//!   at the most, besides what they have deleted with it all.

mod command;
mod decide;
mod event;
mod state;
mod view;

pub use command::{Advance, Command, Delivery, Outside, ViewChange};
pub use decide::{Refusal, decide};
pub use event::{Cursor, Event};
pub use state::State;
pub use view::View;

use crate::{AccountId, Address, Context, Decider, Noun};

pub struct Inbox;

pub fn address(account: AccountId) -> Address {
    Address { noun: Noun::Inbox, id: account.0, route: account.0 }
}

impl Decider for Inbox {
    const NOUN: Noun = Noun::Inbox;
    const STATE_VERSION: u32 = 4;
    type Host = Self;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, _: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
        decide(state, context, command)
    }

    fn evolve(state: &mut State, event: &Event) {
        state.evolve(event);
    }
}
