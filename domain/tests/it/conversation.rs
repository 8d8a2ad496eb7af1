//! Conversation: CNV-1 to CNV-3, and what holds for all of them. Groups: `group.rs`.

use crate::{
    friendship::standings,
    inbox::change_to,
    laws::{Answer, HELLO, HERE, Lawful, any_moments, check, counts, histories, ids, laws, people, seals},
    scenario::{self, ALICE, BOB, CAROL, min, sealed},
};
use natter_domain::{
    AccountId, Code, Decider, Refusal as _,
    account::Mute,
    conversation::{
        Asked, BodyKind, Bucket, Change, Command, Conversation, Details, Event, JoinPolicy, Kind, Lifetime,
        MemberChange, Membership, Mentions, Permissions, Quote, Refusal, Role, SelfDestruct, Standing, State,
        SystemMessage, Way, address, own_id,
    },
};
use proptest::{array::uniform2, collection::vec, option, prelude::*, sample::select};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Conversation> {
    scenario::given(history)
}

fn start(members: [AccountId; 2]) -> Command {
    Command::SetDirect { members, standing: Standing::first() }
}

fn started() -> Event {
    Event::Started { kind: Kind::Direct, members: vec![ALICE, BOB], name: None, owner: None }
}

fn send() -> Command {
    Command::Send {
        message_id: HELLO,
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        muted: None,
        gone: None,
        details: Default::default(),
        missing: Default::default(),
    }
}

