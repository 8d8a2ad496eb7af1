//! What publishing costs at least, for benchmarks: prepared events, pipelined to streams of their own with the same
//! headers and the same expected sequences, and nothing else done.

use crate::{Error, Record, bus::Bus, publisher::Publisher, subject};
use async_nats::jetstream::stream::Config;
use std::sync::Arc;

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
    let mut publisher = Publisher::start(bus).await?;
    for record in records {
        if publisher.waiting() == WINDOW {
            publisher.acknowledged().await?;
        }
        publisher.publish(subject::probe_event(record), record).await?;
    }
    while publisher.waiting() > 0 {
        publisher.acknowledged().await?;
    }
    bus.publishing()
        .delete_stream(subject::probe_stream(first.lane))
        .await
        .map_err(Error::bus("delete a probe's stream"))?;
    Ok(())
}
