//! What holds for every noun, tried on arbitrary histories. Ids and moments are drawn from small pools, so that
//! commands meet what earlier ones left behind.

use crate::scenario::{ALICE, BOB, CAROL, days, min, sealed};
use natter_domain::{AccountId, Context, ConversationId, Decider, MessageId, Sealed, Timestamp};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use uuid::Uuid;

pub type Answer<D> = Result<Vec<<D as Decider>::Event>, <D as Decider>::Refusal>;

/// What a noun tells the laws about itself.
pub trait Lawful: Decider {
    /// Commands as they may come, each with who asks.
    fn asks() -> BoxedStrategy<(Option<AccountId>, Self::Command)>;
    /// Events in any order, with any content.
    fn events() -> BoxedStrategy<Self::Event>;
    /// Where the noun reads another's state.
    fn within() -> <Self::Host as Decider>::State {
        Default::default()
    }
    /// The answer to the same command in the same moment, when the first time it gave these events (at least one).
    fn again(command: &Self::Command, first: &[Self::Event]) -> Answer<Self>
    where
        Self: Sized;
}

/// Writes the laws of one noun as tests, in the noun's own file.
macro_rules! laws {
    ($noun:ty) => {
        #[test]
        fn asking_again_gives_no_second_effect() {
            crate::laws::asking_again_gives_no_second_effect::<$noun>();
        }
        #[test]
        fn no_sequence_of_events_makes_it_panic() {
            crate::laws::no_sequence_of_events_makes_it_panic::<$noun>();
        }
        #[test]
        fn the_same_question_has_the_same_answer() {
            crate::laws::the_same_question_has_the_same_answer::<$noun>();
        }
        #[test]
        fn what_is_stored_gives_the_state_back() {
            crate::laws::what_is_stored_gives_the_state_back::<$noun>();
        }
        #[test]
        fn a_state_that_was_written_down_goes_on_as_if_it_had_not() {
            crate::laws::a_state_that_was_written_down_goes_on_as_if_it_had_not::<$noun>();
        }
    };
}
pub(crate) use laws;

pub fn asking_again_gives_no_second_effect<D: Lawful>() {
    check(histories::<D>(), |history| {
        let mut state = D::State::default();
        for (context, command) in history {
            let Ok(first) = D::decide(&state, &D::within(), &context, &command) else { continue };
            if first.is_empty() {
                continue;
            }
            evolve::<D>(&mut state, &first);
            prop_assert_eq!(D::decide(&state, &D::within(), &context, &command), D::again(&command, &first));
        }
        Ok(())
    });
}

/// Nor does a question put to what came out of it.
pub fn no_sequence_of_events_makes_it_panic<D: Lawful>() {
    check((vec(D::events(), 0..20), histories::<D>()), |(events, history)| {
        let mut state = D::State::default();
        evolve::<D>(&mut state, &events);
        for (context, command) in history {
            if let Ok(events) = D::decide(&state, &D::within(), &context, &command) {
                evolve::<D>(&mut state, &events);
            }
        }
        Ok(())
    });
}

/// Two nodes that folded the same events answer alike, and asking leaves the state as it was.
pub fn the_same_question_has_the_same_answer<D: Lawful>() {
    check((vec(D::events(), 0..20), histories::<D>()), |(events, history)| {
        let (mut one, mut other) = (D::State::default(), D::State::default());
        evolve::<D>(&mut one, &events);
        evolve::<D>(&mut other, &events);
        for (context, command) in history {
            prop_assert_eq!(
                D::decide(&one, &D::within(), &context, &command),
                D::decide(&other, &D::within(), &context, &command)
            );
            prop_assert_eq!(&one, &other);
        }
        Ok(())
    });
}

