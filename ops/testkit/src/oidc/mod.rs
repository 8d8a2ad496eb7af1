//! Single sign-on as tests need it: a certified provider as a process of its own ([`Provider`]), one that does as it is
//! told and forges ([`Forger`]), and a browser between them and an app.

mod browser;
mod forger;

pub use browser::{Brought, browse};
pub use forger::{Conduct, Forger};

use crate::eventually::{BOUND, within};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Where providers send browsers back to. Nobody is there: the app reads the address.
pub const REDIRECT: &str = "https://app.example/signed-in";
pub const CLIENT_ID: &str = "natter";
pub const CLIENT_SECRET: &str = "a secret: 100% safe";

/// For [`crate::Options::more`].
pub fn variables(providers: &[Value]) -> Vec<(&'static str, String)> {
    vec![("NATTER_OIDC", json!(providers).to_string()), ("NATTER_OIDC_REDIRECTS", REDIRECT.to_owned())]
}

/// See `ops/testkit/oidc/provider.mjs`. It ends with this value.
pub struct Provider {
    pub issuer: String,
    _child: Child,
}

impl Provider {
    pub async fn start() -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/oidc/provider.mjs");
        let mut command = Command::new("node");
        command.arg(program).arg(packages()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("start node: run ./ops/test, which gets it");
        let output = child.stdout.take().expect("its output is ours");
        let mut lines = BufReader::new(output).lines();
        let line = within("the OpenID provider's start", BOUND, lines.next_line()).await;
        let issuer = line.expect("read its output").expect("the OpenID provider says where it is");
        Self { issuer, _child: child }
    }

    /// As natter is told of it, by this name there: one of those that `provider.mjs` knows.
    pub fn settings(&self, name: &str, client_id: &str) -> Value {
        json!({"name": name, "issuer": self.issuer, "client_id": client_id, "client_secret": CLIENT_SECRET})
    }

    /// By PKCE alone.
    pub fn settings_without_secret(&self, name: &str, client_id: &str) -> Value {
        json!({"name": name, "issuer": self.issuer, "client_id": client_id})
    }
}

/// Where `ops/fetch` has put it.
fn packages() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let fetched = || cache().map(|cache| cache.join("natter/oidc-provider-8.8.1"));
    set("NATTER_TEST_OIDC_PROVIDER").or_else(fetched).expect("the OpenID provider is fetched: run ./ops/test")
}
