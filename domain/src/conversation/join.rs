//! How people come by themselves: invitations, links, asking, an open door (CNV-13).

use super::{Asked, Event, JoinPolicy, Kind, Power, Refusal, Role, State, Way, decide::group_member, group::joined};
use crate::{AccountId, Context, Sealed, Timestamp, limit, serial};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who may come, and who may not. Maps that share their parts: a group may have many at its door.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Doors {
    #[serde(with = "serial::sorted")]
    pub invited: imbl::HashMap<AccountId, Invitation>,
    /// Who asks to come, and until when that can be answered.
    #[serde(with = "serial::sorted")]
    pub asking: imbl::HashMap<AccountId, Timestamp>,
    /// Whose request was declined, or withdrawn, while it could still have been answered: who does it again is not refused.
    #[serde(with = "serial::sorted")]
    pub declined: imbl::HashMap<AccountId, Declined>,
    #[serde(with = "serial::sorted")]
    pub links: imbl::HashMap<Uuid, Link>,
    #[serde(with = "serial::sorted")]
    pub banned: imbl::HashMap<AccountId, ()>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invitation {
    pub by: AccountId,
    pub expires_at: Timestamp,
    /// Whether they know of it. Who has blocked whoever invites them does not.
    pub is_told: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Declined {
    pub by: AccountId,
    /// The end of the request's time: nobody asks after that.
    pub until: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    pub by: AccountId,
    /// `None`: it does not.
    pub expires_at: Option<Timestamp>,
    /// People that may still come by it; `None`: any number.
    pub left: Option<u32>,
}

impl Link {
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at) && self.left != Some(0)
    }
}

impl Doors {
    pub(super) fn is_invited(&self, account: AccountId) -> bool {
        self.invited.contains_key(&account)
    }

    /// Whether another invitation would say nothing new. One that they do not know of stands in the way of none that they
    /// are to know of.
    pub(super) fn is_invited_already(&self, account: AccountId, is_told: bool, now: Timestamp) -> bool {
        self.invited.get(&account).is_some_and(|it| now < it.expires_at && (it.is_told || !is_told))
    }

    pub(super) fn has_asked(&self, account: AccountId, now: Timestamp) -> bool {
        self.asking.get(&account).is_some_and(|expires_at| now < *expires_at)
    }

    fn was_declined(&self, account: AccountId, by: AccountId, now: Timestamp) -> bool {
        self.declined.get(&account).is_some_and(|it| it.by == by && now < it.until)
    }

    pub(super) fn ask(&mut self, account: AccountId, at: Timestamp, expires_at: Timestamp) {
        self.asking.retain(|_, expires_at| at < *expires_at);
        self.declined.retain(|who, it| *who != account && at < it.until);
        self.asking.insert(account, expires_at);
    }

    pub(super) fn decline(&mut self, account: AccountId, by: AccountId) {
        if let Some(until) = self.asking.remove(&account) {
            self.declined.insert(account, Declined { by, until });
        }
    }

    /// They are out for good: nobody comes by what they made either.
    pub(super) fn ban(&mut self, account: AccountId) {
        self.forget(account);
        self.invited.retain(|_, it| it.by != account);
        self.links.retain(|_, it| it.by != account);
        self.banned.insert(account, ());
    }

    /// They are in, or out for good: nothing of them waits here any more.
    pub(super) fn forget(&mut self, account: AccountId) {
        self.invited.remove(&account);
        self.asking.remove(&account);
        self.declined.remove(&account);
    }
}

pub(super) fn may_invite(state: &State, by: AccountId) -> Result<(), Refusal> {
    let is_closed = state.card.join_policy == JoinPolicy::Closed;
    if !state.may(by, Power::Invite) || is_closed && !state.is_admin(by) {
        return Err(Refusal::NotAllowed);
    }
    Ok(())
}

pub(super) fn has_room(state: &State, coming: usize, members_max: usize) -> Result<(), Refusal> {
    if coming > 0 && state.members.len() + coming > members_max { Err(Refusal::GroupFull) } else { Ok(()) }
}

