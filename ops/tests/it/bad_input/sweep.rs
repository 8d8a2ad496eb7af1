//! Every route, by its row in who may what, with each of the inputs that break servers: in place of its body, of each value in
//! its body, of each id in its path, and in headers. What is no body of the route is refused with the code that says so;
//! nothing is answered by a 5xx, and whatever is refused is a problem with a code.

use super::{leaves_nothing, new_id};
use crate::{
    good::{self, Good},
    permission::Scene,
};
use natter_testkit::{PASSWORD, Raw, Reply, Stack};
use serde_json::{Value, json};

/// What stands for a text, and is none that anybody would expect.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "\u{0}",
        "a\u{0}b",
        "\r\n",
        "a\r\nBcc: b@example.org",
        "\t",
        "\u{1b}[2J",
        "\u{202e}evil",
        "\u{2066}\u{200b}\u{feff}",
        "\u{fdfd}\u{fdfa}",
        "\u{ffff}\u{10ffff}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "' OR 1=1--",
        "\"; DROP TABLE events; --",
        "$1 %s %n {} ${HOME} {{7*7}}",
        "%_\\",
        "a & | ! <->",
        "(a+)+$",
        "../../etc/passwd",
        "natter.>",
        "*",
        "<script>alert(1)</script>",
        "javascript:alert(1)",
        "-1",
        "9223372036854775808",
        "NaN",
        "0000-00-00",
        "+275760-09-13",
        "2016-12-31T23:59:60Z",
        "a@b@c",
        "\"quoted local\"@example.org",
        "１２３４５６",
        "{00000000-0000-0000-0000-000000000000}",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ]
    .map(str::to_owned)
    .into();
    texts.push(format!("a{}", "\u{301}".repeat(1_000)));
    texts.push("x".repeat(100_000));
    texts.push("a ".repeat(10_000));
    texts
}

fn other_values() -> Vec<Value> {
    let numbers = ["0", "-0", "-1", "1.5", "1e300", "9223372036854775808", "18446744073709551616", "1e-400"];
    let numbers = numbers.map(|number| serde_json::from_str(number).expect("a number"));
    let others =
        [json!(null), json!(true), json!([]), json!({}), json!([[]]), json!(["a", 1, null]), json!({"a": {"b": []}})];
    numbers.into_iter().chain(others).collect()
}

/// A request that is good, and who asks.
struct Asked {
    good: Good,
    raw: Raw,
}

/// By one client, which goes with what is returned.
fn asked_of(scene: &Scene, requests: Vec<Good>) -> Vec<Asked> {
    let nobody = scene.node.raw();
    let asked = |good: Good| Asked { raw: nobody.with("authorization", &format!("Bearer {}", good.token)), good };
    requests.into_iter().map(asked).collect()
}

impl Asked {
    /// Whoever ends their session by it signs in anew.
    async fn comes_back(&mut self, nobody: &Raw) {
        let Some(leaver) = &self.good.leaver else { return };
        let login = json!({"login": leaver, "password": PASSWORD}).to_string();
        let signed_in = nobody.post("/api/v1/auth/login", login).await.ok(200);
        let token = signed_in["tokens"]["access_token"].as_str().expect("a token");
        self.raw = nobody.with("authorization", &format!("Bearer {token}"));
    }

    fn name(&self) -> &str {
        &self.good.operation
    }

    async fn with_body(&self, body: impl Into<Vec<u8>>) -> Reply {
        self.typed("application/json", Some(body.into())).await
    }

    async fn typed(&self, kind: &str, body: Option<Vec<u8>>) -> Reply {
        self.raw.with("content-type", kind).call(self.good.method(), &self.good.path, body).await
    }

    /// Once more, to another path.
    async fn at(&self, path: &str) -> Reply {
        self.raw.with("content-type", "application/json").call(self.good.method(), path, self.body()).await
    }

    /// Once more, with another header.
    async fn with(&self, name: &str, value: &str) -> Reply {
        let raw =
            if self.good.body.is_some() { self.raw.with("content-type", "application/json") } else { self.raw.clone() };
        raw.with(name, value).call(self.good.method(), &self.good.path, self.body()).await
    }

    fn body(&self) -> Option<Vec<u8>> {
        self.good.body.as_ref().map(|body| body.to_string().into_bytes())
    }
}

