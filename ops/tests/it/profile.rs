//! What people tell of themselves and what they allow others, through the public door, in the contract's own words.

mod found;
mod requests;

use natter_testkit::{Person, Raw, Reply, Stack};
use serde_json::{Value, json};

pub const ACCOUNT: &str = "/api/v1/accounts/me";
pub const SETTINGS: &str = "/api/v1/settings";
/// What somebody tells who tells all that they can.
const FIELDS: [&str; 7] = ["nickname", "avatar", "signature", "gender", "region", "birthday", "custom"];
const FILE: &str = "0197b2a4-6d1e-7c3a-8f5e-2b9d4c6a8e10";

pub async fn patch(raw: &Raw, path: &str, body: &Value) -> Reply {
    let raw = raw.with("content-type", "application/json");
    raw.call("PATCH", path, Some(body.to_string().into_bytes())).await
}

/// Changes somebody's settings; where it stands.
pub async fn wants(person: &Person, body: Value) -> String {
    let changed = patch(&person.raw().await, SETTINGS, &body).await;
    let position = changed.position();
    changed.ok(200);
    position
}

fn all_of_it() -> Value {
    json!({
        "nickname": "Al", "avatar": FILE, "signature": "gone\nfishing", "gender": "female", "region": "Zürich",
        "birthday": "1990-02-28", "custom": {"team": "red", "room/desk": ""},
    })
}

#[tokio::test]
async fn a_profile_is_told_kept_and_taken_back() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let alice = stack.person("alice").await;
    let raw = alice.raw().await;
    let first = raw.get(ACCOUNT).await.ok(200);
    assert_eq!((&first["username"], &first["nickname"]), (&json!("alice"), &json!("alice")));
    for field in &FIELDS[1..] {
        assert_eq!(first[field], json!(null), "{field}");
    }
    let told = patch(&raw, ACCOUNT, &all_of_it()).await;
    let position = told.position();
    let told = told.ok(200);
    for field in FIELDS {
        assert_eq!(told[field], all_of_it()[field], "{field}");
    }
    assert_eq!(raw.with("natter-position", &position).get(ACCOUNT).await.ok(200), told);
    assert_eq!(patch(&raw, ACCOUNT, &json!({})).await.ok(200), told, "nothing said, nothing changed");
    // Each goes by itself.
    for field in FIELDS {
        let mut left = told.clone();
        left[field] = if field == "nickname" { json!("alice") } else { json!(null) };
        assert_eq!(patch(&raw, ACCOUNT, &json!({field: null})).await.ok(200), left, "{field}");
        assert_eq!(patch(&raw, ACCOUNT, &json!({field: told[field]})).await.ok(200), told, "{field}");
    }
    let empty = patch(&raw, ACCOUNT, &json!({"signature": ""})).await.ok(200);
    assert_eq!(empty["signature"], json!(null));
}

#[tokio::test]
async fn a_profile_has_bounds() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let raw = stack.person("alice").await.raw().await;
    let before = raw.get(ACCOUNT).await.ok(200);
    let many: serde_json::Map<String, Value> = (0..17).map(|number| (number.to_string(), json!(""))).collect();
    for (body, pointer) in [
        (json!({"nickname": "n".repeat(65)}), "/nickname"),
        (json!({"nickname": "a\u{202e}b"}), "/nickname"),
        (json!({"avatar": "me.png"}), "/avatar"),
        (json!({"signature": "s".repeat(201)}), "/signature"),
        (json!({"gender": "g".repeat(33)}), "/gender"),
        (json!({"gender": ""}), "/gender"),
        (json!({"region": "r".repeat(65)}), "/region"),
        (json!({"birthday": "1990-02-30"}), "/birthday"),
        (json!({"birthday": "2999-01-01"}), "/birthday"),
        (json!({"birthday": 1990}), "/birthday"),
        (json!({"custom": many}), "/custom"),
        (json!({"custom": {"k": 1}}), "/custom/k"),
        (json!({"custom": {"k": "v".repeat(257)}}), "/custom/k"),
        (json!({"custom": {"k".repeat(33): "v"}}), &format!("/custom/{}", "k".repeat(33))),
        (json!({"username": "bob"}), "/username"),
        (json!({"id": FILE}), "/id"),
    ] {
        patch(&raw, ACCOUNT, &body).await.invalid(pointer);
    }
    patch(&raw, ACCOUNT, &json!([])).await.invalid("");
    assert_eq!(raw.get(ACCOUNT).await.ok(200), before);
    let most = json!({"signature": "字".repeat(200), "region": "字".repeat(64), "custom": {"字".repeat(32): "字".repeat(256)}});
    let told = patch(&raw, ACCOUNT, &most).await.ok(200);
    assert_eq!((&told["signature"], &told["custom"]), (&most["signature"], &most["custom"]));
}

