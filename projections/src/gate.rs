//! The gate of messages: who may see which. A query for messages takes a [`Membership`] or the spans that one gives,
//! and only this module makes one. What is never given here cannot leak there.
//!
//! Membership is a list of intervals of seqs; a member sees a message if `joined_seq < seq <= left_seq` in one of
//! them. Relations and history are written apart; an interval that is still open is taken up to the last seq that
//! *relations* has seen, so that a message is not shown before relations has seen whether its reader had left. What they
//! have deleted for themselves is cut off from all of it, or out of it. In a channel everybody is a member, from its beginning on, but for
//! whom it has banned.

use crate::{Error, Shared, message::Span};
use natter_domain::{AccountId, ConversationId};
use natter_streams::statement;

/// One stay in a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval {
    pub joined_seq: u64,
    /// Where they came: behind the begin of what they see, where history was shared with them. What is told as it happens is told
    /// from here on.
    pub entered_seq: u64,
    /// `None` while the member is in.
    pub left_seq: Option<u64>,
    /// The lane position at which the stay ended: what changed behind it is not seen.
    pub left_position: Option<u64>,
    /// The lane position at which it began, where somebody who was told of it goes by that; else 0.
    pub joined_position: u64,
}

impl Interval {
    /// Of somebody who has just come, and sees what was said from `joined_seq` on.
    pub fn begun(joined_seq: u64, entered_seq: u64) -> Self {
        Self { joined_seq, entered_seq, left_seq: None, left_position: None, joined_position: 0 }
    }

    /// The rule.
    pub fn sees(&self, seq: u64) -> bool {
        self.joined_seq < seq && self.left_seq.is_none_or(|left_seq| seq <= left_seq)
    }

    /// The lane position up to which this is known of it.
    pub fn changed(&self) -> u64 {
        self.left_position.unwrap_or(self.joined_position)
    }

    fn span(&self, last_seq: u64) -> Span {
        Span {
            after: self.joined_seq,
            until: self.left_seq.unwrap_or(last_seq),
            as_of: self.left_position.unwrap_or(u64::MAX),
        }
    }
}

/// Proof that an account is or was in a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    viewer: AccountId,
    conversation: ConversationId,
    /// At least one, in their order.
    intervals: Vec<Interval>,
    /// Of the conversation, as far as relations knows.
    last_seq: u64,
    /// The viewer has deleted all up to here for themselves.
    cleared_seq: u64,
    /// And these, one by one: behind that, rising.
    deleted: Vec<u64>,
    /// Somebody has replied under a message of the conversation.
    has_threads: bool,
    /// The viewer has marked a message of the conversation for themselves.
    has_marks: bool,
}

impl Membership {
    /// From the viewer's own rows; `None` where there is none.
    pub(crate) fn new(
        viewer: AccountId,
        conversation: ConversationId,
        intervals: Vec<Interval>,
        last_seq: u64,
        cleared_seq: u64,
    ) -> Option<Self> {
        let (deleted, has_threads, has_marks) = (Vec::new(), false, false);
        let is_any = !intervals.is_empty();
        let those = Self { viewer, conversation, intervals, last_seq, cleared_seq, deleted, has_threads, has_marks };
        is_any.then_some(those)
    }

    /// Without the messages of these numbers, which rise: the viewer has deleted them for themselves.
    pub(crate) fn without(self, mut deleted: Vec<u64>) -> Self {
        deleted.retain(|seq| *seq > self.cleared_seq);
        Self { deleted, ..self }
    }

    pub fn viewer(&self) -> AccountId {
        self.viewer
    }

    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// The latest stay.
    pub fn latest(&self) -> Interval {
        *self.intervals.last().expect("a membership has an interval")
    }

    /// The newest number that the viewer may know of.
    pub(crate) fn newest(&self) -> u64 {
        self.latest().left_seq.unwrap_or(self.last_seq)
    }

    /// The viewer has deleted all up to here for themselves.
    pub(crate) fn cleared_seq(&self) -> u64 {
        self.cleared_seq
    }

