//! Every metric of the doors, and the recorder that `/metrics` shows.

use axum::http::{Method, StatusCode};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{sync::OnceLock, time::Duration};
use tokio::runtime::Handle;

/// Seconds, from a cached answer to one that came just before its deadline.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The process' one recorder. Called early by the process itself, so that nothing goes uncounted; here at the latest.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .expect("there are buckets")
            .build_recorder();
        let handle = recorder.handle();
        // Where somebody else has installed one, theirs counts and ours stays empty.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}

/// The route is the pattern, never the path: paths hold ids.
pub fn answered(method: &Method, route: Option<String>, status: StatusCode, took: Duration) {
    let route = route.unwrap_or_else(|| "none".to_owned());
    let method = if is_usual(method) { method.as_str().to_owned() } else { "other".to_owned() };
    let labels = [("method", method.clone()), ("route", route.clone()), ("status", status.as_u16().to_string())];
    counter!("natter_edge_requests_total", &labels).increment(1);
    histogram!("natter_edge_request_seconds", "method" => method, "route" => route).record(took);
}

fn is_usual(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        .contains(method)
}

/// A connection, for as long as it is open.
pub struct Connection(());

impl Connection {
    pub fn opened() -> Self {
        gauge!("natter_edge_connections").increment(1.0);
        Self(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        gauge!("natter_edge_connections").decrement(1.0);
    }
}

/// All of it as Prometheus reads it, with what is only counted when somebody asks: the tasks of the whole process.
pub fn rendered() -> String {
    gauge!("natter_edge_tasks").set(Handle::current().metrics().num_alive_tasks() as f64);
    recorder().render()
}

pub fn socket_opened() {
    gauge!("natter_edge_sockets").increment(1.0);
}

/// `code`: the close code that we sent; 1000 where the client left.
pub fn socket_closed(code: u16) {
    gauge!("natter_edge_sockets").decrement(1.0);
    counter!("natter_edge_sockets_closed_total", "code" => code.to_string()).increment(1);
}

pub fn frame(op: &'static str) {
    counter!("natter_edge_frames_total", "op" => op).increment(1);
}

pub fn pushes_sent(count: u64) {
    counter!("natter_edge_pushes_total", "outcome" => "sent").increment(count);
}

pub fn pushes_dropped(count: u64) {
    counter!("natter_edge_pushes_total", "outcome" => "dropped").increment(count);
}

pub fn resync(reason: &'static str) {
    counter!("natter_edge_resyncs_total", "reason" => reason).increment(1);
}

/// Frames of crowds that came here.
pub fn crowd_frames(count: u64) {
    counter!("natter_edge_crowd_frames_total").increment(count);
}

/// Frames of crowds that people here were handed.
pub fn crowd_copies(count: u64) {
    counter!("natter_edge_crowd_copies_total").increment(count);
}

/// Relations was asked who of a crowd is here.
pub fn crowd_asked() {
    counter!("natter_edge_crowd_lookups_total").increment(1);
}

/// Crowds that were heard of here.
pub fn crowds(count: usize) {
    gauge!("natter_edge_crowds").set(count as f64);
}

/// People here, other edges that are heard, and accounts that connections here watch.
pub fn presence(people: usize, edges: usize, watches: usize) {
    gauge!("natter_edge_presence_people").set(people as f64);
    gauge!("natter_edge_presence_edges").set(edges as f64);
    gauge!("natter_edge_presence_watches").set(watches as f64);
}

/// Whole lists of other edges that were asked for.
pub fn presence_asked(count: u64) {
    counter!("natter_edge_presence_lists_asked_total").increment(count);
}

/// Changes that watchers here were told.
pub fn presence_pushed(count: u64) {
    counter!("natter_edge_presence_pushes_total").increment(count);
}

/// Frames that say that somebody types. `outcome`: what became of one.
pub fn typing(outcome: &'static str) {
    counter!("natter_edge_typing_total", "outcome" => outcome).increment(1);
}

pub fn people(count: usize) {
    gauge!("natter_edge_people").set(count as f64);
}

/// `limit`: its name in the table.
pub fn refused(limit: &'static str) {
    counter!("natter_door_refused_total", "limit" => limit).increment(1);
}

pub fn denied() {
    counter!("natter_door_denied_total").increment(1);
}

/// Refused since there are as many of them as there may be.
pub fn shed(what: &'static str) {
    counter!("natter_door_shed_total", "what" => what).increment(1);
}

/// Given up on since the client took too long for it.
pub fn slow(what: &'static str) {
    counter!("natter_door_slow_total", "what" => what).increment(1);
}

pub fn requests_under_way(count: usize) {
    gauge!("natter_door_requests").set(count as f64);
}

pub fn buckets(count: usize) {
    gauge!("natter_door_buckets").set(count as f64);
}

/// The bus did not say what the other nodes have counted.
pub fn counted_alone() {
    counter!("natter_door_counted_alone_total").increment(1);
}

pub fn certificate_read(usable: bool) {
    let outcome = if usable { "taken" } else { "refused" };
    counter!("natter_door_certificates_total", "outcome" => outcome).increment(1);
}

/// `call`: what of it was asked; `outcome`: what became of it.
pub fn provider_asked(provider: &str, call: &'static str, outcome: &'static str) {
    let labels = [("provider", provider.to_owned()), ("call", call.to_owned()), ("outcome", outcome.to_owned())];
    counter!("natter_oidc_asked_total", &labels).increment(1);
}

pub fn provider_breaker(provider: &str, is_open: bool) {
    gauge!("natter_oidc_breaker_open", "provider" => provider.to_owned()).set(f64::from(u8::from(is_open)));
}

/// `why`: what of it is wrong.
pub fn id_token_refused(provider: &str, why: &'static str) {
    counter!("natter_oidc_tokens_refused_total", "provider" => provider.to_owned(), "why" => why).increment(1);
}

pub fn signed_in_elsewhere(provider: &str, is_new: bool) {
    let account = if is_new { "new" } else { "known" };
    counter!("natter_oidc_sign_ins_total", "provider" => provider.to_owned(), "account" => account).increment(1);
}

/// `outcome`: what the rules say of a text.
pub fn content_looked(outcome: &'static str) {
    counter!("natter_content_looked_total", "outcome" => outcome).increment(1);
}

pub fn content_matched(rule: &str) {
    counter!("natter_content_matched_total", "rule" => rule.to_owned()).increment(1);
}

/// Those that hold now.
pub fn rules(rules: usize, words: usize, patterns: usize) {
    for (what, count) in [("rules", rules), ("words", words), ("patterns", patterns)] {
        gauge!("natter_content_rules", "what" => what).set(count as f64);
    }
}

pub fn rules_read(usable: bool) {
    let outcome = if usable { "taken" } else { "refused" };
    counter!("natter_content_rules_read_total", "outcome" => outcome).increment(1);
    gauge!("natter_content_rules_stale").set(f64::from(u8::from(!usable)));
}

/// `outcome`: what the hook made of a text.
pub fn hook_said(outcome: &'static str) {
    counter!("natter_content_hook_total", "outcome" => outcome).increment(1);
}

/// `who`: which server that the operator has named.
pub fn outside_asked(who: &'static str, outcome: &'static str) {
    counter!("natter_outside_asked_total", "who" => who, "outcome" => outcome).increment(1);
}

pub fn outside_took(who: &'static str, took: Duration) {
    histogram!("natter_outside_seconds", "who" => who).record(took);
}

/// `outcome`: what became of looking at a page.
pub fn preview(outcome: &'static str) {
    counter!("natter_preview_fetched_total", "outcome" => outcome).increment(1);
}
