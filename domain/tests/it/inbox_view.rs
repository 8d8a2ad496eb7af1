//! Inbox: how conversations are shown to their owner, INB-6 to INB-12, and what they delete of them, INB-18.

use crate::{
    laws::{HERE, THERE},
    scenario::{self, ALICE, BOB, days, min, sealed},
};
use natter_domain::{
    Code, ConversationId, Decider, MessageId, Refusal as _, Sealed, Timestamp,
    account::Change,
    inbox::{Advance, Command, Cursor, Event, Inbox, Outside, Refusal, State, View, ViewChange},
    limit,
};
use uuid::Uuid;

fn given(history: impl IntoIterator<Item = Event>) -> scenario::Given<Inbox> {
    scenario::given(history)
}

fn nothing() -> ViewChange<Sealed> {
    ViewChange::default()
}

/// Of a conversation with ten messages.
fn change(change: ViewChange<Sealed>) -> Command {
    Command::Change { conversation_id: HERE, newest: 10, change }
}

fn shown(view: View) -> Event {
    Event::ViewChanged { conversation_id: HERE, view }
}

fn drafted(text: Option<&str>) -> Event {
    Event::DraftChanged { conversation_id: HERE, draft: text.map(sealed) }
}

fn cleared(up_to_seq: u64) -> Event {
    Event::Cleared { conversation_id: HERE, up_to_seq }
}

fn clear(newest: u64) -> Command {
    Command::Clear { conversation_id: HERE, newest, ends_some: false }
}

fn plain() -> View {
    View::default()
}

fn hidden(seq: u64) -> View {
    View { hidden_seq: Some(seq), ..plain() }
}

#[test]
fn a_view_is_changed_field_by_field() {
    let pinned = View { pinned: true, ..plain() };
    given([]).when(change(ViewChange { pinned: Some(true), ..nothing() })).then([shown(pinned.clone())]);
    let archived = View { archived: true, ..pinned.clone() };
    given([shown(pinned)])
        .when(change(ViewChange { archived: Some(true), ..nothing() }))
        .then([shown(archived.clone())]);
    let back = ViewChange { pinned: Some(false), archived: Some(false), ..nothing() };
    given([shown(archived)]).when(change(back)).then([shown(plain())]);
    let all = ViewChange {
        pinned: Some(true),
        quiet_until: Change::Set(days(1)),
        archived: Some(true),
        hidden: Some(true),
        folder: Change::Set(sealed("work")),
        draft: Change::Set(sealed("hello")),
        marked_unread: Some(true),
    };
    let view = View {
        pinned: true,
        quiet_until: Some(days(1)),
        archived: true,
        hidden_seq: Some(10),
        folder: Some(sealed("work")),
        marked_unread: true,
    };
    given([]).when(change(all)).then([shown(view), drafted(Some("hello"))]);
}

#[test]
fn what_is_so_already_is_silent() {
    given([]).when(change(nothing())).silent();
    let off = ViewChange {
        pinned: Some(false),
        quiet_until: Change::Clear,
        hidden: Some(false),
        folder: Change::Clear,
        draft: Change::Clear,
        ..nothing()
    };
    given([]).when(change(off)).silent();
    let view = View { pinned: true, folder: Some(sealed("work")), ..plain() };
    let same = ViewChange { pinned: Some(true), folder: Change::Set(sealed("work")), ..nothing() };
    given([shown(view)]).when(change(same)).silent();
    let draft = ViewChange { draft: Change::Set(sealed("hello")), ..nothing() };
    given([drafted(Some("hello"))]).when(change(draft.clone())).silent();
    given([drafted(Some("hell"))]).when(change(draft)).then([drafted(Some("hello"))]);
}

