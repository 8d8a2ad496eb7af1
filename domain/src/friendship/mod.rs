//! A friendship is everything between two people, whichever of them began: the requests in both directions, whether
//! they are friends, and the id of their one direct conversation. One aggregate per pair, so that two requests that
//! cross each other meet in one decision, and the second answers the first.
//!
//! - FRD-1: nobody befriends themselves, and nobody asks in another's name.
//! - FRD-2: at most one request of the pair is pending; a request to the one who asked accepts theirs.
//! - FRD-3: a person asks again only when their last request is closed and 24 hours old.
//! - FRD-4: a request is pending for 7 days at most; no event is needed to end it.
//! - FRD-5: only the receiver answers a request; the sender is refused, a stranger learns nothing.
//! - FRD-6: a request is answered once; the same answer again is silent, any other finds it closed.
//! - FRD-7: the pair has one direct conversation for ever: the first one named.
//! - FRD-8: a request's id is used once.
//! - FRD-9: who does not take requests is not asked; their own request is accepted all the same.

mod command;
mod decide;
mod event;
mod state;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::Event;
pub use state::{Outcome, Request, State};

use crate::{Address, Context, Decider, FriendshipId, Noun};

pub struct Friendship;

/// The id of a pair is [`FriendshipId::of`].
pub fn address(id: FriendshipId) -> Address {
    Address { noun: Noun::Friendship, id: id.0, route: id.0 }
}

impl Decider for Friendship {
    const NOUN: Noun = Noun::Friendship;
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
