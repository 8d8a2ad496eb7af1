//! What operators ask of a projection: written down before it is done.

use crate::{dispatch::Dispatch, error::Error, open_roads};
use natter_domain::{
    EventId,
    projection::{self, Command, Projection},
};
use natter_streams::{feed::Feeds, id, lease};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// The use cases of projections. Whoever calls them is trusted: no route leads here.
pub struct Projections(pub(crate) Dispatch);

impl Projections {
    /// For a process that does nothing else: it reaches the lanes' owners until `stop`.
    pub fn reach(context: &lease::Context, feeds: Feeds, stop: &CancellationToken) -> (Self, TaskTracker) {
        let tasks = TaskTracker::new();
        let roads = open_roads(context, &tasks, stop);
        tasks.close();
        (Self(Dispatch::new(roads, feeds)), tasks)
    }

    /// `name`: the projection's.
    pub async fn retry(&self, name: &str, aggregate_id: Option<Uuid>, by: &str) -> Result<(), Error> {
        let (projection, by) = (name.to_owned(), by.to_owned());
        self.ask(name, Command::Retry { request_id: id::new(), projection, aggregate_id, by }).await
    }

    pub async fn skip(&self, name: &str, aggregate_id: Uuid, events: Vec<EventId>, by: &str) -> Result<(), Error> {
        let (projection, by) = (name.to_owned(), by.to_owned());
        let command = Command::Skip { request_id: id::new(), projection, aggregate_id, event_ids: events, by };
        self.ask(name, command).await
    }

    async fn ask(&self, name: &str, command: Command) -> Result<(), Error> {
        let address = projection::address(name);
        self.0.execute::<Projection>(address, None, None, command).await.map(drop)
    }
}
