//! Account: ACC-1 to ACC-5, and ACC-12.

use crate::{
    erasure, identities,
    laws::{Answer, Lawful, any_moments, ids, laws, seals, words},
    owned,
    scenario::{self, days, just_before, min, sealed},
    second, standing, status,
};
use natter_domain::{
    AccountId, Code, Decider, HandleId, Refusal as _,
    account::{Account, Command, Contact, Contacts, Event, Identities, Person, Refusal, State, Way, address},
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
        email: None,
        phone: None,
        identity: None,
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
        email: None,
        phone: None,
        identity: None,
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
    let (contacts, identities) = (Contacts::default(), Identities::default());
    let person = Person::new(sealed("alice"), sealed("Alice"), "$argon2id$".into(), contacts, identities);
    let registered = State::Registered(person);
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

fn contact(text: &str, handle: HandleId) -> Contact {
    Contact { value: sealed(text), handle }
}

fn change(handle: HandleId) -> Command {
    Command::StartContactChange { way: Way::Email, contact: contact("a@b.c", handle) }
}

fn change_started(handle: HandleId, expires_at: natter_domain::Timestamp) -> Event {
    Event::ContactChangeStarted { way: Way::Email, contact: contact("a@b.c", handle), expires_at }
}

fn changed(handle: HandleId, released: Option<HandleId>) -> Event {
    Event::ContactChanged { way: Way::Email, contact: contact("a@b.c", handle), released }
}

#[test]
fn an_address_is_claimed_before_it_counts() {
    let complete = || Command::CompleteContactChange { handle: NAME };
    given([started(), Event::Registered {}]).when(change(NAME)).then([change_started(NAME, min(10))]);
    given([started(), Event::Registered {}, change_started(NAME, min(10))])
        .when(complete())
        .then([changed(NAME, None)]);
    given([started(), Event::Registered {}]).when(complete()).refused(Refusal::OtherChange);
    let done = [started(), Event::Registered {}, change_started(NAME, min(10)), changed(NAME, None)];
    given(done.clone()).when(complete()).silent();
    given(done).when(change(NAME)).silent();
}

#[test]
fn the_address_before_is_named_to_be_given_back() {
    let history = [
        started(),
        Event::Registered {},
        change_started(NAME, min(10)),
        changed(NAME, None),
        change_started(OTHER_NAME, min(10)),
    ];
    let complete = Command::CompleteContactChange { handle: OTHER_NAME };
    given(history).when(complete).then([changed(OTHER_NAME, Some(NAME))]);
}

#[test]
fn one_address_is_changed_at_a_time_and_beginning_again_gives_it_its_time_anew() {
    let begun = [started(), Event::Registered {}, change_started(NAME, min(10))];
    given(begun.clone()).when(change(OTHER_NAME)).refused(Refusal::OtherChange);
    let sealed_anew = contact("sealed anew", NAME);
    let again = Command::StartContactChange { way: Way::Email, contact: sealed_anew.clone() };
    let expires_at = min(15);
    let anew = Event::ContactChangeStarted { way: Way::Email, contact: sealed_anew, expires_at };
    given(begun).when(again).at(min(5)).then([anew]);
}

#[test]
fn a_change_that_is_not_completed_is_abandoned_once_and_in_its_time() {
    let begun = [started(), Event::Registered {}, change_started(NAME, min(10))];
    let abandoned = Event::ContactChangeAbandoned { handle: NAME };
    let expire = || Command::ExpireContactChange { handle: NAME };
    given(begun.clone()).when(expire()).at(just_before(min(10))).refused(Refusal::NotDue);
    given(begun.clone()).when(expire()).at(min(10)).then([abandoned.clone()]);
    given(begun.clone()).when(Command::AbandonContactChange { handle: NAME }).then([abandoned.clone()]);
    given(begun.clone()).when(Command::AbandonContactChange { handle: OTHER_NAME }).silent();
    let [a, b, c] = begun;
    given([a, b, c, abandoned]).when(expire()).at(min(10)).silent();
}

#[test]
fn who_is_not_registered_changes_nothing() {
    let reset = || Command::ChangePassword { checked: 0, password_hash: "another".into(), kept: None };
    for nobody in [vec![], vec![started()], vec![started(), abandoned()]] {
        let mut state = State::default();
        nobody.iter().for_each(|event| Account::evolve(&mut state, event));
        let context = natter_domain::Context { actor: None, session: None, now: min(0) };
        for command in [reset(), change(NAME), Command::CompleteContactChange { handle: NAME }] {
            assert_eq!(Account::decide(&state, &state, &context, &command), Err(Refusal::NotFound), "{command:?}");
        }
    }
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::NotFound.code(), Code::NotFound);
    assert_eq!(Refusal::StartedOtherwise.code(), Code::Conflict);
    assert_eq!(Refusal::Abandoned.code(), Code::Conflict);
    assert_eq!(Refusal::AlreadyRegistered.code(), Code::Conflict);
    assert_eq!(Refusal::NotDue.code(), Code::Unavailable);
    assert_eq!(Refusal::OtherChange.code(), Code::Conflict);
    assert_eq!(Refusal::Outdated.code(), Code::WrongCredentials);
}

