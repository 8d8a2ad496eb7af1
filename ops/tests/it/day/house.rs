//! The installation: servers of its own, two processes of each role, and a process that is asked about texts, translates, has
//! pages and takes mails. What is done to them, and how they come back.

use super::{
    PATIENCE, World,
    deed::Deed,
    person::{Person, dice_of},
};
use crate::restart::{Kind, Own, own_dir};
use futures::future::join_all;
use natter_testkit::{Mood, Node, Options, Outsider, Stack, client::Client, eventually};
use rand::{Rng, rngs::StdRng};
use serde_json::json;
use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

const ROLES: [&str; 6] = ["edge", "edge", "commands", "commands", "projections", "projections"];
/// The edge that drops pushes, by its number.
const LOSSY: usize = 1;
/// Stands for the internet.
const OPEN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// So many tries must have failed where nothing works without what was hit.
const FELT: u64 = 6;
/// What the first of them does all at once while who is asked is in a mood, so that everything is asked, whatever else is done.
const ASKED: [Deed; 4] = [Deed::SaysWhatIsRefused, Deed::LooksAtPage, Deed::AsksForCode, Deed::Translates];

/// Words with which the rules do something.
pub const MASKED: &str = "blunder";
pub const TABOO: &str = "abomination";
pub const HELD: &str = "dubious";

/// What happens to a part of it. Processes are killed.
#[derive(Clone, Copy, Debug)]
pub enum Blow {
    Node(usize),
    Nats,
    Postgres,
    /// Who is asked is in this mood for a while.
    Asked(Mood),
    AskedIsDead,
}

impl Blow {
    /// Each process once, and whoever is asked in each bad mood.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = (0..ROLES.len()).map(Self::Node).collect();
        all.extend([Self::Nats, Self::Postgres, Self::AskedIsDead]);
        all.extend([Mood::Slow, Mood::Wrong].map(Self::Asked));
        all
    }
}

/// The number of the edge where a device comes in.
pub const fn door(device: usize) -> usize {
    if device == 2 { LOSSY } else { 0 }
}

pub struct House {
    postgres: Own,
    nats: Own,
    pub stack: Stack,
    nodes: Vec<Node>,
    asked: Outsider,
    /// Pushes that the lossy edge had dropped before its last start.
    dropped: usize,
    dice: Mutex<StdRng>,
}

impl House {
    pub async fn build(seed: u64) -> Self {
        let dir = own_dir();
        let (postgres, nats) = tokio::join!(Own::start(&dir, Kind::Postgres), Own::start(&dir, Kind::Nats));
        let stack = Stack::on(postgres.url(), nats.url(), &dir.join("stack"));
        let asked = Outsider::start(OPEN).await;
        let mut house = Self { postgres, nats, stack, nodes: Vec::new(), asked, dropped: 0, dice: dice_of(seed, 0) };
        house.write_rules();
        for number in 0..ROLES.len() {
            let node = house.stack.node_with(house.options(number)).await;
            house.nodes.push(node);
        }
        house
    }

    fn write_rules(&self) {
        let rule = |action: &str, word: &str| json!({"name": action, "words": [word], "action": action});
        let lines = [rule("mask", MASKED), rule("refuse", TABOO), rule("hold", HELD)].map(|line| format!("{line}\n"));
        std::fs::write(self.stack.dir().join("rules.jsonl"), lines.concat()).expect("write the rules");
    }

    fn options(&self, number: usize) -> Options {
        let faults = (number == LOSSY).then(|| "edge.push=drop@10".to_owned());
        let more = vec![
            ("NATTER_ROLES", ROLES[number].to_owned()),
            ("NATTER_RULES", self.stack.dir().join("rules.jsonl").display().to_string()),
            ("NATTER_HOOK", self.asked.url("/hook")),
            ("NATTER_HOOK_FAIL", "closed".to_owned()),
            ("NATTER_HOOK_TIMEOUT_MS", "400".to_owned()),
            ("NATTER_TRANSLATE", self.asked.url("/translate")),
            ("NATTER_TRANSLATE_TIMEOUT_MS", "400".to_owned()),
            ("NATTER_SMTP_URL", self.asked.smtp_url()),
            ("NATTER_SMTP_FROM", "natter@example.org".to_owned()),
            ("NATTER_LINK_PREVIEWS", "on".to_owned()),
            ("NATTER_LINK_PREVIEWS_ALLOW", format!("{OPEN}/32")),
        ];
        Options { faults, more, ..Options::default() }
    }

    /// Where the devices of a kind come in: two at the one edge, the third where pushes are dropped.
    pub fn door(&self, device: usize) -> Client {
        self.nodes[door(device)].client()
    }

    /// Once so much more was done; until somebody has felt it.
    pub async fn suffers(&mut self, blow: Blow, world: &World, people: &[Arc<Person>], deeds: usize) {
        let goal = world.done() + deeds as u64;
        world.comes_to("people live", || world.done() >= goal).await;
        match blow {
            Blow::Node(number) => self.loses(number, people).await,
            Blow::Nats => {
                self.nats.kill().await;
                nothing_works(world).await;
                self.nats.start_again().await;
            }
            Blow::Postgres => {
                self.postgres.kill().await;
                nothing_works(world).await;
                self.postgres.start_again().await;
            }
            // Some of what is asked meanwhile is answered only once all is well again.
            Blow::Asked(mood) => {
                self.asked.feels(mood).await;
                tokio::join!(asks(&people[0]), self.is_asked_in(mood, world));
            }
            Blow::AskedIsDead => {
                self.asked.kill().await;
                tokio::join!(asks(&people[0]), self.has_nobody_to_ask(world));
            }
        }
        self.reviews(world).await;
    }