#[test]
fn quiet_lasts_until_a_time_to_come() {
    let quiet = |until: Timestamp| change(ViewChange { quiet_until: Change::Set(until), ..nothing() });
    let view = |until| shown(View { quiet_until: Some(until), ..plain() });
    given([]).when(quiet(min(1))).at(min(0)).then([view(min(1))]);
    given([]).when(quiet(min(0))).at(min(0)).refused(Refusal::QuietInThePast);
    given([]).when(quiet(min(0))).at(min(1)).refused(Refusal::QuietInThePast);
    given([view(min(1))]).when(quiet(min(1))).at(min(2)).silent();
    // One that has passed is in the way of nothing else.
    let pin = change(ViewChange { pinned: Some(true), ..nothing() });
    let pinned = shown(View { pinned: true, quiet_until: Some(min(1)), ..plain() });
    given([view(min(1))]).when(pin).at(min(2)).then([pinned]);
}

#[test]
fn what_is_hidden_is_so_until_something_newer_is_there() {
    let hide = |hidden| ViewChange { hidden: Some(hidden), ..nothing() };
    given([]).when(change(hide(true))).then([shown(hidden(10))]);
    given([shown(hidden(10))]).when(change(hide(true))).silent();
    given([shown(hidden(10))]).when(change(hide(false))).then([shown(plain())]);
    given([shown(hidden(9))]).when(change(hide(true))).then([shown(hidden(10))]);
    given([shown(hidden(9))]).when(change(hide(false))).silent();
    let pin = ViewChange { pinned: Some(true), ..nothing() };
    let (seen, unseen) = (View { pinned: true, ..plain() }, View { pinned: true, ..hidden(10) });
    given([shown(hidden(9))]).when(change(pin.clone())).then([shown(seen)]);
    given([shown(hidden(10))]).when(change(pin)).then([shown(unseen)]);
    let empty = Command::Change { conversation_id: HERE, newest: 0, change: hide(true) };
    given([]).when(empty).then([shown(hidden(0))]);
}

#[test]
fn a_mark_ends_when_the_cursor_moves_forward_or_by_itself() {
    let marked = View { marked_unread: true, pinned: true, ..plain() };
    let pinned = View { pinned: true, ..plain() };
    let to = |seq| {
        let (conversation_id, peer) = (HERE, Some(BOB));
        Advance {
            conversation_id,
            seq,
            last_seq: 10,
            entered_seq: 0,
            peer,
            is_shown: true,
            ends_some: false,
            outside: None,
        }
    };
    let moved = Event::CursorsAdvanced { cursors: vec![Cursor { conversation_id: HERE, seq: 5, peer: Some(BOB) }] };
    let advance = Command::Advance { cursors: vec![to(5), to(3)] };
    given([shown(marked.clone())]).when(advance.clone()).then([moved.clone(), shown(pinned.clone())]);
    given([shown(pinned.clone())]).when(advance.clone()).then([moved.clone()]);
    given([moved, shown(marked.clone())]).when(advance).silent();
    let unmark = ViewChange { marked_unread: Some(false), ..nothing() };
    given([shown(marked)]).when(change(unmark)).then([shown(pinned)]);
}

#[test]
fn what_is_deleted_is_gone_and_hidden_without_draft_and_mark() {
    given([]).when(clear(10)).then([cleared(10), shown(hidden(10))]);
    let view = View { pinned: true, marked_unread: true, folder: Some(sealed("work")), ..plain() };
    let after = View { marked_unread: false, hidden_seq: Some(10), ..view.clone() };
    given([shown(view), drafted(Some("hello"))]).when(clear(10)).then([cleared(10), shown(after), drafted(None)]);
    given([cleared(10), shown(hidden(10))]).when(clear(10)).silent();
    given([cleared(10), shown(hidden(10))]).when(clear(11)).then([cleared(11), shown(hidden(11))]);
    given([cleared(10)]).when(clear(10)).then([shown(hidden(10))]);
    given([]).when(clear(0)).then([shown(hidden(0))]);
    // Somebody who asked before another device did.
    given([cleared(10), shown(hidden(10))]).when(clear(9)).silent();
}

