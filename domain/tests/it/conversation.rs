//! Conversation: CNV-1 to CNV-3, and what holds for all of them. Groups: `group.rs`.

use crate::{
    laws::{Answer, HELLO, HERE, Lawful, any_moments, check, counts, histories, ids, laws, people, seals},
    scenario::{self, ALICE, BOB, CAROL, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, Refusal as _,
    account::Mute,
    conversation::{
        BodyKind, Card, Command, Conversation, Event, Kind, Membership, Refusal, State, SystemMessage, address,
    },
};
use proptest::{array::uniform2, collection::vec, option, prelude::*, sample::select};
use std::sync::Arc;

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Conversation> {
    scenario::given(history)
}

fn start(members: [AccountId; 2]) -> Command {
    Command::StartDirect { members }
}

fn started() -> Event {
    Event::Started { kind: Kind::Direct, members: vec![ALICE, BOB], name: None, owner: None }
}

fn send() -> Command {
    Command::Send { message_id: HELLO, body: sealed("hello"), body_kind: BodyKind::Text, size: 5, muted: None }
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
    let (past, card) = (imbl::HashMap::new(), Arc::new(Card::default()));
    assert_eq!(state, State { kind: Some(Kind::Direct), members, past, card, last_seq: 2 });
}

#[test]
fn a_send_shares_the_members_with_the_state_before() {
    let mut state = State::default();
    Conversation::evolve(&mut state, &started());
    let before = state.clone();
    Conversation::evolve(&mut state, &sent(1, ALICE));
    assert!(Arc::ptr_eq(&before.members, &state.members));
    assert!(Arc::ptr_eq(&before.card, &state.card));
}

#[test]
fn numbers_have_no_gaps() {
    check(histories::<Conversation>(), |history| {
        let (mut state, mut seqs) = (State::default(), vec![]);
        for (context, command) in history {
            for event in Conversation::decide(&state, &state, &context, &command).unwrap_or_default() {
                Conversation::evolve(&mut state, &event);
                seqs.extend(match &event {
                    Event::MessageSent { seq, .. } => Some(*seq),
                    event => SystemMessage::of(event).map(|message| message.seq),
                });
            }
        }
        prop_assert!(seqs.iter().copied().eq(1..=state.last_seq), "{seqs:?}");
        Ok(())
    });
}

#[test]
fn its_refusals_have_their_codes() {
    for (refusal, code) in [
        (Refusal::NotFound, Code::NotFound),
        (Refusal::NobodyOfThisId, Code::NotFound),
        (Refusal::NotAMember, Code::NotAMember),
        (Refusal::WithOneself, Code::SelfNotAllowed),
        (Refusal::StartedOtherwise, Code::Conflict),
        (Refusal::NotAGroup, Code::Forbidden),
        (Refusal::NotFriends, Code::NotFriends),
        (Refusal::GroupFull, Code::GroupFull),
        (Refusal::NotTheOwner, Code::NotAllowed),
        (Refusal::OwnerMustStay, Code::OwnerMustStay),
        (Refusal::Muted { until: None }, Code::Muted),
    ] {
        assert_eq!(refusal.code(), code, "{refusal:?}");
    }
}

#[test]
fn it_lives_in_its_own_lane() {
    let place = address(HERE);
    assert_eq!((place.noun, place.id, place.route), (Conversation::NOUN, HERE.0, HERE.0));
}

impl Lawful for Conversation {
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let start = uniform2(people()).prop_map(start);
        let mute = any_moments().prop_map(|until| Mute { until: Some(until) });
        let send = (ids(), seals(), any::<u32>(), option::of(mute)).prop_map(|(message_id, body, size, muted)| {
            Command::Send { message_id, body, body_kind: BodyKind::Text, size, muted }
        });
        let some = || vec(people(), 0..4);
        let group = (seals(), some(), vec(people(), 0..4)).prop_map(|(name, members, friends)| Command::StartGroup {
            name,
            members,
            friends,
        });
        let add =
            (some(), vec(people(), 0..4)).prop_map(|(accounts, friends)| Command::AddMembers { accounts, friends });
        let remove = people().prop_map(|account| Command::RemoveMember { account });
        let rename = seals().prop_map(|name| Command::Rename { name });
        let any = prop_oneof![1 => start, 2 => group, 4 => send, 3 => add, 3 => remove, 1 => rename];
        (option::of(people()), any).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let started = (select(vec![Kind::Direct, Kind::Group]), vec(people(), 0..4), option::of(seals()))
            .prop_flat_map(|(kind, members, name)| (Just((kind, members, name)), option::of(people())))
            .prop_map(|((kind, members, name), owner)| Event::Started { kind, members, name, owner });
        let joined = (counts(), vec(people(), 0..4), people())
            .prop_map(|(seq, account_ids, by)| Event::MembersJoined { seq, account_ids, by });
        let left = (counts(), people(), people(), counts())
            .prop_map(|(seq, account_id, by, joined_seq)| Event::MemberLeft { seq, account_id, by, joined_seq });
        let renamed =
            (seals(), people(), counts()).prop_map(|(name, by, last_seq)| Event::Renamed { name, by, last_seq });
        let sent =
            (ids(), counts(), people(), seals(), any::<u32>()).prop_map(|(message_id, seq, sender, body, size)| {
                Event::MessageSent { message_id, seq, sender, body, body_kind: BodyKind::Text, size }
            });
        prop_oneof![started, sent, joined, left, renamed].boxed()
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
