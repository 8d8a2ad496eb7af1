//! How people come by themselves, and who does not: CNV-5, CNV-13.

use super::{add, coming, given, joined, left, send, sent, started};
use crate::scenario::{ALICE, BOB, CAROL, days, hours, just_before, min, sealed};
use natter_domain::{
    AccountId, Decider, Timestamp,
    conversation::{Asked, Change, Command, Conversation, Event, JoinPolicy, Kind, Refusal, Role, State, Way},
    limit,
};
use uuid::Uuid;

const LINK: Uuid = Uuid::from_u128(0x11);
const DAVE: AccountId = AccountId(Uuid::from_u128(0xd));

fn policy(policy: JoinPolicy) -> Event {
    Event::Changed { change: Change::JoinPolicy(policy), by: ALICE, last_seq: 1 }
}

fn join() -> Command {
    Command::Join { link: None, message: None, members_max: 500 }
}

fn join_by(link: Uuid) -> Command {
    Command::Join { link: Some(link), message: None, members_max: 500 }
}

fn came(seq: u64, account: AccountId, by: AccountId, way: Way) -> Event {
    Event::MembersJoined { seq, account_ids: vec![account], by, way, begins: vec![] }
}

fn invited(account: AccountId, by: AccountId, untold: bool) -> Event {
    let untold = if untold { vec![account] } else { vec![] };
    Event::MembersInvited { account_ids: vec![account], untold, joined: vec![], by, at: min(0), expires_at: days(7) }
}

fn all_invited(account_ids: Vec<AccountId>) -> Event {
    Event::MembersInvited { account_ids, untold: vec![], joined: vec![], by: ALICE, at: min(0), expires_at: days(7) }
}

fn requested(account_id: AccountId) -> Event {
    Event::JoinRequested { account_id, message: None, at: min(0), expires_at: days(7) }
}

fn link(expires_at: Option<Timestamp>, uses: Option<u32>) -> Event {
    Event::LinkMade { link_id: LINK, secret: sealed("secret"), by: BOB, at: min(0), expires_at, uses }
}

fn banned(account_id: AccountId) -> Event {
    Event::Banned { account_id, by: ALICE }
}

#[test]
fn an_open_group_is_joined_by_whoever_knows_it() {
    given([started(&[ALICE]), policy(JoinPolicy::Open)]).when(join()).by(BOB).then([came(2, BOB, BOB, Way::Open)]);
    given([started(&[ALICE]), policy(JoinPolicy::Open)]).when(join()).by(ALICE).silent();
    for closed in [JoinPolicy::Invitation, JoinPolicy::Closed] {
        given([started(&[ALICE]), policy(closed)]).when(join()).by(BOB).refused(Refusal::NotFound);
    }
    given([]).when(join()).by(BOB).refused(Refusal::NotFound);
    given([super::direct()]).when(join()).by(CAROL).refused(Refusal::NotFound);
    // Nobody is left to join.
    given([started(&[ALICE]), policy(JoinPolicy::Open), left(2, ALICE, ALICE, 0)])
        .when(join())
        .by(BOB)
        .refused(Refusal::NotFound);
}

#[test]
fn who_left_an_invitation_only_group_learns_that_they_are_out() {
    let history = [started(&[ALICE, BOB]), left(2, BOB, BOB, 0)];
    given(history).when(join()).by(BOB).refused(Refusal::NotAMember);
}

#[test]
fn an_invitation_lets_one_in_for_seven_days() {
    let history = || [started(&[ALICE]), invited(BOB, ALICE, false)];
    given(history()).when(join()).by(BOB).at(just_before(days(7))).then([came(2, BOB, BOB, Way::Invited)]);
    given(history()).when(join()).by(BOB).at(days(7)).refused(Refusal::RequestClosed);
    given(history()).when(join()).by(CAROL).refused(Refusal::NotFound);
    // Invited again while it holds: nothing new.
    let add = Command::AddMembers { accounts: vec![BOB], asked: coming(&[]) };
    given(history()).when(add.clone()).by(ALICE).silent();
    let again = Event::MembersInvited {
        account_ids: vec![BOB],
        untold: vec![],
        joined: vec![],
        by: ALICE,
        at: days(7),
        expires_at: days(14),
    };
    given(history()).when(add).by(ALICE).at(days(7)).then([again]);
}

