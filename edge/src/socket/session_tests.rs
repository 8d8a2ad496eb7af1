//! What a client sees of a session, one behaviour a test.

use super::*;
use natter_commands::Caller;
use natter_domain::{AccountId, SessionId};
use serde_json::json;
use uuid::Uuid;

const RULES: Rules =
    Rules { heartbeat: Duration::from_secs(25), greeting: Duration::from_secs(10), drain: Duration::from_secs(5) };
const LIFE: Duration = Duration::from_secs(900);

fn identity(session: u128) -> Identity {
    let caller = Caller { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(session)) };
    Identity { caller, expires_at: Timestamp::from_millis(1_700_000_900_000) }
}

fn verified(session: u128) -> Input<'static> {
    Input::Verified { id: None, outcome: Ok((identity(session), LIFE)) }
}

fn stranger() -> (Session, Instant) {
    let now = Instant::now();
    (Session::new(RULES, now), now)
}

fn known() -> (Session, Instant) {
    let (mut session, now) = stranger();
    assert_eq!(session.step(now, verified(2)), [Action::Join(identity(2))]);
    (session, now)
}

fn send(id: &str) -> String {
    let body = json!({"kind": "text", "text": "hello"});
    json!({"id": id, "op": "message.send", "conversation_id": Uuid::nil(), "message_id": Uuid::nil(), "body": body})
        .to_string()
}

fn closed(close: Close) -> [Action; 1] {
    [Action::Close(close)]
}

