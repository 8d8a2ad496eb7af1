//! A command on its way to a lane and through it: typed inside, one trait outside, so that roads and workers hold jobs of
//! all nouns in one queue. A job can be decided again, as often as its lane's generation ends, and go to another node.

use crate::{
    Caller,
    adapter::{Adapter, Order},
    admission::Permit,
    dispatch::Outcome,
    error::Error,
    keys::Key,
    metrics,
    remote::{self, Asker, Envelope, Reply},
    store::{Kept, Store, Stores},
};
use cqrs_es::{Aggregate, AggregateError, EventStore, event_sink::EventSink};
use futures::future::BoxFuture;
use natter_domain::{Address, Code, Context, Decider, Timestamp};
use natter_streams::{Draft, Lane, Lanes, Log, Node, Positions, Record};
use serde_json::value::{RawValue, to_raw_value};
use std::{collections::HashMap, fmt::Write, sync::Arc};
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

/// What a lane's worker does with a job.
pub(crate) trait Work: Send {
    fn address(&self) -> Address;
    fn key(&self) -> Option<&Key>;
    fn deadline(&self) -> Instant;
    /// What is not in memory of that which the decision reads: its own state, then its host's.
    fn missing(&self, stores: &Stores) -> Option<Missing>;
    /// Decides now; the events are to be queued with this job as their answer.
    fn decide<'a>(&'a mut self, stores: &'a Stores, now: Timestamp) -> BoxFuture<'a, Vec<Draft>>;
    /// The command was done before: `first` is its first event.
    fn repeat(&mut self, first: Record);
    /// Everything the answer rests on is durable.
    fn answer(self: Box<Self>, stores: &Stores, events: Vec<Arc<Record>>, head: Positions);
    /// Nobody will do it.
    fn fail(self: Box<Self>, error: Error);
    /// As another node is asked.
    fn envelope(&self) -> Result<Envelope, Error>;
    /// What another node said.
    fn hear(self: Box<Self>, reply: Reply, lanes: Lanes);
    /// The lane is not here any more. Who asked from afar is told who has it; what was asked here comes back, to be asked of
    /// the next owner.
    fn give_back(self: Box<Self>, owner: Option<&Node>) -> Option<Box<dyn Work>>;
}

/// An aggregate that has to be read before a job is decided.
#[derive(Clone, Copy)]
pub(crate) struct Missing {
    pub address: Address,
    replay: fn(Log, Lane, Uuid) -> BoxFuture<'static, Result<Keep, Error>>,
}

impl Missing {
    pub fn of<D: Kept>(address: Address, stores: &Stores) -> Option<Self> {
        (!D::store(stores).has(&address.id)).then_some(Self { address, replay: replay::<D> })
    }

    /// Reads it, away from the worker; the answer puts it in place.
    pub fn replay(self, log: Log, lane: Lane) -> BoxFuture<'static, Result<Keep, Error>> {
        (self.replay)(log, lane, self.address.id)
    }
}

fn replay<D: Kept>(log: Log, lane: Lane, id: Uuid) -> BoxFuture<'static, Result<Keep, Error>> {
    Box::pin(async move {
        let replayed = Store::<D>::replay(&log, lane, id).await?;
        Ok(Box::new(move |stores: &Stores| D::store(stores).keep(id, replayed)) as Keep)
    })
}

pub(crate) type Keep = Box<dyn FnOnce(&Stores) + Send>;

/// What was decided, until it is durable.
enum Decided<D: Decider> {
    Not,
    /// Events to come with the batch, or none; the state that holds with them.
    State(Arc<D::State>, Vec<D::Event>),
    Repeated(Record),
    No(Error),
}

/// What is asked: of whom, by whom, and until when.
pub(crate) struct Ask<D: Decider> {
    pub address: Address,
    pub caller: Option<Caller>,
    pub key: Option<Key>,
    /// `None`: only look.
    pub command: Option<Arc<D::Command>>,
    pub deadline: Instant,
}

/// Who waits for the answer.
enum Waiter<D: Decider> {
    Here(oneshot::Sender<Result<Outcome<D>, Error>>),
    Afar(Asker),
}

pub(crate) struct Job<D: Decider> {
    ask: Ask<D>,
    waiter: Waiter<D>,
    decided: Decided<D>,
    /// Given back with the job, whatever becomes of it.
    _permit: Permit,
}

