//! Who is what and may do what: CNV-7, CNV-10 to CNV-12, CNV-14, CNV-15.

use super::{add, direct, given, joined, left, remove, rename, send, sent, started};
use crate::scenario::{ALICE, BOB, CAROL, days, just_before, min, sealed};
use natter_domain::{
    AccountId, Decider,
    account::Change as Field,
    conversation::{
        Beginning, Bucket, Change, Command, Conversation, Event, JoinPolicy, Kind, MemberChange, Permissions,
        PermissionsChange, Power, Refusal, Role, State, SystemMessage,
    },
};
use std::time::Duration;
use uuid::Uuid;

const DAVE: AccountId = AccountId(Uuid::from_u128(0xd));
const WHILE: Duration = Duration::from_secs(3_600);

fn set_role(account: AccountId, role: Role) -> Command {
    Command::ChangeMember { account, change: MemberChange { role: Some(role), ..MemberChange::default() } }
}

fn role_changed(seq: u64, account_id: AccountId, role: Role, by: AccountId) -> Event {
    Event::RoleChanged { seq, account_id, role, by }
}

/// Alice owns, bob is an admin, carol and dave are members; the newest message is the second.
fn ranks() -> [Event; 2] {
    [started(&[ALICE, BOB, CAROL, DAVE]), role_changed(2, BOB, Role::Admin, ALICE)]
}

fn mute(account: AccountId, minutes: Option<i64>) -> Command {
    let muted_until = minutes.map_or(Field::Clear, |minutes| Field::Set(min(minutes)));
    Command::ChangeMember { account, change: MemberChange { muted_until, ..MemberChange::default() } }
}

fn call(account: AccountId, name: Option<&str>) -> Command {
    let nickname = name.map_or(Field::Clear, |name| Field::Set((sealed(name), Some(Bucket(17)))));
    Command::ChangeMember { account, change: MemberChange { nickname, ..MemberChange::default() } }
}

fn called(account_id: AccountId, name: Option<&str>, by: AccountId) -> Event {
    Event::NicknameChanged { account_id, nickname: name.map(sealed), bucket: name.map(|_| Bucket(17)), by, last_seq: 2 }
}

fn muted(account_id: AccountId, minutes: Option<i64>, by: AccountId) -> Event {
    Event::MemberMuted { account_id, until: minutes.map(min), by, last_seq: 2 }
}

fn change(change: Change) -> Command {
    Command::Change { name: None, changes: vec![change], permissions: None }
}

fn changed(change: Change, by: AccountId, last_seq: u64) -> Event {
    Event::Changed { change, by, last_seq }
}

fn and<const N: usize>(history: [Event; N], more: impl IntoIterator<Item = Event>) -> Vec<Event> {
    history.into_iter().chain(more).collect()
}

fn given_all(history: Vec<Event>) -> crate::scenario::Given<Conversation> {
    crate::scenario::given(history)
}

#[test]
fn the_owner_makes_admins_and_takes_it_back() {
    given([started(&[ALICE, BOB])]).when(set_role(BOB, Role::Admin)).by(ALICE).then([role_changed(
        2,
        BOB,
        Role::Admin,
        ALICE,
    )]);
    given(ranks()).when(set_role(BOB, Role::Admin)).by(ALICE).silent();
    given(ranks()).when(set_role(BOB, Role::Member)).by(ALICE).then([role_changed(3, BOB, Role::Member, ALICE)]);
}

#[test]
fn nobody_changes_what_they_are_themselves_but_an_admin_steps_down() {
    given(ranks()).when(set_role(BOB, Role::Member)).by(BOB).then([role_changed(3, BOB, Role::Member, BOB)]);
    for (who, role) in [(ALICE, Role::Admin), (ALICE, Role::Member), (BOB, Role::Owner), (CAROL, Role::Admin)] {
        given(ranks()).when(set_role(who, role)).by(who).refused(Refusal::NotAllowed);
    }
    given(ranks()).when(set_role(ALICE, Role::Owner)).by(ALICE).silent();
}

