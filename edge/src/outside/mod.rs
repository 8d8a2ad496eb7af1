//! Other servers that the operator has Natter ask: over HTTP, or by a request over NATS. Each question has its time, its
//! answer a size, and only so many are under way; nobody is asked twice. What is said stands in no log.
//!
//! There is no breaker: who is not there refuses at once, and who hangs costs each question its time and no more. Resting
//! after failures would let whoever can make one fail stop, or pass, everybody else's.

pub mod kept;

use crate::{door::signed::Signer, metrics};
use natter_streams::bus::{Bus, HeaderMap};
use reqwest::{Client, Response, Url, header, redirect::Policy};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, time::timeout};

/// Questions under way to one of them; who asks then waits, within its time.
const AT_ONCE: usize = 256;
const ANSWER_MAX_BYTES: usize = 256 * 1024;
/// A server that is away is told of so often at most.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// In the place of the method, where a request over NATS is signed; the subject is its path.
const NATS: &str = "NATS";

/// Where one is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    Http(Url),
    /// A subject of NATS.
    Nats(String),
}

impl Place {
    /// `http(s)://host...` or `nats:<subject>`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(subject) = text.strip_prefix("nats:") {
            let is_name = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
            let is_plain = subject.split('.').all(is_name) && !subject.contains(['*', '>', '$']);
            let is_ours = subject.split('.').next() == Some("natter");
            let wrong = || format!("{subject:?} is no subject without wildcards outside of `natter.`");
            return (is_plain && !is_ours).then(|| Self::Nats(subject.to_owned())).ok_or_else(wrong);
        }
        let url = Url::parse(text).ok().filter(|url| {
            ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none()
        });
        url.map(Self::Http).ok_or_else(|| "neither `http(s)://` without a user nor `nats:<subject>`".to_owned())
    }
}

/// What an operator says of one.
#[derive(Clone, Debug)]
pub struct Settings {
    pub place: Place,
    /// For the whole of a question.
    pub timeout: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Not within its time.
    Late,
    /// It is not there, or says that it cannot.
    Away,
    /// It answers what cannot be meant.
    Wrong,
}

impl Failure {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Away => "away",
            Self::Wrong => "wrong",
        }
    }
}

pub struct Party {
    /// For metrics and the log.
    name: &'static str,
    way: Way,
    signer: Option<Signer>,
    timeout: Duration,
    room: Semaphore,
    told: Mutex<Option<Instant>>,
}

enum Way {
    Http(Client, Url),
    Nats(Box<Bus>, String),
}

impl Party {
    pub fn new(
        name: &'static str,
        settings: &Settings,
        signer: Option<Signer>,
        bus: &Bus,
    ) -> Result<Self, reqwest::Error> {
        let way = match settings.place.clone() {
            // What sends us elsewhere is not who the operator named, and no proxy stands between.
            Place::Http(url) => {
                let builder = Client::builder().redirect(Policy::none()).no_proxy().pool_max_idle_per_host(AT_ONCE);
                Way::Http(builder.build()?, url)
            }
            Place::Nats(subject) => Way::Nats(Box::new(bus.clone()), subject),
        };
        let (timeout, room) = (settings.timeout, Semaphore::new(AT_ONCE));
        Ok(Self { name, way, signer, timeout, room, told: Mutex::default() })
    }

    pub async fn ask<T: DeserializeOwned>(&self, question: &impl Serialize) -> Result<T, Failure> {
        let begun = Instant::now();
        let asked = timeout(self.timeout, self.exchange(question)).await.unwrap_or(Err(Failure::Late));
        let answer = asked.and_then(|answer| serde_json::from_slice(&answer).map_err(|_| Failure::Wrong));
        metrics::outside_asked(self.name, answer.as_ref().map_or_else(|failure| failure.as_str(), |_| "answered"));
        metrics::outside_took(self.name, begun.elapsed());
        if let Err(failure) = &answer {
            self.tell(*failure);
        }
        answer
    }

    async fn exchange(&self, question: &impl Serialize) -> Result<Vec<u8>, Failure> {
        let question = serde_json::to_vec(question).map_err(|_| Failure::Wrong)?;
        let _place = self.room.acquire().await.map_err(|_| Failure::Away)?;
        match &self.way {
            Way::Http(client, url) => self.over_http(client, url, question).await,
            Way::Nats(bus, subject) => self.over_nats(bus, subject, question).await,
        }
    }

    async fn over_http(&self, client: &Client, url: &Url, question: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let mut request = client.post(url.clone()).header(header::CONTENT_TYPE, "application/json");
        if let Some(signer) = &self.signer {
            request = request.header(header::AUTHORIZATION, signer.sign("POST", &path, &question));
        }
        let response = request.body(question).send().await.map_err(|_| Failure::Away)?;
        if !response.status().is_success() {
            return Err(Failure::Away);
        }
        bounded(response).await
    }

    async fn over_nats(&self, bus: &Bus, subject: &str, question: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(signer) = &self.signer {
            headers.insert("Authorization", signer.sign(NATS, subject, &question).as_str());
        }
        let answer = bus.live().request_with_headers(subject.to_owned(), headers, question.into()).await;
        let answer = answer.map_err(|_| Failure::Away)?.payload;
        if answer.len() > ANSWER_MAX_BYTES { Err(Failure::Wrong) } else { Ok(answer.to_vec()) }
    }

    fn tell(&self, failure: Failure) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(who = self.name, why = failure.as_str(), "another server does not do what it is asked");
        }
    }
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Failure::Away)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX_BYTES {
            return Err(Failure::Wrong);
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_url_or_a_subject() {
        assert_eq!(Place::parse("nats:moderation.before-send"), Ok(Place::Nats("moderation.before-send".to_owned())));
        for good in ["http://127.0.0.1:9/hook?a=b", "https://hook.example/"] {
            assert_eq!(Place::parse(good), Ok(Place::Http(Url::parse(good).unwrap())));
        }
        for bad in [
            "",
            "hook.example",
            "ftp://hook.example",
            "http://user@hook.example",
            "nats:",
            "nats:a..b",
            "nats:a.*",
            "nats:a.>",
            "nats:a b",
            "nats:natter.commands",
            "nats:$SYS.a",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
