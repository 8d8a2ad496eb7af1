//! What we remember of a pair.

use super::Event;
use crate::{AccountId, ConversationId, RequestId, Timestamp, serial};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub friends: bool,
    /// The pair's direct conversation, once they have been friends.
    pub conversation_id: Option<ConversationId>,
    /// Every request of the pair: an old one must still be known as closed. FRD-3 keeps their number small.
    #[serde(with = "serial::sorted")]
    pub requests: imbl::HashMap<RequestId, Request>,
    /// Each person's last one.
    pub last_requests: BTreeMap<AccountId, RequestId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    pub from: AccountId,
    pub to: AccountId,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    /// How it was answered, if it was.
    pub outcome: Option<Outcome>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    Rejected,
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

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Requested { request_id, from, to, message: _, at, expires_at } => {
                let request = Request { from: *from, to: *to, at: *at, expires_at: *expires_at, outcome: None };
                self.requests.insert(*request_id, request);
                self.last_requests.insert(*from, *request_id);
            }
            Event::Accepted { request_id, conversation_id, .. } => {
                self.close(*request_id, Outcome::Accepted);
                self.friends = true;
                self.conversation_id = Some(*conversation_id);
            }
            Event::Rejected { request_id, .. } => self.close(*request_id, Outcome::Rejected),
        }
    }

    fn close(&mut self, request_id: RequestId, outcome: Outcome) {
        if let Some(request) = self.requests.get_mut(&request_id) {
            request.outcome = Some(outcome);
        }
    }
}
