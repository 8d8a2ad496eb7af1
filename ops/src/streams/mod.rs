//! `natter streams`: the log, for those who check it and those who follow it.

mod follow;
mod verify;

use anyhow::Result;
use clap::{Args, Subcommand};
use natter_streams::{Log, Placement, bus::Bus};
use std::process::ExitCode;

#[derive(Args, Clone, Debug)]
pub struct StreamsArgs {
    #[command(subcommand)]
    command: StreamsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum StreamsCommand {
    /// Recompute the hash chain of every lane, and compare the log with its streams where NATS is named
    Verify {
        #[command(flatten)]
        stores: Stores,
        #[arg(long, env = "NATTER_NATS_URL", hide_env_values = true)]
        nats_url: Option<String>,
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
struct Stores {
    #[arg(long, env = "NATTER_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// As `natter serve` is told
    #[arg(long, env = "NATTER_LANE_STORES", default_value = "", hide_env_values = true)]
    lane_stores: String,
}

impl Stores {
    async fn open(&self) -> Result<Log> {
        Ok(Log::open(&Placement::parse(&self.database_url, &self.lane_stores)?, None).await?)
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
        StreamsCommand::Follow { stores, nats_url, all } => {
            let (log, bus) = (stores.open().await?, Bus::connect(&nats_url).await?);
            follow::follow(&log, &bus, all).await
        }
    }
}
