//! Which groups somebody owns: ACC-28.

use crate::{
    laws::{any_moments, ids},
    scenario::{self, min, sealed},
};
use natter_domain::{
    Code, ConversationId, Refusal as _,
    account::{Account, Command, Event, Refusal},
};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

fn group(number: u128) -> ConversationId {
    ConversationId(Uuid::from_u128(number))
}

fn given(history: impl IntoIterator<Item = Event>) -> scenario::Given<Account> {
    let started = Event::RegistrationStarted {
        username: sealed("alice"),
        nickname: sealed("Alice"),
        password_hash: "$argon2id$".into(),
        handles: vec![],
        expires_at: min(10),
        prefixes: vec![],
        email: None,
        phone: None,
        identity: None,
    };
    scenario::given([started, Event::Registered {}].into_iter().chain(history))
}

fn take(number: u128, max: usize) -> Command {
    Command::TakeGroup { conversation_id: group(number), max }
}

fn owned(number: u128) -> Event {
    Event::GroupOwned { conversation_id: group(number), at: min(0) }
}

#[test]
fn somebody_owns_so_many_groups_and_no_more() {
    given([owned(1)]).when(take(2, 2)).then([owned(2)]);
    given([owned(1), owned(2)]).when(take(3, 2)).refused(Refusal::TooManyGroups);
    given([owned(1), owned(2)]).when(take(2, 2)).silent();
    assert_eq!(Refusal::TooManyGroups.code(), Code::TooManyGroups);
}

#[test]
fn what_is_theirs_no_more_makes_room() {
    let left = |numbers: &[u128]| Event::GroupsLeft { conversation_ids: numbers.iter().copied().map(group).collect() };
    let leave = Command::LeaveGroups { conversation_ids: vec![group(1), group(9)] };
    given([owned(1), owned(2)]).when(leave.clone()).then([left(&[1])]);
    given([owned(2)]).when(leave).silent();
    given([owned(1), owned(2), left(&[1])]).when(take(3, 2)).then([owned(3)]);
}

#[test]
fn who_is_nobody_owns_nothing() {
    scenario::given::<Account>([]).when(take(1, 9)).refused(Refusal::NotFound);
}

pub fn asks() -> impl Strategy<Value = Command> {
    prop_oneof![
        (ids(), 0_usize..4).prop_map(|(conversation_id, max)| Command::TakeGroup { conversation_id, max }),
        vec(ids(), 0..3).prop_map(|conversation_ids| Command::LeaveGroups { conversation_ids }),
    ]
}

pub fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        (ids(), any_moments()).prop_map(|(conversation_id, at)| Event::GroupOwned { conversation_id, at }),
        vec(ids(), 0..3).prop_map(|conversation_ids| Event::GroupsLeft { conversation_ids }),
    ]
}
