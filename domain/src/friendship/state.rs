//! What we remember of a pair.

use super::Event;
use crate::{AccountId, ConversationId, RequestId, Sealed, Timestamp, conversation::Standing, serial};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub friends: bool,
    /// The pair's direct conversation, once they have been friends or have begun to talk as strangers.
    pub conversation_id: Option<ConversationId>,
    /// How it stands. Who blocks whom is said here and nowhere else, also while there is no conversation.
    pub standing: Standing,
    /// Every request of the pair: an old one must still be known as closed. FRD-3 keeps their number small.
    #[serde(with = "serial::sorted")]
    pub requests: imbl::HashMap<RequestId, Request>,
    /// Each person's last one.
    pub last_requests: BTreeMap<AccountId, RequestId>,
    /// What each has noted of the other, while they are friends.
    pub notes: BTreeMap<AccountId, Note>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    pub from: AccountId,
    pub to: AccountId,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// By its receiver.
    pub ignored: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    Rejected,
    Cancelled,
    Expired,
}

/// What somebody has noted of a friend.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Note {
    pub remark: Option<Sealed>,
    pub folder: Option<Sealed>,
    pub starred: bool,
}

impl Request {
    /// Neither answered nor expired (FRD-4).
    pub fn is_pending(&self, now: Timestamp) -> bool {
        self.outcome.is_none() && now < self.expires_at
    }
}

impl State {
    pub fn last_request(&self, from: AccountId) -> Option<(RequestId, &Request)> {
        let request_id = self.last_requests.get(&from)?;
        Some((*request_id, self.requests.get(request_id)?))
    }

    /// Whether this one of the two blocks the other.
    pub fn blocks(&self, by: AccountId) -> bool {
        self.standing.barred_by.contains(&by)
    }

    /// Whether one of the two blocks the other, whoever it is.
    pub fn is_barred(&self) -> bool {
        !self.standing.barred_by.is_empty()
    }

    /// Whether they are friends or were.
    pub fn have_been_friends(&self) -> bool {
        self.friends || self.requests.values().any(|request| request.outcome == Some(Outcome::Accepted))
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        if let Some((conversation_id, ..)) = event.standing() {
            self.conversation_id = Some(conversation_id);
        }
        match event {
            Event::Requested { request_id, from, to, at, expires_at, .. } => {
                let (outcome, ignored) = (None, false);
                let request = Request { from: *from, to: *to, at: *at, expires_at: *expires_at, outcome, ignored };
                self.requests.insert(*request_id, request);
                self.last_requests.insert(*from, *request_id);
            }
            Event::Accepted { request_id, standing, .. } => {
                self.close(*request_id, Outcome::Accepted);
                self.friends = true;
                self.standing.clone_from(standing);
            }
            Event::Rejected { request_id, .. } => self.close(*request_id, Outcome::Rejected),
            Event::Cancelled { request_id, .. } => self.close(*request_id, Outcome::Cancelled),
            Event::Expired { request_id, .. } => self.close(*request_id, Outcome::Expired),
            Event::Ignored { request_id, .. } => {
                if let Some(request) = self.requests.get_mut(request_id) {
                    request.ignored = true;
                }
            }
            Event::Removed { standing, .. } => {
                self.friends = false;
                self.notes.clear();
                self.standing.clone_from(standing);
            }
            Event::Blocked { standing, .. } | Event::Unblocked { standing, .. } | Event::Opened { standing, .. } => {
                self.standing.clone_from(standing);
            }
            Event::FriendChanged { account, remark, folder, starred, .. } => {
                let note = Note { remark: remark.clone(), folder: folder.clone(), starred: *starred };
                self.notes.insert(*account, note);
            }
        }
    }

    fn close(&mut self, request_id: RequestId, outcome: Outcome) {
        if let Some(request) = self.requests.get_mut(&request_id) {
            request.outcome = Some(outcome);
        }
    }
}
