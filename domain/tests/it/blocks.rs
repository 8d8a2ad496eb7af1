//! Blocks and strangers: FRD-14 to FRD-17.

use crate::{
    friendship::{ACCEPT, ACCEPTED, R1, R2, REJECT, REJECTED, asked, given, request, standings},
    laws::{HERE, THERE, check, histories},
    scenario::{ALICE, BOB, days, min},
};
use natter_domain::{
    AccountId, ConversationId, Decider,
    conversation::Standing,
    friendship::{Command, Event, Friendship, Refusal, State},
};
use proptest::prelude::*;

fn stands<const N: usize>(revision: u64, is_open: bool, barred_by: [AccountId; N]) -> Standing {
    Standing { revision, is_open, barred_by: barred_by.into() }
}

fn block(other: AccountId) -> Command {
    Command::Block { other, is_known: true }
}

fn open(other: AccountId, is_taken: bool) -> Command {
    Command::Open { other, is_taken, conversation_id: HERE }
}

fn blocked(by: AccountId, other: AccountId, conversation_id: Option<ConversationId>, standing: Standing) -> Event {
    Event::Blocked { by, other, conversation_id, standing }
}

/// Alice blocks Bob, who has never heard of her.
fn alice_blocks() -> Event {
    blocked(ALICE, BOB, None, stands(1, false, [ALICE]))
}

#[test]
fn a_block_is_set_once_and_taken_back_once() {
    given([]).when(block(BOB)).by(ALICE).then([alice_blocks()]);
    given([alice_blocks()]).when(block(BOB)).by(ALICE).silent();
    let taken_back = Event::Unblocked { by: ALICE, other: BOB, conversation_id: None, standing: stands(2, false, []) };
    let unblock = Command::Unblock { other: BOB };
    given([alice_blocks()]).when(unblock.clone()).by(ALICE).then([taken_back.clone()]);
    given([alice_blocks(), taken_back]).when(unblock.clone()).by(ALICE).silent();
    given([]).when(unblock).by(ALICE).silent();
}

#[test]
fn nobody_blocks_themselves_or_nobody() {
    given([]).when(block(ALICE)).by(ALICE).refused(Refusal::SelfNotAllowed);
    let unknown = || Command::Block { other: BOB, is_known: false };
    given([]).when(unknown()).by(ALICE).refused(Refusal::NotFound);
    given([alice_blocks()]).when(unknown()).by(ALICE).silent();
}

#[test]
fn each_blocks_for_themselves() {
    let both = blocked(BOB, ALICE, None, stands(2, false, [ALICE, BOB]));
    given([alice_blocks()]).when(block(ALICE)).by(BOB).then([both.clone()]);
    let left = Event::Unblocked { by: ALICE, other: BOB, conversation_id: None, standing: stands(3, false, [BOB]) };
    given([alice_blocks(), both]).when(Command::Unblock { other: BOB }).by(ALICE).then([left]);
}

#[test]
fn a_block_takes_back_ones_own_request_and_ignores_the_others() {
    let cancelled = Event::Cancelled { request_id: R1, from: ALICE, to: BOB };
    given([asked()]).when(block(BOB)).by(ALICE).at(min(1)).then([cancelled, alice_blocks()]);
    let ignored = || Event::Ignored { request_id: R1, from: ALICE, to: BOB };
    let by_bob = || blocked(BOB, ALICE, None, stands(1, false, [BOB]));
    given([asked()]).when(block(ALICE)).by(BOB).at(min(1)).then([ignored(), by_bob()]);
    given([asked(), ignored()]).when(block(ALICE)).by(BOB).at(min(1)).then([by_bob()]);
    given([asked()]).when(block(ALICE)).by(BOB).at(days(8)).then([by_bob()]);
}

#[test]
fn friends_stay_friends_and_nothing_passes() {
    let standing = stands(2, true, [BOB]);
    given([asked(), ACCEPTED]).when(block(ALICE)).by(BOB).then([blocked(BOB, ALICE, Some(HERE), standing.clone())]);
    let history = || [asked(), ACCEPTED, blocked(BOB, ALICE, Some(HERE), standing.clone())];
    for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
        given(history()).when(request(R2, from, to)).by(from).at(days(9)).refused(Refusal::AlreadyFriends);
    }
    let removed = Event::Removed { by: ALICE, other: BOB, conversation_id: HERE, standing: stands(3, false, [BOB]) };
    given(history()).when(Command::Remove { other: BOB }).by(ALICE).then([removed]);
}

#[test]
fn who_is_blocked_does_not_ask_and_who_blocks_unblocks_first() {
    let by_bob = || blocked(BOB, ALICE, None, stands(1, false, [BOB]));
    given([by_bob()]).when(request(R1, ALICE, BOB)).by(ALICE).refused(Refusal::RequestsNotTaken);
    given([by_bob()]).when(request(R1, BOB, ALICE)).by(BOB).refused(Refusal::Blocking);
}

/// In the same words as before, as long as they would be said without the block.
#[test]
fn who_asked_before_they_were_blocked_is_answered_as_before() {
    let ignored = Event::Ignored { request_id: R1, from: ALICE, to: BOB };
    let history = || [asked(), ignored.clone(), blocked(BOB, ALICE, None, stands(1, false, [BOB]))];
    given(history()).when(request(R2, ALICE, BOB)).by(ALICE).at(days(1)).refused(Refusal::RequestRepeated);
    given(history()).when(request(R2, ALICE, BOB)).by(ALICE).at(days(8)).refused(Refusal::RequestsNotTaken);
    given(history()).when(ACCEPT).by(BOB).at(days(1)).refused(Refusal::Blocking);
    given(history()).when(request(R2, BOB, ALICE)).by(BOB).at(days(1)).refused(Refusal::Blocking);
    given(history()).when(REJECT).by(BOB).at(days(1)).then([REJECTED]);
}

