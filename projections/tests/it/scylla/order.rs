//! Older never wins: changes in any order, again and again, leave the rows that they leave in theirs.

use super::Keyspace;
use crate::support::World;
use natter_domain::{AccountId, ConversationId, KeyId, MessageId, Sealed, Timestamp, conversation::Details};
use natter_projections::{
    Generation, Step,
    message::{Body, Change, HistoryStore, Message, Order, Span, What},
};
use natter_streams::{Hash, Lane, Link};
use std::collections::BTreeMap;
use uuid::Uuid;

const EMOJIS: [&str; 3] = ["a", "\u{1f44d}", "\"%"];
const MESSAGES: u64 = 6;
const CHANGES: u64 = 60;
const NOW: u64 = u64::MAX;

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn shuffled(&mut self, changes: &[Change]) -> Vec<Change> {
        let mut shuffled = changes.to_vec();
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, self.below(last as u64 + 1) as usize);
        }
        shuffled
    }
}

/// What could have happened in a conversation, in order: some of it over a border of buckets.
fn life(conversation_id: ConversationId, dice: &mut Dice) -> Vec<Change> {
    let seq = |number: u64| 4_093 + number;
    let body = |position: u64| Body::Sealed(Sealed { key: KeyId::Installation, bytes: vec![position as u8; 8] });
    let mut changes = Vec::new();
    for number in 0..MESSAGES {
        let sender = (number != 2).then_some(AccountId(Uuid::from_u128(u128::from(number % 2))));
        let what = What::Sent {
            message_id: MessageId(Uuid::from_u128(seq(number).into())),
            sender,
            body: body(number),
            kind: None,
            details: Box::new(Details { silent: number == 3, ..Details::default() }),
        };
        changes.push((seq(number), what));
    }
    for _ in 0..CHANGES {
        let account = AccountId(Uuid::from_u128(u128::from(dice.below(2))));
        let emoji = EMOJIS[dice.below(3) as usize].to_owned();
        let what = match dice.below(13) {
            0..3 => What::Edited { body: body(dice.below(200)), has_link: false },
            3 => What::Recalled { by: Some(account) },
            4..7 => What::Reacted { account, emoji, count: 1 + dice.below(5) },
            7..10 => What::Unreacted { account, emoji, count: dice.below(2) },
            10 => What::Pinned,
            11 => What::Counting { expires_at: Timestamp::from_millis(1_800_000_000_000 + dice.below(9) as i64) },
            _ => What::Unpinned,
        };
        let of = seq(dice.below(MESSAGES));
        // Nothing happens to what was recalled.
        let is_gone = |(seq, what): &(u64, What)| *seq == of && matches!(what, What::Recalled { .. });
        if !changes.iter().any(is_gone) {
            changes.push((of, what));
        }
    }
    let placed = changes.into_iter().zip(1_u64..).map(|((seq, what), number)| {
        let (position, at) = (number * 10, Timestamp::from_millis(1_700_000_000_000 + number as i64));
        Change { conversation_id, seq, position, at, what }
    });
    placed.collect()
}

/// The definition: changes up to the position, in order; and a recall, however late.
fn folded(changes: &[Change], as_of: u64) -> Vec<Message> {
    let mut messages = BTreeMap::new();
    for change in changes {
        if let Some(born) = change.birth() {
            messages.insert(change.seq, born);
        } else if let Some(message) = messages.get_mut(&change.seq)
            && (change.position <= as_of || matches!(change.what, What::Recalled { .. }))
        {
            message.apply(change);
        }
    }
    messages.into_values().collect()
}

fn mine(changes: &[Change], viewer: AccountId) -> BTreeMap<u64, Vec<String>> {
    let mut held: BTreeMap<(u64, &str), bool> = BTreeMap::new();
    for change in changes {
        match &change.what {
            What::Reacted { account, emoji, .. } if *account == viewer => held.insert((change.seq, emoji), true),
            What::Unreacted { account, emoji, .. } if *account == viewer => held.insert((change.seq, emoji), false),
            What::Recalled { .. } => {
                held.retain(|(seq, _), _| *seq != change.seq);
                None
            }
            _ => None,
        };
    }
    let mut mine: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for ((seq, emoji), _) in held.into_iter().filter(|(_, held)| *held) {
        mine.entry(seq).or_default().push(emoji.to_owned());
    }
    mine
}

fn at(position: u64) -> Link {
    let hash = Hash([position as u8; 32]);
    Link { lane: Lane::new(0), incarnation: Uuid::from_u128(9), position, hash }
}

/// Where the checkpoint goes next.
struct Steps(u64);

