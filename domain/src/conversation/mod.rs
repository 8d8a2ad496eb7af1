//! A conversation is a place where its members talk. A message is born here: in one decision the sender's membership
//! is checked and the message gets its number, so that numbers have no gaps and nobody writes who is not in. Its
//! text is not remembered here, and what happens to it later (edits, recalls) is another noun's (`message`): a
//! conversation's state does not grow with its history.
//!
//! - CNV-1: a direct conversation begins once, between two different people, and they are its members for ever.
//! - CNV-2: only members act. Who was in and is not learns that they are out; to everybody else the conversation does not
//!   exist.
//! - CNV-3: messages are numbered 1, 2, 3... without gaps. A group's beginning, a joining and a leaving are messages.
//! - CNV-4: a group begins once; who begins it owns it, for as long as they are in.
//! - CNV-5: a member adds friends of theirs, all of those named or nobody; those who are in stay as they are. At most 500
//!   are in at one time. A newcomer sees what comes from their joining on, and that itself.
//! - CNV-6: everybody leaves when they want, but the owner stays while others are in. Only the owner removes. Who is out sees
//!   what there was up to their leaving, and that itself. Who comes back has a further stay.
//! - CNV-7: members rename a group. That is no message.
//! - CNV-8: nobody sends under the id of a system message, past or to come.
//! - CNV-9: who is muted sends nothing until that is over.
//!
//! That a message id is used once is kept outside, by the command key; CNV-8 there too. Who is muted is
//! known outside too, and comes with the command.

mod command;
mod decide;
mod event;
mod state;
mod system;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::{BodyKind, Event, Kind};
pub use state::{Card, Membership, State, Stay};
pub use system::{SystemMessage, system_message_id, system_message_seq};

use crate::{Address, Context, ConversationId, Decider, Noun};

pub struct Conversation;

pub fn address(id: ConversationId) -> Address {
    Address { noun: Noun::Conversation, id: id.0, route: id.0 }
}

impl Decider for Conversation {
    const NOUN: Noun = Noun::Conversation;
    const STATE_VERSION: u32 = 3;
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