#[test]
fn what_was_ignored_by_a_block_can_be_answered_without_it() {
    let ignored = Event::Ignored { request_id: R1, from: ALICE, to: BOB };
    let back = Event::Unblocked { by: BOB, other: ALICE, conversation_id: None, standing: stands(2, false, []) };
    let history = [asked(), ignored, blocked(BOB, ALICE, None, stands(1, false, [BOB])), back];
    let standing = stands(3, true, []);
    let accepted = Event::Accepted { request_id: R1, from: ALICE, to: BOB, conversation_id: HERE, standing };
    given(history).when(ACCEPT).by(BOB).at(days(1)).then([accepted]);
}

fn opened(conversation_id: ConversationId, standing: Standing) -> Event {
    Event::Opened { by: ALICE, other: BOB, conversation_id, standing }
}

#[test]
fn strangers_begin_to_talk_where_it_is_taken() {
    let began = || opened(HERE, Standing::first());
    given([]).when(open(BOB, true)).by(ALICE).then([began()]);
    given([]).when(open(BOB, false)).by(ALICE).refused(Refusal::NotFriends);
    given([]).when(open(ALICE, true)).by(ALICE).refused(Refusal::SelfNotAllowed);
    given([]).when(open(BOB, true)).refused(Refusal::NotFound);
    // Who may talk goes on, whatever is taken since.
    given([began()]).when(open(BOB, false)).by(ALICE).silent();
    given([began()]).when(open(ALICE, false)).by(BOB).silent();
    given([asked(), ACCEPTED]).when(open(BOB, false)).by(ALICE).silent();
}

#[test]
fn a_block_refuses_strangers_as_their_settings_do() {
    given([alice_blocks()]).when(open(BOB, true)).by(ALICE).refused(Refusal::NotFriends);
    given([alice_blocks()]).when(open(ALICE, true)).by(BOB).refused(Refusal::NotFriends);
}

#[test]
fn strangers_who_become_friends_keep_their_conversation() {
    let history = [opened(HERE, Standing::first()), asked()];
    let accept = Command::Accept { request_id: R1, conversation_id: THERE };
    let standing = stands(2, true, []);
    let accepted = Event::Accepted { request_id: R1, from: ALICE, to: BOB, conversation_id: HERE, standing };
    given(history).when(accept).by(BOB).at(min(1)).then([accepted]);
}

#[test]
fn friends_no_more_begin_again_as_strangers_in_the_same_conversation() {
    let removed = Event::Removed { by: BOB, other: ALICE, conversation_id: HERE, standing: stands(2, false, []) };
    let history = || [asked(), ACCEPTED, removed.clone()];
    given(history()).when(open(BOB, false)).by(ALICE).refused(Refusal::NotFriends);
    let again = Command::Open { other: BOB, is_taken: true, conversation_id: THERE };
    given(history()).when(again).by(ALICE).then([opened(HERE, stands(3, true, []))]);
}

/// FRD-7, FRD-17: whatever happens, in whatever order.
#[test]
fn revisions_have_no_gaps_and_the_pair_has_one_conversation() {
    check(histories::<Friendship>(), |history| {
        let (mut state, mut conversation) = (State::default(), None);
        for (context, command) in history {
            for event in Friendship::decide(&state, &state, &context, &command).unwrap_or_default() {
                let before = state.standing.revision;
                Friendship::evolve(&mut state, &event);
                let said = matches!(
                    event,
                    Event::Accepted { .. }
                        | Event::Removed { .. }
                        | Event::Blocked { .. }
                        | Event::Unblocked { .. }
                        | Event::Opened { .. }
                );
                prop_assert_eq!(state.standing.revision, before + u64::from(said));
                prop_assert!(conversation.is_none() || conversation == state.conversation_id);
                conversation = state.conversation_id;
                prop_assert!(!state.friends || state.standing.is_open, "friends may talk: {:?}", state);
            }
        }
        Ok(())
    });
}

/// FRD-15, FRD-16: nobody becomes anything to the other while one of them blocks.
#[test]
fn nothing_begins_while_somebody_blocks() {
    check(histories::<Friendship>(), |history| {
        let mut state = State::default();
        for (context, command) in history {
            let barred = state.is_barred();
            for event in Friendship::decide(&state, &state, &context, &command).unwrap_or_default() {
                let begins = matches!(event, Event::Requested { .. } | Event::Accepted { .. } | Event::Opened { .. });
                prop_assert!(!(barred && begins), "{event:?} in {state:?}");
                Friendship::evolve(&mut state, &event);
            }
        }
        Ok(())
    });
}

#[test]
fn a_standing_is_shown_to_who_was_blocked_as_if_they_were_not() {
    check(standings(), |standing| {
        let without = Standing { barred_by: [].into(), ..standing.clone() };
        if !standing.barred_by.contains(&ALICE) {
            prop_assert_eq!(standing.is_open_to(ALICE), without.is_open_to(ALICE));
        }
        prop_assert!(!standing.lets_pass() || standing.is_open_to(ALICE));
        Ok(())
    });
}
