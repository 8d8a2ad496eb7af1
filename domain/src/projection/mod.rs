//! What operators ask of a projection that has set events aside: that they are applied once more, or given up. Each is
//! an event before anything is done, so that who audits the log reads who gave up what. What came of it is not told here.
//!
//! - PRJ-1: who asks is named.
//! - PRJ-2: who gives up events names them.
//! - PRJ-3: the same request seen again is silent.

mod command;
mod decide;
mod event;
mod state;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::Event;
pub use state::State;

use crate::{Address, Context, Decider, Noun, id::derived};

pub struct Projection;

/// `name`: `relations`, `history`, `delivery`.
pub fn address(name: &str) -> Address {
    let id = derived("natter projection", &[name.as_bytes()]);
    Address { noun: Noun::Projection, id, route: id }
}

impl Decider for Projection {
    const NOUN: Noun = Noun::Projection;
    const STATE_VERSION: u32 = 1;
    type Host = Self;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, _: &State, _: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
        decide(state, command)
    }

    fn evolve(state: &mut State, event: &Event) {
        state.evolve(event);
    }
}
