//! What an edge asks of delivery: who delivers, and which of the people who are connected to it are in a crowd.

use crate::{Error, Projection, Shared, WAIT_BOUND, conversation::stays, gate::Interval};
use natter_domain::{AccountId, ConversationId};
use natter_streams::{lease, position::Place};
use std::collections::BTreeSet;
use tokio::time::timeout;
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

impl Query<'_> {
    /// The starts of the nodes that deliver now, on any lane.
    pub async fn nodes(&self) -> Result<BTreeSet<Uuid>, Error> {
        let nodes = lease::runners(&self.0.control, Projection::Delivery.as_str()).await?;
        Ok(nodes.into_iter().map(|node| node.start).collect())
    }

    /// Their stays in a conversation, as of this place in its lane or later. Waits, for ever if need be, until relations is
    /// there. `None`: the log went back since, and such a place may never be; or who is in is not known, since relations has
    /// set something aside.
    pub async fn stays_in(
        &self,
        conversation: ConversationId,
        at: Place,
        accounts: &[AccountId],
    ) -> Result<Option<Vec<(AccountId, Interval)>>, Error> {
        let lane = self.0.feeds.lanes().of(conversation.0);
        while timeout(WAIT_BOUND, self.0.progress.passed(Projection::Relations, lane, at)).await.is_err() {
            if self.0.feeds.lane(lane).head().place().incarnation != at.incarnation {
                return Ok(None);
            }
        }
        stays::stays_in(&self.0.live.home(Projection::Relations), conversation, accounts).await
    }

    /// All stays of somebody. To be asked for after a wait.
    pub async fn stays_of(&self, account: AccountId) -> Result<Vec<(ConversationId, Interval)>, Error> {
        stays::stays_of(&self.0.live.home(Projection::Relations), account).await
    }
}
