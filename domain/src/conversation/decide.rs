//! What a conversation answers.

use super::{
    Command, Event, Kind, Refusal, State, card, channel, curb, details, direct, group, join, next_seq, own,
    self_destruct,
};
use crate::{AccountId, Context};

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::SetDirect { members, standing } => direct::set(state, *members, standing),
        Command::StartOwn => own::start(state, context),
        Command::StartGroup { name, members, asked } => group::start(state, context, name, members, asked),
        Command::StartChannel { name } => channel::start(state, context, name),
        Command::AddMembers { accounts, asked } => group::add(state, context, accounts, asked),
        Command::RemoveMember { account } => group::remove(state, context, *account),
        Command::Change { name, changes, permissions } => {
            card::change(state, context, name.as_ref(), changes, permissions.as_ref())
        }
        Command::Announce { text } => card::announce(state, context, text.as_ref()),
        Command::ChangeMember { account, change } => group::change_member(state, context, *account, change),
        Command::Ban { account } => curb::ban(state, context, *account),
        Command::Unban { account } => curb::unban(state, context, *account),
        Command::Join { link, message, members_max } => {
            join::join(state, context, *link, message.as_ref(), *members_max)
        }
        Command::Approve { account, members_max } => join::approve(state, context, *account, *members_max),
        Command::Decline { account } => join::decline(state, context, *account),
        Command::Uninvite { account } => join::uninvite(state, context, *account),
        Command::MakeLink { link_id, secret, expires_at, uses } => {
            join::make_link(state, context, *link_id, secret, *expires_at, *uses)
        }
        Command::RevokeLink { link_id } => join::revoke_link(state, context, *link_id),
        Command::Dissolve { kept_for } => group::dissolve(state, context, *kept_for),
        Command::End => group::end(state, context),
        Command::Send { .. } => send(state, context, command),
        Command::BeginCountdowns { reader, seq, read_at } => {
            Ok(self_destruct::begin_countdowns(state, *reader, *seq, *read_at))
        }
    }
}

fn send(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    let Command::Send { message_id, body, body_kind, size, details, missing, muted, gone } = command else {
        return Ok(vec![]);
    };
    let sender = member(state, context)?;
    direct::lets_send(state)?;
    direct::has_somebody(state, context, *gone)?;
    if state.is_dissolved() {
        return Err(Refusal::Closed); // CNV-15
    }
    if let Some(mute) = muted.filter(|mute| mute.holds(context.now)) {
        return Err(Refusal::Muted { until: mute.until }); // CNV-9
    }
    let paused = curb::may_post(state, context, sender)?; // CNV-14
    let details = Box::new(details::checked(state, context, sender, details, *missing)?); // CNV-21 to CNV-24
    let (message_id, body, body_kind, size) = (*message_id, body.clone(), *body_kind, *size);
    let sent = Event::MessageSent { message_id, seq: next_seq(state), sender, body, body_kind, size, details };
    Ok(std::iter::once(sent).chain(paused).collect())
}

/// The actor, if they are in (CNV-2). A conversation that has not begun has no members.
fn member(state: &State, context: &Context) -> Result<AccountId, Refusal> {
    let actor = context.actor.ok_or(Refusal::NotFound)?;
    if state.is_in(actor) {
        return Ok(actor);
    }
    Err(match state.is_former(actor) {
        true => Refusal::NotAMember,
        false if state.is_channel() && state.doors.banned.contains_key(&actor) => Refusal::Banned,
        false => Refusal::NotFound,
    })
}

/// The actor, if they are in a group, be it dissolved.
pub(super) fn of_group(state: &State, context: &Context) -> Result<AccountId, Refusal> {
    let actor = member(state, context)?;
    if state.kind == Some(Kind::Group) { Ok(actor) } else { Err(Refusal::NotAGroup) }
}

/// The actor, if they are in a group that goes on.
pub(super) fn group_member(state: &State, context: &Context) -> Result<AccountId, Refusal> {
    going_on(state, of_group(state, context)?)
}

/// The actor, if they are in what has a card, be it dissolved: a group, or a channel.
pub(super) fn of_hall(state: &State, context: &Context) -> Result<AccountId, Refusal> {
    let actor = member(state, context)?;
    if matches!(state.kind, Some(Kind::Group | Kind::Channel)) { Ok(actor) } else { Err(Refusal::NotAGroup) }
}

/// The same of one that goes on.
pub(super) fn hall_member(state: &State, context: &Context) -> Result<AccountId, Refusal> {
    going_on(state, of_hall(state, context)?)
}

fn going_on(state: &State, actor: AccountId) -> Result<AccountId, Refusal> {
    if state.is_dissolved() { Err(Refusal::Closed) } else { Ok(actor) }
}
