//! What is pending: PND-1 to PND-7.

use crate::{
    laws::{Answer, HELLO, HERE, Lawful, any_moments, ids, laws, moments, people, seals, words},
    scenario::{self, ALICE, BOB, CAROL, days, just_before, min, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, KeyId, MessageId, Noun, Refusal as _, Sealed, Timestamp,
    account::Mute,
    conversation::{self, BodyKind, Lifetime, Mentions, Missing, Unanswerable},
    limit,
    pending::{Command, Content, End, Event, NewBody, Pending, Place, Refusal, Said, State, address},
};
use proptest::{option, prelude::*};
use std::time::Duration;
use uuid::Uuid;

const PLACE: Place = Place { conversation_id: HERE, message_id: HELLO, author: ALICE };

/// Alice and Bob talk.
fn talk(history: impl IntoIterator<Item = conversation::Event>) -> conversation::State {
    let mut state = conversation::State::default();
    for event in std::iter::once(conversation::Event::started_direct([ALICE, BOB])).chain(history) {
        conversation::Conversation::evolve(&mut state, &event);
    }
    state
}

fn given(history: impl IntoIterator<Item = Event>) -> scenario::Given<Pending> {
    scenario::given(history).within(talk([]))
}

fn content(text: &str) -> Content {
    Content {
        body: sealed(text),
        given: None,
        said: None,
        body_kind: BodyKind::Text,
        size: text.len() as u32,
        has_link: false,
        reply_to: None,
        thread: None,
        mentions: Mentions::default(),
        silent: false,
        self_destruct: None,
    }
}

fn new_body(body: Sealed) -> NewBody {
    NewBody { body, given: None, said: None, body_kind: BodyKind::Text, size: 2, has_link: false }
}

fn said() -> Said {
    Said {
        message: PLACE,
        content: content("hi"),
        quote: None,
        root: None,
        missing: Missing::default(),
        muted: None,
        gone: None,
    }
}

fn schedule(send_at: Timestamp) -> Command {
    Command::Schedule { said: said(), send_at }
}

fn hold() -> Command {
    Command::Hold { said: said(), rule: "rule".into() }
}

fn scheduled(send_at: Timestamp) -> Event {
    Event::Scheduled { message: PLACE, content: content("hi"), send_at }
}

fn held() -> Event {
    Event::Held { message: PLACE, content: content("hi"), rule: "rule".into() }
}

fn released() -> Event {
    Event::Released { message: PLACE, content: content("hi"), by: None }
}

fn sent() -> Event {
    Event::Sent { message: PLACE, seq: 7 }
}

fn failed(code: &str, by: Option<&str>) -> Event {
    let (code, by) = (code.to_owned(), by.map(str::to_owned));
    Event::Failed { message: PLACE, content: content("hi"), send_at: None, code, until: None, by }
}

const CANCELLED: Event = Event::Cancelled { message: PLACE };
const CANCEL: Command = Command::Cancel { message_id: HELLO };
const RELEASE_DUE: Command = Command::ReleaseDue { message_id: HELLO, send_at: min(10) };
const SETTLE_SENT: Command = Command::SettleSent { message_id: HELLO, seq: 7 };

fn settle_failed() -> Command {
    Command::SettleFailed { message_id: HELLO, code: "muted".into(), until: None }
}

fn change(body: Option<&str>, send_at: Option<Timestamp>) -> Command {
    let new = |text: &str| new_body(sealed(text));
    Command::Change { message_id: HELLO, body: body.map(new), send_at }
}

fn release(by: &str) -> Command {
    Command::Release { message_id: HELLO, by: by.into() }
}

fn refuse(by: &str) -> Command {
    Command::Refuse { message_id: HELLO, by: by.into() }
}

#[test]
fn who_may_say_it_now_may_say_it_later() {
    given([]).when(schedule(min(10))).by(ALICE).then([scheduled(min(10))]);
    given([]).when(hold()).by(ALICE).then([held()]);
    for command in [schedule(min(10)), hold()] {
        let unsayable = |why| Refusal::Unsayable(why);
        given([]).when(command.clone()).by(CAROL).refused(unsayable(conversation::Refusal::NotFound));
        given([]).when(command.clone()).refused(unsayable(conversation::Refusal::NotFound));
        given([]).when(command).by(BOB).refused(Refusal::NotFound);
    }
    let muted = Said { muted: Some(Mute { until: None }), ..said() };
    let until = conversation::Refusal::Muted { until: None };
    let command = Command::Schedule { said: muted, send_at: min(10) };
    given([]).when(command).by(ALICE).refused(Refusal::Unsayable(until));
    let answered = Some(Unanswerable::NotThere);
    let answer = Said { missing: Missing { answered, root: None }, ..said() };
    let command = Command::Schedule { said: answer, send_at: min(10) };
    given([]).when(command).by(ALICE).refused(Refusal::Unsayable(conversation::Refusal::NothingToAnswer));
    let carol = Mentions { accounts: vec![CAROL], ..Mentions::default() };
    let mentioning = Said { content: Content { mentions: carol, ..content("hi") }, ..said() };
    let refusal = Refusal::Unsayable(conversation::Refusal::MentionsNobody { account: CAROL });
    assert_eq!((refusal.code(), refusal.pointer().as_deref()), (Code::InvalidInput, Some("/mentions")));
    given([]).when(Command::Hold { said: mentioning, rule: "rule".into() }).by(ALICE).refused(refusal);
    let ending = Content { self_destruct: Some(Lifetime::AfterReadS(1)), ..content("hi") };
    let waits = Event::Scheduled { message: PLACE, content: ending.clone(), send_at: min(10) };
    let ending = || Command::Schedule { said: Said { content: ending.clone(), ..said() }, send_at: min(10) };
    given([]).when(ending()).by(ALICE).then([waits]);
    let mut own = conversation::State::default();
    let begun =
        conversation::Event::Started { kind: conversation::Kind::Own, members: vec![ALICE], name: None, owner: None };
    conversation::Conversation::evolve(&mut own, &begun);
    let refusal = Refusal::Unsayable(conversation::Refusal::NotDirect);
    scenario::given::<Pending>([]).within(own).when(ending()).by(ALICE).refused(refusal);
    let closed = conversation::Standing::first().barred(BOB);
    let closed = conversation::Event::StandingChanged { standing: closed, shown_to: vec![BOB], last_seq: 0 };
    let shut = scenario::given::<Pending>([]).within(talk([closed]));
    shut.when(schedule(min(10))).by(ALICE).refused(Refusal::Unsayable(conversation::Refusal::Closed));
}

#[test]
fn that_somebody_has_just_written_is_no_reason() {
    let pause = conversation::Event::Paused { account_id: ALICE, at: min(0), until: min(5) };
    let slow = conversation::Event::Changed { change: conversation::Change::SlowMode(300), by: BOB, last_seq: 0 };
    let group = conversation::Event::Started {
        kind: conversation::Kind::Group,
        members: vec![ALICE, BOB],
        name: Some(sealed("us")),
        owner: Some(BOB),
    };
    let mut host = conversation::State::default();
    for event in [group, slow, pause] {
        conversation::Conversation::evolve(&mut host, &event);
    }
    let send = conversation::Command::Send {
        message_id: HELLO,
        body: sealed("hi"),
        body_kind: BodyKind::Text,
        size: 2,
        details: Default::default(),
        missing: Default::default(),
        muted: None,
        gone: None,
    };
    let context = natter_domain::Context { actor: Some(ALICE), session: None, now: min(0) };
    let now = conversation::Conversation::decide(&host, &host, &context, &send);
    assert_eq!(now, Err(conversation::Refusal::TooSoon { until: min(5) }));
    scenario::given::<Pending>([]).within(host).when(schedule(min(10))).by(ALICE).then([scheduled(min(10))]);
}

#[test]
fn a_moment_lies_a_second_to_a_year_ahead() {
    let (first, last) = (min(0) + limit::SCHEDULED_MIN, min(0) + limit::SCHEDULED_MAX);
    for moment in [first, last] {
        given([]).when(schedule(moment)).by(ALICE).then([scheduled(moment)]);
    }
    let long_ago = Timestamp::from_millis(i64::MIN);
    for moment in [just_before(first), min(0), long_ago, last + Duration::from_millis(1), days(400)] {
        given([]).when(schedule(moment)).by(ALICE).refused(Refusal::OutOfTime);
        given([scheduled(min(10))]).when(change(None, Some(moment))).by(ALICE).refused(Refusal::OutOfTime);
    }
    assert_eq!(
        (Refusal::OutOfTime.code(), Refusal::OutOfTime.pointer().as_deref()),
        (Code::InvalidInput, Some("/send_at"))
    );
}

fn other(number: u128, bytes: usize) -> Event {
    let body = Sealed { key: KeyId::Owner, bytes: vec![0; bytes] };
    let message = Place { message_id: MessageId(Uuid::from_u128(number)), ..PLACE };
    Event::Scheduled { message, content: Content { body, ..content("") }, send_at: min(10) }
}

#[test]
fn a_hundred_wait_at_a_time_and_of_so_many_bytes() {
    let many = || (1..=99).map(|number| other(number, 1));
    given(many()).when(schedule(min(10))).by(ALICE).then([scheduled(min(10))]);
    given(many().chain([other(100, 1)])).when(schedule(min(10))).by(ALICE).refused(Refusal::TooMany);
    given(many().chain([other(100, 1)])).when(hold()).by(ALICE).refused(Refusal::TooMany);
    let full = || [other(1, limit::PENDING_MAX_BYTES - 2)];
    let masked = Content { given: Some(sealed("x")), ..content("hi") };
    let masked = Command::Schedule { said: Said { content: masked, ..said() }, send_at: min(10) };
    given(full()).when(masked).by(ALICE).refused(Refusal::TooMany);
    given(full()).when(schedule(min(10))).by(ALICE).then([scheduled(min(10))]);
    given(full())
        .when(Command::Schedule { said: Said { content: content("hi!"), ..said() }, send_at: min(10) })
        .by(ALICE)
        .refused(Refusal::TooMany);
    given(full().into_iter().chain([scheduled(min(10))]))
        .when(change(Some("hi!"), None))
        .by(ALICE)
        .refused(Refusal::TooMany);
    // One that failed counts until it is put away.
    let failed = many().chain([scheduled(min(10)), released(), failed("muted", None)]);
    let more = Said { message: Place { message_id: MessageId(Uuid::from_u128(500)), ..PLACE }, ..said() };
    let more = Command::Schedule { said: more, send_at: min(10) };
    given(failed.clone()).when(more.clone()).by(ALICE).refused(Refusal::TooMany);
    let put_away = given(failed.chain([CANCELLED]));
    let Command::Schedule { said, send_at } = more.clone() else { panic!() };
    put_away.when(more).by(ALICE).then([Event::Scheduled { message: said.message, content: said.content, send_at }]);
}

#[test]
fn an_id_waits_once() {
    for history in
        [vec![scheduled(min(10))], vec![held()], vec![scheduled(min(10)), CANCELLED], vec![held(), released(), sent()]]
    {
        given(history.clone()).when(schedule(min(10))).by(ALICE).refused(Refusal::Taken);
        given(history).when(hold()).by(ALICE).refused(Refusal::Taken);
    }
    assert_eq!(Refusal::Taken.code(), Code::Conflict);
}

#[test]
fn its_author_changes_it_until_it_is_released() {
    let changed =
        |text: &str, send_at| Event::Changed { message: PLACE, content: Content { size: 2, ..content(text) }, send_at };
    given([scheduled(min(10))]).when(change(Some("yo"), None)).by(ALICE).then([changed("yo", min(10))]);
    given([scheduled(min(10))]).when(change(None, Some(min(20)))).by(ALICE).then([changed("hi", min(20))]);
    given([scheduled(min(10))]).when(change(Some("hi"), Some(min(10)))).by(ALICE).silent();
    given([scheduled(min(10))]).when(change(None, None)).by(ALICE).silent();
    // Sealed again the same words are other bytes.
    let known = |said: u128| Some(Uuid::from_u128(said));
    let before = Content { said: known(1), ..content("hi") };
    let before = || Event::Scheduled { message: PLACE, content: before.clone(), send_at: min(10) };
    let again = |said| {
        let body = Some(NewBody { said, ..new_body(sealed("yo")) });
        Command::Change { message_id: HELLO, body, send_at: None }
    };
    given([before()]).when(again(known(1))).by(ALICE).silent();
    let after = Content { said: known(2), size: 2, ..content("yo") };
    let after = Event::Changed { message: PLACE, content: after, send_at: min(10) };
    given([before()]).when(again(known(2))).by(ALICE).then([after]);
    given([scheduled(min(10))]).when(change(Some("yo"), None)).by(BOB).refused(Refusal::NotFound);
    given([]).when(change(Some("yo"), None)).by(ALICE).refused(Refusal::NotFound);
    let over = [
        vec![scheduled(min(10)), released()],
        vec![scheduled(min(10)), released(), sent()],
        vec![scheduled(min(10)), released(), failed("muted", None)],
        vec![scheduled(min(10)), CANCELLED],
        vec![held()],
    ];
    for history in over {
        given(history).when(change(Some("yo"), None)).by(ALICE).refused(Refusal::TooLate);
    }
}

#[test]
fn its_author_takes_it_back_until_it_is_released() {
    for history in [vec![scheduled(min(10))], vec![held()], vec![scheduled(min(10)), released(), failed("muted", None)]]
    {
        given(history.clone()).when(CANCEL).by(ALICE).then([CANCELLED]);
        given(history).when(CANCEL).by(BOB).refused(Refusal::NotFound);
    }
    given([scheduled(min(10)), CANCELLED]).when(CANCEL).by(ALICE).silent();
    given([scheduled(min(10)), released()]).when(CANCEL).by(ALICE).refused(Refusal::TooLate);
    given([scheduled(min(10)), released(), sent()]).when(CANCEL).by(ALICE).refused(Refusal::TooLate);
    given([]).when(CANCEL).by(ALICE).refused(Refusal::NotFound);
}

#[test]
fn it_is_released_at_its_moment_and_not_before() {
    let waiting = || given([scheduled(min(10))]);
    waiting().when(RELEASE_DUE).at(just_before(min(10))).refused(Refusal::NotDue);
    waiting().when(RELEASE_DUE).at(min(10)).then([released()]);
    given([scheduled(min(10)), released()]).when(RELEASE_DUE).at(min(10)).silent();
    given([scheduled(min(10)), CANCELLED]).when(RELEASE_DUE).at(min(10)).silent();
    // Another timer knows of the other moment.
    given([scheduled(min(20))]).when(RELEASE_DUE).at(min(20)).silent();
    given([held()]).when(RELEASE_DUE).at(min(10)).silent();
    assert_eq!(Refusal::NotDue.code(), Code::Unavailable, "asked again");
}

#[test]
fn a_reviewer_lets_it_be_said_or_not() {
    let by = |by: &str| Event::Released { message: PLACE, content: content("hi"), by: Some(by.into()) };
    given([held()]).when(release("root")).then([by("root")]);
    given([held()]).when(release("")).refused(Refusal::Nameless);
    given([held(), by("root")]).when(release("root")).silent();
    given([held(), by("root"), sent()]).when(release("root")).silent();
    given([held()]).when(refuse("root")).then([failed("content_refused", Some("root"))]);
    given([held()]).when(refuse("\n")).refused(Refusal::Nameless);
    given([held(), failed("content_refused", Some("root"))]).when(refuse("root")).silent();
    given([held(), failed("content_refused", Some("root"))]).when(release("root")).refused(Refusal::NotFound);
    given([held(), by("root")]).when(refuse("root")).refused(Refusal::TooLate);
    for command in [release("root"), refuse("root")] {
        given([scheduled(min(10))]).when(command.clone()).refused(Refusal::NotFound);
        given([]).when(command).refused(Refusal::NotFound);
    }
}

#[test]
fn what_was_released_is_settled_once() {
    let history = || [scheduled(min(10)), released()];
    given(history()).when(SETTLE_SENT).then([sent()]);
    let (message, code) = (PLACE, "muted".to_owned());
    let late = Event::Failed { message, content: content("hi"), send_at: Some(min(10)), code, until: None, by: None };
    given(history()).when(settle_failed()).then([late]);
    let sent = || history().into_iter().chain([sent()]);
    given(sent()).when(SETTLE_SENT).silent();
    given(sent()).when(settle_failed()).silent();
    let failed = || history().into_iter().chain([failed("muted", None)]);
    given(failed()).when(SETTLE_SENT).silent();
    given([scheduled(min(10))]).when(SETTLE_SENT).silent();
    given([]).when(settle_failed()).silent();
}

#[test]
fn of_what_is_over_the_latest_hundred_are_remembered() {
    let mut state = State::default();
    for number in 0..=limit::PENDING_OVER_KEPT as u128 {
        let message = Place { message_id: MessageId(Uuid::from_u128(number)), ..PLACE };
        Pending::evolve(&mut state, &Event::Cancelled { message });
    }
    let end = |number: u128| state.end(MessageId(Uuid::from_u128(number)));
    assert_eq!((end(0), end(1), end(100)), (None, Some(End::Cancelled), Some(End::Cancelled)));
}

#[test]
fn it_lives_in_the_lane_of_its_conversation() {
    let place = address(HERE, ALICE);
    assert_eq!((place.noun, place.route), (Noun::Pending, HERE.0));
    assert_ne!(place.id, address(HERE, BOB).id);
    assert_eq!(Pending::host(place), conversation::address(HERE));
    assert_ne!(PLACE.id(), Place { author: BOB, ..PLACE }.id());
}

laws!(Pending);

impl Lawful for Pending {
    fn within() -> conversation::State {
        talk([])
    }

    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let id = || ids::<MessageId>();
        let said = || {
            (id(), people(), seals()).prop_map(|(message_id, author, body)| Said {
                message: Place { message_id, author, ..PLACE },
                content: Content { body, ..content("hi") },
                ..said()
            })
        };
        let body = seals().prop_map(new_body);
        let command = prop_oneof![
            4 => (said(), moments()).prop_map(|(said, send_at)| Command::Schedule { said, send_at }),
            2 => (said(), words()).prop_map(|(said, rule)| Command::Hold { said, rule }),
            2 => (id(), option::of(body), option::of(moments()))
                .prop_map(|(message_id, body, send_at)| Command::Change { message_id, body, send_at }),
            2 => id().prop_map(|message_id| Command::Cancel { message_id }),
            2 => (id(), moments()).prop_map(|(message_id, send_at)| Command::ReleaseDue { message_id, send_at }),
            1 => (id(), words()).prop_map(|(message_id, by)| Command::Release { message_id, by }),
            1 => (id(), words()).prop_map(|(message_id, by)| Command::Refuse { message_id, by }),
            1 => (id(), any::<u64>()).prop_map(|(message_id, seq)| Command::SettleSent { message_id, seq }),
            1 => (id(), words(), option::of(any_moments()))
                .prop_map(|(message_id, code, until)| Command::SettleFailed { message_id, code, until }),
        ];
        (option::of(people()), command).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let place = (ids(), people()).prop_map(|(message_id, author)| Place { message_id, author, ..PLACE });
        let parts = (place, seals(), any_moments(), option::of(words()), 0..7_u8);
        parts
            .prop_map(|(message, body, moment, word, which)| {
                let (content, by) = (Content { body, ..content("hi") }, word.clone());
                match which {
                    0 => Event::Scheduled { message, content, send_at: moment },
                    1 => Event::Held { message, content, rule: word.unwrap_or_default() },
                    2 => Event::Changed { message, content, send_at: moment },
                    3 => Event::Cancelled { message },
                    4 => Event::Released { message, content, by },
                    5 => Event::Sent { message, seq: 7 },
                    _ => {
                        Event::Failed { message, content, send_at: None, code: "muted".into(), until: Some(moment), by }
                    }
                }
            })
            .boxed()
    }

    fn again(command: &Command, _: &[Event]) -> Answer<Self> {
        match command {
            Command::Schedule { .. } | Command::Hold { .. } => Err(Refusal::Taken),
            _ => Ok(vec![]),
        }
    }
}
