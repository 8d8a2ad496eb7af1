//! One process on one lane: read, give orders, move the checkpoint behind those that were answered.

use super::{Around, Flight, Follower, Here, Orders, Process, ledger::Ledger, rest};
use crate::error::Error;
use natter_streams::{
    Lane, Link, Record, checkpoint, fault,
    statement::{self, ANSWER_TIMEOUT},
};
use std::{marker::PhantomData, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The checkpoint of a lane on which orders are answered is written this often.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Events that may pass before an idle checkpoint is written: reading them again costs little.
const STRIDE: u64 = 10_000;

/// Runs until told to stop; then it takes nothing more, waits for the answers to what it has given, and writes how far
/// it came. Dropped instead, it repeats a little at its next start, without effect.
pub(crate) async fn run<P: Process>(around: Around, lane: Lane, stop: CancellationToken) {
    let here = Here::new(P::NAME, lane, around.feeds.clone());
    here.during(attend::<P>(around, &here, lane, stop)).await;
}

async fn attend<P: Process>(around: Around, here: &Arc<Here>, lane: Lane, stop: CancellationToken) {
    loop {
        let ended = tokio::select! {
            started = Running::<P>::start(&around, here, lane) => match started {
                Ok(running) => running.follow(&stop).await,
                Err(error) => Err(error),
            },
            () = stop.cancelled() => return,
        };
        let Err(error) = ended else { return };
        rest(here, error, &stop).await;
    }
}

struct Running<P> {
    around: Around,
    here: Arc<Here>,
    follower: Follower,
    ledger: Ledger,
    /// Each order by its event's position.
    flight: Flight<u64>,
    /// The checkpoint as it stands in the database.
    stored: Link,
    /// Orders were answered since the checkpoint was written.
    answered: bool,
    written: Instant,
    process: PhantomData<P>,
}

impl<P: Process> Running<P> {
    async fn start(around: &Around, here: &Arc<Here>, lane: Lane) -> Result<Self, Error> {
        let stored = checkpoint::load(&around.log, P::NAME, lane).await?;
        here.stuck(false);
        Ok(Self {
            around: around.clone(),
            here: here.clone(),
            follower: Follower::new(P::NAME, around.clone(), here.clone(), stored),
            ledger: Ledger::new(stored),
            flight: Flight::new(P::NAME, "process.before_effect", around.clone()),
            stored,
            answered: false,
            written: Instant::now(),
            process: PhantomData,
        })
    }

    async fn follow(mut self, stop: &CancellationToken) -> Result<(), Error> {
        loop {
            self.here.done(self.ledger.checkpoint().position);
            if self.is_write_due() {
                self.write().await?;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.land().await,
                Some(position) = self.flight.answered() => self.done(position).await,
                () = tokio::time::sleep_until(self.written + WRITE_EVERY), if self.answered => {}
                records = self.follower.next(), if !self.flight.is_full() => self.take(&records?),
            }
        }
    }

    fn take(&mut self, records: &[Arc<Record>]) {
        for record in records {
            let mut orders = Orders::of(P::NAME, record);
            if let Err(error) = P::react(record, &mut orders) {
                return self.follower.go_back(self.ledger.read(), &error.into());
            }
            let orders = orders.into_list();
            self.ledger.note(record.link(), orders.len());
            for order in orders {
                self.flight.put(record.position, order);
            }
        }
        self.follower.went_on();
    }

    async fn done(&mut self, position: u64) {
        fault::reach("process.after_effect").await;
        self.ledger.done(position);
        self.answered = true;
    }

    fn is_write_due(&self) -> bool {
        let passed = self.ledger.checkpoint().position - self.stored.position;
        (self.answered || passed >= STRIDE) && self.written.elapsed() >= WRITE_EVERY
    }

    /// Compares the checkpoint it moves: where another has moved it, the stored one counts. Any other failure is only
    /// this one's; should it have been moved nevertheless, the next one finds out.
    async fn write(&mut self) -> Result<(), Error> {
        let to = self.ledger.checkpoint();
        self.written = Instant::now();
        match self.advance(&to).await {
            Ok(()) => (self.stored, self.answered) = (to, false),
            Err(error @ natter_streams::Error::Overtaken { .. }) => return Err(error.into()),
            Err(error) => tracing::warn!(name = P::NAME, lane = %to.lane, %error, "a checkpoint was not written"),
        }
        Ok(())
    }

    async fn advance(&mut self, to: &Link) -> Result<(), natter_streams::Error> {
        if to.position == self.stored.position {
            return Ok(());
        }
        let failed = |source| natter_streams::Error::Database { what: "connect to move a checkpoint", source };
        let moved = async {
            let mut connection = statement::lend(self.around.log.pool()).await.map_err(failed)?;
            let moved = checkpoint::advance(&mut connection, P::NAME, &self.stored, to).await;
            connection.give_back();
            moved
        };
        statement::within(ANSWER_TIMEOUT, failed, moved).await
    }

    async fn land(mut self) -> Result<(), Error> {
        self.flight.close();
        while let Some(position) = self.flight.answered().await {
            self.done(position).await;
        }
        self.write().await
    }
}