#[tokio::test]
async fn a_change_under_a_key_is_done_once() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let alice = stack.person("alice").await;
    let keyed = |number: u8| {
        let key = format!("0197b2a4-6d1e-7c3a-8f5e-2b9d4c6a8e{number:02}");
        let alice = &alice;
        async move { alice.raw().await.with("idempotency-key", &key) }
    };
    for (path, first, other) in [
        (ACCOUNT, json!({"region": "here"}), json!({"region": "there"})),
        (SETTINGS, json!({"show_online": false}), json!({"show_online": true})),
    ] {
        let number = path.len() as u8;
        let done = patch(&keyed(number).await, path, &first).await;
        let position = done.position();
        let done = done.ok(200);
        let again = patch(&keyed(number).await, path, &first).await;
        assert_eq!((again.position(), again.ok(200)), (position, done));
        patch(&keyed(number).await, path, &other).await.refused(409, "conflict");
    }
}

#[tokio::test]
async fn settings_are_what_was_asked_for_and_the_rest_stays() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    let raw = alice.raw().await;
    let default = raw.get(SETTINGS).await.ok(200);
    assert_eq!(
        default,
        json!({
            "find_by": {"username": true, "email": false, "phone": false}, "add_by": {"search": true, "group": true},
            "requests_from": "all", "messages_from": "friends", "groups_from": "friends", "show_online": true,
            "read_receipts": true, "locale": "en",
            "visible": {"birthday": "friends", "gender": "friends", "region": "friends"},
        })
    );
    let mut expected = default.clone();
    for (pointer, value) in [
        ("/find_by/username", json!(false)),
        ("/find_by/email", json!(true)),
        ("/find_by/phone", json!(true)),
        ("/add_by/search", json!(false)),
        ("/add_by/group", json!(false)),
        ("/requests_from", json!("friends_of_friends")),
        ("/requests_from", json!("nobody")),
        ("/messages_from", json!("all")),
        ("/groups_from", json!("all")),
        ("/groups_from", json!("nobody")),
        ("/show_online", json!(false)),
        ("/read_receipts", json!(false)),
        ("/locale", json!("zh")),
        ("/visible/birthday", json!("all")),
        ("/visible/gender", json!("nobody")),
        ("/visible/region", json!("all")),
    ] {
        *expected.pointer_mut(pointer).expect("it is there") = value.clone();
        let names: Vec<&str> = pointer.split('/').skip(1).collect();
        let body = names.iter().rev().fold(value, |inner, name| json!({*name: inner}));
        let changed = patch(&raw, SETTINGS, &body).await;
        let position = changed.position();
        assert_eq!(changed.ok(200), expected, "{body}");
        assert_eq!(raw.with("natter-position", &position).get(SETTINGS).await.ok(200), expected, "{body}");
    }
    for (body, pointer) in [
        (json!({"requests_from": "friends"}), "/requests_from"),
        (json!({"locale": "de"}), "/locale"),
        (json!({"visible": {"region": "friends_of_friends"}}), "/visible/region"),
        (json!({"visible": {"nickname": "all"}}), "/visible/nickname"),
        (json!({"find_by": {"username": "yes"}}), "/find_by/username"),
        (json!({"add_by": []}), "/add_by"),
    ] {
        patch(&raw, SETTINGS, &body).await.invalid(pointer);
    }
    assert_eq!(raw.get(SETTINGS).await.ok(200), expected);
    assert_eq!(bob.raw().await.get(SETTINGS).await.ok(200), default, "everybody has their own");
}

/// Birthday, gender and region of an account, where they are shown.
async fn seen_by(viewer: &Person, whose: &Person, position: &str) -> [bool; 3] {
    let raw = viewer.raw().await.with("natter-position", position);
    let one = raw.get(&format!("/api/v1/accounts/{}", whose.id())).await.ok(200);
    let ids = json!({"ids": [whose.id()]}).to_string();
    let looked_up = raw.post("/api/v1/accounts/lookup", ids).await.ok(200);
    assert_eq!(looked_up["items"], json!([one]), "both ways show the same");
    let found = raw.get(&format!("/api/v1/accounts?query={}", whose.name)).await.ok(200);
    assert_eq!(found["items"], json!([one]), "and so does the search");
    assert_eq!((&one["nickname"], &one["signature"]), (&json!("Al"), &json!("gone\nfishing")), "everybody sees these");
    assert_eq!((&one["avatar"], &one["custom"]), (&json!(FILE), &all_of_it()["custom"]));
    ["birthday", "gender", "region"].map(|field| {
        assert!(one[field].is_null() || one[field] == all_of_it()[field], "{one}");
        !one[field].is_null()
    })
}

