//! Message: MSG-1 to MSG-12. What people mark for themselves: `message/mark.rs`; what ends by itself: `self_destruct.rs`.

use crate::{
    laws::{Answer, HELLO, HERE, Lawful, check, histories, laws, people, seals, words},
    scenario::{self, ALICE, BOB, CAROL, just_before, min, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, Noun, Refusal as _, Timestamp,
    account::Mute,
    conversation::{self, BodyKind},
    limit,
    message::{Command, Event, Message, Place, Refusal, State, address, id},
};
use proptest::{option, prelude::*, sample::select};
use std::time::Duration;
use uuid::Uuid;

mod mark;
mod window;

const THUMB: &str = "\u{1f44d}";
const DAVE: AccountId = AccountId(Uuid::from_u128(0xd));
const ERIN: AccountId = AccountId(Uuid::from_u128(0xe));
const TICK: Duration = Duration::from_millis(1);

/// Sent by Alice at the beginning.
const PLACE: Place = Place { conversation_id: HERE, message_id: HELLO, seq: 3, sender: Some(ALICE), sent_at: min(0) };

/// Alice and Bob talk.
fn talk() -> conversation::State {
    let mut state = conversation::State::default();
    let started = conversation::Event::started_direct([ALICE, BOB]);
    conversation::Conversation::evolve(&mut state, &started);
    state
}

fn given(history: impl IntoIterator<Item = Event>) -> scenario::Given<Message> {
    scenario::given(history).within(talk())
}

fn print(text: &str) -> Uuid {
    Uuid::from_bytes(*text.as_bytes().first_chunk().expect("sixteen bytes"))
}

fn first() -> Uuid {
    print("as it was sent..")
}

fn edit_of(message: Place, text: &str) -> Command {
    let (body_kind, fingerprint) = (BodyKind::Text, print(text));
    let (body, size, sent) = (sealed(text), text.len() as u32, Some(first()));
    Command::Edit {
        message,
        body,
        body_kind,
        size,
        fingerprint,
        sent,
        muted: None,
        has_link: false,
        window: limit::EDIT_WINDOW,
    }
}

fn edit(text: &str) -> Command {
    edit_of(PLACE, text)
}

fn edited(text: &str) -> Event {
    let (body_kind, fingerprint) = (BodyKind::Text, print(text));
    Event::Edited {
        message: PLACE,
        body: sealed(text),
        body_kind,
        size: text.len() as u32,
        fingerprint,
        has_link: false,
    }
}

#[test]
fn only_a_text_is_edited() {
    let Command::Edit { message, body, size, fingerprint, sent, .. } = edit(ONE) else { panic!() };
    let picture = Command::Edit {
        message,
        body,
        body_kind: BodyKind::Image,
        size,
        fingerprint,
        sent,
        muted: None,
        has_link: false,
        window: limit::EDIT_WINDOW,
    };
    given([]).when(picture).by(ALICE).refused(Refusal::NoText);
}

#[test]
fn an_edit_says_whether_there_is_a_link_now() {
    let Command::Edit { message, body, body_kind, size, fingerprint, sent, .. } = edit(ONE) else { panic!() };
    let window = limit::EDIT_WINDOW;
    let linking =
        Command::Edit { message, body, body_kind, size, fingerprint, sent, muted: None, has_link: true, window };
    let Event::Edited { message, body, body_kind, size, fingerprint, .. } = edited(ONE) else { panic!() };
    let expected = Event::Edited { message, body, body_kind, size, fingerprint, has_link: true };
    given([]).when(linking).by(ALICE).then([expected]);
}

#[test]
fn who_is_muted_edits_nothing_but_says_the_same_again() {
    let until = Some(min(10));
    let muted = |text: &str| {
        let Command::Edit { message, body, body_kind, size, fingerprint, sent, .. } = edit(text) else { panic!() };
        Command::Edit {
            message,
            body,
            body_kind,
            size,
            fingerprint,
            sent,
            muted: Some(Mute { until }),
            has_link: false,
            window: limit::EDIT_WINDOW,
        }
    };
    given([]).when(muted(ONE)).by(ALICE).refused(Refusal::Muted { until });
    given([]).when(muted(ONE)).by(ALICE).at(min(10)).then([edited(ONE)]);
    given([edited(ONE)]).when(muted(ONE)).by(ALICE).silent();
    given([]).when(muted(ONE)).by(BOB).refused(Refusal::NotYours);
}

/// A group of bob's, in which alice is a member.
fn group(more: impl IntoIterator<Item = conversation::Event>) -> conversation::State {
    let members = vec![BOB, ALICE];
    let begun = conversation::Event::Started {
        kind: conversation::Kind::Group,
        members,
        name: Some(sealed("us")),
        owner: Some(BOB),
    };
    let mut state = conversation::State::default();
    for event in std::iter::once(begun).chain(more) {
        conversation::Conversation::evolve(&mut state, &event);
    }
    state
}

fn set_up(change: conversation::Change) -> conversation::Event {
    conversation::Event::Changed { change, by: BOB, last_seq: 3 }
}

#[test]
fn who_is_muted_by_their_group_edits_nothing() {
    let within = |event| scenario::given::<Message>([]).within(group([event]));
    let muted = conversation::Event::MemberMuted { account_id: ALICE, until: Some(min(10)), by: BOB, last_seq: 3 };
    let refused = Refusal::Muted { until: Some(min(10)) };
    within(muted.clone()).when(edit(ONE)).by(ALICE).refused(refused);
    within(muted.clone()).when(edit(ONE)).by(ALICE).at(min(10)).then([edited(ONE)]);
    within(muted).when(recall()).by(ALICE).then([recalled()]);
    let all = set_up(conversation::Change::Muted(true));
    within(all).when(edit(ONE)).by(ALICE).refused(Refusal::Muted { until: None });
}

#[test]
fn who_may_not_post_in_their_group_edits_nothing() {
    let strict = conversation::Permissions { post: conversation::Role::Admin, ..conversation::Permissions::default() };
    let strict = || group([set_up(conversation::Change::Permissions(strict))]);
    let given = |history: Vec<Event>| scenario::given::<Message>(history).within(strict());
    given(vec![]).when(edit(ONE)).by(ALICE).refused(Refusal::NotAllowed);
    given(vec![edited(ONE)]).when(edit(ONE)).by(ALICE).silent();
    given(vec![]).when(recall()).by(ALICE).then([recalled()]);
    let bobs = Place { sender: Some(BOB), ..PLACE };
    let Command::Edit { body, body_kind, size, fingerprint, .. } = edit_of(bobs, ONE) else { panic!() };
    let expected = Event::Edited { message: bobs, body, body_kind, size, fingerprint, has_link: false };
    given(vec![]).when(edit_of(bobs, ONE)).by(BOB).then([expected]);
}

#[test]
fn pinning_is_for_whom_the_group_lets() {
    let (pin, by) = (Command::Pin { message: PLACE }, ALICE);
    let pinned = Event::Pinned { message: PLACE, by };
    let strict = conversation::Permissions { pin: conversation::Role::Admin, ..conversation::Permissions::default() };
    let strict = set_up(conversation::Change::Permissions(strict));
    let given =
        |history: Vec<Event>, more: Vec<conversation::Event>| scenario::given::<Message>(history).within(group(more));
    given(vec![], vec![]).when(pin.clone()).by(by).then([pinned.clone()]);
    given(vec![], vec![strict.clone()]).when(pin.clone()).by(by).refused(Refusal::NotAllowed);
    given(vec![pinned.clone()], vec![strict.clone()]).when(pin.clone()).by(by).silent();
    let unpin = Command::Unpin { message: PLACE };
    given(vec![pinned], vec![strict.clone()]).when(unpin).by(by).refused(Refusal::NotAllowed);
    given(vec![], vec![strict]).when(pin).by(BOB).then([Event::Pinned { message: PLACE, by: BOB }]);
}

#[test]
fn nothing_becomes_of_messages_where_it_is_over() {
    let dissolved = conversation::Event::Dissolved { seq: 4, by: BOB, ends_at: min(60) };
    for command in [edit(ONE), recall(), react(THUMB), Command::Pin { message: PLACE }] {
        let within = scenario::given::<Message>([]).within(group([dissolved.clone()]));
        within.when(command).by(ALICE).refused(Refusal::Closed);
    }
}

const ONE: &str = "the first edit..";
const OTHER: &str = "the second edit.";

fn recall() -> Command {
    Command::Recall { message: PLACE, window: limit::RECALL_WINDOW }
}

fn recalled() -> Event {
    Event::Recalled { message: PLACE, by: ALICE }
}

fn react(emoji: &str) -> Command {
    Command::React { message: PLACE, emoji: emoji.to_owned() }
}

fn unreact(emoji: &str) -> Command {
    Command::Unreact { message: PLACE, emoji: emoji.to_owned() }
}

fn reacted(account_id: AccountId, emoji: &str, count: u64) -> Event {
    Event::Reacted { message: PLACE, account_id, emoji: emoji.to_owned(), count }
}

fn unreacted(account_id: AccountId, emoji: &str, count: u64) -> Event {
    Event::Unreacted { message: PLACE, account_id, emoji: emoji.to_owned(), count }
}

#[test]
fn its_sender_edits_it() {
    given([]).when(edit(ONE)).by(ALICE).then([edited(ONE)]);
    given([edited(ONE)]).when(edit(OTHER)).by(ALICE).then([edited(OTHER)]);
}

#[test]
fn saying_the_same_again_is_no_edit() {
    given([edited(ONE)]).when(edit(ONE)).by(ALICE).silent();
    given([]).when(edit("as it was sent..")).by(ALICE).silent();
    given([edited(ONE)]).when(edit("as it was sent..")).by(ALICE).then([edited("as it was sent..")]);
    given([edited(ONE)]).when(edit(ONE)).by(ALICE).at(min(60)).silent();
}

#[test]
fn nobody_else_edits_or_recalls_it() {
    given([]).when(edit(ONE)).by(BOB).refused(Refusal::NotYours);
    given([edited(ONE)]).when(edit(ONE)).by(BOB).refused(Refusal::NotYours);
    given([]).when(recall()).by(BOB).refused(Refusal::NotYours);
    given([recalled()]).when(recall()).by(BOB).refused(Refusal::NotYours);
}

#[test]
fn reactions_are_counted_and_each_person_has_one_of_a_kind() {
    given([]).when(react(THUMB)).by(BOB).then([reacted(BOB, THUMB, 1)]);
    given([reacted(BOB, THUMB, 1)]).when(react(THUMB)).by(BOB).silent();
    given([reacted(BOB, THUMB, 1)]).when(react(THUMB)).by(ALICE).then([reacted(ALICE, THUMB, 2)]);
    given([reacted(BOB, THUMB, 1)]).when(react("x")).by(BOB).then([reacted(BOB, "x", 1)]);
    let both = || given([reacted(BOB, THUMB, 1), reacted(ALICE, THUMB, 2)]);
    both().when(unreact(THUMB)).by(BOB).then([unreacted(BOB, THUMB, 1)]);
    given([reacted(BOB, THUMB, 1)]).when(unreact(THUMB)).by(BOB).then([unreacted(BOB, THUMB, 0)]);
    given([reacted(BOB, THUMB, 1)]).when(unreact(THUMB)).by(ALICE).silent();
    given([reacted(BOB, THUMB, 1), unreacted(BOB, THUMB, 0)]).when(unreact(THUMB)).by(BOB).silent();
}

#[test]
fn it_takes_fifty_kinds() {
    let kind = |number: usize| format!("kind {number}");
    let full = || (0..limit::REACTION_KINDS_MAX).map(|number| reacted(BOB, &kind(number), 1));
    assert_eq!(limit::REACTION_KINDS_MAX, 50);
    given(full()).when(react("one more")).by(ALICE).refused(Refusal::TooManyKinds);
    given(full()).when(react(&kind(49))).by(ALICE).then([reacted(ALICE, &kind(49), 2)]);
    given(full()).when(react(&kind(49))).by(BOB).silent();
    given(full().chain([unreacted(BOB, &kind(7), 0)]))
        .when(react("one more"))
        .by(ALICE)
        .then([reacted(ALICE, "one more", 1)]);
}

#[test]
fn any_member_pins_and_unpins() {
    let (pin, unpin) = (Command::Pin { message: PLACE }, Command::Unpin { message: PLACE });
    let pinned = Event::Pinned { message: PLACE, by: BOB };
    given([]).when(pin.clone()).by(BOB).then([pinned.clone()]);
    given([pinned.clone()]).when(pin).by(ALICE).silent();
    given([pinned]).when(unpin.clone()).by(ALICE).then([Event::Unpinned { message: PLACE, by: ALICE }]);
    given([]).when(unpin).by(BOB).silent();
}

#[test]
fn to_who_is_not_in_there_is_no_message() {
    let asks = || {
        [
            edit(ONE),
            recall(),
            react(THUMB),
            unreact(THUMB),
            Command::Pin { message: PLACE },
            Command::Unpin { message: PLACE },
        ]
    };
    for ask in asks() {
        given([]).when(ask.clone()).by(CAROL).refused(Refusal::NotFound);
        given([recalled()]).when(ask.clone()).by(CAROL).refused(Refusal::NotFound);
        given([]).when(ask.clone()).refused(Refusal::NotFound);
        scenario::given::<Message>([]).when(ask).by(ALICE).refused(Refusal::NotFound);
    }
}

#[test]
fn to_who_came_later_there_is_no_message() {
    let mut talk = talk();
    let joined = |joined_seq| conversation::Membership::begun(joined_seq, joined_seq);
    talk.members = [(ALICE, joined(0)), (BOB, joined(3)), (CAROL, joined(2))].into_iter().collect();
    let given = || scenario::given::<Message>([]).within(talk.clone());
    given().when(react(THUMB)).by(BOB).refused(Refusal::NotFound);
    given().when(react(THUMB)).by(CAROL).then([reacted(CAROL, THUMB, 1)]);
}

#[test]
fn who_came_back_acts_on_what_they_see_of_every_stay() {
    let mut talk = talk();
    let left = |seq, joined_seq| conversation::Event::MemberLeft { seq, account_id: ALICE, by: ALICE, joined_seq };
    let joined = |seq| conversation::Event::added(seq, vec![ALICE], BOB);
    for event in [left(4, 0), joined(8), left(10, 7), joined(12)] {
        conversation::Conversation::evolve(&mut talk, &event);
    }
    let given = || scenario::given::<Message>([]).within(talk.clone());
    given().when(edit(ONE)).by(ALICE).then([edited(ONE)]);
    given().when(recall()).by(ALICE).then([recalled()]);
    let react_to = |seq| Command::React { message: Place { seq, ..PLACE }, emoji: THUMB.to_owned() };
    let reacted_to =
        |seq| Event::Reacted { message: Place { seq, ..PLACE }, account_id: ALICE, emoji: THUMB.to_owned(), count: 1 };
    for seen in [1, 4, 8, 10, 12, 13] {
        given().when(react_to(seen)).by(ALICE).then([reacted_to(seen)]);
    }
    for between in [5, 7, 11] {
        given().when(react_to(between)).by(ALICE).refused(Refusal::NotFound);
    }
    conversation::Conversation::evolve(&mut talk, &left(14, 11));
    scenario::given::<Message>([]).within(talk.clone()).when(react_to(3)).by(ALICE).refused(Refusal::NotAMember);
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::NotFound.code(), Code::NotFound);
    assert_eq!(Refusal::NotAMember.code(), Code::NotAMember);
    assert_eq!(Refusal::NotYours.code(), Code::NotYourMessage);
    assert_eq!(Refusal::TooLate.code(), Code::TooLate);
    assert_eq!(Refusal::Recalled.code(), Code::Recalled);
    assert_eq!(Refusal::TooManyKinds.code(), Code::TooManyReactions);
    assert_eq!(Refusal::Muted { until: Some(min(1)) }.code(), Code::Muted);
    assert_eq!(Refusal::NotAllowed.code(), Code::NotAllowed);
    assert_eq!(Refusal::Closed.code(), Code::ConversationClosed);
    assert_eq!(Refusal::Muted { until: Some(min(1)) }.until(), Some(min(1)));
}