#[test]
fn who_blocked_whoever_invites_them_does_not_know() {
    let asked = Asked { untold: [BOB].into(), ..coming(&[BOB]) };
    let asked = Asked { coming: [].into(), ..asked };
    let add = Command::AddMembers { accounts: vec![BOB], asked };
    given([started(&[ALICE])]).when(add).by(ALICE).then([invited(BOB, ALICE, true)]);
    let history = || [started(&[ALICE]), invited(BOB, ALICE, true)];
    given(history()).when(join()).by(BOB).refused(Refusal::NotFound);
    given(history()).when(Command::Uninvite { account: BOB }).by(BOB).refused(Refusal::NotFound);
}

#[test]
fn one_that_they_do_not_know_of_stands_in_nobodys_way() {
    let history = || [started(&[ALICE, CAROL]), invited(BOB, ALICE, true)];
    let add = Command::AddMembers { accounts: vec![BOB], asked: coming(&[]) };
    given(history()).when(add.clone()).by(CAROL).then([invited(BOB, CAROL, false)]);
    let untold = Asked { untold: [BOB].into(), members_max: 500, ..Asked::default() };
    let again = Command::AddMembers { accounts: vec![BOB], asked: untold };
    given(history()).when(again.clone()).by(ALICE).silent();
    let told = [started(&[ALICE, CAROL]), invited(BOB, CAROL, false)];
    given(told).when(again).by(ALICE).silent();
    let ended = Event::InvitationEnded { account_id: BOB, by: ALICE, is_told: false };
    given(history()).when(Command::Uninvite { account: BOB }).by(ALICE).then([ended]);
}

#[test]
fn an_invitation_is_declined_or_taken_back() {
    let history = || [started(&[ALICE, BOB, CAROL]), invited(DAVE, BOB, false)];
    let uninvite = || Command::Uninvite { account: DAVE };
    let ended = |by| Event::InvitationEnded { account_id: DAVE, by, is_told: true };
    for by in [DAVE, BOB, ALICE] {
        given(history()).when(uninvite()).by(by).then([ended(by)]);
    }
    given(history()).when(uninvite()).by(CAROL).refused(Refusal::NotAllowed);
    let over = || [started(&[ALICE, BOB]), invited(DAVE, BOB, false), ended(DAVE)];
    given(over()).when(uninvite()).by(ALICE).silent();
    given(over()).when(uninvite()).by(DAVE).refused(Refusal::NotFound);
    given(over()).when(join()).by(DAVE).refused(Refusal::NotFound);
}

#[test]
fn whom_others_have_invited_is_for_admins_to_know() {
    let uninvite = || Command::Uninvite { account: DAVE };
    let ended = Event::InvitationEnded { account_id: DAVE, by: CAROL, is_told: true };
    let histories = [
        vec![started(&[ALICE, BOB, CAROL])],
        vec![started(&[ALICE, BOB, CAROL]), invited(DAVE, CAROL, false)],
        vec![started(&[ALICE, BOB, CAROL]), invited(DAVE, CAROL, false), ended],
    ];
    for history in histories {
        let told = format!("{history:?}");
        let mut state = State::default();
        history.iter().for_each(|event| Conversation::evolve(&mut state, event));
        let answer = |who| Conversation::decide(&state, &state, &by(who), &uninvite());
        assert_eq!(answer(BOB), Err(Refusal::NotAllowed), "{told}");
        assert!(answer(ALICE).is_ok(), "{told}");
    }
}

