//! Our `cqrs_es::EventStore` over a lane: shared states in memory, loading from snapshots and the log, and a `commit` that
//! puts the new state in place and hands the events to the lane's committer by way of an outbox.
//!
//! It belongs to one lane worker: nothing else touches it, so its locks are never contended.

use crate::{
    adapter::{Adapter, Stored},
    admission::Permit,
    cache::Cache,
    error::Error,
    job::{Job, Missing, Work},
    remote::{Asker, Envelope},
    snapshot,
};
use cqrs_es::{
    AggregateContext, AggregateError, EventEnvelope, EventStore,
    persist::{PersistedEventStore, PersistenceError},
};
use natter_domain::{
    Address, Decider, Timestamp, account::Account, conversation::Conversation, friendship::Friendship, handle::Handle,
    inbox::Inbox, message::Message, pending::Pending, projection::Projection, session::Session,
    subscription::Subscription,
};
use natter_streams::{Draft, Lane, Log};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// States kept per noun and lane, twice.
const CACHED: usize = 4_096;

struct Cached<D: Decider> {
    state: Arc<D::State>,
    sequence: u64,
    /// Jobs whose events are not durable yet; while there is one, this entry must not be evicted: loading it
    /// again would miss them.
    undurable: usize,
}

/// One noun's aggregates in one lane.
pub(crate) struct Store<D: Decider> {
    cache: Mutex<Cache<Uuid, Cached<D>>>,
    outbox: Mutex<Vec<Draft>>,
    log: Log,
    lane: Lane,
}

/// An aggregate between `load_aggregate` and `commit`.
pub(crate) struct Loaded<D: Decider> {
    aggregate: Adapter<D>,
    address: Address,
    sequence: u64,
    now: Timestamp,
    metadata: Arc<str>,
}

impl<D: Decider> AggregateContext<Adapter<D>> for Loaded<D> {
    fn aggregate(&mut self) -> &mut Adapter<D> {
        &mut self.aggregate
    }
}

impl<D: Decider> Loaded<D> {
    /// Where the events go, the moment they are stamped with, and what is told of them: a JSON object.
    pub fn at(mut self, address: Address, now: Timestamp, metadata: Arc<str>) -> Self {
        self.address = address;
        self.now = now;
        self.metadata = metadata;
        self
    }

    pub fn state(&self) -> Arc<D::State> {
        self.aggregate.0.clone()
    }

    /// With the state that the decision's events lead to.
    pub fn deciding(mut self, aggregate: Adapter<D>) -> Self {
        self.aggregate = aggregate;
        self
    }
}

/// A loaded aggregate's state and how many events made it.
pub(crate) struct Replayed<D: Decider> {
    state: Arc<D::State>,
    sequence: u64,
}

impl<D: Decider> Store<D> {
    fn new(log: Log, lane: Lane) -> Self {
        let cache = Cache::new(CACHED, |cached: &Cached<D>| cached.undurable > 0);
        Self { cache: Mutex::new(cache), outbox: Mutex::default(), log, lane }
    }

    pub fn has(&self, id: &Uuid) -> bool {
        lock(&self.cache).contains(id)
    }

    /// Loads an aggregate from its snapshot and the log, beside the lane's work.
    pub async fn replay(log: &Log, lane: Lane, id: Uuid) -> Result<Replayed<D>, Error> {
        let loaded = snapshot::load::<D>(log, lane, id).await?;
        Ok(Replayed { state: Arc::new(loaded.state), sequence: loaded.sequence })
    }

    /// As it is, what is not durable yet included.
    pub fn state(&self, id: &Uuid) -> Option<Arc<D::State>> {
        lock(&self.cache).get(id).map(|cached| cached.state.clone())
    }

    pub fn keep(&self, id: Uuid, replayed: Replayed<D>) {
        let Replayed { state, sequence } = replayed;
        self.put(id, Cached { state, sequence, undurable: 0 });
    }

    fn put(&self, id: Uuid, cached: Cached<D>) {
        lock(&self.cache).insert(id, cached);
    }

    /// The drafts of the commits since the last call.
    pub fn take_outbox(&self) -> Vec<Draft> {
        std::mem::take(&mut *lock(&self.outbox))
    }

    /// One job's events are durable.
    pub fn durable(&self, id: &Uuid) {
        if let Some(cached) = lock(&self.cache).get(id) {
            cached.undurable = cached.undurable.saturating_sub(1);
        }
    }

