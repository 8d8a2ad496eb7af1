//! What may be asked of an account. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use super::{Contact, Hold, Identity, Policy, ProfileChange, Proof, SettingsChange, Way};
use crate::{ConversationId, HandleId, Sealed, SessionId, Timestamp, session::Reason};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    StartRegistration {
        username: Sealed,
        nickname: Sealed,
        /// Empty: none, whoever it is comes by the identity.
        password_hash: String,
        handles: Vec<HandleId>,
        /// By which the name is found while it is typed: see [`super::Event::RegistrationStarted`].
        prefixes: Vec<HandleId>,
        /// Its handle is among `handles`, as that of `phone`.
        email: Option<Contact>,
        phone: Option<Contact>,
        identity: Option<Identity>,
    },
    /// Every handle of the registration has been claimed.
    CompleteRegistration,
    /// A handle could not be claimed.
    AbandonRegistration,
    /// Its time is over, whoever was to complete it.
    ExpireRegistration,
    ChangeProfile(ProfileChange<Sealed>),
    ChangeSettings(SettingsChange),
    /// A JSON array of texts.
    OrderFriendFolders(Sealed),
    /// A session is about to open.
    AdmitSession {
        session_id: SessionId,
        platform: Option<String>,
        /// The [`super::Standing::credentials`] that the owner was proven by, where they were.
        checked: Option<u32>,
        policy: Policy,
        /// What was shown beside the password.
        proof: Option<Proof>,
    },
    /// A session has ended by itself.
    ForgetSession {
        session_id: SessionId,
    },
    /// Ends every session but this one.
    EndSessions {
        kept: Option<SessionId>,
        reason: Reason,
    },
    ChangePassword {
        /// The [`super::Standing::credentials`] that the owner was proven by.
        checked: u32,
        password_hash: String,
        kept: Option<SessionId>,
    },
    /// The same password, hashed anew.
    RehashPassword {
        checked: u32,
        password_hash: String,
    },
    /// Its owner has proven that it is theirs; the handle is claimed next.
    StartContactChange {
        way: Way,
        contact: Contact,
    },
    /// The handle has been claimed.
    CompleteContactChange {
        handle: HandleId,
    },
    /// The handle could not be claimed.
    AbandonContactChange {
        handle: HandleId,
    },
    /// Its time is over, whoever was to complete it, and whether there is still somebody.
    ExpireContactChange {
        handle: HandleId,
    },
    /// An operator asks.
    Mute(Hold),
    Suspend(Hold),
    Restore {
        reason: Option<Sealed>,
        by: String,
    },
    RequestClosing {
        /// As in `AdmitSession`.
        checked: u32,
        grace: Duration,
    },
    /// The grace that ends then is over.
    Close {
        closes_at: Timestamp,
    },
    /// The person was shown this secret.
    OfferSecondFactor {
        /// As in `AdmitSession`.
        checked: u32,
        secret: Sealed,
    },
    /// They have shown the code of this step of it.
    TurnOnSecondFactor {
        secret: Sealed,
        step: u64,
        /// Keyed hashes.
        recovery: Vec<String>,
    },
    TurnOffSecondFactor {
        checked: u32,
        proof: Proof,
    },
    /// In the place of those that are left.
    MakeRecoveryCodes {
        checked: u32,
        proof: Proof,
        recovery: Vec<String>,
    },
    /// Forgets the person: see [`super::Event::Erased`].
    Erase {
        by: Option<String>,
    },
    /// A provider has said that the owner is this one there, too; the handle is claimed next.
    StartIdentityLink {
        /// As in `AdmitSession`.
        checked: u32,
        identity: Identity,
    },
    /// The handle has been claimed.
    CompleteIdentityLink {
        handle: HandleId,
    },
    /// The handle could not be claimed.
    AbandonIdentityLink {
        handle: HandleId,
    },
    /// As `ExpireContactChange`.
    ExpireIdentityLink {
        handle: HandleId,
    },
    UnlinkIdentity {
        handle: HandleId,
    },
    /// Before the group begins, or is theirs.
    TakeGroup {
        conversation_id: ConversationId,
        /// Groups that one person may own.
        max: usize,
    },
    /// Those of them that are theirs no more, or never came to be.
    LeaveGroups {
        conversation_ids: Vec<ConversationId>,
    },
}
