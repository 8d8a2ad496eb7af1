//! States are stored too, in snapshots, and a snapshot is read back by the version of its state: `state.vN.json` in
//! `domain/tests/golden/<noun>/` pins the shape, and what `evolve` makes of some histories. Whoever changes either
//! raises `STATE_VERSION` and puts the file of the new version in the place of the old one: stored snapshots of another
//! version are not read, so old files serve nobody.

use crate::{
    golden::{
        FINGERPRINT, MESSAGE, OTHER_SESSION, PLACE, REQUEST, SESSION, TALK, WAITING, content, golden, names_in,
        profile, sealed, settings, view,
    },
    scenario::{ALICE, BOB, CAROL, days, min},
};
use natter_domain::{
    ConversationId, Decider, HandleId, RequestId, account, conversation, friendship, handle, inbox, message, pending,
    projection, session, subscription,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs};
use uuid::uuid;

/// Fails to compile where a variant of the state is not named here, and fails where no history leads to it.
macro_rules! reach_every_variant {
    ($noun:ident: $($variant:ident),+ $(,)?; $states:expr) => {{
        let name = |state: &$noun::State| match state { $($noun::State::$variant { .. } => stringify!($variant)),+ };
        let reached: BTreeSet<&str> = $states.iter().map(name).collect();
        assert_eq!(reached, BTreeSet::from([$(stringify!($variant)),+]));
    }};
}

fn contact(number: u128) -> account::Contact {
    account::Contact { value: sealed(b"contact"), handle: HandleId(uuid::Uuid::from_u128(number)) }
}

fn identity(number: u128) -> account::Identity {
    account::Identity { handle: HandleId(uuid::Uuid::from_u128(number)), about: sealed(b"about") }
}

#[test]
fn an_account_keeps_its_shape() {
    let started = account::Event::RegistrationStarted {
        username: sealed(b"\xfb\xff\xbf"),
        nickname: sealed(b"nickname"),
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
        handles: vec![HandleId(uuid!("c1a5e0de-0000-8000-8000-00000000a11c"))],
        expires_at: min(10),
        prefixes: vec![HandleId(uuid!("c1a5e0de-0000-8000-8000-00000000a11c"))],
        email: Some(contact(1)),
        phone: None,
        identity: Some(identity(3)),
    };
    let profile = account::Event::ProfileChanged { nickname: sealed(b"other"), profile: profile() };
    let settings = account::Event::SettingsChanged { settings: settings() };
    let folders = account::Event::FriendFoldersOrdered { names: sealed(b"names") };
    let (way, contact) = (account::Way::Phone, contact(2));
    let changing = account::Event::ContactChangeStarted { way, contact, expires_at: min(10) };
    let begun = account::Event::IdentityLinkStarted { identity: identity(4), expires_at: min(20) };
    let states = keeps_its_shape::<account::Account>(&[
        vec![],
        vec![started.clone()],
        vec![started.clone(), account::Event::Registered {}],
        vec![started.clone(), account::Event::Registered {}, profile, settings, folders],
        vec![started.clone(), account::Event::Registered {}, changing.clone()],
        vec![started.clone(), account::Event::RegistrationAbandoned { handles: vec![] }],
        [vec![started.clone(), account::Event::Registered {}], signed_in()].concat(),
        [vec![started.clone(), account::Event::Registered {}], in_its_way()].concat(),
        [vec![started.clone(), account::Event::Registered {}], with_a_second_factor()].concat(),
        [vec![started.clone(), account::Event::Registered {}], who_they_are_elsewhere()].concat(),
        vec![started.clone(), account::Event::Registered {}, account::Event::Closed {}],
        vec![
            started.clone(),
            account::Event::Registered {},
            changing.clone(),
            begun.clone(),
            account::Event::Closed {},
        ],
        vec![
            started,
            account::Event::Registered {},
            changing,
            begun,
            account::Event::Erased { by: None, released: vec![] },
        ],
    ]);
    reach_every_variant!(account: Unknown, Registering, Registered, Closed, Abandoned, Erased; states);
}

fn who_they_are_elsewhere() -> Vec<account::Event> {
    let begun = |number| account::Event::IdentityLinkStarted { identity: identity(number), expires_at: min(10) };
    vec![
        begun(4),
        account::Event::IdentityLinked { identity: identity(4) },
        account::Event::IdentityUnlinked { handle: identity(3).handle },
        begun(5),
        account::Event::GroupOwned { conversation_id: TALK, at: min(0) },
    ]
}

fn in_its_way() -> Vec<account::Event> {
    vec![
        account::Event::Muted { until: None, reason: None, by: "root".into() },
        account::Event::Suspended {
            until: Some(days(7)),
            reason: Some(sealed(b"reason")),
            by: "root".into(),
            ended: vec![],
        },
        account::Event::ClosingRequested { closes_at: days(14), ended: vec![] },
    ]
}