fn sent(seq: u64, sender: AccountId) -> Event {
    Event::MessageSent {
        message_id: HELLO,
        seq,
        sender,
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        details: Default::default(),
    }
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

fn own() -> Event {
    Event::Started { kind: Kind::Own, members: vec![ALICE], name: None, owner: None }
}

#[test]
fn somebody_begins_a_conversation_with_themselves_once() {
    given([]).when(Command::StartOwn).by(ALICE).then([own()]);
    given([own()]).when(Command::StartOwn).by(ALICE).silent();
    given([own(), sent(1, ALICE)]).when(Command::StartOwn).by(ALICE).silent();
    given([]).when(Command::StartOwn).refused(Refusal::NotFound);
    given([own()]).when(Command::StartOwn).by(BOB).refused(Refusal::StartedOtherwise);
    given([started()]).when(Command::StartOwn).by(ALICE).refused(Refusal::StartedOtherwise);
    given([own()]).when(start([ALICE, BOB])).refused(Refusal::StartedOtherwise);
}

#[test]
fn one_writes_to_oneself_and_nobody_else_is_ever_in() {
    given([own()]).when(send()).by(ALICE).then([sent(1, ALICE)]);
    given([own()]).when(send()).by(BOB).refused(Refusal::NotFound);
    let add = Command::AddMembers {
        accounts: vec![BOB],
        asked: Asked { coming: [BOB].into(), members_max: 9, ..Asked::default() },
    };
    given([own()]).when(add).by(ALICE).refused(Refusal::NotAGroup);
    given([own()]).when(Command::RemoveMember { account: ALICE }).by(ALICE).refused(Refusal::NotAGroup);
    given([own()])
        .when(Command::Change { name: Some(sealed("notes")), changes: vec![], permissions: None })
        .by(ALICE)
        .refused(Refusal::NotAGroup);
}

#[test]
fn each_account_has_one_with_itself() {
    assert_eq!(own_id(ALICE), own_id(ALICE));
    assert_ne!(own_id(ALICE), own_id(BOB));
    assert_ne!(own_id(ALICE).0, ALICE.0);
    assert_eq!((Kind::Own.as_str(), Kind::Own.first_seq()), ("self", 0));
    assert_eq!(serde_json::to_value(Kind::Own).expect("JSON"), "own", "in events, for ever");
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
    let joined = Membership::begun(0, 0);
    let members = [(ALICE, joined), (BOB, joined)].into_iter().collect();
    let standing = Arc::new(Standing::first());
    assert_eq!(state, State { kind: Some(Kind::Direct), members, standing, last_seq: 2, ..State::default() });
}

#[test]
fn a_send_shares_the_members_with_the_state_before() {
    let mut state = State::default();
    Conversation::evolve(&mut state, &started());
    let before = state.clone();
    Conversation::evolve(&mut state, &sent(1, ALICE));
    assert!(before.members.ptr_eq(&state.members));
    assert!(Arc::ptr_eq(&before.card, &state.card) && Arc::ptr_eq(&before.doors, &state.doors));
    assert!(Arc::ptr_eq(&before.curbs, &state.curbs));
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
        (Refusal::GroupFull, Code::GroupFull),
        (Refusal::UnknownAccount { account: ALICE }, Code::InvalidInput),
        (Refusal::NotAllowed, Code::NotAllowed),
        (Refusal::TooSoon { until: min(1) }, Code::SlowMode),
        (Refusal::Closed, Code::ConversationClosed),
        (Refusal::Banned, Code::Banned),
        (Refusal::TheyAreBanned, Code::Banned),
        (Refusal::Gone, Code::Gone),
        (Refusal::RequestClosed, Code::RequestClosed),
        (Refusal::NotDue, Code::Unavailable),
        (Refusal::NotAsked, Code::Unavailable),
        (Refusal::Past, Code::InvalidInput),
        (Refusal::TooManyAdmins, Code::Conflict),
        (Refusal::TooManyLinks, Code::Conflict),
        (Refusal::TooManyInvited, Code::Conflict),
        (Refusal::TooManyAsking, Code::Conflict),
        (Refusal::TooManyBanned, Code::Conflict),
        (Refusal::TooManyUnread, Code::Conflict),
        (Refusal::NotDirect, Code::Forbidden),
        (Refusal::OwnerMustStay, Code::OwnerMustStay),
        (Refusal::Muted { until: None }, Code::Muted),
        (Refusal::Closed, Code::ConversationClosed),
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
        let start =
            (uniform2(people()), standings()).prop_map(|(members, standing)| Command::SetDirect { members, standing });
        let mute = any_moments().prop_map(|until| Mute { until: Some(until) });
        let sending = (ids(), seals(), any::<u32>(), option::of(mute), details());
        let send = sending.prop_map(|(message_id, body, size, muted, details)| Command::Send {
            message_id,
            body,
            body_kind: BodyKind::Text,
            size,
            muted,
            gone: None,
            details,
            missing: Default::default(),
        });
        let some = || vec(people(), 0..4);
        let asked = || {
            (some(), some(), some(), some(), 0_usize..6).prop_map(|(coming, untold, invited, unknown, members_max)| {
                Asked {
                    coming: coming.into_iter().collect(),
                    untold: untold.into_iter().collect(),
                    invited: invited.into_iter().collect(),
                    unknown: unknown.into_iter().collect(),
                    members_max,
                }
            })
        };
        let group =
            (seals(), some(), asked()).prop_map(|(name, members, asked)| Command::StartGroup { name, members, asked });
        let add = (some(), asked()).prop_map(|(accounts, asked)| Command::AddMembers { accounts, asked });
        let remove = people().prop_map(|account| Command::RemoveMember { account });
        let own = Just(Command::StartOwn);
        let channel = seals().prop_map(|name| Command::StartChannel { name });
        let read = (people(), counts(), any_moments()).prop_map(|(reader, seq, read_at)| Command::BeginCountdowns {
            reader,
            seq,
            read_at,
        });
        let any = prop_oneof![2 => start, 1 => own, 1 => channel, 2 => group, 4 => send, 3 => add, 3 => remove, 4 => ranks(), 4 => doors(), 2 => read];
        (option::of(people()), any).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let started = (
            select(vec![Kind::Direct, Kind::Group, Kind::Own, Kind::Channel]),
            vec(people(), 0..4),
            option::of(seals()),
        )
            .prop_flat_map(|(kind, members, name)| (Just((kind, members, name)), option::of(people())))
            .prop_map(|((kind, members, name), owner)| Event::Started { kind, members, name, owner });
        let joined = (counts(), vec(people(), 0..4), people(), ways(), vec(counts(), 0..4))
            .prop_map(|(seq, account_ids, by, way, begins)| Event::MembersJoined { seq, account_ids, by, way, begins });
        let left = (counts(), people(), people(), counts())
            .prop_map(|(seq, account_id, by, joined_seq)| Event::MemberLeft { seq, account_id, by, joined_seq });
        let renamed = (seals(), people(), counts(), any::<bool>())
            .prop_map(|(name, by, last_seq, is_message)| Event::Renamed { name, by, last_seq, is_message });
        let sent = (ids(), counts(), people(), seals(), any::<u32>(), details());
        let sent = sent.prop_map(|(message_id, seq, sender, body, size, details)| Event::MessageSent {
            message_id,
            seq,
            sender,
            body,
            body_kind: BodyKind::Text,
            size,
            details,
        });
        let stood = (standings(), vec(people(), 0..3), counts())
            .prop_map(|(standing, shown_to, last_seq)| Event::StandingChanged { standing, shown_to, last_seq });
        let begun = (ids(), counts(), people(), any_moments(), any_moments()).prop_map(
            |(message_id, seq, sender, sent_at, expires_at)| Event::CountdownBegan {
                message_id,
                seq,
                sender,
                sent_at,
                expires_at,
            },
        );
        prop_oneof![started, sent, joined, left, renamed, stood, begun, group_events(), door_events()].boxed()
    }

    /// A message id that comes again is recognised outside, by the command key: here it is the next message.
    fn again(_: &Command, first: &[Event]) -> Answer<Self> {
        match first {
            [Event::MessageSent { .. }, Event::Paused { at, until, .. }] => {
                // Asked at the same moment, it is too soon.
                if at < until { Err(Refusal::TooSoon { until: *until }) } else { Ok(vec![]) }
            }
            // No invitation any more.
            [Event::InvitationEnded { account_id, by, .. }] if account_id == by => Err(Refusal::NotFound),
            [Event::MessageSent { message_id, seq, sender, body, body_kind, size, details }] => {
                Ok(vec![Event::MessageSent {
                    message_id: *message_id,
                    seq: seq + 1,
                    sender: *sender,
                    body: body.clone(),
                    body_kind: *body_kind,
                    size: *size,
                    details: details.clone(),
                }])
            }
            _ => Ok(vec![]),
        }
    }
}

