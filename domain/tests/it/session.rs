//! Session: SES-1 to SES-5.

use crate::{
    laws::{Answer, Lawful, any_moments, check, histories, laws, moments, people, seals, words},
    scenario::{self, ALICE, BOB, days, just_before, min, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, Refusal as _, Sealed, SessionId,
    session::{Command, Device, Event, Reason, Refusal, Session, State, address},
};
use proptest::{option, prelude::*, sample::select};
use uuid::Uuid;

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Session> {
    scenario::given(history)
}

fn phone() -> Option<Device> {
    Some(Device { name: Some(sealed("Alice's phone")), platform: Some("android".into()) })
}

fn home() -> Option<Sealed> {
    Some(sealed("192.0.2.1"))
}

fn open() -> Command {
    Command::Open {
        account_id: ALICE,
        device: phone(),
        refresh_hash: "hash 1".into(),
        expires_at: days(30),
        address: home(),
    }
}

fn opened() -> Event {
    Event::Opened {
        account_id: ALICE,
        device: phone(),
        refresh_hash: "hash 1".into(),
        expires_at: days(30),
        address: home(),
    }
}

/// The token of `generation` is exchanged for the next, which works until day 40.
fn refresh(generation: u32) -> Command {
    let hash = |generation| format!("hash {generation}");
    Command::Refresh {
        generation,
        presented_hash: hash(generation),
        next_hash: hash(generation.wrapping_add(1)),
        expires_at: days(40),
        address: home(),
    }
}

fn refreshed(generation: u32) -> Event {
    Event::Refreshed {
        account_id: ALICE,
        generation,
        refresh_hash: format!("hash {generation}"),
        expires_at: days(40),
        address: home(),
    }
}

fn revoked(reason: Reason) -> Event {
    Event::Revoked { account_id: ALICE, reason }
}

const LOG_OUT: Command = Command::Revoke { reason: Reason::LoggedOut };

#[test]
fn a_session_opens() {
    given([]).when(open()).then([opened()]);
}

#[test]
fn the_same_opening_again_is_silent() {
    given([opened()]).when(open()).silent();
}

#[test]
fn another_opening_is_refused() {
    let other = |account_id, hash: &str, expires_at| Command::Open {
        account_id,
        device: phone(),
        refresh_hash: hash.into(),
        expires_at,
        address: home(),
    };
    given([opened()]).when(other(BOB, "hash 1", days(30))).refused(Refusal::OpenedOtherwise);
    given([opened()]).when(other(ALICE, "hash 2", days(30))).refused(Refusal::OpenedOtherwise);
    given([opened()]).when(other(ALICE, "hash 1", days(31))).refused(Refusal::OpenedOtherwise);
    given([opened(), refreshed(2)]).when(open()).refused(Refusal::OpenedOtherwise);
    given([opened(), revoked(Reason::LoggedOut)]).when(open()).refused(Refusal::OpenedOtherwise);
}

#[test]
fn the_newest_token_is_exchanged_for_the_next() {
    given([opened()]).when(refresh(1)).at(min(1)).then([refreshed(2)]);
    given([opened(), refreshed(2)]).when(refresh(2)).at(min(2)).then([refreshed(3)]);
}

#[test]
fn a_token_used_twice_revokes_the_session() {
    given([opened(), refreshed(2)]).when(refresh(1)).at(min(2)).then([revoked(Reason::RefreshTokenReused)]);
    given([opened(), refreshed(2), refreshed(3)])
        .when(refresh(1))
        .at(min(2))
        .then([revoked(Reason::RefreshTokenReused)]);
}

#[test]
fn a_token_used_twice_revokes_the_session_though_the_newest_has_expired() {
    given([opened(), refreshed(2)]).when(refresh(1)).at(days(41)).then([revoked(Reason::RefreshTokenReused)]);
}

#[test]
fn a_token_works_until_it_expires_and_not_then() {
    given([opened()]).when(refresh(1)).at(just_before(days(30))).then([refreshed(2)]);
    given([opened()]).when(refresh(1)).at(days(30)).refused(Refusal::Unauthenticated);
}

#[test]
fn an_exchange_starts_the_lifetime_anew() {
    given([opened(), refreshed(2)]).when(refresh(2)).at(days(35)).then([refreshed(3)]);
}

#[test]
fn a_wrong_hash_at_the_current_generation_is_refused() {
    let forged = Command::Refresh {
        generation: 1,
        presented_hash: "hash 7".into(),
        next_hash: "hash 2".into(),
        expires_at: days(40),
        address: None,
    };
    given([opened()]).when(forged).refused(Refusal::Unauthenticated);
}

#[test]
fn a_generation_from_the_future_is_refused() {
    given([opened()]).when(refresh(2)).refused(Refusal::Unauthenticated);
}

#[test]
fn a_generation_that_cannot_be_followed_is_refused() {
    given([opened(), refreshed(u32::MAX)]).when(refresh(u32::MAX)).refused(Refusal::Unauthenticated);
}

#[test]
fn neither_an_unknown_nor_a_revoked_session_exchanges_tokens() {
    given([]).when(refresh(1)).refused(Refusal::Unauthenticated);
    given([opened(), revoked(Reason::LoggedOut)]).when(refresh(1)).refused(Refusal::Unauthenticated);
}

#[test]
fn its_owner_and_natter_itself_revoke_a_session_once() {
    given([opened()]).when(LOG_OUT).by(ALICE).then([revoked(Reason::LoggedOut)]);
    given([opened()]).when(LOG_OUT).then([revoked(Reason::LoggedOut)]);
    given([opened(), revoked(Reason::RefreshTokenReused)]).when(LOG_OUT).by(ALICE).silent();
}

#[test]
fn of_anothers_session_one_learns_nothing() {
    given([]).when(LOG_OUT).by(BOB).refused(Refusal::NotFound);
    given([opened()]).when(LOG_OUT).by(BOB).refused(Refusal::NotFound);
    given([opened(), revoked(Reason::LoggedOut)]).when(LOG_OUT).by(BOB).refused(Refusal::NotFound);
}

#[test]
fn its_account_ends_a_session_once_and_one_that_has_not_opened_never_opens() {
    let end = |account_id| Command::End { account_id, reason: Reason::Replaced };
    given([opened()]).when(end(ALICE)).then([revoked(Reason::Replaced)]);
    given([]).when(end(ALICE)).then([revoked(Reason::Replaced)]);
    given([revoked(Reason::Replaced)]).when(open()).refused(Refusal::OpenedOtherwise);
    given([opened(), revoked(Reason::LoggedOut)]).when(end(ALICE)).silent();
    given([opened()]).when(end(BOB)).refused(Refusal::NotFound);
    given([opened(), revoked(Reason::LoggedOut)]).when(end(BOB)).refused(Refusal::NotFound);
}

#[test]
fn revoked_is_for_ever() {
    check(histories::<Session>(), |history| {
        let mut state = State::Revoked { account_id: ALICE, reason: Reason::LoggedOut };
        for (context, command) in history {
            let events = Session::decide(&state, &state, &context, &command).unwrap_or_default();
            prop_assert_eq!(&events, &vec![]);
        }
        Session::evolve(&mut state, &refreshed(9));
        prop_assert_eq!(state, State::Revoked { account_id: ALICE, reason: Reason::LoggedOut });
        Ok(())
    });
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::Unauthenticated.code(), Code::Unauthenticated);
    assert_eq!(Refusal::NotFound.code(), Code::NotFound);
    assert_eq!(Refusal::OpenedOtherwise.code(), Code::Conflict);
}

