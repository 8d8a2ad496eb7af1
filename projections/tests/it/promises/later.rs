//! What happens to messages after they were sent.

use super::*;
use std::collections::HashSet;

const THUMB: &str = "\u{1f44d}";
const ODD: &str = "\"%/";

pub fn change(seq: u64, position: u64) -> Change {
    Change { conversation_id: ONE, seq, position, at: time(position), what: What::Recalled { by: Some(ALICE) } }
}

pub fn edited(seq: u64, position: u64) -> Change {
    Change { what: What::Edited { body: sealed(position), has_link: false }, ..change(seq, position) }
}

fn reacted(seq: u64, position: u64, account: AccountId, emoji: &str, count: u64) -> Change {
    Change { what: What::Reacted { account, emoji: emoji.to_owned(), count }, ..change(seq, position) }
}

fn unreacted(seq: u64, position: u64, account: AccountId, emoji: &str, count: u64) -> Change {
    Change { what: What::Unreacted { account, emoji: emoji.to_owned(), count }, ..change(seq, position) }
}

/// In one batch with a message that is sent between them.
fn first() -> Vec<Change> {
    vec![
        edited(5, 201),
        reacted(5, 202, BOB, THUMB, 1),
        Change { what: What::Pinned, ..change(5, 203) },
        Change { position: 204, ..sent(ONE, 12) },
        reacted(12, 205, BOB, ODD, 1),
        reacted(7, 206, BOB, THUMB, 1),
        edited(7, 207),
    ]
}

fn second() -> Vec<Change> {
    vec![
        reacted(5, 208, ALICE, THUMB, 2),
        reacted(5, 209, ALICE, "z", 1),
        unreacted(12, 210, BOB, ODD, 0),
        edited(5, 211),
        change(7, 212),
        change(9, 213),
        unreacted(5, 214, BOB, THUMB, 1),
        Change { what: What::Unpinned, ..change(5, 215) },
    ]
}

/// The eighth is read, and ends by itself; so does the fourth.
fn third() -> Vec<Change> {
    let ended = |seq, position| Change { what: What::Recalled { by: None }, ..change(seq, position) };
    vec![
        Change { what: What::Counting { expires_at: time(900) }, ..change(8, 301) },
        edited(8, 302),
        reacted(8, 303, BOB, THUMB, 1),
        ended(4, 304),
        // Both were recalled before they were read.
        Change { what: What::Counting { expires_at: time(900) }, ..change(7, 305) },
        Change { what: What::Counting { expires_at: time(900) }, ..change(4, 306) },
    ]
}

async fn what_was_read_counts_until_it_ends(store: &dyn HistoryStore) {
    store.append(&third(), &Step { from: at(45), to: at(50), generation: Generation::FIRST }).await.unwrap();
    let one = async |as_of: u64, seq: usize| {
        store.page(ONE, &[Span { as_of, ..ALL }], Order::OldestFirst, 100).await.unwrap()[seq - 1].clone()
    };
    let counting = Message { expires_at: Some(time(900)), changed: 301, ..message(ONE, 8) };
    let (body, edited_at) = (Some(sealed(302)), Some(time(302)));
    let now = Message { body, edited_at, reactions: counts(&[(THUMB, 1)]), changed: 303, ..counting.clone() };
    assert_eq!(one(u64::MAX, 8).await, now);
    assert_eq!(one(301, 8).await, counting);
    assert_eq!(one(300, 8).await, message(ONE, 8), "before it was read");
    let recalled = one(u64::MAX, 7).await;
    assert_eq!((recalled.changed, recalled.expires_at), (212, None), "it had ended already");
    let ended = |seq, position| Message {
        body: None,
        details: Details::default(),
        recalled_at: Some(time(position)),
        expires_at: None,
        changed: position,
        ..message(ONE, seq)
    };
    assert_eq!(one(u64::MAX, 4).await, ended(4, 304));
    let over = Change { what: What::Recalled { by: None }, ..change(8, 310) };
    let step = Step { from: at(50), to: at(51), generation: Generation::FIRST };
    store.append(std::slice::from_ref(&over), &step).await.unwrap();
    for (number, part) in [&[over][..], &third()[..]].into_iter().enumerate() {
        let (from, to) = (at(51 + number as u64), at(52 + number as u64));
        store.append(part, &Step { from, to, generation: Generation::FIRST }).await.unwrap();
        assert_eq!(one(u64::MAX, 8).await, ended(8, 310), "after part {number}");
    }
    assert_eq!(one(301, 8).await, ended(8, 310), "nothing is left of what it was");
    assert_eq!(store.recalled(ONE, &[4, 8, 10]).await.unwrap(), HashSet::from([4, 8]));
    assert_eq!(store.versions(ONE, 8, 0, u64::MAX, 100).await.unwrap(), []);
    assert_eq!(store.reactors(ONE, 8, EVERYBODY).await.unwrap(), []);
}

