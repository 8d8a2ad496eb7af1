//! Who is what in a group, what each may, and how it is set up.

use super::{Scene, Someone, add, connect, gone, new_id, patch, path, reads, remove, rename, text};
use natter_testkit::Reply;
use serde_json::{Value, json};

async fn set(who: &Someone, group: &str, whom: &str, what: Value) -> Reply {
    patch(who, &path(group, &format!("/members/{whom}")), &what).await
}

async fn set_up(who: &Someone, group: &str, settings: Value) -> Reply {
    patch(who, &path(group, ""), &json!({"settings": settings})).await
}

/// Alice's, with bob, an admin, and carol.
async fn ranked(scene: &Scene) -> String {
    let id = scene.group().await;
    add(&scene.alice, &id, &[&scene.carol]).await.ok(200);
    set(&scene.alice, &id, &scene.bob.id, json!({"role": "admin"})).await.ok(200);
    id
}

#[tokio::test]
async fn the_card_says_how_a_group_is_set_up() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { alice, bob, carol, .. } = &scene;
    let settings = json!({
        "join_policy": "approval", "shares_history": true, "muted": true, "slow_mode": 30,
        "permissions": {"invite": "admin", "pin": "owner"},
    });
    let avatar = new_id();
    let all = json!({"name": "them", "avatar": avatar, "description": "old friends", "settings": settings});
    patch(bob, &path(&id, ""), &all).await.refused(403, "not_allowed");
    let changed = patch(alice, &path(&id, ""), &all).await;
    let position = changed.position();
    let own = changed.ok(200);
    let expected = json!({
        "join_policy": "approval", "shares_history": true, "muted": true, "slow_mode": 30,
        "permissions": {"invite": "admin", "post": "member", "pin": "owner", "mention_all": "admin", "edit_card": "member"},
    });
    assert_eq!((&own["name"], &own["avatar"]), (&json!("them"), &json!(avatar)));
    assert_eq!((&own["description"], &own["settings"]), (&json!("old friends"), &expected));
    assert_eq!(own["role"], json!("owner"));
    let theirs = reads(carol, &position, &path(&id, "")).await.ok(200);
    assert_eq!((&theirs["settings"], &theirs["role"]), (&expected, &json!("member")));
    let clear = json!({"avatar": null, "description": null});
    patch(carol, &path(&id, ""), &clear).await.refused(403, "muted");
    let cleared = patch(bob, &path(&id, ""), &clear).await.ok(200);
    assert_eq!((&cleared["avatar"], cleared.get("description")), (&json!(null), None));
    let again = patch(bob, &path(&id, ""), &json!({"description": null})).await.ok(200);
    assert_eq!(again["last_seq"], cleared["last_seq"], "what is so already is no news");
}

#[tokio::test]
async fn what_cannot_be_of_a_group_is_refused_with_its_place() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let alice = &scene.alice;
    for (what, pointer) in [
        (json!({"description": ""}), "/description"),
        (json!({"description": "a".repeat(1_001)}), "/description"),
        (json!({"avatar": "me.png"}), "/avatar"),
        (json!({"settings": {"join_policy": "ajar"}}), "/settings/join_policy"),
        (json!({"settings": {"slow_mode": 86_401}}), "/settings/slow_mode"),
        (json!({"settings": {"slow_mode": -1}}), "/settings/slow_mode"),
        (json!({"settings": {"permissions": {"pin": "king"}}}), "/settings/permissions/pin"),
        (json!({"settings": {"permissions": {"fly": "member"}}}), "/settings/permissions/fly"),
    ] {
        patch(alice, &path(&id, ""), &what).await.invalid(pointer);
    }
    for (what, pointer) in [
        (json!({"role": "king"}), "/role"),
        (json!({"nickname": ""}), "/nickname"),
        (json!({"nickname": "a".repeat(65)}), "/nickname"),
        (json!({"muted_until": "tomorrow"}), "/muted_until"),
        (json!({"muted_until": "2020-01-01T00:00:00Z"}), "/muted_until"),
    ] {
        set(alice, &id, &scene.bob.id, what).await.invalid(pointer);
    }
    for text in ["", &"a".repeat(4_001)] {
        let announced = alice.raw.put(&path(&id, "/announcement"), json!({"text": text}).to_string()).await;
        announced.invalid("/text");
    }
}

