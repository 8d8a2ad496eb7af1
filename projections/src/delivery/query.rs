//! What an edge asks of delivery.

use crate::{Error, Projection, Shared};
use natter_streams::lease;
use std::collections::BTreeSet;
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

impl Query<'_> {
    /// The starts of the nodes that deliver now, on any lane.
    pub async fn nodes(&self) -> Result<BTreeSet<Uuid>, Error> {
        let nodes = lease::runners(&self.0.control, Projection::Delivery.as_str()).await?;
        Ok(nodes.into_iter().map(|node| node.start).collect())
    }
}
