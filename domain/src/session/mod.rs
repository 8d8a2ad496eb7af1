//! A session is one signed-in device. It lives by its refresh token, which is exchanged for the next one each time
//! it is used, so that each works once. Should a token come back that was exchanged before, two parties hold it and
//! one of them is a thief: the session ends for both. A session ends by being revoked, or quietly by its token's
//! expiry.
//!
//! - SES-1: a session is opened once; the same opening again is silent while no token was exchanged.
//! - SES-2: only the newest token, unexpired, is exchanged, for the next generation.
//! - SES-3: a token of an older generation revokes the session, expired or not. That is an event, not a refusal:
//!   who asked is answered `unauthenticated`.
//! - SES-4: revoked is for ever.
//! - SES-5: a person revokes their own sessions; of others' they learn nothing.
//! - SES-6: a session that its account ends before it opens never opens.

mod command;
mod decide;
mod event;
mod state;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use event::{Device, Event, Reason};
pub use state::State;

use crate::{AccountId, Address, Context, Decider, Noun, SessionId};

pub struct Session;

pub fn address(account: AccountId, session: SessionId) -> Address {
    Address { noun: Noun::Session, id: session.0, route: account.0 }
}

impl Decider for Session {
    const NOUN: Noun = Noun::Session;
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
