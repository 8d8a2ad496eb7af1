//! An account and its sessions: ACC-9 to ACC-11.

use crate::{
    laws::{ids, words},
    scenario::{self, min, sealed},
    second,
};
use natter_domain::{
    HandleId, SessionId,
    account::{Account, Command, Contact, Event, Policy, Refusal, Way},
    limit,
    session::Reason,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use uuid::Uuid;

const FIRST: SessionId = SessionId(Uuid::from_u128(1));
const SECOND: SessionId = SessionId(Uuid::from_u128(2));
const THIRD: SessionId = SessionId(Uuid::from_u128(3));

/// Registered, and then this.
pub fn given(more: impl IntoIterator<Item = Event>) -> scenario::Given<Account> {
    let started = Event::RegistrationStarted {
        username: sealed("alice"),
        nickname: sealed("Alice"),
        password_hash: "old".into(),
        handles: vec![HandleId(Uuid::from_u128(1))],
        expires_at: min(10),
        prefixes: vec![],
        email: None,
        phone: None,
        identity: None,
    };
    scenario::given([started, Event::Registered {}].into_iter().chain(more))
}

fn admit(session_id: SessionId, platform: Option<&str>, policy: Policy) -> Command {
    Command::AdmitSession { session_id, platform: platform.map(str::to_owned), checked: None, policy, proof: None }
}

pub fn admitted(session_id: SessionId, platform: Option<&str>, ended: &[SessionId]) -> Event {
    Event::SessionAdmitted { session_id, platform: platform.map(str::to_owned), ended: ended.to_vec() }
}

fn change(checked: u32, password_hash: &str, kept: Option<SessionId>) -> Command {
    Command::ChangePassword { checked, password_hash: password_hash.into(), kept }
}

fn changed(password_hash: &str, ended: &[SessionId]) -> Event {
    Event::PasswordChanged { password_hash: password_hash.into(), ended: ended.to_vec() }
}

#[test]
fn sessions_are_let_in_each_once() {
    given([]).when(admit(FIRST, None, Policy::Many)).then([admitted(FIRST, None, &[])]);
    given([admitted(FIRST, None, &[])]).when(admit(FIRST, None, Policy::Many)).silent();
    given([admitted(FIRST, None, &[])]).when(admit(SECOND, None, Policy::Many)).then([admitted(SECOND, None, &[])]);
}

#[test]
fn nobody_is_let_in_who_is_not_registered() {
    scenario::given::<Account>([]).when(admit(FIRST, None, Policy::Many)).refused(Refusal::NotFound);
}

#[test]
fn the_oldest_goes_where_there_are_enough() {
    let two = [admitted(FIRST, None, &[]), admitted(SECOND, None, &[])];
    given(two.clone()).when(admit(THIRD, None, Policy::Max(2))).then([admitted(THIRD, None, &[FIRST])]);
    given(two.clone()).when(admit(THIRD, None, Policy::Max(1))).then([admitted(THIRD, None, &[FIRST, SECOND])]);
    given(two).when(admit(THIRD, None, Policy::Max(3))).then([admitted(THIRD, None, &[])]);
    let many = (0..limit::SESSIONS_MAX as u128).map(|number| SessionId(Uuid::from_u128(100 + number)));
    let full = many.map(|session| admitted(session, None, &[]));
    let oldest = SessionId(Uuid::from_u128(100));
    given(full).when(admit(FIRST, None, Policy::Many)).then([admitted(FIRST, None, &[oldest])]);
}

#[test]
fn one_of_a_platform_takes_the_place_of_another() {
    let two = [admitted(FIRST, Some("android"), &[]), admitted(SECOND, None, &[])];
    given(two.clone()).when(admit(THIRD, Some("android"), Policy::Platform)).then([admitted(
        THIRD,
        Some("android"),
        &[FIRST],
    )]);
    given(two.clone()).when(admit(THIRD, Some("ios"), Policy::Platform)).then([admitted(THIRD, Some("ios"), &[])]);
    given(two).when(admit(THIRD, None, Policy::Platform)).then([admitted(THIRD, None, &[SECOND])]);
}

#[test]
fn who_has_gone_takes_no_place() {
    let forget = || Command::ForgetSession { session_id: FIRST };
    let gone = || Event::SessionForgotten { session_id: FIRST };
    given([admitted(FIRST, None, &[])]).when(forget()).then([gone()]);
    given([admitted(FIRST, None, &[]), gone()]).when(forget()).silent();
    given([admitted(FIRST, None, &[]), gone()]).when(admit(SECOND, None, Policy::Max(1))).then([admitted(
        SECOND,
        None,
        &[],
    )]);
    given([admitted(FIRST, None, &[]), admitted(SECOND, None, &[FIRST])]).when(forget()).silent();
}

#[test]
fn all_but_one_end() {
    let end = |kept| Command::EndSessions { kept, reason: Reason::Ended };
    let ended = |sessions: &[SessionId]| Event::SessionsEnded { ended: sessions.to_vec(), reason: Reason::Ended };
    let two = [admitted(FIRST, None, &[]), admitted(SECOND, None, &[])];
    given(two.clone()).when(end(Some(SECOND))).then([ended(&[FIRST])]);
    given(two.clone()).when(end(None)).then([ended(&[FIRST, SECOND])]);
    given([two.to_vec(), vec![ended(&[FIRST])]].concat()).when(end(Some(SECOND))).silent();
}

#[test]
fn another_password_ends_all_other_sessions() {
    let two = [admitted(FIRST, None, &[]), admitted(SECOND, None, &[])];
    given(two.clone()).when(change(0, "new", Some(FIRST))).then([changed("new", &[SECOND])]);
    given([two.to_vec(), vec![changed("new", &[SECOND])]].concat()).when(change(0, "new", Some(FIRST))).silent();
}

#[test]
fn who_had_a_code_of_an_older_address_has_proven_nothing() {
    let reset = || change(1, "new", None);
    given([changed("old", &[]), admitted(FIRST, None, &[])]).when(reset()).then([changed("new", &[FIRST])]);
    given([changed("new", &[])]).when(reset()).silent();
    let contact = Contact { value: sealed("other"), handle: HandleId(Uuid::from_u128(9)) };
    let moved = || Event::ContactChanged { way: Way::Email, contact: contact.clone(), released: None };
    given([changed("old", &[]), moved()]).when(reset()).refused(Refusal::Outdated);
}

#[test]
fn who_compared_with_an_older_password_is_refused() {
    given([changed("new", &[])]).when(change(0, "third", None)).refused(Refusal::Outdated);
    given([changed("new", &[])]).when(change(1, "third", None)).then([changed("third", &[])]);
    let login = |checked| {
        let policy = Policy::Many;
        Command::AdmitSession { session_id: FIRST, platform: None, checked, policy, proof: None }
    };
    given([changed("new", &[])]).when(login(Some(0))).refused(Refusal::Outdated);
    given([changed("new", &[])]).when(login(Some(1))).then([admitted(FIRST, None, &[])]);
    let rehash = |checked| Command::RehashPassword { checked, password_hash: "old, dearer".into() };
    given([changed("new", &[])]).when(rehash(0)).refused(Refusal::Outdated);
}

#[test]
fn the_same_password_hashed_anew_is_the_same_password() {
    let rehash = || Command::RehashPassword { checked: 0, password_hash: "dearer".into() };
    let rehashed = || Event::PasswordRehashed { password_hash: "dearer".into() };
    given([admitted(FIRST, None, &[])]).when(rehash()).then([rehashed()]);
    given([rehashed()]).when(rehash()).silent();
    given([rehashed()]).when(change(0, "new", None)).then([changed("new", &[])]);
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Many), (0..4_u32).prop_map(Policy::Max), Just(Policy::Platform)]
}

