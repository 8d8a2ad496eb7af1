//! An account is erased: ACC-22, ACC-23.

use crate::{
    laws::words,
    scenario::{self, just_before, min, sealed},
};
use natter_domain::{
    HandleId, SessionId,
    account::{Account, Command, Contact, Event, Hold, Identity, Policy, ProfileChange, Refusal, SettingsChange, Way},
    session::Reason,
};
use proptest::{option, prelude::*};
use uuid::Uuid;

const SESSION: SessionId = SessionId(Uuid::from_u128(1));

fn started() -> Event {
    Event::RegistrationStarted {
        username: sealed("alice"),
        nickname: sealed("Alice"),
        password_hash: "old".into(),
        handles: vec![],
        expires_at: min(10),
        prefixes: vec![],
        email: None,
        phone: None,
        identity: None,
    }
}

/// Registered, and then this.
fn given(more: impl IntoIterator<Item = Event>) -> scenario::Given<Account> {
    scenario::given([started(), Event::Registered {}].into_iter().chain(more))
}

fn erase(by: Option<&str>) -> Command {
    Command::Erase { by: by.map(str::to_owned) }
}

fn erased() -> Event {
    Event::Erased { by: None, released: vec![] }
}

#[test]
fn who_was_registered_is_erased_once() {
    given([]).when(erase(None)).then([erased()]);
    given([]).when(erase(Some("carol"))).then([Event::Erased { by: Some("carol".into()), released: vec![] }]);
    given([erased()]).when(erase(None)).silent();
    given([erased()]).when(erase(Some("carol"))).silent();
}

/// Address, number and identities; the user name is nobody else's ever. What was about to be theirs is perhaps not claimed
/// yet: it is given back when it cannot be any more.
#[test]
fn how_they_were_reached_is_given_back() {
    let contact = |number| Contact { value: sealed("x"), handle: HandleId(Uuid::from_u128(number)) };
    let changed = |way, number| Event::ContactChanged { way, contact: contact(number), released: None };
    let begun = Event::ContactChangeStarted { way: Way::Phone, contact: contact(4), expires_at: min(10) };
    let identity = |number| Identity { handle: HandleId(Uuid::from_u128(number)), about: sealed("about") };
    let linked = Event::IdentityLinked { identity: identity(5) };
    let linking = Event::IdentityLinkStarted { identity: identity(6), expires_at: min(10) };
    let handle = |number| HandleId(Uuid::from_u128(number));
    let erased = Event::Erased { by: None, released: [2, 3, 5].map(handle).to_vec() };
    let history = [changed(Way::Email, 2), changed(Way::Phone, 3), begun, linked, linking];
    given(history.clone()).when(erase(None)).then([erased.clone()]);
    let at_once = vec![erased.clone()];
    let after_closing = vec![Event::Closed {}, Event::HandlesReleased { handles: vec![handle(2)] }, erased];
    for end in [at_once, after_closing] {
        let gone = |more: &[Event]| given(history.iter().chain(&end).chain(more).cloned());
        for (expire, number) in [
            (Command::ExpireContactChange { handle: handle(4) }, 4),
            (Command::ExpireIdentityLink { handle: handle(6) }, 6),
        ] {
            let released = Event::HandlesReleased { handles: vec![handle(number)] };
            gone(&[]).when(expire.clone()).at(just_before(min(10))).refused(Refusal::NotDue);
            gone(&[]).when(expire.clone()).at(min(10)).then([released.clone()]);
            gone(&[released]).when(expire).at(min(10)).silent();
        }
        let other = Command::ExpireContactChange { handle: handle(7) };
        gone(&[]).when(other).at(min(10)).silent();
    }
}

#[test]
fn every_session_ends_with_it() {
    let admitted = Event::SessionAdmitted { session_id: SESSION, platform: None, ended: vec![] };
    let ended = Event::SessionsEnded { ended: vec![SESSION], reason: Reason::Ended };
    given([admitted]).when(erase(None)).then([ended, erased()]);
}

#[test]
fn who_closed_their_account_is_erased_too() {
    given([Event::Closed {}]).when(erase(None)).then([erased()]);
    given([Event::Closed {}, erased()]).when(erase(None)).silent();
}

#[test]
fn who_never_came_to_be_is_not_erased() {
    scenario::given::<Account>([]).when(erase(None)).refused(Refusal::NotFound);
    scenario::given::<Account>([started()]).when(erase(None)).refused(Refusal::NotFound);
    let abandoned = Event::RegistrationAbandoned { handles: vec![] };
    scenario::given::<Account>([started(), abandoned]).when(erase(None)).refused(Refusal::NotFound);
}

#[test]
fn an_operator_who_asks_is_named() {
    for name in ["", "a\nb", &"a".repeat(101)] {
        given([]).when(erase(Some(name))).refused(Refusal::Nameless);
    }
}

#[test]
fn nothing_else_happens_to_an_erased_account() {
    let (checked, policy) = (None, Policy::Many);
    let admit = Command::AdmitSession { session_id: SESSION, platform: None, checked, policy, proof: None };
    for command in [
        admit,
        Command::EndSessions { kept: None, reason: Reason::Ended },
        Command::ChangePassword { checked: 0, password_hash: "new".into(), kept: None },
        Command::ChangeProfile(ProfileChange::default()),
        Command::ChangeSettings(SettingsChange::default()),
        Command::OfferSecondFactor { checked: 0, secret: sealed("secret") },
        Command::Mute(Hold { until: None, reason: None, by: "carol".into() }),
    ] {
        given([erased()]).when(command).refused(Refusal::NotFound);
    }
    for command in [Command::CompleteRegistration, Command::AbandonRegistration, Command::ExpireRegistration] {
        given([erased()]).when(command).refused(Refusal::Erased);
    }
}

/// For the laws.
pub fn asks() -> impl Strategy<Value = Command> {
    option::of(words()).prop_map(|by| Command::Erase { by })
}

/// For the laws.
pub fn events() -> impl Strategy<Value = Event> {
    Just(erased())
}
