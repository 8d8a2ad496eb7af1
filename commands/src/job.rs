//! A command on its way through a lane: typed inside, one trait outside, so that a lane's worker holds jobs of all
//! nouns in one queue. A job can be decided again, as often as its lane's generation ends.

use crate::{
    Caller,
    adapter::{Adapter, Order},
    dispatch::Outcome,
    error::Error,
    keys::Key,
    store::{Kept, Store, Stores},
};
use cqrs_es::{Aggregate, AggregateError, EventStore, event_sink::EventSink};
use futures::future::BoxFuture;
use natter_domain::{Address, Code, Context, Decider, Timestamp};
use natter_streams::{Draft, Lane, Log, Positions, Record};
use std::{collections::HashMap, sync::Arc};
use tokio::{sync::oneshot, time::Instant};

/// What a lane's worker does with a job.
pub(crate) trait Work: Send {
    fn address(&self) -> Address;
    fn key(&self) -> Option<&Key>;
    fn deadline(&self) -> Instant;
    fn is_in_memory(&self, stores: &Stores) -> bool;
    /// Replays the aggregate, away from the worker; the answer puts it in place.
    fn replay(&self, log: Log, lane: Lane) -> BoxFuture<'static, Result<Keep, Error>>;
    /// Decides now; the events are to be queued with this job as their answer.
    fn decide<'a>(&'a mut self, stores: &'a Stores, now: Timestamp) -> BoxFuture<'a, Vec<Draft>>;
    /// The command was done before: `first` is its first event.
    fn repeat(&mut self, stores: &Stores, first: Record);
    /// Everything the answer rests on is durable.
    fn answer(self: Box<Self>, stores: &Stores, events: Vec<Arc<Record>>, head: Positions);
    /// Nobody will do it.
    fn fail(self: Box<Self>, error: Error);
}

pub(crate) type Keep = Box<dyn FnOnce(&Stores) + Send>;

/// What was decided, until it is durable.
enum Decided<D: Decider> {
    Not,
    /// Events to come with the batch, or none; the state that holds with them.
    State(Arc<D::State>),
    Repeated(Arc<D::State>, Record),
    No(Error),
}

pub(crate) struct Job<D: Decider> {
    pub address: Address,
    pub caller: Option<Caller>,
    pub key: Option<Key>,
    /// `None`: only look.
    pub command: Option<Arc<D::Command>>,
    pub deadline: Instant,
    pub reply: oneshot::Sender<Result<Outcome<D>, Error>>,
    decided: Decided<D>,
}

impl<D: Kept> Job<D> {
    pub fn new(
        address: Address,
        caller: Option<Caller>,
        key: Option<Key>,
        command: Option<D::Command>,
        deadline: Instant,
    ) -> (Self, oneshot::Receiver<Result<Outcome<D>, Error>>) {
        let (reply, answer) = oneshot::channel();
        let command = command.map(Arc::new);
        (Self { address, caller, key, command, deadline, reply, decided: Decided::Not }, answer)
    }

    /// The framework's three calls, made here because `CqrsFramework::execute` gives back neither events nor
    /// positions.
    async fn execute(&self, stores: &Stores, now: Timestamp) -> Result<(Arc<D::State>, Vec<Draft>), Error> {
        let store = D::store(stores);
        let loaded = store.load_aggregate(&self.address.id.to_string()).await.map_err(refused_or_failed)?;
        let loaded = loaded.at(self.address, now);
        let Some(command) = &self.command else { return Ok((loaded.state(), Vec::new())) };
        let context = Context {
            actor: self.caller.map(|caller| caller.account),
            session: self.caller.map(|caller| caller.session),
            now,
        };
        let (sink, mut aggregate) = (EventSink::default(), Adapter::<D>(loaded.state()));
        let order = Order { context, command: command.clone() };
        aggregate.handle(order, &(), &sink).await.map_err(|refusal| Error::refused(&refusal))?;
        let state = aggregate.0.clone();
        let events = sink.collect().await;
        store.commit(events, loaded.deciding(aggregate), self.metadata()).await.map_err(refused_or_failed)?;
        Ok((state, store.take_outbox()))
    }