fn signed_in() -> Vec<account::Event> {
    let admitted =
        |session_id, ended| account::Event::SessionAdmitted { session_id, platform: Some("android".into()), ended };
    vec![
        admitted(SESSION, vec![]),
        admitted(OTHER_SESSION, vec![SESSION]),
        account::Event::PasswordChanged { password_hash: "$argon2id$other".into(), ended: vec![] },
    ]
}

fn with_a_second_factor() -> Vec<account::Event> {
    let recovery = ["one", "two"].map(str::to_owned).to_vec();
    vec![
        account::Event::SecondFactorTurnedOn { secret: sealed(b"secret"), step: 58_000_000, recovery },
        account::Event::SecondFactorUsed { step: 58_000_001 },
        account::Event::RecoveryCodeUsed { hash: "one".into(), left: 1 },
        account::Event::SecondFactorOffered { secret: sealed(b"another") },
    ]
}

#[test]
fn a_handle_keeps_its_shape() {
    keeps_its_shape::<handle::Handle>(&[vec![], vec![handle::Event::Claimed { by: ALICE, until: min(5) }]]);
}

#[test]
fn a_session_keeps_its_shape() {
    let opened = session::Event::Opened {
        account_id: ALICE,
        device: None,
        refresh_hash: "hash 1".into(),
        expires_at: days(30),
        address: None,
    };
    let refreshed = session::Event::Refreshed {
        account_id: ALICE,
        generation: 2,
        refresh_hash: "hash 2".into(),
        expires_at: days(31),
        address: None,
    };
    let revoked = |reason| session::Event::Revoked { account_id: ALICE, reason };
    let states = keeps_its_shape::<session::Session>(&[
        vec![],
        vec![opened.clone(), refreshed],
        vec![opened.clone(), revoked(session::Reason::LoggedOut)],
        vec![opened, revoked(session::Reason::RefreshTokenReused)],
    ]);
    reach_every_variant!(session: Unknown, Open, Revoked; states);
}

#[test]
fn a_friendship_keeps_its_shape() {
    const NEXT: RequestId = RequestId(uuid!("01890a5d-ac96-7a2b-8f3e-1f0c5d6e7f81"));
    let requested = |request_id, from, to, at| friendship::Event::Requested {
        request_id,
        from,
        to,
        message: Some(sealed(b"hello")),
        at: min(at),
        expires_at: days(7),
        source: None,
    };
    let accepted = friendship::Event::Accepted {
        request_id: NEXT,
        from: BOB,
        to: ALICE,
        conversation_id: TALK,
        standing: conversation::Standing::first(),
    };
    let rejected = friendship::Event::Rejected { request_id: REQUEST, from: ALICE, to: BOB };
    let noted = friendship::Event::FriendChanged {
        account: ALICE,
        friend: BOB,
        remark: Some(sealed(b"remark")),
        folder: Some(sealed(b"folder")),
        starred: true,
    };
    let standing = conversation::Standing::first().barred(BOB);
    let blocked = friendship::Event::Blocked { by: BOB, other: ALICE, conversation_id: Some(TALK), standing };
    let friends = vec![requested(REQUEST, ALICE, BOB, 0), rejected, requested(NEXT, BOB, ALICE, 5), accepted];
    keeps_its_shape::<friendship::Friendship>(&[
        vec![],
        friends.clone(),
        [friends, vec![noted, blocked]].concat(),
        vec![requested(REQUEST, ALICE, BOB, 0)],
        vec![
            requested(REQUEST, ALICE, BOB, 0),
            friendship::Event::Ignored { request_id: REQUEST, from: ALICE, to: BOB },
            friendship::Event::Expired { request_id: REQUEST, from: ALICE, to: BOB },
        ],
        vec![
            requested(REQUEST, ALICE, BOB, 0),
            friendship::Event::Cancelled { request_id: REQUEST, from: ALICE, to: BOB },
        ],
    ]);
}

