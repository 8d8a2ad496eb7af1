//! Somebody types: told to the others who are in the conversation and online, once, and kept nowhere.
//!
//! The way is short: from the typist's edge straight to the subjects of the others, where their edges listen already. Who
//! may speak is asked of the read side, once for a conversation every [`KEPT`]; what delivery says of a conversation in
//! between makes its answer void at once, and no answer is older than what was said before it was asked for. Everything
//! else than passing it on is silence: whoever types is never told why.

use crate::{edge::Inside, metrics};
use axum::body::Bytes;
use natter_client::wire::Push;
use natter_commands::Caller;
use natter_domain::{AccountId, ConversationId};
use natter_projections::conversation::Floor;
use natter_streams::{clock, subject};
use std::{
    collections::{BTreeSet, HashMap},
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
/// Who may speak is not waited for any longer: by then nobody wants to hear it.
const PATIENCE: Duration = Duration::from_secs(1);
/// So often it is asked where it comes into doubt meanwhile.
const TRIES: usize = 2;
/// Conversations of which it is known; in what is more nobody is heard.
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

    /// Who may speak there is about to be others: what is known, and what is being asked, is void. Whoever asks next waits
    /// until the read side shows it.
    pub fn doubt(&self, conversations: &BTreeSet<Uuid>) {
        let mut floors = lock(&self.floors);
        conversations.iter().for_each(|conversation| floors.doubt(ConversationId(*conversation)));
    }

    /// What was said of any conversation may have been lost.
    pub fn forget(&self) {
        lock(&self.floors).known.clear();
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
    let floors = &inside.typing.floors;
    for _ in 0..TRIES {
        let number = match lock(floors).find(conversation, Instant::now()) {
            Found::Known(floor) => return Some(floor),
            Found::Nothing(number) => number,
        };
        // What is said from now on makes the number void.
        let floor = ask(inside, conversation).await?;
        if let Some(floor) = lock(floors).keep(conversation, floor, number, Instant::now()) {
            return Some(floor);
        }
    }
    None
}

/// What the read side says, once it shows all that was said before.
async fn ask(inside: &Inside, conversation: ConversationId) -> Option<Floor> {
    inside.words.shown(&inside.projections, PATIENCE).await.ok()?;
    match inside.projections.conversation().floor(conversation, inside.typing.members_max).await {
        Ok(floor) => Some(floor),
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
    /// So many questions have been numbered: none ever has the number of one before it.
    questions: u64,
}

struct Entry {
    /// `None`: it is being asked.
    floor: Option<Arc<Floor>>,
    since: Instant,
    /// Of the question with which it began: the answer to another one is not for here.
    number: u64,
}

enum Found {
    Known(Arc<Floor>),
    /// To be asked, and kept under this number.
    Nothing(u64),
}

impl Floors {
    fn find(&mut self, conversation: ConversationId, now: Instant) -> Found {
        match self.known.get(&conversation).filter(|entry| entry.since + KEPT > now) {
            Some(Entry { floor: Some(floor), .. }) => Found::Known(floor.clone()),
            Some(Entry { floor: None, number, .. }) => Found::Nothing(*number),
            None => Found::Nothing(self.ask(conversation, now)),
        }
    }

    /// Where there is no room, no answer will be for it.
    fn ask(&mut self, conversation: ConversationId, now: Instant) -> u64 {
        if self.known.len() >= FLOORS_MAX {
            self.known.retain(|_, entry| entry.since + KEPT > now);
        }
        self.questions += 1;
        let number = self.questions;
        if self.known.len() < FLOORS_MAX || self.known.contains_key(&conversation) {
            self.known.insert(conversation, Entry { floor: None, since: now, number });
        }
        number
    }

    /// `None`: it came into doubt since it was asked.
    fn keep(&mut self, conversation: ConversationId, floor: Floor, number: u64, now: Instant) -> Option<Arc<Floor>> {
        let entry = self.known.get_mut(&conversation).filter(|entry| entry.number == number)?;
        let floor = Arc::new(floor);
        *entry = Entry { floor: Some(floor.clone()), since: now, number };
        Some(floor)
    }

    fn doubt(&mut self, conversation: ConversationId) {
        self.known.remove(&conversation);
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

    fn is_known(floors: &mut Floors, now: Instant) -> bool {
        matches!(floors.find(TALK, now), Found::Known(_))
    }

    /// The number under which the answer is kept.
    fn asked(floors: &mut Floors, now: Instant) -> u64 {
        match floors.find(TALK, now) {
            Found::Nothing(number) => number,
            Found::Known(_) => panic!("it has been asked"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_speak_is_asked_again_after_a_while_and_once_it_is_in_doubt() {
        let (mut floors, begin) = (Floors::default(), Instant::now());
        let number = asked(&mut floors, begin);
        assert!(!is_known(&mut floors, begin));
        assert!(floors.keep(TALK, Floor::default(), number, begin).is_some());
        assert!(is_known(&mut floors, begin + KEPT - Duration::from_millis(1)));
        assert!(!is_known(&mut floors, begin + KEPT));
        let number = asked(&mut floors, begin);
        floors.keep(TALK, Floor::default(), number, begin);
        floors.doubt(TALK);
        assert!(!is_known(&mut floors, begin));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_before_a_doubt_is_no_answer_after_it() {
        let (mut floors, begin) = (Floors::default(), Instant::now());
        let before = asked(&mut floors, begin);
        floors.doubt(TALK);
        assert_eq!(floors.keep(TALK, Floor::default(), before, begin), None, "doubted meanwhile");
        let now = asked(&mut floors, begin);
        assert_eq!(floors.keep(TALK, Floor::default(), before, begin), None, "and asked anew");
        assert!(floors.keep(TALK, Floor::default(), now, begin).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_before_all_was_forgotten_is_no_answer_after_it() {
        let (typing, begin) = (Typing::new(200), Instant::now());
        let before = asked(&mut lock(&typing.floors), begin);
        typing.forget();
        let mut floors = lock(&typing.floors);
        assert_eq!(floors.keep(TALK, Floor::default(), before, begin), None);
        asked(&mut floors, begin);
        assert_eq!(floors.keep(TALK, Floor::default(), before, begin), None, "no number comes twice");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_at_once_is_answered_alike_and_others_are_no_matter() {
        let (mut floors, begin) = (Floors::default(), Instant::now());
        let (one, other) = (asked(&mut floors, begin), asked(&mut floors, begin));
        floors.doubt(ConversationId(Uuid::from_u128(4)));
        assert!(floors.keep(TALK, Floor::default(), one, begin).is_some());
        assert!(floors.keep(TALK, Floor::default(), other, begin).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_known_of_so_many_conversations_and_no_more() {
        let (mut floors, begin) = (Floors::default(), Instant::now());
        for number in 0..FLOORS_MAX {
            floors.find(ConversationId(Uuid::from_u128(1_000 + number as u128)), begin);
        }
        let number = asked(&mut floors, begin);
        assert_eq!(floors.keep(TALK, Floor::default(), number, begin), None);
        assert_eq!(floors.known.len(), FLOORS_MAX);
        let number = asked(&mut floors, begin + KEPT);
        assert!(floors.keep(TALK, Floor::default(), number, begin + KEPT).is_some(), "those before are forgotten");
        assert_eq!(floors.known.len(), 1);
    }
}
