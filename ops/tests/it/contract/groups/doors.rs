//! How people come to a group: added, invited, by asking, by a link, through an open door; and what newcomers see.

use super::{Scene, Someone, add, connect, gone, group, ids, new_id, patch, path, reads, remove, text};
use natter_testkit::Reply;
use serde_json::{Value, json};

async fn join(who: &Someone, group: &str) -> Reply {
    who.raw.post(&path(group, "/join"), "{}".to_owned()).await
}

async fn policy(who: &Someone, group: &str, policy: &str) {
    patch(who, &path(group, ""), &json!({"settings": {"join_policy": policy}})).await.ok(200);
}

async fn link(who: &Someone, group: &str, what: Value) -> Value {
    who.raw.post(&path(group, "/links"), what.to_string()).await.ok(201)
}

async fn join_by(who: &Someone, token: &str) -> Reply {
    who.raw.call("POST", &format!("/api/v1/links/{token}/join"), None).await
}

fn came(reply: &Reply) -> String {
    text(&reply.ok(200)["state"])
}

#[tokio::test]
async fn who_is_no_friend_is_invited_and_comes_if_they_want() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let id = scene.group().await;
    let mut to_dave = connect(dave).await;
    let added = add(bob, &id, &[carol, dave]).await;
    assert_eq!(added.ok(200), json!({"joined": [], "invited": [carol.id, dave.id]}));
    let pushed = to_dave.event("member.invited").await;
    assert_eq!((&pushed["conversation"]["id"], &pushed["conversation"]["name"]), (&json!(id), &json!("us")));
    assert_eq!((&pushed["by"], &pushed["conversation"]["member_count"]), (&json!(bob.id), &json!(2)));
    let mine = reads(dave, &text(&pushed["position"]), "/api/v1/invitations").await.ok(200);
    let invitation = &mine["items"][0];
    assert_eq!((&invitation["conversation"], &invitation["by"]), (&pushed["conversation"], &json!(bob.id)));
    super::is_time(&invitation["expires_at"]);
    dave.raw.get(&path(&id, "")).await.refused(404, "not_found");
    let theirs = alice.raw.get(&path(&id, "/invitations")).await.ok(200);
    assert_eq!(theirs["items"].as_array().map(Vec::len), Some(2));
    bob.raw.get(&path(&id, "/invitations")).await.refused(403, "not_allowed");

    let joined = join(dave, &id).await;
    let position = joined.position();
    assert_eq!(came(&joined), "joined");
    assert_eq!(came(&join(dave, &id).await), "joined", "asked again: so it is");
    dave.says(&id, &new_id(), "hello").await.ok(201);
    assert_eq!(reads(dave, &position, "/api/v1/invitations").await.ok(200)["items"], json!([]));

    gone(&carol.raw.call("DELETE", &path(&id, "/invitations/me"), None).await);
    join(carol, &id).await.refused(404, "not_found");
    // Invited again, and taken back by whoever did.
    add(bob, &id, &[carol]).await.ok(200);
    dave.raw.call("DELETE", &path(&id, &format!("/invitations/{}", carol.id)), None).await.refused(403, "not_allowed");
    let carols = path(&id, &format!("/invitations/{}", carol.id));
    gone(&bob.raw.call("DELETE", &carols, None).await);
    join(carol, &id).await.refused(404, "not_found");
    // Whom others have invited, and that nobody has, is for admins to know.
    bob.raw.call("DELETE", &carols, None).await.refused(403, "not_allowed");
    gone(&alice.raw.call("DELETE", &carols, None).await);
}