pub async fn hold(store: &dyn HistoryStore) {
    store.append(&first(), &Step { from: at(22), to: at(30), generation: Generation::FIRST }).await.unwrap();
    after_the_first(store).await;
    store.append(&second(), &Step { from: at(30), to: at(40), generation: Generation::FIRST }).await.unwrap();
    after_the_second(store).await;
    applying_again_changes_nothing(store).await;
    who_left_sees_what_it_was(store).await;
    recalled_ones_are_not_unread(store).await;
    it_says_which_were_recalled(store).await;
    a_tally_says_why_the_others_are_not_unread(store).await;
    what_changed_comes_in_its_order(store).await;
    everybody_finds_their_own_reactions(store).await;
    what_was_said_before_is_read_from_the_beginning(store).await;
    who_has_reacted_comes_newest_first(store).await;
    who_left_sees_who_had_reacted(store).await;
    what_was_read_counts_until_it_ends(store).await;
}

fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(emoji, count)| ((*emoji).to_owned(), *count)).collect()
}

/// The fifth as the first batch leaves it.
fn fifth() -> Message {
    Message {
        body: Some(sealed(201)),
        edited_at: Some(time(201)),
        pinned_at: Some(time(203)),
        reactions: counts(&[(THUMB, 1)]),
        changed: 203,
        ..message(ONE, 5)
    }
}

async fn after_the_first(store: &dyn HistoryStore) {
    let stored = all(store, ONE).await;
    assert_eq!(stored[4], fifth());
    let reactions = counts(&[(THUMB, 1)]);
    let seventh =
        Message { body: Some(sealed(207)), edited_at: Some(time(207)), reactions, changed: 207, ..message(ONE, 7) };
    assert_eq!(stored[6], seventh);
    assert_eq!(stored[11], Message { position: 204, reactions: counts(&[(ODD, 1)]), changed: 205, ..message(ONE, 12) });
    assert_eq!(stored[5], message(ONE, 6), "others stay as they were");
}

fn expected() -> Vec<Message> {
    let mut expected = messages(ONE, 1..=12);
    expected[4] = Message {
        body: Some(sealed(211)),
        edited_at: Some(time(211)),
        reactions: counts(&[(THUMB, 1), ("z", 1)]),
        changed: 215,
        ..message(ONE, 5)
    };
    let recalled = |seq, position| Message {
        expires_at: None,
        body: None,
        details: Details::default(),
        recalled_at: Some(time(position)),
        recalled_by: Some(ALICE),
        changed: position,
        ..message(ONE, seq)
    };
    expected[6] = recalled(7, 212);
    expected[8] = recalled(9, 213);
    expected[10] = Message { sender: None, body: Some(system(11)), ..message(ONE, 11) };
    expected[11] = Message { position: 204, changed: 210, ..message(ONE, 12) };
    expected
}

async fn after_the_second(store: &dyn HistoryStore) {
    assert_eq!(all(store, ONE).await, expected());
    assert_eq!(store.by_ids(ONE, &[id(7)]).await.unwrap(), [expected()[6].clone()]);
    assert_eq!(all(store, OTHER).await[..2], messages(OTHER, 1..=2), "the other conversation has the same ids");
}

/// Both batches, parts of them, and one that lies across.
async fn applying_again_changes_nothing(store: &dyn HistoryStore) {
    let both = [first(), second()].concat();
    let mut from = at(40);
    for (number, part) in [&both[..], &both[2..5], &both[4..10], &both[7..], &both[..7]].into_iter().enumerate() {
        let to = at(41 + number as u64);
        store.append(part, &Step { from, to, generation: Generation::FIRST }).await.unwrap();
        assert_eq!(all(store, ONE).await, expected(), "after part {number}");
        from = to;
    }
}