#[tokio::test]
async fn roles_are_given_and_handed_over() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let mut to_carol = connect(carol).await;
    for (who, whom, role) in
        [(bob, alice, "member"), (bob, carol, "admin"), (carol, carol, "admin"), (alice, alice, "member")]
    {
        set(who, &id, &whom.id, json!({"role": role})).await.refused(403, "not_allowed");
    }
    set(alice, &id, &dave.id, json!({"role": "owner"})).await.refused(404, "not_found");
    set(dave, &id, &bob.id, json!({"role": "member"})).await.refused(404, "not_found");
    let handed = set(alice, &id, &bob.id, json!({"role": "owner"})).await;
    let position = handed.position();
    assert_eq!(handed.ok(200)["role"], json!("owner"));
    for (who, role) in [(bob, "owner"), (alice, "admin")] {
        let pushed = to_carol.event("member.changed").await;
        assert_eq!((&pushed["account_id"], &pushed["role"]), (&json!(who.id), &json!(role)));
        assert!(pushed.get("muted_until").is_none() && pushed.get("nickname").is_none(), "{pushed}");
    }
    let listed = reads(carol, &position, &path(&id, "/members?role=owner")).await.ok(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["items"][0]["account_id"], json!(bob.id));
    // Alice is no owner any more: she may go, and he must stay.
    remove(bob, &id, "me").await.refused(409, "owner_must_stay");
    gone(&remove(alice, &id, "me").await);
    remove(bob, &id, &carol.id).await;
    gone(&remove(bob, &id, "me").await);
}

#[tokio::test]
async fn admins_remove_mute_and_ban_members_and_nobody_above() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { alice, bob, carol, .. } = &scene;
    remove(bob, &id, &alice.id).await.refused(403, "not_allowed");
    let later = json!({"muted_until": "2999-12-31T23:59:59.000Z"});
    set(bob, &id, &alice.id, later.clone()).await.refused(403, "not_allowed");
    set(carol, &id, &bob.id, later.clone()).await.refused(403, "not_allowed");
    bob.raw.put(&path(&id, &format!("/bans/{}", alice.id)), String::new()).await.refused(403, "not_allowed");

    let muted = set(bob, &id, &carol.id, later).await.ok(200);
    assert_eq!(muted["muted_until"], json!("2999-12-31T23:59:59.000Z"));
    let refused = carol.says(&id, &new_id(), "hello").await;
    assert_eq!(refused.json()["until"], json!("2999-12-31T23:59:59.000Z"));
    refused.refused(403, "muted");
    set(bob, &id, &carol.id, json!({"muted_until": null})).await.ok(200);
    carol.says(&id, &new_id(), "hello").await.ok(201);

    gone(&bob.raw.call("PUT", &path(&id, &format!("/bans/{}", carol.id)), None).await);
    carol.says(&id, &new_id(), "hello").await.refused(403, "not_a_member");
    add(alice, &id, &[carol]).await.refused(403, "banned");
    let listed = bob.raw.get(&path(&id, "/bans")).await.ok(200);
    assert_eq!(listed["items"][0]["account_id"], json!(carol.id));
    gone(&bob.raw.call("DELETE", &path(&id, &format!("/bans/{}", carol.id)), None).await);
    assert_eq!(add(alice, &id, &[carol]).await.ok(200)["joined"], json!([carol.id]));
}

#[tokio::test]
async fn while_all_are_muted_or_slow_members_wait_and_admins_do_not() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { bob, carol, .. } = &scene;
    set_up(bob, &id, json!({"muted": true})).await.ok(200);
    carol.says(&id, &new_id(), "hello").await.refused(403, "muted");
    rename(carol, &id, "hello").await.refused(403, "muted");
    bob.says(&id, &new_id(), "hello").await.ok(201);
    set_up(bob, &id, json!({"muted": false, "slow_mode": 3_600})).await.ok(200);
    let message = new_id();
    let first = carol.says(&id, &message, "one").await;
    assert_eq!(first.ok(201)["seq"], carol.says(&id, &message, "one").await.ok(200)["seq"], "a repeat is answered");
    let slow = carol.says(&id, &new_id(), "two").await;
    assert_eq!(slow.json()["code"], json!("slow_mode"));
    let wait: u64 = slow.header("retry-after").and_then(|it| it.parse().ok()).expect("when to try again");
    assert!((1..=3_600).contains(&wait), "{wait}");
    slow.refused(429, "slow_mode");
    bob.says(&id, &new_id(), "one").await.ok(201);
    bob.says(&id, &new_id(), "two").await.ok(201);
}

