//! A conversation is a place where its members talk. A message is born here: in one decision the sender's membership
//! is checked and the message gets its number, so that numbers have no gaps and nobody writes who is not in. Its
//! text is not remembered here, and what happens to it later (edits, recalls) is no matter of this noun: a
//! conversation's state does not grow with its history.
//!
//! - CNV-1: a direct conversation begins once, between two different people, and they are its members for ever.
//! - CNV-2: only members send; to everybody else the conversation does not exist.
//! - CNV-3: messages are numbered 1, 2, 3... without gaps.
//!
//! That a message id is used once is kept outside, by the command key.

mod command;
mod decide;
mod event;
mod state;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::{BodyKind, Event, Kind};
pub use state::{Membership, State};

use crate::{Address, Context, ConversationId, Decider, Noun};

pub struct Conversation;

pub fn address(id: ConversationId) -> Address {
    Address { noun: Noun::Conversation, id: id.0, route: id.0 }
}

impl Decider for Conversation {
    const NOUN: Noun = Noun::Conversation;
    const STATE_VERSION: u32 = 1;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
        decide(state, context, command)
    }

    fn evolve(state: &mut State, event: &Event) {
        state.evolve(event);
    }
}
