//! A handle is a name that only one account may hold: a user name, later an e-mail address or a phone number. Its
//! id is a keyed hash of the normalised value, so that two spellings of one name meet in one aggregate, whose
//! lane decides who was first. Nothing else makes names unique: no index, no lock.
//!
//! - HDL-1: a handle has one holder at most; who claims first has it.
//! - HDL-2: the holder may claim again: silently what is the same claim, and anew what was begun later.
//! - HDL-3: only the holder's own release frees it, and only one that follows on its claim; any other is silent. One that
//!   was held up must not free what its account has claimed again since.
//! - HDL-4: a claim has its time: one that was held up for longer must not come after its account's release.

mod command;
mod decide;
mod event;
mod state;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::Event;
pub use state::State;

use crate::{Address, Context, Decider, HandleId, Noun};

pub struct Handle;

pub fn address(id: HandleId) -> Address {
    Address { noun: Noun::Handle, id: id.0, route: id.0 }
}

impl Decider for Handle {
    const NOUN: Noun = Noun::Handle;
    const STATE_VERSION: u32 = 2;
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
