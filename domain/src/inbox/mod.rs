//! An inbox is one person's own view of their conversations: for now, how far they have read in each. Cursors come
//! in bundles, as an edge gathers them for a second; what the conversations have to say (their newest message,
//! where the member's interval begins) comes along as facts, so that this noun asks nobody.
//!
//! - INB-1: a cursor never goes back; one that would is dropped, silently.
//! - INB-2: a cursor never lies beyond the newest message; one such, and the whole bundle is refused.
//! - INB-3: a cursor is never before the begin of the membership: there is nothing to read there.
//! - INB-4: of a conversation named twice the highest counts.
//! - INB-5: an event names at most 1,000 conversations, so that it fits; a longer bundle gives several.

mod command;
mod decide;
mod event;
mod state;

pub use command::{Advance, Command};
pub use decide::{Refusal, decide};
pub use event::{Cursor, Event};
pub use state::State;

use crate::{AccountId, Address, Context, Decider, Noun};

pub struct Inbox;

pub fn address(account: AccountId) -> Address {
    Address { noun: Noun::Inbox, id: account.0, route: account.0 }
}

impl Decider for Inbox {
    const NOUN: Noun = Noun::Inbox;
    const STATE_VERSION: u32 = 1;
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
