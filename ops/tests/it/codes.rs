//! Codes through the public door: registering, signing in, a new password, another address.

mod change;
mod limits;
mod sign_in;
mod told;

use natter_testkit::{BOUND, Letters, Node, Options, Raw, Reply, Stack, eventually};
use serde_json::{Value, json};

const PASSWORD: &str = "eight characters";

/// A node whose letters are files.
struct Site {
    stack: Stack,
    node: Node,
    letters: Letters,
}

impl Site {
    async fn new() -> Self {
        Self::with(|_| vec![]).await
    }

    /// With further variables of the environment.
    async fn with(more: impl FnOnce(&Stack) -> Vec<(&'static str, String)>) -> Self {
        let stack = Stack::new().await;
        let more = more(&stack);
        Self::on(stack, more).await
    }

    async fn on(stack: Stack, mut more: Vec<(&'static str, String)>) -> Self {
        let letters = Letters::new(stack.dir());
        more.push(letters.variable());
        let node = stack.node_with(Options { more, ..Options::default() }).await;
        Self { stack, node, letters }
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.node.raw().post(&format!("/api/v1{path}"), body.to_string()).await
    }

    async fn ask(&self, to: &str, purpose: &str) -> Reply {
        let channel = if to.contains('@') { "email" } else { "sms" };
        self.post("/auth/codes", json!({"channel": channel, "target": to, "purpose": purpose})).await
    }

    /// Asks for a code and reads it.
    async fn code(&self, to: &str, purpose: &str) -> String {
        self.letters.code(&self.node.raw(), to, purpose).await
    }

    /// Nothing waits to be sent.
    async fn all_is_sent(&self) {
        eventually("the outbox is empty", BOUND, async || {
            let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox WHERE dead_at IS NULL");
            match count.fetch_one(self.stack.pool()).await.expect("count the outbox") {
                0 => Ok(()),
                left => Err(format!("{left}")),
            }
        })
        .await;
    }

    /// A new account with an address or number; signed in.
    async fn register(&self, username: &str, to: &str) -> (Value, Raw) {
        let field = if to.contains('@') { "email" } else { "phone" };
        let code = self.code(to, "register").await;
        let body = json!({"username": username, "password": PASSWORD, field: to, "code": code});
        let signed_in = self.post("/auth/register", body).await.ok(201);
        (signed_in["account"].clone(), self.signed(&signed_in))
    }

    fn signed(&self, signed_in: &Value) -> Raw {
        let token = signed_in["tokens"]["access_token"].as_str().expect("a token");
        self.node.raw().with("authorization", &format!("Bearer {token}"))
    }

    async fn login(&self, login: &str, password: &str) -> Reply {
        self.post("/auth/login", json!({"login": login, "password": password})).await
    }

    async fn login_by_code(&self, login: &str, code: &str) -> Reply {
        self.post("/auth/login", json!({"login": login, "code": code})).await
    }
}

/// Another code than this one.
fn other(code: &str, by: u32) -> String {
    format!("{:06}", (code.parse::<u32>().expect("digits") + by) % 1_000_000)
}
