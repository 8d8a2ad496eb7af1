//! Who begins a group, who is added, who goes, and who is what (CNV-4 to CNV-6, CNV-12).

use super::{
    Asked, Bucket, Event, Kind, MemberChange, Refusal, Role, State, Way, curb,
    decide::{group_member, hall_member, of_group, of_hall},
    join, next_seq,
};
use crate::{AccountId, Context, Sealed, account::Change, limit};
use std::{collections::BTreeSet, time::Duration};

/// CNV-4, CNV-5.
pub(super) fn start(
    state: &State,
    context: &Context,
    name: &Sealed,
    members: &[AccountId],
    asked: &Asked,
) -> Result<Vec<Event>, Refusal> {
    let owner = context.actor.ok_or(Refusal::NotFound)?;
    if state.kind.is_some() {
        let same = state.kind == Some(Kind::Group)
            && state.card.owner == Some(owner)
            && state.card.name.as_ref() == Some(name)
            && distinct(members)
                .filter(|it| *it != owner)
                .all(|it| state.members.contains_key(&it) || state.doors.is_invited(it));
        return if same { Ok(vec![]) } else { Err(Refusal::StartedOtherwise) };
    }
    let others: Vec<AccountId> = distinct(members).filter(|it| *it != owner).collect();
    asked.know(&others)?;
    let (coming, invited): (Vec<_>, Vec<_>) = others.into_iter().partition(|it| asked.comes(*it));
    if coming.len() + 1 > asked.members_max {
        return Err(Refusal::GroupFull);
    }
    let invitation = join::invitation(context, invited, &coming, asked, owner);
    let members = std::iter::once(owner).chain(coming).collect();
    let started = Event::Started { kind: Kind::Group, members, name: Some(name.clone()), owner: Some(owner) };
    Ok(std::iter::once(started).chain(invitation).collect())
}

/// CNV-5. Who has asked to come comes at once.
pub(super) fn add(
    state: &State,
    context: &Context,
    accounts: &[AccountId],
    asked: &Asked,
) -> Result<Vec<Event>, Refusal> {
    let by = group_member(state, context)?;
    let newcomers: Vec<AccountId> = distinct(accounts).filter(|it| !state.members.contains_key(it)).collect();
    if newcomers.is_empty() {
        return Ok(vec![]);
    }
    join::may_invite(state, by)?;
    asked.know(&newcomers)?;
    if newcomers.iter().any(|it| state.doors.banned.contains_key(it)) {
        return Err(Refusal::TheyAreBanned);
    }
    let comes = |it: &AccountId| asked.comes(*it) || state.doors.has_asked(*it, context.now);
    let (coming, others): (Vec<_>, Vec<_>) = newcomers.into_iter().partition(comes);
    let is_new = |it: &AccountId| !state.doors.is_invited_already(*it, !asked.untold.contains(it), context.now);
    let invited: Vec<AccountId> = others.into_iter().filter(|it| is_new(it)).collect();
    join::has_room(state, coming.len(), asked.members_max)?;
    let waiting = state.doors.invited.values().filter(|it| context.now < it.expires_at).count();
    if !invited.is_empty() && waiting + invited.len() > limit::INVITED_MAX {
        return Err(Refusal::TooManyInvited);
    }
    let invitation = join::invitation(context, invited, &coming, asked, by);
    let joined = (!coming.is_empty()).then(|| joined(state, coming, by, Way::Added));
    Ok(invitation.into_iter().chain(joined).collect())
}

/// CNV-5: what each one's stay begins with.
pub(super) fn joined(state: &State, account_ids: Vec<AccountId>, by: AccountId, way: Way) -> Event {
    let begins = match state.card.shares_history {
        true => account_ids.iter().map(|account| state.left_seq(*account)).collect(),
        false => Vec::new(),
    };
    Event::MembersJoined { seq: next_seq(state), account_ids, by, way, begins }
}

/// CNV-6. Who has left already stays gone without a word, whoever asks that may know.
pub(super) fn remove(state: &State, context: &Context, account: AccountId) -> Result<Vec<Event>, Refusal> {
    let actor = context.actor.ok_or(Refusal::NotFound)?;
    if actor == account && state.is_former(actor) {
        return Ok(vec![]);
    }
    let by = of_group(state, context)?;
    if state.is_former(account) {
        return Ok(vec![]);
    }
    if !state.members.contains_key(&account) {
        return Err(Refusal::NobodyOfThisId);
    }
    if account != by && !state.is_above(by, account) {
        return Err(Refusal::NotAllowed);
    }
    if account != by && state.is_dissolved() {
        return Err(Refusal::Closed);
    }
    let is_owner = state.card.owner == Some(account);
    if is_owner && state.members.len() > 1 && !state.is_dissolved() {
        return Err(Refusal::OwnerMustStay);
    }
    Ok(left(state, account, by).into_iter().collect())
}