    /// For nobody's eyes but those of who gives the person all that is held on them.
    pub(crate) fn with_what_was_deleted(self) -> Self {
        Self { cleared_seq: 0, deleted: Vec::new(), ..self }
    }

    pub(crate) fn has_threads(&self) -> bool {
        self.has_threads
    }

    pub(crate) fn has_marks(&self) -> bool {
        self.has_marks
    }

    pub(crate) fn has_returned(&self) -> bool {
        self.intervals.len() > 1
    }

    pub fn sees(&self, seq: u64) -> bool {
        seq > self.cleared_seq
            && seq <= self.last_seq
            && self.deleted.binary_search(&seq).is_err()
            && self.intervals.iter().any(|interval| interval.sees(seq))
    }

    /// The newest number that is known where this one is: what follows it and was deleted is known to be gone.
    pub(crate) fn known_to(&self, seq: u64) -> u64 {
        let follows = |seq: &u64| *seq < self.last_seq && self.deleted.binary_search(&(*seq + 1)).is_ok();
        let mut known = seq;
        while follows(&known) {
            known += 1;
        }
        known
    }

    /// Both in one stay: what became of a message after an earlier one ended is not seen by an answer to it either.
    pub(crate) fn sees_together(&self, seq: u64, answered: u64) -> bool {
        let together = |stay: &Interval| stay.sees(seq) && stay.sees(answered);
        self.sees(answered) && self.intervals.iter().any(together)
    }

    /// All that the viewer may see behind `after` and up to `until`.
    pub(crate) fn visible(&self, after: u64, until: u64) -> Vec<Span> {
        self.with_deleted(after, until).into_iter().flat_map(|span| self.cut(span)).collect()
    }

    /// The same, and what they have deleted one by one.
    pub(crate) fn with_deleted(&self, after: u64, until: u64) -> Vec<Span> {
        let within = Span::now(after.max(self.cleared_seq), until);
        self.intervals.iter().filter_map(|interval| interval.span(self.last_seq).intersection(within)).collect()
    }

    /// What they have deleted one by one of a span.
    pub(crate) fn deleted_of(&self, span: Span) -> impl Iterator<Item = Span> {
        let (from, to) = (self.until(span.after), self.until(span.until));
        self.deleted[from..to.max(from)].iter().map(move |seq| Span { after: seq - 1, until: *seq, ..span })
    }

    /// How many of what they have deleted lie up to there.
    fn until(&self, seq: u64) -> usize {
        self.deleted.partition_point(|deleted| *deleted <= seq)
    }

    /// What is left between what they have deleted.
    fn cut(&self, span: Span) -> Vec<Span> {
        let (mut left, mut after) = (Vec::new(), span.after);
        for gone in self.deleted_of(span) {
            left.push(Span { after, until: gone.after, ..span });
            after = gone.until;
        }
        left.push(Span { after, ..span });
        left.retain(|span| span.after < span.until);
        left
    }
}

/// What the viewer was or is to the conversation; `None`: it does not exist for them.
pub(crate) async fn member(
    shared: &Shared,
    viewer: AccountId,
    conversation: ConversationId,
) -> Result<Option<Membership>, Error> {
    Ok(ask(shared, viewer, conversation).await?.map(|(membership, _)| membership))
}

