//! How a direct conversation stands: CNV-17 and CNV-18, and MSG-8.

use crate::{
    laws::{HELLO, HERE, check},
    scenario::{self, ALICE, BOB, min, sealed},
};
use natter_domain::{
    AccountId, Decider,
    conversation::{self, BodyKind, Command, Conversation, Event, Kind, Refusal, Standing, State},
    message::{self, Message, Place},
};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

const STARTED: fn() -> Event = || Event::started_direct([ALICE, BOB]);

fn stands<const N: usize>(revision: u64, is_open: bool, barred_by: [AccountId; N]) -> Standing {
    Standing { revision, is_open, barred_by: barred_by.into() }
}

fn set(standing: Standing) -> Command {
    Command::SetDirect { members: [ALICE, BOB], standing }
}

fn changed<const N: usize>(standing: Standing, shown_to: [AccountId; N]) -> Event {
    Event::StandingChanged { standing, shown_to: shown_to.to_vec(), last_seq: 0 }
}

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Conversation> {
    scenario::given(history)
}

fn send(gone: Option<AccountId>) -> Command {
    Command::Send {
        message_id: HELLO,
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        muted: None,
        gone,
        details: Default::default(),
        missing: Default::default(),
    }
}

#[test]
fn the_end_of_a_friendship_closes_it_for_both_and_the_next_one_opens_it() {
    let closed = || stands(2, false, []);
    given([STARTED()]).when(set(closed())).then([changed(closed(), [ALICE, BOB])]);
    let open = || stands(3, true, []);
    given([STARTED(), changed(closed(), [ALICE, BOB])]).when(set(open())).then([changed(open(), [ALICE, BOB])]);
}

#[test]
fn a_block_is_shown_to_who_blocks_alone() {
    let barred = || stands(2, true, [ALICE]);
    given([STARTED()]).when(set(barred())).then([changed(barred(), [ALICE])]);
    let both = || stands(3, true, [ALICE, BOB]);
    given([STARTED(), changed(barred(), [ALICE])]).when(set(both())).then([changed(both(), [BOB])]);
    let removed = || stands(3, false, [ALICE]);
    given([STARTED(), changed(barred(), [ALICE])]).when(set(removed())).then([changed(removed(), [BOB])]);
}

#[test]
fn what_was_said_before_is_silent_and_so_is_what_comes_late() {
    let newer = || changed(stands(3, true, []), []);
    for late in [stands(3, true, []), stands(2, false, [ALICE]), Standing::first()] {
        given([STARTED(), newer()]).when(set(late)).silent();
    }
    given([STARTED()]).when(set(Standing::first())).silent();
}

#[test]
fn it_begins_with_whatever_is_said_first() {
    let closed = || stands(2, false, []);
    given([]).when(set(closed())).then([STARTED(), changed(closed(), [ALICE, BOB])]);
    given([]).when(set(stands(3, true, []))).then([STARTED(), changed(stands(3, true, []), [])]);
}

#[test]
fn nothing_is_sent_to_what_is_closed_or_barred_by_either() {
    for standing in [stands(2, false, []), stands(2, true, [ALICE]), stands(2, true, [BOB]), stands(2, false, [BOB])] {
        for sender in [ALICE, BOB] {
            given([STARTED(), changed(standing.clone(), [])]).when(send(None)).by(sender).refused(Refusal::Closed);
        }
    }
}

#[test]
fn nothing_is_sent_to_who_is_gone() {
    given([STARTED()]).when(send(Some(BOB))).by(ALICE).refused(Refusal::Closed);
    let sent = |sender| {
        let (body, body_kind) = (sealed("hello"), BodyKind::Text);
        Event::MessageSent { message_id: HELLO, seq: 1, sender, body, body_kind, size: 5, details: Default::default() }
    };
    given([STARTED()]).when(send(Some(ALICE))).by(ALICE).then([sent(ALICE)]);
    given([STARTED()]).when(send(None)).by(BOB).then([sent(BOB)]);
}