/// Their stay ends, if they are in.
pub(super) fn left(state: &State, account_id: AccountId, by: AccountId) -> Option<Event> {
    let joined_seq = state.members.get(&account_id)?.joined_seq;
    Some(Event::MemberLeft { seq: next_seq(state), account_id, by, joined_seq })
}

/// All of it or nothing. Each part is judged by what was before: none has a say in another.
pub(super) fn change_member(
    state: &State,
    context: &Context,
    account_id: AccountId,
    change: &MemberChange,
) -> Result<Vec<Event>, Refusal> {
    hall_member(state, context)?;
    if !state.is_in(account_id) {
        return Err(Refusal::NobodyOfThisId);
    }
    let mut events = match &change.nickname {
        Change::Keep => vec![],
        Change::Clear => set_nickname(state, context, account_id, None, None)?,
        Change::Set((nickname, bucket)) => set_nickname(state, context, account_id, Some(nickname), *bucket)?,
    };
    events.extend(match change.muted_until {
        Change::Keep => vec![],
        Change::Clear => curb::mute(state, context, account_id, None)?,
        Change::Set(until) => curb::mute(state, context, account_id, Some(until))?,
    });
    if let Some(role) = change.role {
        events.extend(set_role(state, context, account_id, role)?);
    }
    Ok(events)
}

/// CNV-12.
fn set_role(state: &State, context: &Context, account_id: AccountId, role: Role) -> Result<Vec<Event>, Refusal> {
    let by = hall_member(state, context)?;
    let has = state.role(account_id).ok_or(Refusal::NobodyOfThisId)?;
    if has == role {
        return Ok(vec![]);
    }
    let steps_down = account_id == by && has == Role::Admin && role == Role::Member;
    let is_for_the_owner = state.card.owner == Some(by) && account_id != by;
    if !steps_down && !is_for_the_owner {
        return Err(Refusal::NotAllowed);
    }
    let others = state.card.admins.iter().filter(|admin| **admin != account_id).count();
    if role != Role::Member && others >= limit::ADMINS_MAX {
        return Err(Refusal::TooManyAdmins);
    }
    if role == Role::Owner {
        return Ok(vec![Event::OwnerChanged { seq: next_seq(state), account_id, by }]);
    }
    Ok(vec![Event::RoleChanged { seq: next_seq(state), account_id, role, by }])
}

/// One's own, or that of somebody one is above.
fn set_nickname(
    state: &State,
    context: &Context,
    account_id: AccountId,
    nickname: Option<&Sealed>,
    bucket: Option<Bucket>,
) -> Result<Vec<Event>, Refusal> {
    let by = group_member(state, context)?;
    if !state.members.contains_key(&account_id) {
        return Err(Refusal::NobodyOfThisId);
    }
    if state.nicknames.get(&account_id) == nickname {
        return Ok(vec![]);
    }
    if account_id != by && !state.is_above(by, account_id) {
        return Err(Refusal::NotAllowed);
    }
    let (nickname, last_seq) = (nickname.cloned(), state.last_seq);
    Ok(vec![Event::NicknameChanged { account_id, nickname, bucket, by, last_seq }])
}

/// The owner ends it for all; it can be read for a while (CNV-15).
pub(super) fn dissolve(state: &State, context: &Context, kept_for: Duration) -> Result<Vec<Event>, Refusal> {
    let by = of_hall(state, context)?;
    if state.is_dissolved() {
        return Ok(vec![]);
    }
    if state.card.owner != Some(by) {
        return Err(Refusal::NotAllowed);
    }
    Ok(vec![Event::Dissolved { seq: next_seq(state), by, ends_at: context.now + kept_for }])
}

/// Natter itself, once that while is over.
pub(super) fn end(state: &State, context: &Context) -> Result<Vec<Event>, Refusal> {
    match state.ends_at {
        Some(_) if state.has_ended => Ok(vec![]),
        Some(ends_at) if context.actor.is_none() && context.now < ends_at => Err(Refusal::NotDue),
        Some(_) if context.actor.is_none() => Ok(vec![Event::Ended {}]),
        _ => Err(Refusal::NotFound),
    }
}

/// Each once, at its first place.
pub(super) fn distinct(accounts: &[AccountId]) -> impl Iterator<Item = AccountId> {
    let mut seen = BTreeSet::new();
    accounts.iter().copied().filter(move |account| seen.insert(*account))
}
