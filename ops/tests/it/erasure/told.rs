//! Somebody who has told all that one can, and what is seen of them.

use crate::{
    oidc::{LINK, SignIn, identities},
    profile::patch,
};
use natter_testkit::{
    Authenticator, BOUND, Letters, Node, Options, PASSWORD, Person, Reply, Stack,
    client::Signed,
    eventually, in_seconds,
    oidc::{Forger, variables},
    wire,
};
use serde_json::{Value, json};
use uuid::Uuid;

pub const USERNAME: &str = "zaphodxyzzy";
const DEVICE: &str = "heart-of-gold";
const REQUEST: &str = "froods-meet-here";
pub const EMAIL: &str = "zaphod.b@galaxy.example";
const PHONE: &str = "+4930424242";
const REASON: &str = "towel-thief";
/// At the provider.
pub const ELSEWHERE: &str = "slartibartfast";
const DRAFT: &str = "mostly-harmless";
const FOLDER: &str = "milliways-menu";
const NOTE: &str = "buy-a-new-towel";
pub const BODY: &str = "so long and thanks";

/// Told of themselves in one way or another, or said of them; none of it is part of another word.
pub const TOLD: [&str; 16] = [
    USERNAME,
    "Beeblebroxian",
    "two-heads-better",
    "betelgeusian",
    "vogsphere-five",
    "1942-03-11",
    "pangalactic-gargle",
    DEVICE,
    REQUEST,
    EMAIL,
    PHONE,
    REASON,
    ELSEWHERE,
    DRAFT,
    FOLDER,
    NOTE,
];

/// Has told all that one can, and talked with a friend.
pub struct Told {
    pub person: Person,
    pub friend: Person,
    pub device: Signed,
    pub position: String,
    pub group: Uuid,
    /// Of the second factor, as the app is told.
    pub secret: String,
}

/// Mails and text messages are files, and there is a provider.
pub fn equipped(stack: &Stack, provider: &Forger) -> Options {
    let mut more = variables(&[provider.settings()]);
    more.push(Letters::new(stack.dir()).variable());
    Options { more, ..Options::default() }
}

/// Says how they are reached, and proves it.
async fn reached(stack: &Stack, node: &Node, person: &Person) {
    let letters = Letters::new(stack.dir());
    for (way, address) in [("email", EMAIL), ("phone", PHONE)] {
        let code = letters.code(&node.raw(), address, &format!("change_{way}")).await;
        let body = json!({way: address, "code": code, "password": PASSWORD}).to_string();
        person.raw().await.post(&format!("/api/v1/accounts/me/{way}/change"), body).await.ok(200);
    }
}

/// Signs in by the provider too, from now on.
async fn is_known_elsewhere(node: &Node, person: &Person) {
    let raw = person.raw().await;
    let shown = SignIn::of(node, ELSEWHERE).await.shown(&json!({"password": PASSWORD}));
    let linked = raw.post(LINK, shown).await;
    assert_eq!(linked.status, 204, "{}", linked.text());
    let known = identities(&raw.with("natter-position", &linked.position())).await;
    assert_eq!(known[0]["name"], ELSEWHERE, "{known:?}");
}

/// The secret of their second factor.
async fn with_an_app(person: &Person) -> String {
    let raw = person.raw().await;
    let offered = raw.post("/api/v1/auth/second", json!({"password": PASSWORD}).to_string()).await.ok(200);
    let text = |field: &str| offered[field].as_str().expect("a text").to_owned();
    let code = Authenticator::scan(&text("uri")).code(0);
    raw.post("/api/v1/auth/second/confirm", json!({"code": code}).to_string()).await.ok(200);
    text("secret")
}

/// Operators have their reasons.
async fn is_spoken_of(node: &Node, person: &Person) {
    let id = person.id().to_string();
    for what in ["mute", "restore", "mute"] {
        let said = node.run(&["accounts", what, &id, "--reason", REASON, "--by", "an operator"]).await;
        assert!(said.status.success(), "{}", self::said(&said));
    }
}

/// A draft, a folder, and a note to oneself, with a star, and put away.
async fn keeps_things_in_order(person: &Person, conversation: &str) {
    let view = json!({"draft": DRAFT, "folder": FOLDER});
    let raw = person.raw().await;
    patch(&raw, &format!("/api/v1/conversations/{conversation}/inbox"), &view).await.ok(200);
    let own = person.client().open_own().await.expect("open the conversation with oneself").conversation.id;
    let path = format!("/api/v1/conversations/{own}/messages");
    let body = json!({"message_id": natter_testkit::client::new_id(), "body": {"kind": "text", "text": NOTE}});
    let said = raw.post(&path, body.to_string()).await;
    said.ok(201);
    let read = raw.with("natter-position", &said.position()).get(&path).await.ok(200);
    assert_eq!(read["items"][0]["body"]["text"], NOTE);
    let mut later = body;
    (later["message_id"], later["send_at"]) = (json!(natter_testkit::client::new_id()), json!(in_seconds(3_600)));
    raw.post(&format!("/api/v1/conversations/{own}/scheduled"), later.to_string()).await.ok(201);
    let inbox = format!("{path}/{}/inbox", read["items"][0]["message_id"].as_str().expect("an id"));
    patch(&raw, &inbox, &json!({"starred": true})).await.ok(200);
    assert_eq!(raw.call("DELETE", &inbox, None).await.status, 204);
}