#[test]
fn only_a_group_has_a_door() {
    let own = Event::Started { kind: Kind::Own, members: vec![ALICE], name: None, owner: None };
    for event in [super::direct(), own] {
        for account in [ALICE, DAVE] {
            for command in [join(), join_by(LINK), Command::Uninvite { account }, Command::Decline { account }] {
                given([event.clone()]).when(command.clone()).by(ALICE).refused(Refusal::NotAGroup);
                given([event.clone()]).when(command).by(DAVE).refused(Refusal::NotFound);
            }
        }
    }
}

#[test]
fn into_a_closed_group_only_an_admins_invitation_lets_in() {
    let admin = |account_id| Event::RoleChanged { seq: 2, account_id, role: Role::Admin, by: ALICE };
    let closed =
        |who| [started(&[ALICE, BOB, CAROL]), admin(BOB), invited(DAVE, who, false), policy(JoinPolicy::Closed)];
    for admin in [ALICE, BOB] {
        given(closed(admin)).when(join()).by(DAVE).then([came(3, DAVE, DAVE, Way::Invited)]);
    }
    given(closed(CAROL)).when(join()).by(DAVE).refused(Refusal::NotFound);
    let again = |policy: Event| [started(&[ALICE, CAROL]), invited(DAVE, CAROL, false), policy];
    let open = policy(JoinPolicy::Invitation);
    given(again(open)).when(join()).by(DAVE).then([came(2, DAVE, DAVE, Way::Invited)]);
}

#[test]
fn nobody_comes_by_what_somebody_made_who_is_banned() {
    let invitations = [invited(DAVE, BOB, false), invited(CAROL, ALICE, false)];
    let [by_bob, by_alice] = invitations;
    let out = || [left(2, BOB, ALICE, 0), banned(BOB)];
    let history = |more: Event| -> Vec<Event> { [started(&[ALICE, BOB]), more].into_iter().chain(out()).collect() };
    let given = |more| crate::scenario::given::<Conversation>(history(more));
    given(by_bob.clone()).when(join()).by(DAVE).refused(Refusal::NotFound);
    given(by_alice).when(join()).by(CAROL).then([came(3, CAROL, CAROL, Way::Invited)]);
    given(link(None, None)).when(join_by(LINK)).by(CAROL).refused(Refusal::Gone);
    let alices = Event::LinkMade {
        link_id: LINK,
        secret: sealed("secret"),
        by: ALICE,
        at: min(0),
        expires_at: None,
        uses: None,
    };
    given(alices).when(join_by(LINK)).by(CAROL).then([came(3, CAROL, CAROL, Way::Link(LINK))]);
}

#[test]
fn so_many_are_banned_ask_and_are_invited_and_no_more() {
    let full = |count: usize, events: fn(Vec<AccountId>) -> Vec<Event>| {
        let mut state = State::default();
        let begun = [started(&[ALICE]), policy(JoinPolicy::Approval)].into_iter();
        begun.chain(events(super::crowd(count))).for_each(|event| Conversation::evolve(&mut state, &event));
        state
    };
    let bans = |accounts: Vec<AccountId>| accounts.into_iter().map(banned).collect();
    let requests = |accounts: Vec<AccountId>| accounts.into_iter().map(requested).collect();
    let add = Command::AddMembers { accounts: vec![DAVE], asked: coming(&[]) };
    type Filling = fn(Vec<AccountId>) -> Vec<Event>;
    let cases: [(usize, Filling, AccountId, Command, Refusal); 3] = [
        (limit::BANNED_MAX, bans, ALICE, Command::Ban { account: DAVE }, Refusal::TooManyBanned),
        (limit::ASKING_MAX, requests, DAVE, join(), Refusal::TooManyAsking),
        (limit::INVITED_MAX, |accounts| vec![all_invited(accounts)], ALICE, add, Refusal::TooManyInvited),
    ];
    for (most, events, who, command, refusal) in cases {
        let answer = |state: &State| Conversation::decide(state, state, &by(who), &command);
        assert_eq!(answer(&full(most - 1, events)).map(|events| events.len()), Ok(1), "the last one: {refusal:?}");
        assert_eq!(answer(&full(most, events)), Err(refusal));
    }
}

