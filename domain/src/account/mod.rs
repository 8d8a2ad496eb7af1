//! An account is a person here. It begins with a registration that first names itself, then claims its handles
//! (user name, e-mail, phone) one by one, and only then counts: whoever reads the account's stream
//! knows whether the person exists. Should a handle turn out to be somebody else's, or the registration not be
//! completed in its time, the account is abandoned before any handle is given back, so that the two can never race.
//!
//! - ACC-1: a registration starts once; the same one again is silent, another one is refused.
//! - ACC-2: a registration ends once, registered or abandoned; neither end turns into the other.
//! - ACC-3: what was never started cannot end.
//! - ACC-4: an abandoned registration names its handles: that is the order to give them back.
//! - ACC-5: a registration expires when its time is over, not before, and only while it is not complete.
//!
//! What a registered person tells of themselves is in `profile.rs` (ACC-6, ACC-7), what they allow in `settings.rs` (ACC-8),
//! what stands in their way in `status.rs` (ACC-13 to ACC-17), their second factor in `second.rs` (ACC-18 to ACC-21),
//! how they are forgotten in `erasure.rs` (ACC-22, ACC-23), who they are elsewhere in `identities.rs` (ACC-24 to ACC-27),
//! which groups they own in `owned.rs` (ACC-28), in which order their folders of friends stand in `folders.rs` (ACC-29).
//!
//! - ACC-9: a session is let in once, before it opens; where one more is one too many, the event names those that go.
//! - ACC-10: who was proven to be the owner was so by the password and the codes that count now, or is refused.
//! - ACC-11: another password ends every session but the one in which it was changed; who sets it anew by a code ends all.
//! - ACC-12: an e-mail address or a phone number is claimed before it counts, one at a time, and has its time for it; the
//!   one before is named when another counts, and so is one that never will: that is the order to give it back. What
//!   somebody who is gone had begun to claim is named when its time is over (`claiming.rs`), an identity likewise.
//!
//! That every handle is claimed before `CompleteRegistration` is the promise of who sends it. Sealing is random, so
//! "the same" means the same sealed bytes: a client's retry is recognised before, by its command key.

mod claiming;
mod command;
mod contacts;
mod decide;
mod erasure;
mod event;
mod folders;
mod identities;
mod owned;
mod person;
mod profile;
mod second;
mod settings;
mod standing;
mod state;
mod status;

pub use claiming::Claiming;
pub use command::Command;
pub use contacts::{Changing, Contact, Contacts, Way};
pub use decide::{Refusal, decide};
pub use event::Event;
pub use identities::{About, Identities, Identity, Linking};
pub use person::Person;
pub use profile::{Change, Profile, ProfileChange};
pub use second::{Factor, Proof, Second};
pub use settings::{
    AddBy, Audience, FindBy, GroupsFrom, Locale, MessagesFrom, ReadReceipts, RequestsFrom, Settings, SettingsChange,
    ShowOnline, Visible,
};
pub use standing::{Admitted, Policy, Standing};
pub use state::State;
pub use status::{Held, Hold, Mute, Status};

use crate::{AccountId, Address, Context, Decider, Noun};

pub struct Account;

pub fn address(id: AccountId) -> Address {
    Address { noun: Noun::Account, id: id.0, route: id.0 }
}

impl Decider for Account {
    const NOUN: Noun = Noun::Account;
    const STATE_VERSION: u32 = 11;
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