#[test]
fn it_lives_in_its_accounts_lane() {
    let place = address(ALICE, SessionId(Uuid::from_u128(7)));
    assert_eq!((place.noun, place.id, place.route), (Session::NOUN, Uuid::from_u128(7), ALICE.0));
}

fn generations() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1..4_u32, 1 => Just(0), 1 => Just(u32::MAX)]
}

fn reasons() -> impl Strategy<Value = Reason> {
    select(vec![
        Reason::LoggedOut,
        Reason::RefreshTokenReused,
        Reason::Ended,
        Reason::PasswordChanged,
        Reason::Replaced,
    ])
}

fn devices() -> impl Strategy<Value = Option<Device>> {
    option::of((option::of(seals()), option::of(words())).prop_map(|(name, platform)| Device { name, platform }))
}

impl Lawful for Session {
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let open =
            (people(), devices(), words(), moments()).prop_map(|(account_id, device, refresh_hash, expires_at)| {
                Command::Open { account_id, device, refresh_hash, expires_at, address: None }
            });
        let refresh = (generations(), words(), words(), moments()).prop_map(
            |(generation, presented_hash, next_hash, expires_at)| Command::Refresh {
                generation,
                presented_hash,
                next_hash,
                expires_at,
                address: None,
            },
        );
        let revoke = reasons().prop_map(|reason| Command::Revoke { reason });
        let end = (people(), reasons()).prop_map(|(account_id, reason)| Command::End { account_id, reason });
        (option::of(people()), prop_oneof![4 => open, 18 => refresh, 2 => revoke, 1 => end]).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let opened =
            (people(), devices(), words(), any_moments()).prop_map(|(account_id, device, refresh_hash, expires_at)| {
                Event::Opened { account_id, device, refresh_hash, expires_at, address: home() }
            });
        let refreshed = (people(), generations(), words(), any_moments()).prop_map(
            |(account_id, generation, refresh_hash, expires_at)| Event::Refreshed {
                account_id,
                generation,
                refresh_hash,
                expires_at,
                address: None,
            },
        );
        let revoked = (people(), reasons()).prop_map(|(account_id, reason)| Event::Revoked { account_id, reason });
        prop_oneof![3 => opened, 3 => refreshed, 1 => revoked].boxed()
    }

    /// The one exception that the contract makes: a token used twice is theft.
    fn again(command: &Command, first: &[Event]) -> Answer<Self> {
        match (command, first) {
            (Command::Refresh { .. }, [Event::Refreshed { account_id, .. }]) => {
                Ok(vec![Event::Revoked { account_id: *account_id, reason: Reason::RefreshTokenReused }])
            }
            (Command::Refresh { .. }, _) => Err(Refusal::Unauthenticated),
            _ => Ok(vec![]),
        }
    }
}

laws!(Session);