#[tokio::test]
async fn others_see_of_a_profile_what_its_owner_shows_them() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob, carol) = (stack.person("alice").await, stack.person("bob").await, stack.person("carol").await);
    alice.befriends(&bob).await;
    patch(&alice.raw().await, ACCOUNT, &all_of_it()).await.ok(200);
    for (audience, friend, stranger) in
        [("friends", true, false), ("all", true, true), ("nobody", false, false), ("friends", true, false)]
    {
        for (index, field) in ["birthday", "gender", "region"].into_iter().enumerate() {
            let mut visible = json!({"birthday": "nobody", "gender": "nobody", "region": "nobody"});
            visible[field] = json!(audience);
            let position = wants(&alice, json!({"visible": visible})).await;
            let only = |seen: bool| [0, 1, 2].map(|it| it == index && seen);
            assert_eq!(seen_by(&bob, &alice, &position).await, only(friend), "a friend, {field}: {audience}");
            assert_eq!(seen_by(&carol, &alice, &position).await, only(stranger), "a stranger, {field}: {audience}");
            assert_eq!(seen_by(&alice, &alice, &position).await, [true; 3], "herself");
            let raw = bob.raw().await.with("natter-position", &position);
            let listed = raw.get("/api/v1/friends").await.ok(200);
            assert_eq!(!listed["items"][0]["account"][field].is_null(), friend, "{listed}");
            let talks = raw.get("/api/v1/conversations").await.ok(200);
            assert_eq!(
                !talks["items"][0]["peer"][field].is_null(),
                stranger,
                "a peer is shown as to everybody: {talks}"
            );
        }
    }
}

#[tokio::test]
async fn sync_tells_of_profiles_and_settings_where_they_changed() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    alice.befriends(&bob).await;
    let sync = async |person: &Person, cursor: Option<&Value>, position: &str| {
        let path = cursor.map_or_else(
            || "/api/v1/sync".to_owned(),
            |cursor| format!("/api/v1/sync?cursor={}", cursor.as_str().expect("a text")),
        );
        let told = person.raw().await.with("natter-position", position).get(&path).await.ok(200);
        assert_eq!(told["more"], json!(false));
        told
    };
    let position = wants(&bob, json!({"locale": "zh"})).await;
    let (hers, his) = (sync(&alice, None, &position).await, sync(&bob, None, &position).await);
    assert_eq!(hers["settings"], alice.raw().await.get(SETTINGS).await.ok(200), "also those by default");
    assert_eq!(his["settings"]["locale"], json!("zh"));
    let quiet = sync(&alice, Some(&hers["cursor"]), &position).await;
    assert_eq!((&quiet["settings"], &quiet["account"], &quiet["friends"]), (&json!(null), &json!(null), &json!([])));

    let told = patch(&alice.raw().await, ACCOUNT, &all_of_it()).await.position();
    let next = sync(&alice, Some(&hers["cursor"]), &told).await;
    assert_eq!((&next["account"]["birthday"], &next["settings"]), (&json!("1990-02-28"), &json!(null)));
    let friends = sync(&bob, Some(&his["cursor"]), &told).await;
    assert_eq!(friends["friends"][0]["account"]["nickname"], json!("Al"));
    assert_eq!((&friends["account"], &friends["settings"]), (&json!(null), &json!(null)));

    let told = wants(&alice, json!({"visible": {"birthday": "nobody"}})).await;
    let last = sync(&alice, Some(&next["cursor"]), &told).await;
    assert_eq!(last["settings"]["visible"]["birthday"], json!("nobody"));
    let friends = sync(&bob, Some(&friends["cursor"]), &told).await;
    assert_eq!(friends["friends"][0]["account"]["birthday"], json!(null), "what is no longer shown is taken back");
}

#[tokio::test]
async fn what_is_built_anew_shows_the_same() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    patch(&alice.raw().await, ACCOUNT, &all_of_it()).await.ok(200);
    wants(&alice, json!({"visible": {"gender": "all"}})).await;
    patch(&alice.raw().await, ACCOUNT, &json!({"custom": null})).await.ok(200);
    wants(&bob, json!({"find_by": {"username": false}})).await;
    let rebuilt = node.run(&["projections", "rebuild", "relations"]).await;
    let said = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
    assert!(rebuilt.status.success() && said.contains("the same as what is live"), "{said}");
    let raw = bob.raw().await;
    let found = raw.get("/api/v1/accounts?query=ali").await.ok(200);
    assert_eq!((&found["items"][0]["nickname"], &found["items"][0]["gender"]), (&json!("Al"), &json!("female")));
    assert_eq!(raw.get("/api/v1/accounts?query=bob").await.ok(200)["items"], json!([]));
}
