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
use natter_projections::delivery::standing::Changed;
use natter_streams::{bus::Bus, subject};
use std::time::Duration;
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
    keep(stop, presence.clone().follow_doubts(inside.clone()));
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

    /// Each doubt about the bus is one about all that was heard by it.
    async fn follow_doubts(self, inside: Inside) {
        let mut doubts = inside.bus.doubts();
        loop {
            if let Err(RecvError::Closed) = doubts.recv().await {
                return;
            }
            while !inside.bus.is_connected() {
                sleep(TICK).await;
            }
            while doubts.try_recv().is_ok() {}
            say(&inside.bus, self.doubt(Moment::now())).await;
            let questions = self.doubted(Watches::doubt_all);
            self.ask_again(&inside, questions).await;
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

    async fn ask_again(&self, inside: &Inside, questions: Vec<Question>) {
        let pairs: Vec<_> = questions.iter().map(|question| question.pair).collect();
        loop {
            match inside.projections.presence().sights(&pairs).await {
                Ok(sights) => return self.resolved(&questions, &sights),
                Err(error) => tracing::warn!(%error, "ask again who may see who is online"),
            }
            sleep(PAUSE).await;
        }
    }
}

/// Watches that have to be asked about again.
pub struct Reconsidered {
    presence: Presence,
    questions: Vec<Question>,
}

impl Reconsidered {
    pub fn is_nothing(&self) -> bool {
        self.questions.is_empty()
    }

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
