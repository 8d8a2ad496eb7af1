//! From events to frames: what is told, and to whom. This is the table of PROTOCOL.md's pushes.

use super::{
    conversation,
    crowd::Part,
    facts::Facts,
    inbox,
    members::{Footing, To},
    message, pending, subscription,
};
use crate::{
    Error,
    friendship::{project::status, query::sealed_for},
    projector::Batch,
};
use bytes::Bytes;
use natter_client::wire::{self, Push};
use natter_domain::{
    AccountId, ConversationId, FriendshipId, KeyId, Noun, RequestId, Sealed, SessionId,
    conversation::Event as Conversation,
    friendship::{Event as Friendship, Outcome},
    inbox::Event as Inbox,
    message::Event as Message,
    pending::Event as Pending,
    session::Event as Session,
    subscription::Event as Subscription,
};
use natter_streams::{Lane, Positions, Record, position::Place, sealing::Opener};
use std::sync::Arc;
use uuid::Uuid;

/// One message on the subject of each of these people, or one for a crowd.
pub(super) struct Frame {
    pub(super) to: To,
    pub(super) content: Content,
}

/// The event of a crowd's frames.
pub(super) struct Origin {
    pub(super) conversation: ConversationId,
    pub(super) lane: Lane,
    pub(super) incarnation: u32,
    pub(super) part: Part,
}

pub(super) enum Content {
    /// A `wire::Push` as JSON.
    Push(Bytes),
    /// Why the session ended.
    SessionEnded(SessionId, &'static str),
}

/// An event that may concern somebody who is online.
pub(super) struct Happening {
    record: Arc<Record>,
    pub(super) what: What,
    /// Of its conversation, where that was known before the batch.
    pub(super) standing: Option<Footing>,
    /// What its group is called then, where that is told. `None` also where only a later name is known.
    pub(super) name: Option<Sealed>,
}

pub(super) enum What {
    Conversation(Conversation),
    Friendship(Friendship),
    Inbox(Inbox),
    Message(Message),
    Pending(Box<Pending>),
    Session(Session),
    Subscription(Subscription),
}

pub(super) fn happenings(batch: Batch<'_>) -> Result<Vec<Happening>, Error> {
    batch.records.iter().filter_map(|record| happening(record).transpose()).collect()
}

fn happening(record: &Arc<Record>) -> Result<Option<Happening>, Error> {
    let what = match record.noun {
        Noun::Conversation => What::Conversation(record.decode()?),
        Noun::Friendship => What::Friendship(record.decode()?),
        Noun::Inbox => What::Inbox(record.decode()?),
        Noun::Message => What::Message(record.decode()?),
        Noun::Pending => What::Pending(Box::new(record.decode()?)),
        Noun::Session => What::Session(record.decode()?),
        Noun::Subscription => What::Subscription(record.decode()?),
        // Nobody is told of registrations, nor of what operators ask for.
        Noun::Account | Noun::Handle | Noun::Projection => return Ok(None),
    };
    Ok(Some(Happening { record: record.clone(), what, standing: None, name: None }))
}

impl Happening {
    pub(super) fn conversation(&self) -> ConversationId {
        ConversationId(self.record.aggregate_id)
    }

    pub(super) fn position(&self) -> u64 {
        self.record.position
    }

    /// Where its frames come from, for a crowd.
    pub(super) fn origin(&self, facts: &Facts) -> Option<Origin> {
        let (conversation, change) = match &self.what {
            What::Conversation(event) => (self.conversation(), conversation::change(event)),
            What::Message(event) => (event.message().conversation_id, None),
            What::Subscription(event) => (event.channel(), Some(subscription::change(event))),
            What::Friendship(_) | What::Inbox(_) | What::Pending(_) | What::Session(_) => return None,
        };
        let known = facts.known(conversation).ok().filter(|known| known.is_crowd())?;
        let change = match &self.what {
            What::Conversation(event) if known.is_channel() => subscription::put_out(event),
            _ => change,
        };
        let since = self.standing.unwrap_or_else(|| known.standing()).since;
        let part = Part { position: self.position(), since, change, audiences: Vec::new() };
        let Place { incarnation, .. } = Place::new(self.position(), self.record.incarnation);
        Some(Origin { conversation, lane: self.record.lane, incarnation, part })
    }

    /// What its frames are opened with.
    pub(super) fn keys(&self, facts: &Facts) -> Vec<(Uuid, KeyId)> {
        match &self.what {
            What::Conversation(event) => conversation::keys(&self.record, event, self.name.as_ref(), facts),
            What::Message(Message::Edited { message: place, body, .. }) => {
                vec![(crate::message::sealed_for(body.key, place.conversation_id, place.sender), body.key)]
            }
            What::Friendship(Friendship::Requested { from, message: Some(sealed), .. }) => {
                vec![(sealed_for(sealed.key, FriendshipId(self.record.aggregate_id), *from), sealed.key)]
            }
            What::Inbox(event) => inbox::keys(&self.record, event),
            What::Pending(event) => pending::keys(event),
            What::Subscription(event) => subscription::keys(event, facts),
            What::Friendship(_) | What::Message(_) | What::Session(_) => Vec::new(),
        }
    }

