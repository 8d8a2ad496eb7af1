//! What a conversation answers.

use super::{BodyKind, Command, Event, Kind, State};
use crate::{AccountId, Code, Context, MessageId, Sealed, Timestamp, limit};
use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such conversation")]
    NotFound,
    #[error("you are not in this conversation any more")]
    NotAMember,
    #[error("a direct conversation has two members")]
    WithOneself,
    #[error("the conversation was started with other members")]
    StartedOtherwise,
    #[error("only a group has members who come and go, and a name")]
    NotAGroup,
    #[error("only friends can be added")]
    NotFriends,
    #[error("a group has at most 500 members")]
    GroupFull,
    #[error("only the owner removes others")]
    NotTheOwner,
    #[error("the owner stays while others are in")]
    OwnerMustStay,
    #[error("nobody of this id is or was in the conversation")]
    NobodyOfThisId,
    #[error("you are muted")]
    Muted { until: Option<Timestamp> },
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound | Self::NobodyOfThisId => Code::NotFound,
            Self::NotAMember => Code::NotAMember,
            Self::WithOneself => Code::SelfNotAllowed,
            Self::StartedOtherwise => Code::Conflict,
            Self::NotAGroup => Code::Forbidden,
            Self::NotFriends => Code::NotFriends,
            Self::GroupFull => Code::GroupFull,
            Self::NotTheOwner => Code::NotAllowed,
            Self::OwnerMustStay => Code::OwnerMustStay,
            Self::Muted { .. } => Code::Muted,
        }
    }

    fn until(&self) -> Option<Timestamp> {
        if let Self::Muted { until } = self { *until } else { None }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::StartDirect { members } => start_direct(state, *members),
        Command::StartGroup { name, members, friends } => start_group(state, context, name, members, friends),
        Command::AddMembers { accounts, friends } => add(state, context, accounts, friends),
        Command::RemoveMember { account } => remove(state, context, *account),
        Command::Rename { name } => rename(state, context, name),
        Command::Send { message_id, body, body_kind, size, muted } => {
            let sender = member(state, context)?;
            if let Some(mute) = muted.filter(|mute| mute.holds(context.now)) {
                return Err(Refusal::Muted { until: mute.until }); // CNV-9
            }
            Ok(vec![sent(state, sender, *message_id, body.clone(), *body_kind, *size)])
        }
    }
}

/// CNV-1.
fn start_direct(state: &State, members: [AccountId; 2]) -> Result<Vec<Event>, Refusal> {
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

/// CNV-4, CNV-5.
fn start_group(
    state: &State,
    context: &Context,
    name: &Sealed,
    members: &[AccountId],
    friends: &[AccountId],
) -> Result<Vec<Event>, Refusal> {
    let owner = context.actor.ok_or(Refusal::NotFound)?;
    let members: Vec<AccountId> = distinct(std::iter::once(&owner).chain(members)).collect();
    if state.kind.is_some() {
        let same = state.kind == Some(Kind::Group)
            && state.card.owner == Some(owner)
            && state.card.name.as_ref() == Some(name)
            && members.len() == state.members.len()
            && members.iter().all(|it| state.members.contains_key(it));
        return if same { Ok(vec![]) } else { Err(Refusal::StartedOtherwise) };
    }
    may_come(0, &members, friends, owner)?;
    Ok(vec![Event::Started { kind: Kind::Group, members, name: Some(name.clone()), owner: Some(owner) }])
}

/// CNV-5.
fn add(state: &State, context: &Context, accounts: &[AccountId], friends: &[AccountId]) -> Result<Vec<Event>, Refusal> {
    let by = group_member(state, context)?;
    let newcomers: Vec<AccountId> = distinct(accounts).filter(|it| !state.members.contains_key(it)).collect();
    if newcomers.is_empty() {
        return Ok(vec![]);
    }
    may_come(state.members.len(), &newcomers, friends, by)?;
    Ok(vec![Event::MembersJoined { seq: next_seq(state), account_ids: newcomers, by }])
}

/// All of them or none.
fn may_come(present: usize, newcomers: &[AccountId], friends: &[AccountId], by: AccountId) -> Result<(), Refusal> {
    let friends: BTreeSet<&AccountId> = friends.iter().collect();
    if newcomers.iter().any(|it| *it != by && !friends.contains(it)) {
        return Err(Refusal::NotFriends);
    }
    if present + newcomers.len() > limit::GROUP_MEMBERS_MAX {
        return Err(Refusal::GroupFull);
    }
    Ok(())
}

/// CNV-6. Who has left already stays gone without a word, whoever asks that may know.
fn remove(state: &State, context: &Context, account: AccountId) -> Result<Vec<Event>, Refusal> {
    let actor = context.actor.ok_or(Refusal::NotFound)?;
    if actor == account && state.is_former(actor) {
        return Ok(vec![]);
    }
    let by = group_member(state, context)?;
    if state.is_former(account) {
        return Ok(vec![]);
    }
    let membership = state.members.get(&account).ok_or(Refusal::NobodyOfThisId)?;
    let is_owner = state.card.owner == Some(by);
    if account != by && !is_owner {
        return Err(Refusal::NotTheOwner);
    }
    if account == by && is_owner && state.members.len() > 1 {
        return Err(Refusal::OwnerMustStay);
    }
    let joined_seq = membership.joined_seq;
    Ok(vec![Event::MemberLeft { seq: next_seq(state), account_id: account, by, joined_seq }])
}

/// CNV-7.
fn rename(state: &State, context: &Context, name: &Sealed) -> Result<Vec<Event>, Refusal> {
    let by = group_member(state, context)?;
    if state.card.name.as_ref() == Some(name) {
        return Ok(vec![]);
    }
    Ok(vec![Event::Renamed { name: name.clone(), by, last_seq: state.last_seq }])
}

/// The actor, if they are in (CNV-2). A conversation that has not begun has no members.
fn member(state: &State, context: &Context) -> Result<AccountId, Refusal> {
    let actor = context.actor.ok_or(Refusal::NotFound)?;
    if state.members.contains_key(&actor) {
        return Ok(actor);
    }
    Err(if state.is_former(actor) { Refusal::NotAMember } else { Refusal::NotFound })
}

fn group_member(state: &State, context: &Context) -> Result<AccountId, Refusal> {
    let actor = member(state, context)?;
    if state.kind == Some(Kind::Group) { Ok(actor) } else { Err(Refusal::NotAGroup) }
}

/// Each once, at its first place.
fn distinct<'a>(accounts: impl IntoIterator<Item = &'a AccountId>) -> impl Iterator<Item = AccountId> {
    let mut seen = BTreeSet::new();
    accounts.into_iter().copied().filter(move |account| seen.insert(*account))
}

/// CNV-3.
fn next_seq(state: &State) -> u64 {
    state.last_seq.saturating_add(1)
}

fn sent(
    state: &State,
    sender: AccountId,
    message_id: MessageId,
    body: Sealed,
    body_kind: BodyKind,
    size: u32,
) -> Event {
    Event::MessageSent { message_id, seq: next_seq(state), sender, body, body_kind, size }
}