#[test]
fn roles_are_the_owners_to_give() {
    for by in [BOB, CAROL] {
        given(ranks()).when(set_role(DAVE, Role::Admin)).by(by).refused(Refusal::NotAllowed);
        given(ranks()).when(set_role(ALICE, Role::Member)).by(by).refused(Refusal::NotAllowed);
    }
    let stranger = AccountId(Uuid::from_u128(0xe));
    given(ranks()).when(set_role(stranger, Role::Admin)).by(ALICE).refused(Refusal::NobodyOfThisId);
    given([direct()]).when(set_role(BOB, Role::Admin)).by(ALICE).refused(Refusal::NotAGroup);
}

#[test]
fn a_group_is_handed_over_to_one_who_is_in() {
    let handed = Event::OwnerChanged { seq: 3, account_id: CAROL, by: ALICE };
    given(ranks()).when(set_role(CAROL, Role::Owner)).by(ALICE).then([handed.clone()]);
    let stranger = AccountId(Uuid::from_u128(0xe));
    given(ranks()).when(set_role(stranger, Role::Owner)).by(ALICE).refused(Refusal::NobodyOfThisId);
    given(ranks()).when(set_role(CAROL, Role::Owner)).by(BOB).refused(Refusal::NotAllowed);
    // Alice is an admin from now on, and may go.
    let mut state = State::default();
    for event in and(ranks(), [handed.clone()]) {
        Conversation::evolve(&mut state, &event);
    }
    assert_eq!([ALICE, BOB, CAROL].map(|who| state.role(who)), [Role::Admin, Role::Admin, Role::Owner].map(Some));
    given_all(and(ranks(), [handed.clone()])).when(remove(ALICE)).by(ALICE).then([left(4, ALICE, ALICE, 0)]);
    given_all(and(ranks(), [handed])).when(remove(CAROL)).by(CAROL).refused(Refusal::OwnerMustStay);
}

#[test]
fn admins_are_over_members_and_the_owner_over_all() {
    // Who does it, to whom, and whether they may.
    let table = [
        (ALICE, BOB, true),
        (ALICE, CAROL, true),
        (BOB, CAROL, true),
        (BOB, ALICE, false),
        (CAROL, DAVE, false),
        (CAROL, BOB, false),
        (CAROL, ALICE, false),
    ];
    for (by, whom, may) in table {
        let asks: [(Command, Vec<Event>); 3] = [
            (remove(whom), vec![left(3, whom, by, 0)]),
            (mute(whom, Some(60)), vec![muted(whom, Some(60), by)]),
            (Command::Ban { account: whom }, vec![left(3, whom, by, 0), Event::Banned { account_id: whom, by }]),
        ];
        for (command, events) in asks {
            let asked = given(ranks()).when(command).by(by);
            if may { asked.then(events) } else { asked.refused(Refusal::NotAllowed) }
        }
    }
    // Of the same rank nobody is over the other.
    let two = || and(ranks(), [role_changed(3, CAROL, Role::Admin, ALICE)]);
    given_all(two()).when(remove(CAROL)).by(BOB).refused(Refusal::NotAllowed);
}

#[test]
fn who_leaves_is_no_admin_when_they_come_back() {
    let history = and(ranks(), [left(3, BOB, BOB, 0), joined(4, &[BOB], ALICE)]);
    given_all(history).when(remove(CAROL)).by(BOB).refused(Refusal::NotAllowed);
}

#[test]
fn who_is_muted_writes_nothing_until_then() {
    let history = || and(ranks(), [muted(CAROL, Some(60), BOB)]);
    let refused = Refusal::Muted { until: Some(min(60)) };
    given_all(history()).when(send()).by(CAROL).at(just_before(min(60))).refused(refused);
    given_all(history()).when(send()).by(CAROL).at(min(60)).then([sent(3, CAROL)]);
    given_all(history()).when(mute(CAROL, Some(60))).by(BOB).silent();
    given_all(history()).when(mute(CAROL, None)).by(BOB).then([muted(CAROL, None, BOB)]);
    given_all(history()).when(mute(CAROL, None)).by(BOB).at(min(60)).silent();
    given_all(history()).when(mute(CAROL, Some(60))).by(BOB).at(min(60)).refused(Refusal::Past);
    let freed = and(ranks(), [muted(CAROL, Some(60), BOB), muted(CAROL, None, BOB)]);
    given_all(freed).when(send()).by(CAROL).then([sent(3, CAROL)]);
    // Leaving and coming back does not help.
    let back = and(ranks(), [muted(CAROL, Some(60), BOB), left(3, CAROL, CAROL, 0), joined(4, &[CAROL], ALICE)]);
    given_all(back).when(send()).by(CAROL).refused(refused);
}

