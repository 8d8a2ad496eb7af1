//! Every metric of the read side.

use crate::Projection;
use metrics::{counter, gauge, histogram};
use natter_streams::Lane;
use std::time::Duration;

/// Events between the lane's head and the projection.
pub(crate) fn lag(projection: Projection, lane: Lane, events: u64) {
    gauge!("natter_projection_lag_events", "projection" => projection.as_str(), "lane" => lane.to_string())
        .set(events as f64);
}

pub(crate) fn applied(projection: Projection, events: usize, took: Duration) {
    counter!("natter_projection_events_total", "projection" => projection.as_str()).increment(events as u64);
    histogram!("natter_projection_batch_events", "projection" => projection.as_str()).record(events as f64);
    histogram!("natter_projection_batch_seconds", "projection" => projection.as_str()).record(took);
}

pub(crate) fn failed(projection: Projection, lane: Lane) {
    counter!("natter_projection_errors_total", "projection" => projection.as_str(), "lane" => lane.to_string())
        .increment(1);
}

/// 1 while the lane waits for somebody: an event that this binary does not know, a checkpoint of another log.
pub(crate) fn stuck(projection: Projection, lane: Lane, stuck: bool) {
    gauge!("natter_projection_stuck", "projection" => projection.as_str(), "lane" => lane.to_string())
        .set(f64::from(u8::from(stuck)));
}

/// Another process waits for a projector of this one.
pub(crate) fn hurried(projection: Projection) {
    counter!("natter_projection_hurried_total", "projection" => projection.as_str()).increment(1);
}

/// A projection of a lane runs here no more: who runs it now says how it does.
pub(crate) fn gone(projection: Projection, lane: Lane) {
    lag(projection, lane, 0);
    stuck(projection, lane, false);
    set_aside_now(projection, lane, 0);
}

/// `of_crowds`: how many of the frames had one copy, for every edge.
pub(crate) fn delivered(frames: usize, copies: usize, of_crowds: usize) {
    counter!("natter_delivery_frames_total").increment(frames as u64);
    counter!("natter_delivery_copies_total").increment(copies as u64);
    counter!("natter_delivery_crowd_frames_total").increment(of_crowds as u64);
}

/// Cards of accounts were read from PostgreSQL, because memory had none or an older one.
pub(crate) fn cards_read(cards: usize) {
    counter!("natter_account_card_reads_total").increment(cards as u64);
}

/// A page of messages was asked of the store.
pub(crate) fn page_read() {
    counter!("natter_history_page_reads_total").increment(1);
}

/// A page of messages was shown, from the store or from memory.
pub(crate) fn page_shown() {
    counter!("natter_history_pages_total").increment(1);
}

/// Events that could not be applied, and those behind them.
pub(crate) fn set_aside(projection: Projection, lane: Lane, events: usize) {
    counter!("natter_projection_set_aside_total", "projection" => projection.as_str(), "lane" => lane.to_string())
        .increment(events as u64);
}

/// Events that wait now because they, or those before them, could not be applied.
pub(crate) fn set_aside_now(projection: Projection, lane: Lane, events: u64) {
    gauge!("natter_projection_set_aside", "projection" => projection.as_str(), "lane" => lane.to_string())
        .set(events as f64);
}
