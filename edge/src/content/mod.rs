//! What people may say: the operator's rules (`rules`), and a hook of theirs that is asked before a text is taken (`hook`).
//! Every way in which somebody writes what others will read goes through [`Gate::pass`]; `edge/src/tests/content.rs` walks
//! all of them. `ops/CONTENT.md` is the operator's page.
//!
//! Rules come first: they cost no question, and what they refuse nobody else is shown. Then the hook, which gets the text as
//! the rules left it; what it makes of it is not looked at again. Where there are neither rules nor a hook there is no
//! gate, and sending costs what it did without.
//!
//! A message that was sent before is answered as it was then, whatever the rules have become: see
//! `edge/src/message/looked.rs`.

mod fold;
pub mod hook;
pub mod order;
mod rules;
mod simplified;
mod source;
pub mod texts;
mod watch;

pub use rules::Scope;
pub use source::Error;
pub use watch::Watched;

use crate::{
    door::signed::Signer,
    edge::{Door, Inside},
    http::problem::Problem,
    metrics,
};
use hook::Hook;
use natter_commands::Caller;
use natter_domain::Code;
use natter_streams::bus::Bus;
use rules::Found;
use std::sync::Arc;
use texts::{Text, Texts};
use uuid::Uuid;

/// What an operator chooses.
#[derive(Clone, Default, Debug)]
pub struct Settings {
    pub rules: Option<Watched>,
    pub hook: Option<hook::Settings>,
}

/// `None`: whatever is said is taken. A cheap handle.
#[derive(Clone, Default)]
pub struct Content(Option<Arc<Gate>>);

pub struct Gate {
    rules: Option<Watched>,
    hook: Option<Hook>,
}

/// What a text is, and whose.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// As the hook is told.
    pub kind: &'static str,
    pub scope: Scope,
    pub sender: Option<Uuid>,
    pub conversation: Option<Uuid>,
    pub message: Option<Uuid>,
}

impl About {
    pub fn message(kind: &'static str, caller: Caller, conversation: Uuid, message: Uuid) -> Self {
        let (sender, conversation, message) = (Some(caller.account.0), Some(conversation), Some(message));
        Self { kind, scope: Scope::Messages, sender, conversation, message }
    }

    /// Of a group or a channel; `None`: it is to begin.
    pub fn group(kind: &'static str, caller: Caller, conversation: Option<Uuid>) -> Self {
        Self { kind, scope: Scope::Groups, sender: Some(caller.account.0), conversation, message: None }
    }

    /// `None`: somebody registers, or a device shows itself to who is to let it in.
    pub fn profile(caller: Option<Caller>) -> Self {
        let sender = caller.map(|caller| caller.account.0);
        Self { kind: "profile", scope: Scope::Profiles, sender, conversation: None, message: None }
    }

    pub fn request(kind: &'static str, caller: Caller, conversation: Option<Uuid>) -> Self {
        Self { kind, scope: Scope::Requests, sender: Some(caller.account.0), conversation, message: None }
    }

    /// Ids and the rule, never what was said.
    fn log(&self, outcome: &'static str, by: &str) {
        let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let Self { kind, sender, conversation, message, .. } = *self;
        let (sender, conversation, message) = (id(sender), id(conversation), id(message));
        tracing::info!(kind, sender, conversation, message_id = message, by, outcome, "a text is not taken as it is");
    }
}

impl Content {
    pub fn new(settings: &Settings, signer: Option<Signer>, bus: &Bus) -> Result<Self, reqwest::Error> {
        let Settings { rules, hook } = settings.clone();
        let hook = hook.map(|settings| Hook::new(&settings, signer, bus)).transpose()?;
        let gate = Gate { rules, hook };
        Ok(Self((gate.rules.is_some() || gate.hook.is_some()).then(|| Arc::new(gate))))
    }

    pub fn gate(&self) -> Option<&Arc<Gate>> {
        self.0.as_ref()
    }

    /// Follows the file of the rules, for as long as it is polled.
    pub async fn watch(self) {
        if let Some(rules) = self.0.and_then(|gate| gate.rules.clone()) {
            rules.watch().await;
        }
    }
}

/// What the gate makes of a text.
#[derive(PartialEq, Debug)]
pub struct Passed<T> {
    /// What is written in the place of what was given; `None`: that.
    pub changed: Option<T>,
    /// The rule by which somebody is to look at it before others see it.
    pub held_by: Option<String>,
}

impl<T> Passed<T> {
    const fn taken(changed: Option<T>) -> Self {
        Self { changed, held_by: None }
    }

    /// Of what cannot wait: all but a message that is sent.
    pub fn at_once(self) -> Result<Option<T>, Problem> {
        if self.held_by.is_some() { Err(refused()) } else { Ok(self.changed) }
    }
}