fn details() -> BoxedStrategy<Box<Details>> {
    let quote = (ids(), counts(), option::of(people()), option::of(seals()))
        .prop_map(|(message_id, seq, sender, excerpt)| Quote { message_id, seq, sender, excerpt });
    let mentions = (vec(people(), 0..3), any::<bool>(), vec(roles(), 0..2))
        .prop_map(|(accounts, all, roles)| Mentions { accounts, all, roles, by_role: vec![] });
    let lifetimes = prop_oneof![(5_u64..9).prop_map(Lifetime::AfterS), (1_u64..9).prop_map(Lifetime::AfterReadS)];
    let parts = (option::of(quote), mentions, any::<[bool; 3]>(), option::of(lifetimes));
    let details = parts.prop_map(|(reply_to, mentions, flags, lifetime)| {
        let [silent, forwarded, has_link] = flags;
        let self_destruct = lifetime.map(SelfDestruct::of);
        Details { reply_to, thread: None, mentions, silent, forwarded, said: None, has_link, self_destruct }
    });
    prop_oneof![Just(Details::default()), details].prop_map(Box::new).boxed()
}

fn buckets() -> BoxedStrategy<Bucket> {
    any::<[u8; 2]>().prop_map(Bucket::of).boxed()
}

fn roles() -> BoxedStrategy<Role> {
    select(vec![Role::Member, Role::Admin, Role::Owner]).boxed()
}

fn ways() -> BoxedStrategy<Way> {
    prop_oneof![Just(Way::Added), Just(Way::Invited), Just(Way::Asked), Just(Way::Open), links().prop_map(Way::Link)]
        .boxed()
}

/// Few, so that they meet.
fn links() -> BoxedStrategy<Uuid> {
    (0_u128..3).prop_map(Uuid::from_u128).boxed()
}

fn changes() -> BoxedStrategy<Change> {
    let policies = vec![JoinPolicy::Open, JoinPolicy::Approval, JoinPolicy::Invitation, JoinPolicy::Closed];
    let permissions =
        (roles(), roles(), roles(), roles(), roles()).prop_map(|(invite, post, pin, mention_all, edit_card)| {
            Permissions { invite, post, pin, mention_all, edit_card }
        });
    prop_oneof![
        option::of(links()).prop_map(Change::Avatar),
        option::of(seals()).prop_map(Change::Description),
        select(policies).prop_map(Change::JoinPolicy),
        any::<bool>().prop_map(Change::SharesHistory),
        any::<bool>().prop_map(Change::Muted),
        (0_u32..100).prop_map(Change::SlowMode),
        permissions.prop_map(Change::Permissions),
    ]
    .boxed()
}

