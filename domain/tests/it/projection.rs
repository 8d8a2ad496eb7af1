//! Projection: PRJ-1 to PRJ-3.

use crate::{
    laws::{Answer, Lawful, laws, people},
    scenario,
};
use natter_domain::{
    AccountId, Code, Decider, EventId, Refusal as _,
    projection::{Command, Event, Projection, Refusal, address},
};
use proptest::{collection::vec, prelude::*, sample::select};
use uuid::Uuid;

const FIRST: Uuid = Uuid::from_u128(1);
const SECOND: Uuid = Uuid::from_u128(2);
const LOST: EventId = EventId(Uuid::from_u128(3));

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Projection> {
    scenario::given(history)
}

fn retry(request_id: Uuid, by: &str) -> Command {
    Command::Retry { request_id, projection: "history".into(), aggregate_id: None, by: by.into() }
}

fn retried(request_id: Uuid) -> Event {
    Event::RetryRequested { request_id, projection: "history".into(), aggregate_id: None, by: "root".into() }
}

fn skip(request_id: Uuid, event_ids: Vec<EventId>) -> Command {
    Command::Skip { request_id, projection: "history".into(), aggregate_id: SECOND, event_ids, by: "root".into() }
}

fn skipped(request_id: Uuid, event_ids: Vec<EventId>) -> Event {
    Event::SkipRequested {
        request_id,
        projection: "history".into(),
        aggregate_id: SECOND,
        event_ids,
        by: "root".into(),
    }
}

#[test]
fn what_is_asked_is_written_down() {
    given([]).when(retry(FIRST, "root")).then([retried(FIRST)]);
    given([retried(FIRST)]).when(skip(SECOND, vec![LOST])).then([skipped(SECOND, vec![LOST])]);
}

#[test]
fn who_asks_is_named() {
    given([]).when(retry(FIRST, "")).refused(Refusal::Nameless);
    given([]).when(retry(FIRST, "two\nlines")).refused(Refusal::Nameless);
    given([]).when(retry(FIRST, &"x".repeat(101))).refused(Refusal::Nameless);
}

#[test]
fn who_gives_up_events_names_them() {
    given([]).when(skip(FIRST, vec![])).refused(Refusal::Nothing);
}

#[test]
fn a_request_seen_again_is_silent() {
    given([retried(FIRST)]).when(retry(FIRST, "root")).silent();
    given([retried(FIRST)]).when(retry(SECOND, "root")).then([retried(SECOND)]);
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::Nameless.code(), Code::InvalidInput);
    assert_eq!(Refusal::Nothing.code(), Code::InvalidInput);
}

#[test]
fn each_has_its_place() {
    let place = address("history");
    assert_eq!((place.noun, place.route), (Projection::NOUN, place.id));
    assert_ne!(place, address("relations"));
}

fn requests() -> impl Strategy<Value = Uuid> {
    select(vec![FIRST, SECOND])
}

fn lost() -> impl Strategy<Value = Vec<EventId>> {
    vec(Just(LOST), 0..3)
}

impl Lawful for Projection {
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let retry = (requests(), select(vec!["", "root"])).prop_map(|(id, by)| retry(id, by));
        let skip = (requests(), lost()).prop_map(|(id, lost)| skip(id, lost));
        (proptest::option::of(people()), prop_oneof![retry, skip]).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let skipped = (requests(), lost()).prop_map(|(id, lost)| skipped(id, lost));
        prop_oneof![requests().prop_map(retried), skipped].boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

laws!(Projection);
