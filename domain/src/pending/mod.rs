//! What is pending is not said yet: a message that waits for its moment, or for somebody who reviews it. One aggregate is
//! all that one person has waiting in one conversation, so that how much of it there is is decided and not guessed. It is in
//! the lane of the conversation, which is this noun's host. When its time has come a message is *released*; a process then
//! says it as its author would, and what came of that *settles* it.
//!
//! - PND-1: what waits is what its author could say now: whatever a send is refused for, but that they have just written.
//! - PND-2: a moment lies a second ahead at least, a year at the most.
//! - PND-3: one person has at most 100 waiting in one conversation, and of so many bytes. What could not be sent counts until
//!   its author puts it away.
//! - PND-4: an id waits once. One that is over, as far as that is remembered, does not wait again.
//! - PND-5: its author changes what has a moment, and takes back what waits, until it is released; then it is too late.
//! - PND-6: it is released when its moment has come and not before, or by a reviewer. Once.
//! - PND-7: what was released is settled once: it was sent, or could not be and says why. What a reviewer refuses could not be
//!   sent either.
//!
//! That a message is either sent or failed is kept outside, by the command key: a send has the message's key, and so has
//! the command that says that it failed. The log has one event of a key.

mod command;
mod decide;
mod event;
mod state;

pub use command::{Command, NewBody, Said};
pub use decide::{Refusal, decide};
pub use event::{Content, Event, Place};
pub use state::{End, Item, State, Step};

use crate::{AccountId, Address, Context, ConversationId, Decider, Noun, conversation, conversation::Conversation, id};

pub struct Pending;

pub fn address(conversation: ConversationId, author: AccountId) -> Address {
    let id = id::derived("natter pending", &[conversation.0.as_bytes(), author.0.as_bytes()]);
    Address { noun: Noun::Pending, id, route: conversation.0 }
}

impl Decider for Pending {
    const NOUN: Noun = Noun::Pending;
    const STATE_VERSION: u32 = 2;
    type Host = Conversation;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn host(address: Address) -> Address {
        conversation::address(ConversationId(address.route))
    }

    fn decide(
        state: &State,
        host: &conversation::State,
        context: &Context,
        command: &Command,
    ) -> Result<Vec<Event>, Refusal> {
        decide(state, host, context, command)
    }

    fn evolve(state: &mut State, event: &Event) {
        state.evolve(event);
    }
}
