//! What every home of message history promises, written once. A store runs it all by handing in itself, empty, with
//! its checkpoint at the begin of a lane.

mod later;
mod thrift;
mod wide;

use natter_domain::{
    AccountId, ConversationId, KeyId, MessageId, Sealed, Timestamp,
    conversation::{BodyKind, Details, Lifetime, Mentions, Quote, Role, Root, SelfDestruct},
};
use natter_projections::{
    Error, Generation, Step,
    message::{Body, Change, Filter, Found, HistoryStore, Message, Order, Reactor, Span, Tally, Version, Votes, What},
};
use natter_streams::{Error as LogError, Hash, Lane, Link};
use std::collections::BTreeMap;
use uuid::Uuid;

const ALICE: AccountId = AccountId(Uuid::from_u128(0xa));
const BOB: AccountId = AccountId(Uuid::from_u128(0xb));
const ONE: ConversationId = ConversationId(Uuid::from_u128(1));
const OTHER: ConversationId = ConversationId(Uuid::from_u128(2));
const ALL: Span = Span { after: 0, until: u64::MAX, as_of: u64::MAX };

/// A store under test; it is filled once, each promise reads.
pub async fn hold(store: &dyn HistoryStore) {
    let step = it_takes_batches(store).await;
    it_refuses_a_step_from_elsewhere(store, &step).await;
    a_batch_that_comes_again_changes_nothing(store, &step).await;
    a_batch_without_messages_moves_the_checkpoint(store, &step).await;
    pages_go_both_ways_and_end(store).await;
    pages_keep_to_their_spans(store).await;
    one_message_is_found_in_its_conversation_only(store).await;
    unread_counts_others_within_spans(store).await;
    spans_of_single_numbers_are_as_good_as_any(store).await;
    the_newest_of_each_conversation_in_one_query(store).await;
    a_body_comes_back_as_it_went(store).await;
    later::hold(store).await;
    wide::hold(store).await;
}

fn at(position: u64) -> Link {
    let hash = Hash([position as u8; 32]);
    Link { lane: Lane::new(0), incarnation: Uuid::from_u128(9), position, hash }
}

fn sealed(byte: u64) -> Body {
    Body::Sealed(Sealed { key: KeyId::Installation, bytes: vec![byte as u8; 40] })
}