impl<D: Kept> Job<D> {
    pub fn new(ask: Ask<D>, permit: Permit) -> (Self, oneshot::Receiver<Result<Outcome<D>, Error>>) {
        let (reply, answer) = oneshot::channel();
        (Self { ask, waiter: Waiter::Here(reply), decided: Decided::Not, _permit: permit }, answer)
    }

    /// What another node asks. The asker comes back where the command cannot be read.
    pub fn from_afar(address: Address, envelope: &Envelope, asker: Asker, permit: Permit) -> Result<Self, Asker> {
        let command = match envelope.command.as_ref().map(|raw| serde_json::from_str::<D::Command>(raw.get())) {
            Some(Ok(command)) => Some(Arc::new(command)),
            Some(Err(error)) => {
                tracing::error!(noun = %address.noun, %error, "a command that cannot be read: another version of natter?");
                return Err(asker);
            }
            None => None,
        };
        let (caller, key, deadline) = (envelope.caller(), envelope.key(), envelope.deadline());
        let ask = Ask { address, caller, key, command, deadline };
        Ok(Self { ask, waiter: Waiter::Afar(asker), decided: Decided::Not, _permit: permit })
    }

    /// The framework's three calls, made here because `CqrsFramework::execute` gives back neither events nor
    /// positions.
    async fn execute(&self, stores: &Stores, now: Timestamp) -> Result<(Decided<D>, Vec<Draft>), Error> {
        let store = D::store(stores);
        let loaded = store.load_aggregate(&self.ask.address.id.to_string()).await.map_err(refused_or_failed)?;
        let loaded = loaded.at(self.ask.address, now, self.metadata());
        let Some(command) = &self.ask.command else {
            return Ok((Decided::State(loaded.state(), Vec::new()), Vec::new()));
        };
        let context = Context {
            actor: self.ask.caller.map(|caller| caller.account),
            session: self.ask.caller.map(|caller| caller.session),
            now,
        };
        let (sink, mut aggregate) = (EventSink::default(), Adapter::<D>(loaded.state()));
        let host = D::host_store(stores).state(&D::host(self.ask.address).id);
        let host = host.ok_or(Error::Failed { what: "decide", source: "its host is not in memory".into() })?;
        let order = Order { context, host, command: command.clone() };
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
        if let Some(caller) = &self.ask.caller {
            field("actor", caller.account.0);
            field("session", caller.session.0);
        }
        if let Some(key) = &self.ask.key {
            field("command", key.stored.key);
        }
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        text.into()
    }

    fn outcome(decided: Decided<D>, looks: bool, events: &[Arc<Record>], head: Positions) -> Result<Outcome<D>, Error> {
        let positions = events.last().map_or(head, |last| positions(last));
        match decided {
            Decided::State(state, decided) => {
                let events = decided.into_iter().zip(events).map(|(event, record)| (event, record.time)).collect();
                Ok(Outcome { state: looks.then_some(state), events, positions, repeated: false })
            }
            Decided::Repeated(first) => {
                let events = vec![(first.decode::<D::Event>()?, first.time)];
                Ok(Outcome { state: None, events, positions, repeated: true })
            }
            Decided::No(error) => Err(error),
            Decided::Not => Err(Error::Unavailable),
        }
    }

    /// The same for another node, which has the events' text as it is stored.
    fn reply(decided: Decided<D>, looks: bool, events: &[Arc<Record>], head: Positions) -> Result<Reply, Error> {
        let positions = events.last().map_or(head, |last| positions(last)).to_string();
        match decided {
            Decided::State(state, _) if looks => Ok(Reply::Looked { state: raw(&*state)?, positions }),
            Decided::State(..) => Ok(Reply::Done { events: told(events)?, positions, repeated: false }),
            Decided::Repeated(first) => {
                Ok(Reply::Done { events: told(&[Arc::new(first)])?, positions, repeated: true })
            }
            Decided::No(error) => Err(error),
            Decided::Not => Err(Error::Unavailable),
        }
    }

