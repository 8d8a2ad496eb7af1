//! An account's second factor: ACC-18 to ACC-21.

use crate::{
    laws::{ids, seals, words},
    scenario::{self, sealed},
    standing,
};
use natter_domain::{
    Code, Refusal as _, Sealed, SessionId,
    account::{Account, Command, Event, Policy, Proof, Refusal},
};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

const PHONE: SessionId = SessionId(Uuid::from_u128(1));
const LAPTOP: SessionId = SessionId(Uuid::from_u128(2));

/// Registered, signed in on a phone, and then this.
fn given(more: impl IntoIterator<Item = Event>) -> scenario::Given<Account> {
    standing::given([admitted(PHONE)].into_iter().chain(more))
}

fn admitted(session_id: SessionId) -> Event {
    Event::SessionAdmitted { session_id, platform: None, ended: vec![] }
}

fn admit(proof: Option<Proof>) -> Command {
    Command::AdmitSession { session_id: LAPTOP, platform: None, checked: None, policy: Policy::Many, proof }
}

fn secret() -> Sealed {
    sealed("secret")
}

fn offered() -> Event {
    Event::SecondFactorOffered { secret: secret() }
}

fn turned_on() -> Event {
    Event::SecondFactorTurnedOn { secret: secret(), step: 100, recovery: vec!["one".into(), "two".into()] }
}

fn turn_on(secret: Sealed) -> Command {
    Command::TurnOnSecondFactor { secret, step: 100, recovery: vec!["one".into(), "two".into()] }
}

fn code(step: u64) -> Proof {
    Proof::Code { secret: secret(), step }
}

fn used(step: u64) -> Event {
    Event::SecondFactorUsed { step }
}

fn recovery(hash: &str) -> Proof {
    Proof::Recovery { hash: hash.into() }
}

fn recovered(hash: &str, left: u32) -> Event {
    Event::RecoveryCodeUsed { hash: hash.into(), left }
}

fn changed() -> Event {
    Event::PasswordChanged { password_hash: "new".into(), ended: vec![] }
}

#[test]
fn it_is_on_once_the_code_of_what_was_offered_was_shown() {
    let offer = |checked| Command::OfferSecondFactor { checked, secret: secret() };
    given([]).when(offer(0)).then([offered()]);
    given([]).when(offer(1)).refused(Refusal::Outdated);
    given([offered()]).when(offer(0)).silent();
    given([offered()]).when(turn_on(secret())).then([turned_on()]);
    given([offered(), turned_on()]).when(turn_on(secret())).silent();
    given([]).when(turn_on(secret())).refused(Refusal::NothingOffered);
    given([offered()]).when(turn_on(sealed("another"))).refused(Refusal::NothingOffered);
    given([turned_on()]).when(turn_on(sealed("another"))).refused(Refusal::SecondFactorOn);
    given([turned_on()]).when(offer(0)).refused(Refusal::SecondFactorOn);
}

#[test]
fn what_was_only_offered_is_not_asked_for() {
    given([offered()]).when(admit(None)).then([admitted(LAPTOP)]);
}

#[test]
fn while_it_is_on_no_session_is_let_in_without_a_proof() {
    given([turned_on()]).when(admit(None)).refused(Refusal::SecondFactorRequired);
    given([turned_on()]).when(admit(Some(code(101)))).then([used(101), admitted(LAPTOP)]);
    given([turned_on()]).when(admit(Some(recovery("one")))).then([recovered("one", 1), admitted(LAPTOP)]);
    let again = [turned_on(), used(101), admitted(LAPTOP)];
    given(again).when(admit(Some(code(101)))).silent();
}

#[test]
fn a_code_proves_once_and_those_of_earlier_steps_no_more() {
    given([turned_on()]).when(admit(Some(code(100)))).refused(Refusal::CodeWrong);
    given([turned_on(), used(105)]).when(admit(Some(code(105)))).refused(Refusal::CodeWrong);
    given([turned_on(), used(105)]).when(admit(Some(code(104)))).refused(Refusal::CodeWrong);
    given([turned_on(), used(105)]).when(admit(Some(code(106)))).then([used(106), admitted(LAPTOP)]);
    let another = Proof::Code { secret: sealed("another"), step: 101 };
    given([turned_on()]).when(admit(Some(another))).refused(Refusal::CodeWrong);
}

#[test]
fn a_recovery_code_proves_once() {
    let once = || [turned_on(), recovered("one", 1)];
    given(once()).when(admit(Some(recovery("one")))).refused(Refusal::CodeWrong);
    given(once()).when(admit(Some(recovery("two")))).then([recovered("two", 0), admitted(LAPTOP)]);
    given(once()).when(admit(Some(recovery("three")))).refused(Refusal::CodeWrong);
}