#[test]
fn while_all_are_muted_only_admins_write() {
    let history = || and(ranks(), [changed(Change::Muted(true), ALICE, 3)]);
    given_all(history()).when(send()).by(CAROL).refused(Refusal::Muted { until: None });
    for admin in [ALICE, BOB] {
        given_all(history()).when(send()).by(admin).then([sent(4, admin)]);
    }
}

/// A name and a description are read by all.
#[test]
fn who_is_muted_does_not_write_by_the_card() {
    let card =
        [rename("other"), change(Change::Description(Some(sealed("us")))), change(Change::Avatar(Some(Uuid::nil())))];
    for command in card {
        let one = || and(ranks(), [muted(CAROL, Some(60), BOB)]);
        let refused = Refusal::Muted { until: Some(min(60)) };
        given_all(one()).when(command.clone()).by(CAROL).at(just_before(min(60))).refused(refused);
        assert!(is_done(&one(), CAROL, &command, 60) && is_done(&one(), DAVE, &command, 0));
        let all = || and(ranks(), [changed(Change::Muted(true), ALICE, 3)]);
        given_all(all()).when(command.clone()).by(CAROL).refused(Refusal::Muted { until: None });
        assert!(is_done(&all(), BOB, &command, 0), "admins are never silent");
    }
    let history = and(ranks(), [muted(CAROL, Some(60), BOB)]);
    given_all(history).when(rename("name")).by(CAROL).silent();
}

fn is_done(history: &[Event], by: AccountId, command: &Command, minutes: i64) -> bool {
    let mut state = State::default();
    history.iter().for_each(|event| Conversation::evolve(&mut state, event));
    let context = natter_domain::Context { actor: Some(by), session: None, now: min(minutes) };
    Conversation::decide(&state, &state, &context, command).is_ok_and(|events| !events.is_empty())
}

#[test]
fn what_is_remembered_of_slow_mode_stays_small() {
    let mut state = State::default();
    let after = |seconds: i64| natter_domain::Timestamp::from_millis(min(0).as_millis() + seconds * 1_000);
    let paused = |account_id, at| Event::Paused { account_id, at: after(at), until: after(at + 30) };
    for event in [started(&[ALICE]), changed(Change::SlowMode(30), ALICE, 2)] {
        Conversation::evolve(&mut state, &event);
    }
    for (index, account) in super::crowd(256).into_iter().enumerate() {
        Conversation::evolve(&mut state, &paused(account, index as i64 % 8));
    }
    assert_eq!(state.curbs.paused.len(), 256);
    // Those who wrote in the first half have waited.
    Conversation::evolve(&mut state, &paused(CAROL, 33));
    assert_eq!(state.curbs.paused.len(), 129, "the other half, and carol");
}

#[test]
fn in_slow_mode_members_wait_between_two_messages() {
    let slow = changed(Change::SlowMode(30), ALICE, 3);
    let after = |seconds: i64| natter_domain::Timestamp::from_millis(min(0).as_millis() + seconds * 1_000);
    let paused = |at| Event::Paused { account_id: CAROL, at: after(at), until: after(at + 30) };
    let history = || and(ranks(), [slow.clone()]);
    given_all(history()).when(send()).by(CAROL).then([sent(4, CAROL), paused(0)]);
    given_all(history()).when(send()).by(BOB).then([sent(4, BOB)]);
    let spoken = || and(ranks(), [slow.clone(), sent(4, CAROL), paused(0)]);
    given_all(spoken()).when(send()).by(CAROL).at(after(29)).refused(Refusal::TooSoon { until: after(30) });
    given_all(spoken()).when(send()).by(CAROL).at(after(30)).then([sent(5, CAROL), paused(30)]);
    given_all(spoken())
        .when(send())
        .by(DAVE)
        .at(after(1))
        .then([sent(5, DAVE), Event::Paused { account_id: DAVE, at: after(1), until: after(31) }]);
    let off = and(ranks(), [slow.clone(), sent(4, CAROL), paused(0), changed(Change::SlowMode(0), ALICE, 5)]);
    given_all(off).when(send()).by(CAROL).at(after(1)).then([sent(6, CAROL)]);
    // Another rule is for all from now on.
    let shorter = and(ranks(), [slow.clone(), sent(4, CAROL), paused(0), changed(Change::SlowMode(5), ALICE, 5)]);
    let waits = Event::Paused { account_id: CAROL, at: after(1), until: after(6) };
    given_all(shorter).when(send()).by(CAROL).at(after(1)).then([sent(6, CAROL), waits]);
}

