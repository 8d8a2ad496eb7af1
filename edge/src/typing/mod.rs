//! Somebody types: told to the others who are in the conversation and online, once, and kept nowhere.
//!
//! The way is short: from the typist's edge straight to the subjects of the others, where their edges listen already. Who
//! may speak is asked of the read side, once for a conversation every [`KEPT`]; what delivery says of a conversation in
//! between makes its answer void at once. Everything else than passing it on is silence: whoever types is never told why.

use crate::{edge::Inside, metrics};
use axum::body::Bytes;
use natter_client::wire::Push;
use natter_commands::Caller;
use natter_domain::{AccountId, ConversationId};
use natter_projections::conversation::Floor;
use natter_streams::{clock, subject};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Of one person in one conversation one sign is passed on in so long.
const PAUSE: Duration = Duration::from_secs(3);
/// People who type, each in a conversation; what is more is dropped.
const TYPISTS_MAX: usize = 65_536;
/// How long it is known who may speak in a conversation.
const KEPT: Duration = Duration::from_secs(5);
/// Conversations of which it is known.
const FLOORS_MAX: usize = 16_384;

pub struct Typing {
    members_max: u64,
    lately: Mutex<Lately>,
    floors: Mutex<Floors>,
}

impl Typing {
    pub fn new(members_max: u64) -> Self {
        Self { members_max, lately: Mutex::default(), floors: Mutex::default() }
    }

    /// Who may speak there is about to be others.
    pub fn doubt(&self, conversations: impl IntoIterator<Item = Uuid>) {
        let mut floors = lock(&self.floors);
        conversations.into_iter().for_each(|conversation| floors.doubt(ConversationId(conversation), Instant::now()));
    }

    /// The read side shows who may speak there now.
    pub fn resolve(&self, conversations: impl IntoIterator<Item = Uuid>) {
        let mut floors = lock(&self.floors);
        conversations.into_iter().for_each(|conversation| floors.resolve(ConversationId(conversation)));
    }

    /// What was said of any conversation may have been lost.
    pub fn forget(&self) {
        *lock(&self.floors) = Floors::default();
    }
}

/// Passes it on, if it may be.
pub async fn pass(inside: Inside, caller: Caller, conversation: ConversationId) {
    metrics::typing(passed(&inside, caller.account, conversation).await);
}

/// What became of it, for the metrics.
async fn passed(inside: &Inside, typist: AccountId, conversation: ConversationId) -> &'static str {
    let typing = &inside.typing;
    if !lock(&typing.lately).may(typist, conversation, Instant::now()) {
        return "too_often";
    }
    if inside.mutes.of(typist).is_some_and(|mute| mute.until.is_none_or(|until| until > clock::now())) {
        return "not_allowed";
    }
    let Some(floor) = floor(inside, conversation).await else { return "not_known" };
    let Some(others) = floor.heard_by(typist, clock::now()) else { return "not_allowed" };
    let push = Push::Typing { conversation_id: conversation.0, account_id: typist.0 };
    let frame: Bytes = serde_json::to_vec(&push).expect("a push of plain fields is JSON").into();
    if !inside.bus.is_connected() {
        return "not_carried";
    }
    for other in others {
        if inside.bus.live().publish(subject::user(other), frame.clone()).await.is_err() {
            return "not_carried";
        }
    }
    "passed"
}

/// Who is in and may speak; `None` while that is not known.
async fn floor(inside: &Inside, conversation: ConversationId) -> Option<Arc<Floor>> {
    let typing = &inside.typing;
    let number = match lock(&typing.floors).find(conversation, Instant::now()) {
        Found::Known(floor) => return Some(floor),
        Found::Doubted => return None,
        Found::Nothing(number) => number,
    };
    match inside.projections.conversation().floor(conversation, typing.members_max).await {
        Ok(floor) => Some(lock(&typing.floors).keep(conversation, floor, number, Instant::now())),
        Err(error) => {
            tracing::warn!(%error, "ask who may speak in a conversation");
            None
        }
    }
}

/// Who has typed where in the last [`PAUSE`].
#[derive(Default)]
struct Lately(HashMap<(AccountId, ConversationId), Instant>);

impl Lately {
    fn may(&mut self, typist: AccountId, conversation: ConversationId, now: Instant) -> bool {
        if self.0.len() >= TYPISTS_MAX {
            self.0.retain(|_, last| *last + PAUSE > now);
        }
        let is_known = self.0.get(&(typist, conversation)).is_some_and(|last| *last + PAUSE > now);
        if is_known || self.0.len() >= TYPISTS_MAX {
            return false;
        }
        self.0.insert((typist, conversation), now);
        true
    }
}

