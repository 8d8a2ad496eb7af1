//! Identities: ACC-24 to ACC-27.

use crate::{
    laws::{any_moments, ids, seals},
    scenario::{self, days, just_before, min, sealed},
};
use natter_domain::{
    Code, Decider, HandleId, Refusal as _, SessionId,
    account::{Account, Command, Contact, Event, Identity, Policy, Refusal, State, Way},
    limit,
};
use proptest::prelude::*;
use uuid::Uuid;

fn handle(number: u128) -> HandleId {
    HandleId(Uuid::from_u128(number))
}

fn identity(number: u128) -> Identity {
    Identity { handle: handle(number), about: sealed("about") }
}

/// Somebody who came by this identity, or with a password.
fn registered(password_hash: &str, by: Option<u128>) -> [Event; 2] {
    let started = Event::RegistrationStarted {
        username: sealed("alice"),
        nickname: sealed("Alice"),
        password_hash: password_hash.into(),
        handles: vec![],
        expires_at: min(10),
        prefixes: vec![],
        email: None,
        phone: None,
        identity: by.map(identity),
    };
    [started, Event::Registered {}]
}

fn given(history: impl IntoIterator<Item = Event>) -> scenario::Given<Account> {
    scenario::given(registered("$argon2id$", None).into_iter().chain(history))
}

fn link(number: u128) -> Command {
    Command::StartIdentityLink { checked: 0, identity: identity(number) }
}

fn begun(number: u128) -> Event {
    Event::IdentityLinkStarted { identity: identity(number), expires_at: min(10) }
}

fn linked(number: u128) -> Event {
    Event::IdentityLinked { identity: identity(number) }
}

fn unlink(number: u128) -> Command {
    Command::UnlinkIdentity { handle: handle(number) }
}

fn unlinked(number: u128) -> Event {
    Event::IdentityUnlinked { handle: handle(number) }
}

#[test]
fn an_identity_is_claimed_before_it_counts() {
    let complete = || Command::CompleteIdentityLink { handle: handle(1) };
    given([]).when(link(1)).then([begun(1)]);
    given([begun(1)]).when(link(1)).silent();
    given([]).when(complete()).refused(Refusal::OtherChange);
    given([begun(1)]).when(complete()).then([linked(1)]);
    given([begun(1), linked(1)]).when(complete()).silent();
    given([begun(1), linked(1)]).when(link(1)).silent();
}

#[test]
fn one_is_linked_at_a_time_and_beginning_again_gives_it_its_time_anew() {
    given([begun(1)]).when(link(2)).refused(Refusal::OtherChange);
    let sealed_anew = Identity { about: sealed("anew"), ..identity(1) };
    let again = Command::StartIdentityLink { checked: 0, identity: sealed_anew.clone() };
    given([begun(1)])
        .when(again)
        .at(min(5))
        .then([Event::IdentityLinkStarted { identity: sealed_anew, expires_at: min(15) }]);
}

#[test]
fn what_is_not_completed_is_abandoned_once_and_in_its_time() {
    let (abandon, expire) =
        (Command::AbandonIdentityLink { handle: handle(1) }, || Command::ExpireIdentityLink { handle: handle(1) });
    let abandoned = Event::IdentityLinkAbandoned { handle: handle(1) };
    given([begun(1)]).when(expire()).at(just_before(min(10))).refused(Refusal::NotDue);
    given([begun(1)]).when(expire()).at(min(10)).then([abandoned.clone()]);
    given([begun(1)]).when(abandon).then([abandoned.clone()]);
    given([begun(1)]).when(Command::AbandonIdentityLink { handle: handle(2) }).silent();
    given([begun(1), abandoned]).when(expire()).at(min(10)).silent();
    given([begun(1), linked(1)]).when(expire()).at(min(10)).silent();
}

