//! What a follower knows of one conversation. Nothing here asks anybody.

use crate::wire;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Messages beyond a gap that a conversation holds, and changes of such; further ones are fetched with the gap.
const HELD: usize = 256;
/// Messages of which it is remembered how they have changed.
const VERSIONS: usize = 1_024;

/// Handed on up to `last`, and what is held beyond a gap.
#[derive(Debug, PartialEq)]
pub(super) struct Track {
    pub(super) last: u64,
    /// The newest seq that we heard of.
    pub(super) heard: u64,
    held: BTreeMap<u64, wire::Message>,
    /// What the person has deleted for themselves one by one: a bounded number, as the server sees to.
    deleted: BTreeSet<u64>,
    /// Edits, recalls and marks of messages that are not here yet, in the order in which they came.
    changes: VecDeque<(u64, wire::Push)>,
    /// How far messages that changed are known.
    versions: BTreeMap<u64, Version>,
}

/// How a message stands, as far as it only ever goes on: recalled is behind every edit, a later edit behind an earlier one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Version {
    Edited(String),
    Recalled,
}

impl Version {
    /// `None`: nothing has become of it yet.
    fn of(message: &wire::Message) -> Option<Self> {
        let edited = message.edited_at.clone().map(Self::Edited);
        message.recalled_at.as_ref().map(|_| Self::Recalled).or(edited)
    }
}

impl Track {
    pub(super) fn after(seq: u64) -> Self {
        let (held, deleted, changes, versions) = Default::default();
        Self { last: seq, heard: seq, held, deleted, changes, versions }
    }

    /// Takes a message in whatever order; gives those that can be handed on now.
    pub(super) fn take(&mut self, message: wire::Message) -> Vec<wire::Message> {
        self.heard = self.heard.max(message.seq);
        if message.seq > self.last && (self.held.len() < HELD || message.seq == self.last + 1) {
            self.held.insert(message.seq, message);
        }
        self.release()
    }

    fn release(&mut self) -> Vec<wire::Message> {
        let mut next = Vec::new();
        loop {
            let seq = self.last + 1;
            let message = self.held.remove(&seq);
            let is_deleted = self.deleted.contains(&seq);
            if message.is_none() && !is_deleted {
                return next;
            }
            self.last = seq;
            next.extend(message.filter(|_| !is_deleted));
        }
    }

    /// Takes a range that was read behind `last`, in its order: what is missing in it is not to be seen, for numbers between
    /// two stays are no gap. What was read is newer than what is held.
    pub(super) fn take_range(&mut self, messages: Vec<wire::Message>) -> Vec<wire::Message> {
        let (mut next, before) = (Vec::new(), self.last);
        for message in messages.into_iter().filter(|message| message.seq > before) {
            self.heard = self.heard.max(message.seq);
            self.last = message.seq;
            // It was read before it was deleted.
            next.extend(Some(message).filter(|message| !self.deleted.contains(&message.seq)));
        }
        self.held = self.held.split_off(&(self.last + 1));
        next.extend(self.release());
        next
    }

    /// A message as it is now, in place of the one that is held.
    pub(super) fn replace(&mut self, message: wire::Message) {
        if let Some(held) = self.held.get_mut(&message.seq) {
            *held = message;
        }
    }

    /// What lies up to there is gone for this person; gives what can be handed on now.
    pub(super) fn forget(&mut self, up_to: u64) -> Vec<wire::Message> {
        if up_to > self.last {
            self.last = up_to;
            self.held = self.held.split_off(&(up_to + 1));
        }
        self.deleted = self.deleted.split_off(&up_to.saturating_add(1));
        self.release()
    }

    /// One message is gone for this person; gives what can be handed on now.
    pub(super) fn delete(&mut self, seq: u64) -> Vec<wire::Message> {
        self.heard = self.heard.max(seq);
        self.deleted.insert(seq);
        self.changes.retain(|(of, _)| *of != seq);
        self.release()
    }

