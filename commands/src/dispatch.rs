//! The way in: a command goes to the worker of its aggregate's lane, and its answer comes back.

use crate::{
    Caller,
    error::Error,
    job::{Job, Work},
    keys::Key,
    metrics,
    store::Kept,
};
use natter_domain::{Address, Decider, Timestamp};
use natter_streams::{Lanes, Positions};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// A command that has no answer by then is `unavailable`.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// What came of a command, durable.
pub(crate) struct Outcome<D: Decider> {
    /// As of the decision. After a repeat: as of now.
    pub state: Arc<D::State>,
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
    lanes: Lanes,
    doors: Arc<[mpsc::Sender<Box<dyn Work>>]>,
}

impl Dispatch {
    pub fn new(lanes: Lanes, doors: Vec<mpsc::Sender<Box<dyn Work>>>) -> Self {
        Self { lanes, doors: doors.into() }
    }

    /// Queues a command behind what was queued before it. A full lane refuses at once.
    pub fn queue<D: Kept>(
        &self,
        address: Address,
        caller: Option<Caller>,
        key: Option<Key>,
        command: Option<D::Command>,
    ) -> impl Future<Output = Result<Outcome<D>, Error>> + Send + use<D> {
        let deadline = Instant::now() + DEADLINE;
        let (job, answer) = Job::<D>::new(address, caller, key, command, deadline);
        let sent = self.doors[self.lanes.of(address.route).index()].try_send(Box::new(job));
        async move {
            if sent.is_err() {
                metrics::shed();
                return Err(Error::Unavailable);
            }
            answered(answer, deadline).await
        }
    }

    pub async fn execute<D: Kept>(
        &self,
        address: Address,
        caller: Option<Caller>,
        key: Option<Key>,
        command: D::Command,
    ) -> Result<Outcome<D>, Error> {
        self.queue(address, caller, key, Some(command)).await
    }

    /// An aggregate's state, true at a moment after the call.
    pub async fn inspect<D: Kept>(&self, address: Address) -> Result<Arc<D::State>, Error> {
        Ok(self.queue::<D>(address, None, None, None).await?.state)
    }
}

async fn answered<D: Decider>(
    answer: oneshot::Receiver<Result<Outcome<D>, Error>>,
    deadline: Instant,
) -> Result<Outcome<D>, Error> {
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err(Error::Unavailable),
    }
}