#[test]
fn it_lives_in_its_own_lane() {
    let place = address(AccountId(Uuid::from_u128(7)));
    assert_eq!((place.noun, place.id, place.route), (Account::NOUN, Uuid::from_u128(7), Uuid::from_u128(7)));
}

fn contacts() -> impl Strategy<Value = Contact> {
    (seals(), ids()).prop_map(|(value, handle)| Contact { value, handle })
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
                email: None,
                phone: None,
                identity: None,
            }
        });
        let ways = || prop_oneof![Just(Way::Email), Just(Way::Phone)];
        let change = (ways(), contacts()).prop_map(|(way, contact)| Command::StartContactChange { way, contact });
        let command = prop_oneof![
            4 => start,
            1 => Just(Command::CompleteRegistration),
            1 => Just(Command::AbandonRegistration),
            1 => Just(Command::ExpireRegistration),
            2 => change,
            2 => ids().prop_map(|handle| Command::CompleteContactChange { handle }),
            1 => ids().prop_map(|handle| Command::AbandonContactChange { handle }),
            1 => ids().prop_map(|handle| Command::ExpireContactChange { handle }),
            2 => profile::changes().prop_map(Command::ChangeProfile),
            2 => profile::settings_changes().prop_map(Command::ChangeSettings),
            4 => standing::asks(),
            3 => status::asks(),
            4 => second::asks(),
            1 => erasure::asks(),
            4 => identities::asks(),
            2 => owned::asks(),
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
            email: None,
            phone: None,
            identity: None,
        });
        let abandoned = vec(ids(), 0..2).prop_map(|handles| Event::RegistrationAbandoned { handles });
        let ways = || prop_oneof![Just(Way::Email), Just(Way::Phone)];
        let begun = (ways(), contacts(), any_moments())
            .prop_map(|(way, contact, expires_at)| Event::ContactChangeStarted { way, contact, expires_at });
        let changed = (ways(), contacts(), proptest::option::of(ids()))
            .prop_map(|(way, contact, released)| Event::ContactChanged { way, contact, released });
        let given_up = ids().prop_map(|handle| Event::ContactChangeAbandoned { handle });
        let contacts = prop_oneof![begun, changed, given_up];
        let more =
            prop_oneof![1 => second::events(), 1 => erasure::events(), 1 => identities::events(), 1 => owned::events()];
        let own = prop_oneof![profile::events(), standing::events(), status::events(), more];
        prop_oneof![1 => started, 1 => Just(Event::Registered {}), 1 => abandoned, 3 => contacts, 4 => own].boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

laws!(Account);

mod profile;
