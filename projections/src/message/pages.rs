//! Pages of messages, shared by those who read them: readers of one page at one time share one query, and the newest
//! pages of busy conversations stay in memory.
//!
//! Numbers have no gaps, so which messages a page holds is known before they are read: its key is that, whatever bounds
//! the reader named and whenever they joined.
//!
//! What is kept is what everybody who may see it is shown, bodies opened: opening fifty of them again for
//! each reader is work that all of them can share. So opened bodies are in memory for as long as their page is. A key that
//! is destroyed takes its pages with it: those of what somebody said to themselves. Those of other conversations are not
//! destroyed: what was said there is others' too.

use crate::{
    Error,
    message::{HistoryStore, Order, Span, query::shown_to_all},
    metrics,
    shelf::Shelf,
};
use natter_client::wire;
use natter_domain::ConversationId;
use natter_streams::{position::Place, sealing::Keys};
use std::sync::Arc;

/// Bytes of messages that are kept.
const ROOM: usize = 64 << 20;

/// What a message weighs beside what it says.
const MESSAGE: usize = 400;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    conversation: ConversationId,
    /// Rising, none empty.
    spans: Vec<Span>,
}

/// Oldest first; nobody's own reactions are marked.
struct Page(Vec<wire::Message>);

pub(crate) struct Pages {
    store: Arc<dyn HistoryStore>,
    shelf: Shelf<Key, Page>,
}

/// How old an answer may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    /// Where, in the conversation's lane, something of it last changed, as far as is known.
    pub(crate) changed: Place,
    /// How far history has read that lane.
    pub(crate) now: Place,
}

impl Fresh {
    /// History cannot tell more than it has read: what it said since then it would say again.
    fn needed(&self) -> Place {
        Place { position: self.changed.position.min(self.now.position), ..self.now }
    }
}

impl Pages {
    pub(crate) fn new(store: Arc<dyn HistoryStore>) -> Self {
        Self { store, shelf: Shelf::new(ROOM, weigh) }
    }

    /// An event was applied behind later ones: what was read since may lack it, whatever its position says.
    pub(crate) fn forget(&self) {
        self.shelf.forget();
    }

    /// Nothing of that conversation is kept.
    pub(crate) fn forget_all_of(&self, conversation: ConversationId) {
        self.shelf.forget_those(|key| key.conversation == conversation);
    }

    /// [`HistoryStore::page`], as everybody sees it.
    pub(crate) async fn page(
        &self,
        conversation: ConversationId,
        spans: &[Span],
        order: Order,
        limit: u32,
        fresh: Fresh,
        keys: &Keys,
    ) -> Result<Vec<wire::Message>, Error> {
        let key = Key { conversation, spans: cut(spans, order, limit) };
        let expected: u64 = key.spans.iter().map(|span| span.until - span.after).sum();
        let (store, asked, by) = (self.store.clone(), key.clone(), keys.clone());
        let page = self.shelf.get(key, fresh.needed(), fresh.now, async move {
            metrics::page_read();
            let messages = store.page(asked.conversation, &asked.spans, Order::OldestFirst, limit).await?;
            Ok(Page(shown_to_all(&*store, &by, &messages).await?))
        });
        let Page(messages) = &*page.await?;
        metrics::page_shown();
        if (messages.len() as u64) < expected {
            // History lags behind what is known of the conversation: it is asked for the newest that it has.
            metrics::page_read();
            let messages = self.store.page(conversation, spans, order, limit).await?;
            return shown_to_all(&*self.store, keys, &messages).await;
        }
        Ok(match order {
            Order::OldestFirst => messages.clone(),
            Order::NewestFirst => messages.iter().rev().cloned().collect(),
        })
    }
}

fn weigh(page: &Page) -> usize {
    let json = |message: &wire::Message| serde_json::to_vec(message).map_or(0, |json| json.len());
    MESSAGE + page.0.iter().map(|message| MESSAGE + json(message)).sum::<usize>()
}

