//! What stands in an account's way: ACC-13 to ACC-17; and what a mute keeps from being said.

use crate::{
    laws::{any_moments, ids, moments, seals, words},
    scenario::{self, ALICE, BOB, CAROL, days, just_before, sealed},
    standing::{admitted, given},
};
use natter_domain::{
    Code, HandleId, Refusal as _, SessionId, Timestamp,
    account::{Command, Contact, Event, Hold, Mute, Policy, Refusal, Way},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::time::Duration;
use uuid::Uuid;

const FIRST: SessionId = SessionId(Uuid::from_u128(1));
const SECOND: SessionId = SessionId(Uuid::from_u128(2));
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn hold(until: Option<Timestamp>, by: &str) -> Hold {
    Hold { until, reason: Some(sealed("spam")), by: by.into() }
}

fn suspend(until: Option<Timestamp>) -> Command {
    Command::Suspend(hold(until, "root"))
}

fn suspended(until: Option<Timestamp>, ended: &[SessionId]) -> Event {
    Event::Suspended { until, reason: Some(sealed("spam")), by: "root".into(), ended: ended.to_vec() }
}

fn mute(until: Option<Timestamp>) -> Command {
    Command::Mute(hold(until, "root"))
}

fn muted(until: Option<Timestamp>) -> Event {
    Event::Muted { until, reason: Some(sealed("spam")), by: "root".into() }
}

fn restore() -> Command {
    Command::Restore { reason: None, by: "root".into() }
}

fn restored() -> Event {
    Event::Restored { reason: None, by: "root".into() }
}

fn admit(session_id: SessionId) -> Command {
    Command::AdmitSession { session_id, platform: None, checked: Some(0), policy: Policy::Many, proof: None }
}

fn let_in(session_id: SessionId) -> Event {
    admitted(session_id, None, &[])
}

#[test]
fn a_suspension_ends_every_session_and_lets_none_in_until_its_time_is_over() {
    let until = Some(days(1));
    given([let_in(FIRST), let_in(SECOND)]).when(suspend(until)).then([suspended(until, &[FIRST, SECOND])]);
    let held = || given([let_in(FIRST), suspended(until, &[FIRST])]);
    held().when(admit(SECOND)).refused(Refusal::Suspended { until });
    held().when(admit(SECOND)).at(just_before(days(1))).refused(Refusal::Suspended { until });
    held().when(admit(SECOND)).at(days(1)).then([let_in(SECOND)]);
    given([suspended(None, &[])]).when(admit(FIRST)).at(days(10_000)).refused(Refusal::Suspended { until: None });
    given([suspended(None, &[]), restored()]).when(admit(FIRST)).then([let_in(FIRST)]);
}

#[test]
fn a_wrong_password_is_told_before_a_suspension() {
    let login = Command::AdmitSession {
        session_id: FIRST,
        platform: None,
        checked: Some(1),
        policy: Policy::Many,
        proof: None,
    };
    given([suspended(None, &[])]).when(login).refused(Refusal::Outdated);
}

#[test]
fn what_is_so_already_is_silent() {
    let until = Some(days(1));
    given([suspended(until, &[])]).when(suspend(until)).silent();
    given([suspended(until, &[])]).when(suspend(None)).then([suspended(None, &[])]);
    given([muted(until)]).when(mute(until)).silent();
    given([muted(until)]).when(mute(None)).then([muted(None)]);
    given([]).when(restore()).silent();
    given([muted(None)]).when(restore()).then([restored()]);
    given([muted(None), suspended(None, &[]), restored()]).when(restore()).silent();
    given([muted(None), restored()]).when(mute(None)).then([muted(None)]);
}

#[test]
fn who_asks_is_named_and_until_when_lies_ahead() {
    for by in ["", "a\nb", &"x".repeat(101)] {
        given([]).when(Command::Suspend(hold(None, by))).refused(Refusal::Nameless);
        given([]).when(Command::Mute(hold(None, by))).refused(Refusal::Nameless);
        given([muted(None)]).when(Command::Restore { reason: None, by: by.into() }).refused(Refusal::Nameless);
    }
    given([]).when(suspend(Some(days(1)))).at(days(1)).refused(Refusal::Past);
    given([]).when(mute(Some(days(1)))).at(days(2)).refused(Refusal::Past);
}

fn request(checked: u32) -> Command {
    Command::RequestClosing { checked, grace: WEEK }
}

fn requested(ended: &[SessionId]) -> Event {
    Event::ClosingRequested { closes_at: days(7), ended: ended.to_vec() }
}

fn close(closes_at: Timestamp) -> Command {
    Command::Close { closes_at }
}

#[test]
fn who_wants_it_closed_is_signed_out_everywhere() {
    given([let_in(FIRST), let_in(SECOND)]).when(request(0)).then([requested(&[FIRST, SECOND])]);
    given([requested(&[])]).when(request(0)).at(days(1)).silent();
    let other = Event::PasswordChanged { password_hash: "new".into(), ended: vec![] };
    given([other]).when(request(0)).refused(Refusal::Outdated);
}

#[test]
fn who_is_let_in_within_the_grace_has_cancelled_it() {
    let closing = || given([requested(&[])]);
    closing().when(admit(FIRST)).at(just_before(days(7))).then([Event::ClosingCancelled {}, let_in(FIRST)]);
    closing().when(admit(FIRST)).at(days(7)).refused(Refusal::Outdated);
    let cancelled = || given([requested(&[]), Event::ClosingCancelled {}, let_in(FIRST)]);
    cancelled().when(admit(SECOND)).then([let_in(SECOND)]);
    cancelled().when(close(days(7))).at(days(7)).silent();
    let again = Event::ClosingRequested { closes_at: days(9), ended: vec![FIRST] };
    let anew = || given([requested(&[]), Event::ClosingCancelled {}, let_in(FIRST), again.clone()]);
    anew().when(close(days(7))).at(days(8)).silent();
    anew().when(close(days(9))).at(days(9)).then([Event::Closed {}]);
}

#[test]
fn an_account_closes_when_its_grace_is_over_and_not_before() {
    given([requested(&[])]).when(close(days(7))).at(just_before(days(7))).refused(Refusal::NotDue);
    given([requested(&[])]).when(close(days(7))).at(days(7)).then([Event::Closed {}]);
    given([]).when(close(days(7))).at(days(7)).silent();
}

#[test]
fn a_closed_account_names_its_address_and_number_to_be_given_back() {
    let handle = |number| HandleId(Uuid::from_u128(number));
    let contact = |number| Contact { value: sealed("reached"), handle: handle(number) };
    let changed = |way, number| Event::ContactChanged { way, contact: contact(number), released: None };
    let begun = Event::ContactChangeStarted { way: Way::Phone, contact: contact(9), expires_at: days(9) };
    let history = [changed(Way::Email, 7), changed(Way::Phone, 8), begun, requested(&[])];
    let released = Event::HandlesReleased { handles: vec![handle(7), handle(8)] };
    given(history.clone()).when(close(days(7))).at(days(7)).then([Event::Closed {}, released.clone()]);
    let closed = || given(history.iter().cloned().chain([Event::Closed {}, released.clone()]));
    closed().when(close(days(7))).at(days(7)).silent();
    // What is being changed to is perhaps not claimed yet: it is given back when it cannot be any more.
    let expire = || Command::ExpireContactChange { handle: handle(9) };
    closed().when(expire()).at(just_before(days(9))).refused(Refusal::NotDue);
    closed().when(expire()).at(days(9)).then([Event::HandlesReleased { handles: vec![handle(9)] }]);
    closed().when(Command::ExpireContactChange { handle: handle(8) }).at(days(9)).silent();
}

/// As it was before: what was being changed to was named with the rest.
#[test]
fn what_was_given_back_is_not_given_back_again() {
    let handle = HandleId(Uuid::from_u128(9));
    let contact = Contact { value: sealed("reached"), handle };
    let begun = Event::ContactChangeStarted { way: Way::Phone, contact, expires_at: days(9) };
    let released = Event::HandlesReleased { handles: vec![handle] };
    let erased = |released| Event::Erased { by: None, released };
    for end in [
        vec![Event::Closed {}, released.clone()],
        vec![Event::Closed {}, released, erased(vec![])],
        vec![erased(vec![handle])],
    ] {
        let gone = given([begun.clone()].into_iter().chain(end));
        gone.when(Command::ExpireContactChange { handle }).at(days(9)).silent();
    }
}

fn postponed(closes_at: Timestamp) -> Event {
    Event::ClosingPostponed { closes_at }
}

#[test]
fn a_closing_waits_for_a_suspension_and_a_week_longer() {
    let until = Some(days(30));
    let held = || given([requested(&[]), suspended(until, &[]), postponed(days(37))]);
    given([requested(&[])]).when(suspend(until)).at(days(1)).then([suspended(until, &[]), postponed(days(37))]);
    held().when(close(days(7))).at(days(7)).silent();
    held().when(admit(FIRST)).at(just_before(days(30))).refused(Refusal::Suspended { until });
    held().when(admit(FIRST)).at(days(30)).then([Event::ClosingCancelled {}, let_in(FIRST)]);
    held().when(close(days(37))).at(just_before(days(37))).refused(Refusal::NotDue);
    held().when(close(days(37))).at(days(37)).then([Event::Closed {}]);
    // A suspension that leaves its owner the time anyway.
    let short = Some(days(3));
    let long = Event::ClosingRequested { closes_at: days(14), ended: vec![] };
    given([long]).when(suspend(short)).then([suspended(short, &[])]);
    // Also one that began before closings waited.
    let before = || given([requested(&[]), suspended(until, &[])]);
    before().when(close(days(7))).at(days(7)).then([postponed(days(37))]);
}

#[test]
fn a_closing_waits_until_somebody_restores_whoever_is_suspended_without_an_end() {
    let held = || given([requested(&[]), suspended(None, &[])]);
    given([requested(&[])]).when(suspend(None)).at(days(1)).then([suspended(None, &[]), postponed(days(8))]);
    held().when(close(days(7))).at(days(7)).then([postponed(days(14))]);
    held().when(close(days(7))).at(days(400)).then([postponed(days(407))]);
    held().when(restore()).at(days(6)).then([restored(), postponed(days(13))]);
    held().when(restore()).at(days(0)).then([restored()]);
    let back = || given([requested(&[]), suspended(None, &[]), restored(), postponed(days(13))]);
    back().when(admit(FIRST)).at(days(12)).then([Event::ClosingCancelled {}, let_in(FIRST)]);
    back().when(close(days(13))).at(days(13)).then([Event::Closed {}]);
}

#[test]
fn nothing_is_put_off_where_nothing_stands_in_the_way() {
    given([requested(&[]), muted(None)]).when(restore()).at(days(6)).then([restored()]);
    given([muted(None), requested(&[])]).when(close(days(7))).at(days(7)).then([Event::Closed {}]);
    given([suspended(Some(days(6)), &[]), requested(&[])]).when(close(days(7))).at(days(7)).then([Event::Closed {}]);
    given([]).when(suspend(None)).then([suspended(None, &[])]);
}

#[test]
fn a_closed_account_is_nobodys_any_more() {
    let closed = || given([requested(&[]), Event::Closed {}]);
    closed().when(close(days(7))).silent();
    closed().when(admit(FIRST)).refused(Refusal::NotFound);
    closed().when(request(0)).refused(Refusal::NotFound);
    closed().when(suspend(None)).refused(Refusal::NotFound);
    closed().when(restore()).refused(Refusal::NotFound);
    closed().when(Command::CompleteRegistration).silent();
    closed().when(Command::AbandonRegistration).refused(Refusal::AlreadyRegistered);
}

#[test]
fn its_refusals_have_their_codes_and_say_until_when() {
    let until = Some(days(1));
    let suspended = Refusal::Suspended { until };
    assert_eq!((suspended.code(), suspended.until()), (Code::AccountSuspended, until));
    assert_eq!((Refusal::Nameless.code(), Refusal::Past.code()), (Code::InvalidInput, Code::InvalidInput));
    assert_eq!(Refusal::Past.until(), None);
}

#[test]
fn a_mute_holds_until_its_time_is_over() {
    assert!(Mute { until: None }.holds(days(10_000)));
    assert!(Mute { until: Some(days(1)) }.holds(just_before(days(1))));
    assert!(!Mute { until: Some(days(1)) }.holds(days(1)));
}

fn untils() -> impl Strategy<Value = Option<Timestamp>> {
    option::of(any_moments())
}

fn holds() -> impl Strategy<Value = Hold> {
    (option::of(moments()), option::of(seals()), words()).prop_map(|(until, reason, by)| Hold { until, reason, by })
}

/// For the laws.
pub fn asks() -> impl Strategy<Value = Command> {
    prop_oneof![
        holds().prop_map(Command::Mute),
        holds().prop_map(Command::Suspend),
        (option::of(seals()), words()).prop_map(|(reason, by)| Command::Restore { reason, by }),
        (0..2_u32, select(vec![Duration::ZERO, WEEK]))
            .prop_map(|(checked, grace)| Command::RequestClosing { checked, grace }),
        moments().prop_map(|closes_at| Command::Close { closes_at }),
    ]
}

/// For the laws.
pub fn events() -> impl Strategy<Value = Event> {
    let muted =
        (untils(), option::of(seals()), words()).prop_map(|(until, reason, by)| Event::Muted { until, reason, by });
    let suspended = (untils(), option::of(seals()), words(), vec(ids(), 0..2))
        .prop_map(|(until, reason, by, ended)| Event::Suspended { until, reason, by, ended });
    let requested =
        (any_moments(), vec(ids(), 0..2)).prop_map(|(closes_at, ended)| Event::ClosingRequested { closes_at, ended });
    prop_oneof![
        muted,
        suspended,
        (option::of(seals()), words()).prop_map(|(reason, by)| Event::Restored { reason, by }),
        requested,
        any_moments().prop_map(postponed),
        Just(Event::ClosingCancelled {}),
        Just(Event::Closed {}),
        vec(ids(), 0..2).prop_map(|handles| Event::HandlesReleased { handles }),
    ]
}

#[test]
fn who_is_muted_sends_and_edits_nothing() {
    use natter_domain::{
        MessageId,
        conversation::{self, BodyKind, Conversation},
    };
    let send = |muted| conversation::Command::Send {
        message_id: MessageId(Uuid::from_u128(1)),
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        muted,
        gone: None,
        details: Default::default(),
        missing: Default::default(),
    };
    let talk = || scenario::given::<Conversation>([conversation::Event::started_direct([ALICE, BOB])]);
    let until = Some(days(1));
    let refused = conversation::Refusal::Muted { until };
    talk().when(send(Some(Mute { until }))).by(ALICE).refused(refused);
    talk().when(send(Some(Mute { until: None }))).by(ALICE).refused(conversation::Refusal::Muted { until: None });
    assert_eq!((refused.code(), natter_domain::Refusal::until(&refused)), (Code::Muted, until));
    let sent = conversation::Event::MessageSent {
        message_id: MessageId(Uuid::from_u128(1)),
        seq: 1,
        sender: ALICE,
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        details: Default::default(),
    };
    talk().when(send(Some(Mute { until }))).by(ALICE).at(days(1)).then([sent]);
    let outside = talk().when(send(Some(Mute { until }))).by(CAROL);
    outside.refused(conversation::Refusal::NotFound);
}
