//! The watches, question by question: nobody is asked, and nothing waited for.

use super::*;
use crate::presence::signs::Class;
use uuid::Uuid;

const ALICE: AccountId = AccountId(Uuid::from_u128(1));
const BOB: AccountId = AccountId(Uuid::from_u128(2));
const CAROL: AccountId = AccountId(Uuid::from_u128(3));
const WEB: Signs = Signs::of(Class::Web, false);
/// Alice's and Carol's connections.
const A: u64 = 1;
const C: u64 = 3;

fn online(_: AccountId) -> Signs {
    WEB
}

fn offline(_: AccountId) -> Signs {
    Signs::NONE
}

fn all(_: Pair) -> bool {
    true
}

fn nobody(_: Pair) -> bool {
    false
}

/// As it is asked for the first time.
fn known(sees: fn(Pair) -> bool) -> impl Fn(Pair) -> Option<bool> {
    move |pair| Some(sees(pair))
}

/// Alice and Carol watch Bob, who is offline, and see him.
fn watches() -> Watches<&'static str> {
    let mut watches = Watches::default();
    for (number, account, name) in [(A, ALICE, "alice"), (C, CAROL, "carol")] {
        let questions = watches.add(number, account, name, &[BOB]).unwrap();
        assert_eq!(watches.settle(&questions, known(all), offline), [(BOB, Seen::new(true, Signs::NONE))]);
    }
    watches
}

fn told(mut pushes: Vec<Push<&'static str>>) -> Vec<(&'static str, &'static str)> {
    pushes.sort_by_key(|(to, ..)| *to);
    pushes.into_iter().map(|(to, _, seen)| (to, seen.signs.state())).collect()
}

#[test]
fn watchers_are_told_what_changed_and_nothing_twice() {
    let mut watches = watches();
    assert_eq!(told(watches.changed(&[ALICE, BOB], online)), [("alice", "online"), ("carol", "online")]);
    assert_eq!(told(watches.changed(&[BOB], online)), []);
    watches.remove(A, &[BOB]);
    assert_eq!(told(watches.changed(&[BOB], offline)), [("carol", "offline")]);
    watches.leave(C);
    assert_eq!(told(watches.changed(&[BOB], online)), []);
    assert_eq!((watches.count(), watches.of.len(), watches.by.len()), (0, 0, 0), "nothing is left of them");
}

#[test]
fn who_may_not_see_is_shown_nobody_online() {
    let mut watches = Watches::default();
    let questions = watches.add(A, ALICE, "alice", &[BOB]).unwrap();
    assert_eq!(watches.settle(&questions, known(nobody), online), [(BOB, Seen::default())]);
    assert_eq!(told(watches.changed(&[BOB], online)), []);
}

#[test]
fn while_it_is_in_doubt_whether_somebody_sees_they_are_told_nothing() {
    let mut watches = watches();
    let questions = watches.doubt_between(BOB, ALICE);
    assert_eq!(questions.len(), 1);
    assert_eq!(told(watches.changed(&[BOB], online)), [("carol", "online")]);
    assert_eq!(told(watches.resolve(&questions, all, online)), [("alice", "online")], "what came meanwhile");
    let questions = watches.doubt_of(BOB);
    assert_eq!(told(watches.resolve(&questions, nobody, online)), [("alice", "offline"), ("carol", "offline")]);
    assert_eq!(told(watches.changed(&[BOB], online)), []);
    let questions = watches.doubt_all();
    assert_eq!(told(watches.resolve(&questions, all, online)), [("alice", "online"), ("carol", "online")]);
}

#[test]
fn an_answer_to_an_earlier_question_is_none() {
    let mut watches = watches();
    watches.changed(&[BOB], online);
    let before = watches.doubt_of(BOB);
    let now = watches.doubt_of(BOB);
    assert_eq!(told(watches.resolve(&before, nobody, online)), []);
    assert_eq!(told(watches.resolve(&now, all, online)), [], "as it was");
    let asked = watches.add(A, ALICE, "alice", &[BOB]).unwrap();
    watches.doubt_of(BOB);
    assert_eq!(watches.settle(&asked, known(all), online), [(BOB, Seen::default())], "whoever asks now tells it");
}

