//! A conversation of thousands, over the borders at which a store may part it.

use super::*;

const WIDE: ConversationId = ConversationId(Uuid::from_u128(3));
/// Those that are there; stores part at multiples of 4096.
const FIRST: u64 = 4_000;
const LAST: u64 = 8_300;

pub async fn hold(store: &dyn HistoryStore) {
    let mut from = at(53);
    let all: Vec<u64> = (FIRST..=LAST).collect();
    for seqs in all.chunks(1_000) {
        let to = at(from.position + 1);
        store
            .append(&sends(WIDE, seqs.iter().copied()), &Step { from, to, generation: Generation::FIRST })
            .await
            .unwrap();
        from = to;
    }
    let to = at(from.position + 1);
    store.append(&later_ones(), &Step { from, to, generation: Generation::FIRST }).await.unwrap();
    pages_cross_borders_in_order(store).await;
    spans_end_at_borders(store).await;
    what_lies_between_many_spans_is_left_out(store).await;
    many_spans_are_counted_as_one_would_by_hand(store).await;
    many_spans_are_looked_through_without_what_lies_between(store).await;
    empty_spans_hold_nothing(store).await;
    the_newest_is_found_behind_emptiness(store).await;
    unread_is_counted_across_borders(store).await;
    ids_and_reactions_are_found_on_both_sides(store).await;
    changes_are_found_on_both_sides(store).await;
}

/// On both sides of a border.
fn later_ones() -> Vec<Change> {
    let of = |seq, position| Change { conversation_id: WIDE, ..later::change(seq, position) };
    let react = |account| What::Reacted { account, emoji: "a".to_owned(), count: 1 };
    vec![
        Change { what: react(BOB), ..of(8_191, 20_000) },
        Change { what: react(BOB), ..of(8_192, 20_001) },
        of(4_097, 20_002),
        // Far behind: where changes are parted too.
        Change { what: What::Pinned, ..of(4_095, 5_000_000) },
    ]
}

async fn seqs(store: &dyn HistoryStore, spans: &[Span], order: Order, limit: u32) -> Vec<u64> {
    let page = store.page(WIDE, spans, order, limit).await.unwrap();
    page.iter().map(|message| message.seq).collect()
}

async fn pages_cross_borders_in_order(store: &dyn HistoryStore) {
    let oldest = seqs(store, &[ALL], Order::OldestFirst, 10_000).await;
    assert!(oldest.iter().copied().eq(FIRST..=LAST), "{} of them", oldest.len());
    let newest = seqs(store, &[ALL], Order::NewestFirst, 10_000).await;
    assert!(newest.iter().copied().eq((FIRST..=LAST).rev()), "{} of them", newest.len());
    assert_eq!(seqs(store, &[Span::now(0, 8_193)], Order::NewestFirst, 4).await, [8_193, 8_192, 8_191, 8_190]);
    assert_eq!(seqs(store, &[Span::now(4_094, LAST)], Order::OldestFirst, 3).await, [4_095, 4_096, 4_097]);
}

async fn spans_end_at_borders(store: &dyn HistoryStore) {
    for (after, until) in [(4_095, 4_096), (4_094, 4_095), (8_190, 8_191), (8_191, 8_192)] {
        let span = [Span::now(after, until)];
        assert_eq!(seqs(store, &span, Order::NewestFirst, 10).await, [until]);
        assert_eq!(seqs(store, &span, Order::OldestFirst, 10).await, [until]);
    }
    let spans = [Span::now(4_094, 4_096), Span::now(8_191, 8_193)];
    assert_eq!(seqs(store, &spans, Order::OldestFirst, 10).await, [4_095, 4_096, 8_192, 8_193]);
    assert_eq!(seqs(store, &spans, Order::NewestFirst, 3).await, [8_193, 8_192, 4_096]);
}

/// Somebody has deleted every second one, and a few more, on both sides of a border.
fn left() -> Vec<u64> {
    let is_gone = |seq: u64| seq.is_multiple_of(2) || (8_185..8_190).contains(&seq);
    (8_001..=LAST).filter(|seq| !is_gone(*seq)).collect()
}

fn singles(seqs: &[u64]) -> Vec<Span> {
    seqs.iter().map(|seq| Span::now(seq - 1, *seq)).collect()
}

async fn what_lies_between_many_spans_is_left_out(store: &dyn HistoryStore) {
    let left = left();
    let spans = singles(&left);
    for limit in [1, 3, 60, 1_000] {
        let expected: Vec<u64> = left.iter().copied().take(limit as usize).collect();
        assert_eq!(seqs(store, &spans, Order::OldestFirst, limit).await, expected, "{limit}");
        let expected: Vec<u64> = left.iter().rev().copied().take(limit as usize).collect();
        assert_eq!(seqs(store, &spans, Order::NewestFirst, limit).await, expected, "{limit}");
    }
    let named: Vec<_> = spans.iter().chain([&Span::now(LAST, LAST + 5)]).map(|span| (WIDE, *span)).collect();
    assert_eq!(store.last(&named).await.unwrap()[&WIDE].seq, *left.last().unwrap());
}

async fn many_spans_are_counted_as_one_would_by_hand(store: &dyn HistoryStore) {
    // One of the odd ones, 4,097, is recalled, and Alice's.
    let odd: Vec<u64> = (4_001..4_200).step_by(2).collect();
    let even: Vec<u64> = odd.iter().map(|seq| seq + 1).collect();
    for (seqs, gone) in [(left(), 0), (odd, 1), (even, 0)] {
        let spans = singles(&seqs);
        let named: Vec<_> = spans.iter().map(|span| (WIDE, *span)).collect();
        for viewer in [ALICE, BOB] {
            let own = seqs.iter().filter(|seq| sender(**seq) == viewer).count() as u64;
            let recalled = if viewer == BOB { gone } else { 0 };
            let counted = Tally { messages: seqs.len() as u64, own, system: 0, recalled };
            assert_eq!(store.tally(viewer, WIDE, &spans).await.unwrap(), counted);
            assert_eq!(store.unread(viewer, &named).await.unwrap()[&WIDE], counted.unread());
        }
    }
}

