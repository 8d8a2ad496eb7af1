//! Who is what in a group, and who may do what (CNV-10).

use super::State;
use crate::AccountId;
use serde::{Deserialize, Serialize};

/// In rising order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    #[default]
    Member,
    Admin,
    Owner,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Member, Self::Admin, Self::Owner].into_iter().find(|role| role.as_str() == text)
    }
}

/// What a group leaves to its members, or does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// Add and invite people, make links.
    Invite,
    Post,
    Pin,
    MentionAll,
    /// Name, avatar, description.
    EditCard,
}

/// The least role for each power.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Permissions {
    pub invite: Role,
    pub post: Role,
    pub pin: Role,
    pub mention_all: Role,
    pub edit_card: Role,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            invite: Role::Member,
            post: Role::Member,
            pin: Role::Member,
            mention_all: Role::Admin,
            edit_card: Role::Member,
        }
    }
}

impl Permissions {
    /// Of a channel as it begins: admins talk, the others listen.
    pub const fn of_channel() -> Self {
        let admin = Role::Admin;
        Self { invite: admin, post: admin, pin: admin, mention_all: admin, edit_card: admin }
    }
}

/// The least roles that are to be others.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PermissionsChange {
    pub invite: Option<Role>,
    pub post: Option<Role>,
    pub pin: Option<Role>,
    pub mention_all: Option<Role>,
    pub edit_card: Option<Role>,
}

impl PermissionsChange {
    /// What it makes of what there is.
    pub(super) fn of(&self, now: &Permissions) -> Permissions {
        Permissions {
            invite: self.invite.unwrap_or(now.invite),
            post: self.post.unwrap_or(now.post),
            pin: self.pin.unwrap_or(now.pin),
            mention_all: self.mention_all.unwrap_or(now.mention_all),
            edit_card: self.edit_card.unwrap_or(now.edit_card),
        }
    }
}

impl Permissions {
    pub const fn least(&self, power: Power) -> Role {
        match power {
            Power::Invite => self.invite,
            Power::Post => self.post,
            Power::Pin => self.pin,
            Power::MentionAll => self.mention_all,
            Power::EditCard => self.edit_card,
        }
    }
}

impl State {
    /// `None`: they are not in.
    pub fn role(&self, account: AccountId) -> Option<Role> {
        self.is_in(account).then(|| {
            if self.card.owner == Some(account) {
                Role::Owner
            } else if self.card.admins.contains(&account) {
                Role::Admin
            } else {
                Role::Member
            }
        })
    }

    /// Where nobody owns a conversation, whoever is in may do everything.
    pub fn may(&self, account: AccountId, power: Power) -> bool {
        match self.role(account) {
            Some(role) => self.card.owner.is_none() || role >= self.card.permissions.least(power),
            None => false,
        }
    }

    /// Admins for themselves, for members and for who is gone, the owner for everybody: what these say here may be taken back
    /// by them.
    pub fn answers_for(&self, one: AccountId, other: AccountId) -> bool {
        self.is_admin(one) && (one == other || self.role(one) > self.role(other))
    }

    pub(super) fn is_admin(&self, account: AccountId) -> bool {
        self.role(account) >= Some(Role::Admin)
    }

    /// Admins over members, the owner over all others; nobody over who is not below them.
    pub(super) fn is_above(&self, one: AccountId, other: AccountId) -> bool {
        self.is_admin(one) && self.role(one) > self.role(other)
    }
}
