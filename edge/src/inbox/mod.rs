//! A person's own view of their conversations. How they are shown is set over REST, and what waits in them is read there.
//!
//! How far they have read: over REST a cursor is written at once; over WebSocket it is held for up to a second,
//! so that a person who scrolls writes one event and not thirty: the newest cursor of each conversation counts and
//! answers the older ones, and several conversations go in one command. How far messages have come to their devices is held in
//! the same way.

mod given;
pub mod http;
pub mod unread;

pub use given::folder;

use crate::http::problem::Problem;
use futures::{FutureExt, future::BoxFuture};
use natter_commands::{Advanced, Caller, Commands, Error, Keyed};
use natter_domain::{AccountId, ConversationId, limit};
use natter_streams::Positions;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::oneshot, time::sleep};
use tokio_util::task::TaskTracker;

/// How long a cursor is held.
const HOLD: Duration = Duration::from_secs(1);

/// Where a cursor is now, and where that stands in the log.
pub type Moved = Result<(u64, Positions), Problem>;

type Cursor = (ConversationId, u64);
type Write = Box<dyn Fn(Keyed, Vec<Cursor>) -> BoxFuture<'static, Result<Advanced, Error>> + Send + Sync>;

fn moved(advanced: &Advanced, conversation_id: ConversationId) -> Moved {
    let found = advanced.cursors.iter().find(|(id, _)| *id == conversation_id);
    let (_, seq) = found.ok_or_else(|| Problem::internal("an advanced cursor is missing in the answer"))?;
    Ok((*seq, advanced.positions.clone()))
}

fn refused(error: Error) -> Problem {
    Problem::from(error).about("/seq")
}

/// The cursors of one kind that wait to be written. A cheap handle.
#[derive(Clone)]
pub struct Cursors(Arc<Held>);

struct Held {
    write: Write,
    people: Mutex<HashMap<AccountId, Waiting>>,
    tasks: TaskTracker,
}

/// One person's.
struct Waiting {
    /// The first who asked; the person's other devices ride along.
    caller: Caller,
    cursors: HashMap<ConversationId, (u64, Vec<oneshot::Sender<Moved>>)>,
}

impl Cursors {
    /// How far people have read. `tasks` is what the process waits for before it ends.
    pub fn of_reading(commands: Commands, tasks: TaskTracker) -> Self {
        let write = move |by, cursors| {
            let commands = commands.clone();
            async move { commands.inbox().advance(by, cursors).await }.boxed()
        };
        Self::over(Box::new(write), tasks)
    }

    /// How far messages have come to them.
    pub fn of_coming(commands: Commands, tasks: TaskTracker) -> Self {
        let write = move |by, cursors| {
            let commands = commands.clone();
            async move { commands.inbox().deliver(by, cursors).await }.boxed()
        };
        Self::over(Box::new(write), tasks)
    }

    fn over(write: Write, tasks: TaskTracker) -> Self {
        Self(Arc::new(Held { write, people: Mutex::default(), tasks }))
    }

    /// Holds a cursor; the answer comes once it, or a newer one, is durable.
    pub fn hold(&self, caller: Caller, conversation_id: ConversationId, seq: u64) -> oneshot::Receiver<Moved> {
        let (answer, answered) = oneshot::channel();
        let mut people = self.people();
        let is_first = !people.contains_key(&caller.account);
        let waiting = people.entry(caller.account).or_insert_with(|| Waiting { caller, cursors: HashMap::default() });
        let (newest, answers) = waiting.cursors.entry(conversation_id).or_default();
        *newest = seq.max(*newest);
        answers.push(answer);
        if is_first {
            self.flush_later(caller.account);
        }
        answered
    }

    /// Writes one by itself, at once.
    pub async fn write_now(&self, by: Keyed, conversation_id: ConversationId, seq: u64) -> Moved {
        let advanced = (self.0.write)(by, vec![(conversation_id, seq)]).await;
        moved(&advanced.map_err(refused)?, conversation_id)
    }

    fn flush_later(&self, account: AccountId) {
        let cursors = self.clone();
        self.0.tasks.spawn(async move {
            sleep(HOLD).await;
            cursors.flush(account);
        });
    }

    /// Writes what is held of a person now: their time is over, or their connection is.
    pub fn flush(&self, account: AccountId) {
        let Some(waiting) = self.people().remove(&account) else { return };
        let cursors = self.clone();
        self.0.tasks.spawn(async move { cursors.write(waiting).await });
    }

