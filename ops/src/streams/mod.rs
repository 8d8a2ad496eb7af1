//! `natter streams`: the log, for those who check it and those who follow it.

mod check;
mod follow;
mod repair;
mod verify;

use crate::config::{History, HistoryArgs};
use anyhow::Result;
use clap::{Args, Subcommand};
use natter_streams::{Log, Placement, bus::Bus};
use repair::Way;
use std::process::ExitCode;

#[derive(Args, Clone, Debug)]
pub struct StreamsArgs {
    #[command(subcommand)]
    command: StreamsCommand,
}

#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
#[derive(Subcommand, Clone, Debug)]
enum StreamsCommand {
    /// Recompute the hash chain of every lane, and compare the log with its streams where NATS is named
    Verify {
        #[command(flatten)]
        stores: Stores,
        #[arg(long, env = "NATTER_NATS_URL", hide_env_values = true)]
        nats_url: Option<String>,
    },
    /// Say of every lane whether PostgreSQL, its stream and all readers agree, what it means where they do not, and what
    /// mends it. Ends with 0 only where all is well
    Check {
        #[command(flatten)]
        stores: Stores,
        #[arg(long, env = "NATTER_NATS_URL", hide_env_values = true)]
        nats_url: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Mend lanes whose log has lost what their streams still hold. Without a flag that says how, only explains
    Repair {
        #[command(flatten)]
        stores: Stores,
        #[arg(long, env = "NATTER_NATS_URL", hide_env_values = true)]
        nats_url: String,
        // Views are built again after a declared loss.
        #[command(flatten)]
        history: HistoryArgs,
        /// Two hexadecimal digits, or `all`
        #[arg(long)]
        lane: String,
        /// Take the missing events from the stream
        #[arg(long, conflicts_with = "declare_loss")]
        import: bool,
        /// Go on without them, under a new incarnation
        #[arg(long)]
        declare_loss: bool,
        /// Declare it also where the stream says nothing of a loss, because it has lost the same events
        #[arg(long, requires = "declare_loss")]
        even_if_well: bool,
    },
    /// Print events as their streams carry them, each verified, until interrupted
    Follow {
        #[command(flatten)]
        stores: Stores,
        #[arg(long, env = "NATTER_NATS_URL", hide_env_values = true)]
        nats_url: String,
        /// From the first event on, not from now
        #[arg(long)]
        all: bool,
    },
}

/// The servers that hold the log.
#[derive(Args, Clone, Debug)]
pub struct Stores {
    #[arg(long, env = "NATTER_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// As `natter serve` is told
    #[arg(long, env = "NATTER_LANE_STORES", default_value = "", hide_env_values = true)]
    lane_stores: String,
}

impl Stores {
    pub async fn open(&self) -> Result<Log> {
        Ok(Log::open(&Placement::parse(&self.database_url, &self.lane_stores)?, None).await?)
    }

    /// Where the views of the log are.
    pub fn read_side(&self, history: &HistoryArgs) -> Result<natter_projections::Settings> {
        let History { store, cluster } = history.history()?;
        Ok(natter_projections::Settings { database_url: self.database_url.clone(), history: store, cluster })
    }
}

pub async fn streams(args: StreamsArgs) -> Result<ExitCode> {
    match args.command {
        StreamsCommand::Verify { stores, nats_url } => {
            let log = stores.open().await?;
            let bus = match nats_url {
                Some(url) => Some(Bus::connect(&url).await?),
                None => None,
            };
            verify::verify(&log, bus.as_ref()).await
        }
        StreamsCommand::Check { stores, nats_url, json } => {
            let (log, bus) = (stores.open().await?, Bus::connect(&nats_url).await?);
            check::check(&log, &bus, json).await
        }
        StreamsCommand::Repair { stores, nats_url, history, lane, import, declare_loss, even_if_well } => {
            let (log, bus) = (stores.open().await?, Bus::connect(&nats_url).await?);
            let way = import.then_some(Way::Import).or(declare_loss.then_some(Way::DeclareLoss { even_if_well }));
            let settings = stores.read_side(&history)?;
            repair::repair(&log, &bus, &settings, &repair::chosen(&log, &lane)?, way).await
        }
        StreamsCommand::Follow { stores, nats_url, all } => {
            let (log, bus) = (stores.open().await?, Bus::connect(&nats_url).await?);
            follow::follow(&log, &bus, all).await
        }
    }
}