fn reasons() -> impl Strategy<Value = Reason> {
    select(vec![Reason::Ended, Reason::Replaced])
}

/// For the laws.
pub fn asks() -> impl Strategy<Value = Command> {
    let admit = (ids(), option::of(words()), option::of(0..3_u32), policies(), option::of(second::proofs())).prop_map(
        |(session_id, platform, checked, policy, proof)| Command::AdmitSession {
            session_id,
            platform,
            checked,
            policy,
            proof,
        },
    );
    let change = (0..3_u32, words(), option::of(ids()))
        .prop_map(|(checked, password_hash, kept)| Command::ChangePassword { checked, password_hash, kept });
    prop_oneof![
        4 => admit,
        1 => ids().prop_map(|session_id| Command::ForgetSession { session_id }),
        1 => (option::of(ids()), reasons()).prop_map(|(kept, reason)| Command::EndSessions { kept, reason }),
        1 => change,
        1 => (0..3_u32, words()).prop_map(|(checked, password_hash)| Command::RehashPassword { checked, password_hash }),
    ]
}

/// For the laws.
pub fn events() -> impl Strategy<Value = Event> {
    let admitted = (ids(), option::of(words()), vec(ids(), 0..2))
        .prop_map(|(session_id, platform, ended)| Event::SessionAdmitted { session_id, platform, ended });
    prop_oneof![
        admitted,
        ids().prop_map(|session_id| Event::SessionForgotten { session_id }),
        (vec(ids(), 0..2), reasons()).prop_map(|(ended, reason)| Event::SessionsEnded { ended, reason }),
        (words(), vec(ids(), 0..2)).prop_map(|(password_hash, ended)| Event::PasswordChanged { password_hash, ended }),
        words().prop_map(|password_hash| Event::PasswordRehashed { password_hash }),
    ]
}