#[test]
fn so_many_are_pinned_and_no_more() {
    let place = |number: usize| ConversationId(Uuid::from_u128(1_000 + number as u128));
    let view = |number, view| Event::ViewChanged { conversation_id: place(number), view };
    let pinned: Vec<Event> =
        (0..limit::PINNED_MAX).map(|number| view(number, View { pinned: true, ..plain() })).collect();
    let pin = ViewChange { pinned: Some(true), ..nothing() };
    given(pinned.clone()).when(change(pin.clone())).refused(Refusal::TooManyPinned);
    given(pinned[1..].to_vec()).when(change(pin.clone())).then([shown(View { pinned: true, ..plain() })]);
    // Who has that many changes all else.
    let archive = ViewChange { archived: Some(true), ..pin };
    let command = Command::Change { conversation_id: place(0), newest: 10, change: archive };
    given(pinned).when(command).then([view(0, View { pinned: true, archived: true, ..plain() })]);
}

#[test]
fn of_a_conversation_that_is_over_everything_is_taken_back_and_nothing_set() {
    let take_back = |change| Command::TakeBack { conversation_id: HERE, change };
    let set =
        View { pinned: true, archived: true, folder: Some(sealed("work")), quiet_until: Some(days(1)), ..hidden(10) };
    let history = || [shown(set.clone()), drafted(Some("hello"))];
    let unpin = ViewChange { pinned: Some(false), ..nothing() };
    given(history()).when(take_back(unpin.clone())).then([shown(View { pinned: false, ..set.clone() })]);
    given(history()).when(take_back(ViewChange::away())).then([shown(plain()), drafted(None)]);
    given([]).when(take_back(ViewChange::away())).silent();
    given(history()).when(take_back(nothing())).silent();
    for more in [
        ViewChange { pinned: Some(true), ..nothing() },
        ViewChange { archived: Some(true), ..unpin.clone() },
        ViewChange { hidden: Some(true), ..unpin.clone() },
        ViewChange { marked_unread: Some(true), ..unpin.clone() },
        ViewChange { quiet_until: Change::Set(days(2)), ..unpin.clone() },
        ViewChange { folder: Change::Set(sealed("work")), ..unpin.clone() },
        ViewChange { draft: Change::Set(sealed("hello")), ..unpin },
    ] {
        given(history()).when(take_back(more)).refused(Refusal::NotFound);
    }
}

#[test]
fn what_was_taken_back_makes_room() {
    let place = |number: usize| ConversationId(Uuid::from_u128(1_000 + number as u128));
    let view = |number, view| Event::ViewChanged { conversation_id: place(number), view };
    let pinned = (0..limit::PINNED_MAX).map(|number| view(number, View { pinned: true, ..plain() }));
    let pin = change(ViewChange { pinned: Some(true), ..nothing() });
    let taken_back = pinned.chain([view(7, plain())]);
    given(taken_back).when(pin).then([shown(View { pinned: true, ..plain() })]);
}

#[test]
fn so_many_folders_and_drafts_and_no_more() {
    let place = |number: usize| ConversationId(Uuid::from_u128(1_000 + number as u128));
    let name = |number: usize| sealed(&format!("folder {number}"));
    let in_folder = |number| Event::ViewChanged {
        conversation_id: place(number),
        view: View { folder: Some(name(number)), ..plain() },
    };
    let folders: Vec<Event> = (0..limit::FOLDERS_MAX).map(in_folder).collect();
    let put = |folder: Sealed| change(ViewChange { folder: Change::Set(folder), ..nothing() });
    given(folders.clone()).when(put(sealed("one more"))).refused(Refusal::TooManyFolders);
    given(folders).when(put(name(7))).then([shown(View { folder: Some(name(7)), ..plain() })]);

    let draft = |number| Event::DraftChanged { conversation_id: place(number), draft: Some(sealed("hello")) };
    let drafts: Vec<Event> = (0..limit::DRAFTS_MAX).map(draft).collect();
    let write = |conversation_id| Command::Change {
        conversation_id,
        newest: 10,
        change: ViewChange { draft: Change::Set(sealed("bye")), ..nothing() },
    };
    given(drafts.clone()).when(write(HERE)).refused(Refusal::TooManyDrafts);
    let other = Event::DraftChanged { conversation_id: place(7), draft: Some(sealed("bye")) };
    given(drafts).when(write(place(7))).then([other]);
}

