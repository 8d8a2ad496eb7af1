//! Natter's rules. Every noun is a *decider*: `decide(state, context, command)` answers with events or a
//! refusal, `evolve(state, event)` remembers. Both are pure and synchronous: no IO, no clock, no random
//! numbers; whatever a decision needs arrives in its arguments.
//!
//! A noun's folder tells its story in reading order: `mod.rs` (paragraph and invariants), `command.rs`
//! (what may be asked), `event.rs` (what may have happened, the storage contract), `state.rs` (what we
//! remember), `decide.rs` (what we answer).

mod address;
mod code;
mod decider;
pub mod id;
mod limits;
mod sealed;
mod serial;
mod timestamp;
mod value;

pub mod account;
pub mod conversation;
pub mod friendship;
pub mod handle;
pub mod inbox;
pub mod message;
pub mod pending;
pub mod projection;
pub mod session;
pub mod subscription;

pub use address::{Address, Noun};
pub use code::Code;
pub use decider::{Context, Decider, Event, Refusal};
pub use id::{AccountId, ConversationId, EventId, FriendshipId, HandleId, MessageId, RequestId, SessionId};
pub use sealed::{KeyId, Sealed};
pub use timestamp::Timestamp;
pub use value::{
    Announcement, Description, Email, Emoji, GivenText, GroupName, Label, Nickname, Password, Phone, RequestMessage,
    Username, profile,
};

pub mod limit {
    //! Every length and count that the rules bound; see `limits.rs`.
    pub use crate::limits::*;
}
