//! Which order may start next: those of one target one after the other, those of a lane that does not answer one at a
//! time, so that it holds back only its own. Pure bookkeeping, without IO.

use natter_domain::Address;
use natter_streams::Lane;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound::{Excluded, Unbounded},
};

/// Orders that run at once.
const RUNNING: usize = 256;

/// Orders to one lane that run at once: a lane that dies must not take them all.
const PER_LANE: usize = 64;

/// Orders that are held, done or not begun; beyond it nothing more should be put.
const HELD: usize = 65_536;

/// An aggregate, and the lane it is in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Target {
    pub lane: Lane,
    pub address: Address,
}

/// Orders, each until it is done.
pub(crate) struct Queue<O> {
    /// First the one that is tried.
    targets: HashMap<Target, VecDeque<Entry<O>>>,
    doors: BTreeMap<Lane, Door>,
    /// The lane whose order started last: the others come first.
    turn: Option<Lane>,
    running: usize,
    held: usize,
}

struct Entry<O> {
    order: O,
    failures: u32,
}

#[derive(Default)]
struct Door {
    /// Targets whose first order may start.
    ready: VecDeque<Target>,
    running: usize,
    /// The last answer was none.
    silent: bool,
}

impl Door {
    fn is_open(&self) -> bool {
        let most = if self.silent { 1 } else { PER_LANE };
        !self.ready.is_empty() && self.running < most
    }
}

impl<O: Clone> Queue<O> {
    pub fn new() -> Self {
        Self { targets: HashMap::new(), doors: BTreeMap::new(), turn: None, running: 0, held: 0 }
    }

    pub fn put(&mut self, target: Target, order: O) {
        self.held += 1;
        let orders = self.targets.entry(target).or_default();
        orders.push_back(Entry { order, failures: 0 });
        if orders.len() == 1 {
            self.again(target);
        }
    }

    /// The next order that may run now.
    pub fn start(&mut self) -> Option<(Target, O)> {
        if self.running >= RUNNING {
            return None;
        }
        let lane = self.next_lane()?;
        let door = self.doors.get_mut(&lane)?;
        let target = door.ready.pop_front()?;
        let order = self.targets.get(&target)?.front()?.order.clone();
        door.running += 1;
        self.running += 1;
        self.turn = Some(lane);
        Some((target, order))
    }

    /// The first lane behind the last one that has something to start.
    fn next_lane(&self) -> Option<Lane> {
        let after = self.turn.map_or(Unbounded, Excluded);
        let behind = self.doors.range((after, Unbounded));
        behind.chain(&self.doors).find(|(_, door)| door.is_open()).map(|(&lane, _)| lane)
    }

    /// The target's running order was answered.
    pub fn done(&mut self, target: Target) {
        self.stopped(target, false);
        let Some(orders) = self.targets.get_mut(&target) else { return };
        self.held -= usize::from(orders.pop_front().is_some());
        if orders.is_empty() {
            self.targets.remove(&target);
        } else {
            self.again(target);
        }
    }

    /// The target's running order had no answer. It rests until [`Self::again`]; how often this happened to it.
    pub fn failed(&mut self, target: Target) -> u32 {
        self.stopped(target, true);
        let Some(entry) = self.targets.get_mut(&target).and_then(VecDeque::front_mut) else { return 0 };
        entry.failures += 1;
        entry.failures
    }

    /// The target has rested.
    pub fn again(&mut self, target: Target) {
        self.doors.entry(target.lane).or_default().ready.push_back(target);
    }

    fn stopped(&mut self, target: Target, silent: bool) {
        self.running -= 1;
        if let Some(door) = self.doors.get_mut(&target.lane) {
            door.running -= 1;
            door.silent = silent;
        }
    }

    pub fn running(&self) -> usize {
        self.running
    }

    pub fn is_full(&self) -> bool {
        self.held >= HELD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_domain::Noun;
    use proptest::{collection::vec, prelude::*};
    use uuid::Uuid;

    const LANES: u8 = 4;

    fn target(number: u8) -> Target {
        let id = Uuid::from_u128(u128::from(number));
        Target { lane: Lane::new(number % LANES), address: Address { noun: Noun::Handle, id, route: id } }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Put(u8),
        Start,
        Done(usize),
        Fail(usize),
        Again(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..12_u8).prop_map(Step::Put),
            4 => Just(Step::Start),
            2 => any::<usize>().prop_map(Step::Done),
            1 => any::<usize>().prop_map(Step::Fail),
            1 => any::<usize>().prop_map(Step::Again),
        ];
        vec(step, 0..200)
    }

