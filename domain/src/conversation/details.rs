//! What a message has besides its body: what it answers, whom it mentions, how it is to be told. The conversation checks it
//! as it stands when the message gets its number.

use super::{Kind, Missing, Power, Refusal, Role, SelfDestruct, State, Unanswerable, self_destruct};
use crate::{AccountId, Context, MessageId, Sealed};
use serde::{Deserialize, Serialize};
use std::ops::Not;
use uuid::Uuid;

/// Of a plain message nothing is written down.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Quote>,
    #[serde(skip_serializing_if = "Mentions::is_nobody")]
    pub mentions: Mentions,
    /// The message under which it is a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<Root>,
    /// Its devices make no noise of it.
    #[serde(skip_serializing_if = "Not::not")]
    pub silent: bool,
    /// It says what was said elsewhere.
    #[serde(skip_serializing_if = "Not::not")]
    pub forwarded: bool,
    /// Keyed hash of sender and body, where the key of the send has another: there is more than the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Uuid>,
    /// Beside the sealed part, for who looks for messages with links.
    #[serde(skip_serializing_if = "Not::not")]
    pub has_link: bool,
    /// It ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_destruct: Option<SelfDestruct>,
}

/// The message that is answered, of the same conversation, as it stood then.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quote {
    pub message_id: MessageId,
    pub seq: u64,
    pub sender: Option<AccountId>,
    /// The beginning of what it says, sealed like the message that answers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Sealed>,
}

/// The message that a thread begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Root {
    pub message_id: MessageId,
    pub seq: u64,
    pub sender: Option<AccountId>,
}

/// Who is to look at the message.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mentions {
    /// By name, nobody twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountId>,
    /// Everybody.
    #[serde(skip_serializing_if = "Not::not")]
    pub all: bool,
    /// Whoever has one of these. Admins: the owner too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Those who had them then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_role: Vec<AccountId>,
}

impl Details {
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl Mentions {
    pub fn is_nobody(&self) -> bool {
        *self == Self::default()
    }

    /// Those who are mentioned one by one, some perhaps twice.
    pub fn people(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.accounts.iter().chain(&self.by_role).copied()
    }
}

/// CNV-21 to CNV-24.
pub(super) fn checked(
    state: &State,
    context: &Context,
    sender: AccountId,
    details: &Details,
    missing: Missing,
) -> Result<Details, Refusal> {
    is_there(state, sender, missing.answered, Refusal::NothingToAnswer)?;
    is_there(state, sender, missing.root, Refusal::NoThread)?;
    if details.is_plain() {
        return Ok(Details::default());
    }
    if details.reply_to.as_ref().is_some_and(|quote| !state.sees(sender, quote.seq)) {
        return Err(Refusal::NothingToAnswer);
    }
    if details.thread.is_some_and(|root| !state.sees(sender, root.seq)) {
        return Err(Refusal::NoThread); // CNV-23
    }
    let mentions = mentioned(state, sender, &details.mentions)?;
    let self_destruct = self_destruct::checked(state, context, details.self_destruct)?;
    Ok(Details { mentions, self_destruct, ..details.clone() })
}

/// That something was recalled only those learn who see it.
fn is_there(state: &State, sender: AccountId, missing: Option<Unanswerable>, nothing: Refusal) -> Result<(), Refusal> {
    match missing {
        None => Ok(()),
        Some(Unanswerable::Recalled { seq }) if state.sees(sender, seq) => Err(Refusal::AnswersRecalled),
        Some(Unanswerable::Recalled { .. } | Unanswerable::NotThere) => Err(nothing),
    }
}

/// Whether they take part. Of a channel anybody may be named: who is banned from it is for its admins to know.
fn may_be_meant(state: &State, account: AccountId) -> bool {
    !account.0.is_nil() && (state.is_channel() || state.is_in(account))
}

fn mentioned(state: &State, sender: AccountId, mentions: &Mentions) -> Result<Mentions, Refusal> {
    if let Some(&account) = mentions.accounts.iter().find(|account| !may_be_meant(state, **account)) {
        return Err(Refusal::MentionsNobody { account });
    }
    if mentions.all && !state.may(sender, Power::MentionAll) {
        return Err(Refusal::NotAllowed);
    }
    if !mentions.roles.is_empty() && !matches!(state.kind, Some(Kind::Group | Kind::Channel)) {
        return Err(Refusal::NotAGroup);
    }
    Ok(Mentions { by_role: by_role(state, &mentions.roles), ..mentions.clone() })
}

fn by_role(state: &State, roles: &[Role]) -> Vec<AccountId> {
    let owner = state.card.owner.filter(|_| !roles.is_empty());
    let admins = state.card.admins.iter().filter(|_| roles.contains(&Role::Admin)).copied();
    owner.into_iter().chain(admins).collect()
}
