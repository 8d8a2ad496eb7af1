//! Logs: lines on standard error, as JSON with `NATTER_LOG_FORMAT=json`. What is logged is chosen by `NATTER_LOG` in
//! the syntax of `tracing_subscriber::EnvFilter`. They carry ids, never secrets or what people wrote.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

const USUAL: &str = "info,async_nats=warn,sqlx=warn";

pub fn start() {
    let filter = EnvFilter::try_from_env("NATTER_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::env::var("NATTER_LOG_FORMAT").is_ok_and(|format| format == "json") {
        lines.json().init();
    } else {
        lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).compact().init();
    }
}
