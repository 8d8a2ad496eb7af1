//! A friendship is everything between two people, whichever of them began: the requests in both directions, whether
//! they are friends, what each has noted of the other, who blocks whom, and their one direct conversation. One aggregate
//! per pair, so that two requests that cross each other meet in one decision, and the second answers the first.
//!
//! - FRD-1: nobody befriends themselves, and nobody asks in another's name.
//! - FRD-2: at most one request of the pair is pending; a request to the one who asked accepts theirs.
//! - FRD-3: a person asks again only when their last request is closed and 24 hours old.
//! - FRD-4: a request is pending for 7 days at most; that it has expired is an event too, once, which may come later.
//! - FRD-5: only the receiver answers a request; the sender is refused, a stranger learns nothing.
//! - FRD-6: a request ends once; the same end again is silent, any other finds it closed.
//! - FRD-7: the pair has one direct conversation for ever: the first one named.
//! - FRD-8: a request's id is used once.
//! - FRD-9: who does not take requests is not asked; their own request is accepted all the same.
//!
//! What else becomes of requests and friends (`decide.rs`, `friend.rs`):
//!
//! - FRD-10: only the sender takes a request back.
//! - FRD-11: what its receiver ignores is pending for its sender; the receiver may still answer it, or ask themselves.
//! - FRD-12: either ends the friendship, for both; what they had noted of each other is forgotten.
//! - FRD-13: a remark, a folder and a star are the person's own, of a friend, and said whole.
//!
//! Blocks, and strangers (`block.rs`):
//!
//! - FRD-14: either blocks the other: their own pending request is taken back, the other's is ignored, the friendship stays.
//! - FRD-15: who is blocked does not ask; who blocks neither asks nor accepts. Nobody is told which of the two it is.
//! - FRD-16: strangers begin to talk where the other one takes it and neither blocks; who may talk already goes on.
//! - FRD-17: how the direct conversation stands is said whole by each event that changes it, under the next revision.

mod block;
mod command;
mod decide;
mod event;
mod friend;
mod state;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::{Event, Source};
pub use friend::FriendChange;
pub use state::{Note, Outcome, Request, State};

use crate::{Address, Context, Decider, FriendshipId, Noun};

pub struct Friendship;

/// The id of a pair is [`FriendshipId::of`].
pub fn address(id: FriendshipId) -> Address {
    Address { noun: Noun::Friendship, id: id.0, route: id.0 }
}

impl Decider for Friendship {
    const NOUN: Noun = Noun::Friendship;
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