#[test]
fn nobody_comes_to_what_is_dissolved() {
    let dissolved = Event::Dissolved { seq: 2, by: ALICE, ends_at: days(30) };
    for (door, command) in [
        (policy(JoinPolicy::Open), join()),
        (policy(JoinPolicy::Approval), join()),
        (invited(CAROL, ALICE, false), join()),
        (link(None, None), join_by(LINK)),
    ] {
        given([started(&[ALICE, BOB]), door, dissolved.clone()]).when(command).by(CAROL).refused(Refusal::Closed);
    }
}

#[test]
fn where_admins_answer_people_ask_and_wait() {
    let open = || [started(&[ALICE, BOB]), policy(JoinPolicy::Approval)];
    given(open()).when(join()).by(CAROL).then([requested(CAROL)]);
    let asked = || [started(&[ALICE, BOB]), policy(JoinPolicy::Approval), requested(CAROL)];
    given(asked()).when(join()).by(CAROL).silent();
    let approve = || Command::Approve { account: CAROL, members_max: 500 };
    given(asked()).when(approve()).by(ALICE).then([came(2, CAROL, ALICE, Way::Asked)]);
    given(asked()).when(approve()).by(BOB).refused(Refusal::NotAllowed);
    given(asked()).when(approve()).by(ALICE).at(days(7)).refused(Refusal::RequestClosed);
    given(open()).when(approve()).by(ALICE).refused(Refusal::RequestClosed);
    let full = Command::Approve { account: CAROL, members_max: 2 };
    given(asked()).when(full).by(ALICE).refused(Refusal::GroupFull);
    // Asked after the time of the last request: a new one.
    let again = Event::JoinRequested { account_id: CAROL, message: None, at: days(7), expires_at: days(14) };
    given(asked()).when(join()).by(CAROL).at(days(7)).then([again]);
}

#[test]
fn a_request_is_declined_once_or_withdrawn() {
    let asked = || [started(&[ALICE, BOB]), policy(JoinPolicy::Approval), requested(CAROL)];
    let decline = || Command::Decline { account: CAROL };
    let declined = |by| Event::JoinDeclined { account_id: CAROL, by };
    for by in [ALICE, CAROL] {
        given(asked()).when(decline()).by(by).then([declined(by)]);
    }
    given(asked()).when(decline()).by(BOB).refused(Refusal::NotAllowed);
    let over = |by| [started(&[ALICE, BOB]), policy(JoinPolicy::Approval), requested(CAROL), declined(by)];
    for by in [ALICE, CAROL] {
        let approve = Command::Approve { account: CAROL, members_max: 500 };
        given(over(by)).when(approve).by(ALICE).refused(Refusal::RequestClosed);
        // Who did it does it again; who did not finds it closed, or nothing.
        given(over(by)).when(decline()).by(by).silent();
    }
    given(over(CAROL)).when(decline()).by(ALICE).refused(Refusal::RequestClosed);
    given(over(ALICE)).when(decline()).by(CAROL).refused(Refusal::NotFound);
    // Who was in before knows of the group.
    let former = [started(&[ALICE, BOB, CAROL]), left(2, CAROL, CAROL, 0), policy(JoinPolicy::Approval)];
    let former = || former.clone().into_iter().chain([requested(CAROL), declined(CAROL)]).collect::<Vec<_>>();
    crate::scenario::given::<Conversation>(former()).when(decline()).by(CAROL).silent();
}

