//! Inbox: INB-1 to INB-5, INB-13, INB-15, INB-16, and what holds for all of them. How conversations are shown: `inbox_view.rs`.

use crate::{
    laws::{Answer, HERE, Lawful, THERE, check, conversations, counts, histories, laws, moments, people, seals},
    scenario::{self, ALICE, BOB},
};
use natter_domain::{
    AccountId, Code, ConversationId, Decider, MessageId, Refusal as _, Sealed,
    account::Change,
    inbox::{Advance, Command, Cursor, Delivery, Event, Inbox, Outside, Refusal, State, View, ViewChange, address},
    limit,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::collections::HashMap;
use uuid::Uuid;

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Inbox> {
    scenario::given(history)
}

/// Read up to `seq` of ten messages, a member from the start.
fn to(conversation_id: ConversationId, seq: u64) -> Advance {
    let (entered_seq, peer, is_shown, outside) = (0, Some(BOB), true, None);
    Advance { conversation_id, seq, last_seq: 10, entered_seq, peer, is_shown, ends_some: false, outside }
}

fn advance<const N: usize>(cursors: [Advance; N]) -> Command {
    Command::Advance { cursors: cursors.into() }
}

fn advanced<const N: usize>(cursors: [(ConversationId, u64); N]) -> Event {
    let cursor = |(conversation_id, seq)| Cursor { conversation_id, seq, peer: Some(BOB) };
    Event::CursorsAdvanced { cursors: cursors.map(cursor).into() }
}

/// Come up to `seq` of ten messages.
fn up_to(conversation_id: ConversationId, seq: u64) -> Delivery {
    Delivery { conversation_id, seq, last_seq: 10, peer: Some(BOB), outside: None }
}

fn deliver<const N: usize>(deliveries: [Delivery; N]) -> Command {
    Command::Deliver { deliveries: deliveries.into() }
}

fn come<const N: usize>(cursors: [(ConversationId, u64); N]) -> Event {
    let cursor = |(conversation_id, seq)| Cursor { conversation_id, seq, peer: Some(BOB) };
    Event::DeliveriesAdvanced { cursors: cursors.map(cursor).into() }
}

#[test]
fn what_has_come_is_said_once_and_never_goes_back() {
    given([]).when(deliver([up_to(HERE, 3), up_to(THERE, 10)])).by(ALICE).then([come([(HERE, 3), (THERE, 10)])]);
    given([come([(HERE, 3)])]).when(deliver([up_to(HERE, 4)])).then([come([(HERE, 4)])]);
    given([come([(HERE, 3)])]).when(deliver([up_to(HERE, 3)])).silent();
    given([come([(HERE, 3)])]).when(deliver([up_to(HERE, 2), up_to(THERE, 1)])).then([come([(THERE, 1)])]);
    given([]).when(deliver([up_to(HERE, 2), up_to(HERE, 7), up_to(HERE, 5)])).then([come([(HERE, 7)])]);
    given([]).when(deliver([up_to(HERE, 0)])).silent();
}

#[test]
fn what_was_read_has_come() {
    given([advanced([(HERE, 5)])]).when(deliver([up_to(HERE, 5)])).silent();
    given([advanced([(HERE, 5)])]).when(deliver([up_to(HERE, 6)])).then([come([(HERE, 6)])]);
    given([come([(HERE, 9)])]).when(advance([to(HERE, 5)])).then([advanced([(HERE, 5)])]);
}

#[test]
fn nothing_comes_that_is_not_there_and_only_to_those_in_a_direct_conversation() {
    given([]).when(deliver([up_to(HERE, 11)])).refused(Refusal::BeyondTheEnd);
    given([]).when(deliver([up_to(THERE, 1), up_to(HERE, 11)])).refused(Refusal::BeyondTheEnd);
    for (outside, refusal) in [
        (Outside::NotFound, Refusal::NotFound),
        (Outside::NotAMember, Refusal::NotAMember),
        (Outside::NotDirect, Refusal::NotDirect),
    ] {
        let not_theirs = Delivery { outside: Some(outside), ..up_to(HERE, 3) };
        given([]).when(deliver([up_to(THERE, 1), not_theirs])).refused(refusal);
    }
}

#[test]
fn who_does_not_show_what_they_read_shows_that_it_has_come() {
    let unseen = |conversation_id, seq| Advance { is_shown: false, ..to(conversation_id, seq) };
    let read = |seq| Event::CursorsAdvanced { cursors: vec![Cursor { conversation_id: HERE, seq, peer: None }] };
    given([]).when(advance([unseen(HERE, 3)])).then([read(3), come([(HERE, 3)])]);
    given([come([(HERE, 4)])]).when(advance([unseen(HERE, 4)])).then([read(4)]);
    given([read(3)]).when(advance([unseen(HERE, 3)])).silent();
    // Where nothing passes, nothing is told.
    let alone = Advance { peer: None, ..unseen(HERE, 3) };
    given([]).when(advance([alone])).then([read(3)]);
}

#[test]
fn cursors_move_forward_several_at_once() {
    given([]).when(advance([to(HERE, 3), to(THERE, 10)])).by(ALICE).then([advanced([(HERE, 3), (THERE, 10)])]);
    given([advanced([(HERE, 3)])]).when(advance([to(HERE, 4)])).by(ALICE).then([advanced([(HERE, 4)])]);
}

#[test]
fn a_cursor_that_would_not_move_forward_is_silent() {
    given([advanced([(HERE, 3)])]).when(advance([to(HERE, 3)])).silent();
    given([advanced([(HERE, 3)])]).when(advance([to(HERE, 2)])).silent();
    given([]).when(advance([to(HERE, 0)])).silent();
    given([]).when(advance([])).silent();
}

#[test]
fn only_the_cursors_that_move_are_told() {
    given([advanced([(HERE, 3)])]).when(advance([to(HERE, 2), to(THERE, 1)])).then([advanced([(THERE, 1)])]);
}

#[test]
fn a_cursor_beyond_the_newest_message_refuses_the_whole_bundle() {
    given([]).when(advance([to(HERE, 11)])).refused(Refusal::BeyondTheEnd);
    given([]).when(advance([to(THERE, 1), to(HERE, 11)])).refused(Refusal::BeyondTheEnd);
}

#[test]
fn a_cursor_does_not_stand_before_the_membership() {
    let joined_at_5 = |seq| Advance { entered_seq: 5, ..to(HERE, seq) };
    given([]).when(advance([joined_at_5(4)])).silent();
    given([]).when(advance([joined_at_5(5)])).silent();
    given([]).when(advance([joined_at_5(6)])).then([advanced([(HERE, 6)])]);
}

#[test]
fn only_members_read() {
    for (outside, refusal) in [
        (Outside::NotFound, Refusal::NotFound),
        (Outside::NotAMember, Refusal::NotAMember),
        (Outside::NotAGroup, Refusal::NotAGroup),
    ] {
        let not_theirs = Advance { outside: Some(outside), ..to(HERE, 3) };
        given([]).when(advance([not_theirs.clone()])).refused(refusal);
        given([]).when(advance([to(THERE, 1), not_theirs])).refused(refusal);
        let command = Command::ReadAnnouncement { conversation_id: HERE, seq: 1, last_seq: 10, outside: Some(outside) };
        given([]).when(command).refused(refusal);
    }
}

#[test]
fn of_a_conversation_named_twice_the_highest_counts() {
    given([]).when(advance([to(HERE, 2), to(HERE, 7), to(HERE, 5)])).then([advanced([(HERE, 7)])]);
}

#[test]
fn a_long_bundle_gives_several_events() {
    let many = limit::CURSORS_PER_EVENT as u128 + 1;
    let cursors = (0..many).map(|number| to(ConversationId(Uuid::from_u128(number)), 1)).collect();
    let context = natter_domain::Context { actor: Some(ALICE), session: None, now: scenario::min(0) };
    let events = Inbox::decide(&State::default(), &State::default(), &context, &Command::Advance { cursors })
        .expect("every cursor is within its conversation");
    let size = |event: &Event| match event {
        Event::CursorsAdvanced { cursors } => Some(cursors.len()),
        _ => None,
    };
    assert_eq!(events.iter().map(size).collect::<Vec<_>>(), [Some(1_000), Some(1)]);
}

#[test]
fn nothing_that_was_read_or_deleted_comes_back() {
    check(histories::<Inbox>(), |history| {
        let (mut state, mut before) = (State::default(), HashMap::new());
        for (context, command) in history {
            for event in Inbox::decide(&state, &state, &context, &command).unwrap_or_default() {
                Inbox::evolve(&mut state, &event);
            }
            let seqs = [&state.cursors, &state.cleared, &state.announcements, &state.delivered];
            for (kind, seqs) in seqs.into_iter().enumerate() {
                for (conversation, seq) in seqs {
                    let last = before.insert((kind, *conversation), *seq).unwrap_or(0);
                    prop_assert!(*seq >= last, "from {last} to {seq}");
                }
            }
        }
        Ok(())
    });
}

#[test]
fn its_refusals_have_their_codes() {
    for (refusal, code) in [
        (Refusal::NotFound, Code::NotFound),
        (Refusal::NotAMember, Code::NotAMember),
        (Refusal::NotAGroup, Code::Forbidden),
        (Refusal::NotDirect, Code::Forbidden),
        (Refusal::BeyondTheEnd, Code::InvalidInput),
        (Refusal::QuietInThePast, Code::InvalidInput),
        (Refusal::TooManyPinned, Code::Conflict),
        (Refusal::TooManyFolders, Code::Conflict),
        (Refusal::TooManyDrafts, Code::Conflict),
        (Refusal::NotFound, Code::NotFound),
    ] {
        assert_eq!(refusal.code(), code);
    }
}

#[test]
fn it_lives_in_its_accounts_lane() {
    let place = address(ALICE);
    assert_eq!((place.noun, place.id, place.route), (Inbox::NOUN, ALICE.0, ALICE.0));
}

fn flags() -> impl Strategy<Value = Option<bool>> {
    option::of(any::<bool>())
}

/// Mostly they are in.
fn outsides() -> impl Strategy<Value = Option<Outside>> {
    let outside = select(vec![Outside::NotFound, Outside::NotAMember, Outside::NotAGroup, Outside::NotDirect]);
    prop_oneof![4 => Just(None), 1 => outside.prop_map(Some)]
}

pub fn change_to<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Change<T>> {
    prop_oneof![Just(Change::Keep), Just(Change::Clear), value.prop_map(Change::Set)]
}

fn changes() -> impl Strategy<Value = ViewChange<Sealed>> {
    let texts = (change_to(moments()), change_to(seals()), change_to(seals()));
    (flags(), flags(), flags(), flags(), texts).prop_map(
        |(pinned, archived, hidden, marked_unread, (quiet_until, folder, draft))| ViewChange {
            pinned,
            quiet_until,
            archived,
            hidden,
            folder,
            draft,
            marked_unread,
        },
    )
}

fn views() -> impl Strategy<Value = View> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (flags, option::of(moments()), option::of(counts()), option::of(seals())).prop_map(
        |((pinned, archived, marked_unread), quiet_until, hidden_seq, folder)| View {
            pinned,
            quiet_until,
            archived,
            hidden_seq,
            folder,
            marked_unread,
        },
    )
}

