//! The asker and the receiver of a road as a model without IO: what is lost, refused or late, in random schedules.

use super::*;
use crate::{
    job::{Missing, Work},
    keys::Key,
    remote::Reply,
    store::Stores,
};
use futures::future::BoxFuture;
use natter_domain::{Address, Noun, Timestamp};
use natter_streams::{Draft, Lanes, Positions, Record, event::CommandKey};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Job number so and so of one sender, who reads how it ended.
struct Numbered(u64, Arc<Mutex<Vec<u64>>>, Instant);

pub(crate) const ADDRESS: Address = Address { noun: Noun::Conversation, id: Uuid::nil(), route: Uuid::nil() };

impl Work for Numbered {
    fn address(&self) -> Address {
        ADDRESS
    }
    fn key(&self) -> Option<&Key> {
        None
    }
    fn deadline(&self) -> Instant {
        self.2
    }
    fn missing(&self, _: &Stores) -> Option<Missing> {
        None
    }
    fn decide<'a>(&'a mut self, _: &'a Stores, _: Timestamp) -> BoxFuture<'a, Vec<Draft>> {
        Box::pin(async { Vec::new() })
    }
    fn repeat(&mut self, _: Record) {}
    fn answer(self: Box<Self>, _: &Stores, _: Vec<Arc<Record>>, _: Positions) {}
    fn fail(self: Box<Self>, _: Error) {
        self.1.lock().expect("nobody panics").push(self.0);
    }
    fn envelope(&self) -> Result<Envelope, Error> {
        let stored = CommandKey { key: Uuid::from_u128(self.0.into()), fingerprint: [0; 16] };
        Ok(Envelope::new(ADDRESS, None, Some(Key { stored, made_at: None, is_ours: false }), None, self.2))
    }
    fn hear(self: Box<Self>, _: Reply, _: Lanes) {}
    fn give_back(self: Box<Self>, _: Option<&Node>) -> Option<Boxed> {
        Some(self)
    }
}

/// Somebody's, who has patience.
pub(crate) fn job(number: u64) -> Boxed {
    Box::new(Numbered(number, Arc::default(), Instant::now() + Duration::from_secs(3_600)))
}

pub(crate) fn job_until(deadline: Instant) -> Boxed {
    Box::new(Numbered(0, Arc::default(), deadline))
}

fn job_of(envelope: &Envelope) -> u64 {
    envelope.key().expect("it has one").stored.key.as_u128() as u64
}

/// A sender with its queue, and two nodes that own the lane in turn.
struct Scene {
    asker: Queue,
    failed: Arc<Mutex<Vec<u64>>>,
    jobs: u64,
    me: Node,
    owners: [Node; 2],
    there: [Queue; 2],
    named: usize,
    now: Instant,
    /// What is under way, to whom.
    sent: VecDeque<(usize, u64, Envelope)>,
    taken: Vec<u64>,
    replies: VecDeque<(u64, bool)>,
}

impl Scene {
    fn set() -> Self {
        Self {
            asker: Queue::new(),
            failed: Arc::default(),
            jobs: 0,
            me: Node::new("me"),
            owners: [Node::new("one"), Node::new("other")],
            there: [Queue::new(), Queue::new()],
            named: 0,
            now: Instant::now(),
            sent: VecDeque::new(),
            taken: Vec::new(),
            replies: VecDeque::new(),
        }
    }

    fn put(&mut self) {
        self.jobs += 1;
        let patience = self.now + Duration::from_secs(3_600);
        self.asker.put(Box::new(Numbered(self.jobs, self.failed.clone(), patience)));
    }

    /// How many questions leave.
    fn ask(&mut self) -> usize {
        let asked = self.asker.next_asks(Some(&self.owners[self.named]), &self.me, self.now);
        let count = asked.len();
        self.sent.extend(asked.into_iter().map(|(number, envelope)| (self.named, number, envelope)));
        count
    }

    fn arrive(&mut self) {
        let Some((to, number, envelope)) = self.sent.pop_front() else { return };
        let taken = self.there[to].takes("me", envelope.run, number);
        if taken {
            self.taken.push(job_of(&envelope));
        }
        self.replies.push_back((number, taken));
    }

    fn reply(&mut self) {
        match self.replies.pop_front() {
            Some((number, true)) => drop(self.asker.answered(number)),
            Some((number, false)) => self.asker.moved(number, self.now),
            None => {}
        }
    }

    fn open(&mut self, node: usize) {
        let (door, inbox) = mpsc::unbounded_channel();
        // Nothing is handed over in these tests.
        drop(inbox);
        self.there[node].way = Way::Here(door);
    }

    fn close(&mut self, node: usize) {
        self.there[node].way = Way::Nowhere;
        self.there[node].runs.forget();
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Time passes and nothing is lost any more.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.ask();
            while !self.sent.is_empty() {
                self.arrive();
            }
            while !self.replies.is_empty() {
                self.reply();
            }
            self.pass(50);
        }
    }

    /// The first time that each was taken.
    fn order(&self) -> Vec<u64> {
        let mut order = Vec::new();
        for job in &self.taken {
            if !order.contains(job) {
                order.push(*job);
            }
        }
        order
    }
}

#[test]
fn what_follows_a_refused_one_is_refused_although_the_owner_has_opened() {
    let mut scene = Scene::set();
    scene.put();
    scene.ask();
    scene.arrive();
    scene.put();
    assert_eq!(scene.ask(), 1, "the refusal is still on its way");
    scene.open(0);
    scene.arrive();
    assert!(scene.taken.is_empty(), "the second must not overtake the first");
    scene.settle();
    assert_eq!(scene.taken, [1, 2]);
}

