//! Presence: who is online, and who is told of it.
//!
//! Each edge knows who is connected to it (`here`) and tells the others what changes, in numbered words, every
//! [`TICK`] at the most (`word`, `run`); what others tell stands on the `board`. A person is what all their devices at all
//! edges are together (`signs`). Who watches whom, and whether they may, is kept beside the connections (`watch`), and ends
//! with them.
//!
//! What is promised:
//! - A watcher is told every change of who they watch and see, the last one in any case; several within a [`TICK`] may be
//!   one. A reconnect within [`here::GRACE`] is no change.
//! - The people of an edge that is not heard of for [`board::LEASE`] are offline, unless another edge has them.
//! - Who hides it, who blocks or is blocked, who is gone: offline, and no time. A change of that is told as soon as delivery and
//!   relations have it; from when it is heard until then nothing is told, to those either who begin to watch meanwhile.
//!
//! Nothing of it is in the log. When somebody was online last is written to PostgreSQL every second by the edge that they left
//! ([`seen`]); see there for how exact it is.

mod board;
mod here;
pub mod http;
pub mod run;
mod seen;
mod signs;
pub mod socket;
mod watch;
mod word;

pub use signs::Class;

use crate::{edge::Inside, http::problem::Problem, metrics, socket::outbox::Outbox};
use axum::extract::ws::Utf8Bytes;
use board::{Board, Outcome};
use here::Here;
use natter_client::wire;
use natter_domain::{AccountId, Timestamp, limit};
use natter_projections::{
    WAIT_BOUND,
    presence::{Pair, Sight},
};
use natter_streams::clock;
use seen::LastSeen;
use signs::Signs;
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;
use watch::{Push, Question, Seen, Watches};
use word::{Asked, Listed, Told, WORD_PEOPLE};

/// How often an edge tells the others what has changed, if anything has.
const TICK: Duration = Duration::from_millis(100);
/// How often it says at least that it lives.
const LIFE: Duration = Duration::from_secs(1);

/// A moment of both clocks: one that never goes back, and the wall's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Moment {
    at: Instant,
    wall: Timestamp,
}

impl Moment {
    fn now() -> Self {
        Self { at: Instant::now(), wall: clock::now() }
    }
}

/// A cheap handle.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    /// This start of this process.
    start: Uuid,
    numbers: AtomicU64,
    state: Mutex<State>,
}

struct State {
    here: Here,
    board: Board,
    watches: Watches<Arc<Outbox>>,
    seen: LastSeen,
    /// Of the last word that was said, and when.
    number: u64,
    said: Instant,
}

/// What is to be said after a look at the clock, or because of what was heard.
#[derive(Default)]
struct Speech {
    told: Vec<Told>,
    asked: Vec<Asked>,
}

impl Presence {
    pub fn new(start: Uuid) -> Self {
        let now = Instant::now();
        let state = State {
            here: Here::default(),
            board: Board::new(start, now),
            watches: Watches::default(),
            seen: LastSeen::default(),
            number: 0,
            said: now,
        };
        Self(Arc::new(Inner { start, numbers: AtomicU64::default(), state: Mutex::new(state) }))
    }

    /// A place for a connection that may watch others; others see it once it [`Attendance::begin`]s.
    pub fn attend(&self, account: AccountId, outbox: Arc<Outbox>) -> Attendance {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        Attendance { presence: self.clone(), account, number, outbox, is_away: false, has_begun: false }
    }