#[test]
fn that_a_request_was_declined_is_remembered_for_its_time_and_no_longer() {
    let decline = || Command::Decline { account: CAROL };
    let declined = Event::JoinDeclined { account_id: CAROL, by: CAROL };
    let over = || [started(&[ALICE]), policy(JoinPolicy::Approval), requested(CAROL), declined.clone()];
    given(over()).when(decline()).by(CAROL).at(just_before(days(7))).silent();
    given(over()).when(decline()).by(CAROL).at(days(7)).refused(Refusal::NotFound);
    let kept = |history: &[Event]| {
        let mut state = State::default();
        history.iter().for_each(|event| Conversation::evolve(&mut state, event));
        state.doors.declined.len()
    };
    let asks = |account_id, at, expires_at| Event::JoinRequested { account_id, message: None, at, expires_at };
    assert_eq!(kept(&over()), 1);
    assert_eq!(kept(&[&over()[..], &[asks(DAVE, min(1), days(8))]].concat()), 1);
    assert_eq!(kept(&[&over()[..], &[asks(DAVE, days(7), days(14))]].concat()), 0, "its time is over");
    assert_eq!(kept(&[&over()[..], &[asks(CAROL, min(1), days(8))]].concat()), 0, "they ask again");
    assert_eq!(kept(&[&over()[..], &[banned(CAROL)]].concat()), 0);
}

#[test]
fn who_has_asked_and_is_added_comes_at_once() {
    let asked = [started(&[ALICE, BOB]), policy(JoinPolicy::Approval), requested(CAROL)];
    let add = Command::AddMembers { accounts: vec![CAROL], asked: coming(&[]) };
    given(asked).when(add).by(BOB).then([joined(2, &[CAROL], BOB)]);
}

#[test]
fn a_link_lets_in_whoever_has_it_while_it_is_good() {
    let history = |expires_at, uses| [started(&[ALICE, BOB]), link(expires_at, uses)];
    let by_link = |seq, who| came(seq, who, who, Way::Link(LINK));
    given(history(None, None)).when(join_by(LINK)).by(CAROL).at(days(1_000)).then([by_link(2, CAROL)]);
    given(history(Some(hours(1)), None)).when(join_by(LINK)).by(CAROL).then([by_link(2, CAROL)]);
    given(history(Some(hours(1)), None)).when(join_by(LINK)).by(CAROL).at(hours(1)).refused(Refusal::Gone);
    given(history(None, None)).when(join_by(Uuid::nil())).by(CAROL).refused(Refusal::Gone);
    let used = [started(&[ALICE, BOB]), link(None, Some(1)), by_link(2, CAROL)];
    given(used).when(join_by(LINK)).by(DAVE).refused(Refusal::Gone);
    let revoked = [started(&[ALICE, BOB]), link(None, None), Event::LinkRevoked { link_id: LINK, by: BOB }];
    given(revoked).when(join_by(LINK)).by(CAROL).refused(Refusal::Gone);
    let closed = [started(&[ALICE, BOB]), link(None, None), policy(JoinPolicy::Closed)];
    given(closed).when(join_by(LINK)).by(CAROL).refused(Refusal::Gone);
}

#[test]
fn a_link_is_made_by_whoever_may_invite_and_revoked_by_who_made_it() {
    let make = |link_id| Command::MakeLink { link_id, secret: sealed("secret"), expires_at: None, uses: None };
    given([started(&[ALICE, BOB])]).when(make(LINK)).by(BOB).then([link(None, None)]);
    given([started(&[ALICE, BOB]), policy(JoinPolicy::Closed)]).when(make(LINK)).by(BOB).refused(Refusal::NotAllowed);
    let made = || [started(&[ALICE, BOB, CAROL]), link(None, None)];
    given(made()).when(make(LINK)).by(BOB).silent();
    let revoke = || Command::RevokeLink { link_id: LINK };
    for by in [BOB, ALICE] {
        given(made()).when(revoke()).by(by).then([Event::LinkRevoked { link_id: LINK, by }]);
    }
    given(made()).when(revoke()).by(CAROL).refused(Refusal::NotAllowed);
    given([started(&[ALICE])]).when(revoke()).by(ALICE).silent();
    let many = (0..limit::LINKS_MAX as u128).map(|number| Event::LinkMade {
        link_id: Uuid::from_u128(0x100 + number),
        secret: sealed("secret"),
        by: ALICE,
        at: min(0),
        expires_at: Some(hours(1)),
        uses: None,
    });
    let history: Vec<Event> = std::iter::once(started(&[ALICE])).chain(many).collect();
    let full = crate::scenario::given::<Conversation>(history.clone());
    full.when(make(LINK)).by(ALICE).refused(Refusal::TooManyLinks);
    let later = crate::scenario::given::<Conversation>(history).when(make(LINK)).by(ALICE).at(hours(1));
    let secret = sealed("secret");
    let made = Event::LinkMade { link_id: LINK, secret, by: ALICE, at: hours(1), expires_at: None, uses: None };
    later.then([made]);
}

