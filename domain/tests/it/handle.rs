//! Handle: HDL-1 to HDL-4.

use crate::{
    laws::{Answer, Lawful, any_moments, laws, moments, people},
    scenario::{self, ALICE, BOB, just_before, min},
};
use natter_domain::{
    AccountId, Code, Decider, HandleId, Refusal as _, Timestamp,
    handle::{Command, Event, Handle, Refusal, address},
};
use proptest::prelude::*;
use uuid::Uuid;

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Handle> {
    scenario::given(history)
}

fn claim(by: AccountId) -> Command {
    Command::Claim { by, until: min(5) }
}

/// By a claim that was begun then, so it is over five minutes later.
fn claimed(by: AccountId) -> Event {
    Event::Claimed { by, until: min(5) }
}

/// Of what was claimed until then.
fn release(by: AccountId, until: Timestamp) -> Command {
    Command::Release { by, until }
}

#[test]
fn a_free_name_goes_to_who_claims_it() {
    given([]).when(claim(ALICE)).then([claimed(ALICE)]);
}

#[test]
fn the_holder_claims_again_silently() {
    given([claimed(ALICE)]).when(claim(ALICE)).silent();
    given([claimed(ALICE)]).when(claim(ALICE)).at(min(6)).silent();
}

#[test]
fn a_name_that_another_holds_is_taken() {
    given([claimed(ALICE)]).when(claim(BOB)).refused(Refusal::Taken);
}

#[test]
fn a_claim_has_its_time() {
    given([]).when(claim(ALICE)).at(min(5)).then([claimed(ALICE)]);
    let late = Command::Claim { by: ALICE, until: just_before(min(5)) };
    given([]).when(late).at(min(5)).refused(Refusal::TooLate);
}

#[test]
fn a_released_name_goes_to_who_claims_it_next() {
    let released = Event::Released { by: ALICE };
    given([claimed(ALICE)]).when(release(ALICE, min(5))).then([released.clone()]);
    given([claimed(ALICE), released.clone()]).when(claim(BOB)).then([claimed(BOB)]);
    given([claimed(ALICE), released]).when(release(ALICE, min(5))).silent();
}

#[test]
fn only_the_holders_release_frees_a_name() {
    given([]).when(release(ALICE, min(5))).silent();
    given([claimed(ALICE)]).when(release(BOB, min(5))).silent();
    let misfit = [claimed(ALICE), Event::Released { by: BOB }];
    given(misfit).when(claim(BOB)).refused(Refusal::Taken);
}

#[test]
fn a_release_that_was_held_up_frees_nothing_that_was_claimed_since() {
    let again = Event::Claimed { by: ALICE, until: min(30) };
    given([again.clone()]).when(release(ALICE, just_before(min(30)))).silent();
    given([again.clone()]).when(release(ALICE, min(30))).then([Event::Released { by: ALICE }]);
    // Nor where the first claim had not been given back when the second one came.
    let anew = || Command::Claim { by: ALICE, until: min(30) };
    given([claimed(ALICE)]).when(anew()).at(min(26)).then([again.clone()]);
    given([claimed(ALICE)]).when(anew()).at(min(31)).refused(Refusal::TooLate);
    given([claimed(ALICE), again]).when(release(ALICE, min(15))).silent();
}

#[test]
fn every_release_is_about_a_claim_from_before_claims_had_names() {
    let old: Event = serde_json::from_value(serde_json::json!({"claimed": {"by": ALICE}})).expect("version 1");
    given([old]).when(release(ALICE, min(0))).then([Event::Released { by: ALICE }]);
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::Taken.code(), Code::NameTaken);
    assert_eq!(Refusal::TooLate.code(), Code::Conflict);
}

#[test]
fn it_lives_in_its_own_lane() {
    let place = address(HandleId(Uuid::from_u128(7)));
    assert_eq!((place.noun, place.id, place.route), (Handle::NOUN, Uuid::from_u128(7), Uuid::from_u128(7)));
}

impl Lawful for Handle {
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let claim = (people(), moments()).prop_map(|(by, until)| Command::Claim { by, until });
        let release = (people(), moments()).prop_map(|(by, until)| Command::Release { by, until });
        prop_oneof![claim, release].prop_map(|command| (None, command)).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let claimed = (people(), any_moments()).prop_map(|(by, until)| Event::Claimed { by, until });
        prop_oneof![claimed, people().prop_map(|by| Event::Released { by })].boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

laws!(Handle);
