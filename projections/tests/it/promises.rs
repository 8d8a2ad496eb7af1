//! What every home of message history promises, written once. A store runs it all by handing in itself, empty, with
//! its checkpoint at the begin of a lane.

use natter_domain::{AccountId, ConversationId, KeyId, MessageId, Sealed, Timestamp};
use natter_projections::{
    Error, Step,
    message::{HistoryStore, Message, Order, Span},
};
use natter_streams::{Error as LogError, Hash, Lane, Link};
use uuid::Uuid;

const ALICE: AccountId = AccountId(Uuid::from_u128(0xa));
const BOB: AccountId = AccountId(Uuid::from_u128(0xb));
const ONE: ConversationId = ConversationId(Uuid::from_u128(1));
const OTHER: ConversationId = ConversationId(Uuid::from_u128(2));
const ALL: Span = Span { after: 0, until: u64::MAX };

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
    the_newest_of_each_conversation_in_one_query(store).await;
    a_body_comes_back_sealed_as_it_went(store).await;
}

fn at(position: u64) -> Link {
    let hash = Hash([position as u8; 32]);
    Link { lane: Lane::new(0), incarnation: Uuid::from_u128(9), position, hash }
}

/// Of every three the third is Bob's.
fn message(conversation_id: ConversationId, seq: u64) -> Message {
    Message {
        conversation_id,
        seq,
        message_id: MessageId(Uuid::from_u128(u128::from(seq))),
        sender: if seq.is_multiple_of(3) { BOB } else { ALICE },
        body: Some(Sealed { key: KeyId::Installation, bytes: vec![seq as u8; 40] }),
        sent_at: Timestamp::from_millis(1_700_000_000_123 + seq as i64),
        position: 100 + seq,
    }
}

fn messages(conversation: ConversationId, seqs: impl IntoIterator<Item = u64>) -> Vec<Message> {
    seqs.into_iter().map(|seq| message(conversation, seq)).collect()
}

/// Ten messages in one conversation, two in another, interleaved, in two batches.
async fn it_takes_batches(store: &dyn HistoryStore) -> Step {
    let start = Link { position: 0, hash: Hash::default(), ..at(0) };
    let first = [messages(ONE, 1..=4), messages(OTHER, 1..=2)].concat();
    store.append(&first, &Step { from: start, to: at(6) }).await.unwrap();
    let step = Step { from: at(6), to: at(12) };
    store.append(&messages(ONE, 5..=10), &step).await.unwrap();
    step
}

async fn it_refuses_a_step_from_elsewhere(store: &dyn HistoryStore, step: &Step) {
    let refused = store.append(&messages(ONE, [11]), step).await;
    assert!(matches!(refused, Err(Error::Log(LogError::Overtaken { .. }))), "{refused:?}");
    assert_eq!(store.one(ONE, MessageId(Uuid::from_u128(11))).await.unwrap(), None, "refused, but written");
}

async fn a_batch_that_comes_again_changes_nothing(store: &dyn HistoryStore, step: &Step) {
    let other_sender = Message { sender: BOB, ..message(ONE, 5) };
    let step = Step { from: step.to, to: at(13) };
    store.append(&[messages(ONE, 6..=10), vec![other_sender]].concat(), &step).await.unwrap();
    let stored = store.page(ONE, &[ALL], Order::OldestFirst, 100).await.unwrap();
    assert_eq!(stored, messages(ONE, 1..=10));
}

async fn a_batch_without_messages_moves_the_checkpoint(store: &dyn HistoryStore, _: &Step) {
    store.append(&[], &Step { from: at(13), to: at(20) }).await.unwrap();
    store.append(&[], &Step { from: at(20), to: at(21) }).await.unwrap();
}

async fn pages_go_both_ways_and_end(store: &dyn HistoryStore) {
    let newest = store.page(ONE, &[ALL], Order::NewestFirst, 3).await.unwrap();
    assert_eq!(newest, messages(ONE, [10, 9, 8]));
    let behind = [Span { after: 8, until: u64::MAX }];
    assert_eq!(store.page(ONE, &behind, Order::OldestFirst, 3).await.unwrap(), messages(ONE, [9, 10]));
    let beyond = [Span { after: 10, until: u64::MAX }];
    assert_eq!(store.page(ONE, &beyond, Order::OldestFirst, 3).await.unwrap(), []);
}

async fn pages_keep_to_their_spans(store: &dyn HistoryStore) {
    let spans = [Span { after: 0, until: 2 }, Span { after: 7, until: 9 }];
    assert_eq!(store.page(ONE, &spans, Order::NewestFirst, 100).await.unwrap(), messages(ONE, [9, 8, 2, 1]));
    assert_eq!(store.page(ONE, &spans, Order::OldestFirst, 3).await.unwrap(), messages(ONE, [1, 2, 8]));
    assert_eq!(store.page(ONE, &[], Order::OldestFirst, 3).await.unwrap(), []);
}

async fn one_message_is_found_in_its_conversation_only(store: &dyn HistoryStore) {
    let id = MessageId(Uuid::from_u128(7));
    assert_eq!(store.one(ONE, id).await.unwrap(), Some(message(ONE, 7)));
    assert_eq!(store.one(OTHER, id).await.unwrap(), None);
}

async fn unread_counts_others_within_spans(store: &dyn HistoryStore) {
    let spans = [(ONE, Span { after: 2, until: 6 }), (ONE, Span { after: 8, until: 10 }), (OTHER, ALL)];
    let of_bob = store.unread(BOB, &spans).await.unwrap();
    // 4, 5, 10 (3, 6 and 9 are his own); 1, 2
    assert_eq!((of_bob[&ONE], of_bob[&OTHER]), (3, 2));
    let of_alice = store.unread(ALICE, &spans).await.unwrap();
    assert_eq!((of_alice[&ONE], of_alice.get(&OTHER).copied().unwrap_or(0)), (3, 0));
    assert!(store.unread(ALICE, &[]).await.unwrap().is_empty());
}

async fn the_newest_of_each_conversation_in_one_query(store: &dyn HistoryStore) {
    let spans = [(ONE, Span { after: 0, until: 2 }), (ONE, Span { after: 4, until: 8 }), (OTHER, ALL)];
    let last = store.last(&spans).await.unwrap();
    assert_eq!((&last[&ONE], &last[&OTHER]), (&message(ONE, 8), &message(OTHER, 2)));
    let none = store.last(&[(OTHER, Span { after: 2, until: 9 })]).await.unwrap();
    assert!(none.is_empty());
}

async fn a_body_comes_back_sealed_as_it_went(store: &dyn HistoryStore) {
    let stored = store.one(ONE, MessageId(Uuid::from_u128(3))).await.unwrap().unwrap();
    assert_eq!(stored.body, message(ONE, 3).body);
    assert_eq!(stored.sent_at, message(ONE, 3).sent_at);
}
