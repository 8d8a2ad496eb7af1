//! Messages that end by themselves: CNV-24, CNV-25, MSG-13, INB-17.

use crate::{
    laws::{HELLO, HERE},
    scenario::{self, ALICE, BOB, Given, days, given, just_before, min, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, MessageId, Refusal as _, Timestamp,
    conversation::{
        BodyKind, Command, Conversation, Details, Event, InvalidLifetime, Kind, Lifetime, Refusal, SelfDestruct, State,
    },
    inbox, limit,
    message::{self, Message, Place},
};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

const DAYS_30: u64 = 30 * 24 * 60 * 60;
const READ: Lifetime = Lifetime::AfterReadS(60);

/// As it was sent by alice.
const PLACE: Place = Place { conversation_id: HERE, message_id: HELLO, seq: 1, sender: Some(ALICE), sent_at: min(0) };

#[test]
fn a_lifetime_is_one_of_two_and_has_its_bounds() {
    let after = |seconds| Lifetime::parse(Some(seconds), None);
    let after_read = |seconds| Lifetime::parse(None, Some(seconds));
    for seconds in [5, 6, DAYS_30] {
        assert_eq!(after(seconds), Ok(Lifetime::AfterS(seconds)));
    }
    for seconds in [1, 5, DAYS_30] {
        assert_eq!(after_read(seconds), Ok(Lifetime::AfterReadS(seconds)));
    }
    for seconds in [0, 4, DAYS_30 + 1, u64::MAX] {
        assert_eq!(after(seconds), Err(InvalidLifetime::AfterS), "{seconds}");
    }
    for seconds in [0, DAYS_30 + 1, u64::MAX] {
        assert_eq!(after_read(seconds), Err(InvalidLifetime::AfterReadS), "{seconds}");
    }
    for both in [Lifetime::parse(None, None), Lifetime::parse(Some(5), Some(5))] {
        assert_eq!(both, Err(InvalidLifetime::NotOne));
    }
    let pointers = [InvalidLifetime::NotOne, InvalidLifetime::AfterS, InvalidLifetime::AfterReadS];
    assert_eq!(pointers.map(InvalidLifetime::pointer), ["", "/after_s", "/after_read_s"]);
}

/// It is stored with messages and with what waits.
#[test]
fn it_keeps_its_spelling() {
    let given = SelfDestruct { lifetime: READ, sent_at: min(0) };
    let written = json!({"after_read_s": 60, "sent_at": "2026-01-01T00:00:00.000Z"});
    assert_eq!(serde_json::to_value(given).expect("it is JSON"), written);
    assert_eq!(serde_json::from_value::<SelfDestruct>(written).expect("it is one"), given);
    let after = json!({"after_s": 5});
    assert_eq!(serde_json::to_value(Lifetime::AfterS(5)).expect("it is JSON"), after);
    assert_eq!(serde_json::from_value::<Lifetime>(after).expect("it is one"), Lifetime::AfterS(5));
}

fn details(lifetime: Lifetime, sent_at: Timestamp) -> Box<Details> {
    Box::new(Details { self_destruct: Some(SelfDestruct { lifetime, sent_at }), ..Details::default() })
}

fn id(seq: u64) -> MessageId {
    MessageId(Uuid::from_u128(u128::from(seq)))
}

fn send(lifetime: Lifetime) -> Command {
    Command::Send {
        message_id: id(1),
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        details: Box::new(Details { self_destruct: Some(SelfDestruct::of(lifetime)), ..Details::default() }),
        missing: Default::default(),
        muted: None,
        gone: None,
    }
}

fn sent(seq: u64, sender: AccountId, lifetime: Lifetime) -> Event {
    Event::MessageSent {
        message_id: id(seq),
        seq,
        sender,
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        details: details(lifetime, min(0)),
    }
}

fn direct(more: impl IntoIterator<Item = Event>) -> Given<Conversation> {
    given::<Conversation>(std::iter::once(Event::started_direct([ALICE, BOB])).chain(more))
}

fn begun(seq: u64, sender: AccountId, expires_at: Timestamp) -> Event {
    Event::CountdownBegan { message_id: id(seq), seq, sender, sent_at: min(0), expires_at }
}

fn read(reader: AccountId, seq: u64) -> Command {
    Command::BeginCountdowns { reader, seq, read_at: min(10) }
}

#[test]
fn when_it_was_sent_is_written_down_with_it() {
    for lifetime in [Lifetime::AfterS(5), READ] {
        direct([]).when(send(lifetime)).by(ALICE).then([sent(1, ALICE, lifetime)]);
    }
    let moments = [Lifetime::AfterS(60), READ].map(|lifetime| SelfDestruct { lifetime, sent_at: min(1) }.expires_at());
    assert_eq!(moments, [Some(min(2)), None]);
}

#[test]
fn after_it_was_read_it_ends_only_between_two_people() {
    for kind in [Kind::Group, Kind::Own, Kind::Channel] {
        let started = Event::Started { kind, members: vec![ALICE], name: Some(sealed("name")), owner: Some(ALICE) };
        let there = || given::<Conversation>([started.clone()]);
        there().when(send(READ)).by(ALICE).refused(Refusal::NotDirect);
        let ends = Lifetime::AfterS(5);
        let next = Event::MessageSent {
            message_id: id(1),
            seq: kind.first_seq() + 1,
            sender: ALICE,
            body: sealed("hello"),
            body_kind: BodyKind::Text,
            size: 5,
            details: details(ends, min(0)),
        };
        there().when(send(ends)).by(ALICE).then([next]);
    }
    assert_eq!(Refusal::NotDirect.code(), Code::Forbidden);
}

#[test]
fn a_thousand_wait_to_be_read_and_no_more() {
    let many = limit::UNREAD_EXPIRING_MAX as u64;
    let full = || direct((1..=many).map(|seq| sent(seq, if seq % 2 == 0 { ALICE } else { BOB }, READ)));
    full().when(send(READ)).by(ALICE).refused(Refusal::TooManyUnread);
    assert_eq!(Refusal::TooManyUnread.code(), Code::Conflict);
    let next = |lifetime| {
        let Event::MessageSent { sender, body, body_kind, size, details, .. } = sent(1, ALICE, lifetime) else {
            unreachable!("it is one")
        };
        Event::MessageSent { message_id: id(1), seq: many + 1, sender, body, body_kind, size, details }
    };
    full().when(send(Lifetime::AfterS(5))).by(ALICE).then([next(Lifetime::AfterS(5))]);
    let history = (1..=many).map(|seq| sent(seq, BOB, READ)).chain([begun(7, BOB, min(11))]);
    direct(history).when(send(READ)).by(ALICE).then([next(READ)]);
}

#[test]
fn what_the_other_one_has_read_begins_to_count_the_oldest_first() {
    let history =
        || [sent(1, ALICE, READ), sent(2, BOB, READ), sent(3, ALICE, Lifetime::AfterS(9)), sent(4, ALICE, READ)];
    let there = || direct(history());
    there().when(read(BOB, 3)).at(min(30)).then([begun(1, ALICE, min(11))]);
    there().when(read(BOB, 4)).then([begun(1, ALICE, min(11)), begun(4, ALICE, min(11))]);
    there().when(read(ALICE, 9)).then([begun(2, BOB, min(11))]);
    there().when(read(ALICE, 1)).silent();
    let counting = || direct(history().into_iter().chain([begun(1, ALICE, min(11))]));
    counting().when(read(BOB, 3)).silent();
    counting().when(read(BOB, 4)).then([begun(4, ALICE, min(11))]);
}

/// By a clock that is behind the other's.
#[test]
fn nothing_is_read_before_it_was_sent() {
    let early = Command::BeginCountdowns { reader: BOB, seq: 1, read_at: min(-5) };
    direct([sent(1, ALICE, READ)]).when(early).then([begun(1, ALICE, min(1))]);
}

#[test]
fn a_conversation_knows_whose_reading_ends_something() {
    let mut state = State::default();
    for event in [Event::started_direct([ALICE, BOB]), sent(2, ALICE, READ)] {
        Conversation::evolve(&mut state, &event);
    }
    let asked = [(BOB, 1), (BOB, 2), (BOB, 3), (ALICE, 3)];
    assert_eq!(asked.map(|(reader, seq)| state.ends_by_reading(reader, seq)), [false, true, true, false]);
    Conversation::evolve(&mut state, &begun(2, ALICE, min(11)));
    assert!(!state.ends_by_reading(BOB, 3));
}

#[test]
fn of_what_ends_by_being_read_it_is_said_how_far_was_read() {
    let to = |seq, ends_some| inbox::Advance {
        conversation_id: HERE,
        seq,
        last_seq: 9,
        entered_seq: 0,
        peer: None,
        is_shown: false,
        ends_some,
        outside: None,
    };
    let advance = |to| inbox::Command::Advance { cursors: vec![to] };
    let cursor = inbox::Cursor { conversation_id: HERE, seq: 3, peer: None };
    let moved = inbox::Event::CursorsAdvanced { cursors: vec![cursor] };
    let ending = inbox::Event::EndingRead { conversation_id: HERE, seq: 3 };
    given::<inbox::Inbox>([]).when(advance(to(3, false))).by(BOB).then([moved.clone()]);
    given::<inbox::Inbox>([]).when(advance(to(3, true))).by(BOB).then([moved.clone(), ending]);
    given::<inbox::Inbox>([moved]).when(advance(to(3, true))).by(BOB).silent();
}

fn expire(expires_at: Timestamp) -> message::Command {
    message::Command::Expire { message: PLACE, expires_at }
}

fn talk() -> State {
    let mut state = State::default();
    Conversation::evolve(&mut state, &Event::started_direct([ALICE, BOB]));
    state
}

fn past(history: impl IntoIterator<Item = message::Event>) -> Given<Message> {
    scenario::given::<Message>(history).within(talk())
}

#[test]
fn it_ends_when_its_moment_has_come_and_not_before() {
    past([]).when(expire(min(9))).at(just_before(min(9))).refused(message::Refusal::NotDue);
    assert_eq!(message::Refusal::NotDue.code(), Code::Unavailable, "it is asked again");
    for moment in [min(9), days(40)] {
        past([]).when(expire(min(9))).at(moment).then([message::Event::Expired { message: PLACE }]);
    }
    let recalled = message::Event::Recalled { message: PLACE, by: ALICE };
    for over in [recalled, message::Event::Expired { message: PLACE }] {
        past([over.clone()]).when(expire(min(9))).at(min(10)).silent();
        past([over]).when(expire(min(9))).silent();
    }
}

#[test]
fn whatever_was_done_to_it_it_ends() {
    let edited = message::Event::Edited {
        message: PLACE,
        body: sealed("other"),
        body_kind: BodyKind::Text,
        size: 5,
        fingerprint: Uuid::from_u128(1),
        has_link: false,
    };
    let reacted = message::Event::Reacted { message: PLACE, account_id: BOB, emoji: "x".into(), count: 1 };
    let pinned = message::Event::Pinned { message: PLACE, by: BOB };
    let history = [edited, reacted, pinned];
    past(history.clone()).when(expire(min(0))).then([message::Event::Expired { message: PLACE }]);
    let mut state = message::State::default();
    for event in history.into_iter().chain([message::Event::Expired { message: PLACE }]) {
        Message::evolve(&mut state, &event);
    }
    assert_eq!(state, message::State { recalled: true, ..message::State::default() }, "nothing else is left of it");
}

/// Nobody may do anything there any more; it ends all the same.
#[test]
fn it_ends_in_a_conversation_that_is_over() {
    let mut over = talk();
    let dissolved = Event::Dissolved { seq: 2, by: ALICE, ends_at: min(1) };
    for event in [dissolved, Event::Ended {}] {
        Conversation::evolve(&mut over, &event);
        let there = scenario::given::<Message>([]).within(over.clone());
        there.when(expire(min(0))).then([message::Event::Expired { message: PLACE }]);
    }
    assert!(over.unread.is_empty());
}

#[test]
fn what_has_ended_is_as_what_was_recalled() {
    let expired = || past([message::Event::Expired { message: PLACE }]);
    let window = Duration::from_secs(60);
    let emoji = || "x".to_owned();
    for late in [
        message::Command::React { message: PLACE, emoji: emoji() },
        message::Command::Unreact { message: PLACE, emoji: emoji() },
        message::Command::Pin { message: PLACE },
        message::Command::Edit {
            message: PLACE,
            body: sealed("other"),
            body_kind: BodyKind::Text,
            size: 5,
            has_link: false,
            fingerprint: Uuid::from_u128(1),
            sent: None,
            muted: None,
            window,
        },
    ] {
        expired().when(late).by(ALICE).refused(message::Refusal::Recalled);
    }
    expired().when(message::Command::Recall { message: PLACE, window }).by(ALICE).silent();
}