/// The same, and the lane position at which something of the conversation or its messages last changed.
pub(crate) async fn ask(
    shared: &Shared,
    viewer: AccountId,
    conversation: ConversationId,
) -> Result<Option<(Membership, u64)>, Error> {
    type Row = (i64, Option<i64>, Option<i64>, i64, i64, i64, bool, bool, Vec<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "WITH stay AS (
             SELECT joined_seq, left_seq, left_position FROM member
             WHERE conversation_id = $1 AND account_id = $2
               AND NOT EXISTS (SELECT FROM conversation WHERE conversation_id = $1 AND kind = 'channel')
             UNION ALL
             SELECT 0, NULL, NULL FROM conversation WHERE conversation_id = $1 AND kind = 'channel' AND NOT has_ended
               AND NOT EXISTS (SELECT FROM group_ban WHERE conversation_id = $1 AND account_id = $2))
         SELECT joined_seq, left_seq, left_position, last_seq, coalesce(cleared_seq, 0), conversation.changed,
                has_threads,
                EXISTS (SELECT FROM message_mark WHERE account_id = $2 AND conversation_id = $1),
                ARRAY(SELECT seq FROM message_deleted WHERE account_id = $2 AND conversation_id = $1 ORDER BY seq)
         FROM stay CROSS JOIN conversation
              LEFT JOIN inbox_cursor ON inbox_cursor.conversation_id = $1 AND inbox_cursor.account_id = $2
         WHERE conversation.conversation_id = $1 ORDER BY joined_seq",
    )
    .bind(conversation.0)
    .bind(viewer.0)
    .fetch_all(statement::bounded(&shared.pool()))
    .await
    .map_err(Error::database("ask the gate"))?;
    let Some((.., last_seq, cleared, changed, has_threads, has_marks, deleted)) = rows.first() else { return Ok(None) };
    let (last_seq, cleared, changed) = (*last_seq as u64, *cleared as u64, *changed as u64);
    let (has_threads, has_marks, deleted) = (*has_threads, *has_marks, seqs(deleted.clone()));
    let stay = |(joined, left, left_position, ..): Row| interval(joined, left, left_position);
    let stays = rows.into_iter().map(stay).collect();
    let membership = Membership::new(viewer, conversation, stays, last_seq, cleared);
    let whole = |membership: Membership| Membership { has_threads, has_marks, ..membership.without(deleted) };
    Ok(membership.map(|membership| (whole(membership), changed)))
}

/// A column of numbers.
pub(crate) fn seqs(column: Vec<i64>) -> Vec<u64> {
    column.into_iter().map(|seq| seq as u64).collect()
}

