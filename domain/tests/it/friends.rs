//! What becomes of requests and friends: FRD-10 to FRD-13, and what expires.

use crate::{
    friendship::{ACCEPT, ACCEPTED, R1, R2, REJECT, REJECTED, asked, given, request, requested},
    laws::{HERE, THERE},
    scenario::{ALICE, BOB, CAROL, days, hours, just_before, min, sealed},
};
use natter_domain::{
    AccountId, Sealed,
    account::Change,
    conversation::Standing,
    friendship::{Command, Event, FriendChange, Refusal},
};

const CANCEL: Command = Command::Cancel { request_id: R1 };
const CANCELLED: Event = Event::Cancelled { request_id: R1, from: ALICE, to: BOB };
const IGNORE: Command = Command::Ignore { request_id: R1 };
const IGNORED: Event = Event::Ignored { request_id: R1, from: ALICE, to: BOB };
const EXPIRE: Command = Command::Expire { request_id: R1 };
const EXPIRED: Event = Event::Expired { request_id: R1, from: ALICE, to: BOB };

fn stands(revision: u64, is_open: bool) -> Standing {
    Standing { revision, is_open, ..Standing::default() }
}

fn removed(by: AccountId, other: AccountId) -> Event {
    Event::Removed { by, other, conversation_id: HERE, standing: stands(2, false) }
}

#[test]
fn the_sender_takes_a_request_back_once() {
    given([asked()]).when(CANCEL).by(ALICE).at(min(1)).then([CANCELLED]);
    given([asked(), CANCELLED]).when(CANCEL).by(ALICE).at(min(2)).silent();
    given([asked(), CANCELLED]).when(CANCEL).by(ALICE).at(days(30)).silent();
}

#[test]
fn nobody_else_takes_it_back() {
    given([asked()]).when(CANCEL).by(BOB).refused(Refusal::Forbidden);
    given([asked()]).when(CANCEL).by(CAROL).refused(Refusal::NotFound);
    given([asked()]).when(CANCEL).refused(Refusal::NotFound);
    given([]).when(CANCEL).by(ALICE).refused(Refusal::NotFound);
}

#[test]
fn what_has_ended_otherwise_is_closed() {
    for (end, again) in [(ACCEPTED, ACCEPT), (REJECTED, REJECT), (CANCELLED, CANCEL), (EXPIRED, EXPIRE)] {
        for (command, by) in [(ACCEPT, BOB), (REJECT, BOB), (IGNORE, BOB), (CANCEL, ALICE)] {
            let tried = given([asked(), end.clone()]).when(command.clone()).by(by).at(days(8));
            if command == again { tried.silent() } else { tried.refused(Refusal::RequestClosed) }
        }
    }
    for (command, by) in [(ACCEPT, BOB), (REJECT, BOB), (IGNORE, BOB), (CANCEL, ALICE)] {
        given([asked()]).when(command).by(by).at(days(7)).refused(Refusal::RequestClosed);
    }
}

#[test]
fn who_took_a_request_back_asks_again_after_24_hours() {
    let history = || [asked(), CANCELLED];
    let again = || request(R2, ALICE, BOB);
    given(history()).when(again()).by(ALICE).at(just_before(hours(24))).refused(Refusal::RequestRepeated);
    given(history()).when(again()).by(ALICE).at(hours(24)).then([requested(R2, ALICE, BOB, hours(24))]);
}

#[test]
fn the_receiver_ignores_a_request_which_stays_pending_for_its_sender() {
    given([asked()]).when(IGNORE).by(BOB).at(min(1)).then([IGNORED]);
    given([asked(), IGNORED]).when(IGNORE).by(BOB).at(min(2)).silent();
    given([asked(), IGNORED, EXPIRED]).when(IGNORE).by(BOB).at(days(8)).silent();
    given([asked()]).when(IGNORE).by(ALICE).refused(Refusal::Forbidden);
    given([asked()]).when(IGNORE).by(CAROL).refused(Refusal::NotFound);
    given([asked(), IGNORED]).when(request(R2, ALICE, BOB)).by(ALICE).at(days(2)).refused(Refusal::RequestRepeated);
    given([asked(), IGNORED]).when(CANCEL).by(ALICE).at(min(2)).then([CANCELLED]);
}

#[test]
fn what_was_ignored_is_still_answered_by_its_id_or_by_asking() {
    given([asked(), IGNORED]).when(ACCEPT).by(BOB).at(min(2)).then([ACCEPTED]);
    given([asked(), IGNORED]).when(REJECT).by(BOB).at(min(2)).then([REJECTED]);
    given([asked(), IGNORED]).when(request(R2, BOB, ALICE)).by(BOB).at(min(2)).then([ACCEPTED]);
}

