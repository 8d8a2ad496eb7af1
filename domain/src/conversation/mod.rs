//! A conversation is a place where its members talk. A message is born here: in one decision the sender's membership
//! is checked and the message gets its number, so that numbers have no gaps and nobody writes who is not in. Its
//! text is not remembered here, and what happens to it later (edits, recalls) is another noun's (`message`): a
//! conversation's state does not grow with its history.
//!
//! - CNV-1: a direct conversation begins once, between two different people, and they are its members for ever.
//! - CNV-2: only members act. Who was in and is not learns that they are out; to everybody else the conversation does not
//!   exist.
//! - CNV-3: messages are numbered 1, 2, 3... without gaps. A group's beginning, a joining, a leaving and what else members
//!   are told of it are messages.
//! - CNV-4: a group begins once; who begins it owns it, until they hand it over.
//! - CNV-5: whoever may invite adds people: those who let themselves be added join, the others are invited; where one has no
//!   account, nobody is. Those who are in stay as they are. As many are in at one time as the installation allows. A newcomer sees what comes
//!   from their joining on, and that itself; where the group shares its history, all that they have not seen.
//! - CNV-6: everybody leaves when they want, but the owner stays while others are in. Admins remove members, the owner
//!   everybody. Who is out sees what there was up to their leaving, and that itself. Who comes back has a further stay.
//! - CNV-7: whoever may edit the card renames the group and changes its picture and description. Asked for what is so
//!   already, nothing happens.
//! - CNV-8: nobody sends under the id of a system message, past or to come.
//! - CNV-9: who is muted by an operator sends nothing until that is over.
//! - CNV-10: what members may is the group's to say; what nobody may say otherwise: admins are over members, the owner over
//!   all (`rank.rs`).
//! - CNV-11: admins set how people come, whether history is shared, who is silent, and announce; the owner sets permissions.
//! - CNV-12: the owner makes admins and members, and hands the group over to one who is in; nobody changes what they are
//!   themselves, but an admin may step down.
//! - CNV-13: people come by an invitation, a link that is good, by asking where an admin answers, or through an open door
//!   (`join.rs`). An invitation and a request wait for 7 days. Who is banned does not come, nor does anybody by their links
//!   and invitations.
//! - CNV-14: a muted member sends nothing until that is over, and changes nothing of the card; in slow mode everybody waits
//!   between two messages; admins are exempt (`curb.rs`).
//! - CNV-15: a dissolved group takes nothing but leaving; it can be read for its time, then it is gone.
//! - CNV-16: a conversation with oneself begins once. Its one member stays, and nobody joins.
//! - CNV-17: a direct conversation stands as it was last said to, by the revision, whatever comes late; nothing is sent to
//!   one that is closed or whose one member blocks the other.
//! - CNV-18: nothing is sent to somebody who is gone.
//! - CNV-19: a channel begins once, and who begins it owns it. Whoever is not banned from it takes part and sees all of it,
//!   without being a member: its state does not grow with those who read it. Who may write is for its permissions to say: at
//!   first admins.
//! - CNV-20: of each person the latest 100 stays are kept, so that coming and going for ever costs nobody room. What was said
//!   in older ones is read, since the read model has them all, and nothing is done to it any more by who saw it only then.
//! - CNV-21: a message answers one of the same conversation that its sender sees.
//! - CNV-22: it mentions who takes part, and nobody else; everybody at once where the group lets its sender, and roles where
//!   there are any. Who had a role then is written down.
//! - CNV-23: it is a reply in the thread of a message that its sender sees.
//! - CNV-24: it ends a while after it was sent or, in a direct conversation, after the other one has read it. Of the latter
//!   1,000 at the most were not read yet.
//! - CNV-25: once the other one has read such a message, it is written down when it ends. Once.
//!
//! That a message id is used once is kept outside, by the command key; CNV-8 there too. Who is muted by an operator is
//! known outside too, and comes with the command; so is who is gone.

mod bucket;
mod card;
mod channel;
mod command;
mod curb;
mod decide;
mod details;
mod direct;
mod event;
mod group;
mod join;
mod own;
mod rank;
mod refusal;
mod self_destruct;
mod state;
mod system;

pub use bucket::{Beginning, Bucket};
pub use card::{Card, Change, JoinPolicy};
pub use command::{Asked, Command, MemberChange, Missing, Unanswerable};
pub use curb::Curbs;
pub(crate) use curb::silence;
pub use decide::decide;
pub use details::{Details, Mentions, Quote, Root};
pub use direct::Standing;
pub use event::{BodyKind, Event, Kind, Way};
pub use join::{Declined, Doors, Invitation, Link};
pub use own::own_id;
pub use rank::{Permissions, PermissionsChange, Power, Role};
pub use refusal::Refusal;
pub use self_destruct::{InvalidLifetime, Lifetime, SelfDestruct, Unread};
pub use state::{Membership, State, Stay};
pub use system::{SystemMessage, system_message_id, system_message_seq};

use crate::{Address, Context, ConversationId, Decider, Noun};

pub struct Conversation;

pub fn address(id: ConversationId) -> Address {
    Address { noun: Noun::Conversation, id: id.0, route: id.0 }
}

/// CNV-3.
fn next_seq(state: &State) -> u64 {
    state.last_seq.saturating_add(1)
}

impl Decider for Conversation {
    const NOUN: Noun = Noun::Conversation;
    const STATE_VERSION: u32 = 6;
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
