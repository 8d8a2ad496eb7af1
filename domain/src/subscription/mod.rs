//! A subscription is what somebody has who wants to be told of what is said in a channel, and to find it in their list. It is
//! an aggregate of its own, in the lane of its channel, so a channel remembers nothing of those who read it, however many
//! they are, and what is told of it is in the order of its messages. The channel is this noun's host.
//!
//! - SUB-1: whoever takes part in a channel that goes on subscribes to it, and to nothing else; asked for what is so already
//!   nothing happens.
//! - SUB-2: everybody ends their own subscription whenever they want. Natter ends that of who is banned.

mod command;
mod decide;
mod event;
mod state;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::Event;
pub use state::State;

use crate::{AccountId, Address, Context, ConversationId, Decider, Noun, conversation, conversation::Conversation, id};

pub struct Subscription;

pub fn address(channel: ConversationId, account: AccountId) -> Address {
    let id = id::derived("natter subscription", &[channel.0.as_bytes(), account.0.as_bytes()]);
    Address { noun: Noun::Subscription, id, route: channel.0 }
}

impl Decider for Subscription {
    const NOUN: Noun = Noun::Subscription;
    const STATE_VERSION: u32 = 1;
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