/// Taken or refused, but said in the contract's words.
fn is_plain(what: &str, reply: &Reply) {
    assert!(reply.status < 500, "{what}: {}", reply.text());
    if reply.status >= 400 {
        let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
        reply.refused(reply.status, &code);
        assert!(!code.is_empty() && reply.text().len() < 4_096, "{what}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_is_no_body_of_a_route_is_refused_by_every_route() {
    let stack = Stack::new().await;
    let scene = Scene::new(&stack).await;
    let requests = good::requests(&scene).await;
    leaves_nothing(&scene.node, async {
        for asked in asked_of(&scene, requests).iter().filter(|asked| asked.good.body.is_some()) {
            println!("{}", asked.name());
            no_json(asked).await;
            other_json(asked).await;
            other_types(asked).await;
        }
    })
    .await;
}

/// Behind these stands whom it is about.
const OF_PEOPLE: [&str; 5] = ["accounts", "members", "invitations", "requests", "bans"];
const CHANGES_A_ROLE: &str = "PATCH /api/v1/conversations/{id}/members/{account_id}";

async fn no_json(asked: &Asked) {
    let deep = "[".repeat(100_000);
    let deep_object = "{\"a\":".repeat(100_000);
    for bad in [
        b"".as_slice(),
        b" ",
        b"\0",
        b"{",
        b"{\"a\"",
        b"{\"a\": NaN}",
        b"{\"a\": 01}",
        b"{\"a\": 1,}",
        b"{'a': 1}",
        b"{\"a\": \"\xff\xfe\"}",
        b"{\"a\": \"\xc0\x80\"}",
        b"{\"a\": \"\xed\xa0\x80\"}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"a=1&b=2",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ] {
        asked.with_body(bad).await.refused(400, "malformed");
    }
}

async fn other_json(asked: &Asked) {
    for bad in ["null", "[]", "[{}]", "\"x\"", "1", "true"] {
        asked.with_body(bad).await.invalid("");
    }
    let body = asked.good.body.as_ref().and_then(Value::as_object).expect("an object");
    // What a client may not choose; but a member's role is there to be changed.
    let fields = ["role", "is_admin", "sender_id", "created_at", "__proto__", "", "a\u{0}b"];
    for field in fields.into_iter().skip(usize::from(asked.name() == CHANGES_A_ROLE)) {
        let mut more = body.clone();
        more.insert(field.to_owned(), json!("admin"));
        let reply = asked.with_body(Value::from(more).to_string()).await;
        reply.invalid(&format!("/{field}"));
    }
    let long = "k".repeat(1_000_000);
    let reply = asked.with_body(json!({long: 1}).to_string()).await;
    reply.refused(422, "invalid_input");
    assert!(reply.text().len() < 4_096, "what was too long is not said again: {} bytes", reply.text().len());
    if let Some((name, value)) = body.iter().next() {
        let text = Value::from(body.clone()).to_string();
        let twice = format!("{{\"{name}\": {value}, {}", &text[1..]);
        asked.with_body(twice).await.invalid(&format!("/{name}"));
    }
    let large = json!({"a": "x".repeat(1024 * 1024)}).to_string();
    asked.with_body(large).await.refused(413, "payload_too_large");
}

async fn other_types(asked: &Asked) {
    let kinds = [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "multipart/form-data",
    ];
    for kind in kinds {
        asked.typed(kind, asked.body()).await.refused(415, "unsupported_media_type");
    }
    asked.with("content-encoding", "gzip").await.refused(415, "unsupported_media_type");
}

/// Each value of each body becomes each of them.
#[tokio::test]
async fn strange_values_are_taken_or_refused_and_break_nothing() {
    let stack = Stack::new().await;
    let scene = Scene::new(&stack).await;
    let requests = good::requests(&scene).await;
    let texts = texts();
    leaves_nothing(&scene.node, async {
        for asked in &asked_of(&scene, requests) {
            let Some(body) = &asked.good.body else { continue };
            for pointer in leaves(body) {
                println!("{} {pointer}", asked.name());
                let strange = texts.iter().map(|text| json!(text)).chain(other_values());
                // Another password that is good would be one.
                for value in strange.filter(|_| !pointer.ends_with("new_password")) {
                    let mut changed = body.clone();
                    *changed.pointer_mut(&pointer).expect("it is there") = value.clone();
                    let shown: String = value.to_string().chars().take(60).collect();
                    is_plain(
                        &format!("{} {pointer} {shown}", asked.name()),
                        &asked.with_body(changed.to_string()).await,
                    );
                }
                // Only written as an escape it is none.
                let mut changed = body.clone();
                *changed.pointer_mut(&pointer).expect("it is there") = json!("HERE");
                for lone in ["\\ud800", "\\udc00", "a\\ud83d"] {
                    let text = changed.to_string().replace("HERE", lone);
                    asked.with_body(text).await.refused(422, "invalid_input");
                }
            }
        }
    })
    .await;
}

/// Pointers to what holds nothing else.
fn leaves(value: &Value) -> Vec<String> {
    let inside = |(name, value): (String, &Value)| leaves(value).into_iter().map(move |leaf| format!("/{name}{leaf}"));
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).flat_map(inside).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).flat_map(inside).collect()
        }
        _ => vec![String::new()],
    }
}

