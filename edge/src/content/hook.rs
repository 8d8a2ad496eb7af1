//! The operator's hook before a text is taken: another server is shown it, and says `allow`, `rewrite` or `refuse`. Who
//! does not answer in time, or not so, lets the text pass or not, as the operator has said. A rewrite that cannot be applied
//! refuses: by a text near a limit its sender could bring it about.

use super::{About, texts::Texts};
use crate::{
    door::signed::Signer,
    http::problem::Problem,
    metrics,
    outside::{self, Party},
};
use natter_domain::Code;
use natter_streams::bus::Bus;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Of a reason so many characters are told.
const REASON_MAX: usize = 200;

/// What an operator says of it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub outside: outside::Settings,
    /// Whether what could not be looked at is taken.
    pub fails_open: bool,
}

pub struct Hook {
    party: Party,
    fails_open: bool,
}

#[derive(Serialize)]
struct Question<'a> {
    conversation_id: Option<Uuid>,
    message_id: Option<Uuid>,
    /// Null where nobody is signed in yet.
    sender: Option<Uuid>,
    kind: &'a str,
    body: Value,
}

#[derive(Deserialize)]
struct Answer {
    action: String,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    reason: Option<String>,
}

impl Hook {
    pub fn new(settings: &Settings, signer: Option<Signer>, bus: &Bus) -> Result<Self, reqwest::Error> {
        let party = Party::new("hook", &settings.outside, signer, bus)?;
        Ok(Self { party, fails_open: settings.fails_open })
    }

    /// What it makes of the text; `None`: it stays as it is. `fits`: what it makes is looked at as a client's is.
    pub async fn pass<T: Texts>(
        &self,
        about: &About,
        given: &T,
        fits: &impl Fn(&T) -> bool,
    ) -> Result<Option<T>, Problem> {
        let About { kind, sender, conversation, message, .. } = *about;
        let body = given.shown();
        let question = Question { conversation_id: conversation, message_id: message, sender, kind, body };
        let answer = self.party.ask::<Answer>(&question).await.ok();
        let verdict = answer.and_then(|answer| answer.verdict(given, fits));
        metrics::hook_said(verdict.as_ref().map_or("failed", Verdict::as_str));
        match verdict {
            Some(Verdict::Allow) => Ok(None),
            Some(Verdict::Rewrite(other)) => Ok(Some(other)),
            Some(Verdict::Refuse(reason)) => Err(refused(about, reason)),
            None if self.fails_open => Ok(None),
            None => Err(Problem::new(Code::Unavailable, "it could not be looked at, try again")),
        }
    }
}

enum Verdict<T> {
    Allow,
    Rewrite(T),
    Refuse(Option<String>),
}

impl<T> Verdict<T> {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Rewrite(_) => "rewritten",
            Self::Refuse(_) => "refused",
        }
    }
}

impl Answer {
    /// `None`: it cannot be meant.
    fn verdict<T: Texts>(self, given: &T, fits: &impl Fn(&T) -> bool) -> Option<Verdict<T>> {
        match self.action.as_str() {
            "allow" => Some(Verdict::Allow),
            "rewrite" => {
                let other = self.body.and_then(|body| given.rewritten(body)).filter(|other| fits(other));
                Some(other.map_or(Verdict::Refuse(None), Verdict::Rewrite))
            }
            "refuse" => Some(Verdict::Refuse(self.reason)),
            _ => None,
        }
    }
}

fn refused(about: &About, reason: Option<String>) -> Problem {
    about.log("refused", "the hook");
    let problem = super::refused();
    let reason = reason.map(|reason| reason.chars().filter(|one| !one.is_control()).take(REASON_MAX).collect());
    match reason.filter(|reason: &String| !reason.is_empty()) {
        Some(detail) => Problem { detail, ..problem },
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_client::wire::{self, Body};
    use serde_json::json;

    /// In words: what becomes of "hi".
    fn said(answer: Value) -> String {
        let given = Body::text("hi");
        let fits = |body: &Body| crate::message::edited(body).is_ok();
        let answer: Option<Answer> = serde_json::from_value(answer).ok();
        match answer.and_then(|answer| answer.verdict(&given, &fits)) {
            Some(Verdict::Allow) => "allow".to_owned(),
            Some(Verdict::Rewrite(Body::Text { text, .. })) => text,
            Some(Verdict::Rewrite(other)) => format!("{other:?}"),
            Some(Verdict::Refuse(reason)) => format!("refuse {}", reason.unwrap_or_default()),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn an_answer_is_read_strictly() {
        assert_eq!(said(json!({"action": "allow", "more": 1})), "allow");
        assert_eq!(said(json!({"action": "rewrite", "body": {"kind": "text", "text": "ho"}})), "ho");
        assert_eq!(said(json!({"action": "refuse"})), "refuse ");
        assert_eq!(said(json!({"action": "refuse", "reason": "rude"})), "refuse rude");
        let ho = json!({"kind": "text", "text": "ho"});
        for bad in [
            json!({}),
            json!("allow"),
            json!({"action": "Allow"}),
            json!({"action": "rewrite", "body": ho, "reason": 1}),
        ] {
            assert_eq!(said(bad.clone()), "nothing", "{bad}");
        }
    }

    #[test]
    fn a_rewrite_that_cannot_be_applied_refuses() {
        let long = "x".repeat(16_385);
        for rewrite in [
            json!({"action": "rewrite"}),
            json!({"action": "rewrite", "body": "ho"}),
            json!({"action": "rewrite", "body": {"kind": "text", "text": ""}}),
            json!({"action": "rewrite", "body": {"kind": "text", "text": "a\u{0}b"}}),
            json!({"action": "rewrite", "body": {"kind": "text", "text": long}}),
            json!({"action": "rewrite", "body": {"kind": "system", "code": "x", "text": "x"}}),
            json!({"action": "rewrite", "body": {"kind": "text", "text": "ho", "more": 1}}),
        ] {
            assert_eq!(said(rewrite.clone()), "refuse ", "{rewrite}");
        }
        let given = wire::Register::new("bob", "password");
        for texts in [json!({"/username": "rob"}), json!({"/signature": "x"})] {
            let answer = json!({"action": "rewrite", "body": {"texts": texts}});
            let answer: Answer = serde_json::from_value(answer).unwrap();
            let verdict = answer.verdict(&given, &|_: &wire::Register| true);
            assert!(matches!(verdict, Some(Verdict::Refuse(None))), "{texts}");
        }
    }

    #[test]
    fn a_reason_is_told_short_and_in_one_line() {
        let about = About::profile(None);
        assert_eq!(refused(&about, Some("a\nb\u{0}c".to_owned())).detail, "abc");
        assert_eq!(refused(&about, Some("é".repeat(500))).detail, "é".repeat(REASON_MAX));
        assert_eq!(refused(&about, Some("\n".to_owned())).detail, refused(&about, None).detail);
        assert_eq!(refused(&about, None).code, Code::ContentRefused);
    }
}