    fn heard(reply: Reply, lanes: Lanes) -> Result<Outcome<D>, Error> {
        let read = |text: &str| Positions::parse(text, lanes).ok_or(Error::Unavailable);
        match reply {
            Reply::Done { events, positions, repeated } => {
                let event = |(raw, time): (Box<RawValue>, Timestamp)| Ok((from_raw::<D::Event>(&raw)?, time));
                let events = events.into_iter().map(event).collect::<Result<_, Error>>()?;
                Ok(Outcome { state: None, events, positions: read(&positions)?, repeated })
            }
            Reply::Looked { state, positions } => {
                let state = Some(Arc::new(from_raw::<D::State>(&state)?));
                Ok(Outcome { state, events: Vec::new(), positions: read(&positions)?, repeated: false })
            }
            Reply::Refused { code, detail, until, pointer } => Err(remote::refused(&code, detail, until, pointer)),
            Reply::Failed => {
                Err(Error::Failed { what: "do it", source: "the lane's owner failed: see its log".into() })
            }
            Reply::Unavailable | Reply::Moved { .. } => Err(Error::Unavailable),
        }
    }
}

fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>, Error> {
    to_raw_value(value).map_err(Error::failed("encode for another node"))
}

fn from_raw<T: serde::de::DeserializeOwned>(raw: &RawValue) -> Result<T, Error> {
    serde_json::from_str(raw.get()).map_err(Error::failed("read what another node said"))
}

fn told(events: &[Arc<Record>]) -> Result<Vec<(Box<RawValue>, Timestamp)>, Error> {
    let told = |record: &Arc<Record>| Ok((RawValue::from_string(record.payload.to_string())?, record.time));
    events.iter().map(told).collect::<Result<_, serde_json::Error>>().map_err(Error::failed("tell another node"))
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
        self.ask.address
    }

    fn key(&self) -> Option<&Key> {
        self.ask.key.as_ref()
    }

    fn deadline(&self) -> Instant {
        self.ask.deadline
    }

    fn missing(&self, stores: &Stores) -> Option<Missing> {
        let address = self.ask.address;
        Missing::of::<D>(address, stores).or_else(|| D::missing_host(address, stores))
    }

    fn decide<'a>(&'a mut self, stores: &'a Stores, now: Timestamp) -> BoxFuture<'a, Vec<Draft>> {
        Box::pin(async move {
            match self.execute(stores, now).await {
                Ok((decided, mut drafts)) => {
                    if let (Some(first), Some(key)) = (drafts.first_mut(), &self.ask.key) {
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

    fn repeat(&mut self, first: Record) {
        let same = first.key.zip(self.ask.key).is_some_and(|(stored, mine)| stored == mine.stored);
        self.decided = if same {
            Decided::Repeated(first)
        } else {
            Decided::No(Error::code(Code::Conflict, "this key was used for another command"))
        };
    }

    fn answer(self: Box<Self>, stores: &Stores, events: Vec<Arc<Record>>, head: Positions) {
        if !events.is_empty() {
            D::store(stores).durable(&self.ask.address.id);
        }
        let looks = self.ask.command.is_none();
        let Self { waiter, decided, .. } = *self;
        if let Decided::No(Error::Refused { code, .. }) = &decided {
            metrics::refused(code.as_str());
        }
        match waiter {
            // Nobody listens any more: the caller has given up.
            Waiter::Here(reply) => drop(reply.send(Self::outcome(decided, looks, &events, head))),
            Waiter::Afar(asker) => asker.say(Self::reply(decided, looks, &events, head).unwrap_or_else(Reply::from)),
        }
    }

    fn fail(self: Box<Self>, error: Error) {
        match self.waiter {
            Waiter::Here(reply) => drop(reply.send(Err(error))),
            Waiter::Afar(asker) => asker.say(error.into()),
        }
    }

    fn envelope(&self) -> Result<Envelope, Error> {
        let Ask { address, caller, key, command, deadline } = &self.ask;
        let command = command.as_ref().map(|command| raw(&**command)).transpose()?;
        Ok(Envelope::new(*address, *caller, *key, command, *deadline))
    }

    fn hear(self: Box<Self>, reply: Reply, lanes: Lanes) {
        match self.waiter {
            Waiter::Here(waiter) => drop(waiter.send(Self::heard(reply, lanes))),
            Waiter::Afar(_) => debug_assert!(false, "what came from afar goes back there, never on to others"),
        }
    }

    fn give_back(mut self: Box<Self>, owner: Option<&Node>) -> Option<Box<dyn Work>> {
        self.decided = Decided::Not;
        match self.waiter {
            Waiter::Here(_) => Some(self),
            Waiter::Afar(asker) => {
                asker.say(Reply::moved(owner));
                None
            }
        }
    }
}
