//! What people give us of themselves, checked field by field.

use crate::http::problem::Problem;
use natter_client::wire;
use natter_commands::Target;
use natter_domain::{
    Email, Nickname, Phone, Timestamp, Username,
    account::{Audience, Change, GroupsFrom, Locale, MessagesFrom, ProfileChange, RequestsFrom, SettingsChange},
    limit, profile,
};
use std::collections::BTreeMap;

/// A field of a patch: absent, null, or a value.
type Given<T> = Option<Option<T>>;

pub fn profile(given: wire::AccountChange, now: Timestamp) -> Result<ProfileChange<String>, Problem> {
    let nickname = |text: &str| Nickname::parse(text).map(|name| name.as_str().to_owned());
    Ok(ProfileChange {
        nickname: text(given.nickname, "/nickname", nickname)?,
        avatar: change(given.avatar),
        // An empty one is none.
        signature: text(
            given.signature.map(|it| it.filter(|text| !text.is_empty())),
            "/signature",
            profile::signature,
        )?,
        gender: text(given.gender, "/gender", profile::gender)?,
        region: text(given.region, "/region", profile::region)?,
        birthday: text(given.birthday, "/birthday", |text| profile::birthday(text, now))?,
        custom: custom(given.custom)?,
    })
}

fn change<T>(given: Given<T>) -> Change<T> {
    match given {
        None => Change::Keep,
        Some(None) => Change::Clear,
        Some(Some(value)) => Change::Set(value),
    }
}

fn text(
    given: Given<String>,
    pointer: &str,
    parse: impl Fn(&str) -> Result<String, &'static str>,
) -> Result<Change<String>, Problem> {
    let Some(Some(text)) = given else { return Ok(change(given)) };
    parse(&text).map(Change::Set).map_err(Problem::at(pointer))
}

/// As one JSON object.
fn custom(given: Given<BTreeMap<String, String>>) -> Result<Change<String>, Problem> {
    if let Some(Some(fields)) = &given {
        profile::custom(fields).map_err(|(field, wrong)| match field {
            Some(field) => Problem::invalid(format!("/custom/{}", field.replace('~', "~0").replace('/', "~1")), wrong),
            None => Problem::invalid("/custom", wrong),
        })?;
    }
    let json = |fields: BTreeMap<String, String>| serde_json::to_string(&fields).map_err(Problem::internal);
    match change(given) {
        Change::Set(fields) => json(fields).map(Change::Set),
        other => Ok(other.map(|_| String::new())),
    }
}

pub fn settings(given: &wire::SettingsChange) -> Result<SettingsChange, Problem> {
    let find_by = given.find_by.clone().unwrap_or_default();
    let add_by = given.add_by.clone().unwrap_or_default();
    let visible = given.visible.clone().unwrap_or_default();
    Ok(SettingsChange {
        find_by_username: find_by.username,
        find_by_email: find_by.email,
        find_by_phone: find_by.phone,
        add_by_search: add_by.search,
        add_by_group: add_by.group,
        requests_from: one_of(
            given.requests_from.as_deref(),
            "/requests_from",
            &[
                ("all", RequestsFrom::All),
                ("friends_of_friends", RequestsFrom::FriendsOfFriends),
                ("nobody", RequestsFrom::Nobody),
            ],
        )?,
        messages_from: one_of(
            given.messages_from.as_deref(),
            "/messages_from",
            &[("friends", MessagesFrom::Friends), ("all", MessagesFrom::All)],
        )?,
        groups_from: one_of(
            given.groups_from.as_deref(),
            "/groups_from",
            &[("friends", GroupsFrom::Friends), ("all", GroupsFrom::All), ("nobody", GroupsFrom::Nobody)],
        )?,
        show_online: given.show_online,
        read_receipts: given.read_receipts,
        locale: one_of(given.locale.as_deref(), "/locale", &[("en", Locale::En), ("zh", Locale::Zh)])?,
        birthday: audience(visible.birthday.as_deref(), "/visible/birthday")?,
        gender: audience(visible.gender.as_deref(), "/visible/gender")?,
        region: audience(visible.region.as_deref(), "/visible/region")?,
    })
}

fn audience(given: Option<&str>, pointer: &str) -> Result<Option<Audience>, Problem> {
    const WORDS: &[(&str, Audience)] =
        &[("all", Audience::All), ("friends", Audience::Friends), ("nobody", Audience::Nobody)];
    one_of(given, pointer, WORDS)
}

fn one_of<T: Copy>(given: Option<&str>, pointer: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
    let Some(given) = given else { return Ok(None) };
    let found = words.iter().find(|(word, _)| *word == given).map(|(_, meaning)| *meaning);
    let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    found.map(Some).ok_or_else(|| Problem::invalid(pointer, format!("must be one of {}", known())))
}

/// What accounts are looked for by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    /// A user name, or its beginning.
    Name(Username),
    /// An e-mail address or a phone number, whole.
    Reached(Target),
}

