//! Sharing without IO: whatever the network and the processes do, a lane has one owner who believes in it, and once
//! they are quiet, each lane has one and the shares are fair.

use crate::lease_world::{At, World};
use natter_streams::{
    Lane, Lanes, Node,
    lease::{
        contact::Contact,
        machine::{Action, Candidate, Machine, Row, Taken},
    },
};
use proptest::prelude::*;
use std::time::Duration;
use uuid::Uuid;

const TERM: At = 5_000;
/// A term that nobody waits for by chance.
const LONG: At = 30_000;
const CHAOS: At = 40_000;
const QUIET: At = 40_000;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Happening {
    Start,
    Kill,
    /// The process dies, and its successor is there at once.
    Restart,
    Stop,
    Pause(At),
    WorkEnds,
    Retake,
    /// From NATS.
    Cut(bool),
    Weather {
        loss: u32,
        delay: At,
    },
}

fn happening() -> impl Strategy<Value = (At, usize, Happening)> {
    use Happening::*;
    let what = prop_oneof![
        4 => Just(Start),
        2 => Just(Kill),
        2 => Just(Restart),
        1 => Just(Stop),
        4 => (100..12_000_u64).prop_map(Pause),
        1 => Just(WorkEnds),
        1 => Just(Retake),
        3 => any::<bool>().prop_map(Cut),
        3 => (0..60_u32, 5..4_000_u64).prop_map(|(loss, delay)| Weather { loss, delay }),
    ];
    (0..CHAOS, 0..NAMES.len(), what)
}

fn happen(world: &mut World, name: &str, what: &Happening) {
    match *what {
        Happening::Start => world.start(name),
        Happening::Kill => world.kill(name),
        Happening::Restart => {
            world.kill(name);
            world.start(name);
        }
        Happening::Stop => world.stop(name),
        Happening::Pause(pause) => world.pause(name, pause),
        Happening::WorkEnds => world.crash_work(name),
        Happening::Retake => world.retake(name),
        Happening::Cut(cut) => world.cut(name, cut),
        Happening::Weather { loss, delay } => (world.loss, world.delay) = (loss, delay),
    }
}

/// Each lane has one owner, and nobody has more than one lane more than another.
fn is_fair(world: &World, lanes: u16) -> bool {
    let shares = world.shares();
    let (least, most) = (shares.iter().min().unwrap_or(&0), shares.iter().max().unwrap_or(&0));
    shares.iter().sum::<usize>() == usize::from(lanes) && most - least <= 1
}

fn run_until(world: &mut World, end: At, is_there: impl Fn(&World) -> bool) -> bool {
    while world.now < end && !is_there(world) {
        world.step();
    }
    is_there(world)
}

