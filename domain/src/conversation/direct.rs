//! How a direct conversation stands, which the friendship of its two people says: whether it is open at all, and who of
//! them has blocked the other. It is said whole, under a revision, so that it may be said late, twice or out of order.

use super::{Event, Kind, Refusal, State};
use crate::{AccountId, Context};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Counts what has changed it; 0: nothing has.
    pub revision: u64,
    /// They are friends, or were let talk as strangers.
    pub is_open: bool,
    /// Who of the two has blocked the other.
    pub barred_by: BTreeSet<AccountId>,
}

impl Standing {
    /// Of two who have just become friends for the first time.
    pub const fn first() -> Self {
        Self { revision: 1, is_open: true, barred_by: BTreeSet::new() }
    }

    #[must_use]
    pub fn opened(&self) -> Self {
        Self { is_open: true, ..self.next() }
    }

    #[must_use]
    pub fn closed(&self) -> Self {
        Self { is_open: false, ..self.next() }
    }

    #[must_use]
    pub fn barred(&self, by: AccountId) -> Self {
        let mut next = self.next();
        next.barred_by.insert(by);
        next
    }

    #[must_use]
    pub fn unbarred(&self, by: AccountId) -> Self {
        let mut next = self.next();
        next.barred_by.remove(&by);
        next
    }

    fn next(&self) -> Self {
        Self { revision: self.revision.saturating_add(1), ..self.clone() }
    }

    /// Whether anything passes.
    pub fn lets_pass(&self) -> bool {
        self.is_open && self.barred_by.is_empty()
    }

    /// As this one of the two is shown it: who was blocked sees no change.
    pub fn is_open_to(&self, viewer: AccountId) -> bool {
        self.is_open && !self.barred_by.contains(&viewer)
    }
}

/// CNV-1, CNV-17. Begins the conversation, if it has not begun.
pub(super) fn set(state: &State, members: [AccountId; 2], standing: &Standing) -> Result<Vec<Event>, Refusal> {
    let mut events = start(state, members)?;
    let known = if events.is_empty() { (*state.standing).clone() } else { Standing::first() };
    if known.revision < standing.revision {
        events.push(changed(state.last_seq, members, &known, standing));
    }
    Ok(events)
}

/// CNV-1.
fn start(state: &State, members: [AccountId; 2]) -> Result<Vec<Event>, Refusal> {
    let [one, other] = members;
    if one == other {
        return Err(Refusal::WithOneself);
    }
    if state.kind.is_none() {
        return Ok(vec![Event::Started { kind: Kind::Direct, members: members.to_vec(), name: None, owner: None }]);
    }
    let same = state.kind == Some(Kind::Direct)
        && state.members.len() == 2
        && members.iter().all(|it| state.members.contains_key(it));
    if same { Ok(vec![]) } else { Err(Refusal::StartedOtherwise) }
}

fn changed(last_seq: u64, members: [AccountId; 2], before: &Standing, now: &Standing) -> Event {
    let sees_a_change = |account: &AccountId| before.is_open_to(*account) != now.is_open_to(*account);
    let shown_to = members.into_iter().filter(sees_a_change).collect();
    Event::StandingChanged { standing: now.clone(), shown_to, last_seq }
}

/// CNV-17: nothing new in what is closed.
pub(super) fn lets_send(state: &State) -> Result<(), Refusal> {
    if state.lets_pass() { Ok(()) } else { Err(Refusal::Closed) }
}

impl State {
    /// Whether anything new passes here. Of the conversations only a direct one closes so.
    pub fn lets_pass(&self) -> bool {
        self.kind != Some(Kind::Direct) || self.standing.lets_pass()
    }

    /// Whether one of the two blocks the other: then not even what was said before is changed.
    pub fn is_barred(&self) -> bool {
        self.kind == Some(Kind::Direct) && !self.standing.barred_by.is_empty()
    }

    /// The other one of a direct conversation.
    pub fn peer(&self, of: AccountId) -> Option<AccountId> {
        // A group may have a hundred thousand.
        if self.kind != Some(Kind::Direct) {
            return None;
        }
        self.members.keys().copied().find(|&member| member != of)
    }
}

/// CNV-18.
pub(super) fn has_somebody(state: &State, context: &Context, gone: Option<AccountId>) -> Result<(), Refusal> {
    let peer = context.actor.and_then(|actor| state.peer(actor));
    if peer.is_some() && peer == gone { Err(Refusal::Closed) } else { Ok(()) }
}