/// A direct one is closed by nothing else, and a group by none of it.
#[test]
fn a_group_stands_open() {
    let members = vec![ALICE, BOB];
    let started = Event::Started { kind: Kind::Group, members, name: Some(sealed("us")), owner: Some(ALICE) };
    let state = state_of(&[started]);
    assert!(state.lets_pass() && !state.is_barred());
    assert_eq!(state.peer(ALICE), None);
}

fn state_of(history: &[Event]) -> State {
    let mut state = State::default();
    history.iter().for_each(|event| Conversation::evolve(&mut state, event));
    state
}

/// In whatever order it is told, and however often, it stands as it was last said.
#[test]
fn the_newest_revision_counts_in_whatever_order_they_come() {
    let told = vec(1..6_u64, 1..12);
    check(told, |revisions| {
        let of = |revision: u64| stands(revision, revision % 2 == 1, []);
        let mut state = State::default();
        for revision in &revisions {
            let context = natter_domain::Context { actor: None, session: None, now: min(0) };
            for event in Conversation::decide(&state, &state, &context, &set(of(*revision))).unwrap_or_default() {
                Conversation::evolve(&mut state, &event);
            }
        }
        let newest = revisions.iter().copied().max().unwrap_or_default();
        prop_assert_eq!(&*state.standing, &of(newest));
        Ok(())
    });
}

const PLACE: Place = Place { conversation_id: HERE, message_id: HELLO, seq: 3, sender: Some(ALICE), sent_at: min(0) };

fn edit() -> message::Command {
    let (body, body_kind, fingerprint) = (sealed("other"), BodyKind::Text, Uuid::from_u128(7));
    message::Command::Edit {
        message: PLACE,
        body,
        body_kind,
        size: 5,
        fingerprint,
        sent: None,
        muted: None,
        has_link: false,
        window: natter_domain::limit::EDIT_WINDOW,
    }
}

#[track_caller]
fn done(host: &State, command: &message::Command, by: AccountId, is_done: bool) {
    let context = natter_domain::Context { actor: Some(by), session: None, now: min(1) };
    let answer = Message::decide(&message::State::default(), host, &context, command);
    match is_done {
        true => assert_eq!(answer.map(|events| events.len()), Ok(1), "{command:?}"),
        false => assert_eq!(answer, Err(message::Refusal::Closed), "{command:?}"),
    }
}

#[test]
fn what_may_be_done_to_a_message_of_what_is_closed_or_barred() {
    let host = |standing| state_of(&[STARTED(), changed(standing, [])]);
    let emoji = || "a".to_owned();
    for (host, own, all) in [
        (host(stands(2, true, [])), true, true),
        (host(stands(2, false, [])), true, false),
        (host(stands(2, true, [ALICE])), false, false),
        (host(stands(2, true, [BOB])), false, false),
    ] {
        done(&host, &edit(), ALICE, own);
        let window = natter_domain::limit::RECALL_WINDOW;
        done(&host, &message::Command::Recall { message: PLACE, window }, ALICE, own);
        for by in [ALICE, BOB] {
            done(&host, &message::Command::React { message: PLACE, emoji: emoji() }, by, all);
            done(&host, &message::Command::Pin { message: PLACE }, by, all);
        }
    }
}

#[test]
fn what_is_so_already_needs_not_pass() {
    let reacted = message::Event::Reacted { message: PLACE, account_id: BOB, emoji: "a".into(), count: 1 };
    let host = state_of(&[STARTED(), changed(stands(2, true, [ALICE]), [])]);
    let react = message::Command::React { message: PLACE, emoji: "a".into() };
    scenario::given::<Message>([reacted.clone()]).within(host.clone()).when(react).by(BOB).silent();
    let unreact = message::Command::Unreact { message: PLACE, emoji: "a".into() };
    scenario::given::<Message>([reacted]).within(host).when(unreact).by(BOB).refused(message::Refusal::Closed);
}

#[test]
fn its_refusal_is_the_one_of_the_contract() {
    use natter_domain::{Code, Refusal as _};
    assert_eq!(Refusal::Closed.code(), Code::ConversationClosed);
    assert_eq!(message::Refusal::Closed.code(), Code::ConversationClosed);
    assert_eq!(conversation::Refusal::Closed.to_string(), "the conversation is closed");
}