/// Each id of each path becomes each of them.
#[tokio::test]
async fn strange_ids_name_nothing() {
    let stack = Stack::new().await;
    let scene = Scene::new(&stack).await;
    let requests = good::requests(&scene).await;
    let (account, message) = (scene.owner().id().to_string(), scene.owner_says("something else").await.to_string());
    let malformed = [
        "1",
        "*",
        "%3E",
        "..",
        "%2e%2e%2f",
        "%00",
        "%ff",
        "a.b",
        "%7B%7D",
        "urn:uuid:",
        "%F0%9F%98%80",
        "' OR 1=1--",
        "null",
    ];
    leaves_nothing(&scene.node, async {
        for asked in &asked_of(&scene, requests) {
            let path = asked.good.path.split('?').next().unwrap_or_default();
            let parts: Vec<&str> = path.split('/').collect();
            let ids = parts.iter().enumerate().filter(|(_, part)| part.len() == 36 && part.matches('-').count() == 4);
            for (at, id) in ids {
                let changed = |bad: &str| {
                    let mut parts = parts.clone();
                    parts[at] = bad;
                    parts.join("/").replace(' ', "%20")
                };
                let (long, plain, braced) = ("a".repeat(10_000), id.replace('-', ""), format!("%7B{id}%7D"));
                // There `..` leads from a message's inbox to its conversation's, which is there and would be cleared.
                let leads_up = parts.get(at + 1) == Some(&"inbox") && parts[at - 1] == "messages";
                for bad in malformed.into_iter().chain([long.as_str(), plain.as_str(), braced.as_str()]) {
                    if leads_up && bad == ".." {
                        continue;
                    }
                    let reply = asked.at(&changed(bad)).await;
                    // `..` is taken away on the way: another path, which may be there (`/invitations`).
                    let is_elsewhere = [200, 404, 405].contains(&reply.status) && bad == "..";
                    assert!(is_elsewhere || reply.status == 400, "{} {bad}: {}", asked.name(), reply.text());
                }
                // An id of another kind of thing, and one of nothing.
                let other = if OF_PEOPLE.contains(&parts[at - 1]) { &message } else { &account };
                for nothing in [other, &new_id()] {
                    let reply = asked.at(&changed(nothing)).await;
                    let is_silent = reply.status == 404 || (reply.status == 204 && asked.good.method() == "DELETE");
                    // Whether somebody who is not asking ever asked is not kept.
                    let is_late = parts[at - 1] == "requests" && reply.status == 409;
                    assert!(
                        is_silent || is_late || reply.status == 422,
                        "{} {nothing}: {}",
                        asked.name(),
                        reply.text()
                    );
                }
            }
        }
    })
    .await;
}

/// Headers that say strange things change nothing of how an answer is said.
#[tokio::test]
async fn strange_headers_are_taken_or_refused_and_break_nothing() {
    let stack = Stack::new().await;
    let scene = Scene::new(&stack).await;
    let requests = good::requests(&scene).await;
    let ranges = format!("bytes={}", vec!["0-0"; 1_000].join(","));
    let long = "x".repeat(20_000);
    let many = vec!["0a:1"; 2_000].join(",");
    let headers: [(&str, &str); 22] = [
        ("range", ranges.as_str()),
        ("if-none-match", &long),
        ("if-modified-since", "Thu, 01 Jan 275760 00:00:00 GMT"),
        ("accept", "text/html;q=9e999"),
        ("accept-language", &long),
        ("accept-language", "zh-*;q=-1,*;"),
        ("accept-encoding", "gzip;q=x, *;q=0"),
        ("natter-position", "x"),
        ("natter-position", "ff:18446744073709551616"),
        ("natter-position", "0a:-1"),
        ("natter-position", &many),
        ("idempotency-key", "1"),
        ("idempotency-key", &long),
        ("x-request-id", &long),
        ("x-request-id", "a b"),
        ("x-forwarded-for", "' OR 1=1--"),
        ("forwarded", "for=\"[::1\""),
        ("origin", "null"),
        ("cookie", &long),
        ("upgrade", "h2c"),
        ("expect", "200-maybe"),
        ("x-http-method-override", "DELETE"),
    ];
    leaves_nothing(&scene.node, async {
        let nobody = scene.node.raw();
        for mut asked in asked_of(&scene, requests) {
            for (name, value) in &headers {
                asked.comes_back(&nobody).await;
                let shown: String = value.chars().take(40).collect();
                let what = format!("{} {name}: {shown}", asked.name());
                let reply = asked.with(name, value).await;
                is_plain(&what, &reply);
                assert!(asked.good.leaver.is_none() || reply.status != 401, "{what}: it was asked by nobody");
                let id = reply.header("x-request-id").unwrap_or_default();
                assert!((1..=128).contains(&id.len()), "{what}: {id}");
            }
        }
    })
    .await;
}