#[tokio::test]
async fn what_the_group_does_not_leave_to_members_is_refused_to_them() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let said = new_id();
    bob.says(&id, &said, "pin this").await.ok(201);
    let mine = new_id();
    carol.says(&id, &mine, "edit this").await.ok(201);
    let strict = json!({"permissions": {"invite": "admin", "post": "admin", "pin": "admin", "edit_card": "admin"}});
    set_up(bob, &id, strict.clone()).await.refused(403, "not_allowed");
    set_up(alice, &id, strict).await.ok(200);
    let pin = path(&id, &format!("/messages/{said}/pin"));
    let edited = json!({"body": {"kind": "text", "text": "hello"}});
    for refused in [
        patch(carol, &path(&id, &format!("/messages/{mine}")), &edited).await,
        add(carol, &id, &[dave]).await,
        carol.says(&id, &new_id(), "hello").await,
        carol.raw.call("PUT", &pin, None).await,
        rename(carol, &id, "ours").await,
        carol.raw.post(&path(&id, "/links"), "{}".to_owned()).await,
    ] {
        refused.refused(403, "not_allowed");
    }
    gone(&bob.raw.call("PUT", &pin, None).await);
    rename(bob, &id, "ours").await.ok(200);
}

#[tokio::test]
async fn an_announcement_is_made_by_admins_and_told_to_all() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { bob, carol, .. } = &scene;
    let mut to_carol = connect(carol).await;
    let words = json!({"text": "tonight at eight"}).to_string();
    carol.raw.put(&path(&id, "/announcement"), words.clone()).await.refused(403, "not_allowed");
    let own = bob.raw.put(&path(&id, "/announcement"), words).await.ok(200);
    let announcement = &own["announcement"];
    assert_eq!((&announcement["text"], &announcement["by"]), (&json!("tonight at eight"), &json!(bob.id)));
    assert_eq!(announcement["seq"], own["last_seq"]);
    super::is_time(&announcement["at"]);
    let pushed = to_carol.event("conversation.updated").await;
    assert_eq!(pushed["conversation"]["announcement"], *announcement);
    assert_eq!(to_carol.event("message.sent").await["message"]["body"]["code"], json!("group.announced"));
    assert_eq!(own["announcement_read"], json!(false));
    let beyond = json!({"seq": 1_000}).to_string();
    carol.raw.put(&path(&id, "/announcement/read"), beyond).await.invalid("/seq");
    let seq = json!({"seq": announcement["seq"]}).to_string();
    let read = carol.raw.put(&path(&id, "/announcement/read"), seq).await;
    gone(&read);
    let position = read.position();
    assert_eq!(reads(carol, &position, &path(&id, "")).await.ok(200)["announcement_read"], json!(true));
    for (has_read, expected) in [("true", vec![&carol.id]), ("false", vec![&scene.alice.id, &bob.id])] {
        let listed = reads(bob, &position, &path(&id, &format!("/members?has_read={has_read}"))).await.ok(200);
        let mut found: Vec<String> =
            listed["items"].as_array().expect("items").iter().map(|it| text(&it["account_id"])).collect();
        found.sort();
        let mut expected: Vec<String> = expected.into_iter().cloned().collect();
        expected.sort();
        assert_eq!(found, expected, "{has_read}");
    }
    carol.raw.get(&path(&id, "/members?has_read=true")).await.refused(403, "not_allowed");
    bob.raw.get(&path(&id, "/members?has_read=maybe")).await.invalid("/has_read");
    gone(&bob.raw.call("DELETE", &path(&id, "/announcement"), None).await);
    let updated = to_carol.event("conversation.updated").await;
    assert!(updated["conversation"].get("announcement").is_none(), "{updated}");
}

#[tokio::test]
async fn people_are_called_what_they_choose() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { alice, bob, carol, .. } = &scene;
    let mut to_alice = connect(alice).await;
    assert_eq!(set(carol, &id, "me", json!({"nickname": "Caz"})).await.ok(200)["nickname"], json!("Caz"));
    let pushed = to_alice.event("member.changed").await;
    assert_eq!((&pushed["account_id"], &pushed["nickname"]), (&json!(carol.id), &json!("Caz")));
    set(carol, &id, &bob.id, json!({"nickname": "Bobby"})).await.refused(403, "not_allowed");
    let cleared = set(bob, &id, &carol.id, json!({"nickname": null})).await.ok(200);
    assert_eq!(cleared["nickname"], json!(null));
}