#[test]
fn permissions_say_what_members_may() {
    let powers = [
        (Power::Invite, Permissions { invite: Role::Admin, ..Permissions::default() }),
        (Power::Post, Permissions { post: Role::Admin, ..Permissions::default() }),
        (Power::Pin, Permissions { pin: Role::Owner, ..Permissions::default() }),
        (Power::MentionAll, Permissions { mention_all: Role::Member, ..Permissions::default() }),
        (Power::EditCard, Permissions { edit_card: Role::Admin, ..Permissions::default() }),
    ];
    for (power, permissions) in powers {
        let mut state = State::default();
        for event in and(ranks(), [changed(Change::Permissions(permissions), ALICE, 2)]) {
            Conversation::evolve(&mut state, &event);
        }
        for who in [ALICE, BOB, CAROL] {
            let may = state.role(who) >= Some(permissions.least(power));
            assert_eq!(state.may(who, power), may, "{power:?} of {who}");
        }
        assert!(!state.may(AccountId(Uuid::from_u128(0xe)), power), "who is not in may nothing");
    }
}

/// With a friend, and with oneself.
#[test]
fn where_nobody_owns_a_conversation_who_is_in_may_do_everything() {
    let own = Event::Started { kind: Kind::Own, members: vec![ALICE], name: None, owner: None };
    for event in [direct(), own] {
        let mut state = State::default();
        Conversation::evolve(&mut state, &event);
        for power in [Power::Invite, Power::Post, Power::Pin, Power::MentionAll, Power::EditCard] {
            assert!(state.may(ALICE, power), "{power:?} in {:?}", state.kind);
            assert!(!state.may(CAROL, power), "who is not in may nothing");
        }
    }
}

#[test]
fn what_members_may_not_is_refused_to_them() {
    let strict = Permissions {
        invite: Role::Admin,
        post: Role::Admin,
        pin: Role::Admin,
        mention_all: Role::Admin,
        edit_card: Role::Admin,
    };
    let history = || and(ranks(), [changed(Change::Permissions(strict), ALICE, 2)]);
    let stranger = AccountId(Uuid::from_u128(0xe));
    for command in [add(&[stranger]), send(), rename("other"), change(Change::Description(Some(sealed("us"))))] {
        given_all(history()).when(command).by(CAROL).refused(Refusal::NotAllowed);
    }
    given_all(history()).when(send()).by(BOB).then([sent(3, BOB)]);
    given_all(history()).when(add(&[stranger])).by(BOB).then([joined(3, &[stranger], BOB)]);
}

#[test]
fn who_may_change_what() {
    let admins =
        [Change::JoinPolicy(JoinPolicy::Open), Change::SharesHistory(true), Change::Muted(true), Change::SlowMode(10)];
    for it in admins {
        given(ranks()).when(change(it.clone())).by(CAROL).refused(Refusal::NotAllowed);
        let seq = 2 + u64::from(it.is_told());
        given(ranks()).when(change(it.clone())).by(BOB).then([changed(it, BOB, seq)]);
    }
    let permissions = Change::Permissions(Permissions { pin: Role::Admin, ..Permissions::default() });
    given(ranks()).when(change(permissions.clone())).by(BOB).refused(Refusal::NotAllowed);
    given(ranks()).when(change(permissions.clone())).by(ALICE).then([changed(permissions, ALICE, 2)]);
    let card = [Change::Avatar(Some(Uuid::nil())), Change::Description(Some(sealed("us")))];
    for it in card {
        given(ranks()).when(change(it.clone())).by(CAROL).then([changed(it, CAROL, 3)]);
    }
}

