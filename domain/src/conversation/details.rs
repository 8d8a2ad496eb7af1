//! What a message has besides its body: what it answers, whom it mentions, how it is to be told. The conversation checks it
//! as it stands when the message gets its number.

use super::{Kind, Power, Refusal, Role, State, Unanswerable};
use crate::{AccountId, MessageId, Sealed};
use serde::{Deserialize, Serialize};
use std::ops::Not;

/// Of a plain message nothing is written down.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Quote>,
    #[serde(skip_serializing_if = "Mentions::is_nobody")]
    pub mentions: Mentions,
    /// Its devices make no noise of it.
    #[serde(skip_serializing_if = "Not::not")]
    pub silent: bool,
    /// It says what was said elsewhere.
    #[serde(skip_serializing_if = "Not::not")]
    pub forwarded: bool,
    /// Beside the sealed part, for who looks for messages with links.
    #[serde(skip_serializing_if = "Not::not")]
    pub has_link: bool,
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

/// CNV-21, CNV-22.
pub(super) fn checked(
    state: &State,
    sender: AccountId,
    details: &Details,
    unanswerable: Option<Unanswerable>,
) -> Result<Details, Refusal> {
    match unanswerable {
        None => {}
        Some(Unanswerable::NotThere) => return Err(Refusal::NothingToAnswer),
        Some(Unanswerable::Recalled) => return Err(Refusal::AnswersRecalled),
    }
    if details.is_plain() {
        return Ok(Details::default());
    }
    if details.reply_to.as_ref().is_some_and(|quote| !state.sees(sender, quote.seq)) {
        return Err(Refusal::NothingToAnswer);
    }
    let mentions = mentioned(state, sender, &details.mentions)?;
    Ok(Details { mentions, ..details.clone() })
}

fn mentioned(state: &State, sender: AccountId, mentions: &Mentions) -> Result<Mentions, Refusal> {
    if let Some(&account) = mentions.accounts.iter().find(|account| !state.is_in(**account)) {
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