#[test]
fn a_request_expires_when_its_time_is_over_and_not_before() {
    given([asked()]).when(EXPIRE).at(just_before(days(7))).refused(Refusal::NotDue);
    given([asked()]).when(EXPIRE).at(days(7)).then([EXPIRED]);
    given([asked(), IGNORED]).when(EXPIRE).at(days(7)).then([EXPIRED]);
    for end in [ACCEPTED, REJECTED, CANCELLED, EXPIRED] {
        given([asked(), end]).when(EXPIRE).at(days(9)).silent();
    }
    given([]).when(EXPIRE).at(days(9)).refused(Refusal::NotFound);
}

#[test]
fn the_timer_of_an_old_request_leaves_a_newer_one_alone() {
    let newer = requested(R2, ALICE, BOB, days(7));
    given([asked(), newer]).when(EXPIRE).at(days(7)).then([EXPIRED]);
    let newer = requested(R2, ALICE, BOB, days(7));
    given([asked(), newer, EXPIRED])
        .when(Command::Accept { request_id: R2, conversation_id: HERE })
        .by(BOB)
        .at(days(8))
        .then([Event::Accepted {
            request_id: R2,
            from: ALICE,
            to: BOB,
            conversation_id: HERE,
            standing: Standing::first(),
        }]);
}

#[test]
fn either_ends_the_friendship_and_ending_it_again_is_silent() {
    given([asked(), ACCEPTED]).when(Command::Remove { other: BOB }).by(ALICE).then([removed(ALICE, BOB)]);
    given([asked(), ACCEPTED]).when(Command::Remove { other: ALICE }).by(BOB).then([removed(BOB, ALICE)]);
    for (by, other) in [(ALICE, BOB), (BOB, ALICE)] {
        given([asked(), ACCEPTED, removed(ALICE, BOB)]).when(Command::Remove { other }).by(by).silent();
    }
}

#[test]
fn who_never_was_a_friend_is_none_to_end() {
    given([]).when(Command::Remove { other: BOB }).by(ALICE).refused(Refusal::NotFound);
    given([asked(), REJECTED]).when(Command::Remove { other: BOB }).by(ALICE).refused(Refusal::NotFound);
    given([asked(), ACCEPTED]).when(Command::Remove { other: BOB }).refused(Refusal::NotFound);
}

/// FRD-7, FRD-17.
#[test]
fn friends_again_have_the_same_conversation_which_is_open_again() {
    let history = [asked(), ACCEPTED, removed(BOB, ALICE), requested(R2, BOB, ALICE, days(2))];
    let accept = Command::Accept { request_id: R2, conversation_id: THERE };
    let standing = stands(3, true);
    let accepted = Event::Accepted { request_id: R2, from: BOB, to: ALICE, conversation_id: HERE, standing };
    given(history).when(accept).by(ALICE).at(days(2)).then([accepted]);
}

fn note(remark: Change<Sealed>, folder: Change<Sealed>, starred: Option<bool>) -> Command {
    Command::ChangeFriend { friend: BOB, change: FriendChange { remark, folder, starred } }
}

fn noted(remark: Option<&str>, folder: Option<&str>, starred: bool) -> Event {
    let (remark, folder) = (remark.map(sealed), folder.map(sealed));
    Event::FriendChanged { account: ALICE, friend: BOB, remark, folder, starred }
}

#[test]
fn what_is_noted_of_a_friend_is_said_whole() {
    let remark = || Change::Set(sealed("one"));
    let friends = || [asked(), ACCEPTED];
    given(friends()).when(note(remark(), Change::Keep, None)).by(ALICE).then([noted(Some("one"), None, false)]);
    let history = || [asked(), ACCEPTED, noted(Some("one"), None, false)];
    given(history()).when(note(Change::Keep, Change::Set(sealed("two")), Some(true))).by(ALICE).then([noted(
        Some("one"),
        Some("two"),
        true,
    )]);
    given(history()).when(note(Change::Clear, Change::Keep, None)).by(ALICE).then([noted(None, None, false)]);
    given(history()).when(note(remark(), Change::Keep, Some(false))).by(ALICE).silent();
    given(friends()).when(note(Change::Keep, Change::Clear, None)).by(ALICE).silent();
}

#[test]
fn nothing_is_noted_of_who_is_no_friend_and_the_end_forgets_it() {
    let star = || note(Change::Keep, Change::Keep, Some(true));
    given([]).when(star()).by(ALICE).refused(Refusal::NotFound);
    given([asked()]).when(star()).by(ALICE).refused(Refusal::NotFound);
    let history = || [asked(), ACCEPTED, noted(Some("one"), Some("two"), true), removed(BOB, ALICE)];
    given(history()).when(star()).by(ALICE).refused(Refusal::NotFound);
    let again =
        Event::Accepted { request_id: R2, from: BOB, to: ALICE, conversation_id: HERE, standing: stands(3, true) };
    let [one, two, three, four] = history();
    given([one, two, three, four, requested(R2, BOB, ALICE, days(2)), again])
        .when(star())
        .by(ALICE)
        .then([noted(None, None, true)]);
}