#[test]
fn a_conversation_keeps_its_shape() {
    let started = |kind, name, owner| conversation::Event::Started { kind, members: vec![ALICE, BOB], name, owner };
    let direct = started(conversation::Kind::Direct, None, None);
    let group = started(conversation::Kind::Group, Some(sealed(b"name")), Some(ALICE));
    let left = |seq, account_id| conversation::Event::MemberLeft { seq, account_id, by: ALICE, joined_seq: 0 };
    let joined = |seq, account_ids| conversation::Event::added(seq, account_ids, ALICE);
    let renamed = conversation::Event::Renamed { name: sealed(b"other"), by: ALICE, last_seq: 4, is_message: false };
    let sent = conversation::Event::MessageSent {
        message_id: MESSAGE,
        seq: 42,
        sender: ALICE,
        body: sealed(b"hello"),
        body_kind: conversation::BodyKind::Text,
        size: 5,
        details: Default::default(),
    };
    let ending = |seq| conversation::Event::MessageSent {
        message_id: MESSAGE,
        seq,
        sender: BOB,
        body: sealed(b"secret"),
        body_kind: conversation::BodyKind::Text,
        size: 6,
        details: Box::new(conversation::Details {
            self_destruct: Some(conversation::SelfDestruct {
                lifetime: conversation::Lifetime::AfterReadS(60),
                sent_at: min(0),
            }),
            ..Default::default()
        }),
    };
    let begun = conversation::Event::CountdownBegan {
        message_id: MESSAGE,
        seq: 43,
        sender: BOB,
        sent_at: min(0),
        expires_at: min(2),
    };
    let shared = conversation::Event::MembersJoined {
        seq: 9,
        account_ids: vec![FAR],
        by: ALICE,
        way: conversation::Way::Added,
        begins: vec![2],
    };
    let standing = conversation::Standing::first().barred(BOB);
    let stood = conversation::Event::StandingChanged { standing, shown_to: vec![BOB], last_seq: 0 };
    keeps_its_shape::<conversation::Conversation>(&[
        vec![],
        vec![direct.clone(), sent],
        vec![direct.clone(), ending(43), ending(44), begun],
        vec![direct, stood],
        vec![
            group.clone(),
            joined(1, vec![CAROL]),
            left(2, BOB),
            left(3, CAROL),
            joined(4, vec![BOB]),
            renamed,
            shared,
        ],
        std::iter::once(group).chain(set_up()).collect(),
    ]);
}

const FAR: natter_domain::AccountId = natter_domain::AccountId(uuid!("01890a5d-ac96-774b-bcce-0000000000fa"));

/// Whatever a group can remember.
fn set_up() -> Vec<conversation::Event> {
    use conversation::{Bucket, Change, Event, JoinPolicy, Permissions, Role};
    let (by, link_id, secret) = (ALICE, CAROL.0, sealed(b"secret"));
    let changes = [
        Change::Avatar(Some(TALK.0)),
        Change::Description(Some(sealed(b"description"))),
        Change::JoinPolicy(JoinPolicy::Approval),
        Change::SharesHistory(true),
        Change::Muted(true),
        Change::SlowMode(30),
        Change::Permissions(Permissions { pin: Role::Admin, ..Permissions::default() }),
    ];
    let changed = changes.into_iter().map(|change| Event::Changed { change, by, last_seq: 1 });
    changed
        .chain([
            Event::Announced { seq: 2, text: Some(sealed(b"tonight")), by },
            Event::RoleChanged { seq: 3, account_id: BOB, role: Role::Admin, by },
            Event::NicknameChanged {
                account_id: BOB,
                nickname: Some(sealed(b"bobby")),
                bucket: Some(Bucket(17)),
                by,
                last_seq: 3,
            },
            Event::MemberMuted { account_id: BOB, until: Some(min(60)), by, last_seq: 3 },
            Event::Paused { account_id: BOB, at: min(0), until: min(1) },
            Event::Banned { account_id: CAROL, by },
            Event::MembersInvited {
                account_ids: vec![FAR],
                untold: vec![],
                joined: vec![],
                by,
                at: min(0),
                expires_at: min(60),
            },
            Event::JoinRequested { account_id: CAROL, message: None, at: min(0), expires_at: min(60) },
            Event::JoinDeclined { account_id: CAROL, by },
            Event::JoinRequested { account_id: FAR, message: None, at: min(0), expires_at: min(60) },
            Event::LinkMade { link_id, secret, by, at: min(0), expires_at: Some(min(60)), uses: Some(3) },
            Event::Dissolved { seq: 4, by, ends_at: min(90) },
        ])
        .collect()
}

#[test]
fn an_inbox_keeps_its_shape() {
    let direct = inbox::Cursor { conversation_id: TALK, seq: 42, peer: Some(BOB) };
    let other = inbox::Cursor { conversation_id: ConversationId(CAROL.0), seq: 1, peer: None };
    let all = vec![
        inbox::Event::CursorsAdvanced { cursors: vec![direct.clone(), other] },
        inbox::Event::EndingRead { conversation_id: TALK, seq: 42 },
        inbox::Event::DeliveriesAdvanced { cursors: vec![inbox::Cursor { seq: 43, ..direct }] },
        inbox::Event::ViewChanged { conversation_id: TALK, view: view() },
        inbox::Event::DraftChanged { conversation_id: TALK, draft: Some(sealed(b"draft")) },
        inbox::Event::Cleared { conversation_id: TALK, up_to_seq: 42 },
        inbox::Event::MessageDeleted { conversation_id: TALK, message_id: PLACE.message_id, seq: 44 },
        inbox::Event::AnnouncementRead { conversation_id: TALK, seq: 42 },
    ];
    keeps_its_shape::<inbox::Inbox>(&[vec![], all]);
}