#[test]
fn no_link_is_made_whose_time_is_over() {
    let until = |expires_at| {
        let (secret, expires_at) = (sealed("secret"), Some(expires_at));
        given([started(&[ALICE, BOB])])
            .when(Command::MakeLink { link_id: LINK, secret, expires_at, uses: None })
            .by(BOB)
    };
    let made = |at| {
        let (secret, expires_at) = (sealed("secret"), Some(hours(1)));
        Event::LinkMade { link_id: LINK, secret, by: BOB, at, expires_at, uses: None }
    };
    until(hours(1)).at(just_before(hours(1))).then([made(just_before(hours(1)))]);
    until(hours(1)).at(hours(1)).refused(Refusal::Past);
    until(min(1)).at(hours(1)).refused(Refusal::Past);
    // One that there is is no new one.
    let secret = sealed("secret");
    let again = Command::MakeLink { link_id: LINK, secret, expires_at: Some(hours(1)), uses: None };
    given([started(&[ALICE, BOB]), link(Some(hours(1)), None)]).when(again).by(BOB).at(hours(2)).silent();
}

#[test]
fn who_is_banned_comes_by_no_way() {
    let history = |more: Event| [started(&[ALICE, BOB]), left(2, BOB, ALICE, 0), banned(BOB), more];
    given(history(policy(JoinPolicy::Open))).when(join()).by(BOB).refused(Refusal::Banned);
    given(history(policy(JoinPolicy::Approval))).when(join()).by(BOB).refused(Refusal::Banned);
    given(history(link(None, None))).when(join_by(LINK)).by(BOB).refused(Refusal::Banned);
    given(history(banned(CAROL))).when(add(&[BOB])).by(ALICE).refused(Refusal::TheyAreBanned);
    given(history(Event::Unbanned { account_id: BOB, by: ALICE })).when(add(&[BOB])).by(ALICE).then([joined(
        3,
        &[BOB],
        ALICE,
    )]);
    // What waited for them waits no more.
    let waiting = || [started(&[ALICE]), policy(JoinPolicy::Approval), requested(CAROL), banned(CAROL)];
    let approve = Command::Approve { account: CAROL, members_max: 500 };
    given(waiting()).when(approve).by(ALICE).refused(Refusal::RequestClosed);
}

#[test]
fn bans_are_for_admins_and_also_of_who_is_not_in() {
    let ban = || Command::Ban { account: DAVE };
    given([started(&[ALICE, BOB])]).when(ban()).by(BOB).refused(Refusal::NotAllowed);
    given([started(&[ALICE, BOB])]).when(ban()).by(ALICE).then([banned(DAVE)]);
    given([started(&[ALICE, BOB]), banned(DAVE)]).when(ban()).by(ALICE).silent();
    // Who is banned is not for members to know.
    given([started(&[ALICE, BOB]), banned(DAVE)]).when(ban()).by(BOB).refused(Refusal::NotAllowed);
    let unban = || Command::Unban { account: DAVE };
    given([started(&[ALICE, BOB]), banned(DAVE)]).when(unban()).by(BOB).refused(Refusal::NotAllowed);
    given([started(&[ALICE]), banned(DAVE)])
        .when(unban())
        .by(ALICE)
        .then([Event::Unbanned { account_id: DAVE, by: ALICE }]);
    given([started(&[ALICE])]).when(unban()).by(ALICE).silent();
}