/// `None`: what nobody is found by.
pub fn sought(query: Option<&str>) -> Result<Option<Query>, Problem> {
    let query = query.ok_or_else(|| Problem::invalid("/query", "is missing"))?;
    let length = query.chars().take(limit::QUERY_MAX + 1).count();
    if !(limit::NAME_PREFIX_MIN..=limit::QUERY_MAX).contains(&length) {
        return Err(Problem::invalid("/query", "must have 3 to 254 characters"));
    }
    let email = || Email::parse(query).ok().map(Target::Email);
    let phone = || Phone::parse(query).ok().map(Target::Phone);
    // A user name begins with a letter and holds no `@`, so none is an address or a number.
    let name = Username::parse(query).ok().map(Query::Name);
    Ok(name.or_else(|| email().or_else(phone).map(Query::Reached)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json::parse;
    use natter_domain::Code;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn given(json: &str) -> Result<ProfileChange<String>, Problem> {
        profile(parse(json.as_bytes())?, NOW)
    }

    #[test]
    fn a_field_is_absent_null_or_said() {
        let change = given(r#"{"nickname": "Al", "signature": null, "custom": {"team": "red"}}"#).unwrap();
        assert_eq!(change.nickname, Change::Set("Al".to_owned()));
        assert_eq!((change.signature, change.gender), (Change::Clear, Change::Keep));
        assert_eq!(change.custom, Change::Set(r#"{"team":"red"}"#.to_owned()));
        assert_eq!(given("{}").unwrap(), ProfileChange::default());
        let nothing = ProfileChange { signature: Change::Clear, ..ProfileChange::default() };
        assert_eq!(given(r#"{"signature": ""}"#).unwrap(), nothing);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, pointer) in [
            (r#"{"nickname": ""}"#, "/nickname"),
            (r#"{"avatar": "me.png"}"#, "/avatar"),
            (r#"{"gender": "\u0007"}"#, "/gender"),
            (r#"{"region": 7}"#, "/region"),
            (r#"{"birthday": "2023-11-15"}"#, "/birthday"),
            (r#"{"custom": []}"#, "/custom"),
            (r#"{"custom": {"a/b": 1}}"#, "/custom/a~1b"),
            (r#"{"custom": {"a\nb": "c"}}"#, "/custom/a\nb"),
            (r#"{"username": "other"}"#, "/username"),
        ] {
            let refused = given(json).unwrap_err();
            assert_eq!(refused.code, Code::InvalidInput, "{json}");
            assert_eq!(refused.errors[0].pointer, pointer, "{json}");
        }
        assert!(given(r#"{"birthday": "2023-11-13"}"#).is_ok());
    }

    #[test]
    fn settings_are_words_of_the_contract() {
        let read = |json: &str| settings(&parse(json.as_bytes())?);
        let change = read(r#"{"find_by": {"email": true}, "requests_from": "nobody", "visible": {"region": "all"}}"#);
        let expected = SettingsChange {
            find_by_email: Some(true),
            requests_from: Some(RequestsFrom::Nobody),
            region: Some(Audience::All),
            ..SettingsChange::default()
        };
        assert_eq!(change.unwrap(), expected);
        for (json, pointer) in [
            (r#"{"requests_from": "friends"}"#, "/requests_from"),
            (r#"{"locale": "de"}"#, "/locale"),
            (r#"{"messages_from": "nobody"}"#, "/messages_from"),
            (r#"{"groups_from": "friends_of_friends"}"#, "/groups_from"),
            (r#"{"visible": {"birthday": "friends_of_friends"}}"#, "/visible/birthday"),
            (r#"{"visible": {"nickname": "all"}}"#, "/visible/nickname"),
            (r#"{"find_by": {"username": "yes"}}"#, "/find_by/username"),
            (r#"{"find_by": [true]}"#, "/find_by"),
        ] {
            assert_eq!(read(json).unwrap_err().errors[0].pointer, pointer, "{json}");
        }
    }

    #[test]
    fn what_is_looked_for_is_a_name_an_address_or_a_number() {
        let name = |text| Some(Query::Name(Username::parse(text).unwrap()));
        assert_eq!(sought(Some("Ali")).unwrap(), name("Ali"));
        let email = Target::Email(Email::parse("alice@example.org").unwrap());
        assert_eq!(sought(Some("alice@example.org")).unwrap(), Some(Query::Reached(email)));
        let phone = Target::Phone(Phone::parse("+49123456789").unwrap());
        assert_eq!(sought(Some("+49 1234 56789")).unwrap(), Some(Query::Reached(phone)));
        for nobody in ["alice@", "+49", "007", "a b"] {
            assert_eq!(sought(Some(nobody)).unwrap(), None, "{nobody}");
        }
        for bad in [None, Some(""), Some("al"), Some(&*"a".repeat(255))] {
            assert_eq!(sought(bad).unwrap_err().errors[0].pointer, "/query", "{bad:?}");
        }
    }
}
