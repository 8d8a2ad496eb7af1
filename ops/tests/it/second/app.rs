//! Somebody with an app.

use natter_testkit::{Authenticator, Clock, Node, PASSWORD, Person, Raw, Reply};
use serde_json::{Value, json};

pub const SECOND: &str = "/api/v1/auth/second";

/// A person's app, and the clock that it shares with the nodes: each code is of a later step than the one before.
pub struct App {
    authenticator: Authenticator,
    ahead: u64,
    /// The code that it has shown last.
    pub last: String,
}

impl App {
    pub fn scan(offered: &Value) -> Self {
        let authenticator = Authenticator::scan(offered["uri"].as_str().expect("a text for its QR code"));
        Self { authenticator, ahead: 0, last: String::new() }
    }

    /// What it shows.
    pub fn code(&mut self) -> String {
        self.last = self.authenticator.code(self.ahead);
        self.last.clone()
    }

    /// What it shows thirty seconds from now, which is right already.
    pub fn soon(&self) -> String {
        self.authenticator.code(self.ahead + 30)
    }

    /// What it shows next: thirty seconds pass.
    pub fn next_code(&mut self, clock: &Clock) -> String {
        self.ahead += 30;
        clock.ahead_by(self.ahead);
        self.code()
    }

    pub fn wrong_code(&self) -> String {
        self.authenticator.wrong_code(self.ahead)
    }
}

pub async fn offer(person: &Person, password: &str) -> Reply {
    person.raw().await.post(SECOND, json!({"password": password}).to_string()).await
}

pub async fn confirm(person: &Person, code: &str) -> Reply {
    person.raw().await.post(&format!("{SECOND}/confirm"), json!({"code": code}).to_string()).await
}

/// Turns it on: the app, and the recovery codes.
pub async fn turn_on(person: &Person) -> (App, Vec<String>) {
    let mut app = App::scan(&offer(person, PASSWORD).await.ok(200));
    let made = confirm(person, &app.code()).await.ok(200);
    (app, recovery_codes(&made))
}

pub fn recovery_codes(made: &Value) -> Vec<String> {
    let codes = made["recovery_codes"].as_array().expect("codes");
    codes.iter().map(|code| code.as_str().expect("a text").to_owned()).collect()
}

pub async fn login(node: &Node, login: &str, password: &str) -> Reply {
    let device = json!({"name": "a new laptop", "platform": "linux"});
    let body = json!({"login": login, "password": password, "device": device});
    node.raw().post("/api/v1/auth/login", body.to_string()).await
}

/// A challenge for somebody who has it on.
pub async fn challenge(node: &Node, name: &str) -> String {
    let refused = login(node, name, PASSWORD).await.refused(403, "second_factor_required");
    refused["challenge"].as_str().expect("a challenge").to_owned()
}

pub async fn answer(node: &Node, challenge: &str, code: &str) -> Reply {
    let body = json!({"challenge": challenge, "code": code}).to_string();
    node.raw().post("/api/v1/auth/login/second", body).await
}

pub async fn turn_off(person: &Person, password: &str, code: &str) -> Reply {
    delete(&person.raw().await, json!({"password": password, "code": code})).await
}

pub async fn delete(caller: &Raw, proof: Value) -> Reply {
    let body = proof.to_string().into_bytes();
    caller.with("content-type", "application/json").call("DELETE", SECOND, Some(body)).await
}