    pub(super) fn frames(self, facts: &Facts, opener: &Opener) -> Result<Vec<Frame>, Error> {
        let record = &*self.record;
        match self.what {
            What::Conversation(event) => {
                conversation::frames(record, event, (self.standing, self.name.as_ref()), facts, opener)
            }
            What::Friendship(event) => of_friendship(record, event, facts, opener),
            What::Inbox(event) => inbox::frames(record, &event, opener),
            What::Message(event) => Ok(vec![message::frame(record, event, facts, opener)?]),
            What::Pending(event) => pending::frames(record, &event, opener),
            What::Session(event) => Ok(session_ended(record, &event).into_iter().collect()),
            What::Subscription(event) => subscription::frames(record, &event, self.standing, facts, opener),
        }
    }
}

/// What people do about each other. Of blocks, and of what is ignored or noted, nobody is told.
fn of_friendship(record: &Record, event: Friendship, facts: &Facts, opener: &Opener) -> Result<Vec<Frame>, Error> {
    let position = position(record);
    let frame = match event {
        Friendship::Requested { request_id, from, to, message, at, expires_at, source } => {
            let request = wire::FriendRequest {
                id: request_id.0,
                from: from.0,
                to: to.0,
                message: message.and_then(|sealed| {
                    let owner = sealed_for(sealed.key, FriendshipId(record.aggregate_id), from);
                    opener.open_text(owner, &sealed)
                }),
                source: source.map(|source| source.as_str().to_owned()),
                status: "pending".to_owned(),
                created_at: at.to_string(),
                expires_at: expires_at.to_string(),
                conversation_id: None,
            };
            push(vec![from, to], &Push::FriendRequested { request, by: from.0, position })
        }
        Friendship::Accepted { request_id, from, to, conversation_id, .. } => {
            let (request, _) = ended(facts, request_id, Outcome::Accepted, Some(conversation_id))?;
            push(vec![from, to], &Push::FriendAccepted { request, by: to.0, position })
        }
        Friendship::Rejected { request_id, from, to } => {
            let (request, _) = ended(facts, request_id, Outcome::Rejected, None)?;
            push(vec![from, to], &Push::FriendRejected { request, by: to.0, position })
        }
        Friendship::Cancelled { request_id, from, to } => {
            let (request, ignored) = ended(facts, request_id, Outcome::Cancelled, None)?;
            push(seeing(from, to, ignored), &Push::FriendCancelled { request, by: from.0, position })
        }
        Friendship::Expired { request_id, from, to } => {
            let (request, ignored) = ended(facts, request_id, Outcome::Expired, None)?;
            push(seeing(from, to, ignored), &Push::FriendExpired { request, by: from.0, position })
        }
        Friendship::Removed { by, other, .. } => {
            let mut account_ids = vec![by.0, other.0];
            account_ids.sort_unstable();
            push(vec![by, other], &Push::FriendRemoved { account_ids, by: by.0, position })
        }
        Friendship::Ignored { .. }
        | Friendship::Blocked { .. }
        | Friendship::Unblocked { .. }
        | Friendship::Opened { .. }
        | Friendship::FriendChanged { .. } => return Ok(Vec::new()),
    };
    Ok(vec![frame?])
}

/// Who hears of the end of a request: not who ignored it.
fn seeing(from: AccountId, to: AccountId, ignored: bool) -> Vec<AccountId> {
    if ignored { vec![from] } else { vec![from, to] }
}

/// What was asked comes from relations, how it ended from the event. And whether its receiver ignored it.
fn ended(
    facts: &Facts,
    request: RequestId,
    outcome: Outcome,
    conversation: Option<ConversationId>,
) -> Result<(wire::FriendRequest, bool), Error> {
    let asked = facts.request(request)?;
    let request = wire::FriendRequest {
        status: status(outcome).to_owned(),
        conversation_id: conversation.map(|id| id.0),
        ..asked.request
    };
    Ok((request, asked.ignored))
}

fn session_ended(record: &Record, event: &Session) -> Option<Frame> {
    let Session::Revoked { account_id, reason } = event else { return None };
    let content = Content::SessionEnded(SessionId(record.aggregate_id), reason.as_str());
    Some(Frame { to: vec![*account_id].into(), content })
}

pub(super) fn push(to: impl Into<To>, push: &Push) -> Result<Frame, Error> {
    let json = serde_json::to_vec(push).map_err(Error::Frame)?;
    Ok(Frame { to: to.into(), content: Content::Push(json.into()) })
}

pub(super) fn position(record: &Record) -> String {
    Positions::one(record.lane, record.position, record.incarnation).to_string()
}