    fn metadata(&self) -> HashMap<String, String> {
        let mut metadata = HashMap::new();
        if let Some(caller) = &self.caller {
            metadata.insert("actor".to_owned(), caller.account.to_string());
            metadata.insert("session".to_owned(), caller.session.to_string());
        }
        if let Some(key) = &self.key {
            metadata.insert("command".to_owned(), key.stored.key.to_string());
        }
        metadata
    }

    fn outcome(decided: Decided<D>, events: &[Arc<Record>], head: Positions) -> Result<Outcome<D>, Error> {
        match decided {
            Decided::State(state) => {
                let positions = events.last().map_or(head, |last| positions(last));
                let events =
                    events.iter().map(|record| Ok((record.decode()?, record.time))).collect::<Result<_, Error>>()?;
                Ok(Outcome { state, events, positions, repeated: false })
            }
            Decided::Repeated(state, first) => {
                let events = vec![(first.decode::<D::Event>()?, first.time)];
                Ok(Outcome { state, events, positions: head, repeated: true })
            }
            Decided::No(error) => Err(error),
            Decided::Not => Err(Error::Unavailable),
        }
    }
}

fn positions(record: &Record) -> Positions {
    Positions::one(record.lane, record.position, record.incarnation)
}

fn refused_or_failed<R: natter_domain::Refusal>(error: AggregateError<R>) -> Error {
    match error {
        AggregateError::UserError(refusal) => Error::refused(&refusal),
        AggregateError::UnexpectedError(source) => match source.downcast::<natter_streams::Error>() {
            Ok(error) => Error::from(*error),
            Err(source) => Error::Failed { what: "decide", source },
        },
        other => Error::Failed { what: "decide", source: other.to_string().into() },
    }
}

impl<D: Kept> Work for Job<D> {
    fn address(&self) -> Address {
        self.address
    }

    fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn is_in_memory(&self, stores: &Stores) -> bool {
        D::store(stores).has(&self.address.id)
    }

    fn replay(&self, log: Log, lane: Lane) -> BoxFuture<'static, Result<Keep, Error>> {
        let id = self.address.id;
        Box::pin(async move {
            let replayed = Store::<D>::replay(&log, lane, id).await?;
            Ok(Box::new(move |stores: &Stores| D::store(stores).keep(id, replayed)) as Keep)
        })
    }

    fn decide<'a>(&'a mut self, stores: &'a Stores, now: Timestamp) -> BoxFuture<'a, Vec<Draft>> {
        Box::pin(async move {
            match self.execute(stores, now).await {
                Ok((state, mut drafts)) => {
                    if let (Some(first), Some(key)) = (drafts.first_mut(), &self.key) {
                        first.key = Some(key.stored);
                    }
                    self.decided = Decided::State(state);
                    drafts
                }
                Err(error) => {
                    self.decided = Decided::No(error);
                    Vec::new()
                }
            }
        })
    }

    fn repeat(&mut self, stores: &Stores, first: Record) {
        let same = first.key.zip(self.key).is_some_and(|(stored, mine)| stored == mine.stored);
        self.decided = if same {
            Decided::Repeated(D::store(stores).state(&self.address.id), first)
        } else {
            Decided::No(Error::code(Code::Conflict, "this key was used for another command"))
        };
    }

    fn answer(self: Box<Self>, stores: &Stores, events: Vec<Arc<Record>>, head: Positions) {
        if !events.is_empty() {
            D::store(stores).durable(&self.address.id);
        }
        // Nobody listens any more: the caller has given up.
        let _ = self.reply.send(Self::outcome(self.decided, &events, head));
    }

    fn fail(self: Box<Self>, error: Error) {
        let _ = self.reply.send(Err(error));
    }
}