    /// What is put is numbered; the test remembers what it was told.
    struct Watched {
        queue: Queue<u32>,
        put: u32,
        running: Vec<(Target, u32)>,
        resting: Vec<Target>,
        done: HashMap<Target, Vec<u32>>,
    }

    impl Watched {
        fn new() -> Self {
            let (running, resting, done) = (Vec::new(), Vec::new(), HashMap::new());
            Self { queue: Queue::new(), put: 0, running, resting, done }
        }

        fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
            match step {
                Step::Put(number) => {
                    self.queue.put(target(number), self.put);
                    self.put += 1;
                }
                Step::Start => {
                    let Some((target, order)) = self.queue.start() else { return Ok(()) };
                    prop_assert!(self.running.iter().all(|(other, _)| *other != target), "two at once to one target");
                    prop_assert!(!self.resting.contains(&target), "it was to rest");
                    self.running.push((target, order));
                }
                Step::Done(pick) if !self.running.is_empty() => {
                    let (target, order) = self.running.remove(pick % self.running.len());
                    self.queue.done(target);
                    self.done.entry(target).or_default().push(order);
                }
                Step::Fail(pick) if !self.running.is_empty() => {
                    let (target, _) = self.running.remove(pick % self.running.len());
                    prop_assert!(self.queue.failed(target) > 0);
                    self.resting.push(target);
                }
                Step::Again(pick) if !self.resting.is_empty() => {
                    let target = self.resting.remove(pick % self.resting.len());
                    self.queue.again(target);
                }
                Step::Done(_) | Step::Fail(_) | Step::Again(_) => {}
            }
            prop_assert_eq!(self.queue.running(), self.running.len());
            Ok(())
        }

        /// Everything is answered, except in one lane if there is such; there, nothing ever is.
        fn finish(&mut self, dead: Option<Lane>) -> Result<(), TestCaseError> {
            for _ in 0..2_000 {
                self.step(Step::Start)?;
                let alive = self.running.iter().position(|(target, _)| Some(target.lane) != dead);
                self.step(alive.map_or(Step::Start, Step::Done))?;
                let rested = self.resting.iter().position(|target| Some(target.lane) != dead);
                self.step(rested.map_or(Step::Start, Step::Again))?;
            }
            Ok(())
        }

        fn count(&self) -> usize {
            self.done.values().map(Vec::len).sum()
        }
    }

    proptest! {
        // Failures are printed whole, so no file of seeds is kept.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn everything_is_done_once_and_each_targets_orders_in_order(steps in steps()) {
            let mut watched = Watched::new();
            for step in steps {
                watched.step(step)?;
            }
            watched.finish(None)?;
            prop_assert_eq!(watched.count(), watched.put as usize, "something was left or done twice");
            for (target, orders) in &watched.done {
                prop_assert!(orders.is_sorted(), "{:?}: {:?}", target, orders);
            }
            prop_assert_eq!(watched.queue.held, 0);
        }

        #[test]
        fn a_lane_that_never_answers_holds_back_only_its_own(numbers in vec(0..12_u8, 0..600)) {
            let mut watched = Watched::new();
            for &number in &numbers {
                watched.step(Step::Put(number))?;
            }
            let dead = Lane::new(0);
            watched.finish(Some(dead))?;
            let alive = numbers.iter().filter(|&&number| target(number).lane != dead).count();
            prop_assert_eq!(watched.count(), alive);
        }
    }

    #[test]
    fn a_dead_lane_does_not_take_every_place_and_is_tried_with_one_order_at_a_time() {
        let mut queue = Queue::new();
        for number in 0..200 {
            queue.put(Target { lane: Lane::new(0), ..target(number) }, number);
        }
        let started: Vec<_> = std::iter::from_fn(|| queue.start()).collect();
        assert_eq!(started.len(), PER_LANE);
        for (target, _) in &started {
            queue.failed(*target);
        }
        assert!(queue.start().is_some());
        assert!(queue.start().is_none(), "one at a time while it is silent");
    }

    #[test]
    fn lanes_take_turns() {
        let mut queue = Queue::new();
        for number in 0..8 {
            queue.put(target(number), number);
        }
        let lanes: Vec<_> = (0..4).filter_map(|_| queue.start()).map(|(target, _)| target.lane.index()).collect();
        assert_eq!(lanes, [0, 1, 2, 3]);
    }

    #[test]
    fn it_says_when_it_is_full() {
        let mut queue = Queue::new();
        for _ in 0..HELD {
            assert!(!queue.is_full());
            queue.put(target(1), ());
        }
        assert!(queue.is_full());
    }
}