    /// The message as it is to be shown: what it answers says nothing where that is gone.
    pub(super) fn veiled(&self, mut message: wire::Message) -> wire::Message {
        if let Some(quote) = message.reply_to.as_mut().filter(|quote| self.deleted.contains(&quote.seq)) {
            quote.excerpt = None;
        }
        message
    }

    /// What is marked of a message that is not here yet comes with it.
    pub(super) fn mark(&mut self, seq: u64, push: wire::Push) -> Option<wire::Push> {
        if self.deleted.contains(&seq) {
            return None;
        }
        if seq <= self.last {
            return self.says_more(push);
        }
        self.wait(seq, push);
        None
    }

    fn is_recalled(&self, seq: u64) -> bool {
        self.versions.get(&seq) == Some(&Version::Recalled)
    }

    pub(super) fn is_behind(&self) -> bool {
        self.last < self.heard
    }

    /// What an edit or a recall tells: `None` where it is known already, or where its message is not here yet: then it
    /// comes with the message.
    pub(super) fn change(&mut self, message: &wire::Message, push: wire::Push) -> Option<wire::Push> {
        if self.deleted.contains(&message.seq) {
            return None;
        }
        if message.seq <= self.last {
            return self.note(message).then_some(push);
        }
        self.wait(message.seq, push);
        None
    }

    fn wait(&mut self, seq: u64, push: wire::Push) {
        self.changes.push_back((seq, push));
        if self.changes.len() > HELD {
            // Its message is fetched as it is then.
            self.changes.pop_front();
        }
    }

    /// The message was handed on: what waited for it and says more than it does.
    pub(super) fn handed_on(&mut self, message: &wire::Message) -> Vec<wire::Push> {
        self.note(message);
        let (of_it, others): (VecDeque<_>, VecDeque<_>) =
            self.changes.drain(..).partition(|(seq, _)| *seq == message.seq);
        self.changes = others;
        of_it.into_iter().filter_map(|(_, push)| self.says_more(push)).collect()
    }

    fn says_more(&mut self, push: wire::Push) -> Option<wire::Push> {
        match &push {
            wire::Push::MessageEdited { message, .. } | wire::Push::MessageRecalled { message, .. } => {
                self.note(message).then_some(push)
            }
            wire::Push::MessageMarked { seq, .. } | wire::Push::MessageCountdown { seq, .. } => {
                (!self.is_recalled(*seq)).then_some(push)
            }
            _ => None,
        }
    }