/// Of those who have to be asked; `joined` come at once.
pub(super) fn invitation(
    context: &Context,
    account_ids: Vec<AccountId>,
    joined: &[AccountId],
    asked: &Asked,
    by: AccountId,
) -> Option<Event> {
    let untold = account_ids.iter().copied().filter(|it| asked.untold.contains(it)).collect();
    let (joined, at, expires_at) = (joined.to_vec(), context.now, context.now + limit::INVITATION_EXPIRY);
    (!account_ids.is_empty()).then_some(Event::MembersInvited { account_ids, untold, joined, by, at, expires_at })
}

/// The actor wants in. `link`: one that they have.
pub(super) fn join(
    state: &State,
    context: &Context,
    link: Option<Uuid>,
    message: Option<&Sealed>,
    members_max: usize,
) -> Result<Vec<Event>, Refusal> {
    let actor = context.actor.ok_or(Refusal::NotFound)?;
    has_a_door(state, actor)?;
    if state.members.contains_key(&actor) {
        return Ok(vec![]);
    }
    if state.members.is_empty() {
        return Err(Refusal::NotFound);
    }
    let entrance = entrance(state, context, actor, link)?;
    if state.doors.banned.contains_key(&actor) {
        return Err(Refusal::Banned);
    }
    if state.is_dissolved() {
        return Err(Refusal::Closed);
    }
    let way = match entrance {
        Entrance::Comes(way) => way,
        Entrance::Asks => return ask(state, context, actor, message),
    };
    has_room(state, 1, members_max)?;
    Ok(vec![joined(state, vec![actor], actor, way)])
}

/// Only a group has one.
fn has_a_door(state: &State, actor: AccountId) -> Result<(), Refusal> {
    match state.kind {
        Some(Kind::Group) => Ok(()),
        _ if state.knows(actor) => Err(Refusal::NotAGroup),
        _ => Err(Refusal::NotFound),
    }
}

enum Entrance {
    Comes(Way),
    Asks,
}

/// To whom none of it is open, the group does not exist; who has left learns that they are out.
fn entrance(state: &State, context: &Context, actor: AccountId, link: Option<Uuid>) -> Result<Entrance, Refusal> {
    let is_closed = state.card.join_policy == JoinPolicy::Closed;
    // Into a closed group only admins bring people.
    let counts = |it: &&Invitation| it.is_told && (!is_closed || state.is_admin(it.by));
    let invitation = state.doors.invited.get(&actor).filter(counts);
    if invitation.is_some_and(|it| context.now < it.expires_at) {
        return Ok(Entrance::Comes(Way::Invited));
    }
    if let Some(id) = link {
        let link = state.doors.links.get(&id).filter(|_| !is_closed);
        return match link {
            Some(link) if link.is_good(context.now) => Ok(Entrance::Comes(Way::Link(id))),
            _ => Err(Refusal::Gone),
        };
    }
    match state.card.join_policy {
        JoinPolicy::Open => Ok(Entrance::Comes(Way::Open)),
        JoinPolicy::Approval => Ok(Entrance::Asks),
        JoinPolicy::Invitation | JoinPolicy::Closed if invitation.is_some() => Err(Refusal::RequestClosed),
        JoinPolicy::Invitation | JoinPolicy::Closed if state.is_former(actor) => Err(Refusal::NotAMember),
        JoinPolicy::Invitation | JoinPolicy::Closed => Err(Refusal::NotFound),
    }
}

fn ask(
    state: &State,
    context: &Context,
    account_id: AccountId,
    message: Option<&Sealed>,
) -> Result<Vec<Event>, Refusal> {
    if state.doors.has_asked(account_id, context.now) {
        return Ok(vec![]);
    }
    if state.doors.asking.values().filter(|expires_at| context.now < **expires_at).count() >= limit::ASKING_MAX {
        return Err(Refusal::TooManyAsking);
    }
    let expires_at = context.now + limit::INVITATION_EXPIRY;
    Ok(vec![Event::JoinRequested { account_id, message: message.cloned(), at: context.now, expires_at }])
}

