//! Channels: CNV-19, and what of the rules of groups holds for them.

use crate::{
    laws::HERE,
    scenario::{self, ALICE, BOB, CAROL, given, min, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, Refusal as _,
    account::Change as Field,
    conversation::{
        Asked, Change, Command, Conversation, Event, JoinPolicy, Kind, MemberChange, PermissionsChange, Power, Refusal,
        Role, State, SystemMessage,
    },
    message::{self, Message},
};
use std::time::Duration;
use uuid::Uuid;

pub(crate) fn started() -> Event {
    Event::Started { kind: Kind::Channel, members: vec![], name: Some(sealed("news")), owner: Some(ALICE) }
}

fn start(name: &str) -> Command {
    Command::StartChannel { name: sealed(name) }
}

fn given_all(history: impl IntoIterator<Item = Event>) -> scenario::Given<Conversation> {
    given(std::iter::once(started()).chain(history))
}

pub(crate) fn state(history: impl IntoIterator<Item = Event>) -> State {
    let mut state = State::default();
    for event in std::iter::once(started()).chain(history) {
        Conversation::evolve(&mut state, &event);
    }
    state
}

pub(crate) fn banned(account_id: AccountId) -> Event {
    Event::Banned { account_id, by: ALICE }
}

fn admin(seq: u64, account_id: AccountId) -> Event {
    Event::RoleChanged { seq, account_id, role: Role::Admin, by: ALICE }
}

/// Whoever is there may write.
fn open_to_all() -> Event {
    let mut permissions = state([]).card.permissions;
    permissions.post = Role::Member;
    Event::Changed { change: Change::Permissions(permissions), by: ALICE, last_seq: 1 }
}

fn send() -> Command {
    crate::group::send()
}

fn sent(seq: u64, sender: AccountId) -> Event {
    crate::group::sent(seq, sender)
}

#[test]
fn a_channel_begins_once_and_is_whose_it_was() {
    given::<Conversation>([]).when(start("news")).by(ALICE).then([started()]);
    given::<Conversation>([]).when(start("news")).refused(Refusal::NotFound);
    given::<Conversation>([started()]).when(start("news")).by(ALICE).silent();
    given::<Conversation>([started()]).when(start("other")).by(ALICE).refused(Refusal::StartedOtherwise);
    given::<Conversation>([started()]).when(start("news")).by(BOB).refused(Refusal::StartedOtherwise);
    given::<Conversation>([crate::group::direct()]).when(start("news")).by(ALICE).refused(Refusal::StartedOtherwise);
    let told = SystemMessage::of(&started()).expect("it is a message");
    assert_eq!((told.seq, told.code, Kind::Channel.as_str()), (1, "channel.created", "channel"));
}

#[test]
fn its_owner_writes_and_the_others_listen() {
    given_all([]).when(send()).by(ALICE).then([sent(2, ALICE)]);
    given_all([]).when(send()).by(BOB).refused(Refusal::NotAllowed);
    given_all([admin(2, BOB)]).when(send()).by(BOB).then([sent(3, BOB)]);
}

#[test]
fn where_it_is_open_to_all_whoever_comes_writes() {
    let permissions = PermissionsChange { post: Some(Role::Member), ..PermissionsChange::default() };
    let open = Command::Change { name: None, changes: vec![], permissions: Some(permissions) };
    given_all([]).when(open.clone()).by(ALICE).then([open_to_all()]);
    given_all([]).when(open).by(BOB).refused(Refusal::NotAllowed);
    given_all([open_to_all()]).when(send()).by(BOB).then([sent(2, BOB)]);
    let slow = Event::Changed { change: Change::SlowMode(60), by: ALICE, last_seq: 2 };
    let wait = Event::Paused { account_id: BOB, at: min(0), until: min(1) };
    given_all([open_to_all(), slow]).when(send()).by(BOB).then([sent(3, BOB), wait]);
}

#[test]
fn everybody_sees_all_of_it_but_who_is_banned() {
    let channel = state([sent(2, ALICE), banned(CAROL)]);
    for (who, sees) in [(ALICE, true), (BOB, true), (CAROL, false)] {
        assert_eq!((channel.is_in(who), channel.sees(who, 1), channel.knows(who)), (sees, sees, sees), "{who}");
        assert_eq!(channel.joined_seq(who), sees.then_some(0));
    }
    assert_eq!(channel.members.len(), 0, "nothing is remembered of who reads it");
    given_all([banned(BOB), open_to_all()]).when(send()).by(BOB).refused(Refusal::Banned);
    given_all([banned(BOB), Event::Unbanned { account_id: BOB, by: ALICE }, open_to_all()])
        .when(send())
        .by(BOB)
        .then([sent(2, BOB)]);
}

#[test]
fn what_becomes_of_a_message_is_for_who_takes_part() {
    let sent_at = min(0);
    let (conversation_id, message_id) = (HERE, crate::laws::HELLO);
    let message = message::Place { conversation_id, message_id, seq: 2, sender: Some(ALICE), sent_at };
    let react = || message::Command::React { message, emoji: "a".into() };
    let given = |host| scenario::given::<Message>([]).within(host);
    let reacted = message::Event::Reacted { message, account_id: BOB, emoji: "a".into(), count: 1 };
    given(state([sent(2, ALICE)])).when(react()).by(BOB).then([reacted]);
    given(state([sent(2, ALICE), banned(BOB)])).when(react()).by(BOB).refused(message::Refusal::NotFound);
    let pin = message::Command::Pin { message };
    given(state([sent(2, ALICE)])).when(pin).by(BOB).refused(message::Refusal::NotAllowed);
}

fn change(account: AccountId, change: MemberChange) -> Command {
    Command::ChangeMember { account, change }
}

#[test]
fn who_is_what_need_not_be_a_member() {
    let set = |account, role| change(account, MemberChange { role: Some(role), ..MemberChange::default() });
    given_all([]).when(set(BOB, Role::Admin)).by(ALICE).then([admin(2, BOB)]);
    given_all([]).when(set(BOB, Role::Admin)).by(CAROL).refused(Refusal::NotAllowed);
    let owner = Event::OwnerChanged { seq: 2, account_id: BOB, by: ALICE };
    given_all([]).when(set(BOB, Role::Owner)).by(ALICE).then([owner.clone()]);
    let after = state([owner]);
    assert_eq!((after.role(BOB), after.role(ALICE)), (Some(Role::Owner), Some(Role::Admin)));
    given_all([banned(BOB)]).when(set(BOB, Role::Admin)).by(ALICE).refused(Refusal::NobodyOfThisId);
}

#[test]
fn who_is_banned_is_an_admin_no_more() {
    let ban = |account| Command::Ban { account };
    given_all([admin(2, BOB)]).when(ban(BOB)).by(ALICE).then([banned(BOB)]);
    let after = state([admin(2, BOB), banned(BOB), Event::Unbanned { account_id: BOB, by: ALICE }]);
    assert_eq!(after.role(BOB), Some(Role::Member));
    // Nobody who is not below.
    given_all([admin(2, BOB), admin(3, CAROL)]).when(ban(CAROL)).by(BOB).refused(Refusal::NotAllowed);
    given_all([admin(2, BOB)]).when(ban(ALICE)).by(BOB).refused(Refusal::NotAllowed);
    given_all([]).when(ban(BOB)).by(CAROL).refused(Refusal::NotAllowed);
}

#[test]
fn who_is_muted_writes_nothing_until_then() {
    let mute = change(BOB, MemberChange { muted_until: Field::Set(min(10)), ..MemberChange::default() });
    let muted = Event::MemberMuted { account_id: BOB, until: Some(min(10)), by: ALICE, last_seq: 1 };
    given_all([]).when(mute).by(ALICE).then([muted.clone()]);
    let of_bob = |now| given_all([open_to_all(), muted.clone()]).when(send()).by(BOB).at(now);
    of_bob(min(9)).refused(Refusal::Muted { until: Some(min(10)) });
    of_bob(min(10)).then([sent(2, BOB)]);
}

/// Nobody is let in, for nobody has to be.
#[test]
fn what_lets_people_into_groups_is_not_for_channels() {
    let link_id = Uuid::from_u128(7);
    let commands = [
        Command::AddMembers {
            accounts: vec![BOB],
            asked: Asked { coming: [BOB].into(), members_max: 9, ..Asked::default() },
        },
        Command::RemoveMember { account: BOB },
        Command::RemoveMember { account: ALICE },
        change(ALICE, MemberChange { nickname: Field::Set((sealed("queen"), None)), ..MemberChange::default() }),
        Command::Approve { account: BOB, members_max: 9 },
        Command::Uninvite { account: BOB },
        Command::MakeLink { link_id, secret: sealed("secret"), expires_at: None, uses: None },
        Command::RevokeLink { link_id },
        Command::Change { name: None, changes: vec![Change::JoinPolicy(JoinPolicy::Closed)], permissions: None },
        Command::Change { name: None, changes: vec![Change::SharesHistory(false)], permissions: None },
    ];
    for command in commands {
        given_all([]).when(command).by(ALICE).refused(Refusal::NotAGroup);
    }
    let join = Command::Join { link: None, message: None, members_max: 9 };
    given_all([]).when(join.clone()).by(BOB).refused(Refusal::NotAGroup);
    given_all([banned(BOB)]).when(join).by(BOB).refused(Refusal::NotFound);
}

#[test]
fn its_owner_sets_it_up_and_ends_it() {
    let renamed = Event::Renamed { name: sealed("more news"), by: ALICE, last_seq: 2, is_message: true };
    let rename = Command::Change { name: Some(sealed("more news")), changes: vec![], permissions: None };
    given_all([]).when(rename.clone()).by(ALICE).then([renamed]);
    given_all([]).when(rename).by(BOB).refused(Refusal::NotAllowed);
    let announce = Command::Announce { text: Some(sealed("tonight")) };
    given_all([]).when(announce).by(ALICE).then([Event::Announced {
        seq: 2,
        text: Some(sealed("tonight")),
        by: ALICE,
    }]);
    let dissolve = Command::Dissolve { kept_for: Duration::from_secs(600) };
    let dissolved = Event::Dissolved { seq: 2, by: ALICE, ends_at: min(10) };
    given_all([]).when(dissolve.clone()).by(ALICE).then([dissolved.clone()]);
    given_all([]).when(dissolve).by(BOB).refused(Refusal::NotAllowed);
    given_all([dissolved.clone()]).when(send()).by(ALICE).refused(Refusal::Closed);
    // For nobody, not even for its owner.
    given_all([dissolved.clone(), Event::Ended {}]).when(send()).by(ALICE).refused(Refusal::NotFound);
    assert_eq!(state([dissolved, Event::Ended {}]).joined_seq(BOB), None);
}

#[test]
fn nothing_else_is_open_to_everybody() {
    for event in [crate::group::direct(), crate::group::started(&[ALICE])] {
        let mut state = State::default();
        Conversation::evolve(&mut state, &event);
        assert!(!state.is_in(CAROL) && !state.sees(CAROL, 1) && !state.may(CAROL, Power::Pin));
    }
    assert_eq!(Refusal::Banned.code(), Code::Banned);
}