#[test]
fn several_changes_are_all_made_or_none_and_each_that_is_told_has_its_number() {
    let policy = Change::JoinPolicy(JoinPolicy::Closed);
    let (picture, silence) = (Change::Avatar(Some(Uuid::nil())), Change::Muted(true));
    let all = |name: &str| Command::Change {
        name: Some(sealed(name)),
        changes: vec![policy.clone(), picture.clone(), silence.clone()],
        permissions: None,
    };
    given(ranks()).when(all("other")).by(CAROL).refused(Refusal::NotAllowed);
    given(ranks()).when(all("other")).by(BOB).then([
        Event::Renamed { name: sealed("other"), by: BOB, last_seq: 3, is_message: true },
        changed(policy.clone(), BOB, 3),
        changed(picture.clone(), BOB, 4),
        changed(silence.clone(), BOB, 5),
    ]);
    let history = and(ranks(), [changed(policy.clone(), BOB, 2), changed(picture.clone(), BOB, 3)]);
    given_all(history).when(all("name")).by(BOB).then([changed(silence.clone(), BOB, 4)]);
}

#[test]
fn two_changes_of_permissions_are_both_made() {
    let change = |post: Option<Role>, pin: Option<Role>| {
        let permissions = Some(PermissionsChange { post, pin, ..PermissionsChange::default() });
        Command::Change { name: None, changes: vec![], permissions }
    };
    let first = Permissions { post: Role::Admin, ..Permissions::default() };
    let both = Permissions { pin: Role::Admin, ..first };
    let event = |permissions| changed(Change::Permissions(permissions), ALICE, 2);
    given(ranks()).when(change(Some(Role::Admin), None)).by(ALICE).then([event(first)]);
    given(ranks()).when(change(Some(Role::Admin), None)).by(BOB).refused(Refusal::NotAllowed);
    given_all(and(ranks(), [event(first)])).when(change(None, Some(Role::Admin))).by(ALICE).then([event(both)]);
    given_all(and(ranks(), [event(both)])).when(change(None, Some(Role::Admin))).by(ALICE).silent();
}

#[test]
fn there_are_so_many_admins_however_they_became_it() {
    let crowd = super::crowd(100);
    let members: Vec<AccountId> = [ALICE, BOB].into_iter().chain(crowd.clone()).collect();
    let admins = crowd.into_iter().zip(2..).map(|(who, seq)| role_changed(seq, who, Role::Admin, ALICE));
    let history: Vec<Event> = std::iter::once(started(&members)).chain(admins).collect();
    for role in [Role::Admin, Role::Owner] {
        given_all(history.clone()).when(set_role(BOB, role)).by(ALICE).refused(Refusal::TooManyAdmins);
    }
    let one_of_them = Event::OwnerChanged { seq: 102, account_id: members[2], by: ALICE };
    given_all(history).when(set_role(members[2], Role::Owner)).by(ALICE).then([one_of_them]);
}

#[test]
fn admins_announce_and_take_it_back() {
    let announce = |text: Option<&str>| Command::Announce { text: text.map(sealed) };
    let announced = |seq, text: Option<&str>| Event::Announced { seq, text: text.map(sealed), by: BOB };
    given(ranks()).when(announce(Some("tonight"))).by(CAROL).refused(Refusal::NotAllowed);
    given(ranks()).when(announce(Some("tonight"))).by(BOB).then([announced(3, Some("tonight"))]);
    let history = || and(ranks(), [announced(3, Some("tonight"))]);
    given_all(history()).when(announce(Some("tonight"))).by(BOB).silent();
    given_all(history()).when(announce(None)).by(BOB).then([announced(4, None)]);
    given(ranks()).when(announce(None)).by(BOB).silent();
}

