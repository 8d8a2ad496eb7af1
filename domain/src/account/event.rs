//! What may have happened to an account. A storage contract: see `domain/tests/golden/account/`.

use super::{Contact, Identity, Profile, Settings, Way};
use crate::{ConversationId, HandleId, Sealed, SessionId, Timestamp, session::Reason};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Names are being claimed; nobody may sign in yet.
    RegistrationStarted {
        username: Sealed,
        nickname: Sealed,
        /// argon2id in PHC form; empty where there is no password, from version 5 on.
        password_hash: String,
        handles: Vec<HandleId>,
        /// From then on it may be abandoned, whoever was to complete it. Version 1 had none: it may be at once.
        #[serde(default)]
        expires_at: Timestamp,
        /// Keyed hashes of the beginnings of the normalised user name, from three characters on: who knows a beginning
        /// finds the account, and no reader of the log finds a name. Versions 1 and 2 had none: found by the whole name only.
        #[serde(default)]
        prefixes: Vec<HandleId>,
        /// Versions 1 to 3 had neither.
        #[serde(default)]
        email: Option<Contact>,
        #[serde(default)]
        phone: Option<Contact>,
        /// Versions 1 to 4 had none.
        #[serde(default)]
        identity: Option<Identity>,
    },
    /// All handles are claimed: the account exists from here on.
    Registered {},
    /// A handle was taken by somebody else, or its time was over: this account never comes to be.
    RegistrationAbandoned {
        /// To be given back, those that were claimed among them. Version 1 named none.
        #[serde(default)]
        handles: Vec<HandleId>,
    },
    ProfileChanged {
        nickname: Sealed,
        profile: Profile,
    },
    SettingsChanged {
        settings: Settings,
    },
    FriendFoldersOrdered {
        /// A JSON array of texts.
        names: Sealed,
    },
    /// A session may open.
    SessionAdmitted {
        session_id: SessionId,
        platform: Option<String>,
        /// To be revoked: they were one too many.
        ended: Vec<SessionId>,
    },
    /// It has ended by itself.
    SessionForgotten {
        session_id: SessionId,
    },
    SessionsEnded {
        /// To be revoked.
        ended: Vec<SessionId>,
        reason: Reason,
    },
    PasswordChanged {
        /// argon2id in PHC form.
        password_hash: String,
        /// To be revoked.
        ended: Vec<SessionId>,
    },
    /// The same password, hashed with other parameters.
    PasswordRehashed {
        password_hash: String,
    },
    /// The handle is being claimed.
    ContactChangeStarted {
        way: Way,
        contact: Contact,
        /// From then on it may be abandoned.
        expires_at: Timestamp,
    },
    ContactChanged {
        way: Way,
        contact: Contact,
        /// To be given back: the one before.
        released: Option<HandleId>,
    },
    /// The handle was taken by somebody else, or its time was over.
    ContactChangeAbandoned {
        /// To be given back, if it was claimed.
        handle: HandleId,
    },
    /// By an operator: nothing is sent.
    Muted {
        /// None: until somebody restores it.
        until: Option<Timestamp>,
        reason: Option<Sealed>,
        by: String,
    },
    /// By an operator: nobody signs in.
    Suspended {
        /// As in `Muted`.
        until: Option<Timestamp>,
        reason: Option<Sealed>,
        by: String,
        /// To be revoked.
        ended: Vec<SessionId>,
    },
    /// Neither muted nor suspended any more.
    Restored {
        reason: Option<Sealed>,
        by: String,
    },
    /// By its owner.
    ClosingRequested {
        closes_at: Timestamp,
        /// To be revoked.
        ended: Vec<SessionId>,
    },
    /// They are suspended, or were until now: they have had no time to think of it again.
    ClosingPostponed {
        closes_at: Timestamp,
    },
    /// They have signed in again.
    ClosingCancelled {},
    /// There is nobody any more.
    Closed {},
    /// Of an account that was closed or erased.
    HandlesReleased {
        /// To be given back.
        handles: Vec<HandleId>,
    },
    /// Its owner was shown a secret; nothing counts yet.
    SecondFactorOffered {
        secret: Sealed,
    },
    SecondFactorTurnedOn {
        secret: Sealed,
        /// Whose code was shown.
        step: u64,
        /// Keyed hashes of the recovery codes.
        recovery: Vec<String>,
    },
    /// The code of this step has let somebody through: it and all before it are no good any more.
    SecondFactorUsed {
        step: u64,
    },
    RecoveryCodeUsed {
        hash: String,
        left: u32,
    },
    SecondFactorTurnedOff {},
    /// In the place of those that were left.
    RecoveryCodesMade {
        recovery: Vec<String>,
    },
    /// Nobody is behind the account any more. The key of all that they had told is to be destroyed.
    Erased {
        /// The operator who asked for it; `None`: it follows from what the log says.
        by: Option<String>,
        /// To be given back: address, number and identities. The user name is nobody else's ever.
        released: Vec<HandleId>,
    },
    /// The handle is being claimed.
    IdentityLinkStarted {
        identity: Identity,
        /// From then on it may be abandoned.
        expires_at: Timestamp,
    },
    /// It lets its owner in from here on.
    IdentityLinked {
        identity: Identity,
    },
    /// The handle was taken by somebody else, or its time was over.
    IdentityLinkAbandoned {
        /// To be given back, if it was claimed.
        handle: HandleId,
    },
    IdentityUnlinked {
        /// To be given back.
        handle: HandleId,
    },
    /// A group that they are about to own.
    GroupOwned {
        conversation_id: ConversationId,
        at: Timestamp,
    },
    /// Groups that are theirs no more.
    GroupsLeft {
        conversation_ids: Vec<ConversationId>,
    },
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::RegistrationStarted { .. } => "registration_started",
            Self::Registered {} => "registered",
            Self::RegistrationAbandoned { .. } => "registration_abandoned",
            Self::ProfileChanged { .. } => "profile_changed",
            Self::SettingsChanged { .. } => "settings_changed",
            Self::FriendFoldersOrdered { .. } => "friend_folders_ordered",
            Self::SessionAdmitted { .. } => "session_admitted",
            Self::SessionForgotten { .. } => "session_forgotten",
            Self::SessionsEnded { .. } => "sessions_ended",
            Self::PasswordChanged { .. } => "password_changed",
            Self::PasswordRehashed { .. } => "password_rehashed",
            Self::ContactChangeStarted { .. } => "contact_change_started",
            Self::ContactChanged { .. } => "contact_changed",
            Self::ContactChangeAbandoned { .. } => "contact_change_abandoned",
            Self::Muted { .. } => "muted",
            Self::Suspended { .. } => "suspended",
            Self::Restored { .. } => "restored",
            Self::ClosingRequested { .. } => "closing_requested",
            Self::ClosingPostponed { .. } => "closing_postponed",
            Self::ClosingCancelled {} => "closing_cancelled",
            Self::Closed {} => "closed",
            Self::HandlesReleased { .. } => "handles_released",
            Self::SecondFactorOffered { .. } => "second_factor_offered",
            Self::SecondFactorTurnedOn { .. } => "second_factor_turned_on",
            Self::SecondFactorUsed { .. } => "second_factor_used",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::SecondFactorTurnedOff {} => "second_factor_turned_off",
            Self::RecoveryCodesMade { .. } => "recovery_codes_made",
            Self::Erased { .. } => "erased",
            Self::IdentityLinkStarted { .. } => "identity_link_started",
            Self::IdentityLinked { .. } => "identity_linked",
            Self::IdentityLinkAbandoned { .. } => "identity_link_abandoned",
            Self::IdentityUnlinked { .. } => "identity_unlinked",
            Self::GroupOwned { .. } => "group_owned",
            Self::GroupsLeft { .. } => "groups_left",
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::RegistrationStarted { .. } => 5,
            Self::SettingsChanged { .. } => 3,
            Self::RegistrationAbandoned { .. } => 2,
            _ => 1,
        }
    }
}