/// An admin lets in who asked.
pub(super) fn approve(
    state: &State,
    context: &Context,
    account: AccountId,
    members_max: usize,
) -> Result<Vec<Event>, Refusal> {
    let by = group_member(state, context)?;
    if !state.is_admin(by) {
        return Err(Refusal::NotAllowed);
    }
    if state.members.contains_key(&account) {
        return Ok(vec![]);
    }
    waits(state, context, account)?;
    has_room(state, 1, members_max)?;
    Ok(vec![joined(state, vec![account], by, Way::Asked)])
}

/// An admin does not let them in, or they think better of it. Whoever did it does it again in silence.
pub(super) fn decline(state: &State, context: &Context, account_id: AccountId) -> Result<Vec<Event>, Refusal> {
    let by = context.actor.ok_or(Refusal::NotFound)?;
    has_a_door(state, by)?;
    if by != account_id && !state.is_admin(group_member(state, context)?) {
        return Err(Refusal::NotAllowed);
    }
    if state.doors.was_declined(account_id, by, context.now) {
        return Ok(vec![]);
    }
    if by == account_id && !state.doors.asking.contains_key(&account_id) {
        return Err(if state.knows(by) { Refusal::RequestClosed } else { Refusal::NotFound });
    }
    waits(state, context, account_id)?;
    Ok(vec![Event::JoinDeclined { account_id, by }])
}

fn waits(state: &State, context: &Context, account: AccountId) -> Result<(), Refusal> {
    if state.doors.has_asked(account, context.now) { Ok(()) } else { Err(Refusal::RequestClosed) }
}

/// Who is invited does not come, or whoever invited them, or an admin, takes it back.
pub(super) fn uninvite(state: &State, context: &Context, account_id: AccountId) -> Result<Vec<Event>, Refusal> {
    let by = context.actor.ok_or(Refusal::NotFound)?;
    has_a_door(state, by)?;
    let invitation = state.doors.invited.get(&account_id).filter(|it| by != account_id || it.is_told);
    if by != account_id {
        group_member(state, context)?;
        // Whom others have invited, and that nobody has, is for admins to know.
        let is_their_own = invitation.is_some_and(|it| it.by == by);
        if !is_their_own && !state.is_admin(by) {
            return Err(Refusal::NotAllowed);
        }
    }
    match invitation {
        Some(it) => Ok(vec![Event::InvitationEnded { account_id, by, is_told: it.is_told }]),
        None if by == account_id && !state.knows(by) => Err(Refusal::NotFound),
        None => Ok(vec![]),
    }
}

/// Whoever may invite makes a way for people they need not name.
pub(super) fn make_link(
    state: &State,
    context: &Context,
    link_id: Uuid,
    secret: &Sealed,
    expires_at: Option<Timestamp>,
    uses: Option<u32>,
) -> Result<Vec<Event>, Refusal> {
    let by = group_member(state, context)?;
    if state.doors.links.contains_key(&link_id) {
        return Ok(vec![]);
    }
    may_invite(state, by)?;
    if expires_at.is_some_and(|expires_at| expires_at <= context.now) {
        return Err(Refusal::Past);
    }
    if state.doors.links.values().filter(|link| link.is_good(context.now)).count() >= limit::LINKS_MAX {
        return Err(Refusal::TooManyLinks);
    }
    Ok(vec![Event::LinkMade { link_id, secret: secret.clone(), by, at: context.now, expires_at, uses }])
}

/// Whoever made it, or an admin.
pub(super) fn revoke_link(state: &State, context: &Context, link_id: Uuid) -> Result<Vec<Event>, Refusal> {
    let by = group_member(state, context)?;
    let Some(link) = state.doors.links.get(&link_id) else { return Ok(vec![]) };
    if link.by != by && state.role(by) < Some(Role::Admin) {
        return Err(Refusal::NotAllowed);
    }
    Ok(vec![Event::LinkRevoked { link_id, by }])
}