#[test]
fn in_a_closed_group_only_admins_add() {
    let history = || {
        [
            started(&[ALICE, BOB, CAROL]),
            Event::RoleChanged { seq: 2, account_id: BOB, role: Role::Admin, by: ALICE },
            policy(JoinPolicy::Closed),
        ]
    };
    given(history()).when(add(&[DAVE])).by(CAROL).refused(Refusal::NotAllowed);
    given(history()).when(add(&[DAVE])).by(BOB).then([joined(3, &[DAVE], BOB)]);
}

#[test]
fn where_history_is_shared_newcomers_see_it_and_who_comes_back_what_they_missed() {
    let shares = Event::Changed { change: Change::SharesHistory(true), by: ALICE, last_seq: 4 };
    let history = [started(&[ALICE, BOB]), sent(2, ALICE), left(3, BOB, BOB, 0), shares, sent(5, ALICE)];
    let both =
        Event::MembersJoined { seq: 6, account_ids: vec![CAROL, BOB], by: ALICE, way: Way::Added, begins: vec![0, 3] };
    given(history.clone()).when(add(&[CAROL, BOB])).by(ALICE).then([both.clone()]);
    let mut state = State::default();
    for event in history.into_iter().chain([both]) {
        Conversation::evolve(&mut state, &event);
    }
    for seq in 1..=6 {
        assert!(state.sees(CAROL, seq) && state.sees(BOB, seq), "{seq}");
    }
    let stays = [BOB, CAROL].map(|who| (state.members[&who].joined_seq, state.members[&who].entered_seq));
    assert_eq!(stays, [(3, 5), (0, 5)], "what was said before they came they need not read");
    let sent = Conversation::decide(&state, &state, &by(CAROL), &send()).expect("she is in");
    assert_eq!(sent.len(), 1);
}

fn by(actor: AccountId) -> natter_domain::Context {
    natter_domain::Context { actor: Some(actor), session: None, now: min(0) }
}

/// A hundred thousand who came by the thousand, as many as one call adds.
#[test]
fn a_member_of_a_large_group_costs_few_bytes() {
    let mut state = State::default();
    let crowd = super::crowd(100_000);
    Conversation::evolve(&mut state, &started(&[ALICE]));
    for chunk in crowd.chunks(1_000) {
        let next = joined(state.last_seq + 1, chunk, ALICE);
        Conversation::evolve(&mut state, &next);
    }
    let json = serde_json::to_string(&state).unwrap();
    let bytes = json.len() * 3 / 4 / crowd.len();
    assert!(bytes <= 19, "{bytes} bytes for each member");
}

#[test]
fn members_are_read_as_they_were_written_down() {
    let mut state = State::default();
    let crowd = super::crowd(300);
    Conversation::evolve(&mut state, &started(&[ALICE]));
    for (index, chunk) in crowd.chunks(7).enumerate() {
        // Numbers of one byte and of several.
        Conversation::evolve(&mut state, &joined(1 << index, chunk, ALICE));
    }
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
    let bytes = json.len() / crowd.len();
    assert!(bytes < 40, "{bytes} bytes for each member");
    // Some of them see what was said before they came.
    let (account_ids, begins) = (vec![BOB, CAROL], vec![0, 1 << 20]);
    let shared = Event::MembersJoined { seq: 1 << 50, account_ids, by: ALICE, way: Way::Added, begins };
    Conversation::evolve(&mut state, &shared);
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
    let broken = json.replacen("AAAA", "AAA", 1);
    assert!(serde_json::from_str::<State>(&broken).is_err());
}
