//! Events are a storage contract: each variant has a file in `domain/tests/golden/<noun>/`, which is read here and
//! never written or edited. A variant without an example does not compile; one without a file fails, and so does a
//! file without a variant. What an older version wrote is read for ever.

use crate::scenario::{ALICE, BOB, CAROL, days, min};
use natter_domain::{
    ConversationId, Event, EventId, HandleId, KeyId, MessageId, Noun, RequestId, Sealed, SessionId, Timestamp, account,
    conversation, friendship, handle, inbox, message, pending, projection, session, subscription,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use uuid::{Uuid, uuid};

/// One example per variant. The match has no `_` arm: a new variant must come here, and with it comes its example.
macro_rules! examples {
    ($noun:ident: $($variant:ident $content:tt),+ $(,)?) => {{
        let _every_variant_is_here = |event: &$noun::Event| match event { $($noun::Event::$variant { .. } => ()),+ };
        vec![$($noun::Event::$variant $content),+]
    }};
}

mod people;

pub use people::{profile, settings};

const HANDLE: HandleId = HandleId(uuid!("c1a5e0de-0000-8000-8000-00000000a11c"));
pub const TALK: ConversationId = ConversationId(uuid!("01890a5d-ac96-774b-bcce-b302099a8057"));
pub const REQUEST: RequestId = RequestId(uuid!("01890a5d-ac96-7a2b-8f3e-1f0c5d6e7f80"));
pub const MESSAGE: MessageId = MessageId(uuid!("01890a5d-ac96-7b7c-9d4e-0a1b2c3d4e5f"));

pub const SESSION: SessionId = SessionId(uuid!("01890a5d-ac96-7d01-9d4e-0a1b2c3d4e5f"));
pub const OTHER_SESSION: SessionId = SessionId(uuid!("01890a5d-ac96-7d02-9d4e-0a1b2c3d4e5f"));

pub const FINGERPRINT: Uuid = uuid!("c1a5e0de-0000-8000-8000-00000000a11c");
pub const PLACE: message::Place =
    message::Place { conversation_id: TALK, message_id: MESSAGE, seq: 42, sender: Some(ALICE), sent_at: min(0) };

#[test]
fn friendship_events_keep_their_shape() {
    keep_their_shape(
        Noun::Friendship,
        &examples!(friendship:
            Requested {
                request_id: REQUEST,
                from: ALICE,
                to: BOB,
                message: Some(sealed(b"hello")),
                at: min(0),
                expires_at: days(7),
                source: Some(friendship::Source::Qr),
            },
            Accepted { request_id: REQUEST, from: ALICE, to: BOB, conversation_id: TALK, standing: standing() },
            Rejected { request_id: REQUEST, from: ALICE, to: BOB },
            Cancelled { request_id: REQUEST, from: ALICE, to: BOB },
            Ignored { request_id: REQUEST, from: ALICE, to: BOB },
            Expired { request_id: REQUEST, from: ALICE, to: BOB },
            Removed { by: ALICE, other: BOB, conversation_id: TALK, standing: standing() },
            Blocked { by: ALICE, other: BOB, conversation_id: Some(TALK), standing: standing() },
            Unblocked { by: ALICE, other: BOB, conversation_id: None, standing: standing() },
            Opened { by: ALICE, other: BOB, conversation_id: TALK, standing: standing() },
            FriendChanged {
                account: ALICE,
                friend: BOB,
                remark: Some(sealed(b"remark")),
                folder: Some(sealed(b"folder")),
                starred: true,
            },
        ),
        &[
            (
                "requested.v1.json",
                friendship::Event::Requested {
                    request_id: REQUEST,
                    from: ALICE,
                    to: BOB,
                    message: Some(sealed(b"hello")),
                    at: min(0),
                    expires_at: days(7),
                    source: None,
                },
            ),
            (
                "accepted.v1.json",
                friendship::Event::Accepted {
                    request_id: REQUEST,
                    from: ALICE,
                    to: BOB,
                    conversation_id: TALK,
                    standing: conversation::Standing::first(),
                },
            ),
        ],
    );
}

/// Nothing of it as at first.
fn standing() -> conversation::Standing {
    conversation::Standing { revision: 7, is_open: false, barred_by: [ALICE, BOB].into() }
}

#[test]
fn a_source_keeps_its_spelling() {
    for source in friendship::Source::ALL {
        assert_eq!(serde_json::to_value(source).expect("it is JSON"), source.as_str());
    }
}

#[test]
fn conversation_events_keep_their_shape() {
    keep_their_shape(
        Noun::Conversation,
        &examples!(conversation:
            Started {
                kind: conversation::Kind::Group,
                members: vec![ALICE, BOB],
                name: Some(sealed(b"name")),
                owner: Some(ALICE),
            },
            MessageSent {
                message_id: MESSAGE,
                seq: 42,
                sender: ALICE,
                body: sealed(b"hello"),
                body_kind: conversation::BodyKind::Text,
                size: 5,
                details: Box::new(conversation::Details {
                    reply_to: Some(conversation::Quote {
                        message_id: MESSAGE,
                        seq: 41,
                        sender: Some(BOB),
                        excerpt: Some(sealed(b"hi")),
                    }),
                    thread: Some(conversation::Root { message_id: MESSAGE, seq: 40, sender: Some(CAROL) }),
                    mentions: conversation::Mentions {
                        accounts: vec![BOB],
                        all: true,
                        roles: vec![conversation::Role::Admin],
                        by_role: vec![CAROL],
                    },
                    silent: true,
                    forwarded: true,
                    said: Some(FINGERPRINT),
                    has_link: true,
                    self_destruct: None,
                }),
            },
            MembersJoined {
                seq: 42,
                account_ids: vec![BOB, CAROL],
                by: ALICE,
                way: conversation::Way::Link(FINGERPRINT),
                begins: vec![0, 40],
            },
            MemberLeft { seq: 43, account_id: CAROL, by: ALICE, joined_seq: 41 },
            Renamed { name: sealed(b"name"), by: ALICE, last_seq: 43, is_message: true },
            Changed {
                change: conversation::Change::Permissions(conversation::Permissions::default()),
                by: ALICE,
                last_seq: 43,
            },
            Announced { seq: 44, text: Some(sealed(b"tonight")), by: ALICE },
            OwnerChanged { seq: 45, account_id: BOB, by: ALICE },
            RoleChanged { seq: 46, account_id: BOB, role: conversation::Role::Admin, by: ALICE },
            NicknameChanged {
                account_id: BOB,
                nickname: Some(sealed(b"bobby")),
                bucket: Some(conversation::Bucket(1_023)),
                by: BOB,
                last_seq: 46,
            },
            MemberMuted { account_id: BOB, until: Some(days(1)), by: ALICE, last_seq: 46 },
            Paused { account_id: BOB, at: min(0), until: min(1) },
            Banned { account_id: BOB, by: ALICE },
            Unbanned { account_id: BOB, by: ALICE },
            MembersInvited {
                account_ids: vec![BOB, CAROL],
                untold: vec![CAROL],
                joined: vec![],
                by: ALICE,
                at: min(0),
                expires_at: days(7),
            },
            InvitationEnded { account_id: BOB, by: ALICE, is_told: true },
            JoinRequested { account_id: BOB, message: Some(sealed(b"please")), at: min(0), expires_at: days(7) },
            JoinDeclined { account_id: BOB, by: ALICE },
            LinkMade {
                link_id: FINGERPRINT,
                secret: sealed(b"secret"),
                by: ALICE,
                at: min(0),
                expires_at: Some(days(1)),
                uses: Some(3),
            },
            LinkRevoked { link_id: FINGERPRINT, by: ALICE },
            Dissolved { seq: 47, by: ALICE, ends_at: days(30) },
            Ended {},
            CountdownBegan { message_id: MESSAGE, seq: 42, sender: ALICE, sent_at: min(0), expires_at: min(1) },
            StandingChanged { standing: standing(), shown_to: vec![BOB], last_seq: 43 },
        ),
        &[
            (
                "started.v1.json",
                conversation::Event::Started {
                    kind: conversation::Kind::Direct,
                    members: vec![ALICE, BOB],
                    name: None,
                    owner: None,
                },
            ),
            (
                "message_sent.v1.json",
                conversation::Event::MessageSent {
                    message_id: MESSAGE,
                    seq: 42,
                    sender: ALICE,
                    body: sealed(b"hello"),
                    body_kind: conversation::BodyKind::Text,
                    size: 5,
                    details: Box::default(),
                },
            ),
            ("members_joined.v1.json", conversation::Event::added(42, vec![BOB, CAROL], ALICE)),
            (
                "renamed.v1.json",
                conversation::Event::Renamed { name: sealed(b"name"), by: ALICE, last_seq: 43, is_message: false },
            ),
            (
                "nickname_changed.v1.json",
                conversation::Event::NicknameChanged {
                    account_id: BOB,
                    nickname: Some(sealed(b"bobby")),
                    bucket: None,
                    by: BOB,
                    last_seq: 46,
                },
            ),
        ],
    );
}

pub fn view() -> inbox::View {
    inbox::View {
        pinned: true,
        quiet_until: Some(days(7)),
        archived: true,
        hidden_seq: Some(42),
        folder: Some(sealed(b"folder")),
        marked_unread: true,
    }
}

#[test]
fn inbox_events_keep_their_shape() {
    let direct = inbox::Cursor { conversation_id: TALK, seq: 42, peer: Some(BOB) };
    let other = inbox::Cursor { conversation_id: ConversationId(CAROL.0), seq: 1, peer: None };
    keep_their_shape(
        Noun::Inbox,
        &examples!(inbox:
            CursorsAdvanced { cursors: vec![direct.clone(), other] },
            EndingRead { conversation_id: TALK, seq: 42 },
            DeliveriesAdvanced { cursors: vec![direct] },
            ViewChanged { conversation_id: TALK, view: view() },
            DraftChanged { conversation_id: TALK, draft: Some(sealed(b"draft")) },
            Cleared { conversation_id: TALK, up_to_seq: 42 },
            MessageDeleted { conversation_id: TALK, message_id: PLACE.message_id, seq: 42 },
            AnnouncementRead { conversation_id: TALK, seq: 42 },
        ),
        &[],
    );
}

#[test]
fn projection_events_keep_their_shape() {
    let (request_id, projection, by) = (REQUEST.0, "history".to_owned(), "root".to_owned());
    keep_their_shape(
        Noun::Projection,
        &examples!(projection:
            RetryRequested { request_id, projection: projection.clone(), aggregate_id: None, by: by.clone() },
            SkipRequested { request_id, projection, aggregate_id: TALK.0, event_ids: vec![EventId(MESSAGE.0)], by },
        ),
        &[],
    );
}

#[test]
fn message_events_keep_their_shape() {
    keep_their_shape(
        Noun::Message,
        &examples!(message:
            Edited {
                message: PLACE,
                body: sealed(b"hello"),
                body_kind: conversation::BodyKind::Text,
                size: 5,
                fingerprint: FINGERPRINT,
                has_link: true,
            },
            Recalled { message: PLACE, by: ALICE },
            Expired { message: PLACE },
            Reacted { message: PLACE, account_id: BOB, emoji: "\u{1f44d}".into(), count: 2 },
            Unreacted { message: PLACE, account_id: BOB, emoji: "\u{1f44d}".into(), count: 0 },
            Pinned { message: message::Place { sender: None, ..PLACE }, by: BOB },
            Unpinned { message: PLACE, by: BOB },
            Followed { message: PLACE, account_id: BOB },
            Unfollowed { message: PLACE, account_id: BOB },
            ThreadRead { message: PLACE, account_id: BOB, seq: 44 },
            Marked { message: PLACE, account_id: BOB, starred_at: Some(min(3)), listened: true },
        ),
        &[(
            "edited.v1.json",
            message::Event::Edited {
                message: PLACE,
                body: sealed(b"hello"),
                body_kind: conversation::BodyKind::Text,
                size: 5,
                fingerprint: FINGERPRINT,
                has_link: false,
            },
        )],
    );
}

#[test]
fn subscription_events_keep_their_shape() {
    keep_their_shape(
        Noun::Subscription,
        &examples!(subscription:
            Begun { conversation_id: TALK, account_id: BOB, last_seq: 42 },
            Ended { conversation_id: TALK, account_id: BOB, last_seq: 42 },
        ),
        &[],
    );
}

pub const WAITING: pending::Place = pending::Place { conversation_id: TALK, message_id: MESSAGE, author: ALICE };

pub fn content() -> pending::Content {
    pending::Content {
        body: sealed(b"hello"),
        given: None,
        said: None,
        body_kind: conversation::BodyKind::Text,
        size: 5,
        has_link: true,
        reply_to: Some(MESSAGE),
        thread: None,
        mentions: conversation::Mentions {
            accounts: vec![BOB],
            all: true,
            roles: vec![conversation::Role::Admin],
            by_role: vec![],
        },
        silent: true,
        self_destruct: None,
    }
}

#[test]
fn pending_events_keep_their_shape() {
    keep_their_shape(
        Noun::Pending,
        &examples!(pending:
            Scheduled { message: WAITING, content: content(), send_at: days(1) },
            Held { message: WAITING, content: content(), rule: "rule".into() },
            Changed { message: WAITING, content: content(), send_at: days(1) },
            Cancelled { message: WAITING },
            Released { message: WAITING, content: content(), by: Some("root".into()) },
            Sent { message: WAITING, seq: 42 },
            Failed {
                message: WAITING,
                content: content(),
                send_at: None,
                code: "muted".into(),
                until: Some(days(1)),
                by: Some("root".into()),
            },
        ),
        &[],
    );
}

#[test]
fn every_noun_has_its_folder_and_no_folder_is_left_over() {
    let nouns: BTreeSet<String> = Noun::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names_in(&golden()), nouns);
}

