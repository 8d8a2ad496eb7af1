//! What we remember of an account.

use super::{Claiming, Contacts, Event, Identities, Identity, Person, claiming};
use crate::{HandleId, Sealed, Timestamp};
use serde::{Deserialize, Serialize};
use std::mem;

#[expect(clippy::large_enum_variant, reason = "nearly all accounts are registered")]
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Unknown,
    /// Handles are being claimed; nobody may sign in.
    Registering {
        username: Sealed,
        nickname: Sealed,
        password_hash: String,
        handles: Vec<HandleId>,
        expires_at: Timestamp,
        contacts: Contacts,
        identity: Option<Identity>,
    },
    Registered(Person),
    /// Was registered, and never will be again.
    Closed {
        claiming: Vec<Claiming>,
    },
    /// Never came to be, never will.
    Abandoned,
    /// Was somebody; nothing of them is remembered.
    Erased {
        claiming: Vec<Claiming>,
    },
}

impl State {
    /// An event that does not fit the state leaves it as it is: `decide` makes none such.
    pub(super) fn evolve(&mut self, event: &Event) {
        *self = match (mem::take(self), event) {
            (
                Self::Unknown,
                Event::RegistrationStarted {
                    username,
                    nickname,
                    password_hash,
                    handles,
                    expires_at,
                    email,
                    phone,
                    identity,
                    ..
                },
            ) => Self::Registering {
                username: username.clone(),
                nickname: nickname.clone(),
                password_hash: password_hash.clone(),
                handles: handles.clone(),
                expires_at: *expires_at,
                contacts: Contacts { email: email.clone(), phone: phone.clone(), changing: None },
                identity: identity.clone(),
            },
            (Self::Registering { username, nickname, password_hash, contacts, identity, .. }, Event::Registered {}) => {
                let identities = Identities::new(identity);
                Self::Registered(Person::new(username, nickname, password_hash, contacts, identities))
            }
            (Self::Unknown | Self::Registering { .. }, Event::RegistrationAbandoned { .. }) => Self::Abandoned,
            (Self::Registered(person), Event::Closed {}) => Self::Closed { claiming: claiming::of(&person) },
            (Self::Registered(person), Event::Erased { released, .. }) => {
                Self::Erased { claiming: claiming::without(claiming::of(&person), released) }
            }
            (Self::Closed { claiming }, Event::Erased { released, .. }) => {
                Self::Erased { claiming: claiming::without(claiming, released) }
            }
            (Self::Closed { claiming }, Event::HandlesReleased { handles }) => {
                Self::Closed { claiming: claiming::without(claiming, handles) }
            }
            (Self::Erased { claiming }, Event::HandlesReleased { handles }) => {
                Self::Erased { claiming: claiming::without(claiming, handles) }
            }
            (Self::Registered(mut person), event) => {
                person.evolve(event);
                Self::Registered(person)
            }
            (unmoved, _) => unmoved,
        };
    }
}