#[track_caller]
fn said(actions: &[Action]) -> Value {
    match actions {
        [Action::Say(text)] => serde_json::from_str(text.as_str()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stranger_may_say_auth_and_nothing_else() {
    for op in Op::NAMES.into_iter().filter(|op| *op != "auth") {
        let (mut session, now) = stranger();
        let frame = json!({"id": "1", "op": op}).to_string();
        assert_eq!(session.step(now, Input::Text(&frame)), closed(Close::Unauthenticated), "{op}");
    }
    for text in ["", "[]", r#"{"op": "auth"}"#, r#"{"op": "no such op"}"#] {
        let (mut session, now) = stranger();
        assert_eq!(session.step(now, Input::Text(text)), closed(Close::Unauthenticated), "{text}");
    }
    for text in [send("1"), r#"{"op": "ping"}"#.to_owned()] {
        let (mut session, now) = stranger();
        assert_eq!(session.step(now, Input::Text(&text)), closed(Close::Unauthenticated), "{text}");
    }
}

#[test]
fn a_stranger_has_ten_seconds() {
    let (mut session, now) = stranger();
    assert_eq!(session.deadline(), now + RULES.greeting);
    assert_eq!(session.step(now + RULES.greeting, Input::Tick), closed(Close::Unauthenticated));
}

#[test]
fn a_good_token_joins_and_a_bad_one_closes() {
    let (mut session, now) = stranger();
    let asked = session.step(now, Input::Text(r#"{"op": "auth", "token": "t"}"#));
    assert_eq!(asked, [Action::Verify { id: None, token: "t".to_owned() }]);
    assert_eq!(session.step(now, verified(2)), [Action::Join(identity(2))]);

    for refused in [Refused::Unauthenticated, Refused::Expired] {
        let (mut session, now) = stranger();
        let outcome = Err(refused);
        assert_eq!(session.step(now, Input::Verified { id: None, outcome }), closed(Close::Unauthenticated));
    }
}

#[test]
fn ready_is_said_before_pushes_flow() {
    let (mut session, now) = known();
    let actions = session.step(now, Input::Ready { server_time: Timestamp::from_millis(0) });
    assert_eq!(actions[1], Action::Flow);
    assert_eq!(
        said(&actions[..1]),
        json!({
            "event": "ready", "account_id": Uuid::from_u128(1), "session_id": Uuid::from_u128(2),
            "heartbeat_ms": 25_000, "max_frame_bytes": 131_072, "server_time": "1970-01-01T00:00:00.000Z",
        })
    );
}

#[test]
fn requests_are_done_also_before_ready() {
    let (mut session, now) = known();
    let actions = session.step(now, Input::Text(&send("1")));
    assert!(matches!(&actions[..], [Action::Do(op)] if matches!(**op, Op::Send(_))));
}

#[test]
fn a_token_expires_unless_it_is_renewed_for_the_same_session() {
    let (mut session, now) = known();
    let soon = now + Duration::from_secs(20);
    session.step(soon, Input::Heard);
    let id = Some("a".to_owned());
    let renewed = session.step(soon, Input::Verified { id, outcome: Ok((identity(2), LIFE)) });
    assert_eq!(said(&renewed), json!({"id": "a", "ok": {"expires_at": "2023-11-14T22:28:20.000Z"}}));
    session.step(now + LIFE, Input::Heard);
    assert_eq!(session.step(now + LIFE, Input::Tick), [Action::Ping]);
    assert_eq!(session.step(soon + LIFE, Input::Tick), closed(Close::Expired));

    let (mut session, now) = known();
    assert_eq!(session.step(now, verified(3)), closed(Close::Unauthenticated));
    let (mut session, now) = known();
    let outcome = Err(Refused::Expired);
    assert_eq!(session.step(now, Input::Verified { id: None, outcome }), closed(Close::Unauthenticated));
}

#[test]
fn a_ping_is_answered() {
    let (mut session, now) = known();
    let answer = session.step(now, Input::Text(r#"{"id": "p", "op": "ping"}"#));
    assert_eq!(said(&answer), json!({"id": "p", "ok": {}}));
    assert_eq!(said(&session.step(now, Input::Text(r#"{"op": "ping"}"#))), json!({"id": null, "ok": {}}));
}

#[test]
fn the_silent_are_pinged_and_then_closed() {
    let (mut session, now) = known();
    assert_eq!(session.deadline(), now + RULES.heartbeat);
    assert_eq!(session.step(now + RULES.heartbeat, Input::Tick), [Action::Ping]);
    assert_eq!(session.step(now + RULES.heartbeat, Input::Tick), []);
    assert_eq!(session.step(now + RULES.heartbeat * 2, Input::Tick), closed(Close::Silent));

    let (mut session, now) = known();
    session.step(now + RULES.heartbeat, Input::Heard);
    assert_eq!(session.step(now + RULES.heartbeat * 2, Input::Tick), [Action::Ping]);
}

#[test]
fn a_bad_frame_is_answered_and_a_hundred_in_a_minute_are_a_flood() {
    let (mut session, now) = known();
    for _ in 1..FAULTS_MAX {
        let answer = said(&session.step(now, Input::Text(r#"{"id": "x", "op": "fly"}"#)));
        assert_eq!(
            (&answer["id"], &answer["error"]["code"], &answer["error"]["status"]),
            (&json!("x"), &json!("invalid_input"), &json!(422))
        );
    }
    assert_eq!(session.step(now, Input::Text("{")), closed(Close::Flood));
}

#[test]
fn who_asks_too_often_is_told_when_and_closed_if_they_go_on() {
    let (mut session, now) = known();
    for _ in 1..LIMITED_MAX {
        assert!(matches!(session.step(now, Input::Text(&send("7"))).as_slice(), [Action::Do(_)]));
        let wait = Duration::from_millis(2_100);
        let answer = said(&session.step(now, Input::Limited { id: Some("7".to_owned()), weight: 1, wait }));
        assert_eq!(answer["id"], "7");
        let error = json!({"code": "rate_limited", "status": 429, "detail": "asked too often", "retry_after": 3});
        assert_eq!(answer["error"], error);
    }
    assert!(session.reads(), "what was refused waits for no answer");
    let limited = Input::Limited { id: None, weight: 1, wait: Duration::ZERO };
    assert_eq!(session.step(now, limited)[1..], closed(Close::Limited));
}

#[test]
fn bad_frames_are_forgotten_after_a_minute() {
    let (mut session, mut now) = known();
    for _ in 0..3 * FAULTS_MAX {
        now += Duration::from_millis(610);
        assert!(said(&session.step(now, Input::Text("{")))["id"].is_null());
    }
}

#[test]
fn binary_frames_close() {
    for (mut session, now) in [stranger(), known()] {
        assert_eq!(session.step(now, Input::Binary), closed(Close::Binary));
    }
}

#[test]
fn answers_to_come_are_bounded() {
    let (mut session, now) = known();
    for number in 0..PENDING_MAX {
        assert!(session.reads());
        session.step(now, Input::Text(&send(&number.to_string())));
    }
    assert!(!session.reads());
    session.step(now, Input::Answered(1));
    assert!(session.reads());
}

#[test]
fn who_is_not_read_is_not_silent() {
    let (mut session, now) = known();
    for number in 0..PENDING_MAX {
        session.step(now, Input::Text(&send(&number.to_string())));
    }
    assert_eq!(session.step(now + RULES.heartbeat * 2, Input::Tick), [Action::Ping]);
}

#[test]
fn pages_weigh_more_than_words() {
    let (mut session, now) = known();
    let list = json!({"id": "1", "op": "message.list", "conversation_id": Uuid::nil()}).to_string();
    for _ in 0..4 {
        assert!(session.reads());
        session.step(now, Input::Text(&list));
    }
    assert!(!session.reads());
}

#[test]
fn an_ended_session_is_told_and_closed() {
    let (mut session, now) = known();
    let actions = session.step(now, Input::Ended("logged_out".to_owned()));
    assert_eq!(said(&actions[..1]), json!({"event": "session.revoked", "reason": "logged_out"}));
    assert_eq!(actions[1..], closed(Close::Revoked));
}

#[test]
fn at_the_end_what_was_asked_is_answered_first() {
    let (mut session, now) = known();
    session.step(now, Input::Text(&send("1")));
    assert_eq!(session.step(now, Input::Stop), []);
    assert!(!session.reads());
    assert_eq!(session.step(now, Input::Answered(1)), closed(Close::Restart));

    let (mut session, now) = known();
    session.step(now, Input::Text(&send("1")));
    session.step(now, Input::Stop);
    assert_eq!(session.deadline(), now + RULES.drain);
    assert_eq!(session.step(now + RULES.drain, Input::Tick), closed(Close::Restart));

    let (mut session, now) = stranger();
    assert_eq!(session.step(now, Input::Stop), closed(Close::Restart));
}

#[test]
fn after_the_close_nothing_is_done() {
    let (mut session, now) = known();
    session.step(now, Input::Overflowed);
    assert_eq!(session.step(now, Input::Text(&send("1"))), []);
    assert_eq!(session.step(now, verified(2)), []);
    assert_eq!(session.step(now, Input::Ended("x".to_owned())), []);
    assert!(!session.reads());
}
