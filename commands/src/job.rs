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
use natter_streams::{Draft, Log, Positions, Record};
use std::{collections::HashMap, fmt::Write, sync::Arc};
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

/// What a lane's worker does with a job.
pub(crate) trait Work: Send {
    fn address(&self) -> Address;
    fn key(&self) -> Option<&Key>;
    fn deadline(&self) -> Instant;
    fn is_in_memory(&self, stores: &Stores) -> bool;
    /// Replays the aggregate, away from the worker; the answer puts it in place.
    fn replay(&self, log: Log) -> BoxFuture<'static, Result<Keep, Error>>;
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
    State(Arc<D::State>, Vec<D::Event>),
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
    async fn execute(&self, stores: &Stores, now: Timestamp) -> Result<(Decided<D>, Vec<Draft>), Error> {
        let store = D::store(stores);
        let loaded = store.load_aggregate(&self.address.id.to_string()).await.map_err(refused_or_failed)?;
        let loaded = loaded.at(self.address, now, self.metadata());
        let Some(command) = &self.command else { return Ok((Decided::State(loaded.state(), Vec::new()), Vec::new())) };
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
        let committed = store.commit(events, loaded.deciding(aggregate), HashMap::new()).await;
        // Kept for the answer, which would have to read them from their text otherwise.
        let events = committed.map_err(refused_or_failed)?.into_iter().map(|envelope| envelope.payload.0);
        Ok((Decided::State(state, events.collect()), store.take_outbox()))
    }

    /// Who did it, and under which key: ids only, so nothing in it needs escaping.
    fn metadata(&self) -> Arc<str> {
        let mut text = String::with_capacity(160);
        let mut field = |name: &str, id: Uuid| {
            let before = if text.is_empty() { '{' } else { ',' };
            let _ = write!(text, "{before}\"{name}\":\"{id}\"");
        };
        if let Some(caller) = &self.caller {
            field("actor", caller.account.0);
            field("session", caller.session.0);
        }
        if let Some(key) = &self.key {
            field("command", key.stored.key);
        }
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        text.into()
    }

    fn outcome(decided: Decided<D>, events: &[Arc<Record>], head: Positions) -> Result<Outcome<D>, Error> {
        match decided {
            Decided::State(state, decided) => {
                let positions = events.last().map_or(head, |last| positions(last));
                let events = decided.into_iter().zip(events).map(|(event, record)| (event, record.time)).collect();
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

    fn replay(&self, log: Log) -> BoxFuture<'static, Result<Keep, Error>> {
        let id = self.address.id;
        Box::pin(async move {
            let replayed = Store::<D>::replay(&log, id).await?;
            Ok(Box::new(move |stores: &Stores| D::store(stores).keep(id, replayed)) as Keep)
        })
    }

    fn decide<'a>(&'a mut self, stores: &'a Stores, now: Timestamp) -> BoxFuture<'a, Vec<Draft>> {
        Box::pin(async move {
            match self.execute(stores, now).await {
                Ok((decided, mut drafts)) => {
                    if let (Some(first), Some(key)) = (drafts.first_mut(), &self.key) {
                        first.key = Some(key.stored);
                    }
                    self.decided = decided;
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