pub async fn tell(stack: &Stack, node: &Node) -> Told {
    let (person, friend) = (node.register(USERNAME).await, node.register("trillian").await);
    let told = json!({
        "nickname": TOLD[1], "signature": TOLD[2], "gender": TOLD[3], "region": TOLD[4], "birthday": TOLD[5],
        "custom": {"drink": TOLD[6]}
    });
    patch(&person.raw().await, "/api/v1/accounts/me", &told).await.ok(200);
    reached(stack, node, &person).await;
    is_known_elsewhere(node, &person).await;
    let login = wire::Login {
        login: USERNAME.to_owned(),
        password: Some(PASSWORD.to_owned()),
        code: None,
        device: Some(wire::Device { name: Some(DEVICE.to_owned()), platform: Some("betelgeuse-os".to_owned()) }),
    };
    let device = person.client().client().login(&login).await.expect("the password is right");
    device.refresh().await.expect("the token is fresh");
    let request = json!({"to": friend.id(), "message": REQUEST}).to_string();
    let raw = person.raw().await;
    let asked = raw.post("/api/v1/friends/requests", request).await.ok(201);
    let id = asked["id"].as_str().expect("a request has an id").to_owned();
    let accepted = friend.raw().await.post_nothing(&format!("/api/v1/friends/requests/{id}/accept")).await.ok(200);
    let conversation = accepted["conversation_id"].as_str().expect("they have a conversation").to_owned();
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let message = natter_testkit::client::new_id();
    let body = json!({"message_id": message, "body": {"kind": "text", "text": BODY}}).to_string();
    let said = raw.post(&path, body).await;
    said.ok(201);
    let position = said.position();
    let group =
        person.client().start_group("hitchhikers", &[friend.id()]).await.expect("start a group").conversation.id;
    keeps_things_in_order(&person, &conversation).await;
    let secret = with_an_app(&person).await;
    is_spoken_of(node, &person).await;
    Told { person, friend, device, position, group, secret }
}

impl Told {
    pub async fn seen(&self, path: &str) -> Value {
        self.friend.raw().await.get(path).await.ok(200)
    }

    pub fn card(&self) -> String {
        format!("/api/v1/accounts/{}", self.person.id())
    }

    pub async fn erase(&self, node: &Node) {
        let erased = node.run(&["sealing", "erase", &self.person.id().to_string(), "--by", "an operator"]).await;
        assert!(erased.status.success(), "{}", said(&erased));
    }

    /// The row and the card have forgotten: relations have read the event.
    pub async fn is_forgotten(&self) {
        eventually("the card is empty", BOUND, async || {
            let card = self.seen(&self.card()).await;
            if card["username"].is_null() && card["closed"] == true { Ok(()) } else { Err(card.to_string()) }
        })
        .await;
    }

    /// What the friend reads: a conversation, whole, with somebody who is not there any more.
    pub async fn others_keep_what_is_theirs(&self) {
        let conversations = self.seen("/api/v1/conversations").await;
        nothing_of(&conversations);
        let items = conversations["items"].as_array().expect("items");
        let of = |kind| items.iter().find(|item| item["kind"] == kind).expect("it is listed");
        let direct = of("direct");
        assert_eq!((&direct["peer"]["id"], &direct["peer"]["closed"]), (&json!(self.person.id()), &json!(true)));
        assert_eq!(
            (&direct["last_message"]["body"]["text"], &of("group")["name"]),
            (&json!(BODY), &json!("hitchhikers"))
        );
        let path = format!("/api/v1/conversations/{}/messages", direct["id"].as_str().expect("it has an id"));
        let page = self.seen(&path).await;
        assert_eq!(
            (&page["items"][0]["body"]["text"], &page["items"][0]["sender"]),
            (&json!(BODY), &json!(self.person.id()))
        );
        let members = self.seen(&format!("/api/v1/conversations/{}/members", self.group)).await;
        assert_eq!(members["items"].as_array().expect("members").len(), 2, "who is in stays in");
        let conversation: Uuid = direct["id"].as_str().expect("an id").parse().expect("a UUID");
        let message = wire::MessageNew::new(natter_testkit::client::new_id(), wire::Body::text("are you there?"));
        self.friend.client().send(self.group, &message).await.expect("the group goes on");
        let refused = self.friend.client().send(conversation, &message).await.expect_err("there is nobody to read it");
        assert_eq!(refused.code(), Some("conversation_closed"));
    }
}

pub fn said(output: &std::process::Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

pub async fn login(node: &Node, login: &str) -> Reply {
    node.raw().post("/api/v1/auth/login", json!({"login": login, "password": PASSWORD}).to_string()).await
}

pub fn nothing_of(told: &Value) {
    for secret in TOLD {
        assert!(!told.to_string().contains(secret), "{secret} in {told}");
    }
}
