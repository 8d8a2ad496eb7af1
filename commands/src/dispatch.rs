//! The way in: a command goes the road of its aggregate's lane, to wherever its owner is, and its answer comes back.

use crate::{
    Caller,
    error::Error,
    job::{Ask, Job},
    keys::Key,
    road::Roads,
    store::Kept,
};
use natter_domain::{Address, Decider, Timestamp};
use natter_streams::{Positions, feed::Feeds, id};
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};

/// A command that has no answer by then is `unavailable`.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// What came of a command, durable.
pub(crate) struct Outcome<D: Decider> {
    /// Of a look only: what the aggregate was at that moment.
    pub state: Option<Arc<D::State>>,
    /// The command's events with their times; of a repeat the first one. None where all was so already.
    pub events: Vec<(D::Event, Timestamp)>,
    pub positions: Positions,
    pub repeated: bool,
}

/// A queued command's answer to come.
pub struct Pending<T>(futures::future::BoxFuture<'static, Result<T, Error>>);

impl<T> Pending<T> {
    pub(crate) fn new(answer: impl Future<Output = Result<T, Error>> + Send + 'static) -> Self {
        Self(Box::pin(answer))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

#[derive(Clone)]
pub(crate) struct Dispatch {
    roads: Roads,
    feeds: Feeds,
}

impl Dispatch {
    pub fn new(roads: Roads, feeds: Feeds) -> Self {
        Self { roads, feeds }
    }

    /// Queues a command behind what was queued before it. A full lane refuses at once. `size`: bytes of what the command
    /// carries.
    ///
    /// A command without a key gets one of its own: on its way to another node it may have to be asked again.
    pub fn queue<D: Kept>(
        &self,
        address: Address,
        caller: Option<Caller>,
        key: Option<Key>,
        command: Option<D::Command>,
        size: usize,
    ) -> impl Future<Output = Result<Outcome<D>, Error>> + Send + use<D> {
        let deadline = Instant::now() + DEADLINE;
        let road = self.roads.of(address.route);
        let answer = road.admit(size).map(|permit| {
            let key = key.or_else(|| command.is_some().then(|| Key::fresh(id::new())));
            let ask = Ask { address, caller, key, command: command.map(Arc::new), deadline };
            let (job, answer) = Job::<D>::new(ask, permit);
            road.put(Box::new(job));
            answer
        });
        let feeds = self.feeds.clone();
        async move {
            let outcome = answered(answer.ok_or(Error::Unavailable)?, deadline).await?;
            // What was written elsewhere this process hears of by its answer first.
            feeds.note(&outcome.positions);
            Ok(outcome)
        }
    }

    pub async fn execute<D: Kept>(
        &self,
        address: Address,
        caller: Option<Caller>,
        key: Option<Key>,
        command: D::Command,
    ) -> Result<Outcome<D>, Error> {
        self.queue(address, caller, key, Some(command), SMALL).await
    }

    /// What was done under this key before, and nothing now: for whom the command cannot be made any more.
    pub async fn done<D: Kept>(
        &self,
        address: Address,
        caller: Caller,
        key: Option<Key>,
    ) -> Result<Option<Outcome<D>>, Error> {
        let Some(key) = key else { return Ok(None) };
        let outcome = self.queue::<D>(address, Some(caller), Some(key), None, 0).await?;
        Ok(outcome.repeated.then_some(outcome))
    }

    /// An aggregate's state, true at a moment after the call.
    pub async fn inspect<D: Kept>(&self, address: Address) -> Result<Arc<D::State>, Error> {
        Ok(self.queue::<D>(address, None, None, None, 0).await?.state.unwrap_or_default())
    }
}

/// Bytes of commands that carry no body.
const SMALL: usize = 1_024;

async fn answered<D: Decider>(
    answer: oneshot::Receiver<Result<Outcome<D>, Error>>,
    deadline: Instant,
) -> Result<Outcome<D>, Error> {
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err(Error::Unavailable),
    }
}
