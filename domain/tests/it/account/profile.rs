//! Account: ACC-6 to ACC-8.

use super::{given, started};
use crate::{
    laws::{ids, seals},
    scenario::{min, sealed},
};
use natter_domain::{
    Context, Decider, Sealed, Timestamp, Username,
    account::{
        Account, Audience, Change, Command, Event, Profile, ProfileChange, Refusal, RequestsFrom, Settings,
        SettingsChange, State,
    },
    profile,
};
use proptest::{option, prelude::*};
use std::collections::BTreeMap;

fn named(nickname: Change<Sealed>) -> Command {
    Command::ChangeProfile(ProfileChange { nickname, ..ProfileChange::default() })
}

fn signed(signature: Change<Sealed>) -> Command {
    Command::ChangeProfile(ProfileChange { signature, ..ProfileChange::default() })
}

fn says(nickname: &str, signature: Option<&str>) -> Event {
    let profile = Profile { signature: signature.map(sealed), ..Profile::default() };
    Event::ProfileChanged { nickname: sealed(nickname), profile }
}

fn wants(settings: Settings) -> Event {
    Event::SettingsChanged { settings }
}

#[test]
fn a_profile_changes_field_by_field() {
    let registered = [started(), Event::Registered {}];
    given(registered.clone()).when(signed(Change::Set(sealed("hi")))).then([says("Alice", Some("hi"))]);
    given([started(), Event::Registered {}, says("Alice", Some("hi"))])
        .when(named(Change::Set(sealed("Ally"))))
        .then([says("Ally", Some("hi"))]);
    given([started(), Event::Registered {}, says("Alice", Some("hi"))])
        .when(signed(Change::Clear))
        .then([says("Alice", None)]);
}

#[test]
fn what_a_profile_says_already_is_silent() {
    let said = || [started(), Event::Registered {}, says("Alice", Some("hi"))];
    given(said()).when(signed(Change::Set(sealed("hi")))).silent();
    given(said()).when(named(Change::Set(sealed("Alice")))).silent();
    given(said()).when(Command::ChangeProfile(ProfileChange::default())).silent();
    given([started(), Event::Registered {}]).when(signed(Change::Clear)).silent();
}

#[test]
fn a_nickname_that_is_taken_back_is_the_user_name() {
    given([started(), Event::Registered {}]).when(named(Change::Clear)).then([says("alice", None)]);
}

#[test]
fn settings_change_one_by_one() {
    let nobody = SettingsChange { requests_from: Some(RequestsFrom::Nobody), ..SettingsChange::default() };
    let all_see = SettingsChange { region: Some(Audience::All), ..SettingsChange::default() };
    let first = Settings { requests_from: RequestsFrom::Nobody, ..Settings::default() };
    let mut both = first;
    both.visible.region = Audience::All;
    given([started(), Event::Registered {}]).when(Command::ChangeSettings(nobody)).then([wants(first)]);
    given([started(), Event::Registered {}, wants(first)]).when(Command::ChangeSettings(all_see)).then([wants(both)]);
    given([started(), Event::Registered {}, wants(both)]).when(Command::ChangeSettings(nobody)).silent();
    given([started(), Event::Registered {}]).when(Command::ChangeSettings(SettingsChange::default())).silent();
}

#[test]
fn who_is_not_registered_has_neither() {
    for history in [vec![], vec![started()]] {
        for command in [signed(Change::Set(sealed("hi"))), Command::ChangeSettings(SettingsChange::default())] {
            let mut state = State::default();
            history.iter().for_each(|event| Account::evolve(&mut state, event));
            let context = Context { actor: None, session: None, now: min(0) };
            let refused = Account::decide(&state, &state, &context, &command);
            assert_eq!(refused, Err(Refusal::NotFound), "{command:?}");
        }
    }
}

