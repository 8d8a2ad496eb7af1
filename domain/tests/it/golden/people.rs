//! Events of people, their names and their sessions.

use super::*;

fn contact() -> account::Contact {
    account::Contact { value: sealed(b"contact"), handle: HANDLE }
}

fn identity() -> account::Identity {
    account::Identity { handle: HANDLE, about: sealed(b"about") }
}

#[test]
fn account_events_keep_their_shape() {
    keep_their_shape(
        Noun::Account,
        &examples!(account:
            RegistrationStarted {
                username: sealed(b"\xfb\xff\xbf"),
                nickname: sealed(b"nickname"),
                password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
                handles: vec![HANDLE],
                expires_at: min(10),
                prefixes: vec![HANDLE],
                email: Some(contact()),
                phone: None,
                identity: Some(identity()),
            },
            Registered {},
            RegistrationAbandoned { handles: vec![HANDLE] },
            ProfileChanged { nickname: sealed(b"nickname"), profile: profile() },
            SettingsChanged { settings: settings() },
            FriendFoldersOrdered { names: sealed(b"names") },
            SessionAdmitted { session_id: SESSION, platform: Some("android".into()), ended: vec![OTHER_SESSION] },
            SessionForgotten { session_id: SESSION },
            SessionsEnded { ended: vec![SESSION, OTHER_SESSION], reason: session::Reason::Ended },
            PasswordChanged { password_hash: "$argon2id$".into(), ended: vec![SESSION] },
            PasswordRehashed { password_hash: "$argon2id$".into() },
            ContactChangeStarted { way: account::Way::Phone, contact: contact(), expires_at: min(10) },
            ContactChanged { way: account::Way::Email, contact: contact(), released: Some(HANDLE) },
            ContactChangeAbandoned { handle: HANDLE },
            Muted { until: Some(days(7)), reason: Some(sealed(b"reason")), by: "root".into() },
            Suspended {
                until: Some(days(7)),
                reason: Some(sealed(b"reason")),
                by: "root".into(),
                ended: vec![SESSION, OTHER_SESSION],
            },
            Restored { reason: Some(sealed(b"reason")), by: "root".into() },
            ClosingRequested { closes_at: days(14), ended: vec![SESSION] },
            ClosingPostponed { closes_at: days(37) },
            ClosingCancelled {},
            Closed {},
            HandlesReleased { handles: vec![HANDLE] },
            SecondFactorOffered { secret: sealed(b"secret") },
            SecondFactorTurnedOn { secret: sealed(b"secret"), step: 58_000_000, recovery: vec!["hash".into()] },
            SecondFactorUsed { step: 58_000_001 },
            RecoveryCodeUsed { hash: "hash".into(), left: 9 },
            SecondFactorTurnedOff {},
            RecoveryCodesMade { recovery: vec!["hash".into()] },
            Erased { by: Some("an operator".into()), released: vec![HANDLE] },
            IdentityLinkStarted { identity: identity(), expires_at: min(10) },
            IdentityLinked { identity: identity() },
            IdentityLinkAbandoned { handle: HANDLE },
            IdentityUnlinked { handle: HANDLE },
            GroupOwned { conversation_id: TALK, at: min(0) },
            GroupsLeft { conversation_ids: vec![TALK] },
        ),
        &[
            ("registration_started.v1.json", registration_started(Timestamp::default(), vec![], None)),
            ("registration_started.v2.json", registration_started(min(10), vec![], None)),
            ("registration_started.v3.json", registration_started(min(10), vec![HANDLE], None)),
            ("registration_started.v4.json", registration_started(min(10), vec![HANDLE], Some(contact()))),
            ("registration_abandoned.v1.json", account::Event::RegistrationAbandoned { handles: vec![] }),
            (
                "settings_changed.v1.json",
                account::Event::SettingsChanged {
                    settings: account::Settings {
                        messages_from: account::MessagesFrom::Friends,
                        groups_from: account::GroupsFrom::Friends,
                        read_receipts: account::ReadReceipts(true),
                        ..settings()
                    },
                },
            ),
            (
                "settings_changed.v2.json",
                account::Event::SettingsChanged {
                    settings: account::Settings { read_receipts: account::ReadReceipts(true), ..settings() },
                },
            ),
        ],
    );
}

/// What an old one says.
fn registration_started(
    expires_at: Timestamp,
    prefixes: Vec<HandleId>,
    email: Option<account::Contact>,
) -> account::Event {
    account::Event::RegistrationStarted {
        username: sealed(b"\xfb\xff\xbf"),
        nickname: sealed(b"nickname"),
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
        handles: vec![HANDLE],
        expires_at,
        prefixes,
        email,
        phone: None,
        identity: None,
    }
}

pub fn profile() -> account::Profile {
    account::Profile {
        avatar: Some(FINGERPRINT),
        signature: Some(sealed(b"signature")),
        gender: Some(sealed(b"gender")),
        region: Some(sealed(b"region")),
        birthday: Some(sealed(b"birthday")),
        custom: Some(sealed(b"custom")),
    }
}

/// None of it as by default.
pub fn settings() -> account::Settings {
    account::Settings {
        find_by: account::FindBy { username: false, email: true, phone: true },
        add_by: account::AddBy { search: false, group: false },
        requests_from: account::RequestsFrom::FriendsOfFriends,
        show_online: account::ShowOnline(false),
        locale: account::Locale::Zh,
        visible: account::Visible {
            birthday: account::Audience::All,
            gender: account::Audience::Nobody,
            region: account::Audience::Friends,
        },
        messages_from: account::MessagesFrom::All,
        groups_from: account::GroupsFrom::Nobody,
        read_receipts: account::ReadReceipts(false),
    }
}

#[test]
fn handle_events_keep_their_shape() {
    keep_their_shape(
        Noun::Handle,
        &examples!(handle: Claimed { by: ALICE, until: min(5) }, Released { by: ALICE }),
        &[("claimed.v1.json", handle::Event::Claimed { by: ALICE, until: Timestamp::default() })],
    );
}

#[test]
fn session_events_keep_their_shape() {
    let device = session::Device { name: Some(sealed(b"phone")), platform: Some("android".into()) };
    keep_their_shape(
        Noun::Session,
        &examples!(session:
            Opened {
                account_id: ALICE,
                device: Some(device.clone()),
                refresh_hash: "hash 1".into(),
                expires_at: days(30),
                address: Some(sealed(b"192.0.2.1")),
            },
            Refreshed {
                account_id: ALICE,
                generation: 2,
                refresh_hash: "hash 2".into(),
                expires_at: days(31),
                address: Some(sealed(b"192.0.2.1")),
            },
            Revoked { account_id: ALICE, reason: session::Reason::RefreshTokenReused },
        ),
        &[
            (
                "opened.v1.json",
                session::Event::Opened {
                    account_id: ALICE,
                    device: Some(device),
                    refresh_hash: "hash 1".into(),
                    expires_at: days(30),
                    address: None,
                },
            ),
            (
                "refreshed.v1.json",
                session::Event::Refreshed {
                    account_id: ALICE,
                    generation: 2,
                    refresh_hash: "hash 2".into(),
                    expires_at: days(31),
                    address: None,
                },
            ),
        ],
    );
}
