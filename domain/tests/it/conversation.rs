//! Conversation: CNV-1 to CNV-3.

use crate::{
    laws::{Answer, HELLO, HERE, Lawful, check, counts, histories, ids, laws, people, seals},
    scenario::{self, ALICE, BOB, CAROL, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, Refusal as _,
    conversation::{BodyKind, Command, Conversation, Event, Kind, Membership, Refusal, State, address},
};
use proptest::{array::uniform2, collection::vec, option, prelude::*};
use std::sync::Arc;

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Conversation> {
    scenario::given(history)
}

fn start(members: [AccountId; 2]) -> Command {
    Command::StartDirect { members }
}

fn started() -> Event {
    Event::Started { kind: Kind::Direct, members: vec![ALICE, BOB] }
}

fn send() -> Command {
    Command::Send { message_id: HELLO, body: sealed("hello"), body_kind: BodyKind::Text, size: 5 }
}

fn sent(seq: u64, sender: AccountId) -> Event {
    Event::MessageSent { message_id: HELLO, seq, sender, body: sealed("hello"), body_kind: BodyKind::Text, size: 5 }
}

#[test]
fn two_people_begin_to_talk() {
    given([]).when(start([ALICE, BOB])).then([started()]);
}

#[test]
fn beginning_again_is_silent_whoever_is_named_first() {
    given([started()]).when(start([ALICE, BOB])).silent();
    given([started(), sent(1, ALICE)]).when(start([BOB, ALICE])).silent();
}

#[test]
fn its_two_members_do_not_change() {
    given([started()]).when(start([ALICE, CAROL])).refused(Refusal::StartedOtherwise);
    given([started()]).when(start([CAROL, BOB])).refused(Refusal::StartedOtherwise);
}

#[test]
fn a_direct_conversation_takes_two() {
    given([]).when(start([ALICE, ALICE])).refused(Refusal::WithOneself);
    given([started()]).when(start([ALICE, ALICE])).refused(Refusal::WithOneself);
}

#[test]
fn members_send_and_messages_are_numbered_from_one() {
    given([started()]).when(send()).by(ALICE).then([sent(1, ALICE)]);
    given([started(), sent(1, ALICE)]).when(send()).by(BOB).then([sent(2, BOB)]);
}

#[test]
fn who_is_not_in_finds_no_conversation() {
    given([started()]).when(send()).by(CAROL).refused(Refusal::NotFound);
    given([started()]).when(send()).refused(Refusal::NotFound);
}

#[test]
fn nobody_sends_to_what_has_not_begun() {
    given([]).when(send()).by(ALICE).refused(Refusal::NotFound);
}

#[test]
fn its_state_remembers_members_and_the_newest_number() {
    let mut state = State::default();
    for event in [started(), sent(1, ALICE), sent(2, BOB)] {
        Conversation::evolve(&mut state, &event);
    }
    let joined = Membership { joined_seq: 0 };
    let members = Arc::new([(ALICE, joined), (BOB, joined)].into());
    assert_eq!(state, State { kind: Some(Kind::Direct), members, last_seq: 2 });
}

#[test]
fn a_send_shares_the_members_with_the_state_before() {
    let mut state = State::default();
    Conversation::evolve(&mut state, &started());
    let before = state.clone();
    Conversation::evolve(&mut state, &sent(1, ALICE));
    assert!(Arc::ptr_eq(&before.members, &state.members));
}

#[test]
fn numbers_have_no_gaps() {
    check(histories::<Conversation>(), |history| {
        let (mut state, mut seqs) = (State::default(), vec![]);
        for (context, command) in history {
            for event in Conversation::decide(&state, &context, &command).unwrap_or_default() {
                Conversation::evolve(&mut state, &event);
                seqs.extend(if let Event::MessageSent { seq, .. } = event { Some(seq) } else { None });
            }
        }
        prop_assert!(seqs.iter().copied().eq(1..=state.last_seq), "{seqs:?}");
        Ok(())
    });
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::NotFound.code(), Code::NotFound);
    assert_eq!(Refusal::WithOneself.code(), Code::SelfNotAllowed);
    assert_eq!(Refusal::StartedOtherwise.code(), Code::Conflict);
}

#[test]
fn it_lives_in_its_own_lane() {
    let place = address(HERE);
    assert_eq!((place.noun, place.id, place.route), (Conversation::NOUN, HERE.0, HERE.0));
}

impl Lawful for Conversation {
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let start = uniform2(people()).prop_map(start);
        let send = (ids(), seals(), any::<u32>()).prop_map(|(message_id, body, size)| Command::Send {
            message_id,
            body,
            body_kind: BodyKind::Text,
            size,
        });
        (option::of(people()), prop_oneof![1 => start, 4 => send]).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let started = vec(people(), 0..4).prop_map(|members| Event::Started { kind: Kind::Direct, members });
        let sent =
            (ids(), counts(), people(), seals(), any::<u32>()).prop_map(|(message_id, seq, sender, body, size)| {
                Event::MessageSent { message_id, seq, sender, body, body_kind: BodyKind::Text, size }
            });
        prop_oneof![started, sent].boxed()
    }

    /// A message id that comes again is recognised outside, by the command key: here it is the next message.
    fn again(_: &Command, first: &[Event]) -> Answer<Self> {
        match first {
            [Event::MessageSent { message_id, seq, sender, body, body_kind, size }] => Ok(vec![Event::MessageSent {
                message_id: *message_id,
                seq: seq + 1,
                sender: *sender,
                body: body.clone(),
                body_kind: *body_kind,
                size: *size,
            }]),
            _ => Ok(vec![]),
        }
    }
}

laws!(Conversation);
