//! An account's part in signing in: which sessions it has let in and not ended. A session is let in here before it
//! opens, so whatever ends all sessions of a person ends every one of them: those that are about to open, too.
//!
//! What ends sessions names them in its event; that is the order to revoke them.

use super::{Event, Person, Proof, Refusal, second};
use crate::{Context, SessionId, limit, session::Reason};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Let in and not ended, the oldest first. One that expired quietly stays until it is pushed out.
    pub sessions: Vec<Admitted>,
    /// Raised whenever the password, the address or the number becomes another one, or an identity is unlinked: who was
    /// proven by an older one has proven nothing.
    pub credentials: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Admitted {
    pub session_id: SessionId,
    pub platform: Option<String>,
}

/// How many sessions a person may have. The newest wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// As many as [`limit::SESSIONS_MAX`].
    #[default]
    Many,
    Max(u32),
    /// One per platform; devices that do not name theirs share one.
    Platform,
}

impl Standing {
    fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().map(|admitted| admitted.session_id)
    }

    pub(super) fn has(&self, session: SessionId) -> bool {
        self.ids().any(|id| id == session)
    }

    pub(super) fn all_but(&self, kept: Option<SessionId>) -> Vec<SessionId> {
        self.ids().filter(|&id| Some(id) != kept).collect()
    }

    /// Those that have to go where one more comes in.
    fn replaced(&self, policy: Policy, platform: Option<&str>) -> Vec<SessionId> {
        let room = match policy {
            Policy::Many => limit::SESSIONS_MAX,
            Policy::Max(most) => (most as usize).clamp(1, limit::SESSIONS_MAX),
            Policy::Platform => {
                let same = self.sessions.iter().filter(|admitted| admitted.platform.as_deref() == platform);
                return same.map(|admitted| admitted.session_id).collect();
            }
        };
        let over = (self.sessions.len() + 1).saturating_sub(room);
        self.ids().take(over).collect()
    }

    pub(super) fn admit(&mut self, session_id: SessionId, platform: Option<&str>, ended: &[SessionId]) {
        self.end(ended);
        if !self.has(session_id) {
            self.sessions.push(Admitted { session_id, platform: platform.map(str::to_owned) });
        }
    }

    pub(super) fn end(&mut self, ended: &[SessionId]) {
        self.sessions.retain(|admitted| !ended.contains(&admitted.session_id));
    }
}

/// ACC-9, ACC-10, ACC-14, ACC-16, ACC-19.
pub(super) fn admit(
    person: &Person,
    context: &Context,
    session_id: SessionId,
    platform: Option<&str>,
    checked: Option<u32>,
    policy: Policy,
    proof: Option<&Proof>,
) -> Result<Vec<Event>, Refusal> {
    let standing = &person.standing;
    if standing.has(session_id) {
        return Ok(vec![]);
    }
    if checked.is_some_and(|checked| checked != standing.credentials) {
        return Err(Refusal::Outdated);
    }
    let mut events: Vec<Event> = second::pass(person, proof)?;
    events.extend(person.status.lets_in(context.now)?);
    let ended = standing.replaced(policy, platform);
    events.push(Event::SessionAdmitted { session_id, platform: platform.map(str::to_owned), ended });
    Ok(events)
}

pub(super) fn forget(person: &Person, session_id: SessionId) -> Vec<Event> {
    if person.standing.has(session_id) { vec![Event::SessionForgotten { session_id }] } else { vec![] }
}

pub(super) fn end(person: &Person, kept: Option<SessionId>, reason: Reason) -> Vec<Event> {
    let ended = person.standing.all_but(kept);
    if ended.is_empty() { vec![] } else { vec![Event::SessionsEnded { ended, reason }] }
}

/// ACC-10, ACC-11.
pub(super) fn change_password(
    person: &Person,
    checked: u32,
    password_hash: &str,
    kept: Option<SessionId>,
) -> Result<Vec<Event>, Refusal> {
    if person.password_hash == password_hash {
        return Ok(vec![]);
    }
    if checked != person.standing.credentials {
        return Err(Refusal::Outdated);
    }
    let ended = person.standing.all_but(kept);
    Ok(vec![Event::PasswordChanged { password_hash: password_hash.to_owned(), ended }])
}

/// ACC-10. The same password under another hash: nobody is signed out.
pub(super) fn rehash(person: &Person, checked: u32, password_hash: &str) -> Result<Vec<Event>, Refusal> {
    if person.password_hash == password_hash {
        return Ok(vec![]);
    }
    if checked != person.standing.credentials {
        return Err(Refusal::Outdated);
    }
    Ok(vec![Event::PasswordRehashed { password_hash: password_hash.to_owned() }])
}
