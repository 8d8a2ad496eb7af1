//! What may be asked of a conversation. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use super::{Bucket, Change, Details, PermissionsChange, Refusal, Role, Standing, event::BodyKind};
use crate::{
    AccountId, MessageId, Sealed, Timestamp,
    account::{self, Mute},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Two people may talk, or may not any more. Natter itself asks, in answer to what became of their friendship; the
    /// conversation begins with the first of it that comes.
    SetDirect {
        members: [AccountId; 2],
        standing: Standing,
    },
    /// The actor begins the conversation with themselves.
    StartOwn,
    /// The actor begins a group and owns it.
    StartGroup {
        name: Sealed,
        members: Vec<AccountId>,
        asked: Asked,
    },
    /// The actor begins a channel and owns it.
    StartChannel {
        name: Sealed,
    },
    /// The actor adds people, or invites them.
    AddMembers {
        accounts: Vec<AccountId>,
        asked: Asked,
    },
    /// The actor leaves, or somebody above them removes them.
    RemoveMember {
        account: AccountId,
    },
    Change {
        name: Option<Sealed>,
        changes: Vec<Change>,
        permissions: Option<PermissionsChange>,
    },
    Announce {
        text: Option<Sealed>,
    },
    /// All of it or nothing.
    ChangeMember {
        account: AccountId,
        change: MemberChange,
    },
    Ban {
        account: AccountId,
    },
    Unban {
        account: AccountId,
    },
    /// The actor comes, or asks to.
    Join {
        link: Option<Uuid>,
        message: Option<Sealed>,
        members_max: usize,
    },
    Approve {
        account: AccountId,
        members_max: usize,
    },
    /// Also by who asked.
    Decline {
        account: AccountId,
    },
    /// Also by who is invited.
    Uninvite {
        account: AccountId,
    },
    MakeLink {
        link_id: Uuid,
        /// What a person shows to come by it.
        secret: Sealed,
        expires_at: Option<Timestamp>,
        uses: Option<u32>,
    },
    RevokeLink {
        link_id: Uuid,
    },
    /// It can be read for a while still.
    Dissolve {
        kept_for: Duration,
    },
    /// Natter itself, when that while is over.
    End,
    /// The actor of the context sends.
    Send {
        message_id: MessageId,
        body: Sealed,
        body_kind: BodyKind,
        size: u32,
        details: Box<Details>,
        /// What it refers to and cannot. It rides in the command as [`Asked`] does.
        missing: Missing,
        /// What was known of the sender just before. It rides in the command as [`Asked`] does:
        /// what was sent before they were muted is answered again.
        muted: Option<Mute>,
        /// The one to whom it is sent, where they are gone. It rides in the command likewise.
        gone: Option<AccountId>,
    },
    /// Natter itself: the reader has read up to there at that moment.
    BeginCountdowns {
        reader: AccountId,
        seq: u64,
        read_at: Timestamp,
    },
}

/// Of what a message refers to: why it cannot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Missing {
    /// What it answers.
    pub answered: Option<Unanswerable>,
    /// The message that its thread begins with.
    pub root: Option<Unanswerable>,
}

/// Why there is nothing to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Unanswerable {
    NotThere,
    Recalled { seq: u64 },
}

/// What is to be so of a member.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct MemberChange {
    /// And where it is looked for.
    pub nickname: account::Change<(Sealed, Option<Bucket>)>,
    pub muted_until: account::Change<Timestamp>,
    /// With [`Role::Owner`] the actor hands the group over.
    pub role: Option<Role>,
}

/// What those who are added are to whoever adds them, as was asked of their lanes just before. It rides in the command so that
/// a repeat, which is not decided, is not refused for what has changed since. Who was not asked about does not come:
/// what was looked at before may have changed by the decision.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    /// Those who join at once; the others are invited.
    pub coming: BTreeSet<AccountId>,
    /// Those who are not to know that they are invited: there is a block between the two.
    pub untold: BTreeSet<AccountId>,
    /// Those who are asked first, and know it.
    pub invited: BTreeSet<AccountId>,
    /// Those of whom there is no account, or none any more.
    pub unknown: BTreeSet<AccountId>,
    /// People that may be in at one time.
    pub members_max: usize,
}

impl Asked {
    pub(super) fn comes(&self, account: AccountId) -> bool {
        self.coming.contains(&account)
    }

    /// Refused where one is nobody, or was not asked about: who was in a moment ago, say.
    pub(super) fn know(&self, accounts: &[AccountId]) -> Result<(), Refusal> {
        if let Some(&account) = accounts.iter().find(|it| self.unknown.contains(it)) {
            return Err(Refusal::UnknownAccount { account });
        }
        let known = |it: &AccountId| [&self.coming, &self.untold, &self.invited].iter().any(|some| some.contains(it));
        if accounts.iter().all(known) { Ok(()) } else { Err(Refusal::NotAsked) }
    }
}