/// So many processes that share fairly.
fn settled(lanes: u16, processes: usize, seed: u64) -> World {
    let mut world = World::new(lanes, LONG, seed);
    for name in &NAMES[..processes] {
        world.start(name);
    }
    let fair = run_until(&mut world, QUIET, |world| is_fair(world, lanes));
    assert!(fair, "{:?} of {lanes}", world.shares());
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn one_believes_and_in_the_end_each_lane_has_an_owner_and_shares_are_fair(
        mut happenings in prop::collection::vec(happening(), 0..40), lanes in 1..8_u16, seed: u64,
    ) {
        happenings.sort_by_key(|(at, ..)| *at);
        let mut world = World::new(lanes, TERM, seed);
        world.start("a");
        for (at, name, what) in &happenings {
            world.run_until(*at);
            happen(&mut world, NAMES[*name], what);
        }
        world.run_until(CHAOS);
        (world.loss, world.delay) = (0, 50);
        world.resume_all();
        // One that nothing has happened to.
        world.start("e");
        world.run_until(CHAOS + QUIET);
        prop_assert!(is_fair(&world, lanes), "shares {:?} of {lanes}", world.shares());
        // And it stays so: nobody gives up or takes any more.
        let before = owners(&world);
        world.run_until(CHAOS + QUIET + 2 * TERM);
        prop_assert!(is_fair(&world, lanes) && owners(&world) == before, "shares {:?}", world.shares());
        prop_assert!(world.faults.is_empty(), "{:#?}", world.faults);
    }

    #[test]
    fn a_stop_hands_over_without_waiting_for_a_term(lanes in 1..8_u16, processes in 2..=4_usize, seed: u64) {
        let mut world = settled(lanes, processes, seed);
        world.stop(NAMES[0]);
        let end = world.now + LONG / 3;
        let handed_over = run_until(&mut world, end, |world| world.living(NAMES[0]).is_none() && is_fair(world, lanes));
        prop_assert!(handed_over, "shares {:?} of {lanes}", world.shares());
        prop_assert!(world.faults.is_empty(), "{:#?}", world.faults);
    }

    #[test]
    fn who_starts_again_under_its_name_waits_for_no_term(lanes in 1..8_u16, processes in 1..=4_usize, seed: u64) {
        let mut world = settled(lanes, processes, seed);
        world.kill(NAMES[0]);
        world.start(NAMES[0]);
        let end = world.now + LONG / 3;
        let taken = run_until(&mut world, end, |world| is_fair(world, lanes));
        prop_assert!(taken, "shares {:?} of {lanes}", world.shares());
        prop_assert!(world.faults.is_empty(), "{:#?}", world.faults);
    }

    #[test]
    fn a_newcomer_gets_its_part_in_order(lanes in 1..8_u16, processes in 1..=3_usize, seed: u64) {
        let mut world = settled(lanes, processes, seed);
        world.start(NAMES[processes]);
        let end = world.now + LONG / 3;
        let shared = run_until(&mut world, end, |world| is_fair(world, lanes));
        prop_assert!(shared, "shares {:?} of {lanes}", world.shares());
        prop_assert!(world.faults.is_empty(), "{:#?}", world.faults);
    }
}

/// At which moment each of four is hit.
fn moments(end: At) -> impl Strategy<Value = [At; 4]> {
    [0..end, 0..end, 0..end, 0..end]
}

fn owners(world: &World) -> Vec<Option<Node>> {
    world.rows.iter().map(|row| row.owner.clone()).collect()
}