fn delete(seq: u64) -> Command {
    Command::Delete { conversation_id: HERE, message_id: message(seq), seq, outside: None }
}

fn message(seq: u64) -> MessageId {
    MessageId(Uuid::from_u128(u128::from(seq)))
}

fn deleted(seq: u64) -> Event {
    Event::MessageDeleted { conversation_id: HERE, message_id: message(seq), seq }
}

#[test]
fn a_message_is_deleted_once_and_by_who_has_it() {
    given([]).when(delete(4)).by(ALICE).then([deleted(4)]);
    given([deleted(4)]).when(delete(4)).silent();
    given([deleted(4)]).when(delete(5)).then([deleted(5)]);
    given([cleared(4)]).when(delete(4)).silent();
    given([cleared(4)]).when(delete(5)).then([deleted(5)]);
    for (outside, refusal) in [
        (Outside::NotFound, Refusal::NotFound),
        (Outside::NotAMember, Refusal::NotAMember),
        (Outside::NoMessage, Refusal::NoMessage),
    ] {
        let message_id = message(4);
        let command = Command::Delete { conversation_id: HERE, message_id, seq: 0, outside: Some(outside) };
        given([cleared(4)]).when(command).refused(refusal);
    }
}

#[test]
fn so_many_messages_of_a_conversation_are_deleted_one_by_one_and_no_more() {
    let most = limit::DELETED_MAX as u64;
    let many: Vec<Event> = (1..=most).map(deleted).collect();
    given(many.clone()).when(delete(most + 1)).refused(Refusal::TooManyDeleted);
    assert_eq!(Refusal::TooManyDeleted.code(), Code::Conflict);
    given(many.clone()).when(delete(7)).silent();
    let elsewhere = |message_id| Command::Delete { conversation_id: THERE, message_id, seq: 1, outside: None };
    let gone = Event::MessageDeleted { conversation_id: THERE, message_id: message(1), seq: 1 };
    given(many.clone()).when(elsewhere(message(1))).then([gone]);
    // What was cleared is not remembered one by one.
    given(many.into_iter().chain([cleared(1)])).when(delete(most + 1)).then([deleted(most + 1)]);
}

#[test]
fn how_far_an_announcement_was_read_never_goes_back() {
    let read = |seq| Command::ReadAnnouncement { conversation_id: HERE, seq, last_seq: 10, outside: None };
    let was_read = |seq| Event::AnnouncementRead { conversation_id: HERE, seq };
    given([]).when(read(4)).by(ALICE).then([was_read(4)]);
    given([was_read(4)]).when(read(4)).silent();
    given([was_read(4)]).when(read(3)).silent();
    given([was_read(4)]).when(read(10)).then([was_read(10)]);
    given([was_read(4)]).when(read(11)).refused(Refusal::BeyondTheEnd);
    given([]).when(read(0)).silent();
}

#[test]
fn a_state_remembers_little_of_a_draft_and_nothing_of_what_is_as_at_first() {
    let mut state = State::default();
    let text = "x".repeat(limit::TEXT_MAX_BYTES);
    let pinned = View { pinned: true, ..plain() };
    for event in [drafted(Some(&text)), shown(pinned)] {
        Inbox::evolve(&mut state, &event);
    }
    assert!(serde_json::to_string(&state).expect("JSON").len() < 512);
    for event in [drafted(None), shown(plain())] {
        Inbox::evolve(&mut state, &event);
    }
    assert_eq!(state, State::default());
    let there = Event::Cleared { conversation_id: THERE, up_to_seq: 3 };
    Inbox::evolve(&mut state, &there);
    assert_eq!((state.cleared.get(&THERE), state.cleared.get(&HERE)), (Some(&3), None));
}