#[test]
fn people_choose_what_they_are_called() {
    given(ranks()).when(call(CAROL, Some("caz"))).by(CAROL).then([called(CAROL, Some("caz"), CAROL)]);
    given(ranks()).when(call(CAROL, Some("caz"))).by(BOB).then([called(CAROL, Some("caz"), BOB)]);
    given(ranks()).when(call(BOB, Some("b"))).by(CAROL).refused(Refusal::NotAllowed);
    given(ranks()).when(call(CAROL, None)).by(CAROL).silent();
    let history = || and(ranks(), [called(CAROL, Some("caz"), CAROL)]);
    given_all(history()).when(call(CAROL, Some("caz"))).by(CAROL).silent();
    given_all(history()).when(call(CAROL, None)).by(CAROL).then([called(CAROL, None, CAROL)]);
    let stranger = AccountId(Uuid::from_u128(0xe));
    given(ranks()).when(call(stranger, Some("e"))).by(ALICE).refused(Refusal::NobodyOfThisId);
}

#[test]
fn what_is_changed_of_a_member_is_all_of_it_or_nothing() {
    let all = |role| MemberChange {
        nickname: Field::Set((sealed("caz"), Some(Bucket(17)))),
        muted_until: Field::Set(min(60)),
        role: Some(role),
    };
    let ask = |role| Command::ChangeMember { account: CAROL, change: all(role) };
    // What changes without a message has the number of the newest one.
    given(ranks()).when(ask(Role::Admin)).by(ALICE).then([
        called(CAROL, Some("caz"), ALICE),
        muted(CAROL, Some(60), ALICE),
        role_changed(3, CAROL, Role::Admin, ALICE),
    ]);
    let handed = Event::OwnerChanged { seq: 3, account_id: CAROL, by: ALICE };
    let both = [called(CAROL, Some("caz"), ALICE), muted(CAROL, Some(60), ALICE), handed];
    given(ranks()).when(ask(Role::Owner)).by(ALICE).then(both.clone());
    given_all(and(ranks(), both)).when(ask(Role::Owner)).by(ALICE).silent();
    // Bob may call her so and mute her, and may not make her an admin.
    given(ranks()).when(ask(Role::Admin)).by(BOB).refused(Refusal::NotAllowed);
    given(ranks()).when(ask(Role::Member)).by(BOB).then([called(CAROL, Some("caz"), BOB), muted(CAROL, Some(60), BOB)]);
    given(ranks()).when(ask(Role::Admin)).by(ALICE).at(min(60)).refused(Refusal::Past);
    let nothing = |account| Command::ChangeMember { account, change: MemberChange::default() };
    given(ranks()).when(nothing(CAROL)).by(DAVE).silent();
    let stranger = AccountId(Uuid::from_u128(0xe));
    given(ranks()).when(nothing(CAROL)).by(stranger).refused(Refusal::NotFound);
    given(ranks()).when(nothing(stranger)).by(DAVE).refused(Refusal::NobodyOfThisId);
    given([direct()]).when(nothing(BOB)).by(ALICE).refused(Refusal::NotAGroup);
}

#[test]
fn a_dissolved_group_takes_nothing_but_leaving() {
    let dissolve = Command::Dissolve { kept_for: WHILE };
    let dissolved = || Event::Dissolved { seq: 3, by: ALICE, ends_at: min(60) };
    for by in [BOB, CAROL] {
        given(ranks()).when(dissolve.clone()).by(by).refused(Refusal::NotAllowed);
    }
    given(ranks()).when(dissolve.clone()).by(ALICE).then([dissolved()]);
    let history = || and(ranks(), [dissolved()]);
    given_all(history()).when(dissolve).by(ALICE).silent();
    let refused = [
        send(),
        add(&[AccountId(Uuid::from_u128(0xe))]),
        rename("other"),
        set_role(BOB, Role::Member),
        mute(CAROL, Some(60)),
        Command::Announce { text: Some(sealed("x")) },
        Command::Ban { account: CAROL },
    ];
    for command in refused {
        given_all(history()).when(command).by(ALICE).refused(Refusal::Closed);
    }
    given_all(history()).when(remove(CAROL)).by(CAROL).then([left(4, CAROL, CAROL, 0)]);
    given_all(history()).when(remove(CAROL)).by(ALICE).refused(Refusal::Closed);
    given_all(history()).when(remove(ALICE)).by(ALICE).then([left(4, ALICE, ALICE, 0)]);
}