/// What is asked of those who are in.
fn ranks() -> BoxedStrategy<Command> {
    prop_oneof![
        (option::of(seals()), vec(changes(), 0..3)).prop_map(|(name, mut changes)| {
            // Nobody says two things of one at once.
            changes.dedup_by_key(|change| std::mem::discriminant(change));
            Command::Change { name, changes, permissions: None }
        }),
        option::of(seals()).prop_map(|text| Command::Announce { text }),
        (people(), change_to((seals(), option::of(buckets()))), change_to(any_moments()), option::of(roles()))
            .prop_map(|(account, nickname, muted_until, role)| Command::ChangeMember {
                account,
                change: MemberChange { nickname, muted_until, role }
            }),
        people().prop_map(|account| Command::Ban { account }),
        people().prop_map(|account| Command::Unban { account }),
        Just(Command::Dissolve { kept_for: Duration::from_secs(60) }),
        Just(Command::End),
    ]
    .boxed()
}

/// What is asked at the door.
fn doors() -> BoxedStrategy<Command> {
    prop_oneof![
        (option::of(links()), option::of(seals()), 0_usize..6).prop_map(|(link, message, members_max)| Command::Join {
            link,
            message,
            members_max
        }),
        (people(), 0_usize..6).prop_map(|(account, members_max)| Command::Approve { account, members_max }),
        people().prop_map(|account| Command::Decline { account }),
        people().prop_map(|account| Command::Uninvite { account }),
        (links(), seals(), option::of(any_moments()), option::of(0_u32..3))
            .prop_map(|(link_id, secret, expires_at, uses)| Command::MakeLink { link_id, secret, expires_at, uses }),
        links().prop_map(|link_id| Command::RevokeLink { link_id }),
    ]
    .boxed()
}

fn group_events() -> BoxedStrategy<Event> {
    prop_oneof![
        (changes(), people(), counts()).prop_map(|(change, by, last_seq)| Event::Changed { change, by, last_seq }),
        (counts(), option::of(seals()), people()).prop_map(|(seq, text, by)| Event::Announced { seq, text, by }),
        (counts(), people(), people()).prop_map(|(seq, account_id, by)| Event::OwnerChanged { seq, account_id, by }),
        (counts(), people(), roles(), people()).prop_map(|(seq, account_id, role, by)| Event::RoleChanged {
            seq,
            account_id,
            role,
            by
        }),
        (people(), option::of(seals()), people(), counts()).prop_map(|(account_id, nickname, by, last_seq)| {
            Event::NicknameChanged { account_id, nickname, bucket: None, by, last_seq }
        }),
        (people(), option::of(any_moments()), people(), counts())
            .prop_map(|(account_id, until, by, last_seq)| { Event::MemberMuted { account_id, until, by, last_seq } }),
        (people(), any_moments(), any_moments()).prop_map(|(account_id, at, until)| Event::Paused {
            account_id,
            at,
            until
        }),
        (counts(), people(), any_moments()).prop_map(|(seq, by, ends_at)| Event::Dissolved { seq, by, ends_at }),
        Just(Event::Ended {}),
    ]
    .boxed()
}

fn door_events() -> BoxedStrategy<Event> {
    let some = || vec(people(), 0..4);
    prop_oneof![
        (people(), people()).prop_map(|(account_id, by)| Event::Banned { account_id, by }),
        (people(), people()).prop_map(|(account_id, by)| Event::Unbanned { account_id, by }),
        (some(), some(), some(), people(), any_moments(), any_moments()).prop_map(
            |(account_ids, untold, joined, by, at, expires_at)| Event::MembersInvited {
                account_ids,
                untold,
                joined,
                by,
                at,
                expires_at
            }
        ),
        (people(), people(), any::<bool>()).prop_map(|(account_id, by, is_told)| Event::InvitationEnded {
            account_id,
            by,
            is_told
        }),
        (people(), option::of(seals()), any_moments(), any_moments()).prop_map(
            |(account_id, message, at, expires_at)| Event::JoinRequested { account_id, message, at, expires_at }
        ),
        (people(), people()).prop_map(|(account_id, by)| Event::JoinDeclined { account_id, by }),
        (links(), seals(), people(), any_moments(), option::of(any_moments()), option::of(0_u32..3)).prop_map(
            |(link_id, secret, by, at, expires_at, uses)| Event::LinkMade { link_id, secret, by, at, expires_at, uses }
        ),
        (links(), people()).prop_map(|(link_id, by)| Event::LinkRevoked { link_id, by }),
    ]
    .boxed()
}

laws!(Conversation);
