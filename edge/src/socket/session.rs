//! One connection's conversation with its client, without IO and without a clock: what happens goes in as
//! [`Input`], what is to be done comes out as [`Action`]s. Time is given, and [`Session::deadline`] says when to come
//! back at the latest.
//!
//! A stranger may say `auth` and nothing else. Once known, requests are taken; pushes flow from `ready` on.

use super::{
    close::Close,
    frame::{Bad, Op},
    reply::{notice, refusal, reply},
};
use crate::{
    auth::{Identity, Refused},
    http::problem::Problem,
};
use axum::extract::ws::Utf8Bytes;
use natter_client::wire;
use natter_domain::{Timestamp, limit};
use serde_json::{Map, Value};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// Answers to come, by their weight, before we stop reading.
const PENDING_MAX: usize = 256;
/// So many bad frames within [`FAULT_WINDOW`] are a flood.
const FAULTS_MAX: usize = 100;
const FAULT_WINDOW: Duration = Duration::from_secs(60);

/// So many frames that are refused for their rate within [`FAULT_WINDOW`]: whoever sends them does not listen.
const LIMITED_MAX: usize = 100;

/// What a session goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub heartbeat: Duration,
    pub greeting: Duration,
    /// How long answers may take once the process is to end.
    pub drain: Duration,
}

/// What happens to a connection.
#[derive(Debug)]
pub enum Input<'a> {
    Text(&'a str),
    Binary,
    /// A ping or pong: the client lives.
    Heard,
    /// A token was looked at; `lives` from now on.
    Verified {
        id: Option<String>,
        outcome: Result<(Identity, Duration), Refused>,
    },
    /// Pushes flow, and what was before them can be read.
    Ready {
        server_time: Timestamp,
    },
    /// Answers of this weight were given.
    Answered(usize),
    /// What was to be done is refused: it was asked too often.
    Limited {
        id: Option<String>,
        weight: usize,
        wait: Duration,
    },
    /// The session has ended, for this reason.
    Ended(String),
    /// The client does not read its answers.
    Overflowed,
    /// The process is to end.
    Stop,
    /// The deadline is here.
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Look at a token.
    Verify {
        id: Option<String>,
        token: String,
    },
    /// Subscribe to the person's pushes; then say [`Input::Ready`].
    Join(Identity),
    /// Do what was asked, answer it.
    Do(Box<Op>),
    Say(Utf8Bytes),
    /// Let pushes flow, after what was said before.
    Flow,
    Ping,
    /// Send what is waiting, then close.
    Close(Close),
}

/// When something happened, within [`FAULT_WINDOW`].
#[derive(Default)]
struct Recent(VecDeque<Instant>);

impl Recent {
    /// How often it has happened, with this time.
    fn add(&mut self, now: Instant) -> usize {
        while self.0.front().is_some_and(|&first| first + FAULT_WINDOW <= now) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len()
    }
}

enum Phase {
    Stranger { until: Instant },
    Known { identity: Identity, until: Instant },
    Over,
}

pub struct Session {
    rules: Rules,
    phase: Phase,
    heard: Instant,
    pinged: Instant,
    faults: Recent,
    limited: Recent,
    pending: usize,
    stopping: Option<Instant>,
}