#[test]
fn a_reason_and_an_absent_value_keep_their_spelling() {
    let logged_out = r#""logged_out""#;
    assert_eq!(
        serde_json::from_str::<session::Reason>(logged_out).expect("it is a reason"),
        session::Reason::LoggedOut
    );
    assert_eq!(serde_json::to_string(&session::Reason::LoggedOut).expect("it is JSON"), logged_out);
    for reason in [session::Reason::Ended, session::Reason::PasswordChanged, session::Reason::Replaced] {
        assert_eq!(serde_json::to_value(reason).expect("it is JSON"), reason.as_str());
    }
    let nothing = session::Device { name: None, platform: None };
    assert_eq!(serde_json::from_str::<session::Device>("{}").expect("all of it may be absent"), nothing);
}

#[track_caller]
fn keep_their_shape<E: Event>(noun: Noun, examples: &[E], older: &[(&str, E)]) {
    let folder = golden().join(noun.as_str());
    let newest: BTreeSet<String> = examples.iter().map(file_name).collect();
    assert_eq!(newest.len(), examples.len(), "two variants of {noun} share a name");
    let older_names = older.iter().map(|(name, _)| (*name).to_owned());
    let expected = newest.into_iter().chain(older_names).collect();
    // The state's file is looked after in `state.rs`.
    let files: BTreeSet<String> = names_in(&folder).into_iter().filter(|name| !name.starts_with("state.")).collect();
    assert_eq!(files, expected, "files of {noun} on the left, its variants on the right");
    for example in examples {
        let path = folder.join(file_name(example));
        let text = fs::read_to_string(&path).expect("it was listed");
        let json: Value = serde_json::from_str(&text).expect("a golden file is JSON");
        let read: E = serde_json::from_str(&text).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        assert_eq!(&read, example, "{}", path.display());
        assert_eq!(serde_json::to_value(&read).expect("an event is JSON"), json, "{}", path.display());
        assert!(json.get(example.name()).is_some(), "{} is stored under its own name", example.name());
    }
    for (name, meaning) in older {
        let text = fs::read_to_string(folder.join(name)).expect("it was listed");
        let read: E = serde_json::from_str(&text).unwrap_or_else(|error| panic!("read {name}: {error}"));
        assert_eq!(&read, meaning, "{name}");
    }
}

fn file_name<E: Event>(event: &E) -> String {
    format!("{}.v{}.json", event.name(), event.version())
}

pub fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("list {}: {error}", folder.display()));
    entries.map(|entry| entry.expect("a folder lists its files").file_name().to_string_lossy().into_owned()).collect()
}

pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

pub fn sealed(bytes: &[u8]) -> Sealed {
    Sealed { key: KeyId::Installation, bytes: bytes.to_vec() }
}
