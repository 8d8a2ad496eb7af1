//! Account: ACC-1 to ACC-5.

use crate::{
    laws::{Answer, Lawful, any_moments, ids, laws, seals, words},
    scenario::{self, days, just_before, min, sealed},
    standing,
};
use natter_domain::{
    AccountId, Code, Decider, HandleId, Refusal as _,
    account::{Account, Command, Event, Person, Refusal, State, address},
};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

const NAME: HandleId = HandleId(Uuid::from_u128(1));
const OTHER_NAME: HandleId = HandleId(Uuid::from_u128(2));

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Account> {
    scenario::given(history)
}

fn start_as(nickname: &str, handles: &[HandleId]) -> Command {
    Command::StartRegistration {
        username: sealed("alice"),
        nickname: sealed(nickname),
        password_hash: "$argon2id$".into(),
        handles: handles.to_vec(),
        prefixes: vec![],
    }
}

fn start() -> Command {
    start_as("Alice", &[NAME])
}

fn started() -> Event {
    Event::RegistrationStarted {
        username: sealed("alice"),
        nickname: sealed("Alice"),
        password_hash: "$argon2id$".into(),
        handles: vec![NAME],
        expires_at: min(10),
        prefixes: vec![],
    }
}

fn abandoned() -> Event {
    Event::RegistrationAbandoned { handles: vec![NAME] }
}

#[test]
fn a_registration_starts() {
    given([]).when(start()).then([started()]);
}

#[test]
fn the_same_start_again_is_silent_until_the_registration_is_abandoned() {
    given([started()]).when(start()).silent();
    given([started(), Event::Registered {}]).when(start()).silent();
    given([started(), abandoned()]).when(start()).refused(Refusal::Abandoned);
}

#[test]
fn another_start_is_refused() {
    let other = || start_as("Mallory", &[NAME]);
    given([started()]).when(other()).refused(Refusal::StartedOtherwise);
    given([started()]).when(start_as("Alice", &[OTHER_NAME])).refused(Refusal::StartedOtherwise);
    given([started(), Event::Registered {}]).when(other()).refused(Refusal::StartedOtherwise);
}

#[test]
fn a_started_registration_completes_once() {
    given([started()]).when(Command::CompleteRegistration).then([Event::Registered {}]);
    given([started(), Event::Registered {}]).when(Command::CompleteRegistration).silent();
}

#[test]
fn a_started_registration_is_abandoned_once() {
    given([started()]).when(Command::AbandonRegistration).then([abandoned()]);
    given([started(), abandoned()]).when(Command::AbandonRegistration).silent();
}

#[test]
fn a_registration_expires_when_its_time_is_over_and_not_before() {
    let expire = || Command::ExpireRegistration;
    given([started()]).when(expire()).at(just_before(min(10))).refused(Refusal::NotDue);
    given([started()]).when(expire()).at(min(10)).then([abandoned()]);
    given([started(), abandoned()]).when(expire()).at(min(10)).silent();
    given([started(), Event::Registered {}]).when(expire()).at(min(10)).refused(Refusal::AlreadyRegistered);
    given([]).when(expire()).refused(Refusal::NotFound);
}

#[test]
fn a_registration_that_is_slow_completes_as_long_as_nobody_has_abandoned_it() {
    given([started()]).when(Command::CompleteRegistration).at(days(1)).then([Event::Registered {}]);
}

#[test]
fn an_abandoned_registration_does_not_complete() {
    given([started(), abandoned()]).when(Command::CompleteRegistration).refused(Refusal::Abandoned);
}

#[test]
fn a_complete_registration_is_not_abandoned() {
    given([started(), Event::Registered {}]).when(Command::AbandonRegistration).refused(Refusal::AlreadyRegistered);
}

#[test]
fn what_was_never_started_does_not_end() {
    given([]).when(Command::CompleteRegistration).refused(Refusal::NotFound);
    given([]).when(Command::AbandonRegistration).refused(Refusal::NotFound);
}

#[test]
fn a_registered_account_remembers_its_names_and_hash() {
    let mut state = State::default();
    Account::evolve(&mut state, &started());
    Account::evolve(&mut state, &Event::Registered {});
    let registered = State::Registered(Person::new(sealed("alice"), sealed("Alice"), "$argon2id$".into()));
    assert_eq!(state, registered);
}

#[test]
fn events_that_do_not_fit_change_nothing() {
    for (history, last) in [
        (vec![], Event::Registered {}),
        (vec![started(), Event::Registered {}], abandoned()),
        (vec![started(), abandoned()], Event::Registered {}),
        (vec![started(), abandoned()], started()),
    ] {
        let mut state = State::default();
        history.iter().for_each(|event| Account::evolve(&mut state, event));
        let before = state.clone();
        Account::evolve(&mut state, &last);
        assert_eq!(state, before, "{last:?}");
    }
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::NotFound.code(), Code::NotFound);
    assert_eq!(Refusal::StartedOtherwise.code(), Code::Conflict);
    assert_eq!(Refusal::Abandoned.code(), Code::Conflict);
    assert_eq!(Refusal::AlreadyRegistered.code(), Code::Conflict);
    assert_eq!(Refusal::NotDue.code(), Code::Unavailable);
    assert_eq!(Refusal::Outdated.code(), Code::WrongCredentials);
}

#[test]
fn it_lives_in_its_own_lane() {
    let place = address(AccountId(Uuid::from_u128(7)));
    assert_eq!((place.noun, place.id, place.route), (Account::NOUN, Uuid::from_u128(7), Uuid::from_u128(7)));
}

impl Lawful for Account {
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let start = (seals(), words(), vec(ids(), 0..2)).prop_map(|(name, password_hash, handles)| {
            Command::StartRegistration {
                username: name.clone(),
                nickname: name,
                password_hash,
                handles,
                prefixes: vec![],
            }
        });
        let command = prop_oneof![
            4 => start,
            1 => Just(Command::CompleteRegistration),
            1 => Just(Command::AbandonRegistration),
            1 => Just(Command::ExpireRegistration),
            2 => profile::changes().prop_map(Command::ChangeProfile),
            2 => profile::settings_changes().prop_map(Command::ChangeSettings),
            4 => standing::asks(),
        ];
        command.prop_map(|command| (None, command)).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let started = (seals(), words(), vec(ids(), 0..2), any_moments());
        let started = started.prop_map(|(name, password_hash, handles, expires_at)| Event::RegistrationStarted {
            username: name.clone(),
            nickname: name,
            password_hash,
            handles,
            expires_at,
            prefixes: vec![],
        });
        let abandoned = vec(ids(), 0..2).prop_map(|handles| Event::RegistrationAbandoned { handles });
        prop_oneof![started, Just(Event::Registered {}), abandoned, profile::events(), standing::events()].boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

laws!(Account);

mod profile;
