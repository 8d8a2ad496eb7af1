//! Timers: what is to be done when a moment has come. A durable row each, through restarts and with many nodes.
//!
//! The timers of a lane are a projection of the lane's events: a noun says which events begin one and which end it, and
//! rows and checkpoint move in one transaction. When a timer is due its command is given, under a key derived from the
//! timer's id, so that however often and from however many nodes it is given it is done once. The row goes when the
//! command was answered, accepted or refused. Whether it is really due is decided by the target, whose clock may be
//! behind ours: it then says *not now*, and is asked again.
//!
//! To add one: a variant of [`Due`], and the noun's `timer::change`, called in [`change`].

mod run;
mod table;

pub(crate) use run::run;

use crate::{
    account as accounts, conversation as conversations, friendship as friendships, message as messages,
    pending as pendings,
    process::{self, Order},
};
use natter_domain::{
    AccountId, ConversationId, FriendshipId, HandleId, Noun, RequestId, Timestamp,
    account::{self, Account},
    conversation::{self, Conversation},
    friendship::{self, Friendship},
    id::derived,
    message::{self, Message},
    pending::{self, Pending, Place},
};
use natter_streams::Record;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name in checkpoints, keys and metrics.
pub(crate) const NAME: &str = "timer";

/// What is to be done; stored as it is here.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Due {
    ExpireRegistration { account: AccountId },
    ExpireContactChange { account: AccountId, handle: HandleId },
    CloseAccount { account: AccountId, closes_at: Timestamp },
    ExpireIdentityLink { account: AccountId, handle: HandleId },
    EndConversation { conversation: ConversationId },
    ExpireRequest { friendship: FriendshipId, request: RequestId },
    ReleasePending { message: Place, send_at: Timestamp },
    ExpireMessage { message: message::Place, expires_at: Timestamp },
}

/// Of one kind there is one timer about one thing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Subject {
    pub kind: &'static str,
    pub id: Uuid,
}

impl Due {
    pub fn subject(&self) -> Subject {
        match self {
            Self::ExpireRegistration { account } => Subject { kind: "account.expire_registration", id: account.0 },
            // One at a time.
            Self::ExpireContactChange { account, .. } => {
                Subject { kind: "account.expire_contact_change", id: account.0 }
            }
            Self::CloseAccount { account, .. } => Subject { kind: "account.close", id: account.0 },
            // One at a time.
            Self::ExpireIdentityLink { account, .. } => Subject { kind: "account.expire_identity_link", id: account.0 },
            Self::EndConversation { conversation } => Subject { kind: "conversation.end", id: conversation.0 },
            Self::ExpireRequest { request, .. } => Subject { kind: "friendship.expire_request", id: request.0 },
            Self::ReleasePending { message, .. } => Subject { kind: "pending.release", id: message.id() },
            Self::ExpireMessage { message, .. } => {
                messages::timer::subject(message::id(message.conversation_id, message.message_id))
            }
        }
    }

    fn order(&self, timer: Uuid) -> Order {
        let key = process::key(NAME, timer, 0);
        match self {
            Self::ExpireRegistration { account } => {
                Order::new::<Account>(account::address(*account), key, account::Command::ExpireRegistration)
            }
            Self::ExpireContactChange { account, handle } => {
                let command = account::Command::ExpireContactChange { handle: *handle };
                Order::new::<Account>(account::address(*account), key, command)
            }
            Self::CloseAccount { account, closes_at } => {
                let command = account::Command::Close { closes_at: *closes_at };
                Order::new::<Account>(account::address(*account), key, command)
            }
            Self::ExpireIdentityLink { account, handle } => {
                let command = account::Command::ExpireIdentityLink { handle: *handle };
                Order::new::<Account>(account::address(*account), key, command)
            }
            Self::EndConversation { conversation } => {
                Order::new::<Conversation>(conversation::address(*conversation), key, conversation::Command::End)
            }
            Self::ExpireRequest { friendship, request } => {
                let command = friendship::Command::Expire { request_id: *request };
                Order::new::<Friendship>(friendship::address(*friendship), key, command)
            }
            Self::ReleasePending { message, send_at } => {
                let Place { conversation_id, message_id, author } = *message;
                let command = pending::Command::ReleaseDue { message_id, send_at: *send_at };
                Order::new::<Pending>(pending::address(conversation_id, author), key, command)
            }
            Self::ExpireMessage { message, expires_at } => {
                let address = message::address(message.conversation_id, message.message_id);
                let command = message::Command::Expire { message: *message, expires_at: *expires_at };
                Order::new::<Message>(address, key, command)
            }
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Timer {
    pub id: Uuid,
    pub due: Due,
    pub at: Timestamp,
    /// Of the event that began it.
    pub position: u64,
}

/// What an event does to the timers.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Change {
    /// Instead of one with the same subject.
    Begin(Timer),
    End(Subject),
}

impl Change {
    pub fn begin(event: &Record, due: Due, at: Timestamp) -> Self {
        let kind = due.subject().kind;
        let id = derived("natter timer", &[event.event_id.0.as_bytes(), kind.as_bytes()]);
        Self::Begin(Timer { id, due, at, position: event.position })
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Begin(timer) => timer.due.subject(),
            Self::End(subject) => *subject,
        }
    }
}

fn change(event: &Record) -> Result<Option<Change>, natter_streams::Error> {
    match event.noun {
        Noun::Account => accounts::timer::change(event),
        Noun::Conversation => conversations::timer::change(event),
        Noun::Friendship => friendships::timer::change(event),
        Noun::Pending => pendings::timer::change(event),
        Noun::Message => Ok(messages::timer::change(event)),
        Noun::Handle | Noun::Session | Noun::Inbox | Noun::Subscription | Noun::Projection => Ok(None),
    }
}
