//! What a group says of itself, how it is set up, and who changes that (CNV-7, CNV-11).

use super::{
    Event, Kind, Permissions, PermissionsChange, Power, Refusal, Role, State, curb::silence, decide::hall_member,
    next_seq,
};
use crate::{AccountId, Context, Sealed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Of a group or a channel; empty for any other conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Card {
    pub name: Option<Sealed>,
    pub owner: Option<AccountId>,
    pub admins: BTreeSet<AccountId>,
    /// A file.
    pub avatar: Option<Uuid>,
    pub description: Option<Sealed>,
    pub announcement: Option<Sealed>,
    pub join_policy: JoinPolicy,
    /// Newcomers see what was said before them.
    pub shares_history: bool,
    /// Only admins post.
    pub is_muted: bool,
    /// Seconds between two messages of a member; 0: none.
    pub slow_mode: u32,
    pub permissions: Permissions,
}

/// How people come who are not added by a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinPolicy {
    /// Whoever knows the group joins.
    Open,
    /// They ask, an admin answers.
    Approval,
    /// By a member, an invitation or a link.
    #[default]
    Invitation,
    /// By an admin only; links are dead.
    Closed,
}

impl JoinPolicy {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approval => "approval",
            Self::Invitation => "invitation",
            Self::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Approval, Self::Invitation, Self::Closed].into_iter().find(|it| it.as_str() == text)
    }
}

/// One thing about a group, as it is now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Avatar(Option<Uuid>),
    Description(Option<Sealed>),
    JoinPolicy(JoinPolicy),
    SharesHistory(bool),
    Muted(bool),
    SlowMode(u32),
    Permissions(Permissions),
}

impl Change {
    /// Whether members are told by a message.
    pub const fn is_told(&self) -> bool {
        match self {
            Self::Avatar(_) | Self::Description(_) | Self::SharesHistory(_) | Self::Muted(_) | Self::SlowMode(_) => {
                true
            }
            Self::JoinPolicy(_) | Self::Permissions(_) => false,
        }
    }

    /// The least role that may, where it is not for the group's permissions to say.
    const fn least(&self) -> Option<Role> {
        match self {
            Self::Avatar(_) | Self::Description(_) => None,
            Self::JoinPolicy(_) | Self::SharesHistory(_) | Self::Muted(_) | Self::SlowMode(_) => Some(Role::Admin),
            Self::Permissions(_) => Some(Role::Owner),
        }
    }

    fn is_so(&self, card: &Card) -> bool {
        match self {
            Self::Avatar(avatar) => card.avatar == *avatar,
            Self::Description(description) => card.description == *description,
            Self::JoinPolicy(policy) => card.join_policy == *policy,
            Self::SharesHistory(shares) => card.shares_history == *shares,
            Self::Muted(is_muted) => card.is_muted == *is_muted,
            Self::SlowMode(seconds) => card.slow_mode == *seconds,
            Self::Permissions(permissions) => card.permissions == *permissions,
        }
    }
}

impl Card {
    /// As one of that kind begins.
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Channel => Self {
                join_policy: JoinPolicy::Open,
                shares_history: true,
                permissions: Permissions::of_channel(),
                ..Self::default()
            },
            Kind::Direct | Kind::Group | Kind::Own => Self::default(),
        }
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Avatar(avatar) => self.avatar = *avatar,
            Change::Description(description) => self.description.clone_from(description),
            Change::JoinPolicy(policy) => self.join_policy = *policy,
            Change::SharesHistory(shares) => self.shares_history = *shares,
            Change::Muted(is_muted) => self.is_muted = *is_muted,
            Change::SlowMode(seconds) => self.slow_mode = *seconds,
            Change::Permissions(permissions) => self.permissions = *permissions,
        }
    }
}

impl Change {
    /// What says who comes and what they see: in a channel that is everybody, and all.
    const fn is_of_members(&self) -> bool {
        matches!(self, Self::JoinPolicy(_) | Self::SharesHistory(_))
    }
}

/// All of them or none. Each that is told takes a number of its own.
pub(super) fn change(
    state: &State,
    context: &Context,
    name: Option<&Sealed>,
    changes: &[Change],
    permissions: Option<&PermissionsChange>,
) -> Result<Vec<Event>, Refusal> {
    let by = hall_member(state, context)?;
    let renamed = name.filter(|name| state.card.name.as_ref() != Some(*name));
    let permissions = permissions.map(|change| Change::Permissions(change.of(&state.card.permissions)));
    let changed: Vec<&Change> =
        changes.iter().chain(&permissions).filter(|change| !change.is_so(&state.card)).collect();
    let may = |change: &&Change| match change.least() {
        Some(least) => state.role(by) >= Some(least),
        None => state.may(by, Power::EditCard),
    };
    if renamed.is_some() && !state.may(by, Power::EditCard) || !changed.iter().all(may) {
        return Err(Refusal::NotAllowed);
    }
    if state.is_channel() && changed.iter().any(|change| change.is_of_members()) {
        return Err(Refusal::NotAGroup);
    }
    // A name or a description is writing too.
    if renamed.is_some() || !changed.is_empty() {
        silence(state, by, context.now)?;
    }
    let mut last_seq = state.last_seq;
    let mut number = |is_message: bool| {
        last_seq = last_seq.saturating_add(u64::from(is_message));
        last_seq
    };
    let renamed =
        renamed.map(|name| Event::Renamed { name: name.clone(), by, last_seq: number(true), is_message: true });
    let mut events: Vec<Event> = renamed.into_iter().collect();
    events.extend(changed.into_iter().map(|change| Event::Changed {
        change: change.clone(),
        by,
        last_seq: number(change.is_told()),
    }));
    Ok(events)
}

/// Admins say something to all, or take it back.
pub(super) fn announce(state: &State, context: &Context, text: Option<&Sealed>) -> Result<Vec<Event>, Refusal> {
    let by = hall_member(state, context)?;
    if state.card.announcement.as_ref() == text {
        return Ok(vec![]);
    }
    if !state.is_admin(by) {
        return Err(Refusal::NotAllowed);
    }
    Ok(vec![Event::Announced { seq: next_seq(state), text: text.cloned(), by }])
}