impl Gate {
    /// `fits`: whether a client could have given it.
    pub async fn pass<T: Texts>(
        &self,
        about: &About,
        given: &T,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Passed<T>, Problem> {
        let passed = self.look(about, given)?;
        let Some(hook) = self.hook.as_ref().filter(|_| passed.held_by.is_none()) else { return Ok(passed) };
        let seen = passed.changed.as_ref().unwrap_or(given);
        if about.message.is_none() && !seen.has_any() {
            return Ok(passed);
        }
        Ok(Passed::taken(hook.pass(about, seen, &fits).await?.or(passed.changed)))
    }

    /// What the rules make of it.
    pub fn look<T: Texts>(&self, about: &About, given: &T) -> Result<Passed<T>, Problem> {
        let Some(rules) = &self.rules else { return Ok(Passed::taken(None)) };
        let (rules, mut looked) = (rules.now(), given.clone());
        let (mut refused, mut held, mut is_changed) = (None, None, false);
        looked.each(&mut |Text { text, is_exact, .. }| {
            let found = rules.look(text, about.scope);
            metrics::content_looked(match &found {
                Found::Nothing => "clean",
                Found::Masked { .. } => "masked",
                Found::Held { .. } => "held",
                Found::Refused { .. } => "refused",
            });
            match found {
                Found::Nothing => {}
                // Masked it would be another name.
                Found::Masked { rules, .. } if is_exact => refused = refused.or(rules.first().copied()),
                Found::Masked { text: masked, rules: by } => {
                    by.iter().for_each(|rule| metrics::content_matched(&rules.all[*rule].name));
                    (*text, is_changed) = (masked, true);
                }
                Found::Held { rule, masked } => {
                    held = held.or(Some(rule));
                    if let Some(masked) = masked.filter(|_| !is_exact) {
                        (*text, is_changed) = (masked, true);
                    }
                }
                Found::Refused { rule } => refused = refused.or(Some(rule)),
            }
        });
        let told = |rule: usize, outcome| {
            metrics::content_matched(&rules.all[rule].name);
            about.log(outcome, &rules.all[rule].name);
        };
        if let Some(rule) = refused {
            told(rule, "refused");
            return Err(self::refused());
        }
        let held_by = held.map(|rule| {
            told(rule, "held");
            rules.all[rule].name.clone()
        });
        Ok(Passed { changed: is_changed.then_some(looked), held_by })
    }

    /// Whether the rules have nothing against a name that another server suggests: the hook is not asked.
    pub fn takes(&self, name: &str) -> bool {
        let looked = self.look(&About::profile(None), &texts::Exactly("", name.to_owned()));
        matches!(looked, Ok(Passed { changed: None, held_by: None }))
    }
}

/// Whatever refuses, and whichever rule: in the same words.
fn refused() -> Problem {
    Problem::new(Code::ContentRefused, "this is not taken here")
}

/// What somebody gives that others will read, read into what proves that it may be: as it is, or as the gate has left it.
/// `about` is asked once it has the right shape.
pub async fn taken<T: Texts, P>(
    door: Door,
    about: About,
    given: T,
    read: impl Fn(T) -> Result<P, Problem>,
) -> Result<(P, Inside), Problem> {
    let parsed = read(given.clone())?;
    let inside = door.open()?;
    let Some(gate) = inside.content.gate() else { return Ok((parsed, inside)) };
    match gate.pass(&about, &given, |other| read(other.clone()).is_ok()).await?.at_once()? {
        Some(other) => Ok((read(other)?, inside)),
        None => Ok((parsed, inside)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_client::wire::{self, Body};

    async fn gate(lines: &str) -> Gate {
        let path = std::env::temp_dir().join(format!("natter-gate-{}", natter_streams::id::new()));
        std::fs::write(&path, lines).unwrap();
        let rules = Some(Watched::read(&path).await.unwrap());
        std::fs::remove_file(&path).unwrap();
        Gate { rules, hook: None }
    }

    const RULES: &str = "{\"name\": \"secret rule\", \"words\": [\"bad\"], \"action\": \"mask\"}\n\
        {\"name\": \"r\", \"words\": [\"worse\"], \"action\": \"refuse\"}\n\
        {\"name\": \"h\", \"words\": [\"odd\"], \"action\": \"hold\"}\n";

    fn about() -> About {
        About::profile(None)
    }

    #[tokio::test]
    async fn a_body_is_masked_held_or_refused() {
        let gate = gate(RULES).await;
        let look = |text: &str| gate.look(&about(), &Body::text(text));
        assert_eq!(look("good"), Ok(Passed::taken(None)));
        assert_eq!(look("bad"), Ok(Passed::taken(Some(Body::text("***")))));
        let held = |changed: Option<&str>| Passed { changed: changed.map(Body::text), held_by: Some("h".to_owned()) };
        assert_eq!(look("odd"), Ok(held(None)));
        assert_eq!(look("bad odd"), Ok(held(Some("*** odd"))));
        assert_eq!(look("bad odd").and_then(Passed::at_once), Err(refused()));
        for text in ["worse", "odd worse"] {
            let problem = look(text).unwrap_err();
            assert_eq!(problem, refused(), "{text}");
            assert!(!problem.detail.contains("rule"));
        }
    }

    #[tokio::test]
    async fn a_name_that_something_goes_by_is_never_masked() {
        let gate = gate(RULES).await;
        let profile = |json| -> wire::AccountChange { serde_json::from_value(json).unwrap() };
        let masked = gate.look(&about(), &profile(serde_json::json!({"nickname": "bad", "custom": {"a": "bad"}})));
        let expected = profile(serde_json::json!({"nickname": "***", "custom": {"a": "***"}}));
        assert_eq!(masked, Ok(Passed::taken(Some(expected))));
        assert_eq!(gate.look(&about(), &profile(serde_json::json!({"custom": {"bad": "a"}}))), Err(refused()));
        assert_eq!(gate.look(&about(), &wire::Register::new("bad", "password")), Err(refused()));
        assert!(["bad", "worse", "odd"].iter().all(|name| !gate.takes(name)));
        assert!(gate.takes("good"));
    }
}