#[test]
fn what_follows_a_lost_one_is_refused() {
    let mut scene = Scene::set();
    scene.open(0);
    scene.put();
    scene.put();
    assert_eq!(scene.ask(), 2);
    scene.sent.pop_front();
    scene.settle();
    assert_eq!(scene.taken, [1, 2]);
    assert!(scene.asker.is_idle());
}

/// Whoever waits long asks seldom, and one question at a time.
#[test]
fn a_refusal_is_followed_by_one_question_after_growing_pauses() {
    let mut scene = Scene::set();
    (0..1_000).for_each(|_| scene.put());
    assert_eq!(scene.ask(), 1_000, "nobody has refused yet");
    let mut asked = 0;
    for _ in 0..300 {
        while !scene.sent.is_empty() {
            scene.arrive();
        }
        while !scene.replies.is_empty() {
            scene.reply();
        }
        scene.pass(10);
        let more = scene.ask();
        assert!(more <= 1);
        asked += more;
    }
    assert!((3..=8).contains(&asked), "{asked} questions in three seconds");
    scene.named = 1;
    scene.open(1);
    scene.ask();
    scene.pass(20);
    assert_eq!(scene.ask(), 1, "another owner is asked soon");
    scene.arrive();
    scene.reply();
    assert_eq!(scene.ask(), 999, "it takes them");
    scene.settle();
    assert_eq!(scene.taken, (1..=1_000).collect::<Vec<_>>());
}

#[test]
fn a_question_that_takes_long_does_not_hold_the_others_back() {
    let mut scene = Scene::set();
    (0..3).for_each(|_| scene.put());
    scene.ask();
    (0..3).for_each(|_| scene.arrive());
    (0..3).for_each(|_| scene.reply());
    scene.open(0);
    scene.pass(50);
    assert_eq!(scene.ask(), 1);
    scene.arrive();
    scene.pass(50);
    assert_eq!(scene.ask(), 0);
    scene.pass(50);
    assert_eq!(scene.ask(), 2, "it was not refused");
    scene.settle();
    assert_eq!(scene.order(), [1, 2, 3]);
}

#[test]
fn a_door_with_nobody_behind_it_is_no_way() {
    let mut scene = Scene::set();
    let (door, inbox) = mpsc::unbounded_channel();
    scene.asker.way = Way::Here(door);
    drop(inbox);
    scene.put();
    assert!(matches!(scene.asker.way, Way::Nowhere) && !scene.asker.is_idle());
    assert_eq!(scene.ask(), 1, "it goes to whom the directory names");
}

/// It has taken the question, and only takes its time: whoever asks again makes it slower.
#[test]
fn a_slow_owner_is_asked_again_less_often_and_its_late_answer_counts() {
    let mut scene = Scene::set();
    scene.open(0);
    scene.put();
    assert_eq!(scene.ask(), 1);
    scene.arrive();
    let mut asked = Vec::new();
    for passed in 1..=160 {
        scene.pass(50);
        asked.extend((scene.ask() > 0).then_some(passed * 50));
    }
    assert_eq!(asked, [1_000, 3_000, 7_000]);
    scene.put();
    assert_eq!(scene.ask(), 1, "what comes later does not wait for it");
    scene.reply();
    assert!(scene.asker.asked.len() == 1, "the first answer is to the first question");
    scene.settle();
    assert_eq!(scene.order(), [1, 2]);
    scene.put();
    scene.ask();
    scene.pass(1_000);
    assert_eq!(scene.ask(), 1, "it has answered all: soon again");
}

#[test]
fn a_late_answer_of_a_former_owner_counts_when_the_next_was_asked() {
    let mut scene = Scene::set();
    scene.open(0);
    (0..2).for_each(|_| scene.put());
    scene.ask();
    (0..2).for_each(|_| scene.arrive());
    scene.named = 1;
    assert_eq!(scene.ask(), 2, "the next is asked at once");
    scene.reply();
    scene.reply();
    assert!(scene.asker.is_idle());
}

#[derive(Clone, Debug)]
enum Step {
    Put,
    Ask,
    Arrive,
    Lose,
    Reply,
    LoseReply,
    Open(usize),
    Close(usize),
    Name(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Put),
        8 => Just(Step::Ask),
        10 => Just(Step::Arrive),
        1 => Just(Step::Lose),
        10 => Just(Step::Reply),
        1 => Just(Step::LoseReply),
        2 => (0..2usize).prop_map(Step::Open),
        1 => (0..2usize).prop_map(Step::Close),
        2 => (0..2usize).prop_map(Step::Name),
        4 => (1..1_200u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever is lost, refused or handed over: all are taken, first in the order in which they were put.
    #[test]
    fn no_schedule_reorders(steps in prop::collection::vec(step(), 1..120)) {
        let mut scene = Scene::set();
        for step in steps {
            match step {
                Step::Put => scene.put(),
                Step::Ask => drop(scene.ask()),
                Step::Arrive => scene.arrive(),
                Step::Lose => drop(scene.sent.pop_front()),
                Step::Reply => scene.reply(),
                Step::LoseReply => drop(scene.replies.pop_front()),
                // The lane has one owner at a time.
                Step::Open(node) => {
                    scene.close(1 - node);
                    scene.open(node);
                }
                Step::Close(node) => scene.close(node),
                Step::Name(node) => scene.named = node,
                Step::Pass(millis) => scene.pass(millis),
            }
        }
        scene.close(1);
        scene.open(0);
        scene.named = 0;
        scene.settle();
        prop_assert_eq!(scene.order(), (1..=scene.jobs).collect::<Vec<_>>());
        prop_assert!(scene.asker.is_idle());
    }
}
