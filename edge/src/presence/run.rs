//! Carries what edges say to each other, and asks again whom watchers may see. Thin: what follows from what is said is decided
//! by the board and the watches.

use super::{
    Moment, Presence, Speech, TICK,
    watch::{Question, Watches},
    word::{Asked, Listed, Told, read, written},
};
use crate::edge::Inside;
use futures::StreamExt;
use natter_domain::AccountId;
use natter_projections::{
    delivery::standing::Changed,
    presence::{AT_ONCE, Pair, Sight},
};
use natter_streams::{bus::Bus, subject};
use std::{fmt::Display, time::Duration};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// For one word; the client would wait for the bus for ever.
const PATIENCE: Duration = Duration::from_secs(1);

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Everything of it, until `stop`.
pub fn start(inside: &Inside, stop: &CancellationToken) {
    let (presence, bus) = (&inside.presence, &inside.bus);
    keep(stop, presence.clone().speak(bus.clone()));
    keep(stop, presence.clone().listen(bus.clone()));
    keep(stop, presence.clone().follow_doubts(bus.clone()));
    keep(stop, presence.clone().write(inside.projections.clone()));
}

fn keep(stop: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(stop.clone().run_until_cancelled_owned(task));
}

impl Presence {
    async fn speak(self, bus: Bus) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let speech = self.tick(Moment::now(), bus.is_connected());
            say(&bus, speech).await;
        }
    }

    async fn listen(self, bus: Bus) {
        loop {
            if let Err(error) = self.receive(&bus).await {
                tracing::warn!(%error, "listen for who is online at other edges");
            }
            sleep(PAUSE).await;
        }
    }

    async fn receive(&self, bus: &Bus) -> Result<(), Failed> {
        let mut told = bus.live().subscribe(subject::PRESENCE).await?;
        let mut asked = bus.live().subscribe(subject::PRESENCE_ASKED).await?;
        let mut listed = bus.live().subscribe(subject::presence_listed(self.0.start)).await?;
        say(bus, self.doubt(Moment::now())).await;
        loop {
            tokio::select! {
                word = told.next() => {
                    let Some(word) = word else { return Ok(()) };
                    if let Some(word) = read::<Told>(&word.payload) {
                        say(bus, self.hear(word, Moment::now())).await;
                    }
                }
                word = listed.next() => {
                    let Some(word) = word else { return Ok(()) };
                    if let Some(word) = read::<Listed>(&word.payload) {
                        say(bus, self.listed(word, Moment::now())).await;
                    }
                }
                word = asked.next() => {
                    let Some(word) = word else { return Ok(()) };
                    if let Some(word) = read::<Asked>(&word.payload) {
                        self.reply(bus, &word).await;
                    }
                }
            }
        }
    }

    async fn reply(&self, bus: &Bus, asked: &Asked) {
        let (life, pages) = self.answer(asked);
        if let Some(life) = life {
            publish(bus, subject::PRESENCE.to_owned(), written(&life)).await;
        }
        for page in pages {
            publish(bus, subject::presence_listed(asked.by), written(&page)).await;
        }
    }

    /// Each doubt about the bus is one about all that other edges said. Who may see whom is asked anew by who hears that it
    /// has changed.
    async fn follow_doubts(self, bus: Bus) {
        let mut doubts = bus.doubts();
        loop {
            if let Err(RecvError::Closed) = doubts.recv().await {
                return;
            }
            while !bus.is_connected() {
                sleep(TICK).await;
            }
            while doubts.try_recv().is_ok() {}
            say(&bus, self.doubt(Moment::now())).await;
        }
    }

    /// Who may see whom may have changed: until it is asked again, at a position that shows it, nothing of it is told.
    pub fn reconsider(&self, changed: &Changed) -> Reconsidered {
        let questions = self.doubted(|watches| {
            let accounts = changed.accounts.iter().flat_map(|account| watches.doubt_of(AccountId(*account)));
            let mut questions: Vec<Question> = accounts.collect();
            for (one, other) in &changed.pairs {
                questions.extend(watches.doubt_between(AccountId(*one), AccountId(*other)));
            }
            questions
        });
        Reconsidered { presence: self.clone(), questions }
    }

    /// Of whomever.
    pub fn reconsider_all(&self) -> Reconsidered {
        Reconsidered { presence: self.clone(), questions: self.doubted(Watches::doubt_all) }
    }

    /// What nobody could be asked in time, and what is being asked.
    pub fn unknown(&self) -> Reconsidered {
        Reconsidered { presence: self.clone(), questions: self.doubted(|watches| watches.unknown()) }
    }

    async fn ask_again(&self, inside: &Inside, questions: Vec<Question>) {
        let ask = |pairs: Vec<Pair>| {
            let projections = inside.projections.clone();
            async move { projections.presence().sights(&pairs).await }
        };
        self.ask_with(&questions, ask).await;
    }

    /// Piece by piece, each as often as it takes: what is known of one is told before the next is asked.
    async fn ask_with<F, E>(&self, questions: &[Question], ask: impl Fn(Vec<Pair>) -> F)
    where
        F: Future<Output = Result<Vec<Sight>, E>>,
        E: Display,
    {
        for some in questions.chunks(AT_ONCE) {
            let pairs: Vec<Pair> = some.iter().map(|question| question.pair).collect();
            let sights = loop {
                match ask(pairs.clone()).await {
                    Ok(sights) => break sights,
                    Err(error) => tracing::warn!(%error, "ask again who may see who is online"),
                }
                sleep(PAUSE).await;
            };
            self.resolved(some, &sights);
        }
    }
}