#[test]
fn a_projection_keeps_its_shape() {
    let asked = projection::Event::RetryRequested {
        request_id: REQUEST.0,
        projection: "history".into(),
        aggregate_id: None,
        by: "root".into(),
    };
    keeps_its_shape::<projection::Projection>(&[vec![], vec![asked]]);
}

#[test]
fn a_message_keeps_its_shape() {
    let reacted =
        |account_id, emoji: &str| message::Event::Reacted { message: PLACE, account_id, emoji: emoji.into(), count: 1 };
    let edited = message::Event::Edited {
        message: PLACE,
        body: sealed(b"hello"),
        body_kind: conversation::BodyKind::Text,
        size: 5,
        fingerprint: FINGERPRINT,
        has_link: false,
    };
    let unreacted = message::Event::Unreacted { message: PLACE, account_id: BOB, emoji: "gone".into(), count: 0 };
    let pinned = message::Event::Pinned { message: PLACE, by: BOB };
    let lively = vec![
        edited,
        reacted(BOB, "\u{1f44d}"),
        reacted(ALICE, "\u{1f44d}"),
        reacted(BOB, "gone"),
        unreacted,
        reacted(BOB, "a"),
        pinned,
        message::Event::Followed { message: PLACE, account_id: BOB },
        message::Event::ThreadRead { message: PLACE, account_id: BOB, seq: 44 },
        message::Event::Marked { message: PLACE, account_id: BOB, starred_at: Some(min(3)), listened: true },
    ];
    let recalled = [lively.clone(), vec![message::Event::Recalled { message: PLACE, by: ALICE }]].concat();
    keeps_its_shape::<message::Message>(&[vec![], lively, recalled]);
}

#[test]
fn a_subscription_keeps_its_shape() {
    let (conversation_id, account_id) = (TALK, BOB);
    let begun = subscription::Event::Begun { conversation_id, account_id, last_seq: 42 };
    let ended = subscription::Event::Ended { conversation_id, account_id, last_seq: 42 };
    keeps_its_shape::<subscription::Subscription>(&[vec![], vec![begun], vec![begun, ended]]);
}

#[test]
fn what_is_pending_keeps_its_shape() {
    let place = |number: u128| pending::Place { message_id: uuid::Uuid::from_u128(number).into(), ..WAITING };
    let scheduled = |number| pending::Event::Scheduled { message: place(number), content: content(), send_at: days(1) };
    let held = pending::Event::Held { message: place(2), content: content(), rule: "rule".into() };
    let released = |number| pending::Event::Released { message: place(number), content: content(), by: None };
    let failed = pending::Event::Failed {
        message: place(4),
        content: content(),
        send_at: None,
        code: "muted".into(),
        until: None,
        by: None,
    };
    let all = vec![
        scheduled(1),
        held,
        scheduled(3),
        released(3),
        scheduled(4),
        released(4),
        failed,
        scheduled(5),
        pending::Event::Cancelled { message: place(5) },
        scheduled(6),
        released(6),
        pending::Event::Sent { message: place(6), seq: 42 },
    ];
    keeps_its_shape::<pending::Pending>(&[vec![], all]);
}

/// Gives back the states that the histories lead to.
#[track_caller]
fn keeps_its_shape<D: Decider>(histories: &[Vec<D::Event>]) -> Vec<D::State> {
    let states: Vec<D::State> = histories.iter().map(|history| state::<D>(history)).collect();
    let folder = golden().join(D::NOUN.as_str());
    let file = format!("state.v{}.json", D::STATE_VERSION);
    let files: BTreeSet<String> = names_in(&folder).into_iter().filter(|name| name.starts_with("state.")).collect();
    assert_eq!(files, BTreeSet::from([file.clone()]), "{} has one file, of its STATE_VERSION", D::NOUN);
    let now = serde_json::to_value(&states).expect("a state is JSON");
    if std::env::var_os("NATTER_WRITE_GOLDEN").is_some() {
        let written = serde_json::to_string_pretty(&now).expect("it is JSON");
        fs::write(folder.join(&file), written + "\n").expect("write a golden file");
    }
    let text = fs::read_to_string(folder.join(&file)).expect("it was listed");
    let json: Value = serde_json::from_str(&text).expect("a golden file is JSON");
    assert_eq!(now, json, "the state of {} (left: now, right: {file}) has changed: raise STATE_VERSION", D::NOUN);
    let read: Vec<D::State> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("read {file}: {error}"));
    assert_eq!(read, states, "{file}");
    states
}

fn state<D: Decider>(history: &[D::Event]) -> D::State {
    let mut state = D::State::default();
    for event in history {
        D::evolve(&mut state, event);
    }
    state
}