    pub fn forget(&self) {
        lock(&self.cache).clear();
        lock(&self.outbox).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Decider> EventStore<Adapter<D>> for Store<D> {
    type AC = Loaded<D>;

    async fn load_events(&self, id: &str) -> Result<Vec<EventEnvelope<Adapter<D>>>, AggregateError<D::Refusal>> {
        PersistedEventStore::<_, Adapter<D>>::new_event_store(self.log.repository(self.lane)).load_events(id).await
    }

    /// From memory; from the log where it is not there.
    async fn load_aggregate(&self, id: &str) -> Result<Loaded<D>, AggregateError<D::Refusal>> {
        let id: Uuid = id.parse().map_err(|error: uuid::Error| AggregateError::UnexpectedError(error.into()))?;
        if !self.has(&id) {
            let replayed = Self::replay(&self.log, self.lane, id)
                .await
                .map_err(|error| AggregateError::UnexpectedError(error.into()))?;
            self.keep(id, replayed);
        }
        let mut cache = lock(&self.cache);
        let cached = cache.get(&id).ok_or_else(|| AggregateError::UnexpectedError("just kept, not there".into()))?;
        let address = Address { noun: D::NOUN, id, route: id };
        let aggregate = Adapter(cached.state.clone());
        Ok(Loaded { aggregate, address, sequence: cached.sequence, now: Timestamp::default(), metadata: "{}".into() })
    }

    /// The context's metadata count, which are text already; the framework's map is for those who have none.
    async fn commit(
        &self,
        events: Vec<Stored<D::Event>>,
        context: Loaded<D>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<Adapter<D>>>, AggregateError<D::Refusal>> {
        let Loaded { aggregate, address, sequence, now, metadata: mut text } = context;
        if !metadata.is_empty() {
            text = serde_json::to_string(&metadata).map_err(PersistenceError::from)?.into();
        }
        let mut drafts = Vec::with_capacity(events.len());
        let mut envelopes = Vec::with_capacity(events.len());
        for (sequence, event) in (sequence + 1..).zip(events) {
            let draft = Draft::encode(&event.0, address, sequence, text.clone(), now);
            drafts.push(draft.map_err(|error| AggregateError::UnexpectedError(error.into()))?);
            envelopes.push(EventEnvelope {
                aggregate_id: address.id.to_string(),
                sequence: sequence as usize,
                payload: event,
                metadata: metadata.clone(),
            });
        }
        if let Some(last) = drafts.last() {
            let undurable = lock(&self.cache).get(&address.id).map_or(0, |cached| cached.undurable) + 1;
            self.put(address.id, Cached { state: aggregate.0, sequence: last.sequence, undurable });
            lock(&self.outbox).append(&mut drafts);
        }
        Ok(envelopes)
    }
}

/// Every noun's store in one lane.
pub(crate) struct Stores {
    account: Store<Account>,
    handle: Store<Handle>,
    session: Store<Session>,
    friendship: Store<Friendship>,
    conversation: Store<Conversation>,
    inbox: Store<Inbox>,
    message: Store<Message>,
    subscription: Store<Subscription>,
    pending: Store<Pending>,
    projection: Store<Projection>,
}

impl Stores {
    pub fn new(log: &Log, lane: Lane) -> Self {
        Self {
            account: Store::new(log.clone(), lane),
            handle: Store::new(log.clone(), lane),
            session: Store::new(log.clone(), lane),
            friendship: Store::new(log.clone(), lane),
            conversation: Store::new(log.clone(), lane),
            inbox: Store::new(log.clone(), lane),
            message: Store::new(log.clone(), lane),
            subscription: Store::new(log.clone(), lane),
            pending: Store::new(log.clone(), lane),
            projection: Store::new(log.clone(), lane),
        }
    }

    pub fn forget(&self) {
        self.account.forget();
        self.handle.forget();
        self.session.forget();
        self.friendship.forget();
        self.conversation.forget();
        self.inbox.forget();
        self.message.forget();
        self.subscription.forget();
        self.pending.forget();
        self.projection.forget();
    }
}

/// A decider whose aggregates have a store in every lane.
pub(crate) trait Kept: Decider + Sized {
    fn store(stores: &Stores) -> &Store<Self>;
    /// The store of the noun whose state its decisions read too.
    fn host_store(stores: &Stores) -> &Store<Self::Host>;
    /// The host of the aggregate, where it has to be read.
    fn missing_host(address: Address, stores: &Stores) -> Option<Missing>;
}

macro_rules! kept {
    ($($decider:ty => $field:ident),+ $(,)?) => {
        $(impl Kept for $decider {
            fn store(stores: &Stores) -> &Store<Self> {
                &stores.$field
            }

            fn host_store(stores: &Stores) -> &Store<Self::Host> {
                <Self::Host as Kept>::store(stores)
            }

            fn missing_host(address: Address, stores: &Stores) -> Option<Missing> {
                Missing::of::<Self::Host>(Self::host(address), stores)
            }
        })+

        /// A command from another node, as a job of its noun.
        pub(crate) fn decode(
            address: Address,
            envelope: &Envelope,
            asker: Asker,
            permit: Permit,
        ) -> Result<Box<dyn Work>, Asker> {
            match address.noun {
                $(<$decider>::NOUN => {
                    Ok(Box::new(Job::<$decider>::from_afar(address, envelope, asker, permit)?))
                })+
            }
        }
    };
}

kept! {
    Account => account,
    Handle => handle,
    Session => session,
    Friendship => friendship,
    Conversation => conversation,
    Inbox => inbox,
    Message => message,
    Subscription => subscription,
    Pending => pending,
    Projection => projection,
}