/// The state kept while deciding is the one that the events give when they are read from the log.
pub fn what_is_stored_gives_the_state_back<D: Lawful>() {
    check(histories::<D>(), |history| {
        let (mut live, mut log) = (D::State::default(), Vec::new());
        for (context, command) in history {
            let events = D::decide(&live, &D::within(), &context, &command).unwrap_or_default();
            evolve::<D>(&mut live, &events);
            log.extend(events.iter().map(|event| serde_json::to_string(event).expect("an event is JSON")));
        }
        let stored: Vec<D::Event> =
            log.iter().map(|line| serde_json::from_str(line).expect("an event is readable")).collect();
        let mut folded = D::State::default();
        evolve::<D>(&mut folded, &stored);
        prop_assert_eq!(live, folded);
        Ok(())
    });
}

/// A snapshot at any place of any history is that place's state, and leads where the whole history leads. One state has
/// one text.
pub fn a_state_that_was_written_down_goes_on_as_if_it_had_not<D: Lawful>() {
    check((vec(D::events(), 0..20), any::<Index>()), |(events, place)| {
        let stored: Vec<D::Event> = events.iter().map(written).collect();
        let place = place.index(stored.len() + 1);
        let mut whole = D::State::default();
        evolve::<D>(&mut whole, &stored[..place]);
        let mut snapshot: D::State = written(&whole);
        prop_assert_eq!(&snapshot, &whole);
        prop_assert_eq!(text(&snapshot), text(&whole));
        evolve::<D>(&mut whole, &stored[place..]);
        evolve::<D>(&mut snapshot, &stored[place..]);
        prop_assert_eq!(&snapshot, &whole);
        prop_assert_eq!(text(&snapshot), text(&whole));
        Ok(())
    });
}

/// As it comes back from where it was stored.
fn written<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&text(value)).expect("what was written is readable")
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("it is JSON")
}

fn evolve<D: Decider>(state: &mut D::State, events: &[D::Event]) {
    for event in events {
        D::evolve(state, event);
    }
}

/// Runs a property. Its failures are printed whole, so no file of seeds is kept.
pub fn check<S: Strategy>(inputs: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    if let Err(failure) = TestRunner::new(config).run(&inputs, property) {
        panic!("{failure}");
    }
}

/// Commands one after the other, time going on between them.
pub fn histories<D: Lawful>() -> impl Strategy<Value = Vec<(Context, D::Command)>> {
    let pause = select(vec![0, 0, 1, 60, 24 * 60 - 1, 24 * 60, 7 * 24 * 60])
        .prop_map(|minutes| Duration::from_secs(minutes * 60));
    vec((pause, D::asks()), 0..20).prop_map(|asks| {
        let mut now = min(0);
        let ask = |(pause, (actor, command))| {
            now = now + pause;
            (Context { actor, session: None, now }, command)
        };
        asks.into_iter().map(ask).collect()
    })
}

pub fn people() -> impl Strategy<Value = AccountId> {
    select(vec![ALICE, BOB, CAROL])
}

pub fn ids<Id: From<Uuid> + std::fmt::Debug>() -> impl Strategy<Value = Id> {
    (1..5_u128).prop_map(|number| Uuid::from_u128(number).into())
}

pub fn moments() -> impl Strategy<Value = Timestamp> {
    (0..60_i64).prop_map(days)
}

/// Also those that RFC 3339 cannot write.
pub fn any_moments() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        6 => moments(),
        1 => Just(Timestamp::from_millis(i64::MIN)),
        1 => Just(Timestamp::from_millis(i64::MAX)),
    ]
}

pub fn counts() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..6_u64, 1 => Just(u64::MAX)]
}

pub fn seals() -> impl Strategy<Value = Sealed> {
    select(vec!["one", "two"]).prop_map(sealed)
}

pub fn words() -> impl Strategy<Value = String> {
    select(vec!["one", "two"]).prop_map(str::to_owned)
}

pub const HERE: ConversationId = ConversationId(Uuid::from_u128(0xc0));
pub const THERE: ConversationId = ConversationId(Uuid::from_u128(0xc1));
pub const HELLO: MessageId = MessageId(Uuid::from_u128(0x1e110));

pub fn conversations() -> impl Strategy<Value = ConversationId> {
    select(vec![HERE, THERE])
}
