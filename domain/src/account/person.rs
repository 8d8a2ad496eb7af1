//! What we remember of somebody who is registered.

use super::{Contacts, Event, Held, Identities, Profile, Second, Settings, Standing, Status};
use crate::{ConversationId, HandleId, Sealed, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Person {
    pub username: Sealed,
    pub nickname: Sealed,
    /// Empty: there is none.
    pub password_hash: String,
    pub contacts: Contacts,
    pub profile: Profile,
    pub settings: Settings,
    pub standing: Standing,
    pub status: Status,
    pub second: Second,
    pub identities: Identities,
    /// They own, or are about to; since when.
    pub groups: BTreeMap<ConversationId, Timestamp>,
    /// Their order: a JSON array of texts.
    pub friend_folders: Option<Sealed>,
}

impl Person {
    /// As they are when they come to be.
    pub fn new(
        username: Sealed,
        nickname: Sealed,
        password_hash: String,
        contacts: Contacts,
        identities: Identities,
    ) -> Self {
        Self {
            username,
            nickname,
            password_hash,
            contacts,
            profile: Profile::default(),
            settings: Settings::default(),
            standing: Standing::default(),
            status: Status::default(),
            second: Second::default(),
            identities,
            groups: BTreeMap::new(),
            friend_folders: None,
        }
    }

    /// Addresses, numbers and identities that are theirs.
    pub(super) fn handles(&self) -> Vec<HandleId> {
        self.contacts.handles().chain(self.identities.handles()).collect()
    }

    pub fn has_password(&self) -> bool {
        !self.password_hash.is_empty()
    }

    /// All that they tell of themselves.
    pub fn sealed(&self) -> impl Iterator<Item = &Sealed> {
        let Profile { signature, gender, region, birthday, custom, .. } = &self.profile;
        let told = [signature, gender, region, birthday, custom].into_iter().flatten();
        let elsewhere = self.identities.linked.iter().map(|identity| &identity.about);
        [&self.username, &self.nickname].into_iter().chain(told).chain(elsewhere)
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::ProfileChanged { nickname, profile } => {
                self.nickname.clone_from(nickname);
                self.profile.clone_from(profile);
            }
            Event::SettingsChanged { settings } => self.settings = *settings,
            Event::FriendFoldersOrdered { names } => self.friend_folders = Some(names.clone()),
            Event::SessionAdmitted { session_id, platform, ended } => {
                self.standing.admit(*session_id, platform.as_deref(), ended);
            }
            Event::SessionForgotten { session_id } => self.standing.end(&[*session_id]),
            Event::SessionsEnded { ended, .. } => self.standing.end(ended),
            Event::PasswordChanged { password_hash, ended } => {
                self.password_hash.clone_from(password_hash);
                self.standing.credentials = self.standing.credentials.saturating_add(1);
                self.standing.end(ended);
                self.second.password_changed();
            }
            Event::PasswordRehashed { password_hash } => self.password_hash.clone_from(password_hash),
            Event::ContactChangeStarted { way, contact, expires_at } => self.contacts.begin(*way, contact, *expires_at),
            Event::ContactChanged { way, contact, .. } => {
                self.contacts.change(*way, contact);
                self.standing.credentials = self.standing.credentials.saturating_add(1);
            }
            Event::ContactChangeAbandoned { handle } => self.contacts.abandon(*handle),
            Event::Muted { until, reason, .. } => {
                self.status.muted = Some(Held { until: *until, reason: reason.clone() });
            }
            Event::Suspended { until, reason, ended, .. } => {
                self.status.suspended = Some(Held { until: *until, reason: reason.clone() });
                self.standing.end(ended);
            }
            Event::Restored { .. } => (self.status.muted, self.status.suspended) = (None, None),
            Event::ClosingRequested { closes_at, ended } => {
                self.status.closes_at = Some(*closes_at);
                self.standing.end(ended);
            }
            Event::ClosingPostponed { closes_at } => self.status.closes_at = Some(*closes_at),
            Event::ClosingCancelled {} => self.status.closes_at = None,
            Event::SecondFactorOffered { secret } => self.second.offer(secret),
            Event::SecondFactorTurnedOn { secret, step, recovery } => self.second.turn_on(secret, *step, recovery),
            Event::SecondFactorUsed { step } => self.second.use_step(*step),
            Event::RecoveryCodeUsed { hash, .. } => self.second.use_recovery(hash),
            Event::SecondFactorTurnedOff {} => self.second.turn_off(),
            Event::RecoveryCodesMade { recovery } => self.second.replace_recovery(recovery),
            Event::IdentityLinkStarted { identity, expires_at } => self.identities.begin(identity, *expires_at),
            Event::IdentityLinked { identity } => self.identities.link(identity),
            Event::IdentityLinkAbandoned { handle } => self.identities.abandon(*handle),
            Event::IdentityUnlinked { handle } => {
                self.identities.unlink(*handle);
                self.standing.credentials = self.standing.credentials.saturating_add(1);
            }
            Event::GroupOwned { conversation_id, at } => _ = self.groups.insert(*conversation_id, *at),
            Event::GroupsLeft { conversation_ids } => self.groups.retain(|it, _| !conversation_ids.contains(it)),
            Event::RegistrationStarted { .. }
            | Event::Registered {}
            | Event::RegistrationAbandoned { .. }
            | Event::Closed {}
            | Event::HandlesReleased { .. }
            | Event::Erased { .. } => {}
        }
    }
}
