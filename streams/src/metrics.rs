//! Every metric of the log.

use crate::Lane;
use metrics::{Gauge, counter, gauge, histogram};
use std::time::Duration;

/// One commit, of one lane's events or of several lanes'.
pub(crate) fn committed(events: usize, took: Duration) {
    counter!("natter_log_events_total").increment(events as u64);
    counter!("natter_log_commits_total").increment(1);
    histogram!("natter_log_events_per_commit").record(events as f64);
    histogram!("natter_log_commit_seconds").record(took);
}

/// What a lane had in one commit, answers without events among it.
pub(crate) fn batch(jobs: usize) {
    histogram!("natter_log_jobs_per_batch").record(jobs as f64);
}

pub(crate) fn generation_ended(lane: Lane) {
    counter!("natter_log_generations_ended_total", "lane" => lane.to_string()).increment(1);
}

pub(crate) fn fenced(lane: Lane) {
    counter!("natter_log_fenced_total", "lane" => lane.to_string()).increment(1);
}

pub(crate) fn restored(lane: Lane) {
    counter!("natter_log_restored_total", "lane" => lane.to_string()).increment(1);
}

/// While this lives, the lane is held and not served, because the log has lost what was durable.
#[must_use]
pub struct Refused(Gauge);

impl Refused {
    pub fn of(lane: Lane) -> Self {
        let gauge = gauge!("natter_log_refused", "lane" => lane.to_string());
        gauge.set(1.0);
        Self(gauge)
    }
}

impl Drop for Refused {
    /// Whoever has the lane now says how it does.
    fn drop(&mut self) {
        self.0.set(0.0);
    }
}

/// Looked up once: they are set for each window of acknowledgements.
pub(crate) struct Relayed {
    pub position: Gauge,
    /// Events of the log that the stream is not known to hold.
    pub lag: Gauge,
}

impl Relayed {
    pub fn of(lane: Lane) -> Self {
        let lane = lane.to_string();
        Self {
            position: gauge!("natter_relay_position", "lane" => lane.clone()),
            lag: gauge!("natter_relay_lag_events", "lane" => lane),
        }
    }
}

pub(crate) fn window_lost(lane: Lane) {
    counter!("natter_relay_windows_lost_total", "lane" => lane.to_string()).increment(1);
}

pub(crate) fn stream_refilled(lane: Lane) {
    counter!("natter_relay_streams_refilled_total", "lane" => lane.to_string()).increment(1);
}

/// `change`: taken, given_up, lost, ended (its work came back by itself), released.
pub(crate) fn lease_changed(share: &'static str, change: &'static str) {
    counter!("natter_lease_changes_total", "share" => share, "change" => change).increment(1);
}

pub(crate) fn leases_held(share: &'static str, lanes: usize) {
    gauge!("natter_lease_lanes_held", "share" => share).set(lanes as f64);
}

/// One query for sealing keys that were not in memory.
pub(crate) fn keys_asked(count: usize) {
    counter!("natter_sealing_queries_total").increment(1);
    counter!("natter_sealing_keys_asked_total").increment(count as u64);
}

pub(crate) fn keys_made(count: u64) {
    counter!("natter_sealing_keys_made_total").increment(count);
}

/// A value that nobody has erased does not open.
pub(crate) fn unopened(why: &'static str) {
    counter!("natter_sealing_unopened_total", "why" => why).increment(1);
}