#[tokio::test]
async fn only_a_group_is_come_to() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, .. } = &scene;
    let (direct, _) = carol.befriends(bob).await;
    let own = carol.raw.post("/api/v1/conversations", json!({"kind": "self"}).to_string()).await;
    let own = text(&own.ok(201)["id"]);
    for id in [&direct, &own] {
        join(carol, id).await.refused(403, "forbidden");
        join(alice, id).await.refused(404, "not_found");
        for rest in ["/invitations/me", "/requests/me"] {
            carol.raw.call("DELETE", &path(id, rest), None).await.refused(403, "forbidden");
            alice.raw.call("DELETE", &path(id, rest), None).await.refused(404, "not_found");
        }
        let read = carol.raw.put(&path(id, "/announcement/read"), json!({"seq": 0}).to_string()).await;
        read.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn into_a_closed_group_nobody_comes_by_a_members_doing() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let id = scene.group().await;
    let token = text(&link(bob, &id, json!({})).await["token"]);
    add(bob, &id, &[carol]).await.ok(200);
    policy(alice, &id, "closed").await;
    join(carol, &id).await.refused(404, "not_found");
    join_by(dave, &token).await.refused(410, "gone");
    for who in [alice, bob] {
        who.raw.get(&format!("/api/v1/links/{token}")).await.refused(410, "gone");
        assert_eq!(who.raw.get(&path(&id, "/links")).await.ok(200)["items"], json!([]));
    }
    assert_eq!(carol.raw.get("/api/v1/invitations").await.ok(200)["items"], json!([]));
    policy(alice, &id, "invitation").await;
    assert_eq!(alice.raw.get(&path(&id, "/links")).await.ok(200)["items"].as_array().map(Vec::len), Some(1));
    // With him goes what he made.
    gone(&alice.raw.call("PUT", &path(&id, &format!("/bans/{}", bob.id)), None).await);
    join_by(dave, &token).await.refused(410, "gone");
    join(carol, &id).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_group_is_started_with_those_who_come_and_the_others_are_invited() {
    let scene = Scene::new().await;
    let Scene { bob, carol, alice, .. } = &scene;
    let started = bob.raw.post("/api/v1/conversations", group("ours", &[carol, alice])).await;
    let position = started.position();
    let own = started.ok(201);
    assert_eq!(own["member_count"], json!(2));
    let invited = reads(carol, &position, "/api/v1/invitations").await.ok(200);
    assert_eq!(invited["items"][0]["conversation"]["id"], own["id"]);
}

#[tokio::test]
async fn where_an_admin_answers_people_ask() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let id = scene.group().await;
    join(dave, &id).await.refused(404, "not_found");
    policy(alice, &id, "approval").await;
    let mut to_alice = connect(alice).await;
    let asked = dave.raw.post(&path(&id, "/join"), json!({"message": "it is me"}).to_string()).await;
    let position = asked.position();
    assert_eq!(came(&asked), "requested");
    assert_eq!(came(&join(dave, &id).await), "requested");
    assert_eq!(to_alice.event("member.requested").await["account_id"], json!(dave.id));
    let waiting = reads(alice, &position, &path(&id, "/requests")).await.ok(200);
    let request = &waiting["items"][0];
    assert_eq!((&request["account_id"], &request["message"]), (&json!(dave.id), &json!("it is me")));
    bob.raw.get(&path(&id, "/requests")).await.refused(403, "not_allowed");
    dave.says(&id, &new_id(), "hello").await.refused(404, "not_found");

    let approve = path(&id, &format!("/requests/{}/approve", dave.id));
    bob.raw.call("POST", &approve, None).await.refused(403, "not_allowed");
    gone(&alice.raw.call("POST", &approve, None).await);
    gone(&alice.raw.call("POST", &approve, None).await);
    dave.says(&id, &new_id(), "hello").await.ok(201);

    join(carol, &id).await.ok(200);
    let decline = path(&id, &format!("/requests/{}", carol.id));
    gone(&alice.raw.call("DELETE", &decline, None).await);
    gone(&alice.raw.call("DELETE", &decline, None).await);
    carol.raw.call("DELETE", &path(&id, "/requests/me"), None).await.refused(404, "not_found");
    let too_late = path(&id, &format!("/requests/{}/approve", carol.id));
    alice.raw.call("POST", &too_late, None).await.refused(409, "request_closed");
    // Asked again, and thought better of it.
    assert_eq!(came(&join(carol, &id).await), "requested");
    gone(&carol.raw.call("DELETE", &path(&id, "/requests/me"), None).await);
    gone(&carol.raw.call("DELETE", &path(&id, "/requests/me"), None).await);
    alice.raw.call("DELETE", &decline, None).await.refused(409, "request_closed");
    alice.raw.call("POST", &too_late, None).await.refused(409, "request_closed");
}