async fn who_left_sees_what_it_was(store: &dyn HistoryStore) {
    let one = async |as_of: u64, seq: usize| {
        store.page(ONE, &[Span { as_of, ..ALL }], Order::OldestFirst, 100).await.unwrap()[seq - 1].clone()
    };
    assert_eq!(one(200, 5).await, message(ONE, 5), "before anything happened to it");
    assert_eq!(one(203, 5).await, fifth());
    let reactions = counts(&[(THUMB, 2), ("z", 1)]);
    assert_eq!(one(210, 5).await, Message { reactions, changed: 209, ..fifth() });
    assert_eq!(one(215, 5).await, expected()[4]);
    assert_eq!(one(200, 9).await, expected()[8], "recalls always apply");
    assert_eq!(one(206, 7).await, expected()[6], "and nothing is left of what it was before");
    let spans = [Span { after: 4, until: 5, as_of: 203 }, Span { after: 11, until: 12, as_of: 205 }];
    let paged = store.page(ONE, &spans, Order::NewestFirst, 10).await.unwrap();
    assert_eq!((paged[0].changed, &paged[1]), (205, &fifth()), "each span has its own");
    let last = store.last(&[(ONE, Span { after: 0, until: 5, as_of: 203 })]).await.unwrap();
    assert_eq!(last[&ONE], fifth());
}

async fn recalled_ones_are_not_unread(store: &dyn HistoryStore) {
    let spans = [(ONE, Span::now(0, 12))];
    // Alice's own and the eleventh do not count: 3, 6, 12; the ninth is recalled.
    assert_eq!(store.unread(ALICE, &spans).await.unwrap()[&ONE], 3);
    // 1, 2, 4, 5, 8, 10; the seventh is recalled.
    assert_eq!(store.unread(BOB, &spans).await.unwrap()[&ONE], 6);
}

async fn it_says_which_were_recalled(store: &dyn HistoryStore) {
    assert_eq!(store.recalled(ONE, &[5, 7, 8, 9, 77]).await.unwrap(), HashSet::from([7, 9]));
    assert_eq!(store.recalled(OTHER, &[1, 7]).await.unwrap(), HashSet::new());
    assert_eq!(store.recalled(ONE, &[]).await.unwrap(), HashSet::new());
}

/// Of the twelve four are Bob's, one of which is recalled; one is the server's; one of Alice's is recalled.
async fn a_tally_says_why_the_others_are_not_unread(store: &dyn HistoryStore) {
    let of = async |who, spans: &[Span]| store.tally(who, ONE, spans).await.unwrap();
    let all = Tally { messages: 12, own: 4, system: 1, recalled: 1 };
    assert_eq!(of(BOB, &[ALL]).await, all);
    assert_eq!(of(ALICE, &[ALL]).await, Tally { own: 7, ..all });
    let parts = [Span::now(0, 6), Span::now(6, 9), Span::now(10, 12)];
    assert_eq!(of(BOB, &parts).await, Tally { messages: 11, own: 4, system: 1, recalled: 1 });
    assert_eq!(of(BOB, &[]).await, Tally::default());
    for who in [ALICE, BOB] {
        for spans in [&[ALL][..], &parts, &parts[1..]] {
            let named: Vec<_> = spans.iter().map(|span| (ONE, *span)).collect();
            let unread = store.unread(who, &named).await.unwrap();
            assert_eq!(of(who, spans).await.unread(), unread.get(&ONE).copied().unwrap_or(0), "{spans:?}");
        }
    }
}

async fn what_changed_comes_in_its_order(store: &dyn HistoryStore) {
    let changed = async |after, until, limit| -> Vec<u64> {
        let changed = store.changed(ONE, after, until, limit).await.unwrap();
        changed.into_iter().inspect(|message| assert!(expected().contains(message))).map(|it| it.seq).collect()
    };
    assert_eq!(changed(204, 1_000, 100).await, [12, 7, 9, 5]);
    assert_eq!(changed(0, 1_000, 100).await, [12, 7, 9, 5], "also those that came later, if they changed");
    assert_eq!(changed(204, 213, 100).await, [12, 7, 9], "the fifth changed again");
    assert_eq!(changed(204, 1_000, 2).await, [12, 7]);
    assert_eq!(changed(215, 1_000, 100).await, [0; 0]);
}

