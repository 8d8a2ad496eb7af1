//! The installation: servers of its own, two processes of each role, and somebody who is asked about texts, translates, and
//! has a page. What is done to them, and how they come back.

use super::{PATIENCE, World};
use crate::restart::{Kind, Own, own_dir};
use natter_testkit::{
    Node, Options, Outside, Proxy, Stack, eventually,
    outside::{Asked, Does},
};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};

const ROLES: [&str; 6] = ["edge", "edge", "commands", "commands", "projections", "projections"];
/// The edge that drops pushes, by its number.
const LOSSY: usize = 1;
/// Stands for the internet.
const OPEN: &str = "127.0.0.2";
/// What somebody must have noticed of a blow, or done in spite of it, before its end.
const FELT: u64 = 6;
/// The same while who is asked is in a mood: so much that somebody says what is to be refused.
const FELT_BY_MANY: u64 = 40;

/// Words with which the rules and who is asked do something.
pub const MASKED: &str = "blunder";
pub const TABOO: &str = "abomination";
pub const REFUSED: &str = "hook-refuses-this";
pub const REWRITTEN: &str = "hook-rewrites-this";
pub const NEW_WORDS: &str = "in other words";

/// What happens to a part of it. Processes are killed.
#[derive(Clone, Copy, Debug)]
pub enum Blow {
    Node(usize),
    Nats,
    Postgres,
    /// Who is asked is in this mood for a while.
    Asked(Mood),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mood {
    Well,
    Slow,
    Wrong,
    Away,
}

pub struct House {
    postgres: Own,
    nats: Own,
    pub stack: Stack,
    nodes: Vec<Node>,
    asked: Outside,
    mood: Arc<Mutex<Mood>>,
    /// On the way to who is asked.
    way: Proxy,
}

impl House {
    pub async fn build() -> Self {
        let dir = own_dir();
        let (postgres, nats) = tokio::join!(Own::start(&dir, Kind::Postgres), Own::start(&dir, Kind::Nats));
        let stack = Stack::on(postgres.url(), nats.url(), &dir.join("stack"));
        let mood = Arc::new(Mutex::new(Mood::Well));
        let asked = asked(mood.clone()).await;
        let way = Proxy::before(&asked.url("")).await;
        let mut house = Self { postgres, nats, stack, nodes: Vec::new(), asked, mood, way };
        house.write_rules();
        for number in 0..ROLES.len() {
            let node = house.stack.node_with(house.options(number)).await;
            house.nodes.push(node);
        }
        house
    }

    fn write_rules(&self) {
        let rule = |action: &str, word: &str| json!({"name": action, "words": [word], "action": action});
        let lines = [rule("mask", MASKED), rule("refuse", TABOO)].map(|line| format!("{line}\n"));
        std::fs::write(self.stack.dir().join("rules.jsonl"), lines.concat()).expect("write the rules");
    }

    fn options(&self, number: usize) -> Options {
        let faults = (number == LOSSY).then(|| "edge.push=drop@10".to_owned());
        let more = vec![
            ("NATTER_ROLES", ROLES[number].to_owned()),
            ("NATTER_RULES", self.stack.dir().join("rules.jsonl").display().to_string()),
            ("NATTER_HOOK", format!("{}/hook", self.way.url)),
            ("NATTER_HOOK_FAIL", "closed".to_owned()),
            ("NATTER_HOOK_TIMEOUT_MS", "400".to_owned()),
            ("NATTER_TRANSLATE", format!("{}/translate", self.way.url)),
            ("NATTER_TRANSLATE_TIMEOUT_MS", "400".to_owned()),
            ("NATTER_LINK_PREVIEWS", "on".to_owned()),
            ("NATTER_LINK_PREVIEWS_ALLOW", format!("{OPEN}/32")),
        ];
        Options { faults, more, ..Options::default() }
    }

    /// Where the devices of a kind come in: two at the one edge, the third where pushes are dropped.
    pub fn door(&self, device: usize) -> natter_testkit::client::Client {
        self.nodes[if device == 2 { LOSSY } else { 0 }].client()
    }

    /// Once so much more was done; until somebody has felt it.
    pub async fn suffers(&mut self, blow: Blow, world: &World, deeds: usize) {
        let goal = world.done() + deeds as u64;
        world.comes_to("people live", || world.done() >= goal).await;
        let more = if matches!(blow, Blow::Asked(_)) { FELT_BY_MANY } else { FELT };
        let felt = world.done() + world.failures() + more;
        let until_felt = world.comes_to("a blow is felt", || world.done() + world.failures() >= felt);
        match blow {
            Blow::Node(number) => {
                self.nodes[number].kill().await;
                until_felt.await;
                self.nodes[number].restart().await;
            }
            Blow::Nats => {
                self.nats.kill().await;
                until_felt.await;
                self.nats.start_again().await;
            }
            Blow::Postgres => {
                self.postgres.kill().await;
                until_felt.await;
                self.postgres.start_again().await;
            }
            Blow::Asked(mood) => {
                self.is_asked_in(mood);
                until_felt.await;
                self.is_asked_in(Mood::Well);
            }
        }
    }

    fn is_asked_in(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
        if mood == Mood::Away { self.way.gone() } else { self.way.heal() }
    }

    /// A page to be looked at.
    pub fn page(&self) -> String {
        self.asked.url("/page")
    }

    /// Another command of `natter`, and that it ended well: what it said.
    pub async fn says(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.nodes[0].run(arguments).await;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(said) } else { Err(format!("natter {}: {said}", arguments.join(" "))) }
    }

    /// The same, until it ends well: what was killed has its time to come back.
    pub async fn comes_to_say(&self, arguments: &[&str]) -> String {
        eventually(&format!("natter {}", arguments.join(" ")), PATIENCE, async || self.says(arguments).await).await
    }

    /// How many pushes the lossy edge had to do with, as far as this start of it knows.
    pub fn pushes_where_some_are_dropped(&self) -> usize {
        self.nodes[LOSSY].reached("edge.push")
    }

    pub async fn ends(mut self) {
        for node in &mut self.nodes {
            assert!(node.stop().await.success(), "a graceful stop");
        }
        self.nats.stop().await;
        self.postgres.stop().await;
    }
}

async fn asked(mood: Arc<Mutex<Mood>>) -> Outside {
    Outside::at(OPEN, move |asked: Asked| {
        let mood = *mood.lock().unwrap_or_else(PoisonError::into_inner);
        async move { if asked.path == "/page" { page() } else { in_mood(mood, &asked) } }
    })
    .await
}

fn page() -> Does {
    Does::page("<html><head><title>A page</title></head><body>much more</body></html>")
}

fn in_mood(mood: Mood, asked: &Asked) -> Does {
    let question = asked.json();
    match mood {
        Mood::Slow => Does::Hangs,
        Mood::Wrong => Does::json(&json!({"action": "perhaps"})),
        Mood::Well | Mood::Away if asked.path == "/translate" => {
            let said = question["text"].as_str().unwrap_or_default();
            Does::json(&json!({"text": format!("{said}, translated")}))
        }
        Mood::Well | Mood::Away => Does::json(&verdict(question["body"]["text"].as_str().unwrap_or_default())),
    }
}

fn verdict(said: &str) -> serde_json::Value {
    if said.contains(REFUSED) {
        return json!({"action": "refuse", "reason": "not here"});
    }
    if said.contains(REWRITTEN) {
        return json!({"action": "rewrite", "body": {"kind": "text", "text": said.replace(REWRITTEN, NEW_WORDS)}});
    }
    json!({"action": "allow"})
}