    /// Takes in how a message stands; whether that was new.
    pub(super) fn note(&mut self, message: &wire::Message) -> bool {
        let Some(version) = Version::of(message) else { return false };
        let is_new = self.versions.get(&message.seq).is_none_or(|known| *known < version);
        if is_new {
            self.versions.insert(message.seq, version);
        }
        if self.versions.len() > VERSIONS {
            // The oldest messages: they can be edited no more, and being told of their recall again does no harm.
            self.versions.pop_first();
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn message(seq: u64) -> wire::Message {
        let message_id = Uuid::from_u128(u128::from(seq));
        wire::Message { seq, message_id, ..wire::Message::default() }
    }

    fn taken(track: &mut Track, seqs: impl IntoIterator<Item = u64>) -> Vec<u64> {
        seqs.into_iter().flat_map(|seq| track.take(message(seq))).map(|message| message.seq).collect()
    }

    #[test]
    fn messages_come_once_and_by_seq_in_whatever_order_they_arrive() {
        let mut track = Track::after(0);
        assert_eq!(taken(&mut track, [1, 3, 2, 2, 1, 5, 3, 4]), [1, 2, 3, 4, 5]);
        assert!(!track.is_behind());
    }

    #[test]
    fn a_gap_is_known_until_it_is_filled() {
        let mut track = Track::after(4);
        assert!(taken(&mut track, [7, 6]).is_empty());
        assert!(track.is_behind());
        assert_eq!(taken(&mut track, [5]), [5, 6, 7]);
        assert!(!track.is_behind());
    }

    #[test]
    fn what_lies_between_two_stays_is_no_gap() {
        let mut track = Track::after(4);
        assert!(taken(&mut track, [9, 12]).is_empty());
        let mut read = |seq| track.take_range(vec![message(seq)]).iter().map(|message| message.seq).collect::<Vec<_>>();
        assert_eq!(read(9), [9]);
        assert_eq!(read(10), [10]);
        assert_eq!(read(11), [11, 12]);
        assert_eq!(read(12), [0; 0]);
        assert!(!track.is_behind());
    }

    #[test]
    fn what_somebody_has_deleted_is_no_gap() {
        let mut track = Track::after(4);
        assert!(taken(&mut track, [7, 9, 12]).is_empty());
        let mut forget = |seq| track.forget(seq).iter().map(|message| message.seq).collect::<Vec<_>>();
        assert_eq!((forget(8), forget(3)), (vec![9], vec![]));
        assert_eq!(taken(&mut track, [6, 10, 11]), [10, 11, 12]);
        assert!(!track.is_behind());
    }

    #[test]
    fn a_single_message_that_was_deleted_is_no_gap_and_is_not_handed_on() {
        let mut track = Track::after(4);
        assert!(taken(&mut track, [6, 7, 9]).is_empty());
        let mut delete = |seq| track.delete(seq).iter().map(|message| message.seq).collect::<Vec<_>>();
        assert_eq!((delete(7), delete(5), delete(2)), (vec![], vec![6], vec![]));
        assert_eq!(track.last, 7);
        assert_eq!(taken(&mut track, [5, 7, 8]), [8, 9]);
        assert!(track.delete(10).is_empty() && !track.is_behind(), "the newest one");
        assert!(taken(&mut track, [10]).is_empty(), "it comes late");
        track.delete(12);
        assert!(track.is_behind(), "what lies before it is missing");
        let next = track.take_range(vec![message(11), message(12), message(13)]);
        assert_eq!(next.iter().map(|message| message.seq).collect::<Vec<_>>(), [11, 13], "read before it was deleted");
    }

    #[test]
    fn a_countdown_comes_behind_its_message_and_not_behind_its_recall() {
        let mut track = Track::after(4);
        let countdown = |seq| wire::Push::MessageCountdown {
            conversation_id: Uuid::nil(),
            message_id: Uuid::nil(),
            seq,
            expires_at: String::new(),
            position: String::new(),
        };
        assert!(track.mark(4, countdown(4)).is_some());
        assert!(track.mark(5, countdown(5)).is_none(), "its message is not here");
        assert_eq!(track.handed_on(&message(5)).len(), 1);
        track.note(&wire::Message { recalled_at: Some("now".to_owned()), ..message(4) });
        assert!(track.mark(4, countdown(4)).is_none());
        track.delete(3);
        assert!(track.mark(3, countdown(3)).is_none());
    }

    /// It comes late, after a fail-over say: the recall took the star away.
    #[test]
    fn a_mark_does_not_come_behind_a_recall() {
        let mut track = Track::after(4);
        let marked = |seq| wire::Push::MessageMarked {
            conversation_id: Uuid::nil(),
            message_id: Uuid::nil(),
            seq,
            starred: true,
            listened: false,
            position: String::new(),
        };
        assert!(track.mark(4, marked(4)).is_some());
        track.note(&wire::Message { recalled_at: Some("now".to_owned()), ..message(4) });
        assert!(track.mark(4, marked(4)).is_none());
    }

    #[test]
    fn what_is_gone_is_quoted_to_nobody_and_told_no_more() {
        let mut track = Track::after(9);
        track.delete(3);
        let quote = |seq| wire::Quote { message_id: Uuid::nil(), seq, sender: None, excerpt: Some("words".to_owned()) };
        let answer = |seq| wire::Message { reply_to: Some(quote(seq)), ..message(9) };
        let words = |seq| track.veiled(answer(seq)).reply_to.and_then(|quote| quote.excerpt);
        assert_eq!((words(3), words(4)), (None, Some("words".to_owned())));
        assert!(!told(&mut track, &edited(3, "2026-01-01T00:00:01.000Z")));
    }

    #[test]
    fn what_is_marked_waits_for_its_message() {
        let mut track = Track::after(4);
        let marked = |seq| wire::Push::MessageMarked {
            conversation_id: Uuid::nil(),
            message_id: Uuid::nil(),
            seq,
            starred: true,
            listened: false,
            position: String::new(),
        };
        assert!(track.mark(4, marked(4)).is_some());
        assert!(track.mark(5, marked(5)).is_none());
        let next = track.take(message(5));
        assert_eq!(track.handed_on(&next[0]), [marked(5)]);
    }

    #[test]
    fn what_is_held_beyond_a_gap_is_bounded_and_nothing_is_lost_by_it() {
        let mut track = Track::after(0);
        let many = HELD as u64 + 50;
        assert!(taken(&mut track, 2..=many).is_empty());
        assert_eq!(track.held.len(), HELD);
        assert_eq!(track.heard, many);
        let got = taken(&mut track, 1..=many);
        assert_eq!(got, (1..=many).collect::<Vec<_>>());
    }

    fn edited(seq: u64, at: &str) -> wire::Message {
        wire::Message { edited_at: Some(at.to_owned()), ..message(seq) }
    }

    fn recalled(seq: u64) -> wire::Message {
        wire::Message { recalled_at: Some("2026-01-01T00:00:09.000Z".to_owned()), ..message(seq) }
    }

    fn told(track: &mut Track, message: &wire::Message) -> bool {
        let push = match message.recalled_at {
            Some(_) => wire::Push::MessageRecalled { message: message.clone(), position: String::new() },
            None => wire::Push::MessageEdited { message: message.clone(), position: String::new() },
        };
        track.change(message, push).is_some()
    }

    #[test]
    fn an_edit_that_comes_again_or_late_is_dropped() {
        let mut track = Track::after(5);
        let (one, two) = ("2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z");
        let changes = [edited(3, one), edited(3, two), edited(3, one), edited(3, two), recalled(3), edited(3, two)];
        assert_eq!(changes.map(|change| told(&mut track, &change)), [true, true, false, false, true, false]);
        assert!(!told(&mut track, &recalled(3)));
    }

    #[test]
    fn what_became_of_a_message_waits_for_it() {
        let mut track = Track::after(4);
        assert!(!told(&mut track, &edited(6, "2026-01-01T00:00:02.000Z")) && !told(&mut track, &recalled(7)));
        for (read, waited) in [(message(5), 0), (edited(6, "2026-01-01T00:00:01.000Z"), 1), (recalled(7), 0)] {
            let next = track.take(read.clone());
            assert_eq!(next.len(), 1);
            assert_eq!(track.handed_on(&next[0]).len(), waited, "{}", read.seq);
        }
        assert!(track.changes.is_empty());
        assert!(!told(&mut track, &edited(6, "2026-01-01T00:00:02.000Z")), "it was told with its message");
    }

    #[test]
    fn what_is_remembered_of_changes_is_bounded() {
        let mut track = Track::after(0);
        for seq in 1..=2 * HELD as u64 {
            told(&mut track, &recalled(seq));
        }
        assert_eq!(track.changes.len(), HELD);
        let mut track = Track::after(u64::MAX);
        for seq in 1..=2 * VERSIONS as u64 {
            assert!(told(&mut track, &recalled(seq)));
        }
        assert_eq!(track.versions.len(), VERSIONS);
    }

    #[test]
    fn what_was_read_is_handed_on_and_not_what_was_held_before() {
        let mut track = Track::after(4);
        let text = |seq, text: &str| wire::Message { body: Some(wire::Body::text(text)), ..message(seq) };
        assert!(track.take(text(7, "secret")).is_empty() && track.take(text(8, "later")).is_empty());
        let next = track.take_range(vec![message(5), message(6), recalled(7)]);
        assert_eq!(
            next.iter().map(|it| (it.seq, it.body.is_some())).collect::<Vec<_>>(),
            [(5, false), (6, false), (7, false), (8, true)]
        );
        let mut track = Track::after(4);
        track.take(text(6, "secret"));
        track.replace(recalled(6));
        assert_eq!(track.take(message(5))[1].body, None);
    }
}