/// Who may speak where, as far as it was asked.
#[derive(Default)]
struct Floors {
    known: HashMap<ConversationId, Entry>,
    /// How often something came into doubt: what was asked before is not kept.
    doubts: u64,
}

enum Entry {
    /// As of then.
    Known(Arc<Floor>, Instant),
    /// Since then.
    Doubted(Instant),
}

impl Entry {
    fn since(&self) -> Instant {
        match self {
            Self::Known(_, since) | Self::Doubted(since) => *since,
        }
    }
}

enum Found {
    Known(Arc<Floor>),
    Doubted,
    /// To be asked, and kept under this number.
    Nothing(u64),
}

impl Floors {
    /// What is in doubt longer than it would be known is asked again: whoever doubted it is gone.
    fn find(&self, conversation: ConversationId, now: Instant) -> Found {
        match self.known.get(&conversation).filter(|entry| entry.since() + KEPT > now) {
            Some(Entry::Known(floor, _)) => Found::Known(floor.clone()),
            Some(Entry::Doubted(_)) => Found::Doubted,
            None => Found::Nothing(self.doubts),
        }
    }

    fn keep(&mut self, conversation: ConversationId, floor: Floor, number: u64, now: Instant) -> Arc<Floor> {
        let floor = Arc::new(floor);
        if self.known.len() >= FLOORS_MAX {
            self.known.retain(|_, entry| entry.since() + KEPT > now);
        }
        if number == self.doubts && self.known.len() < FLOORS_MAX {
            self.known.insert(conversation, Entry::Known(floor.clone(), now));
        }
        floor
    }

    fn doubt(&mut self, conversation: ConversationId, now: Instant) {
        self.doubts += 1;
        // Of what nobody has asked nobody has an answer.
        if let Some(entry) = self.known.get_mut(&conversation) {
            *entry = Entry::Doubted(now);
        }
    }

    fn resolve(&mut self, conversation: ConversationId) {
        if matches!(self.known.get(&conversation), Some(Entry::Doubted(_))) {
            self.known.remove(&conversation);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId(Uuid::from_u128(1));
    const BOB: AccountId = AccountId(Uuid::from_u128(2));
    const TALK: ConversationId = ConversationId(Uuid::from_u128(3));

    #[tokio::test(start_paused = true)]
    async fn of_one_person_in_one_conversation_one_in_three_seconds_passes() {
        let (mut lately, begin) = (Lately::default(), Instant::now());
        let passes: Vec<u64> = (0..10_000)
            .step_by(10)
            .filter(|millis| lately.may(ALICE, TALK, begin + Duration::from_millis(*millis)))
            .collect();
        assert_eq!(passes, [0, 3_000, 6_000, 9_000]);
        assert!(lately.may(BOB, TALK, begin), "others are counted apart");
        assert!(lately.may(ALICE, ConversationId(Uuid::from_u128(4)), begin));
    }

    #[tokio::test(start_paused = true)]
    async fn who_typed_is_remembered_within_bounds() {
        let (mut lately, begin) = (Lately::default(), Instant::now());
        let talk = |number: usize| ConversationId(Uuid::from_u128(number as u128));
        assert!((0..TYPISTS_MAX).all(|number| lately.may(ALICE, talk(number), begin)));
        assert!(!lately.may(ALICE, talk(TYPISTS_MAX), begin), "there is no room");
        assert!(lately.may(ALICE, talk(TYPISTS_MAX), begin + PAUSE), "those before are forgotten");
        assert_eq!(lately.0.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_speak_is_asked_again_after_a_while_and_once_it_is_in_doubt() {
        let (mut floors, begin) = (Floors::default(), Instant::now());
        let find = |floors: &Floors, millis| match floors.find(TALK, begin + Duration::from_millis(millis)) {
            Found::Known(_) => "known",
            Found::Doubted => "doubted",
            Found::Nothing(_) => "nothing",
        };
        assert_eq!(find(&floors, 0), "nothing");
        floors.keep(TALK, Floor::default(), 0, begin);
        assert_eq!((find(&floors, 4_999), find(&floors, 5_000)), ("known", "nothing"));
        floors.doubt(TALK, begin);
        assert_eq!((find(&floors, 0), find(&floors, 5_000)), ("doubted", "nothing"), "not for ever");
        floors.resolve(TALK);
        assert_eq!(find(&floors, 0), "nothing");
        floors.keep(TALK, Floor::default(), 0, begin);
        assert_eq!(find(&floors, 0), "nothing", "it was asked before it came into doubt");
        floors.keep(TALK, Floor::default(), 1, begin);
        assert_eq!(find(&floors, 0), "known");
        floors.resolve(TALK);
        assert_eq!(find(&floors, 0), "known", "nobody doubts it");
    }
}
