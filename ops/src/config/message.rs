//! What the installation allows to be done to messages.

use anyhow::{Result, bail};
use clap::Args;
use natter_commands::Windows;
use std::time::Duration;

/// Seconds of a year.
const MOST: u64 = 365 * 24 * 60 * 60;

#[derive(Args, Clone, Debug)]
pub struct MessageArgs {
    /// Seconds after sending in which a message is recalled by its sender; 0: never, up to 31536000.
    #[arg(long, env = "NATTER_RECALL_WINDOW", default_value = "120", value_parser = seconds)]
    pub recall_window: Duration,
    /// Seconds after sending in which a text is edited; 0: never, up to 31536000.
    #[arg(long, env = "NATTER_EDIT_WINDOW", default_value = "900", value_parser = seconds)]
    pub edit_window: Duration,
}

impl Default for MessageArgs {
    fn default() -> Self {
        let Windows { edit, recall } = Windows::default();
        Self { recall_window: recall, edit_window: edit }
    }
}

impl MessageArgs {
    pub fn windows(&self) -> Windows {
        Windows { edit: self.edit_window, recall: self.recall_window }
    }
}

fn seconds(text: &str) -> Result<Duration> {
    match text.parse() {
        Ok(seconds @ 0..=MOST) => Ok(Duration::from_secs(seconds)),
        _ => bail!("0 to {MOST}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_seconds_up_to_a_year() {
        assert_eq!(seconds("0").unwrap(), Duration::ZERO);
        assert_eq!(seconds("31536000").unwrap(), Duration::from_secs(MOST));
        for bad in ["", "-1", "31536001", "1m", "1.5"] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
    }
}
