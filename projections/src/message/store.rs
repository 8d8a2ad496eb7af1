//! What a home for message history promises. The tests hold the promises, written once; every implementation keeps
//! them. Who may see what is not known here: callers pass the spans that the gate gave them.

use crate::{
    Error, Step,
    message::{Body, Change, Filter, Found, Message},
};
use futures::future::BoxFuture;
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp};
use std::collections::{HashMap, HashSet};

/// The seqs `after < seq <= until`, as they stood at a position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    pub after: u64,
    pub until: u64,
    /// In the conversation's lane; `u64::MAX`: now. Recalls always apply, whatever this says.
    pub as_of: u64,
}

impl Span {
    /// The seqs as they are now.
    pub fn now(after: u64, until: u64) -> Self {
        Self { after, until, as_of: u64::MAX }
    }

    pub fn contains(&self, seq: u64) -> bool {
        self.after < seq && seq <= self.until
    }

    pub fn intersection(self, other: Self) -> Option<Self> {
        let (after, until) = (self.after.max(other.after), self.until.min(other.until));
        (after < until).then(|| Self { after, until, as_of: self.as_of.min(other.as_of) })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// Messages, and which of them nobody has to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub messages: u64,
    /// The viewer's, recalled ones too.
    pub own: u64,
    pub system: u64,
    /// Of others.
    pub recalled: u64,
}

impl Tally {
    pub fn unread(&self) -> u64 {
        self.messages - self.own - self.system - self.recalled
    }
}

/// What a message said from a position on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// In the conversation's lane.
    pub position: u64,
    pub at: Timestamp,
    /// `None`: sealed in a way that this binary does not know.
    pub body: Option<Body>,
}

/// Who has put an emoji on a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reactor {
    pub account: AccountId,
    pub emoji: String,
    pub at: Timestamp,
    /// Where, in the conversation's lane.
    pub position: u64,
}

/// Which reactions are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Votes<'a> {
    /// Of this one only.
    pub emoji: Option<&'a str>,
    /// Put there before this position.
    pub before: u64,
    /// As they stood there; `u64::MAX`: now.
    pub as_of: u64,
    pub limit: u32,
}

/// Where messages are kept.
pub trait HistoryStore: Send + Sync + 'static {
    /// It was looked for in vain since this process started, and all else should go on without it.
    fn is_away(&self) -> bool {
        false
    }

    /// Applies the changes, which are of one lane in rising positions, and moves history's checkpoint over the batch they
    /// came from, which may hold none. A store with transactions does both in one; one without writes the changes first,
    /// so that a crash between the two only brings them again. Applying again, or an older change after a newer one,
    /// changes nothing.
    fn append<'a>(&'a self, changes: &'a [Change], step: &'a Step) -> BoxFuture<'a, Result<(), Error>>;

    /// The first `limit` messages of the spans in that order. The spans do not overlap and rise.
    fn page<'a>(
        &'a self,
        conversation: ConversationId,
        spans: &'a [Span],
        order: Order,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Message>, Error>>;

    /// Those of the ids that exist, as they are now, in any order. Who may see them, and as of when, the caller asks the
    /// gate by their seqs.
    fn by_ids<'a>(
        &'a self,
        conversation: ConversationId,
        ids: &'a [MessageId],
    ) -> BoxFuture<'a, Result<Vec<Message>, Error>>;

    /// How many messages of others each conversation has in its spans, system and recalled ones left out; one with none
    /// may be left out. One query.
    fn unread<'a>(
        &'a self,
        viewer: AccountId,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, u64>, Error>>;

    /// What the spans of a conversation hold, each message counted once: what is neither of these three is unread, and as many
    /// are as [`Self::unread`] says. The spans do not overlap.
    fn tally<'a>(
        &'a self,
        viewer: AccountId,
        conversation: ConversationId,
        spans: &'a [Span],
    ) -> BoxFuture<'a, Result<Tally, Error>>;

    /// The newest message of each conversation in its spans.
    fn last<'a>(
        &'a self,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, Message>, Error>>;

    /// Messages that changed since they were born, the newest change behind the position `after` and not behind `until`;
    /// whole, as they are now, by rising `changed`, at most `limit`.
    fn changed(
        &self,
        conversation: ConversationId,
        after: u64,
        until: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Message>, Error>>;

    /// Messages of the spans that fit, as they are now, newest first, at most `limit`; it may stop before that where it would
    /// have to look at too many.
    fn find<'a>(
        &'a self,
        conversation: ConversationId,
        spans: &'a [Span],
        filter: &'a Filter,
        limit: u32,
    ) -> BoxFuture<'a, Result<Found, Error>>;

    /// Which of these were recalled, in any order.
    fn recalled<'a>(
        &'a self,
        conversation: ConversationId,
        seqs: &'a [u64],
    ) -> BoxFuture<'a, Result<HashSet<u64>, Error>>;

    /// What a message said, the oldest first: how it was sent, then each edit, of those behind the position `after` and not
    /// behind `until`, at most `limit`. Nothing of one that was recalled.
    fn versions(
        &self,
        conversation: ConversationId,
        seq: u64,
        after: u64,
        until: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Version>, Error>>;

    /// Who has reacted to a message, the newest first. Nobody to one that was recalled.
    fn reactors<'a>(
        &'a self,
        conversation: ConversationId,
        seq: u64,
        votes: Votes<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reactor>, Error>>;

    /// Which emojis the viewer has on which of these seqs now, each list sorted; a seq with none may be left out.
    fn mine<'a>(
        &'a self,
        viewer: AccountId,
        conversation: ConversationId,
        seqs: &'a [u64],
    ) -> BoxFuture<'a, Result<HashMap<u64, Vec<String>>, Error>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_meet_in_what_both_hold() {
        let span = |after, until| Span { after, until, as_of: until };
        assert_eq!(span(0, 5).intersection(span(3, 9)), Some(span(3, 5)));
        assert_eq!(span(0, 5).intersection(span(5, 9)), None);
        assert_eq!([0, 1, 5, 6].map(|seq| span(0, 5).contains(seq)), [false, true, true, false]);
    }
}