#[test]
fn who_was_proven_by_what_counts_no_more_links_nothing() {
    let password = Event::PasswordChanged { password_hash: "another".into(), ended: vec![] };
    given([password]).when(link(1)).refused(Refusal::Outdated);
}

#[test]
fn the_last_way_in_stays() {
    let without = |history: &[Event]| {
        scenario::given::<Account>(registered("", Some(1)).into_iter().chain(history.iter().cloned()))
    };
    without(&[]).when(unlink(1)).refused(Refusal::LastWayIn);
    without(&[begun(2)]).when(unlink(1)).refused(Refusal::LastWayIn);
    without(&[linked(2)]).when(unlink(1)).then([unlinked(1)]);
    without(&[linked(2), unlinked(1)]).when(unlink(2)).refused(Refusal::LastWayIn);
    let password = Event::PasswordChanged { password_hash: "$argon2id$".into(), ended: vec![] };
    without(&[password]).when(unlink(1)).then([unlinked(1)]);
    let contact = Contact { value: sealed("a@b.c"), handle: handle(7) };
    let reached = Event::ContactChanged { way: Way::Email, contact, released: None };
    without(&[reached]).when(unlink(1)).then([unlinked(1)]);
    given([linked(1)]).when(unlink(1)).then([unlinked(1)]);
    given([linked(1), unlinked(1)]).when(unlink(1)).silent();
    given([]).when(unlink(1)).silent();
}

#[test]
fn an_identity_that_was_unlinked_lets_nobody_in_who_was_proven_by_it() {
    let admit = |checked| Command::AdmitSession {
        session_id: SessionId(Uuid::from_u128(9)),
        platform: None,
        checked: Some(checked),
        policy: Policy::Many,
        proof: None,
    };
    given([linked(1), unlinked(1)]).when(admit(0)).refused(Refusal::Outdated);
    let mut state = State::default();
    for event in registered("$argon2id$", Some(1)).into_iter().chain([linked(2), unlinked(1)]) {
        Account::evolve(&mut state, &event);
    }
    let State::Registered(person) = state else { panic!("it is registered") };
    assert!(person.identities.has(handle(2)) && !person.identities.has(handle(1)));
}

#[test]
fn there_are_so_many_at_the_most() {
    let many = 1..=u128::try_from(limit::IDENTITIES_MAX).unwrap();
    given(many.map(linked)).when(link(99)).refused(Refusal::TooManyIdentities);
}

#[test]
fn a_closed_account_names_them_to_be_given_back() {
    let requested = Event::ClosingRequested { closes_at: days(7), ended: vec![] };
    let released = Event::HandlesReleased { handles: vec![handle(1)] };
    given([linked(1), requested])
        .when(Command::Close { closes_at: days(7) })
        .at(days(7))
        .then([Event::Closed {}, released]);
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!((Refusal::TooManyIdentities.code(), Refusal::LastWayIn.code()), (Code::Conflict, Code::Conflict));
}

fn identities() -> impl Strategy<Value = Identity> {
    (seals(), ids()).prop_map(|(about, handle)| Identity { handle, about })
}

pub fn asks() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => (identities(), 0..2_u32)
            .prop_map(|(identity, checked)| Command::StartIdentityLink { checked, identity }),
        2 => ids().prop_map(|handle| Command::CompleteIdentityLink { handle }),
        1 => ids().prop_map(|handle| Command::AbandonIdentityLink { handle }),
        1 => ids().prop_map(|handle| Command::ExpireIdentityLink { handle }),
        1 => ids().prop_map(|handle| Command::UnlinkIdentity { handle }),
    ]
}

pub fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        (identities(), any_moments())
            .prop_map(|(identity, expires_at)| Event::IdentityLinkStarted { identity, expires_at }),
        identities().prop_map(|identity| Event::IdentityLinked { identity }),
        ids().prop_map(|handle| Event::IdentityLinkAbandoned { handle }),
        ids().prop_map(|handle| Event::IdentityUnlinked { handle }),
    ]
}