/// Watches that have to be asked about again.
pub struct Reconsidered {
    presence: Presence,
    questions: Vec<Question>,
}

impl Reconsidered {
    /// Once the read side shows what has changed.
    pub async fn ask(self, inside: &Inside) {
        self.presence.ask_again(inside, self.questions).await;
    }
}

async fn say(bus: &Bus, speech: Speech) {
    for told in &speech.told {
        publish(bus, subject::PRESENCE.to_owned(), written(told)).await;
    }
    for asked in &speech.asked {
        publish(bus, subject::PRESENCE_ASKED.to_owned(), written(asked)).await;
    }
}

/// Nobody is there to hear what would be kept for later: a gap is noticed, and asked about.
async fn publish(bus: &Bus, subject: String, word: Vec<u8>) {
    if !bus.is_connected() {
        return;
    }
    match timeout(PATIENCE, bus.live().publish(subject, word.into())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "tell other edges who is online"),
        Err(_) => tracing::warn!("other edges are not told in time who is online"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::signs::{Class, Signs};
    use natter_domain::limit;
    use std::{cell::RefCell, ops::Range, sync::Arc};
    use uuid::Uuid;

    fn people(numbers: Range<usize>) -> Vec<AccountId> {
        numbers.map(|number| AccountId(Uuid::from_u128(number as u128))).collect()
    }

    /// One connection after the other watches as many as it may.
    fn watching(presence: &Presence, connections: usize) -> Vec<Question> {
        let watch = |connection: usize| {
            let accounts = people(connection * limit::WATCHED_MAX..(connection + 1) * limit::WATCHED_MAX);
            let mut state = presence.state();
            state.watches.add(connection as u64, accounts[0], Arc::default(), &accounts).unwrap()
        };
        (0..connections).flat_map(watch).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_asked_again_and_what_was_answered_is_not() {
        let presence = Presence::new(Uuid::from_u128(1));
        let questions = watching(&presence, 13);
        let online = |_: AccountId| Signs::of(Class::Web, false);
        let (asked, told) = (RefCell::new(Vec::new()), RefCell::new(0));
        let ask = |pairs: Vec<Pair>| {
            asked.borrow_mut().push(pairs.len());
            let fails = asked.borrow().len() == 2;
            *told.borrow_mut() += presence.state().watches.changed(&people(0..AT_ONCE), online).len();
            let see = |pair: &Pair| Sight { pair: *pair, last_seen_at: None };
            async move { if fails { Err("gone") } else { Ok(pairs.iter().map(see).collect::<Vec<Sight>>()) } }
        };
        presence.ask_with(&questions, ask).await;
        assert_eq!(*asked.borrow(), [1_000, 1_000, 1_000, 600]);
        assert_eq!(*told.borrow(), AT_ONCE, "those of the first piece, before the second was answered");
    }
}