    /// Until it was asked.
    async fn is_asked_in(&mut self, mood: Mood, world: &World) {
        nothing_works(world).await;
        let is_asked = || self.asked.asked("hook", mood) >= FELT && self.asked.asked("page", mood) > 0;
        world.comes_to("who is asked is asked", is_asked).await;
        self.asked.feels(Mood::Well).await;
    }

    async fn has_nobody_to_ask(&mut self, world: &World) {
        nothing_works(world).await;
        self.asked.start_again().await;
    }

    /// A process, until its devices have noticed, or others do what it did.
    async fn loses(&mut self, number: usize, people: &[Arc<Person>]) {
        self.everybody_has_a_part(number).await;
        let here = || people.iter().flat_map(|person| &person.devices).filter(|device| device.door == number);
        let breaks = || here().map(|device| device.held().breaks).sum::<u64>();
        let (owners, broken) = (self.owners(number).await.expect("all is well"), breaks());
        if number == LOSSY {
            self.dropped += self.nodes[LOSSY].reached("edge.push");
        }
        self.nodes[number].kill().await;
        eventually(&format!("somebody notices that {} {number} is gone", ROLES[number]), PATIENCE, async || {
            let now = self.owners(number).await?;
            let is_noticed = if ROLES[number] == "edge" { breaks() > broken } else { !owners.is_subset(&now) };
            if is_noticed { Ok(()) } else { Err(format!("{now:?}, {} breaks", breaks())) }
        })
        .await;
        self.nodes[number].restart().await;
    }

    /// Both that could take it over.
    async fn everybody_has_a_part(&self, number: usize) {
        eventually(&format!("both of {} have a part", ROLES[number]), PATIENCE, async || {
            let owners = self.owners(number).await?;
            if owners.len() >= 2 || ROLES[number] == "edge" { Ok(()) } else { Err(format!("{owners:?}")) }
        })
        .await;
    }

    /// Who does what the process has a part in; an edge has none in anything.
    async fn owners(&self, number: usize) -> Result<BTreeSet<String>, String> {
        let query = match ROLES[number] {
            "commands" => "SELECT DISTINCT owner FROM lanes WHERE expires_at > now()",
            "projections" => "SELECT DISTINCT owner FROM readers WHERE expires_at > now()",
            _ => return Ok(BTreeSet::new()),
        };
        let owners: Vec<String> =
            sqlx::query_scalar(query).fetch_all(self.stack.pool()).await.map_err(|error| error.to_string())?;
        Ok(owners.into_iter().collect())
    }

    /// Lets half of what is held be said, and not the rest; whether nothing is left.
    pub async fn reviews(&self, world: &World) -> bool {
        let Ok(held) = self.says(&["moderation", "list"]).await else { return false };
        let mut is_done = true;
        for line in held.lines() {
            let [_, conversation, author, message, "hold"] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            let message: Uuid = message.parse().expect("an id");
            let is_released = lock(&self.dice).random_bool(0.5);
            let verb = if is_released { "release" } else { "refuse" };
            match self.says(&["moderation", verb, conversation, author, &message.to_string(), "--by", "a judge"]).await
            {
                Ok(_) => drop(world.ledger().reviewed.insert(message, is_released)),
                Err(_) => is_done = false,
            }
        }
        is_done
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

    /// The first six digits of each mail to somebody.
    pub fn codes_to(&self, address: &str) -> Vec<String> {
        let is_code = |word: &&str| word.len() == 6;
        let code = |mail: String| mail.split(|c: char| !c.is_ascii_digit()).find(is_code).map(str::to_owned);
        self.asked.mails_to(address).into_iter().filter_map(code).collect()
    }

    /// What the processes have written of panics, each since its last start.
    pub fn panics(&self) -> Vec<String> {
        let said = self.nodes.iter().map(Node::output);
        let panics = said.flat_map(|said| said.lines().map(str::to_owned).collect::<Vec<_>>());
        panics.filter(|line| line.contains("panicked")).collect()
    }

    pub fn dropped_pushes(&self) -> usize {
        self.dropped + self.nodes[LOSSY].reached("edge.push")
    }

    pub async fn ends(mut self) {
        for node in &mut self.nodes {
            assert!(node.stop().await.success(), "a graceful stop");
        }
        self.asked.kill().await;
        self.nats.stop().await;
        self.postgres.stop().await;
    }
}

/// What nobody can do without what was hit is tried in vain.
async fn nothing_works(world: &World) {
    let before = world.failures();
    world.comes_to("a blow is felt", || world.failures() >= before + FELT).await;
}

async fn asks(person: &Person) {
    join_all(ASKED.map(|deed| person.lives(vec![deed]))).await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