impl Session {
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self {
            rules,
            phase: Phase::Stranger { until: now + rules.greeting },
            heard: now,
            pinged: now,
            faults: Recent::default(),
            limited: Recent::default(),
            pending: 0,
            stopping: None,
        }
    }

    /// Whether the next frame may be read: the answers to come are bounded.
    pub fn reads(&self) -> bool {
        self.pending < PENDING_MAX && self.stopping.is_none() && !matches!(self.phase, Phase::Over)
    }

    /// When to say [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Instant {
        let authentication = match self.phase {
            Phase::Stranger { until } | Phase::Known { until, .. } => until,
            Phase::Over => self.heard + FAULT_WINDOW,
        };
        let life = (self.pinged + self.rules.heartbeat).min(self.silent_at());
        authentication.min(life).min(self.stopping.unwrap_or(authentication))
    }

    pub fn step(&mut self, now: Instant, input: Input<'_>) -> Vec<Action> {
        if matches!(self.phase, Phase::Over) {
            return vec![];
        }
        match input {
            Input::Text(text) => self.text(now, text),
            Input::Binary => self.close(Close::Binary),
            Input::Heard => self.hear(now),
            Input::Verified { id, outcome } => self.verified(now, id, outcome),
            Input::Ready { server_time } => self.ready(server_time),
            Input::Answered(weight) => self.answered(now, weight),
            Input::Limited { id, weight, wait } => self.limited(now, id, weight, wait),
            Input::Ended(reason) => self.revoked(reason),
            Input::Overflowed => self.close(Close::Overflow),
            Input::Stop => self.stop(now),
            Input::Tick => self.tick(now),
        }
    }

    fn text(&mut self, now: Instant, text: &str) -> Vec<Action> {
        self.heard = now;
        let is_stranger = matches!(self.phase, Phase::Stranger { .. });
        match Op::parse(text) {
            Ok(Op::Auth(frame)) => vec![Action::Verify { id: frame.id, token: frame.token }],
            _ if is_stranger => self.close(Close::Unauthenticated),
            Ok(Op::Ping(frame)) => vec![Action::Say(reply(frame.id, Ok(Value::Object(Map::new()))))],
            Ok(op) => {
                self.pending += op.weight();
                vec![Action::Do(Box::new(op))]
            }
            Err(bad) => self.fault(now, bad),
        }
    }

    fn fault(&mut self, now: Instant, bad: Bad) -> Vec<Action> {
        if self.faults.add(now) >= FAULTS_MAX {
            return self.close(Close::Flood);
        }
        vec![Action::Say(refusal(bad.id, &bad.problem))]
    }

    fn limited(&mut self, now: Instant, id: Option<String>, weight: usize, wait: Duration) -> Vec<Action> {
        let told = Action::Say(refusal(id, &Problem::too_often(wait)));
        if self.limited.add(now) >= LIMITED_MAX {
            return std::iter::once(told).chain(self.close(Close::Limited)).collect();
        }
        std::iter::once(told).chain(self.answered(now, weight)).collect()
    }

    fn hear(&mut self, now: Instant) -> Vec<Action> {
        self.heard = now;
        vec![]
    }

    fn verified(
        &mut self,
        now: Instant,
        id: Option<String>,
        outcome: Result<(Identity, Duration), Refused>,
    ) -> Vec<Action> {
        let Ok((identity, lives)) = outcome else { return self.close(Close::Unauthenticated) };
        let is_new = match &self.phase {
            // A renewal is for the same session.
            Phase::Known { identity: known, .. } if known.caller != identity.caller => {
                return self.close(Close::Unauthenticated);
            }
            phase => matches!(phase, Phase::Stranger { .. }),
        };
        self.phase = Phase::Known { identity, until: now + lives };
        let ok = wire::AuthOk { expires_at: identity.expires_at.to_string() };
        let answer = id.map(|id| Action::Say(reply(Some(id), Ok(ok))));
        answer.into_iter().chain(is_new.then_some(Action::Join(identity))).collect()
    }

    fn ready(&mut self, server_time: Timestamp) -> Vec<Action> {
        let Phase::Known { identity, .. } = self.phase else { return vec![] };
        let ready = wire::Notice::Ready {
            account_id: identity.caller.account.0,
            session_id: identity.caller.session.0,
            heartbeat_ms: self.rules.heartbeat.as_millis() as u64,
            max_frame_bytes: limit::FRAME_MAX_BYTES as u64,
            server_time: server_time.to_string(),
        };
        vec![Action::Say(notice(&ready)), Action::Flow]
    }

    fn answered(&mut self, now: Instant, weight: usize) -> Vec<Action> {
        if !self.reads() {
            // The client may have been talking to us all the while.
            self.heard = now;
        }
        self.pending -= weight.min(self.pending);
        if self.stopping.is_some() && self.pending == 0 { self.close(Close::Restart) } else { vec![] }
    }

    fn revoked(&mut self, reason: String) -> Vec<Action> {
        let told = Action::Say(notice(&wire::Notice::SessionRevoked { reason }));
        std::iter::once(told).chain(self.close(Close::Revoked)).collect()
    }

    /// What was asked is answered, within bounds; nothing more is read.
    fn stop(&mut self, now: Instant) -> Vec<Action> {
        self.stopping = Some(now + self.rules.drain);
        if self.pending == 0 { self.close(Close::Restart) } else { vec![] }
    }

    fn tick(&mut self, now: Instant) -> Vec<Action> {
        if self.stopping.is_some_and(|until| until <= now) {
            return self.close(Close::Restart);
        }
        match self.phase {
            Phase::Stranger { until } if until <= now => return self.close(Close::Unauthenticated),
            Phase::Known { until, .. } if until <= now => return self.close(Close::Expired),
            _ => {}
        }
        if !self.reads() {
            self.heard = now;
        }
        if self.silent_at() <= now {
            return self.close(Close::Silent);
        }
        if self.pinged + self.rules.heartbeat <= now {
            self.pinged = now;
            return vec![Action::Ping];
        }
        vec![]
    }

    fn silent_at(&self) -> Instant {
        self.heard + self.rules.heartbeat * 2
    }

    fn close(&mut self, close: Close) -> Vec<Action> {
        self.phase = Phase::Over;
        vec![Action::Close(close)]
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
