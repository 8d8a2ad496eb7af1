//! Friendship: FRD-1 to FRD-9, and what holds for all of it. The rest: `friends.rs`, `blocks.rs`.

use crate::{
    laws::{
        Answer, HERE, Lawful, THERE, any_moments, check, conversations, counts, histories, ids, laws, people, seals,
    },
    scenario::{self, ALICE, BOB, CAROL, days, hours, just_before, min, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, FriendshipId, Refusal as _, RequestId, Timestamp,
    account::Change,
    conversation::Standing,
    friendship::{Command, Event, FriendChange, Friendship, Refusal, Source, State, address},
};
use proptest::{collection::btree_set, option, prelude::*, sample::select};
use uuid::Uuid;

pub const R1: RequestId = RequestId(Uuid::from_u128(1));
pub const R2: RequestId = RequestId(Uuid::from_u128(2));

pub fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Friendship> {
    scenario::given(history)
}

pub fn request(request_id: RequestId, from: AccountId, to: AccountId) -> Command {
    let message = Some(sealed("hello"));
    Command::Request { request_id, from, to, message, source: None, is_taken: true, conversation_id: HERE }
}

/// Asked at `at`, which gives the receiver seven days.
pub fn requested(request_id: RequestId, from: AccountId, to: AccountId, at: Timestamp) -> Event {
    let expires_at = Timestamp::from_millis(at.as_millis() + 7 * 24 * 60 * 60 * 1000);
    Event::Requested { request_id, from, to, message: Some(sealed("hello")), at, expires_at, source: None }
}

/// Alice has asked Bob, at the beginning.
pub fn asked() -> Event {
    requested(R1, ALICE, BOB, min(0))
}

pub const ACCEPT: Command = Command::Accept { request_id: R1, conversation_id: HERE };
pub const ACCEPTED: Event =
    Event::Accepted { request_id: R1, from: ALICE, to: BOB, conversation_id: HERE, standing: Standing::first() };
pub const REJECT: Command = Command::Reject { request_id: R1 };
pub const REJECTED: Event = Event::Rejected { request_id: R1, from: ALICE, to: BOB };

#[test]
fn a_request_is_made_for_seven_days() {
    given([]).when(request(R1, ALICE, BOB)).by(ALICE).at(min(3)).then([requested(R1, ALICE, BOB, min(3))]);
}

#[test]
fn nobody_befriends_themselves() {
    given([]).when(request(R1, ALICE, ALICE)).by(ALICE).refused(Refusal::SelfNotAllowed);
}

#[test]
fn nobody_asks_in_anothers_name() {
    given([]).when(request(R1, ALICE, BOB)).by(BOB).refused(Refusal::Forbidden);
    given([]).when(request(R1, ALICE, BOB)).by(CAROL).refused(Refusal::Forbidden);
    given([]).when(request(R1, ALICE, BOB)).refused(Refusal::Forbidden);
}

#[test]
fn friends_do_not_ask_each_other() {
    given([asked(), ACCEPTED]).when(request(R2, ALICE, BOB)).by(ALICE).at(days(30)).refused(Refusal::AlreadyFriends);
    given([asked(), ACCEPTED]).when(request(R2, BOB, ALICE)).by(BOB).at(days(30)).refused(Refusal::AlreadyFriends);
}

#[test]
fn a_request_while_ones_own_is_pending_is_repeated() {
    given([asked()]).when(request(R2, ALICE, BOB)).by(ALICE).at(min(1)).refused(Refusal::RequestRepeated);
    given([asked()]).when(request(R1, ALICE, BOB)).by(ALICE).at(min(1)).refused(Refusal::RequestRepeated);
    given([asked()]).when(request(R2, ALICE, BOB)).by(ALICE).at(days(6)).refused(Refusal::RequestRepeated);
}

#[test]
fn a_request_within_24_hours_of_ones_last_is_repeated() {
    given([asked(), REJECTED])
        .when(request(R2, ALICE, BOB))
        .by(ALICE)
        .at(just_before(hours(24)))
        .refused(Refusal::RequestRepeated);
}

#[test]
fn a_rejected_person_may_ask_again_after_24_hours() {
    given([asked(), REJECTED]).when(request(R2, ALICE, BOB)).by(ALICE).at(hours(24)).then([requested(
        R2,
        ALICE,
        BOB,
        hours(24),
    )]);
}

#[test]
fn a_person_may_ask_again_when_their_request_has_expired() {
    given([asked()]).when(request(R2, ALICE, BOB)).by(ALICE).at(just_before(days(7))).refused(Refusal::RequestRepeated);
    given([asked()]).when(request(R2, ALICE, BOB)).by(ALICE).at(days(7)).then([requested(R2, ALICE, BOB, days(7))]);
}

#[test]
fn who_rejected_may_ask_at_once() {
    given([asked(), REJECTED]).when(request(R2, BOB, ALICE)).by(BOB).at(min(1)).then([requested(
        R2,
        BOB,
        ALICE,
        min(1),
    )]);
}

#[test]
fn a_request_to_the_one_who_asked_accepts_theirs() {
    given([asked()]).when(request(R2, BOB, ALICE)).by(BOB).at(min(1)).then([ACCEPTED]);
}

#[test]
fn a_request_to_the_one_who_asked_accepts_theirs_even_within_24_hours_of_ones_own() {
    let history = [asked(), REJECTED, requested(R2, BOB, ALICE, min(1))];
    let accepted =
        Event::Accepted { request_id: R2, from: BOB, to: ALICE, conversation_id: HERE, standing: Standing::first() };
    given(history).when(request(RequestId(Uuid::from_u128(3)), ALICE, BOB)).by(ALICE).at(min(2)).then([accepted]);
}

#[test]
fn a_request_to_one_whose_own_has_expired_is_a_new_request() {
    given([asked()]).when(request(R2, BOB, ALICE)).by(BOB).at(days(7)).then([requested(R2, BOB, ALICE, days(7))]);
}

#[test]
fn an_id_names_one_request_for_ever() {
    given([asked(), REJECTED]).when(request(R1, ALICE, BOB)).by(ALICE).at(days(2)).refused(Refusal::IdTaken);
    given([asked()]).when(request(R1, BOB, ALICE)).by(BOB).at(days(8)).refused(Refusal::IdTaken);
}

#[test]
fn the_receiver_accepts() {
    given([asked()]).when(ACCEPT).by(BOB).at(min(1)).then([ACCEPTED]);
}

#[test]
fn accepting_again_is_silent_for_the_receiver_whenever() {
    given([asked(), ACCEPTED]).when(ACCEPT).by(BOB).at(min(2)).silent();
    given([asked(), ACCEPTED]).when(ACCEPT).by(BOB).at(days(30)).silent();
}

#[test]
fn the_receiver_rejects_and_rejecting_again_is_silent() {
    given([asked()]).when(REJECT).by(BOB).at(min(1)).then([REJECTED]);
    given([asked(), REJECTED]).when(REJECT).by(BOB).at(min(2)).silent();
    given([asked(), REJECTED]).when(REJECT).by(BOB).at(days(30)).silent();
}

#[test]
fn a_rejected_request_is_closed_to_acceptance() {
    given([asked(), REJECTED]).when(ACCEPT).by(BOB).at(min(2)).refused(Refusal::RequestClosed);
}

#[test]
fn an_accepted_request_is_closed_to_rejection() {
    given([asked(), ACCEPTED]).when(REJECT).by(BOB).at(min(2)).refused(Refusal::RequestClosed);
}

#[test]
fn a_request_is_answered_until_it_expires_and_not_then() {
    given([asked()]).when(ACCEPT).by(BOB).at(just_before(days(7))).then([ACCEPTED]);
    given([asked()]).when(REJECT).by(BOB).at(just_before(days(7))).then([REJECTED]);
    given([asked()]).when(ACCEPT).by(BOB).at(days(7)).refused(Refusal::RequestClosed);
    given([asked()]).when(REJECT).by(BOB).at(days(7)).refused(Refusal::RequestClosed);
}

#[test]
fn an_old_request_is_still_known_as_closed_after_a_newer_one() {
    let history = || [asked(), REJECTED, requested(R2, ALICE, BOB, days(2))];
    given(history()).when(ACCEPT).by(BOB).at(days(3)).refused(Refusal::RequestClosed);
    given(history()).when(REJECT).by(BOB).at(days(3)).silent();
}

#[test]
fn the_sender_does_not_answer_their_own_request() {
    for history in [vec![asked()], vec![asked(), ACCEPTED], vec![asked(), REJECTED]] {
        for command in [ACCEPT, REJECT] {
            scenario::given::<Friendship>(history.clone())
                .when(command)
                .by(ALICE)
                .at(min(1))
                .refused(Refusal::Forbidden);
        }
    }
}

#[test]
fn a_stranger_learns_nothing() {
    for command in [ACCEPT, REJECT] {
        given([asked()]).when(command.clone()).by(CAROL).refused(Refusal::NotFound);
        given([asked(), ACCEPTED]).when(command.clone()).by(CAROL).refused(Refusal::NotFound);
        given([asked()]).when(command).refused(Refusal::NotFound);
    }
}

#[test]
fn a_request_that_is_not_this_pairs_is_not_found() {
    for command in [ACCEPT, REJECT] {
        given([]).when(command.clone()).by(BOB).refused(Refusal::NotFound);
        given([requested(R2, ALICE, BOB, min(0))]).when(command).by(BOB).refused(Refusal::NotFound);
    }
}

#[test]
fn the_pair_keeps_its_conversation_for_ever() {
    let mut state = State { conversation_id: Some(HERE), ..State::default() };
    Friendship::evolve(&mut state, &asked());
    let context = natter_domain::Context { actor: Some(BOB), session: None, now: min(1) };
    let accept = Command::Accept { request_id: R1, conversation_id: THERE };
    assert_eq!(Friendship::decide(&state, &state, &context, &accept), Ok(vec![ACCEPTED]));
    let ask_back = Command::Request {
        request_id: R2,
        from: BOB,
        to: ALICE,
        message: None,
        source: None,
        is_taken: false,
        conversation_id: THERE,
    };
    assert_eq!(Friendship::decide(&state, &state, &context, &ask_back), Ok(vec![ACCEPTED]));
}

#[test]
fn one_request_of_the_pair_is_pending_at_most() {
    check(histories::<Friendship>(), |history| {
        let mut state = State::default();
        for (context, command) in history {
            for event in Friendship::decide(&state, &state, &context, &command).unwrap_or_default() {
                Friendship::evolve(&mut state, &event);
            }
            let pending = state.requests.values().filter(|request| request.is_pending(context.now)).count();
            prop_assert!(pending <= 1, "{pending} are pending: {state:?}");
            prop_assert!(!(state.friends && pending > 0), "friends, and yet one is pending: {state:?}");
        }
        Ok(())
    });
}

#[test]
fn its_refusals_have_their_codes() {
    assert_eq!(Refusal::SelfNotAllowed.code(), Code::SelfNotAllowed);
    assert_eq!(Refusal::RequestsNotTaken.code(), Code::RequestsNotTaken);
    assert_eq!(Refusal::AlreadyFriends.code(), Code::AlreadyFriends);
    assert_eq!(Refusal::RequestRepeated.code(), Code::RequestRepeated);
    assert_eq!(Refusal::RequestClosed.code(), Code::RequestClosed);
    assert_eq!(Refusal::Forbidden.code(), Code::Forbidden);
    assert_eq!(Refusal::NotFound.code(), Code::NotFound);
    assert_eq!(Refusal::IdTaken.code(), Code::Conflict);
    assert_eq!(Refusal::Blocking.code(), Code::Conflict);
    assert_eq!(Refusal::NotFriends.code(), Code::NotFriends);
    assert_eq!(Refusal::NotDue.code(), Code::Unavailable, "the timer asks again");
}

#[test]
fn it_lives_in_the_pairs_lane_whoever_is_named_first() {
    let pair = FriendshipId::of(ALICE, BOB);
    assert_eq!(pair, FriendshipId::of(BOB, ALICE));
    assert_ne!(pair, FriendshipId::of(ALICE, CAROL));
    assert_eq!(pair.to_string(), "1fbfa660-c83c-88a5-9707-f137bb30e15e", "it is in the log, for ever");
    let place = address(pair);
    assert_eq!((place.noun, place.id, place.route), (Friendship::NOUN, pair.0, pair.0));
}

impl Lawful for Friendship {
    /// Of one pair, as the address has it; anybody may try.
    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let pair = || select(vec![(ALICE, BOB), (BOB, ALICE)]);
        let request = (pair(), ids(), option::of(seals()), option::of(select(Source::ALL.to_vec())), conversations())
            .prop_map(|((from, to), request_id, message, source, conversation_id)| {
                let is_taken = true;
                (Some(from), Command::Request { request_id, from, to, message, source, is_taken, conversation_id })
            });
        let accept = (option::of(people()), ids(), conversations())
            .prop_map(|(actor, request_id, conversation_id)| (actor, Command::Accept { request_id, conversation_id }));
        let end = (option::of(people()), ids(), 0..4).prop_map(|(actor, request_id, how)| {
            let command = match how {
                0 => Command::Reject { request_id },
                1 => Command::Cancel { request_id },
                2 => Command::Ignore { request_id },
                _ => Command::Expire { request_id },
            };
            (actor, command)
        });
        let relate =
            (pair(), any::<bool>(), conversations(), 0..4).prop_map(|((by, other), yes, conversation_id, how)| {
                let command = match how {
                    0 => Command::Remove { other },
                    1 => Command::Block { other, is_known: yes },
                    2 => Command::Unblock { other },
                    _ => Command::Open { other, is_taken: yes, conversation_id },
                };
                (Some(by), command)
            });
        let note =
            (pair(), option::of(seals()), option::of(any::<bool>())).prop_map(|((by, friend), remark, starred)| {
                let remark = remark.map_or(Change::Clear, Change::Set);
                (
                    Some(by),
                    Command::ChangeFriend { friend, change: FriendChange { remark, starred, ..Default::default() } },
                )
            });
        prop_oneof![4 => request, 2 => accept, 4 => end, 4 => relate, 1 => note].boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let requested = (ids(), people(), people(), option::of(seals()), any_moments(), any_moments()).prop_map(
            |(request_id, from, to, message, at, expires_at)| Event::Requested {
                request_id,
                from,
                to,
                message,
                at,
                expires_at,
                source: None,
            },
        );
        let ended = (ids(), people(), people(), conversations(), standings(), 0..5).prop_map(
            |(request_id, from, to, conversation_id, standing, how)| match how {
                0 => Event::Accepted { request_id, from, to, conversation_id, standing },
                1 => Event::Rejected { request_id, from, to },
                2 => Event::Cancelled { request_id, from, to },
                3 => Event::Ignored { request_id, from, to },
                _ => Event::Expired { request_id, from, to },
            },
        );
        let stood = (people(), people(), conversations(), standings(), 0..4).prop_map(
            |(by, other, conversation_id, standing, how)| match how {
                0 => Event::Removed { by, other, conversation_id, standing },
                1 => Event::Blocked { by, other, conversation_id: Some(conversation_id), standing },
                2 => Event::Unblocked { by, other, conversation_id: None, standing },
                _ => Event::Opened { by, other, conversation_id, standing },
            },
        );
        let noted =
            (people(), people(), option::of(seals()), any::<bool>()).prop_map(|(account, friend, remark, starred)| {
                Event::FriendChanged { account, friend, remark, folder: None, starred }
            });
        prop_oneof![requested, ended, stood, noted].boxed()
    }

    fn again(command: &Command, first: &[Event]) -> Answer<Self> {
        match (command, first) {
            (Command::Request { .. }, [Event::Requested { .. }]) => Err(Refusal::RequestRepeated),
            (Command::Request { .. }, [Event::Accepted { .. }]) => Err(Refusal::AlreadyFriends),
            _ => Ok(vec![]),
        }
    }
}

pub fn standings() -> impl Strategy<Value = Standing> {
    (counts(), any::<bool>(), btree_set(people(), 0..3)).prop_map(|(revision, is_open, barred_by)| Standing {
        revision,
        is_open,
        barred_by,
    })
}

laws!(Friendship);
