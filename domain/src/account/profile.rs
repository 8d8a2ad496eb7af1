//! What a person tells of themselves. All of it may be absent, and what is personal is sealed.
//!
//! - ACC-6: a profile is changed field by field; what is so already is silent.
//! - ACC-7: a nickname that is taken back is the user name again: everybody is shown as something.

use super::{Event, Person, Refusal, State};
use crate::Sealed;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Profile {
    /// A file.
    #[serde(default)]
    pub avatar: Option<Uuid>,
    #[serde(default)]
    pub signature: Option<Sealed>,
    #[serde(default)]
    pub gender: Option<Sealed>,
    #[serde(default)]
    pub region: Option<Sealed>,
    /// `2000-12-31`
    #[serde(default)]
    pub birthday: Option<Sealed>,
    /// A JSON object of texts.
    #[serde(default)]
    pub custom: Option<Sealed>,
}

/// What is to become of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(to(value)),
        }
    }
}

impl<T: Clone> Change<T> {
    /// What it makes of what there is.
    pub(crate) fn of(&self, now: &Option<T>) -> Option<T> {
        match self {
            Self::Keep => now.clone(),
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

/// `T`: a text, or its sealed form.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProfileChange<T> {
    pub nickname: Change<T>,
    pub avatar: Change<Uuid>,
    pub signature: Change<T>,
    pub gender: Change<T>,
    pub region: Change<T>,
    pub birthday: Change<T>,
    pub custom: Change<T>,
}

/// Nothing: all of it stays.
impl<T> Default for ProfileChange<T> {
    fn default() -> Self {
        Self {
            nickname: Change::Keep,
            avatar: Change::Keep,
            signature: Change::Keep,
            gender: Change::Keep,
            region: Change::Keep,
            birthday: Change::Keep,
            custom: Change::Keep,
        }
    }
}

pub(super) fn change(state: &State, change: &ProfileChange<Sealed>) -> Result<Vec<Event>, Refusal> {
    let State::Registered(person) = state else { return Err(Refusal::NotFound) };
    let (nickname, profile) = changed(person, change);
    if (&nickname, &profile) == (&person.nickname, &person.profile) {
        return Ok(vec![]); // ACC-6
    }
    Ok(vec![Event::ProfileChanged { nickname, profile }])
}

fn changed(person: &Person, change: &ProfileChange<Sealed>) -> (Sealed, Profile) {
    let now = &person.profile;
    let nickname = match &change.nickname {
        Change::Keep => person.nickname.clone(),
        Change::Clear => person.username.clone(), // ACC-7
        Change::Set(nickname) => nickname.clone(),
    };
    let profile = Profile {
        avatar: change.avatar.of(&now.avatar),
        signature: change.signature.of(&now.signature),
        gender: change.gender.of(&now.gender),
        region: change.region.of(&now.region),
        birthday: change.birthday.of(&now.birthday),
        custom: change.custom.of(&now.custom),
    };
    (nickname, profile)
}
