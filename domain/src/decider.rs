//! What every noun is: a pair of pure functions, and the words they use.

use crate::{AccountId, Address, Code, Noun, SessionId, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// Something that happened. The serde shape is a storage contract: see the golden files.
pub trait Event: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static {
    /// The name in subjects and in the event catalogue: `message_sent`.
    fn name(&self) -> &'static str;
    /// The version of this event's shape, from 1.
    fn version(&self) -> u32 {
        1
    }
}

/// Why a command was not done: a normal answer of the domain, told to the client by its code.
pub trait Refusal: std::error::Error + Clone + PartialEq + Send + Sync + 'static {
    fn code(&self) -> Code;
    /// Until when it stays so, where that is known.
    fn until(&self) -> Option<Timestamp> {
        None
    }
    /// Which field of what the client gave it is about, where that is known here: a JSON pointer.
    fn pointer(&self) -> Option<String> {
        None
    }
}

/// Who asks, and when: stamped by the owner of the lane just before the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// `None`: nobody is signed in yet (registration, login), or Natter itself reacts.
    pub actor: Option<AccountId>,
    pub session: Option<SessionId>,
    /// Never earlier than the lane's last event.
    pub now: Timestamp,
}

/// A noun's rules.
pub trait Decider: Send + Sync + 'static {
    const NOUN: Noun;
    /// The version of the state's shape and of what `evolve` makes of events, from 1. Stored snapshots of another version
    /// are not read: they are made again from the log. See the golden files.
    const STATE_VERSION: u32;
    /// The noun whose state is handed to `decide` too, read-only, as it is at that moment: of one aggregate of the same
    /// lane, the host. A noun that needs nobody else's names itself.
    type Host: Decider;
    type State: Default + Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Serialised only between nodes that ask each other.
    type Command: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;
    type Event: Event;
    type Refusal: Refusal;

    /// Whose state it is. Of the same route, so of the same lane.
    fn host(address: Address) -> Address {
        address
    }

    /// Order of checks: already so, no events; not allowed, refusal; else events.
    fn decide(
        state: &Self::State,
        host: &<Self::Host as Decider>::State,
        context: &Context,
        command: &Self::Command,
    ) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Never fails and never panics, whatever came before.
    fn evolve(state: &mut Self::State, event: &Self::Event);
}
