//! What an account answers.

use super::{
    Command, Contacts, Event, Identity, Person, State, claiming, contacts, erasure, folders, identities, owned,
    profile, second, settings, standing, status,
};
use crate::{Code, Context, Sealed, Timestamp, limit};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such account")]
    NotFound,
    #[error("the account was started with other content")]
    StartedOtherwise,
    #[error("the registration was abandoned: begin anew")]
    Abandoned,
    #[error("the registration is complete")]
    AlreadyRegistered,
    #[error("what was begun still has time")]
    NotDue,
    #[error("the login or the password is wrong")]
    Outdated,
    #[error("another address or number is being changed just now")]
    OtherChange,
    #[error("the account is suspended")]
    Suspended { until: Option<Timestamp> },
    #[error("who asks must be named, in 1 to 100 characters without control characters")]
    Nameless,
    #[error("until when lies in the past")]
    Past,
    #[error("a code of the second factor is needed")]
    SecondFactorRequired,
    #[error("the code is wrong, used or too old")]
    CodeWrong,
    #[error("a second factor is on: turn it off first")]
    SecondFactorOn,
    #[error("there is no second factor that this could be about")]
    NothingOffered,
    #[error("the session that vouches has ended")]
    VouchesNot,
    #[error("the account was erased")]
    Erased,
    #[error("so many identities are linked already")]
    TooManyIdentities,
    #[error("they own as many groups as one may")]
    TooManyGroups,
    #[error("this is the last way in: set a password first")]
    LastWayIn,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound | Self::Erased => Code::NotFound,
            // To be asked again later.
            Self::NotDue => Code::Unavailable,
            Self::Outdated => Code::WrongCredentials,
            Self::Suspended { .. } => Code::AccountSuspended,
            Self::Nameless | Self::Past => Code::InvalidInput,
            Self::SecondFactorRequired => Code::SecondFactorRequired,
            Self::CodeWrong => Code::CodeWrong,
            Self::VouchesNot => Code::Forbidden,
            Self::TooManyGroups => Code::TooManyGroups,
            Self::StartedOtherwise
            | Self::Abandoned
            | Self::AlreadyRegistered
            | Self::OtherChange
            | Self::SecondFactorOn
            | Self::NothingOffered
            | Self::TooManyIdentities
            | Self::LastWayIn => Code::Conflict,
        }
    }

    fn until(&self) -> Option<Timestamp> {
        if let Self::Suspended { until } = self { *until } else { None }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::StartRegistration { .. } => start(state, context, command),
        Command::CompleteRegistration => complete(state),
        Command::AbandonRegistration => abandon(state),
        Command::ExpireRegistration => expire(state, context),
        Command::ChangeProfile(change) => profile::change(state, change),
        Command::ChangeSettings(change) => settings::change(state, change),
        Command::OrderFriendFolders(names) => folders::order(state, names),
        Command::AdmitSession { session_id, platform, checked, policy, proof } => {
            let (person, platform) = (registered(state)?, platform.as_deref());
            standing::admit(person, context, *session_id, platform, *checked, *policy, proof.as_ref())
        }
        Command::ForgetSession { session_id } => Ok(standing::forget(registered(state)?, *session_id)),
        Command::EndSessions { kept, reason } => Ok(standing::end(registered(state)?, *kept, *reason)),
        Command::ChangePassword { checked, password_hash, kept } => {
            standing::change_password(registered(state)?, *checked, password_hash, *kept)
        }
        Command::RehashPassword { checked, password_hash } => {
            standing::rehash(registered(state)?, *checked, password_hash)
        }
        Command::StartContactChange { way, contact } => contacts::start(registered(state)?, context, *way, contact),
        Command::CompleteContactChange { handle } => contacts::complete(registered(state)?, *handle),
        Command::AbandonContactChange { handle } => Ok(contacts::abandon(registered(state)?, *handle)),
        Command::ExpireContactChange { handle } => match state {
            State::Closed { claiming } | State::Erased { claiming } => claiming::expire(claiming, context, *handle),
            _ => contacts::expire(registered(state)?, context, *handle),
        },
        Command::Mute(hold) => status::mute(registered(state)?, context, hold),
        Command::Suspend(hold) => status::suspend(registered(state)?, context, hold),
        Command::Restore { reason, by } => status::restore(registered(state)?, context, reason.as_ref(), by),
        Command::RequestClosing { checked, grace } => {
            status::request_closing(registered(state)?, context, *checked, *grace)
        }
        Command::Close { closes_at } => status::close(state, context, *closes_at),
        Command::OfferSecondFactor { checked, secret } => second::offer(registered(state)?, *checked, secret),
        Command::TurnOnSecondFactor { secret, step, recovery } => {
            second::turn_on(registered(state)?, secret, *step, recovery)
        }
        Command::TurnOffSecondFactor { checked, proof } => second::turn_off(registered(state)?, *checked, proof),
        Command::MakeRecoveryCodes { checked, proof, recovery } => {
            second::replace_recovery(registered(state)?, *checked, proof, recovery)
        }
        Command::Erase { by } => erasure::erase(state, by.as_deref()),
        Command::StartIdentityLink { checked, identity } => {
            identities::start(registered(state)?, context, *checked, identity)
        }
        Command::CompleteIdentityLink { handle } => identities::complete(registered(state)?, *handle),
        Command::AbandonIdentityLink { handle } => Ok(identities::abandon(registered(state)?, *handle)),
        Command::ExpireIdentityLink { handle } => match state {
            State::Closed { claiming } | State::Erased { claiming } => claiming::expire(claiming, context, *handle),
            _ => identities::expire(registered(state)?, context, *handle),
        },
        Command::UnlinkIdentity { handle } => identities::unlink(registered(state)?, *handle),
        Command::TakeGroup { conversation_id, max } => owned::take(registered(state)?, context, *conversation_id, *max),
        Command::LeaveGroups { conversation_ids } => Ok(owned::leave(registered(state)?, conversation_ids)),
    }
}

