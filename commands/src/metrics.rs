//! Every metric of the write side.

use metrics::{counter, gauge, histogram};
use natter_domain::Noun;
use natter_streams::Lane;

/// A command waited longer than its caller.
pub(crate) fn expired() {
    counter!("natter_commands_expired_total").increment(1);
}

/// An order of Natter's own, to another noun, came back `accepted`, `refused` or `unanswered`.
pub(crate) fn ordered(by: &'static str, outcome: &'static str) {
    counter!("natter_commands_orders_total", "by" => by, "outcome" => outcome).increment(1);
}

/// Events between the lane's head and what a process or the timers have done.
pub(crate) fn lag(by: &'static str, lane: Lane, events: u64) {
    gauge!("natter_commands_reaction_lag_events", "by" => by, "lane" => lane.to_string()).set(events as f64);
}

/// 1 while a process or the timers wait for somebody on a lane: an event that this binary does not know, a checkpoint of
/// another log, a broken chain.
pub(crate) fn stuck(by: &'static str, lane: Lane, stuck: bool) {
    gauge!("natter_commands_reaction_stuck", "by" => by, "lane" => lane.to_string()).set(f64::from(u8::from(stuck)));
}

/// A lane, or the process, had no room for a command.
pub(crate) fn shed(lane: Lane) {
    counter!("natter_commands_shed_total", "lane" => lane.to_string()).increment(1);
}

/// Another node asked for a lane that is not here.
pub(crate) fn moved(lane: Lane) {
    counter!("natter_commands_moved_total", "lane" => lane.to_string()).increment(1);
}

/// Another node refused because the lane is not there; it is asked of the next one.
pub(crate) fn retried(lane: Lane) {
    counter!("natter_commands_retried_total", "lane" => lane.to_string()).increment(1);
}

/// Commands that a lane's worker had when it ended, which wait for the next owner.
pub(crate) fn given_back(lane: Lane, count: usize) {
    counter!("natter_commands_given_back_total", "lane" => lane.to_string()).increment(count as u64);
}

/// Commands of a lane without an answer.
pub(crate) fn queued(lane: Lane, count: usize) {
    gauge!("natter_commands_queued", "lane" => lane.to_string()).set(count as f64);
}

/// The domain said no.
pub(crate) fn refused(code: &'static str) {
    counter!("natter_commands_refused_total", "code" => code).increment(1);
}

/// Keys looked up in one query.
pub(crate) fn looked_up(keys: usize) {
    counter!("natter_commands_key_lookups_total").increment(1);
    counter!("natter_commands_keys_looked_up_total").increment(keys as u64);
}

/// An aggregate was loaded, and so many of its events were read for it.
pub(crate) fn loaded(noun: Noun, read: u64) {
    histogram!("natter_commands_load_events", "noun" => noun.as_str()).record(read as f64);
}

/// A snapshot was stored.
pub(crate) fn snapshot_made(noun: Noun) {
    counter!("natter_commands_snapshots_made_total", "noun" => noun.as_str()).increment(1);
}

/// A snapshot was there and could not be used: the aggregate was replayed from its first event.
pub(crate) fn snapshot_ignored(noun: Noun, why: &'static str) {
    counter!("natter_commands_snapshots_ignored_total", "noun" => noun.as_str(), "why" => why).increment(1);
}

/// A try of a password was told to wait.
pub(crate) fn login_delayed() {
    counter!("natter_commands_logins_delayed_total").increment(1);
}
