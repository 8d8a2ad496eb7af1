//! Every metric of the outbox.

use crate::letter::Channel;
use metrics::{counter, gauge};

pub(crate) fn sent(channel: Channel) {
    counter!("natter_outbox_sent_total", "channel" => channel.as_str()).increment(1);
}

pub(crate) fn failed(channel: Channel, why: &'static str) {
    counter!("natter_outbox_failed_total", "channel" => channel.as_str(), "why" => why).increment(1);
}

pub(crate) fn dead(channel: &'static str) {
    counter!("natter_outbox_dead_total", "channel" => channel).increment(1);
}

pub(crate) fn waiting(letters: i64, oldest_seconds: f64) {
    gauge!("natter_outbox_waiting").set(letters as f64);
    gauge!("natter_outbox_oldest_seconds").set(oldest_seconds);
}

pub(crate) fn breaker(channel: Channel, is_open: bool) {
    gauge!("natter_outbox_breaker_open", "channel" => channel.as_str()).set(f64::from(u8::from(is_open)));
}