#[test]
fn who_watches_again_is_not_answered_what_was_asked_before() {
    let mut watches = watches();
    let asked = watches.add(A, ALICE, "alice", &[BOB]).unwrap();
    let before = watches.doubt_of(BOB);
    watches.remove(A, &[BOB]);
    let again = watches.add(A, ALICE, "alice", &[BOB]).unwrap();
    assert_eq!(watches.settle(&asked, known(all), online), [(BOB, Seen::default())]);
    assert_eq!(watches.settle(&again, known(nobody), online), [(BOB, Seen::default())]);
    let now = watches.doubt_of(BOB);
    let hers = |questions: Vec<Question>| questions.into_iter().filter(|question| question.watcher == A);
    let (before, now): (Vec<_>, Vec<_>) = (hers(before).collect(), hers(now).collect());
    assert_eq!(told(watches.resolve(&before, all, online)), [], "asked of a watch that is no more");
    assert_eq!(told(watches.resolve(&now, nobody, online)), [], "as it was");
    assert_eq!(told(watches.changed(&[BOB], online)), [], "Carol is asked about still");
}

#[test]
fn who_watches_before_it_can_be_known_whom_they_see_is_shown_nobody_until_it_is() {
    let mut watches = watches();
    watches.changed(&[BOB], online);
    let late = watches.add(A, ALICE, "alice", &[BOB, CAROL]).unwrap();
    let shown = watches.settle(&late, |_| None, online);
    assert_eq!(shown, [(BOB, Seen::new(true, WEB)), (CAROL, Seen::default())], "what was known stays so");
    assert_eq!(told(watches.changed(&[CAROL], offline)), []);
    let asked = watches.unknown();
    assert_eq!(asked.iter().map(|question| question.pair).collect::<Vec<_>>(), [(ALICE, CAROL)]);
    let doubted = watches.doubt_of(CAROL);
    assert_eq!(watches.unknown(), doubted);
    assert_eq!(told(watches.resolve(&asked, all, online)), [], "asked before she was in doubt");
    assert_eq!(told(watches.resolve(&doubted, all, online)), [("alice", "online")]);
    assert!(watches.unknown().is_empty());
}

#[test]
fn what_could_not_be_asked_is_not_watched() {
    let mut watches = watches();
    let failed = watches.add(A, ALICE, "alice", &[BOB, CAROL]).unwrap();
    watches.fail(&failed);
    assert_eq!(told(watches.changed(&[BOB, CAROL], online)), [("alice", "online"), ("carol", "online")], "Bob still");
    assert_eq!(watches.count(), 2);
    let ask = |watches: &mut Watches<_>| watches.add(A, ALICE, "alice", &[CAROL]).unwrap();
    for order in [[0, 1], [1, 0]] {
        let both = [ask(&mut watches), ask(&mut watches)];
        watches.fail(&both[order[0]]);
        assert_eq!(watches.count(), 3, "another frame asks for her");
        watches.fail(&both[order[1]]);
        assert_eq!(watches.count(), 2);
    }
    let (one, other) = (ask(&mut watches), ask(&mut watches));
    watches.settle(&one, known(all), offline);
    watches.fail(&other);
    assert_eq!(watches.count(), 3, "that was answered");
    watches.remove(A, &[CAROL]);
    let before = ask(&mut watches);
    watches.remove(A, &[CAROL]);
    let again = ask(&mut watches);
    watches.fail(&before);
    assert_eq!(watches.settle(&again, known(all), online), [(CAROL, Seen::new(true, WEB))], "another watch");
}

#[test]
fn who_watches_nobody_but_whom_could_not_be_asked_about_is_forgotten() {
    let mut watches = Watches::default();
    let failed = watches.add(A, ALICE, "alice", &[BOB]).unwrap();
    watches.fail(&failed);
    assert_eq!((watches.count(), watches.of.len(), watches.by.len()), (0, 0, 0));
}

#[test]
fn a_connection_watches_so_many_and_no_more() {
    let mut watches = Watches::default();
    let people = |from: u128, to: u128| (from..to).map(|n| AccountId(Uuid::from_u128(n))).collect::<Vec<_>>();
    assert_eq!(watches.add(A, ALICE, "alice", &people(0, 200)).unwrap().len(), 200);
    assert!(watches.add(A, ALICE, "alice", &people(200, 201)).is_none());
    assert_eq!(watches.count(), 200, "nothing of it");
    assert!(watches.add(A, ALICE, "alice", &people(0, 200)).is_some(), "the same again");
    watches.remove(A, &people(0, 1));
    assert!(watches.add(A, ALICE, "alice", &people(200, 201)).is_some());
    assert!(watches.add(C, CAROL, "carol", &people(0, 201)).is_none());
}
