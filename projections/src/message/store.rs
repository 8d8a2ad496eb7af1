//! What a home for message history promises. The tests hold the promises, written once; every implementation keeps
//! them. Who may see what is not known here: callers pass the spans that the gate gave them.

use crate::{Error, Step};
use futures::future::BoxFuture;
use natter_domain::{AccountId, ConversationId, MessageId, Sealed, Timestamp};
use std::collections::HashMap;

/// A message as it is kept: sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub conversation_id: ConversationId,
    pub seq: u64,
    pub message_id: MessageId,
    pub sender: AccountId,
    /// `None`: sealed in a way that this binary does not know.
    pub body: Option<Sealed>,
    pub sent_at: Timestamp,
    /// The event's position in the conversation's lane.
    pub position: u64,
}

/// The seqs `after < seq <= until`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub after: u64,
    pub until: u64,
}

impl Span {
    pub fn contains(&self, seq: u64) -> bool {
        self.after < seq && seq <= self.until
    }

    pub fn intersection(self, other: Self) -> Option<Self> {
        let span = Self { after: self.after.max(other.after), until: self.until.min(other.until) };
        (span.after < span.until).then_some(span)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// Where messages are kept.
pub trait HistoryStore: Send + Sync + 'static {
    /// Stores the messages and moves history's checkpoint over the batch they came from, which may hold none. A store
    /// with transactions does both in one; one without writes the messages first, so that a crash between the two
    /// only brings them again. A message that is there already stays as it is.
    fn append<'a>(&'a self, messages: &'a [Message], step: &'a Step) -> BoxFuture<'a, Result<(), Error>>;

    /// The first `limit` messages of the spans in that order. The spans do not overlap and rise.
    fn page<'a>(
        &'a self,
        conversation: ConversationId,
        spans: &'a [Span],
        order: Order,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Message>, Error>>;

    fn one(&self, conversation: ConversationId, message: MessageId) -> BoxFuture<'_, Result<Option<Message>, Error>>;

    /// How many messages of others each conversation has in its spans; one with none may be left out. One query.
    fn unread<'a>(
        &'a self,
        viewer: AccountId,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, u64>, Error>>;

    /// The newest message of each conversation in its spans. One query.
    fn last<'a>(
        &'a self,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, Message>, Error>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_meet_in_what_both_hold() {
        let span = |after, until| Span { after, until };
        assert_eq!(span(0, 5).intersection(span(3, 9)), Some(span(3, 5)));
        assert_eq!(span(0, 5).intersection(span(5, 9)), None);
        assert_eq!([0, 1, 5, 6].map(|seq| span(0, 5).contains(seq)), [false, true, true, false]);
    }
}