async fn everybody_finds_their_own_reactions(store: &dyn HistoryStore) {
    let mine = async |viewer| store.mine(viewer, ONE, &[5, 7, 12]).await.unwrap();
    assert_eq!(mine(ALICE).await.get(&5), Some(&vec!["z".to_owned(), THUMB.to_owned()]));
    assert_eq!(mine(BOB).await.values().flatten().count(), 0);
    assert!(store.mine(ALICE, ONE, &[6]).await.unwrap().values().all(Vec::is_empty));
    assert!(store.mine(ALICE, OTHER, &[5]).await.unwrap().values().all(Vec::is_empty));
}

fn said(position: u64, at: u64, body: Body) -> Version {
    Version { position, at: time(at), body: Some(body) }
}

async fn what_was_said_before_is_read_from_the_beginning(store: &dyn HistoryStore) {
    let versions = async |seq, after, until, limit| store.versions(ONE, seq, after, until, limit).await.unwrap();
    let fifth = [said(105, 5, sealed(5)), said(201, 201, sealed(201)), said(211, 211, sealed(211))];
    assert_eq!(versions(5, 0, u64::MAX, 100).await, fifth);
    assert_eq!(versions(5, 0, u64::MAX, 2).await, fifth[..2]);
    assert_eq!(versions(5, 201, u64::MAX, 2).await, fifth[2..]);
    assert_eq!(versions(5, 0, 210, 100).await, fifth[..2], "as it stood then");
    assert_eq!(versions(6, 0, u64::MAX, 100).await, [said(106, 6, sealed(6))], "one that nobody edited");
    assert_eq!(versions(7, 0, u64::MAX, 100).await, [], "of what was recalled nothing is left");
    assert_eq!(versions(7, 0, 207, 100).await, [], "nor of what it was before");
    assert_eq!(versions(77, 0, u64::MAX, 100).await, []);
}

const EVERYBODY: Votes<'_> = Votes { emoji: None, before: u64::MAX, as_of: u64::MAX, limit: 100 };

fn put(account: AccountId, emoji: &str, position: u64) -> Reactor {
    Reactor { account, emoji: emoji.to_owned(), at: time(position), position }
}

async fn who_has_reacted_comes_newest_first(store: &dyn HistoryStore) {
    let reactors = async |seq, votes| store.reactors(ONE, seq, votes).await.unwrap();
    let both = [put(ALICE, "z", 209), put(ALICE, THUMB, 208)];
    assert_eq!(reactors(5, EVERYBODY).await, both);
    assert_eq!(reactors(5, Votes { limit: 1, ..EVERYBODY }).await, both[..1]);
    assert_eq!(reactors(5, Votes { before: 209, ..EVERYBODY }).await, both[1..]);
    assert_eq!(reactors(5, Votes { emoji: Some(THUMB), ..EVERYBODY }).await, both[1..]);
    assert_eq!(reactors(5, Votes { emoji: Some(ODD), ..EVERYBODY }).await, []);
    assert_eq!(reactors(12, EVERYBODY).await, [], "it was taken back");
    assert_eq!(reactors(7, EVERYBODY).await, [], "it was recalled");
}

async fn who_left_sees_who_had_reacted(store: &dyn HistoryStore) {
    let then = async |seq, as_of| store.reactors(ONE, seq, Votes { as_of, ..EVERYBODY }).await.unwrap();
    assert_eq!(then(5, 208).await, [put(ALICE, THUMB, 208), put(BOB, THUMB, 202)]);
    assert_eq!(then(5, 213).await, [put(ALICE, "z", 209), put(ALICE, THUMB, 208), put(BOB, THUMB, 202)]);
    assert_eq!(then(5, 214).await, [put(ALICE, "z", 209), put(ALICE, THUMB, 208)]);
    assert_eq!(then(12, 205).await, [put(BOB, ODD, 205)]);
    assert_eq!(then(7, 206).await, [], "a recall takes it from everybody");
    let last = store.reactors(ONE, 5, Votes { before: 208, as_of: 208, ..EVERYBODY }).await.unwrap();
    assert_eq!(last, [put(BOB, THUMB, 202)]);
}
