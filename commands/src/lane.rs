//! A lane in this process' hands: opened with the head that the log has, served by its worker, its stream filled by the
//! relay, and let go again.

use crate::{
    road::Roads,
    worker::{End, Worker},
};
use natter_streams::{
    Head, Log, Node,
    bus::Bus,
    committer::Committer,
    feed::Feeds,
    lease::{Directory, Lease},
    log::Ownership,
    relay,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_millis(100);

/// What every lane of this process is served with.
#[derive(Clone)]
pub(crate) struct Owner {
    pub log: Log,
    pub bus: Bus,
    pub node: Node,
    pub directory: Directory,
    pub feeds: Feeds,
    pub roads: Roads,
    pub relays: bool,
}

impl Owner {
    /// Until the lease ends, one way or the other.
    pub async fn serve(self, lease: Lease) {
        let (lane, ownership) =
            (lease.lane(), Ownership { lane: lease.lane(), epoch: lease.epoch(), incarnation: lease.incarnation() });
        let Some(head) = self.head(&lease).await else { return };
        let owner: Arc<str> = self.node.to_string().into();
        let committer = Committer::resume(self.log.clone(), owner, ownership, head);
        tracing::info!(%lane, epoch = ownership.epoch, position = head.link.position, "serving the lane");

        let relaying = CancellationToken::new();
        let _ends_with_us = relaying.clone().drop_guard();
        let (log, bus, feeds) = (self.log.clone(), self.bus.clone(), self.feeds.clone());
        self.feeds.lane(lane).open(head.link);
        if self.relays {
            tokio::spawn(relay::run(log, bus, feeds, lane, relaying));
        }

        let (door, mut inbox) = mpsc::unbounded_channel();
        self.roads.lane(lane).open(door);
        let worker = Worker::new(self.log.clone(), committer, self.feeds.clone(), lease);
        let (end, held) = worker.run(&mut inbox).await;
        self.feeds.lane(lane).close();
        match end {
            End::GivenUp => tracing::info!(%lane, undone = held.len(), "handing the lane over"),
            End::Lost | End::Fenced => {
                tracing::error!(%lane, ?end, undone = held.len(), "the lane is lost: its states are dropped, nothing more is answered here");
                self.directory.refresh();
            }
        }
        let owner = self.directory.owner(lane).filter(|owner| *owner != self.node);
        self.roads.lane(lane).close(held, &mut inbox, owner.as_ref());
    }

    /// Read by a statement after the takeover: what was appended before is in it, nothing comes behind.
    async fn head(&self, lease: &Lease) -> Option<Head> {
        let read = async {
            loop {
                match self.log.head(lease.lane(), lease.incarnation()).await {
                    Ok(head) => return head,
                    Err(error) => tracing::warn!(lane = %lease.lane(), %error, "read the head: trying again"),
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            head = read => Some(head),
            () = lease.lost() => None,
            () = lease.given_up() => None,
        }
    }
}
