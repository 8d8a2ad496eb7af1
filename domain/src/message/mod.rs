//! What happens to a message after it was sent: its sender edits or recalls it, members react to it and pin it. It is
//! born in its conversation, in the same lane, and what never changes of it (who sent it, when, under which number)
//! comes with each command. Who is in the conversation does change: the conversation is this noun's host, and its state
//! of that very moment is read with every decision.
//!
//! - MSG-1: only members act on a message, and only on one that they see, be it from a stay before this one, as far as these
//!   are kept (CNV-20); to everybody else it does not exist.
//! - MSG-2: the sender edits a text, as long after sending as the command says, and nobody else. It stays a text. Saying the
//!   same again is no edit.
//! - MSG-3: the sender recalls, as long after sending as the command says. Then nothing more happens to the message.
//! - MSG-4: what no person has sent is neither edited nor recalled.
//! - MSG-5: a person has each emoji on a message once. There are at most 50 kinds on one, by whomever.
//! - MSG-6: members pin and unpin, where their group lets them.
//! - MSG-7: who is muted edits nothing, be it by an operator or by their group; nor does who may not post there.
//! - MSG-8: in a conversation that is over nothing becomes of messages.
//! - MSG-9: in a direct conversation that is closed nobody reacts or pins; where one of the two blocks the other, nothing at
//!   all happens to a message.
//! - MSG-10: whoever sees a message follows its thread, or does not: the last word counts. What is so already is silent.
//! - MSG-11: how far somebody has read a thread never goes back, and never lies beyond the newest message.
//! - MSG-12: admins recall at any time what they have sent themselves, and what those have who are not above or beside them:
//!   members, and who is gone; the owner recalls what anybody has sent.
//! - MSG-13: a message that ends by itself does so when its moment has come and not before, whatever was done to it and
//!   wherever; one that was recalled before has ended already. Then it is as one that was recalled.
//! - MSG-14: whoever sees a message gives it their star and takes it back; to a voice message of another's they have listened,
//!   once and for good. A recall takes these marks away. What somebody has deleted for themselves does not exist for them.

mod command;
mod decide;
mod event;
mod mark;
mod state;
mod thread;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::{Event, Place};
pub use mark::Marks;
pub use state::State;
pub use thread::Reader;

use crate::{Address, Context, ConversationId, Decider, MessageId, Noun, conversation, conversation::Conversation, id};
use uuid::Uuid;

pub struct Message;

/// The id of the aggregate, which is the key of the command that sent the message: unique in the log.
pub fn id(conversation: ConversationId, message: MessageId) -> Uuid {
    id::derived("natter message", &[conversation.0.as_bytes(), message.0.as_bytes()])
}

pub fn address(conversation: ConversationId, message: MessageId) -> Address {
    Address { noun: Noun::Message, id: id(conversation, message), route: conversation.0 }
}

impl Decider for Message {
    const NOUN: Noun = Noun::Message;
    const STATE_VERSION: u32 = 3;
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
