//! Erasure, through the public door: after it nothing that somebody told of themselves is anywhere in readable form, what
//! they said to others stays, and the log still verifies.

mod everywhere;
mod master;
mod told;

use crate::oidc::signs_in;
use everywhere::{Everywhere, found};
use natter_testkit::{BOUND, Cql, Letters, Node, Options, PASSWORD, Stack, cql, eventually, law, oidc::Forger};
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use told::{BODY, ELSEWHERE, EMAIL, TOLD, Told, USERNAME, equipped, login, nothing_of, said, tell};

const KILLED: i32 = 9;

#[tokio::test]
async fn nothing_that_an_erased_person_told_is_anywhere_and_what_they_said_stays() {
    let (stack, provider) = (Stack::new().await, Forger::start().await);
    let node = stack.node_with(equipped(&stack, &provider)).await;
    let told = tell(&stack, &node).await;
    let card = told.seen(&told.card()).await;
    assert_eq!((&card["username"], &card["nickname"]), (&json!(USERNAME), &json!(TOLD[1])));
    let search = "/api/v1/accounts?query=zaphod";
    assert_eq!(told.seen(search).await["items"].as_array().map(Vec::len), Some(1));
    told.erase(&node).await;
    told.is_forgotten().await;

    // Others see a closed account, and conversations as they were.
    told.others_keep_what_is_theirs().await;
    let friends = told.seen("/api/v1/friends").await;
    assert_eq!(friends["items"][0]["account"]["id"], json!(told.person.id()));
    let requests = told.seen("/api/v1/friends/requests?direction=in").await;
    assert_eq!((&requests["items"][0]["status"], &requests["items"][0]["message"]), (&json!("accepted"), &json!(null)));
    for seen in [&friends, &requests, &told.seen("/api/v1/sync").await] {
        nothing_of(seen);
    }
    assert_eq!(told.seen(search).await["items"], json!([]));
    let whole = told.friend.raw().await.get(&format!("/api/v1/accounts?query={USERNAME}")).await.ok(200);
    assert_eq!(whole["items"], json!([]), "not by the whole name either");

    // They are signed out, and the name is nobody else's.
    eventually("their device is signed out", BOUND, async || match told.device.me().await {
        Err(error) if error.code() == Some("unauthenticated") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(told.device.refresh().await.is_err());
    login(&node, USERNAME).await.refused(401, "wrong_credentials");
    login(&node, EMAIL).await.refused(401, "wrong_credentials");
    let again = json!({"username": USERNAME, "password": PASSWORD}).to_string();
    node.raw().post("/api/v1/auth/register", again).await.refused(409, "name_taken");

    nowhere(&stack, &[&node], None).await;
    let everywhere = Everywhere::look(&stack, &[&node], None).await;
    assert_eq!(found(&everywhere, &told.secret), Vec::<String>::new(), "the secret of the second factor");
    nothing_is_sealed_with_a_key_that_stays(&stack).await;
    rows_are_empty(&stack, &told).await;
    what_is_left_is_given_out(&node, &told).await;
    let verified = node.run(&["streams", "verify"]).await;
    assert!(verified.status.success(), "{}", said(&verified));

    // The address may be somebody else's now, and who they are elsewhere.
    eventually("the identity is free", BOUND, async || {
        let reply = signs_in(&node, ELSEWHERE).await;
        if reply.status == 201 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    let letters = Letters::new(stack.dir());
    eventually("the address is free", BOUND, async || {
        let code = letters.code(&node.raw(), EMAIL, "register").await;
        let body = json!({"username": "ford", "password": PASSWORD, "email": EMAIL, "code": code}).to_string();
        let reply = node.raw().post("/api/v1/auth/register", body).await;
        if reply.status == 201 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
}

/// Neither in PostgreSQL, nor in JetStream, nor in the cluster, nor in what nodes have written.
async fn nowhere(stack: &Stack, nodes: &[&Node], cluster: Option<&Cql>) {
    law::log_is_stream(stack).await;
    let everywhere = Everywhere::look(stack, nodes, cluster).await;
    // Where nothing is looked at, nothing is found.
    everywhere.holds_control(stack).await;
    for secret in TOLD {
        assert_eq!(found(&everywhere, secret), Vec::<String>::new(), "{secret}");
    }
    // What others said is sealed there too.
    assert_eq!(found(&everywhere, BODY), Vec::<String>::new());
}

/// The installation's key opens as before what was sealed with it.
async fn nothing_is_sealed_with_a_key_that_stays(stack: &Stack) {
    let log = stack.log().await;
    let sealed_with = |key: &str| log.iter().filter(|event| event.payload.contains(&format!("\"{key}."))).count();
    assert!(sealed_with("o") > 5, "control: {} events", log.len());
    let staying = log.iter().find(|event| event.payload.contains("\"i."));
    assert!(staying.is_none(), "{staying:?}");
}

/// Of the read side: what nobody can open is not kept either.
async fn rows_are_empty(stack: &Stack, told: &Told) {
    law::projections_are_at_the_head(stack).await;
    let live = "SELECT generation FROM projection_generation WHERE projection = 'relations' AND state = 'live'";
    let live: i32 = sqlx::query_scalar(live).fetch_one(stack.pool()).await.expect("relations are live somewhere");
    let schema = if live == 1 { "public".to_owned() } else { format!("relations_{live}") };
    for (table, columns) in [
        ("session", "device_name, platform, address"),
        ("inbox_cursor", "folder, draft, draft_at"),
        ("account", "username, nickname, signature, gender, region, birthday, custom, email, phone, muted_reason"),
    ] {
        let rows = format!(
            r#"SELECT count(*) AS rows, coalesce(sum(num_nonnulls({columns})), 0)::bigint AS told
               FROM "{schema}".{table} WHERE account_id = $1"#
        );
        let (rows, values): (i64, i64) =
            sqlx::query_as(&rows).bind(told.person.id()).fetch_one(stack.pool()).await.expect("read the rows");
        assert!(rows > 0 && values == 0, "{schema}.{table}: {values} values in {rows} rows");
    }
    // Who they are elsewhere is no row of somebody who is nobody, nor is what they were yet to say, have marked or deleted.
    for table in ["account_identity", "pending", "message_mark", "message_deleted"] {
        let rows = format!(r#"SELECT count(*) FROM "{schema}".{table} WHERE account_id = $1"#);
        let left: i64 =
            sqlx::query_scalar(&rows).bind(told.person.id()).fetch_one(stack.pool()).await.expect("count the rows");
        assert_eq!(left, 0, "{schema}.{table}");
    }
}

/// To whoever asks what is held on them still.
async fn what_is_left_is_given_out(node: &Node, told: &Told) {
    let exported = node.run(&["accounts", "export", &told.person.id().to_string()]).await;
    assert!(exported.status.success(), "{}", said(&exported));
    let exported: Value = serde_json::from_slice(&exported.stdout).expect("one JSON object");
    nothing_of(&exported);
    assert_eq!(exported["account"]["closed"], true);
    let messages = exported["messages"].as_array().expect("messages");
    let texts: Vec<&Value> = messages.iter().map(|message| &message["body"]["text"]).collect();
    assert!(
        texts.contains(&&json!(BODY)) && texts.contains(&&Value::Null),
        "what they said to themselves is gone: {texts:?}"
    );
}

#[tokio::test]
async fn built_anew_it_is_the_same() {
    let (stack, provider) = (Stack::new().await, Forger::start().await);
    let node = stack.node_with(equipped(&stack, &provider)).await;
    let told = tell(&stack, &node).await;
    told.erase(&node).await;
    told.is_forgotten().await;
    for arguments in [["projections", "rebuild", "relations"], ["projections", "rebuild", "history"]] {
        let built = node.run(&arguments).await;
        assert!(built.status.success(), "{}", said(&built));
    }
    told.is_forgotten().await;
    rows_are_empty(&stack, &told).await;
    nothing_of(&told.seen("/api/v1/conversations").await);
    nowhere(&stack, &[&node], None).await;
}

#[tokio::test]
async fn every_node_forgets() {
    let (stack, provider) = (Stack::new().await, Forger::start().await);
    let (near, far) = (stack.node_with(equipped(&stack, &provider)).await, stack.node().await);
    let told = tell(&stack, &near).await;
    let elsewhere =
        far.raw().with("authorization", &format!("Bearer {}", told.friend.client().tokens().await.access_token));
    let seen = async || elsewhere.get("/api/v1/friends").await.ok(200);
    let elsewhere_said = elsewhere.with("natter-position", &told.position).get("/api/v1/friends").await.ok(200);
    assert_eq!(elsewhere_said["items"][0]["account"]["username"], json!(USERNAME), "it is in its memory");
    told.erase(&near).await;
    eventually("the other node has forgotten", BOUND, async || {
        let friends = seen().await;
        if friends["items"][0]["account"]["username"].is_null() { Ok(()) } else { Err(friends.to_string()) }
    })
    .await;
    nothing_of(&seen().await);
    near.register("arthur").await;
    nowhere(&stack, &[&near, &far], None).await;
}

/// Whoever destroys the key dies there.
async fn outlives_a_death(point: &str) {
    let (stack, provider) = (Stack::new().await, Forger::start().await);
    let mut node = stack.node_with(equipped(&stack, &provider)).await;
    let told = tell(&stack, &node).await;
    node.stop().await;
    node.restart_with(Options::faults(format!("{point}=kill@1"))).await;
    let id = told.person.id().to_string();
    // It may hear no answer.
    let arguments = ["sealing", "erase", &id, "--by", "an operator"];
    let dies =
        eventually(
            "the node dies",
            BOUND,
            async || {
                if node.reached(point) > 0 { Ok(()) } else { Err("not yet".to_owned()) }
            },
        );
    tokio::join!(node.run(&arguments), dies);
    assert_eq!(node.exited().await.signal(), Some(KILLED));
    node.restart_with(Options::default()).await;
    told.is_forgotten().await;
    eventually("the key is destroyed", BOUND, async || {
        let listed = said(&node.run(&["sealing", "erased"]).await);
        if listed.contains(&id) { Ok(()) } else { Err(listed) }
    })
    .await;
    nowhere(&stack, &[&node], None).await;
}

#[tokio::test]
async fn it_is_done_though_who_does_it_dies_before() {
    outlives_a_death("account.before_destruction").await;
}

#[tokio::test]
async fn it_is_done_though_who_does_it_dies_after() {
    outlives_a_death("account.after_destruction").await;
}

/// The keys alone, as somebody would who keeps them apart.
#[tokio::test]
async fn a_restored_backup_does_not_bring_the_key_back() {
    let (stack, provider) = (Stack::new().await, Forger::start().await);
    let mut node = stack.node_with(equipped(&stack, &provider)).await;
    let told = tell(&stack, &node).await;
    let execute = async |sql: &str| {
        sqlx::query(sql).execute(stack.pool()).await.expect("it is SQL");
    };
    execute("CREATE TABLE backup AS SELECT * FROM sealing_key").await;
    told.erase(&node).await;
    told.is_forgotten().await;
    node.stop().await;
    execute("DELETE FROM sealing_key").await;
    execute("INSERT INTO sealing_key SELECT * FROM backup").await;
    execute("DROP TABLE backup").await;
    node.restart().await;
    let there = "SELECT count(*) FROM sealing_key WHERE wrapped IS NOT NULL AND owner = $1";
    let there: i64 = sqlx::query_scalar(there).bind(told.person.id()).fetch_one(stack.pool()).await.expect("a count");
    assert_eq!(there, 0, "it was destroyed again before the node served");
    assert!(node.output().contains("destroyed again"), "{}", node.output());
    let again = node.run(&["sealing", "destroy-again"]).await;
    assert!(again.status.success() && said(&again).contains("0 keys were back"), "{}", said(&again));
}

#[tokio::test]
async fn a_history_in_a_cluster_tells_nothing_either() {
    let (stack, provider, cluster) = (Stack::new().await, Forger::start().await, cql());
    let of_cluster = [
        ("NATTER_HISTORY", "scylla"),
        ("NATTER_CQL_NODES", &cluster.address),
        ("NATTER_CQL_KEYSPACE", &cluster.keyspace),
    ];
    let mut more = of_cluster.map(|(name, value)| (name, value.to_owned())).to_vec();
    more.extend(equipped(&stack, &provider).more);
    let node = stack.node_with(Options { more, ..Options::default() }).await;
    let told = tell(&stack, &node).await;
    told.friend.sees(BODY).await;
    told.erase(&node).await;
    told.is_forgotten().await;
    nowhere(&stack, &[&node], Some(&cluster)).await;
    cluster.drop_keyspace().await;
}

#[tokio::test]
async fn who_is_not_there_is_not_erased() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let nobody = natter_testkit::client::new_id().to_string();
    let refused = node.run(&["sealing", "erase", &nobody, "--by", "an operator"]).await;
    assert!(!refused.status.success() && said(&refused).contains("no such account"), "{}", said(&refused));
}

/// Fourteen days, and a little.
const GRACE_SECONDS: u32 = 14 * 24 * 60 * 60 + 60;

#[tokio::test]
async fn who_closes_their_account_is_erased_when_the_grace_is_over() {
    let (stack, provider) = (Stack::new().await, Forger::start().await);
    let clock = stack.dir().join("clock");
    let mut options = equipped(&stack, &provider);
    options.more.push(("NATTER_CLOCK", clock.display().to_string()));
    let node = stack.node_with(options).await;
    let told = tell(&stack, &node).await;
    let raw = told.person.raw().await.with("content-type", "application/json");
    let password = json!({"password": PASSWORD}).to_string();
    raw.call("DELETE", "/api/v1/accounts/me", Some(password.into())).await.ok(200);
    std::fs::write(&clock, GRACE_SECONDS.to_string()).expect("set the clock");
    eventually("the key is destroyed", BOUND, async || {
        let listed = said(&node.run(&["sealing", "erased"]).await);
        if listed.contains(&told.person.id().to_string()) { Ok(()) } else { Err(listed) }
    })
    .await;
    rows_are_empty(&stack, &told).await;
    nowhere(&stack, &[&node], None).await;
}