fn message(seq: u64) -> MessageId {
    MessageId(Uuid::from_u128(u128::from(seq)))
}

impl Lawful for Inbox {
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let peer = (option::of(people()), any::<bool>(), any::<bool>());
        let cursor = (conversations(), counts(), 4..9_u64, 0..3_u64, peer, outsides()).prop_map(
            |(conversation_id, seq, last_seq, entered_seq, (peer, is_shown, ends_some), outside)| Advance {
                conversation_id,
                seq,
                last_seq,
                entered_seq,
                peer,
                is_shown,
                ends_some,
                outside,
            },
        );
        let delivery = (conversations(), counts(), 4..9_u64, option::of(people()), outsides()).prop_map(
            |(conversation_id, seq, last_seq, peer, outside)| Delivery {
                conversation_id,
                seq,
                last_seq,
                peer,
                outside,
            },
        );
        let deliver = vec(delivery, 0..4).prop_map(|deliveries| Command::Deliver { deliveries });
        let advance = vec(cursor, 0..4).prop_map(|cursors| Command::Advance { cursors });
        let change = (conversations(), counts(), changes())
            .prop_map(|(conversation_id, newest, change)| Command::Change { conversation_id, newest, change });
        let clear = (conversations(), counts()).prop_map(|(conversation_id, newest)| Command::Clear {
            conversation_id,
            newest,
            ends_some: false,
        });
        let take_back = (conversations(), changes())
            .prop_map(|(conversation_id, change)| Command::TakeBack { conversation_id, change });
        let announce =
            (conversations(), counts(), counts(), outsides()).prop_map(|(conversation_id, seq, last_seq, outside)| {
                Command::ReadAnnouncement { conversation_id, seq, last_seq, outside }
            });
        let delete = (conversations(), counts(), outsides()).prop_map(|(conversation_id, seq, outside)| {
            Command::Delete { conversation_id, message_id: message(seq), seq, outside }
        });
        let any = prop_oneof![
            3 => advance,
            2 => deliver,
            3 => change,
            1 => take_back,
            1 => clear,
            1 => announce,
            2 => delete,
        ];
        any.prop_map(|command| (Some(ALICE), command)).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let cursor = || {
            (conversations(), counts(), option::of(people())).prop_map(|(conversation_id, seq, peer)| Cursor {
                conversation_id,
                seq,
                peer,
            })
        };
        let come = vec(cursor(), 0..4).prop_map(|cursors| Event::DeliveriesAdvanced { cursors });
        let advanced = vec(cursor(), 0..4).prop_map(|cursors| Event::CursorsAdvanced { cursors });
        let changed =
            (conversations(), views()).prop_map(|(conversation_id, view)| Event::ViewChanged { conversation_id, view });
        let drafted = (conversations(), option::of(seals()))
            .prop_map(|(conversation_id, draft)| Event::DraftChanged { conversation_id, draft });
        let cleared = (conversations(), counts())
            .prop_map(|(conversation_id, up_to_seq)| Event::Cleared { conversation_id, up_to_seq });
        let announced = (conversations(), counts())
            .prop_map(|(conversation_id, seq)| Event::AnnouncementRead { conversation_id, seq });
        let ending =
            (conversations(), counts()).prop_map(|(conversation_id, seq)| Event::EndingRead { conversation_id, seq });
        let deleted = (conversations(), counts()).prop_map(|(conversation_id, seq)| Event::MessageDeleted {
            conversation_id,
            message_id: message(seq),
            seq,
        });
        prop_oneof![advanced, come, ending, changed, drafted, cleared, announced, deleted].boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

laws!(Inbox);