#[test]
fn once_its_time_is_over_a_dissolved_group_exists_for_nobody() {
    let dissolved = || and(ranks(), [Event::Dissolved { seq: 3, by: ALICE, ends_at: days(30) }]);
    given_all(dissolved()).when(Command::End).at(just_before(days(30))).refused(Refusal::NotDue);
    given_all(dissolved()).when(Command::End).at(days(30)).then([Event::Ended {}]);
    given_all(dissolved()).when(Command::End).by(ALICE).at(days(30)).refused(Refusal::NotFound);
    given(ranks()).when(Command::End).at(days(30)).refused(Refusal::NotFound);
    let ended = || and(ranks(), [Event::Dissolved { seq: 3, by: ALICE, ends_at: days(30) }, Event::Ended {}]);
    given_all(ended()).when(Command::End).at(days(31)).silent();
    for command in [send(), remove(ALICE), Command::Dissolve { kept_for: WHILE }] {
        given_all(ended()).when(command).by(ALICE).refused(Refusal::NotFound);
    }
}

#[test]
fn what_members_are_told_of() {
    let told = |event: &Event| SystemMessage::of(event).map(|it| (it.seq, it.code));
    let table = [
        (changed(Change::Avatar(None), BOB, 3), Some("group.avatar_changed")),
        (changed(Change::Description(None), BOB, 3), Some("group.description_changed")),
        (changed(Change::SharesHistory(true), BOB, 3), Some("group.history_shared")),
        (changed(Change::SharesHistory(false), BOB, 3), Some("group.history_hidden")),
        (changed(Change::Muted(true), BOB, 3), Some("group.muted")),
        (changed(Change::Muted(false), BOB, 3), Some("group.unmuted")),
        (changed(Change::SlowMode(1), BOB, 3), Some("group.slow_mode")),
        (changed(Change::SlowMode(0), BOB, 3), Some("group.slow_mode_off")),
        (changed(Change::JoinPolicy(JoinPolicy::Open), BOB, 3), None),
        (changed(Change::Permissions(Permissions::default()), BOB, 3), None),
        (Event::Announced { seq: 3, text: Some(sealed("x")), by: BOB }, Some("group.announced")),
        (Event::Announced { seq: 3, text: None, by: BOB }, Some("group.announcement_removed")),
        (Event::OwnerChanged { seq: 3, account_id: BOB, by: ALICE }, Some("group.owner_changed")),
        (role_changed(3, BOB, Role::Admin, ALICE), Some("member.promoted")),
        (role_changed(3, BOB, Role::Member, ALICE), Some("member.demoted")),
        (Event::Dissolved { seq: 3, by: ALICE, ends_at: days(30) }, Some("group.dissolved")),
        (muted(CAROL, Some(60), BOB), None),
        (Event::Banned { account_id: CAROL, by: BOB }, None),
        (Event::Ended {}, None),
    ];
    for (event, code) in table {
        assert_eq!(told(&event), code.map(|code| (3, code)), "{event:?}");
    }
}

#[test]
fn a_nickname_is_looked_for_by_three_characters_or_more_as_names_are_compared() {
    let beginning = |text: &str| Beginning::of(text);
    for short in ["", "ab", "\u{e9}\u{e9}", "e\u{301}a"] {
        assert_eq!(beginning(short), None, "{short}");
    }
    let (name, other) = ("Stra\u{df}enk\u{fc}nstler", "stranger");
    for text in ["STR", "strasse", "stra\u{df}", "Strassenku\u{308}n"] {
        assert!(beginning(text).expect("long enough").is_of(name), "{text}");
    }
    assert!(!beginning("strassf").expect("long enough").is_of(name));
    assert_eq!(beginning(name).expect("long enough").first(), beginning(other).expect("long enough").first());
    assert_eq!(beginning("\u{e9}\u{e9}\u{e9}x").expect("long enough").first(), "\u{e9}\u{e9}\u{e9}");
    assert_eq!(beginning("abc").expect("long enough").first(), "abc");
    assert_eq!((Bucket::of([0xff, 0xff]), Bucket::of([4, 0])), (Bucket(1_023), Bucket(0)));
}