#[tokio::test]
async fn a_link_leads_to_the_group_while_it_is_good() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let id = scene.group().await;
    let made = link(bob, &id, json!({"expires_in": 3_600, "max_uses": 1})).await;
    let token = text(&made["token"]);
    assert_eq!((&made["code"], &made["uses"]), (&json!(format!("natter:join:{token}")), &json!(0)));
    let behind = dave.raw.get(&format!("/api/v1/links/{token}")).await.ok(200);
    assert_eq!(
        behind,
        json!({"conversation": {"id": id, "name": "us", "avatar": null, "member_count": 2}, "is_member": false})
    );
    let joined = join_by(dave, &token).await;
    let position = joined.position();
    assert_eq!(joined.ok(200), json!({"state": "joined", "conversation_id": id}));
    assert_eq!(came(&join_by(dave, &token).await), "joined", "who is in is in");
    // It was good for one.
    join_by(carol, &token).await.refused(410, "gone");
    carol.raw.get(&format!("/api/v1/links/{token}")).await.refused(410, "gone");
    let listed = reads(alice, &position, &path(&id, "/links")).await.ok(200);
    assert_eq!(listed["items"], json!([]), "used up");

    let made = link(bob, &id, json!({})).await;
    let token = text(&made["token"]);
    assert_eq!(dave.raw.get(&path(&id, "/links")).await.ok(200)["items"], json!([]), "only their own");
    assert_eq!(bob.raw.get(&path(&id, "/links")).await.ok(200)["items"], json!([made]));
    let revoke = path(&id, &format!("/links/{}", text(&made["id"])));
    dave.raw.call("DELETE", &revoke, None).await.refused(403, "not_allowed");
    gone(&alice.raw.call("DELETE", &revoke, None).await);
    gone(&alice.raw.call("DELETE", &revoke, None).await);
    join_by(carol, &token).await.refused(410, "gone");
    for (what, pointer) in [
        (json!({"expires_in": 59}), "/expires_in"),
        (json!({"expires_in": 0}), "/expires_in"),
        (json!({"max_uses": 0}), "/max_uses"),
        (json!({"max_uses": 100_001}), "/max_uses"),
    ] {
        bob.raw.post(&path(&id, "/links"), what.to_string()).await.invalid(pointer);
    }
    join_by(carol, "nonsense").await.refused(400, "malformed");
}

#[tokio::test]
async fn a_key_makes_one_link() {
    let scene = Scene::new().await;
    let id = scene.group().await;
    let keyed = scene.bob.raw.with("idempotency-key", &new_id());
    let first = keyed.post(&path(&id, "/links"), "{}".to_owned()).await.ok(201);
    assert_eq!(keyed.post(&path(&id, "/links"), "{}".to_owned()).await.ok(201), first);
    keyed.post(&path(&id, "/links"), json!({"max_uses": 3}).to_string()).await.refused(409, "conflict");
}

#[tokio::test]
async fn through_an_open_door_comes_whoever_is_not_banned() {
    let scene = Scene::new().await;
    let Scene { alice, carol, dave, .. } = &scene;
    let id = scene.group().await;
    policy(alice, &id, "open").await;
    assert_eq!(came(&join(dave, &id).await), "joined");
    gone(&alice.raw.call("PUT", &path(&id, &format!("/bans/{}", dave.id)), None).await);
    join(dave, &id).await.refused(403, "banned");
    gone(&alice.raw.call("PUT", &path(&id, &format!("/bans/{}", carol.id)), None).await);
    join(carol, &id).await.refused(403, "banned");
    policy(alice, &id, "closed").await;
    join(carol, &id).await.refused(404, "not_found");
}