    async fn write(&self, waiting: Waiting) {
        let mut all: Vec<_> = waiting.cursors.into_iter().collect();
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(limit::CURSORS_PER_EVENT));
            let part = std::mem::replace(&mut all, rest);
            let cursors: Vec<Cursor> = part.iter().map(|(id, (seq, _))| (*id, *seq)).collect();
            let outcome = self.write_together(waiting.caller, &cursors).await;
            for (id, (_, answers)) in part {
                let moved = outcome.get(&id).cloned().unwrap_or_else(|| Err(Problem::unavailable()));
                answers.into_iter().for_each(|answer| drop(answer.send(moved.clone())));
            }
        }
    }

    /// One command for all; where one of them is refused, each by itself, so that it spoils only its own.
    async fn write_together(&self, caller: Caller, cursors: &[Cursor]) -> HashMap<ConversationId, Moved> {
        let by = Keyed { caller, key: None };
        match (self.0.write)(by, cursors.to_vec()).await {
            Err(Error::Refused { .. }) if cursors.len() > 1 => {
                let mut outcome = HashMap::new();
                for &(id, seq) in cursors {
                    outcome.insert(id, self.write_now(by, id, seq).await);
                }
                outcome
            }
            outcome => {
                let outcome = outcome.map_err(refused);
                let of = |id| outcome.as_ref().map_err(Clone::clone).and_then(|advanced| moved(advanced, id));
                cursors.iter().map(|&(id, _)| (id, of(id))).collect()
            }
        }
    }

    fn people(&self) -> MutexGuard<'_, HashMap<AccountId, Waiting>> {
        self.0.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_domain::{Code, SessionId};
    use uuid::Uuid;

    const ALICE: Caller = Caller { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) };

    fn conversation(number: u128) -> ConversationId {
        ConversationId(Uuid::from_u128(number))
    }

    /// Cursors that are written to a list; conversation 13 is refused.
    fn cursors() -> (Cursors, Arc<Mutex<Vec<Vec<Cursor>>>>) {
        let written = Arc::new(Mutex::new(vec![]));
        let list = written.clone();
        let write: Write = Box::new(move |_, mut cursors| {
            cursors.sort();
            list.lock().unwrap().push(cursors.clone());
            let refused = cursors.iter().any(|(id, _)| *id == conversation(13));
            let detail = "beyond the newest".to_owned();
            let refusal = || Error::Refused { code: Code::InvalidInput, detail, until: None, pointer: None };
            let advanced = Advanced { cursors, positions: Positions::default() };
            futures::future::ready(if refused { Err(refusal()) } else { Ok(advanced) }).boxed()
        });
        (Cursors::over(write, TaskTracker::new()), written)
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_cursor_answers_the_older_ones_too() {
        let (cursors, written) = cursors();
        let answers = [3, 9, 5].map(|seq| cursors.hold(ALICE, conversation(1), seq));
        let other = cursors.hold(ALICE, conversation(2), 7);
        for answer in answers {
            assert_eq!(answer.await.unwrap().unwrap().0, 9);
        }
        assert_eq!(other.await.unwrap().unwrap().0, 7);
        assert_eq!(*written.lock().unwrap(), [[(conversation(1), 9), (conversation(2), 7)]]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_written_within_a_second_and_at_a_flush_at_once() {
        let (cursors, _) = cursors();
        let begun = tokio::time::Instant::now();
        cursors.hold(ALICE, conversation(1), 1).await.unwrap().unwrap();
        assert_eq!(begun.elapsed(), HOLD);
        let answer = cursors.hold(ALICE, conversation(1), 2);
        cursors.flush(ALICE.account);
        assert_eq!(answer.await.unwrap().unwrap().0, 2);
        assert!(begun.elapsed() < HOLD * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_cursor_spoils_only_its_own_answer() {
        let (cursors, written) = cursors();
        let good = cursors.hold(ALICE, conversation(1), 4);
        let bad = cursors.hold(ALICE, conversation(13), 4);
        assert_eq!(good.await.unwrap().unwrap().0, 4);
        let problem = bad.await.unwrap().unwrap_err();
        assert_eq!((problem.code, problem.errors[0].pointer.as_str()), (Code::InvalidInput, "/seq"));
        assert_eq!(written.lock().unwrap().len(), 3);
    }
}