fn registered(state: &State) -> Result<&Person, Refusal> {
    match state {
        State::Registered(person) => Ok(person),
        _ => Err(Refusal::NotFound),
    }
}

/// ACC-1. A complete registration no longer knows its handles; the rest tells it from another one.
fn start(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    let Command::StartRegistration { username, nickname, password_hash, handles, prefixes, email, phone, identity } =
        command
    else {
        return Ok(vec![]);
    };
    let is_same_person = |u: &Sealed, n: &Sealed, p: &String, contacts: &Contacts, i: Option<&Identity>| {
        (u, n, p, i) == (username, nickname, password_hash, identity.as_ref())
            && (&contacts.email, &contacts.phone) == (email, phone)
    };
    let same = match state {
        State::Unknown => {
            return Ok(vec![Event::RegistrationStarted {
                username: username.clone(),
                nickname: nickname.clone(),
                password_hash: password_hash.clone(),
                handles: handles.clone(),
                prefixes: prefixes.clone(),
                expires_at: context.now + limit::REGISTRATION_EXPIRY,
                email: email.clone(),
                phone: phone.clone(),
                identity: identity.clone(),
            }]);
        }
        State::Abandoned => return Err(Refusal::Abandoned),
        State::Closed { .. } => return Err(Refusal::StartedOtherwise),
        State::Erased { .. } => return Err(Refusal::Erased),
        State::Registering { username, nickname, password_hash, handles: h, contacts, identity, .. } => {
            h == handles && is_same_person(username, nickname, password_hash, contacts, identity.as_ref())
        }
        State::Registered(person) => {
            let linked = person.identities.linked.first();
            is_same_person(&person.username, &person.nickname, &person.password_hash, &person.contacts, linked)
        }
    };
    if same { Ok(vec![]) } else { Err(Refusal::StartedOtherwise) }
}

fn complete(state: &State) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Registered(_) | State::Closed { .. } => Ok(vec![]),
        State::Erased { .. } => Err(Refusal::Erased), // ACC-23
        State::Unknown => Err(Refusal::NotFound),     // ACC-3
        State::Abandoned => Err(Refusal::Abandoned),  // ACC-2
        State::Registering { .. } => Ok(vec![Event::Registered {}]),
    }
}

fn abandon(state: &State) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Abandoned => Ok(vec![]),
        State::Erased { .. } => Err(Refusal::Erased), // ACC-23
        State::Unknown => Err(Refusal::NotFound),     // ACC-3
        State::Registered(_) | State::Closed { .. } => Err(Refusal::AlreadyRegistered), // ACC-2
        // ACC-4
        State::Registering { handles, .. } => Ok(vec![Event::RegistrationAbandoned { handles: handles.clone() }]),
    }
}

/// ACC-5.
fn expire(state: &State, context: &Context) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Registering { expires_at, .. } if context.now < *expires_at => Err(Refusal::NotDue),
        _ => abandon(state),
    }
}