#[test]
fn it_lives_in_the_lane_of_its_conversation_which_is_its_host() {
    let place = address(HERE, HELLO);
    assert_eq!((place.noun, place.id, place.route), (Noun::Message, id(HERE, HELLO), HERE.0));
    assert_eq!(Message::host(place), conversation::address(HERE));
}

#[test]
fn counts_are_what_the_events_say() {
    check(histories::<Message>(), |history| {
        let mut state = State::default();
        for (context, command) in history {
            for event in Message::decide(&state, &talk(), &context, &command).unwrap_or_default() {
                Message::evolve(&mut state, &event);
                if let Event::Reacted { emoji, count, .. } | Event::Unreacted { emoji, count, .. } = event {
                    prop_assert_eq!(state.count(&emoji), count);
                }
            }
            prop_assert!(state.reactions.values().all(|accounts| !accounts.is_empty()));
        }
        Ok(())
    });
}

fn places() -> impl Strategy<Value = Place> {
    let senders = select(vec![Some(ALICE), Some(ALICE), Some(BOB), None]);
    let moments =
        select(vec![min(0), min(0), min(1), Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)]);
    (senders, moments).prop_map(|(sender, sent_at)| Place { sender, sent_at, ..PLACE })
}

fn prints() -> impl Strategy<Value = Uuid> {
    select(vec![Uuid::from_u128(1), Uuid::from_u128(2)])
}