/// With one among them that is wider: stores may know where single ones stand.
async fn many_spans_are_looked_through_without_what_lies_between(store: &dyn HistoryStore) {
    let seqs: Vec<u64> = (7_981..=7_990).chain(left()).collect();
    let spans = [vec![Span::now(7_980, 7_990)], singles(&left())].concat();
    for who in [None, Some(BOB)] {
        let filter = Filter { sender: who, ..Filter::default() };
        let fits = |seq: &u64| who.is_none_or(|who| sender(*seq) == who);
        let fitting: Vec<u64> = seqs.iter().rev().copied().filter(fits).collect();
        for limit in [7, 1_000] {
            assert_eq!(found(store, spans.clone(), &filter, limit).await, fitting, "{who:?}, {limit}");
        }
    }
}

/// Page by page.
async fn found(store: &dyn HistoryStore, mut spans: Vec<Span>, filter: &Filter, limit: u32) -> Vec<u64> {
    let mut seqs = Vec::new();
    loop {
        let Found { messages, looked_to } = store.find(WIDE, &spans, filter, limit).await.unwrap();
        assert!(messages.len() <= limit as usize, "{} of {limit}", messages.len());
        seqs.extend(messages.iter().map(|message| message.seq));
        let Some(rest) = looked_to.checked_sub(1) else { return seqs };
        spans = spans.into_iter().filter_map(|span| span.intersection(Span::now(0, rest))).collect();
    }
}

async fn empty_spans_hold_nothing(store: &dyn HistoryStore) {
    for (after, until) in [(5_000, 5_000), (5_001, 5_000), (0, 0), (u64::MAX, u64::MAX), (0, FIRST - 1), (LAST, 40_000)]
    {
        let span = Span::now(after, until);
        assert_eq!(seqs(store, &[span], Order::NewestFirst, 10).await, [0; 0], "{span:?}");
        assert_eq!(seqs(store, &[span], Order::OldestFirst, 10).await, [0; 0], "{span:?}");
        assert!(store.last(&[(WIDE, span)]).await.unwrap().is_empty(), "{span:?}");
        let unread = store.unread(ALICE, &[(WIDE, span)]).await.unwrap();
        assert_eq!(unread.get(&WIDE).copied().unwrap_or(0), 0, "{span:?}");
    }
}

async fn the_newest_is_found_behind_emptiness(store: &dyn HistoryStore) {
    for until in [8_192, LAST, LAST + 1, 100_000, u64::MAX] {
        let last = store.last(&[(WIDE, Span::now(0, until))]).await.unwrap();
        assert_eq!(last[&WIDE].seq, until.min(LAST));
    }
}

async fn unread_is_counted_across_borders(store: &dyn HistoryStore) {
    let bobs = |after: u64, until: u64| (after + 1..=until).filter(|seq| sender(*seq) == BOB).count() as u64;
    for (after, until) in [(4_095, 4_096), (4_090, 4_100), (FIRST, LAST)] {
        let unread = store.unread(ALICE, &[(WIDE, Span::now(after, until))]).await.unwrap();
        // 4,097 is recalled, and not Bob's.
        assert_eq!(unread.get(&WIDE).copied().unwrap_or(0), bobs(after, until), "{after}..{until}");
    }
    let unread = store.unread(BOB, &[(WIDE, Span::now(4_096, 8_192))]).await.unwrap();
    assert_eq!(unread[&WIDE], 4_096 - bobs(4_096, 8_192) - 1, "without the recalled one");
}

async fn ids_and_reactions_are_found_on_both_sides(store: &dyn HistoryStore) {
    let wanted = [4_095, 4_096, 8_191, 8_192, 1];
    let mut found = store.by_ids(WIDE, &wanted.map(id)).await.unwrap();
    found.sort_by_key(|message| message.seq);
    assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), [4_095, 4_096, 8_191, 8_192]);
    let many: Vec<_> = (FIRST..=LAST).step_by(7).map(id).collect();
    assert_eq!(store.by_ids(WIDE, &many).await.unwrap().len(), many.len());
    let mine = store.mine(BOB, WIDE, &[8_190, 8_191, 8_192, 4_096]).await.unwrap();
    let mut mine: Vec<u64> = mine.into_iter().filter(|(_, emojis)| emojis == &["a"]).map(|(seq, _)| seq).collect();
    mine.sort_unstable();
    assert_eq!(mine, [8_191, 8_192]);
}

async fn changes_are_found_on_both_sides(store: &dyn HistoryStore) {
    let changed = async |after, until, limit| -> Vec<u64> {
        let changed = store.changed(WIDE, after, until, limit).await.unwrap();
        changed.iter().map(|message| message.seq).collect()
    };
    assert_eq!(changed(19_999, u64::MAX, 100).await, [8_191, 8_192, 4_097, 4_095]);
    assert_eq!(changed(20_001, u64::MAX, 100).await, [4_097, 4_095]);
    assert_eq!(changed(19_999, 20_001, 100).await, [8_191, 8_192]);
    assert_eq!(changed(19_999, u64::MAX, 3).await, [8_191, 8_192, 4_097]);
    assert_eq!(changed(20_002, 4_999_999, 100).await, [0; 0]);
    assert_eq!(changed(5_000_000, u64::MAX, 100).await, [0; 0]);
}
