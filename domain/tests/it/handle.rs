//! Handle: HDL-1, HDL-2.

use crate::{
    laws::{Answer, Lawful, laws, people},
    scenario::{self, ALICE, BOB},
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

#[test]
fn a_free_name_goes_to_who_claims_it() {
    given([]).when(Command::Claim { by: ALICE }).then([Event::Claimed { by: ALICE }]);
}

#[test]
fn the_holder_claims_again_silently() {
    given([Event::Claimed { by: ALICE }]).when(Command::Claim { by: ALICE }).silent();
}

#[test]
fn a_name_that_another_holds_is_taken() {
    given([Event::Claimed { by: ALICE }]).when(Command::Claim { by: BOB }).refused(Refusal::Taken);
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::Taken.code(), Code::NameTaken);
}

#[test]
fn it_lives_in_its_own_lane() {
    let place = address(HandleId(Uuid::from_u128(7)));
    assert_eq!((place.noun, place.id, place.route), (Handle::NOUN, Uuid::from_u128(7), Uuid::from_u128(7)));
}

impl Lawful for Handle {
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        people().prop_map(|by| (None, Command::Claim { by })).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        people().prop_map(|by| Event::Claimed { by }).boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

laws!(Handle);
