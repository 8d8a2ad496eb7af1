//! What publishing costs at least, for benchmarks: prepared events, pipelined to streams of their own with the same
//! headers and the same expected sequences, and nothing else done.

use crate::{Error, Record, bus::Bus, stream, subject};
use async_nats::jetstream::stream::Config;
use futures::{StreamExt, stream::FuturesOrdered};
use std::{future::IntoFuture, sync::Arc};

const WINDOW: usize = 1_000;

/// Publishes one lane's events, from its first on, into an empty stream made for it.
pub async fn publish(bus: &Bus, records: &[Arc<Record>]) -> Result<(), Error> {
    let Some(first) = records.first() else { return Ok(()) };
    let config = Config {
        name: subject::probe_stream(first.lane),
        subjects: vec![subject::probe_events(first.lane)],
        ..Default::default()
    };
    bus.publishing().create_stream(config).await.map_err(Error::bus("create a probe's stream"))?;
    let mut window = FuturesOrdered::new();
    for record in records {
        if window.len() == WINDOW {
            window.next().await.transpose().map_err(Error::bus("publish a probe"))?;
        }
        let message = stream::encode(record);
        let sent = bus.publishing().send_publish(subject::probe_event(record), message).await;
        window.push_back(sent.map_err(Error::bus("publish a probe"))?.into_future());
    }
    while let Some(acknowledged) = window.next().await {
        acknowledged.map_err(Error::bus("publish a probe"))?;
    }
    bus.publishing()
        .delete_stream(subject::probe_stream(first.lane))
        .await
        .map_err(Error::bus("delete a probe's stream"))?;
    Ok(())
}
