//! Handle: HDL-1 to HDL-4.

use crate::{
    laws::{Answer, Lawful, laws, moments, people},
    scenario::{self, ALICE, BOB, just_before, min},
};
use natter_domain::{
    AccountId, Code, Decider, HandleId, Refusal as _,
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

#[test]
fn a_free_name_goes_to_who_claims_it() {
    given([]).when(claim(ALICE)).then([Event::Claimed { by: ALICE }]);
}

#[test]
fn the_holder_claims_again_silently() {
    given([Event::Claimed { by: ALICE }]).when(claim(ALICE)).silent();
    given([Event::Claimed { by: ALICE }]).when(claim(ALICE)).at(min(6)).silent();
}

#[test]
fn a_name_that_another_holds_is_taken() {
    given([Event::Claimed { by: ALICE }]).when(claim(BOB)).refused(Refusal::Taken);
}

#[test]
fn a_claim_has_its_time() {
    given([]).when(claim(ALICE)).at(min(5)).then([Event::Claimed { by: ALICE }]);
    let late = Command::Claim { by: ALICE, until: just_before(min(5)) };
    given([]).when(late).at(min(5)).refused(Refusal::TooLate);
}

#[test]
fn a_released_name_goes_to_who_claims_it_next() {
    let [claimed, released] = [Event::Claimed { by: ALICE }, Event::Released { by: ALICE }];
    given([claimed.clone()]).when(Command::Release { by: ALICE }).then([released.clone()]);
    given([claimed, released]).when(claim(BOB)).then([Event::Claimed { by: BOB }]);
}

#[test]
fn only_the_holders_release_frees_a_name() {
    given([]).when(Command::Release { by: ALICE }).silent();
    given([Event::Claimed { by: ALICE }]).when(Command::Release { by: BOB }).silent();
    let misfit = [Event::Claimed { by: ALICE }, Event::Released { by: BOB }];
    given(misfit).when(claim(BOB)).refused(Refusal::Taken);
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
        let release = people().prop_map(|by| Command::Release { by });
        prop_oneof![claim, release].prop_map(|command| (None, command)).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        prop_oneof![people().prop_map(|by| Event::Claimed { by }), people().prop_map(|by| Event::Released { by })]
            .boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

laws!(Handle);
