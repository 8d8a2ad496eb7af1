//! Spans with little between them are read as one, and what lies between is left out: somebody who has deleted many single
//! messages has as many spans, and each would be a query.

use crate::message::Span;
use natter_domain::ConversationId;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Numbers between two spans that are rather read than jumped over.
const NEAR: u64 = 16;

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// From the first to the end of the last.
    pub whole: Span,
    parts: Vec<Span>,
    /// Numbers of `whole` in none of its parts.
    pub holes: u64,
}

impl Run {
    fn of(span: Span) -> Self {
        Self { whole: span, parts: vec![span], holes: 0 }
    }

    pub fn contains(&self, seq: u64) -> bool {
        let at = self.parts.partition_point(|part| part.until < seq);
        self.parts.get(at).is_some_and(|part| part.contains(seq))
    }

    /// Whether it takes the next one in, with so many holes at the most.
    fn takes(&mut self, next: Span, most: u64) -> bool {
        let between = next.after.checked_sub(self.whole.until);
        let Some(between) = between.filter(|between| *between <= NEAR && self.holes + between <= most) else {
            return false;
        };
        if next.as_of != self.whole.as_of {
            return false;
        }
        (self.whole.until, self.holes) = (next.until, self.holes + between);
        self.parts.push(next);
        true
    }
}

/// `spans`: in rising order. No run has more holes than messages are wanted, or a few.
pub(super) fn runs(spans: &[Span], wanted: u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for span in spans {
        let is_taken = runs.last_mut().is_some_and(|run| run.takes(*span, wanted.max(NEAR)));
        if !is_taken {
            runs.push(Run::of(*span));
        }
    }
    runs
}

/// Of each conversation, for who wants all that its spans hold.
pub(super) fn runs_of(spans: &[(ConversationId, Span)]) -> Vec<(ConversationId, Run)> {
    let mut all = Vec::new();
    for (id, spans) in by_conversation(spans) {
        all.extend(runs(&spans, u64::MAX).into_iter().map(|run| (ConversationId(id), run)));
    }
    all
}

/// In the order in which they come.
pub(super) fn by_conversation(spans: &[(ConversationId, Span)]) -> BTreeMap<Uuid, Vec<Span>> {
    let mut of: BTreeMap<Uuid, Vec<Span>> = BTreeMap::new();
    for (conversation, span) in spans {
        of.entry(conversation.0).or_default().push(*span);
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every second number up to there.
    fn singles(count: u64) -> Vec<Span> {
        (0..count).map(|number| Span::now(2 * number, 2 * number + 1)).collect()
    }

    #[test]
    fn neighbours_are_read_at_once_and_what_is_between_is_left_out() {
        let all = runs(&singles(100), 200);
        let [run] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((run.whole, run.holes), (Span::now(0, 199), 99));
        assert!((0..300).all(|seq| run.contains(seq) == (seq < 200 && seq % 2 == 1)));
    }

    #[test]
    fn no_more_is_read_than_is_worth_it() {
        let few = runs(&singles(100), 1);
        assert!(few.len() > 5 && few.iter().all(|run| run.holes <= NEAR), "{few:?}");
        let far = [Span::now(0, 5), Span::now(5 + NEAR + 1, 100)];
        assert_eq!(runs(&far, 200), far.map(Run::of));
        let moments = [Span { as_of: 7, ..Span::now(0, 5) }, Span::now(6, 9)];
        assert_eq!(runs(&moments, 200), moments.map(Run::of), "as they stood at two moments");
        assert!(runs(&[], 200).is_empty());
    }

    #[test]
    fn who_has_deleted_a_thousand_in_each_of_several_conversations_is_one_read_in_each() {
        let ids = [1, 2, 3].map(|id| ConversationId(Uuid::from_u128(id)));
        let spans: Vec<_> = singles(1_000).into_iter().flat_map(|span| ids.map(|id| (id, span))).collect();
        let all = runs_of(&spans);
        assert_eq!(all.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
        assert!(all.iter().all(|(_, run)| run.whole == Span::now(0, 1_999) && run.parts.len() == 1_000));
    }
}