    /// What a viewer is shown of those whom they see and of the others, in that order.
    fn shown(&self, accounts: &[AccountId], sights: &[Sight]) -> Vec<wire::Presence> {
        let (state, times) = (self.state(), times(sights));
        let show = |account: &AccountId| {
            let seen = Seen::new(times.contains_key(account), state.signs(*account));
            state.shown(*account, seen, times.get(account).copied().flatten())
        };
        accounts.iter().map(show).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has changed here since the last time, for the other edges and for those who watch here.
    fn tick(&self, now: Moment, hears: bool) -> Speech {
        let mut state = self.state();
        state.here.tick(now);
        let changes = state.here.take_changes();
        for change in &changes {
            if let Some(left) = change.left {
                state.seen.left(change.account, left);
            }
        }
        let mut changed: Vec<(AccountId, Option<Timestamp>)> =
            changes.iter().map(|change| (change.account, change.left)).collect();
        let outcome = state.board.look(now, hears);
        if state.board.is_first() {
            outcome.lost.iter().for_each(|(account, at)| state.seen.left(*account, *at));
        }
        changed.extend(outcome.changed);
        state.tell(&changed, now);
        let edge = self.0.start;
        let mut told = Vec::new();
        for some in changes.chunks(WORD_PEOPLE) {
            state.number += 1;
            told.push(Told { edge, number: state.number, changed: some.to_vec() });
        }
        if told.is_empty() && state.said + LIFE <= now.at {
            told.push(Told { edge, number: state.number, changed: Vec::new() });
        }
        if !told.is_empty() {
            state.said = now.at;
        }
        metrics::presence(state.here.count(), state.board.count(), state.watches.count());
        Speech { told, asked: self.questions(outcome.ask) }
    }

    fn hear(&self, told: Told, now: Moment) -> Speech {
        let outcome = self.state().board.hear(told, now);
        self.follow(outcome, now)
    }

    fn listed(&self, listed: Listed, now: Moment) -> Speech {
        let outcome = self.state().board.listed(listed, now);
        self.follow(outcome, now)
    }

    fn follow(&self, outcome: Outcome, now: Moment) -> Speech {
        self.state().tell(&outcome.changed, now);
        Speech { told: Vec::new(), asked: self.questions(outcome.ask) }
    }

    /// The bus may have lost anything: everybody is asked, those too who were never heard.
    fn doubt(&self, now: Moment) -> Speech {
        let outcome = self.state().board.doubt(now);
        let mut asked = self.questions(outcome.ask);
        asked.push(Asked { by: self.0.start, of: None, question: 0 });
        Speech { told: Vec::new(), asked }
    }

    fn questions(&self, ask: Vec<(Uuid, u64)>) -> Vec<Asked> {
        metrics::presence_asked(ask.len() as u64);
        ask.into_iter().map(|(of, question)| Asked { by: self.0.start, of: Some(of), question }).collect()
    }

    /// All who are here, for an edge that asks; a sign of life for whoever asks nobody in particular.
    fn answer(&self, asked: &Asked) -> (Option<Told>, Vec<Listed>) {
        let (edge, state) = (self.0.start, self.state());
        match asked.of {
            _ if asked.by == edge => (None, Vec::new()),
            None => (Some(Told { edge, number: state.number, changed: Vec::new() }), Vec::new()),
            Some(of) if of == edge => (None, Listed::pages(edge, asked.question, state.number, &state.here.told())),
            Some(_) => (None, Vec::new()),
        }
    }

    /// Whether these may see whom they watch is to be asked again.
    fn doubted(&self, doubt: impl FnOnce(&mut Watches<Arc<Outbox>>) -> Vec<Question>) -> Vec<Question> {
        doubt(&mut self.state().watches)
    }

    /// It was asked again.
    fn resolved(&self, questions: &[Question], sights: &[Sight]) {
        let mut state = self.state();
        let (seen, times): (HashSet<_>, _) = (sights.iter().map(|sight| sight.pair).collect(), times(sights));
        let State { watches, here, board, .. } = &mut *state;
        let signs = |account| here.signs(account).with(board.signs(account));
        let pushes = watches.resolve(questions, |pair| seen.contains(&pair), signs);
        state.push(pushes, |account| times.get(&account).copied().flatten());
    }
}

impl State {
    /// At all edges together.
    fn signs(&self, account: AccountId) -> Signs {
        self.here.signs(account).with(self.board.signs(account))
    }

    /// Tells those who watch here what may have changed, and remembers who has left.
    fn tell(&mut self, changed: &[(AccountId, Option<Timestamp>)], now: Moment) {
        if changed.is_empty() {
            return;
        }
        for (account, left) in changed {
            if let Some(left) = left {
                self.seen.remember(*account, *left, now.at);
            }
        }
        let accounts: Vec<AccountId> = changed.iter().map(|(account, _)| *account).collect();
        let (here, board) = (&self.here, &self.board);
        let pushes = self.watches.changed(&accounts, |account| here.signs(account).with(board.signs(account)));
        self.push(pushes, |_| None);
    }

    /// One write for each watcher; of one person everybody is told the same text. `time`: when they were here last, as far
    /// as it is stored.
    fn push(&self, pushes: Vec<Push<Arc<Outbox>>>, time: impl Fn(AccountId) -> Option<Timestamp>) {
        let mut texts: HashMap<(AccountId, bool), Utf8Bytes> = HashMap::new();
        let mut frames: HashMap<*const Outbox, (Arc<Outbox>, Vec<Utf8Bytes>)> = HashMap::new();
        metrics::presence_pushed(pushes.len() as u64);
        for (outbox, account, seen) in pushes {
            let text = texts.entry((account, seen.sees)).or_insert_with(|| {
                let push = wire::Push::Presence(self.shown(account, seen, time(account)));
                serde_json::to_string(&push).expect("a push of plain fields is JSON").into()
            });
            let place = frames.entry(Arc::as_ptr(&outbox)).or_insert_with(|| (outbox, Vec::new()));
            place.1.push(text.clone());
        }
        frames.into_values().for_each(|(outbox, frames)| outbox.push(&frames));
    }