fn system(seq: u64) -> Body {
    Body::System(format!(r#"{{"kind":"system","code":"test","text":"number {seq}"}}"#))
}

/// Of every three the third is Bob's.
fn sent(conversation_id: ConversationId, seq: u64) -> Change {
    let (kind, details) = (Some(kind(seq)), Box::new(details(seq)));
    let what = What::Sent { message_id: id(seq), sender: Some(sender(seq)), body: sealed(seq), kind, details };
    Change { conversation_id, seq, position: 100 + seq, at: time(seq), what }
}

/// Every third one answers the first, silently. The fourth ends a while after it was sent, the eighth after it is read.
fn details(seq: u64) -> Details {
    let ends = |lifetime| Some(SelfDestruct { lifetime, sent_at: time(seq) });
    match seq {
        4 => return Details { self_destruct: ends(Lifetime::AfterS(60)), ..Details::default() },
        8 => return Details { self_destruct: ends(Lifetime::AfterReadS(60)), ..Details::default() },
        _ => {}
    }
    if !seq.is_multiple_of(3) {
        return Details::default();
    }
    let excerpt = Sealed { key: KeyId::Month(700), bytes: vec![seq as u8; 8] };
    let reply_to = Some(Quote { message_id: id(1), seq: 1, sender: Some(ALICE), excerpt: Some(excerpt) });
    let mentions = Mentions { accounts: vec![BOB], all: true, roles: vec![Role::Admin], by_role: vec![ALICE] };
    let thread = Some(Root { message_id: id(2), seq: 2, sender: Some(ALICE) });
    Details {
        reply_to,
        thread,
        mentions,
        silent: true,
        forwarded: true,
        said: Some(Uuid::from_u128(7)),
        has_link: true,
        self_destruct: None,
    }
}

fn kind(seq: u64) -> BodyKind {
    if seq.is_multiple_of(4) { BodyKind::Image } else { BodyKind::Text }
}

fn sender(seq: u64) -> AccountId {
    if seq.is_multiple_of(3) { BOB } else { ALICE }
}

fn id(seq: u64) -> MessageId {
    MessageId(Uuid::from_u128(u128::from(seq)))
}

fn time(position: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_123 + position as i64)
}

fn message(conversation_id: ConversationId, seq: u64) -> Message {
    Message {
        conversation_id,
        seq,
        message_id: id(seq),
        sender: Some(sender(seq)),
        body: Some(sealed(seq)),
        details: details(seq),
        sent_at: time(seq),
        edited_at: None,
        recalled_at: None,
        recalled_by: None,
        pinned_at: None,
        expires_at: (seq == 4).then(|| time(seq + 60_000)),
        reactions: BTreeMap::new(),
        position: 100 + seq,
        changed: 100 + seq,
    }
}

fn sends(conversation: ConversationId, seqs: impl IntoIterator<Item = u64>) -> Vec<Change> {
    seqs.into_iter().map(|seq| sent(conversation, seq)).collect()
}

fn messages(conversation: ConversationId, seqs: impl IntoIterator<Item = u64>) -> Vec<Message> {
    seqs.into_iter().map(|seq| message(conversation, seq)).collect()
}

async fn all(store: &dyn HistoryStore, conversation: ConversationId) -> Vec<Message> {
    store.page(conversation, &[ALL], Order::OldestFirst, 100).await.unwrap()
}

/// Ten messages in one conversation, two in another, interleaved, in two batches.
async fn it_takes_batches(store: &dyn HistoryStore) -> Step {
    let start = Link { position: 0, hash: Hash::default(), ..at(0) };
    let first = [sends(ONE, 1..=4), sends(OTHER, 1..=2)].concat();
    store.append(&first, &Step { from: start, to: at(6), generation: Generation::FIRST }).await.unwrap();
    let step = Step { from: at(6), to: at(12), generation: Generation::FIRST };
    store.append(&sends(ONE, 5..=10), &step).await.unwrap();
    step
}

async fn it_refuses_a_step_from_elsewhere(store: &dyn HistoryStore, step: &Step) {
    for changes in [sends(ONE, [11]), vec![later::edited(5, 120)]] {
        let refused = store.append(&changes, step).await;
        assert!(matches!(refused, Err(Error::Log(LogError::Overtaken { .. }))), "{refused:?}");
    }
    assert_eq!(all(store, ONE).await, messages(ONE, 1..=10), "refused, but written");
}

async fn a_batch_that_comes_again_changes_nothing(store: &dyn HistoryStore, step: &Step) {
    let step = Step { from: step.to, to: at(13), generation: Generation::FIRST };
    store.append(&sends(ONE, 6..=10), &step).await.unwrap();
    assert_eq!(all(store, ONE).await, messages(ONE, 1..=10));
}

async fn a_batch_without_messages_moves_the_checkpoint(store: &dyn HistoryStore, _: &Step) {
    store.append(&[], &Step { from: at(13), to: at(20), generation: Generation::FIRST }).await.unwrap();
    store.append(&[], &Step { from: at(20), to: at(21), generation: Generation::FIRST }).await.unwrap();
}

async fn pages_go_both_ways_and_end(store: &dyn HistoryStore) {
    let newest = store.page(ONE, &[ALL], Order::NewestFirst, 3).await.unwrap();
    assert_eq!(newest, messages(ONE, [10, 9, 8]));
    let behind = [Span::now(8, u64::MAX)];
    assert_eq!(store.page(ONE, &behind, Order::OldestFirst, 3).await.unwrap(), messages(ONE, [9, 10]));
    let beyond = [Span::now(10, u64::MAX)];
    assert_eq!(store.page(ONE, &beyond, Order::OldestFirst, 3).await.unwrap(), []);
}

async fn pages_keep_to_their_spans(store: &dyn HistoryStore) {
    let spans = [Span::now(0, 2), Span::now(7, 9)];
    assert_eq!(store.page(ONE, &spans, Order::NewestFirst, 100).await.unwrap(), messages(ONE, [9, 8, 2, 1]));
    assert_eq!(store.page(ONE, &spans, Order::OldestFirst, 3).await.unwrap(), messages(ONE, [1, 2, 8]));
    assert_eq!(store.page(ONE, &[], Order::OldestFirst, 3).await.unwrap(), []);
}

async fn one_message_is_found_in_its_conversation_only(store: &dyn HistoryStore) {
    assert_eq!(store.by_ids(ONE, &[id(7)]).await.unwrap(), messages(ONE, [7]));
    assert_eq!(store.by_ids(OTHER, &[id(7)]).await.unwrap(), []);
    let mut several = store.by_ids(ONE, &[id(9), id(77), id(2)]).await.unwrap();
    several.sort_by_key(|message| message.seq);
    assert_eq!(several, messages(ONE, [2, 9]));
    assert_eq!(store.by_ids(ONE, &[]).await.unwrap(), []);
}

async fn unread_counts_others_within_spans(store: &dyn HistoryStore) {
    let spans = [(ONE, Span::now(2, 6)), (ONE, Span::now(8, 10)), (OTHER, ALL)];
    let of_bob = store.unread(BOB, &spans).await.unwrap();
    // 4, 5, 10 (3, 6 and 9 are his own); 1, 2
    assert_eq!((of_bob[&ONE], of_bob[&OTHER]), (3, 2));
    let of_alice = store.unread(ALICE, &spans).await.unwrap();
    assert_eq!((of_alice[&ONE], of_alice.get(&OTHER).copied().unwrap_or(0)), (3, 0));
    assert!(store.unread(ALICE, &[]).await.unwrap().is_empty());
}

/// As they are where somebody has deleted every second message for themselves.
async fn spans_of_single_numbers_are_as_good_as_any(store: &dyn HistoryStore) {
    let singles = [1, 3, 5, 7, 9].map(|seq| Span::now(seq - 1, seq));
    let page = store.page(ONE, &singles, Order::NewestFirst, 2).await.unwrap();
    assert_eq!(page.iter().map(|message| message.seq).collect::<Vec<_>>(), [9, 7]);
    assert_eq!(store.page(ONE, &singles, Order::OldestFirst, 50).await.unwrap(), messages(ONE, [1, 3, 5, 7, 9]));
    let named = singles.map(|span| (ONE, span));
    assert_eq!(store.unread(BOB, &named).await.unwrap()[&ONE], 3); // 3 and 9 are his own
    let tally = store.tally(BOB, ONE, &singles).await.unwrap();
    assert_eq!((tally.messages, tally.own, tally.unread()), (5, 2, 3));
    assert_eq!(store.last(&named[..4]).await.unwrap()[&ONE], message(ONE, 7));
    let find = async |spans: Vec<Span>, limit| {
        let Found { messages, looked_to } = store.find(ONE, &spans, &Filter::default(), limit).await.unwrap();
        (messages.iter().map(|message| message.seq).collect::<Vec<_>>(), looked_to)
    };
    assert_eq!(find(singles.to_vec(), 50).await, (vec![9, 7, 5, 3, 1], 0));
    let (found, mut looked_to) = find(singles.to_vec(), 2).await;
    assert_eq!((found, looked_to), (vec![9, 7], 7), "no more than asked for");
    let mut rest = Vec::new();
    while looked_to > 0 {
        let before = singles.into_iter().filter(|span| span.until < looked_to).collect();
        let (found, to) = find(before, 2).await;
        (rest, looked_to) = ([rest, found].concat(), to);
    }
    assert_eq!(rest, [5, 3, 1]);
}

async fn the_newest_of_each_conversation_in_one_query(store: &dyn HistoryStore) {
    let spans = [(ONE, Span::now(0, 2)), (ONE, Span::now(4, 8)), (OTHER, ALL)];
    let last = store.last(&spans).await.unwrap();
    assert_eq!((&last[&ONE], &last[&OTHER]), (&message(ONE, 8), &message(OTHER, 2)));
    let none = store.last(&[(OTHER, Span::now(2, 9))]).await.unwrap();
    assert!(none.is_empty());
}

/// A system message comes as the eleventh of one conversation, and the third of the other.
async fn a_body_comes_back_as_it_went(store: &dyn HistoryStore) {
    let born = |conversation, seq| {
        let details = Box::default();
        let what = What::Sent { message_id: id(seq), sender: None, body: system(seq), kind: None, details };
        Change { what, ..sent(conversation, seq) }
    };
    store
        .append(&[born(ONE, 11), born(OTHER, 3)], &Step { from: at(21), to: at(22), generation: Generation::FIRST })
        .await
        .unwrap();
    let stored = all(store, ONE).await;
    assert_eq!(stored[2], message(ONE, 3));
    assert_eq!(stored[10], Message { sender: None, body: Some(system(11)), ..message(ONE, 11) });
    assert!(!stored[5].details.is_plain() && stored[5].details == details(6));
    // Nobody has to read what nobody has said.
    let unread = store.unread(BOB, &[(OTHER, ALL)]).await.unwrap();
    assert_eq!(unread[&OTHER], 2);
}