#[test]
fn a_birthday_is_a_day_in_the_past() {
    let now = Timestamp::parse("2026-03-01T00:00:00.000Z").unwrap();
    for good in ["2026-02-28", "2000-02-29", "1880-01-01"] {
        assert_eq!(profile::birthday(good, now).as_deref(), Ok(good));
    }
    for bad in [
        "2026-03-01",
        "2026-03-02",
        "9999-12-31",
        "2001-02-29",
        "2000-13-01",
        "1879-12-31",
        "",
        "2000-1-1",
        "2000-01-01T00:00:00Z",
        "+200-01-01",
        "20000101",
        " 2000-01-0",
        "0000-00-00",
        "-001-01-01",
    ] {
        assert!(profile::birthday(bad, now).is_err(), "{bad}");
    }
}

#[test]
fn a_profile_has_bounds() {
    assert!(profile::signature("").is_err());
    assert!(profile::signature(&"字".repeat(200)).is_ok() && profile::signature(&"字".repeat(201)).is_err());
    assert!(profile::signature("a\nb").is_ok() && profile::signature("a\0b").is_err());
    for (parse, most) in [(profile::gender as fn(&str) -> Result<String, &'static str>, 32), (profile::region, 64)] {
        assert!(parse(&"字".repeat(most)).is_ok() && parse(&"字".repeat(most + 1)).is_err());
        for bad in ["", " ", "a\u{202e}b", "a\nb"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
    let fields = |count: usize| -> BTreeMap<String, String> {
        (0..count).map(|number| (format!("field {number}"), "value".to_owned())).collect()
    };
    let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    assert_eq!(profile::custom(&fields(16)), Ok(()));
    assert_eq!(profile::custom(&fields(17)).unwrap_err().0, None);
    assert_eq!(profile::custom(&one(&"字".repeat(32), &"字".repeat(256))), Ok(()));
    assert_eq!(profile::custom(&one("team", "")), Ok(()));
    for (key, value) in [("", "a"), (&*"k".repeat(33), "a"), ("k", &*"v".repeat(257)), ("k\n", "a"), ("k", "a\0")] {
        let fields = one(key, value);
        assert_eq!(profile::custom(&fields).unwrap_err().0, Some(key), "{key:?}: {value:?}");
    }
}

#[test]
fn a_name_is_found_by_its_beginnings() {
    let beginnings = |name: &str| Username::parse(name).unwrap().beginnings();
    assert_eq!(beginnings("Alice"), ["ali", "alic", "alice"]);
    assert_eq!(beginnings("Ａli"), ["ali"]);
    assert_eq!(beginnings("Straße"), ["str", "stra", "stras", "strass", "strasse"]);
    assert_eq!(beginnings(&"字".repeat(50)).len(), 48);
}

pub fn changes() -> impl Strategy<Value = ProfileChange<Sealed>> {
    fn change<T: Clone + std::fmt::Debug + 'static>(
        value: impl Strategy<Value = T> + 'static,
    ) -> impl Strategy<Value = Change<T>> {
        prop_oneof![Just(Change::Keep), Just(Change::Clear), value.prop_map(Change::Set)]
    }
    (change(seals()), change(ids()), change(seals()), change(seals())).prop_map(
        |(nickname, avatar, signature, custom)| ProfileChange {
            nickname,
            avatar,
            signature,
            custom,
            ..ProfileChange::default()
        },
    )
}

pub fn settings_changes() -> impl Strategy<Value = SettingsChange> {
    let from = prop_oneof![
        Just(None),
        Just(Some(RequestsFrom::All)),
        Just(Some(RequestsFrom::FriendsOfFriends)),
        Just(Some(RequestsFrom::Nobody))
    ];
    let flags = (option::of(any::<bool>()), option::of(any::<bool>()));
    (flags, from).prop_map(|((show_online, read_receipts), requests_from)| SettingsChange {
        show_online,
        read_receipts,
        requests_from,
        ..SettingsChange::default()
    })
}

pub fn events() -> BoxedStrategy<Event> {
    let profile = (seals(), option::of(seals())).prop_map(|(nickname, signature)| Event::ProfileChanged {
        nickname,
        profile: Profile { signature, ..Profile::default() },
    });
    prop_oneof![profile, Just(wants(Settings::default()))].boxed()
}
