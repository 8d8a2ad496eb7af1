//! Single sign-on: through the public door, with a browser and a provider that are really there.

mod away;
mod forged;
mod half_way;
mod link;
pub mod permission;
mod several;
mod sign_in;

use natter_testkit::{
    Node, Options, Raw, Reply, Stack,
    oidc::{Brought, browse, variables},
};
use serde_json::{Value, json};

const START: &str = "/api/v1/auth/oidc/start";
const FINISH: &str = "/api/v1/auth/oidc/finish";
pub const LINK: &str = "/api/v1/auth/oidc/link";
const PASSWORD_PATH: &str = "/api/v1/auth/oidc/password";
const IDENTITIES: &str = "/api/v1/auth/identities";

fn options(providers: &[Value]) -> Options {
    Options { more: variables(providers), ..Options::default() }
}

async fn node(stack: &Stack, providers: &[Value]) -> Node {
    stack.node_with(options(providers)).await
}

/// A sign-in that began, and what the browser has brought of it.
#[derive(Clone)]
pub struct SignIn {
    secret: String,
    brought: Brought,
}

impl SignIn {
    /// By this person, as the provider knows them, at the first provider that there is.
    pub async fn of(node: &Node, person: &str) -> Self {
        let listed = node.raw().get("/api/v1/auth/oidc").await.ok(200);
        Self::at(node, listed["items"][0]["name"].as_str().expect("there is a provider"), person).await
    }

    async fn at(node: &Node, provider: &str, person: &str) -> Self {
        let started = start(&node.raw(), provider).await.ok(200);
        let text = |name: &str| started[name].as_str().expect("a text").to_owned();
        let brought = browse(&text("url"), person).await;
        assert_eq!(brought.get("state"), text("state"), "{brought:?}");
        Self { secret: text("secret"), brought }
    }

    /// What an app shows, and more.
    pub fn shown(&self, more: &Value) -> String {
        let mut shown =
            json!({"state": self.brought.get("state"), "code": self.brought.get("code"), "secret": self.secret});
        if let Some(iss) = self.brought.0.get("iss") {
            shown["iss"] = json!(iss);
        }
        for (name, value) in more.as_object().expect("an object") {
            shown[name] = value.clone();
        }
        shown.to_string()
    }

    async fn finish(&self, node: &Node) -> Reply {
        self.finish_with(node, &json!({})).await
    }

    async fn finish_with(&self, node: &Node, more: &Value) -> Reply {
        node.raw().post(FINISH, self.shown(more)).await
    }
}

async fn start(raw: &Raw, provider: &str) -> Reply {
    raw.post(START, json!({"provider": provider}).to_string()).await
}

/// From the beginning to the end.
pub async fn signs_in(node: &Node, person: &str) -> Reply {
    SignIn::of(node, person).await.finish(node).await
}

/// Whoever a sign-in has answered to.
fn as_signed_in(node: &Node, signed_in: &Value) -> Raw {
    let token = signed_in["tokens"]["access_token"].as_str().expect("a token");
    node.raw().with("authorization", &format!("Bearer {token}"))
}

fn account(signed_in: &Value) -> String {
    signed_in["account"]["id"].as_str().expect("an id").to_owned()
}

pub async fn identities(raw: &Raw) -> Vec<Value> {
    raw.get(IDENTITIES).await.ok(200)["items"].as_array().expect("a list").clone()
}

/// Of the one that was linked last.
async fn id_of(raw: &Raw) -> String {
    identities(raw).await.last().expect("one is linked")["id"].as_str().expect("an id").to_owned()
}