#[tokio::test]
async fn newcomers_see_what_the_group_shares() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, .. } = &scene;
    let id = scene.group().await;
    let early = new_id();
    alice.says(&id, &early, "before she came").await.ok(201);
    patch(alice, &path(&id, ""), &json!({"settings": {"shares_history": true}})).await.ok(200);
    gone(&remove(bob, &id, "me").await);
    let added = add(alice, &id, &[carol, bob]).await;
    let position = added.position();
    let own = reads(carol, &position, &path(&id, "")).await.ok(200);
    assert_eq!((&own["joined_seq"], &own["unread"]), (&json!(0), &json!(0)), "what was said before is not unread");
    let seen = reads(carol, &position, &path(&id, "/messages?after_seq=0")).await.ok(200);
    let seqs: Vec<&Value> = seen["items"].as_array().expect("items").iter().map(|it| &it["seq"]).collect();
    assert_eq!(json!(seqs), json!([1, 2, 3, 4, 5]));
    let seen = reads(bob, &position, &path(&id, "/messages?after_seq=0")).await.ok(200);
    let seqs: Vec<&Value> = seen["items"].as_array().expect("items").iter().map(|it| &it["seq"]).collect();
    assert_eq!(json!(seqs), json!([1, 2, 3, 4, 5]), "each once");
    alice.says(&id, &new_id(), "after").await.ok(201);
    let heard = carol.raw.put(&path(&id, "/read"), json!({"seq": 6}).to_string()).await;
    heard.ok(200);
}

#[tokio::test]
async fn members_are_found_by_the_beginning_of_their_names() {
    let scene = Scene::new().await;
    let Scene { alice, carol, .. } = &scene;
    let id = scene.group().await;
    let added = add(alice, &id, &[carol]).await;
    let position = added.position();
    let found = reads(alice, &position, &path(&id, "/members?query=car")).await.ok(200);
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["items"][0]["account_id"], json!(carol.id));
    let dave = alice.raw.get(&path(&id, "/members?query=dave")).await.ok(200);
    assert_eq!(dave["items"], json!([]), "he is not in");
    alice.raw.get(&path(&id, "/members?query=ca")).await.invalid("/query");
    alice.raw.get(&path(&id, "/members?role=king")).await.invalid("/role");
}

async fn called(who: &Someone, group: &str, whom: &Someone, nickname: Value) -> String {
    let named = patch(who, &path(group, &format!("/members/{}", whom.id)), &json!({"nickname": nickname})).await;
    named.ok(200);
    named.position()
}

/// All pages of one, to the one without a next.
async fn found(who: &Someone, position: &str, group: &str, query: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let list = path(group, &format!("/members?limit=1&query={query}{cursor}"));
        let page = reads(who, position, &list).await.ok(200);
        found.extend(page["items"].as_array().expect("items").iter().map(|member| text(&member["account_id"])));
        let Some(next) = page["next_cursor"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn members_are_found_by_the_beginning_of_their_nicknames_in_the_group() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let id = scene.group().await;
    add(alice, &id, &[carol]).await.ok(200);
    called(alice, &id, bob, json!("Stra\u{df}enk\u{fc}nstler")).await;
    called(alice, &id, carol, json!("strange one")).await;
    let position = called(alice, &id, alice, json!("\u{8def}\u{4eba}\u{7532}\u{4e59}")).await;
    let is = async |query: &str, who: &[&Someone]| {
        assert_eq!(found(alice, &position, &id, query).await, ids(who), "{query}");
    };
    is("str", &[carol, bob]).await;
    // They share their bucket, and nothing more.
    is("STRASSEN", &[bob]).await;
    is("strange%20o", &[carol]).await;
    is("strand", &[]).await;
    is("%E8%B7%AF%E4%BA%BA%E7%94%B2", &[alice]).await;
    is("bob", &[bob]).await;
    is("alice@example.org", &[]).await;
    dave.raw.get(&path(&id, "/members?query=str")).await.refused(404, "not_found");

    // Another name, none, and a stay that is over.
    called(alice, &id, bob, json!("stroller")).await;
    let position = called(alice, &id, carol, json!(null)).await;
    assert_eq!(found(alice, &position, &id, "strasse").await, [""; 0]);
    assert_eq!(found(alice, &position, &id, "str").await, ids(&[bob]));
    gone(&remove(bob, &id, "me").await);
    let added = add(alice, &id, &[bob]).await;
    assert_eq!(found(alice, &added.position(), &id, "str").await, [""; 0]);
}