impl Steps {
    async fn append(&mut self, store: &dyn HistoryStore, changes: &[Change]) {
        let from = if self.0 == 0 { Link { hash: Hash::default(), ..at(0) } } else { at(self.0) };
        self.0 += 1;
        store.append(changes, &Step { from, to: at(self.0), generation: Generation::FIRST }).await.unwrap();
    }
}

async fn read(store: &dyn HistoryStore, conversation: ConversationId, as_of: u64) -> Vec<Message> {
    let span = Span { after: 0, until: 10_000, as_of };
    store.page(conversation, &[span], Order::OldestFirst, 100).await.unwrap()
}

async fn is_as_defined(store: &dyn HistoryStore, changes: &[Change], seed: u64) {
    let conversation = changes[0].conversation_id;
    // Behind every birth: who has left saw no message that came later.
    for as_of in [60, 150, 300, 450, 660, NOW] {
        assert_eq!(read(store, conversation, as_of).await, folded(changes, as_of), "seed {seed}, as of {as_of}");
    }
    let expected: BTreeMap<u64, Message> = folded(changes, NOW).into_iter().map(|it| (it.changed, it)).collect();
    let expected: Vec<Message> = expected.into_values().filter(|it| it.changed > 100 && it.changed <= 600).collect();
    assert_eq!(store.changed(conversation, 100, 600, 100).await.unwrap(), expected, "seed {seed}");
    let seqs: Vec<u64> = (4_090..4_110).collect();
    for viewer in [0, 1].map(|number| AccountId(Uuid::from_u128(number))) {
        let found = store.mine(viewer, conversation, &seqs).await.unwrap();
        assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), mine(changes, viewer), "seed {seed}");
    }
}

#[tokio::test]
async fn older_never_wins_in_whatever_order() {
    let world = World::new().await;
    let keyspace = Keyspace::new();
    let store = keyspace.store(&world).await;
    let rows = keyspace.driver().await;
    let mut steps = Steps(0);
    for seed in 1..=8 {
        let [ordered, mixed] = [1, 2].map(|number| ConversationId(Uuid::from_u128(seed * 10 + number)));
        let changes = life(ordered, &mut Dice(seed as u64));
        steps.append(&store, &changes).await;
        is_as_defined(&store, &changes, seed as u64).await;

        let dice = &mut Dice(seed as u64 + 1_000);
        let changes: Vec<Change> =
            changes.into_iter().map(|change| Change { conversation_id: mixed, ..change }).collect();
        for round in 0..3 {
            let shuffled = dice.shuffled(&changes);
            // The first time all of them; then only some, again.
            let part = &shuffled[..if round == 0 { shuffled.len() } else { 20 }];
            for batch in part.chunks(7) {
                steps.append(&store, batch).await;
            }
        }
        is_as_defined(&store, &changes, seed as u64).await;
        assert_eq!(rows.of(mixed).await, rows.of(ordered).await, "seed {seed}");
    }
}

/// One reader has the lane, another believes so.
#[tokio::test]
async fn two_writers_of_a_lane_leave_what_one_would() {
    let world = World::new().await;
    let keyspace = Keyspace::new();
    let first = keyspace.store(&world).await;
    let second = keyspace.store(&world).await;
    let conversation = ConversationId(Uuid::from_u128(1));
    let changes = life(conversation, &mut Dice(77));
    let mut from = Link { hash: Hash::default(), ..at(0) };
    for (number, batch) in (1..).zip(changes.chunks(5)) {
        let step = Step { from, to: at(number), generation: Generation::FIRST };
        let (one, other) = tokio::join!(first.append(batch, &step), second.append(batch, &step));
        assert!(one.is_ok() != other.is_ok(), "exactly one moves the checkpoint: {one:?}, {other:?}");
        from = step.to;
    }
    // One that slept through it all, with the whole life, from the begin.
    let late = Step { from: Link { hash: Hash::default(), ..at(0) }, to: at(99), generation: Generation::FIRST };
    assert!(second.append(&changes, &late).await.is_err(), "it was overtaken");
    is_as_defined(&first, &changes, 77).await;
    is_as_defined(&second, &changes, 77).await;
}

#[tokio::test]
async fn what_was_emptied_does_not_win_over_lower_positions() {
    let world = World::new().await;
    let keyspace = Keyspace::new();
    let store = keyspace.store(&world).await;
    let mut steps = Steps(0);
    let conversation = ConversationId(Uuid::from_u128(1));
    let changes = life(conversation, &mut Dice(5));
    let later = changes.iter().cloned().map(|change| Change { position: change.position + 10_000, ..change });
    steps.append(&store, &later.collect::<Vec<_>>()).await;
    store.empty().await.unwrap();
    assert_eq!(read(&store, conversation, NOW).await, []);
    steps.append(&store, &changes).await;
    is_as_defined(&store, &changes, 5).await;
}
