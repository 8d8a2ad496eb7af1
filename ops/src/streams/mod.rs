//! `natter streams`: the log, for those who check it and those who follow it.

mod check;
mod follow;
mod repair;
mod verify;

use crate::{
    config::{self, History, HistoryArgs},
    servers,
};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use natter_streams::{Log, Placement, bus::Bus};
use repair::Way;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

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
    },
    /// Say of every lane whether PostgreSQL, its stream and all readers agree, what it means where they do not, and what
    /// mends it. Ends with 0 only where all is well
    Check {
        #[command(flatten)]
        stores: Stores,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Mend lanes whose log has lost what their streams still hold. Without a flag that says how, only explains
    Repair {
        #[command(flatten)]
        stores: Stores,
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
        /// From the first event on, not from now
        #[arg(long)]
        all: bool,
    },
}

/// The servers that hold the log: those that are named, or the private ones of a data directory.
#[derive(Args, Clone, Debug)]
pub struct Stores {
    #[arg(long, env = "NATTER_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    #[arg(long, env = "NATTER_NATS_URL", hide_env_values = true)]
    nats_url: Option<String>,
    /// Whose private servers are meant where no database is named
    #[arg(long, env = "NATTER_DATA_DIR", default_value = ".natter")]
    data_dir: PathBuf,
    /// As `natter serve` is told
    #[arg(long, env = "NATTER_LANE_STORES", default_value = "", hide_env_values = true)]
    lane_stores: String,
}

impl Stores {
    pub async fn open(&self) -> Result<Log> {
        Ok(Log::open(&Placement::parse(&self.database_url()?, &self.lane_stores)?, None).await?)
    }

    /// Keys are there where nobody has said otherwise.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn installation_key(&self, key_file: Option<&Path>) -> Result<[u8; 32]> {
        config::existing_key(&config::key_path(key_file, &self.data_dir))
    }

    pub async fn bus(&self) -> Result<Bus> {
        let url = self.nats_url().context("NATTER_NATS_URL names no NATS server")?;
        Ok(Bus::connect(&url).await?)
    }

    async fn bus_at_hand(&self) -> Result<Option<Bus>> {
        if self.nats_url().is_none() { Ok(None) } else { self.bus().await.map(Some) }
    }

    fn database_url(&self) -> Result<String> {
        let private = || servers::database_url_of(&self.data_dir);
        given(&self.database_url).or_else(private).with_context(|| {
            let dir = self.data_dir.display();
            format!("NATTER_DATABASE_URL names no database, and {dir} (NATTER_DATA_DIR) has no private one")
        })
    }

    /// A private one only beside a private database.
    fn nats_url(&self) -> Option<String> {
        let private = || self.is_private().then(|| servers::nats_url_of(&self.data_dir)).flatten();
        given(&self.nats_url).or_else(private)
    }

    fn is_private(&self) -> bool {
        given(&self.database_url).is_none()
    }

    /// Where the views of the log are.
    pub fn read_side(&self, history: &HistoryArgs) -> Result<natter_projections::Settings> {
        let private = self.is_private().then(|| servers::cql_node_of(&self.data_dir)).flatten();
        let History { store, cluster } = history.clone().or_on(private.as_ref()).history()?;
        let (database_url, crowd_min) = (self.database_url()?, natter_projections::delivery::crowd::MIN);
        Ok(natter_projections::Settings { database_url, history: store, cluster, crowd_min })
    }
}

/// An empty variable names nothing.
fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

pub async fn streams(args: StreamsArgs) -> Result<ExitCode> {
    match args.command {
        StreamsCommand::Verify { stores } => {
            let (log, bus) = (stores.open().await?, stores.bus_at_hand().await?);
            verify::verify(&log, bus.as_ref()).await
        }
        StreamsCommand::Check { stores, json } => {
            let (log, bus) = (stores.open().await?, stores.bus().await?);
            check::check(&log, &bus, json).await
        }
        StreamsCommand::Repair { stores, history, lane, import, declare_loss, even_if_well } => {
            let (log, bus) = (stores.open().await?, stores.bus().await?);
            let way = import.then_some(Way::Import).or(declare_loss.then_some(Way::DeclareLoss { even_if_well }));
            let settings = stores.read_side(&history)?;
            repair::repair(&log, &bus, &settings, &repair::chosen(&log, &lane)?, way).await
        }
        StreamsCommand::Follow { stores, all } => {
            let (log, bus) = (stores.open().await?, stores.bus().await?);
            follow::follow(&log, &bus, all).await
        }
    }
}
