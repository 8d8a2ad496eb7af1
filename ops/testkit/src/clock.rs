//! The clock of nodes under test: what time they think it is (`NATTER_CLOCK`).

use crate::{node::Options, stack::Stack};
use std::path::PathBuf;

pub struct Clock(PathBuf);

impl Clock {
    /// Of a stack's nodes that are started with [`Self::options`].
    pub fn of(stack: &Stack) -> Self {
        Self(stack.dir().join("clock"))
    }

    pub fn options(&self) -> Options {
        let more = vec![("NATTER_CLOCK", self.0.display().to_string())];
        Options { more, ..Options::default() }
    }

    /// At once.
    pub fn ahead_by(&self, seconds: u64) {
        self.set(&seconds.to_string());
    }

    pub fn behind_by(&self, seconds: u64) {
        self.set(&format!("-{seconds}"));
    }

    fn set(&self, seconds: &str) {
        let whole = self.0.with_extension("new");
        std::fs::write(&whole, seconds).expect("write the clock");
        std::fs::rename(whole, &self.0).expect("set the clock");
    }
}

/// So many seconds from now, by the clock of the machine, as clients write it.
pub fn in_seconds(seconds: u64) -> String {
    let now = natter_streams::clock::now();
    (now + std::time::Duration::from_secs(seconds)).to_string()
}