    /// `stored`: what PostgreSQL says of when they were here last, which may be a moment behind.
    fn shown(&self, account: AccountId, seen: Seen, stored: Option<Timestamp>) -> wire::Presence {
        let is_known = seen.sees && !seen.signs.is_online();
        let last_seen_at = stored.max(self.seen.remembered(account)).filter(|_| is_known);
        wire::Presence {
            account_id: account.0,
            online: seen.signs.is_online(),
            state: seen.signs.state().to_owned(),
            devices: seen.signs.devices(),
            last_seen_at: last_seen_at.map(|at| at.to_string()),
        }
    }
}

/// By whom they are of; whoever is not among them is not seen.
fn times(sights: &[Sight]) -> HashMap<AccountId, Option<Timestamp>> {
    sights.iter().map(|sight| (sight.pair.1, sight.last_seen_at)).collect()
}

/// One connection. Dropping it leaves.
pub struct Attendance {
    presence: Presence,
    account: AccountId,
    number: u64,
    outbox: Arc<Outbox>,
    is_away: bool,
    has_begun: bool,
}

impl Attendance {
    /// Others see it from here on.
    pub fn begin(&mut self, class: Class) {
        self.has_begun = true;
        self.presence.state().here.come(self.account, self.number, class, self.is_away);
    }

    pub fn set_away(&mut self, is_away: bool) {
        self.is_away = is_away;
        if self.has_begun {
            self.presence.state().here.set_away(self.account, self.number, is_away);
        }
    }

    /// Watches these people too, unless it fails. `answer` is handed what they are, at a moment from which on the connection
    /// is pushed what changes.
    fn watch(
        &self,
        inside: Inside,
        accounts: Vec<AccountId>,
    ) -> impl Future<Output = Result<Watched, Problem>> + Send + use<> {
        let (number, account, outbox) = (self.number, self.account, self.outbox.clone());
        let added = self.presence.state().watches.add(number, account, outbox, &accounts);
        async move {
            let too_many =
                || Problem::invalid("/account_ids", format!("more than {} of one connection", limit::WATCHED_MAX));
            let questions = added.ok_or_else(too_many)?;
            match sights(&inside, account, &accounts).await {
                Ok(sights) => Ok(Watched { inside, questions, sights }),
                Err(problem) => {
                    inside.presence.state().watches.fail(&questions);
                    Err(problem)
                }
            }
        }
    }

    fn unwatch(&self, accounts: &[AccountId]) {
        self.presence.state().watches.remove(self.number, accounts);
    }
}

/// Who is watched from now on.
struct Watched {
    inside: Inside,
    questions: Vec<Question>,
    /// `None`: it is not known yet, and is asked once it can be.
    sights: Option<Vec<Sight>>,
}

impl Watched {
    /// `answer` gives what is so now, before anything newer is pushed.
    fn tell(self, answer: impl FnOnce(Vec<wire::Presence>)) {
        let mut state = self.inside.presence.state();
        let times = times(self.sights.as_deref().unwrap_or_default());
        let sees = |pair: Pair| self.sights.is_some().then(|| times.contains_key(&pair.1));
        let State { watches, here, board, .. } = &mut *state;
        let signs = |account| here.signs(account).with(board.signs(account));
        let shown = watches.settle(&self.questions, sees, signs);
        let show =
            |(account, seen): (AccountId, Seen)| state.shown(account, seen, times.get(&account).copied().flatten());
        answer(shown.into_iter().map(show).collect());
        if self.sights.is_none() {
            self.inside.words.call();
        }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let mut state = self.presence.state();
        state.watches.leave(self.number);
        if self.has_begun {
            state.here.leave(self.account, self.number, Moment::now());
        }
    }
}

/// Whom of these the viewer sees; `None`: relations is behind what was said of that, for too long.
async fn sights(inside: &Inside, viewer: AccountId, accounts: &[AccountId]) -> Result<Option<Vec<Sight>>, Problem> {
    if let Err(error) = inside.words.shown(&inside.projections, WAIT_BOUND).await {
        tracing::debug!(%error, "wait for who may see who is online");
        return Ok(None);
    }
    let pairs: Vec<_> = accounts.iter().map(|account| (viewer, *account)).collect();
    Ok(Some(inside.projections.presence().sights(&pairs).await?))
}

/// Each once, in the order given.
fn distinct(ids: Vec<Uuid>) -> Vec<AccountId> {
    let mut known = HashSet::new();
    ids.into_iter().filter(|id| known.insert(*id)).map(AccountId).collect()
}