/// Each of them is cut off, or no more, at its moment from now on.
fn cut_all(world: &mut World, moments: &[At; 4], cut: bool) {
    let begin = world.now;
    let mut order: Vec<(At, &str)> = moments.iter().copied().zip(NAMES).collect();
    order.sort_unstable();
    for (at, name) in order {
        world.run_until(begin + at);
        world.cut(name, cut);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn who_is_cut_off_from_nats_hands_over_and_takes_its_part_again_later(
        lanes in 1..8_u16, processes in 2..=4_usize, seed: u64,
    ) {
        let mut world = settled(lanes, processes, seed);
        world.run_until(world.now + 2 * LONG);
        world.cut(NAMES[0], true);
        let end = world.now + 2 * LONG;
        let handed_over = run_until(&mut world, end, |world| is_fair(world, lanes));
        prop_assert!(handed_over, "shares {:?} of {lanes}", world.shares());
        world.run_until(end);
        prop_assert!(is_fair(&world, lanes), "shares {:?} of {lanes}", world.shares());
        world.cut(NAMES[0], false);
        let end = world.now + LONG / 3;
        let shared = run_until(&mut world, end, |world| is_fair(world, lanes));
        prop_assert!(shared, "shares {:?} of {lanes}", world.shares());
        prop_assert!(world.faults.is_empty(), "{:#?}", world.faults);
    }

    /// What was given up as lost is delivered when the lane has been taken again.
    #[test]
    fn a_release_that_arrives_late_frees_nothing_that_is_held(
        lanes in 1..4_u16, slow_after in prop::collection::vec(20..120_u64, 10), seed: u64,
    ) {
        let mut world = settled(lanes, 1, seed);
        for slow_after in slow_after {
            world.crash_work(NAMES[0]);
            for (delay, end) in [(20, slow_after), (LONG / 2, 60), (20, LONG / 2)] {
                world.delay = delay;
                world.run_until(world.now + end);
            }
        }
        prop_assert!(world.faults.is_empty(), "{:#?}", world.faults);
    }

    /// NATS is away: nobody sees it go or come at the same moment as another.
    #[test]
    fn where_all_are_cut_off_nothing_changes_hands(
        lanes in 1..8_u16, processes in 1..=4_usize, going in moments(LONG / 2), coming in moments(LONG / 2), seed: u64,
    ) {
        let mut world = settled(lanes, processes, seed);
        world.run_until(world.now + 2 * LONG);
        let before = owners(&world);
        cut_all(&mut world, &going, true);
        let end = world.now + 3 * LONG;
        prop_assert!(!run_until(&mut world, end, |world| owners(world) != before), "{:?}", world.shares());
        cut_all(&mut world, &coming, false);
        let end = world.now + 3 * LONG;
        prop_assert!(!run_until(&mut world, end, |world| owners(world) != before), "{:?}", world.shares());
        prop_assert!(is_fair(&world, lanes), "shares {:?} of {lanes}", world.shares());
        prop_assert!(world.faults.is_empty(), "{:#?}", world.faults);
    }
}

/// A machine that holds lane 0 of one, at epoch 5, since second 10.
fn holder() -> Machine {
    let mut machine = Machine::new(node("me"), Lanes::new(1).expect("one is possible"), Duration::from_millis(TERM));
    let ten = Duration::from_secs(10);
    let free = Row { lane: LANE, owner: None, epoch: 4, expired: true };
    assert_eq!(machine.observed(ten, &[free], &[], Contact::Steady), [Action::TakeOver { lane: LANE, epoch: 4 }]);
    let taken = Taken { lane: LANE, epoch: 5, incarnation: Uuid::nil() };
    assert_eq!(machine.taken(ten, taken, ten), [Action::Start(taken)]);
    machine
}

const LANE: Lane = Lane::new(0);

fn node(name: &str) -> Node {
    Node { name: name.into(), start: Uuid::from_u128(1) }
}

fn candidate(name: &str) -> Candidate {
    Candidate { node: node(name), contact: Contact::Steady }
}

#[test]
fn a_row_read_before_the_takeover_costs_no_lease_and_one_read_after_it_does() {
    let row = |owner, epoch| Row { lane: LANE, owner: Some(node(owner)), epoch, expired: false };
    let (mut machine, now) = (holder(), Duration::from_secs(11));
    assert_eq!(machine.observed(now, &[row("other", 4)], &[], Contact::Steady), []);
    assert_eq!(machine.observed(now, &[row("me", 7)], &[], Contact::Steady), [], "the work has raised its epoch");
    assert_eq!(machine.unrenewed(now, LANE, 5), [], "asked before that was known");
    assert!(machine.is_held(LANE, now));
    assert_eq!(machine.observed(now, &[row("other", 8)], &[], Contact::Steady), [Action::Drop(LANE)]);
    assert!(!machine.is_held(LANE, now));
}

#[test]
fn a_renewal_that_is_answered_after_the_term_renews_nothing() {
    let (asked_at, late) = (Duration::from_secs(11), Duration::from_secs(15));
    assert_eq!(holder().renewed(late, LANE, 5, asked_at), [Action::Drop(LANE)]);
    let mut machine = holder();
    assert_eq!(machine.renewed(asked_at, LANE, 5, asked_at), []);
    assert!(machine.is_held(LANE, late) && !machine.is_held(LANE, Duration::from_secs(16)));
}

#[test]
fn nothing_is_taken_while_the_work_of_a_lost_lease_goes_on() {
    let (mut machine, late) = (holder(), Duration::from_secs(20));
    let free = [Row { lane: LANE, owner: None, epoch: 8, expired: true }];
    assert_eq!(machine.observed(late, &free, &[], Contact::Steady), [Action::Drop(LANE)]);
    assert_eq!(machine.observed(late, &free, &[], Contact::Steady), []);
    assert_eq!(machine.ended(late, LANE), []);
    assert_eq!(machine.observed(late, &free, &[], Contact::Steady), [Action::TakeOver { lane: LANE, epoch: 8 }]);
}

#[test]
fn a_row_of_ours_that_nobody_works_on_is_taken_again_or_released() {
    let mine = |lane| Row { lane: Lane::new(lane), owner: Some(node("me")), epoch: 1, expired: false };
    let mut machine = Machine::new(node("me"), Lanes::new(2).unwrap(), Duration::from_millis(TERM));
    let actions = machine.observed(Duration::ZERO, &[mine(0), mine(1)], &[candidate("other")], Contact::Steady);
    assert_eq!(actions, [Action::TakeOver { lane: LANE, epoch: 1 }, Action::Release(Lane::new(1))]);
}