#[test]
fn a_session_that_is_in_vouches_for_another() {
    let by = |session_id| Some(Proof::Session { session_id });
    given([turned_on()]).when(admit(by(PHONE))).then([admitted(LAPTOP)]);
    given([]).when(admit(by(PHONE))).then([admitted(LAPTOP)]);
    let gone = Event::SessionForgotten { session_id: PHONE };
    given([gone.clone()]).when(admit(by(PHONE))).refused(Refusal::VouchesNot);
    given([turned_on(), gone]).when(admit(by(PHONE))).refused(Refusal::VouchesNot);
}

#[test]
fn it_goes_off_by_another_proof() {
    let off = |checked, proof| Command::TurnOffSecondFactor { checked, proof };
    let turned_off = || Event::SecondFactorTurnedOff {};
    given([turned_on()]).when(off(0, code(101))).then([used(101), turned_off()]);
    given([turned_on()]).when(off(0, recovery("one"))).then([recovered("one", 1), turned_off()]);
    given([turned_on()]).when(off(0, code(100))).refused(Refusal::CodeWrong);
    given([turned_on()]).when(off(1, code(101))).refused(Refusal::Outdated);
    given([turned_on()]).when(off(0, Proof::Session { session_id: PHONE })).refused(Refusal::CodeWrong);
    given([turned_on(), turned_off()]).when(off(0, code(101))).silent();
    given([turned_on(), turned_off()]).when(admit(None)).then([admitted(LAPTOP)]);
}

#[test]
fn new_recovery_codes_take_the_place_of_all_before() {
    let make = |checked, proof| Command::MakeRecoveryCodes { checked, proof, recovery: vec!["new".into()] };
    let made = || Event::RecoveryCodesMade { recovery: vec!["new".into()] };
    given([turned_on()]).when(make(0, code(101))).then([used(101), made()]);
    given([turned_on()]).when(make(0, code(100))).refused(Refusal::CodeWrong);
    given([turned_on()]).when(make(1, code(101))).refused(Refusal::Outdated);
    given([turned_on(), made()]).when(make(0, code(102))).silent();
    given([turned_on(), made()]).when(admit(Some(recovery("one")))).refused(Refusal::CodeWrong);
    given([turned_on(), made()]).when(admit(Some(recovery("new")))).then([recovered("new", 0), admitted(LAPTOP)]);
    given([]).when(make(0, code(101))).refused(Refusal::NothingOffered);
}

#[test]
fn another_password_voids_what_was_offered_and_not_what_is_on() {
    given([offered(), changed()]).when(turn_on(secret())).refused(Refusal::NothingOffered);
    given([offered(), turned_on(), changed()]).when(admit(None)).refused(Refusal::SecondFactorRequired);
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::SecondFactorRequired.code(), Code::SecondFactorRequired);
    assert_eq!(Refusal::CodeWrong.code(), Code::CodeWrong);
    assert_eq!(Refusal::SecondFactorOn.code(), Code::Conflict);
    assert_eq!(Refusal::NothingOffered.code(), Code::Conflict);
    assert_eq!(Refusal::VouchesNot.code(), Code::Forbidden);
}

/// For the laws.
pub fn proofs() -> impl Strategy<Value = Proof> {
    prop_oneof![
        (seals(), 0..4_u64).prop_map(|(secret, step)| Proof::Code { secret, step }),
        words().prop_map(|hash| Proof::Recovery { hash }),
        ids().prop_map(|session_id| Proof::Session { session_id }),
    ]
}

/// For the laws.
pub fn asks() -> impl Strategy<Value = Command> {
    let turn_on = (seals(), 0..4_u64, vec(words(), 0..2))
        .prop_map(|(secret, step, recovery)| Command::TurnOnSecondFactor { secret, step, recovery });
    let make = (0..2_u32, proofs(), vec(words(), 0..2))
        .prop_map(|(checked, proof, recovery)| Command::MakeRecoveryCodes { checked, proof, recovery });
    prop_oneof![
        2 => (0..2_u32, seals()).prop_map(|(checked, secret)| Command::OfferSecondFactor { checked, secret }),
        2 => turn_on,
        1 => (0..2_u32, proofs()).prop_map(|(checked, proof)| Command::TurnOffSecondFactor { checked, proof }),
        1 => make,
    ]
}

/// For the laws.
pub fn events() -> impl Strategy<Value = Event> {
    let turned_on = (seals(), 0..4_u64, vec(words(), 0..2))
        .prop_map(|(secret, step, recovery)| Event::SecondFactorTurnedOn { secret, step, recovery });
    prop_oneof![
        seals().prop_map(|secret| Event::SecondFactorOffered { secret }),
        turned_on,
        (0..4_u64).prop_map(|step| Event::SecondFactorUsed { step }),
        (words(), 0..2_u32).prop_map(|(hash, left)| Event::RecoveryCodeUsed { hash, left }),
        Just(Event::SecondFactorTurnedOff {}),
        vec(words(), 0..2).prop_map(|recovery| Event::RecoveryCodesMade { recovery }),
    ]
}
