//! `natter moderation`: what waits for somebody who looks at it.

use natter_commands::{Caller, Commands, Cost, GivenBody, Groups, Outgoing, Settings};
use natter_domain::{AccountId, ConversationId, MessageId, SessionId, account::Policy, limit};
use natter_streams::{
    Node as Member,
    bus::Bus,
    feed::Feeds,
    keyring::Keyring,
    lease::{self, Directory},
    sealing::{Keys, Masters},
};
use natter_testkit::{BOUND, Node, Person, Stack, client, eventually};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn hexadecimal(stack: &Stack, file: &str) -> [u8; 32] {
    let text = std::fs::read_to_string(stack.dir().join(file)).expect("a key");
    let byte = |at: usize| u8::from_str_radix(&text.trim()[2 * at..2 * at + 2], 16).expect("hexadecimal");
    std::array::from_fn(byte)
}

/// As the doors hand a message over that met a rule.
async fn hold(stack: &Stack, by: &Person, talk: Uuid, message: Uuid, text: &str) {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let log = stack.verified_log().await;
    let bus = Bus::connect(stack.nats_url()).await.expect("connect to NATS");
    let (keyring, masters) =
        (Keyring::new(&stack.installation_key()), Masters::fixed(hexadecimal(stack, "master.key")));
    let keys = Keys::open(&log, &bus, Arc::new(keyring), masters, &stop).await.expect("open the keys");
    let directory = Directory::start(&log, &bus, &stop).await.expect("read who owns the lanes");
    let feeds = Feeds::start(&log, &stop).await.expect("read the heads");
    let settings = lease::Settings::default();
    let context = lease::Context { log, bus, node: Member::new("door"), settings, directory };
    let settings = Settings {
        password_cost: Cost::Cheap,
        session_policy: Policy::Many,
        reserved_names: vec![],
        closing_grace: limit::CLOSING_GRACE,
        groups: Groups::default(),
        windows: natter_commands::Windows::default(),
        strangers: true,
        owns_lanes: false,
        relays: false,
        rates: false,
    };
    let (commands, _tasks) = Commands::start(context, feeds, keys, &settings, &stop);
    let caller = Caller { account: AccountId(by.id()), session: SessionId(Uuid::nil()) };
    let body = json!({"kind": "text", "text": text}).to_string();
    let outgoing = Outgoing::plain(MessageId(message), GivenBody::text(body, text.len() as u32));
    commands.pending().hold(caller, ConversationId(talk), outgoing, "cheap.pills").await.expect("hold");
}

async fn moderation(node: &Node, arguments: &[&str]) -> (bool, String) {
    let output = node.run(&[&["moderation"], arguments].concat()).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn state(person: &Person, message: Uuid) -> Option<Value> {
    let listed = person.raw().await.get("/api/v1/scheduled").await.ok(200);
    let items = listed["items"].as_array().expect("items");
    items.iter().find(|item| item["message_id"] == json!(message)).cloned()
}

async fn texts(person: &Person, talk: Uuid) -> Vec<Value> {
    let listed = person.raw().await.get(&format!("/api/v1/conversations/{talk}/messages")).await.ok(200);
    listed["items"].as_array().expect("messages").iter().map(|item| item["body"]["text"].clone()).collect()
}

#[tokio::test]
async fn what_is_held_is_shown_and_said_or_not() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let talk = alice.befriends(&bob).await;
    let (one, other) = (client::new_id(), client::new_id());
    hold(&stack, &alice, talk, one, "pills for all").await;
    hold(&stack, &alice, talk, other, "more pills").await;
    let (well, listed) = moderation(&node, &["list"]).await;
    let lines: Vec<&str> = listed.lines().filter(|line| line.ends_with("cheap.pills")).collect();
    assert!(well && lines.len() == 2, "{listed}");
    let (talked, author) = (talk.to_string(), alice.id().to_string());
    assert!(lines[0].contains(&format!("{talked} {author} {one} ")), "{listed}");
    let (one_id, other_id) = (one.to_string(), other.to_string());
    let (well, shown) = moderation(&node, &["show", &talked, &author, &one_id]).await;
    assert!(well && shown.contains("pills for all"), "{shown}");
    eventually("its author sees it", BOUND, async || match state(&alice, one).await {
        Some(held) if held["state"] == "held" && held["body"]["text"] == "pills for all" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(texts(&bob, talk).await, [] as [Value; 0]);
    assert!(moderation(&node, &["release", &talked, &author, &one_id, "--by", "carol"]).await.0);
    assert!(moderation(&node, &["refuse", &talked, &author, &other_id, "--by", "carol"]).await.0);
    eventually("one is said", BOUND, async || {
        let said = texts(&bob, talk).await;
        if said == ["pills for all"] { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    eventually("of the other its author hears", BOUND, async || match state(&alice, other).await {
        Some(failed) if failed["state"] == "failed" && failed["code"] == "content_refused" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let (well, said) = moderation(&node, &["release", &talked, &author, &other_id, "--by", "carol"]).await;
    assert!(!well && said.contains("not_found"), "{said}");
    assert!(!moderation(&node, &["show", &talked, &author, &other_id]).await.0);
    let (well, listed) = moderation(&node, &["list"]).await;
    assert!(well && !listed.contains("cheap.pills"), "{listed}");
}