/// The first `limit` numbers of the spans in that order, as spans that rise.
fn cut(spans: &[Span], order: Order, limit: u32) -> Vec<Span> {
    let mut left = u64::from(limit);
    let mut part = |span: &Span| {
        let count = (span.until - span.after).min(left);
        left -= count;
        let cut = match order {
            Order::OldestFirst => Span { until: span.after + count, ..*span },
            Order::NewestFirst => Span { after: span.until - count, ..*span },
        };
        (count > 0).then_some(cut)
    };
    match order {
        Order::OldestFirst => spans.iter().filter_map(part).collect(),
        Order::NewestFirst => {
            let mut parts: Vec<Span> = spans.iter().rev().filter_map(&mut part).collect();
            parts.reverse();
            parts
        }
    }
}

/// Half of the numbers from the end of what lies before, the rest from the beginning of what follows. Parts that touch
/// are one: who comes to the same page from elsewhere shares it.
pub(crate) fn around(before: &[Span], from: &[Span], limit: u32) -> Vec<Span> {
    let mut spans = cut(before, Order::NewestFirst, limit / 2);
    let taken: u64 = spans.iter().map(|span| span.until - span.after).sum();
    for span in cut(from, Order::OldestFirst, limit - taken as u32) {
        match spans.last_mut().filter(|last| last.until == span.after && last.as_of == span.as_of) {
            Some(last) => last.until = span.until,
            None => spans.push(span),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(after: u64, until: u64) -> Span {
        Span::now(after, until)
    }

    #[test]
    fn what_a_page_holds_does_not_depend_on_who_reads_it() {
        let (old, new) = (Order::OldestFirst, Order::NewestFirst);
        assert_eq!(cut(&[span(0, 100)], new, 10), [span(90, 100)]);
        assert_eq!(cut(&[span(40, 100)], new, 10), [span(90, 100)]);
        assert_eq!(cut(&[span(95, 100)], new, 10), [span(95, 100)]);
        assert_eq!(cut(&[span(0, 100)], old, 10), [span(0, 10)]);
        assert_eq!(cut(&[span(0, 3), span(5, 6), span(8, 20)], old, 5), [span(0, 3), span(5, 6), span(8, 9)]);
        assert_eq!(cut(&[span(0, 3), span(5, 6), span(8, 20)], new, 14), [span(2, 3), span(5, 6), span(8, 20)]);
        assert_eq!(cut(&[], new, 14), []);
    }

    #[test]
    fn a_jump_shows_half_before_and_the_rest_from_there_on() {
        assert_eq!(around(&[span(0, 49)], &[span(49, 100)], 10), [span(44, 54)]);
        assert_eq!(around(&[span(0, 2)], &[span(2, 100)], 10), [span(0, 10)], "what is not before is behind");
        assert_eq!(around(&[], &[span(0, 100)], 10), [span(0, 10)]);
        assert_eq!(around(&[span(0, 100)], &[], 10), [span(95, 100)]);
        assert_eq!(around(&[span(0, 49)], &[span(49, 100)], 1), [span(49, 50)], "the one itself");
        let (first, then) = ([span(0, 3), span(9, 10)], [span(10, 11), span(20, 30)]);
        assert_eq!(around(&first, &then, 6), [span(1, 3), span(9, 11), span(20, 22)], "over several stays");
        let left = Span { as_of: 7, ..span(0, 5) };
        assert_eq!(around(&[left], &[span(5, 9)], 4), [Span { after: 3, ..left }, span(5, 7)]);
    }

    #[test]
    fn history_is_not_asked_for_what_it_has_not_read() {
        let place = |position| Place { position, incarnation: 7 };
        assert_eq!(Fresh { changed: place(9), now: place(5) }.needed(), place(5));
        assert_eq!(Fresh { changed: place(3), now: place(5) }.needed(), place(3));
    }
}