#[tokio::test]
async fn a_member_is_changed_wholly_or_not_and_once_under_a_key() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { alice, bob, carol, .. } = &scene;
    let both = json!({"nickname": "Caz", "role": "admin"});
    set(bob, &id, &carol.id, both.clone()).await.refused(403, "not_allowed");
    let listed = bob.raw.get(&path(&id, "/members?role=member")).await.ok(200);
    assert_eq!(listed["items"][0]["nickname"], json!(null), "nothing of it");
    let changed = set(alice, &id, &carol.id, both).await.ok(200);
    assert_eq!((&changed["nickname"], &changed["role"]), (&json!("Caz"), &json!("admin")));

    let members = path(&id, &format!("/members/{}", bob.id));
    let keyed = async |who: &Someone, key: &str, what: Value| {
        let raw = who.raw.with("idempotency-key", key).with("content-type", "application/json");
        raw.call("PATCH", &members, Some(what.to_string().into_bytes())).await
    };
    let (own, hers, name) = (new_id(), new_id(), json!({"nickname": "Bobby"}));
    keyed(bob, &own, name.clone()).await.ok(200);
    keyed(bob, &own, json!({"role": "member"})).await.refused(409, "conflict");
    keyed(alice, &hers, json!({"muted_until": "2999-12-31T23:59:59.000Z"})).await.ok(200);
    gone(&remove(bob, &id, "me").await);
    // Their answers were lost.
    let again = keyed(bob, &own, name).await.ok(200);
    assert_eq!((&again["nickname"], &again["account_id"]), (&json!("Bobby"), &json!(bob.id)));
    keyed(alice, &hers, json!({"muted_until": "2999-12-31T23:59:59.000Z"})).await.ok(200);
    set(bob, &id, "me", json!({"nickname": "Rob"})).await.refused(403, "not_a_member");
    set(alice, &id, &bob.id, json!({"nickname": "Rob"})).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_dissolved_group_is_read_and_takes_nothing() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let mut to_carol = connect(carol).await;
    let said = new_id();
    carol.says(&id, &said, "farewell").await.ok(201);
    bob.raw.call("DELETE", &path(&id, ""), None).await.refused(403, "not_allowed");
    let dissolved = alice.raw.call("DELETE", &path(&id, ""), None).await;
    gone(&dissolved);
    let position = dissolved.position();
    gone(&alice.raw.call("DELETE", &path(&id, ""), None).await);
    assert_eq!(to_carol.event("conversation.dissolved").await["conversation_id"], json!(id));
    let own = reads(carol, &position, &path(&id, "")).await.ok(200);
    assert_eq!((&own["state"], &own["last_message"]["body"]["code"]), (&json!("dissolved"), &json!("group.dissolved")));
    super::is_time(&own["ends_at"]);
    let react = path(&id, &format!("/messages/{said}/reactions/%F0%9F%91%8D"));
    for refused in [
        carol.says(&id, &new_id(), "hello").await,
        add(alice, &id, &[dave]).await,
        rename(alice, &id, "ours").await,
        carol.raw.call("PUT", &react, None).await,
        set(alice, &id, &bob.id, json!({"role": "member"})).await,
    ] {
        refused.refused(403, "conversation_closed");
    }
    let left = remove(bob, &id, "me").await;
    gone(&left);
    let theirs = reads(bob, &left.position(), &path(&id, "")).await.ok(200);
    assert_eq!((&theirs["state"], &theirs["ends_at"]), (&json!("dissolved"), &own["ends_at"]), "he was in then");
    gone(&remove(alice, &id, "me").await);
    let seen = reads(carol, &position, &path(&id, "/messages?after_seq=0")).await.ok(200);
    assert!(seen["items"].as_array().is_some_and(|items| items.iter().any(|it| it["message_id"] == json!(said))));
}

#[tokio::test]
async fn all_that_happens_is_in_the_log_for_admins() {
    let scene = Scene::new().await;
    let id = ranked(&scene).await;
    let Scene { alice, bob, carol, .. } = &scene;
    rename(carol, &id, "ours").await.ok(200);
    set_up(bob, &id, json!({"slow_mode": 10})).await.ok(200);
    set(bob, &id, &carol.id, json!({"muted_until": "2999-12-31T23:59:59.000Z"})).await.ok(200);
    let last = remove(bob, &id, &carol.id).await;
    carol.raw.get(&path(&id, "/log")).await.refused(403, "not_a_member");
    let log = reads(alice, &last.position(), &path(&id, "/log?limit=3")).await.ok(200);
    let rest = alice.raw.get(&path(&id, &format!("/log?cursor={}", text(&log["next_cursor"])))).await.ok(200);
    let lines: Vec<&Value> = [&log, &rest].into_iter().filter_map(|it| it["items"].as_array()).flatten().collect();
    let actions: Vec<&str> = lines.iter().filter_map(|line| line["action"].as_str()).collect();
    let expected = ["member_left", "member_muted", "changed", "renamed", "role_changed", "members_joined", "started"];
    assert_eq!(actions, expected, "the newest first");
    assert_eq!((&lines[0]["by"], &lines[0]["account_ids"]), (&json!(bob.id), &json!([carol.id])));
    assert_eq!(lines[1]["detail"], json!({"muted_until": "2999-12-31T23:59:59.000Z"}));
    assert_eq!(lines[2]["detail"], json!({"slow_mode": 10}));
    assert_eq!((&lines[3]["text"], &lines[3]["by"]), (&json!("ours"), &json!(carol.id)));
    let group = scene.group().await;
    bob.raw.get(&path(&group, "/log")).await.refused(403, "not_allowed");
}
