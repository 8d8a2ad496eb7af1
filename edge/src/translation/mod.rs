//! Translations of messages, by another server that the operator names. It is shown the text and the language, and nothing
//! of who said it to whom. What it answers is kept for a few minutes; a message that was edited is another one.

pub mod http;

use crate::{
    door::signed::Signer,
    http::problem::Problem,
    outside::{
        self, Party,
        kept::{Keep, Kept},
    },
};
use futures::FutureExt;
use natter_client::wire::{self, Body, Translated};
use natter_domain::Code;
use natter_streams::bus::Bus;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

const KEPT_FOR: Duration = Duration::from_secs(10 * 60);
const ROOM_BYTES: usize = 16 * 1024 * 1024;
/// A translation may be longer than what it translates.
const TEXT_MAX_BYTES: usize = 64 * 1024;
const LANGUAGE_MAX: usize = 35;

/// What an operator chooses; `None`: there are none.
#[derive(Clone, Default, Debug)]
pub struct Settings {
    pub outside: Option<outside::Settings>,
}

/// `None`: there are none. A cheap handle.
#[derive(Clone, Default)]
pub struct Translation(Option<Arc<Inner>>);

struct Inner {
    party: Party,
    kept: Kept<Option<String>>,
}

#[derive(Serialize)]
struct Question {
    text: String,
    language: String,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
}

impl Translation {
    pub fn new(settings: &Settings, signer: Option<Signer>, bus: &Bus) -> Result<Self, reqwest::Error> {
        let Some(outside) = &settings.outside else { return Ok(Self(None)) };
        let party = Party::new("translation", outside, signer, bus)?;
        Ok(Self(Some(Arc::new(Inner { party, kept: Kept::new(ROOM_BYTES) }))))
    }

    pub fn is_on(&self) -> Result<(), Problem> {
        let off = || Problem::new(Code::Forbidden, "there are no translations here");
        self.0.as_ref().map(drop).ok_or_else(off)
    }

    /// Of a message that the caller may see.
    pub async fn of(&self, message: &wire::Message, language: String) -> Result<Translated, Problem> {
        let Some(inner) = self.0.clone() else { return Err(Problem::unavailable()) };
        let text = text(message)?.to_owned();
        let key = format!("{} {} {:?} {language}", message.conversation_id, message.message_id, message.edited_at);
        let question = Question { text, language: language.clone() };
        let asking = inner.clone();
        let ask = move || async move { asking.ask(&question).await }.boxed();
        let translated = inner.kept.get(&key, ask).await.flatten();
        translated.map(|text| Translated { language, text }).ok_or_else(Problem::unavailable)
    }
}

impl Inner {
    async fn ask(&self, question: &Question) -> Keep<Option<String>> {
        let answer = self.party.ask::<Answer>(question).await.ok().map(|answer| answer.text);
        let text = answer.filter(|text| (1..=TEXT_MAX_BYTES).contains(&text.len()) && !text.contains('\0'));
        let lasts = if text.is_some() { KEPT_FOR } else { Duration::ZERO };
        Keep { size: text.as_ref().map_or(0, String::len), value: text, lasts }
    }
}

fn text(message: &wire::Message) -> Result<&str, Problem> {
    match &message.body {
        Some(Body::Text { text, .. }) => Ok(text),
        None if message.recalled_at.is_some() => Err(Problem::new(Code::Recalled, "the message was recalled")),
        _ => Err(Problem::new(Code::Forbidden, "this message has no text of somebody's")),
    }
}

/// A tag of a language (BCP 47), as far as its shape goes: `en`, `zh-Hant`, `pt-BR`.
pub fn language(tag: &str) -> Result<String, Problem> {
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut parts = tag.split('-');
    let begins = parts
        .next()
        .is_some_and(|first| (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic()));
    if begins && tag.len() <= LANGUAGE_MAX && parts.all(is_part) {
        return Ok(tag.to_ascii_lowercase());
    }
    Err(Problem::invalid("/language", "must be a language's tag such as en or zh-Hant"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag() {
        for good in ["en", "zh-Hant", "pt-BR", "de-DE-1996", "yue"] {
            assert_eq!(language(good).unwrap(), good.to_ascii_lowercase());
        }
        let long = format!("en{}", "-x".repeat(20));
        for bad in ["", "e", "12", "en_US", "en-", "-en", "english please", "en\n", "en-abcdefghi", &long] {
            assert_eq!(language(bad).unwrap_err().errors[0].pointer, "/language", "{bad:?}");
        }
    }
}
