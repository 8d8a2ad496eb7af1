//! The echo of marks. An edge that has just subscribed for a person asks for its mark on that person's subject: when
//! it comes, the edge's interest is known where frames come from, over the connection they come by, and what the edge
//! reads after that leaves no hole before the first frame.
//!
//! Every node that runs delivery echoes every mark and says who it is: behind a cluster of NATS servers each may be
//! connected to another one, so the echo of one proves nothing of the others.

use super::{DELIVERER, MARK};
use crate::Error;
use bytes::Bytes;
use futures::StreamExt;
use natter_domain::AccountId;
use natter_streams::{
    bus::{Bus, HeaderMap},
    subject,
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(bus: Bus, start: Uuid, stop: CancellationToken) {
    loop {
        let ended = tokio::select! {
            ended = echo(&bus, start) => ended,
            () = stop.cancelled() => return,
        };
        tracing::warn!(error = ?ended.err(), "marks: subscribing anew");
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Until the subscription ends. The client itself renews it after a reconnect.
async fn echo(bus: &Bus, start: Uuid) -> Result<(), Error> {
    let client = bus.live();
    let mut marks = client.subscribe(subject::MARK).await.map_err(Error::bus("subscribe to marks"))?;
    while let Some(asked) = marks.next().await {
        let token = asked.headers.as_ref().and_then(|headers| headers.get(MARK));
        let (Some(token), Some(account)) = (token, account(&asked.payload)) else {
            tracing::warn!("marks: one that names no account or no token");
            continue;
        };
        let mut headers = HeaderMap::new();
        headers.insert(MARK, token.clone());
        headers.insert(DELIVERER, start.to_string());
        let echoed = client.publish_with_headers(subject::user(account), headers, Bytes::new());
        echoed.await.map_err(Error::bus("echo a mark"))?;
    }
    Ok(())
}

fn account(payload: &[u8]) -> Option<AccountId> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}