/// A row's columns.
pub(crate) fn interval(joined_seq: i64, left_seq: Option<i64>, left_position: Option<i64>) -> Interval {
    let unsigned = |number: i64| number as u64;
    Interval {
        joined_seq: joined_seq as u64,
        entered_seq: joined_seq as u64,
        left_seq: left_seq.map(unsigned),
        left_position: left_position.map(unsigned),
        joined_position: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const LAST: u64 = 20;

    /// `joined_seq` and `left_seq`.
    type Stay = (u64, Option<u64>);

    fn membership(intervals: &[Stay]) -> Option<Membership> {
        cleared(intervals, 0)
    }

    fn cleared(intervals: &[Stay], cleared_seq: u64) -> Option<Membership> {
        let stay = |&(joined_seq, left_seq): &Stay| {
            let left_position = left_seq.map(|seq| seq + 100);
            Interval { left_seq, left_position, ..Interval::begun(joined_seq, joined_seq) }
        };
        let intervals = intervals.iter().map(stay).collect();
        Membership::new(AccountId(Uuid::nil()), ConversationId(Uuid::nil()), intervals, LAST, cleared_seq)
    }

    #[test]
    fn who_may_see_what() {
        // who, their intervals, what they see of 1..=21 (20 is the last that relations knows)
        // and up to where they have deleted it for themselves
        let table: [(&str, &[Stay], u64, Vec<u64>); 12] = [
            ("there from the start", &[(0, None)], 0, (1..=20).collect()),
            ("joined later", &[(15, None)], 0, (16..=20).collect()),
            ("left", &[(0, Some(3))], 0, vec![1, 2, 3]),
            ("left and came back", &[(0, Some(2)), (18, None)], 0, vec![1, 2, 19, 20]),
            ("came and left twice", &[(0, Some(1)), (4, Some(6))], 0, vec![1, 5, 6]),
            ("was in for no message", &[(5, Some(5))], 0, vec![]),
            ("deleted most of it", &[(0, None)], 18, vec![19, 20]),
            ("deleted all of it", &[(0, None)], 20, vec![]),
            ("deleted what they never saw", &[(15, None)], 3, (16..=20).collect()),
            ("deleted part of a stay before", &[(0, Some(3)), (18, None)], 2, vec![3, 19, 20]),
            ("deleted all of a stay before", &[(0, Some(2)), (18, None)], 2, vec![19, 20]),
            ("left and deleted it", &[(0, Some(3))], 3, vec![]),
        ];
        for (who, intervals, up_to, expected) in table {
            let membership = cleared(intervals, up_to).unwrap();
            let seen: Vec<u64> = (1..=21).filter(|seq| membership.sees(*seq)).collect();
            assert_eq!(seen, expected, "{who}");
            let in_spans = |seq: &u64| membership.visible(0, u64::MAX).iter().any(|span| span.contains(*seq));
            assert_eq!((1..=21).filter(in_spans).collect::<Vec<u64>>(), expected, "{who}, as spans");
        }
    }

    #[test]
    fn what_was_deleted_one_by_one_is_cut_out() {
        let kept = |stays: &[Stay], up_to, deleted: &[u64]| cleared(stays, up_to).unwrap().without(deleted.to_vec());
        let all: &[Stay] = &[(0, None)];
        for (stays, up_to, deleted, expected) in [
            (all, 0, &[1, 7, 8, 20][..], [2..=6, 9..=19].into_iter().flatten().collect::<Vec<u64>>()),
            (all, 7, &[3, 7, 9], [8..=8, 10..=20].into_iter().flatten().collect()),
            (&[(0, Some(3)), (18, None)], 0, &[2, 10, 19], vec![1, 3, 20]),
            (&[(0, Some(3))], 0, &[1, 2, 3], vec![]),
        ] {
            let membership = kept(stays, up_to, deleted);
            assert_eq!((1..=21).filter(|seq| membership.sees(*seq)).collect::<Vec<_>>(), expected);
            let spans = membership.visible(0, u64::MAX);
            let in_spans = |seq: &u64| spans.iter().any(|span| span.contains(*seq));
            assert_eq!((1..=21).filter(in_spans).collect::<Vec<_>>(), expected, "{spans:?}");
            assert!(spans.iter().all(|span| span.after < span.until), "{spans:?}");
        }
        let membership = kept(&[(0, Some(5)), (10, None)], 0, &[4, 12]);
        let left = |after, until| Span { after, until, as_of: 105 };
        assert_eq!(membership.visible(2, 12), [left(2, 3), left(4, 5), Span::now(10, 11)]);
        assert_eq!(membership.with_deleted(2, 12), [left(2, 5), Span::now(10, 12)]);
        let gone: Vec<Span> = membership
            .with_deleted(2, 11)
            .into_iter()
            .flat_map(|span| membership.deleted_of(span).collect::<Vec<_>>())
            .collect();
        assert_eq!(gone, [left(3, 4)]);
        assert!(membership.with_what_was_deleted().sees(4));
    }

    #[test]
    fn numbers_that_follow_and_were_deleted_are_known() {
        let membership = membership(&[(0, None)]).unwrap().without(vec![5, 6, 9, 20]);
        assert_eq!([3, 4, 7, 8, 19, 20].map(|seq| membership.known_to(seq)), [3, 6, 7, 9, 20, 20]);
    }

    #[test]
    fn who_was_never_in_has_no_membership() {
        assert_eq!(membership(&[]), None);
    }

    #[test]
    fn the_newest_that_somebody_knows_of_is_never_behind_their_leaving() {
        let newest = |stays: &[Stay]| membership(stays).unwrap().newest();
        assert_eq!((newest(&[(0, None)]), newest(&[(0, Some(3))])), (20, 3));
        assert_eq!((newest(&[(0, Some(3)), (18, None)]), newest(&[(0, Some(3)), (5, Some(9))])), (20, 9));
    }

    #[test]
    fn spans_keep_to_what_is_asked_for() {
        let membership = membership(&[(0, Some(5)), (10, None)]).unwrap();
        let left = Span { after: 3, until: 5, as_of: 105 };
        assert_eq!(membership.visible(3, 12), [left, Span::now(10, 12)], "as it stood when they left");
        assert_eq!(membership.visible(5, 10), []);
    }
}
