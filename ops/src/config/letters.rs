//! Where mails and text messages go.

use anyhow::{Context, Result};
use clap::Args;
use natter_outbox::{Senders, Settings};
use std::path::PathBuf;

/// Asked of a process with the role `projections`, which sends.
#[derive(Args, Clone, Debug, Default)]
pub struct LetterArgs {
    /// The mail server: `smtp://user:password@host:587?tls=required` (STARTTLS) or `smtps://...`.
    #[arg(long, env = "NATTER_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// Who mails are from: an address, or `Name <address>`.
    #[arg(long, env = "NATTER_SMTP_FROM")]
    pub smtp_from: Option<String>,
    /// The gateway for text messages: gets a POST with `{"to", "text"}` for each.
    #[arg(long, env = "NATTER_SMS_URL", hide_env_values = true)]
    pub sms_url: Option<String>,
    /// A directory where each mail and text message that has no server becomes a JSON file.
    #[arg(long, env = "NATTER_OUTBOX_DIR")]
    pub outbox_dir: Option<PathBuf>,
}

impl LetterArgs {
    pub fn senders(&self) -> Result<Senders> {
        // An empty variable is what scripts and compose files make of one that is not set.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let settings = Settings {
            smtp_url: given(&self.smtp_url),
            smtp_from: given(&self.smtp_from),
            sms_url: given(&self.sms_url),
            dir: self.outbox_dir.clone().filter(|dir| !dir.as_os_str().is_empty()),
        };
        Senders::open(&settings).context("open the way for mails and text messages")
    }
}