impl Lawful for Message {
    fn within() -> conversation::State {
        talk()
    }

    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let edit = (places(), seals(), any::<u32>(), prints(), option::of(prints())).prop_map(
            |(message, body, size, fingerprint, sent)| {
                let body_kind = BodyKind::Text;
                let (has_link, window) = (false, limit::EDIT_WINDOW);
                Command::Edit { message, body, body_kind, size, fingerprint, sent, muted: None, has_link, window }
            },
        );
        let recall = places().prop_map(|message| Command::Recall { message, window: limit::RECALL_WINDOW });
        let react = (places(), words()).prop_map(|(message, emoji)| Command::React { message, emoji });
        let unreact = (places(), words()).prop_map(|(message, emoji)| Command::Unreact { message, emoji });
        let pin = places().prop_map(|message| Command::Pin { message });
        let unpin = places().prop_map(|message| Command::Unpin { message });
        let moments = select(vec![min(0), min(1), Timestamp::from_millis(i64::MAX)]);
        let expire = (places(), moments).prop_map(|(message, expires_at)| Command::Expire { message, expires_at });
        let marks = (places(), option::of(any::<bool>()), any::<bool>(), any::<bool>());
        let mark = marks.prop_map(|(message, starred, listened, is_voice)| {
            let body_kind = if is_voice { BodyKind::Voice } else { BodyKind::Text };
            Command::Mark { message, body_kind, starred, listened, is_gone: false }
        });
        let any =
            prop_oneof![3 => edit, 1 => recall, 4 => react, 3 => unreact, 2 => pin, 2 => unpin, 1 => expire, 3 => mark];
        (option::of(people()), any).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let edited = (places(), seals(), any::<u32>(), prints()).prop_map(|(message, body, size, fingerprint)| {
            Event::Edited { message, body, body_kind: BodyKind::Text, size, fingerprint, has_link: false }
        });
        let by = (places(), people(), 0..4).prop_map(|(message, by, which)| match which {
            0 => Event::Recalled { message, by },
            3 => Event::Expired { message },
            1 => Event::Pinned { message, by },
            _ => Event::Unpinned { message, by },
        });
        let votes = (places(), people(), words(), crate::laws::counts(), any::<bool>());
        let voted = votes.prop_map(|(message, account_id, emoji, count, stands)| {
            if stands {
                Event::Reacted { message, account_id, emoji, count }
            } else {
                Event::Unreacted { message, account_id, emoji, count }
            }
        });
        let marks = (places(), people(), option::of(Just(min(1))), any::<bool>());
        let marked = marks.prop_map(|(message, account_id, starred_at, listened)| Event::Marked {
            message,
            account_id,
            starred_at,
            listened,
        });
        prop_oneof![edited, by, voted, marked].boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

laws!(Message);
