//! `natter projections`: the read models, for those who build them anew and those who find out why one lacks something.

mod build;
mod failures;
mod show;
mod unread;

use crate::{
    config::{HistoryArgs, MasterArgs},
    streams::Stores,
};
use anyhow::Result;
use clap::{Args, Subcommand};
use natter_domain::AccountId;
use natter_projections::{Generation, Store, generation::Operator};
use natter_streams::keyring::Keyring;
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use uuid::Uuid;

#[derive(Args, Clone, Debug)]
pub struct ProjectionsArgs {
    #[command(flatten)]
    stores: Stores,
    #[command(flatten)]
    history: HistoryArgs,
    #[command(subcommand)]
    command: ProjectionsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ProjectionsCommand {
    /// Every generation there is and was
    List,
    /// How far each generation is in each lane, and what was set aside
    Status,
    /// Build the next generation from the log beside the live one, compare both, and switch to it if they are the same.
    /// Interrupted, the same command goes on. The history is built where NATTER_HISTORY says: so it is moved, too
    Rebuild {
        /// relations or history
        name: String,
        /// Do not switch
        #[arg(long)]
        shadow: bool,
        #[command(flatten)]
        pace: build::PaceArgs,
    },
    /// Compare the live generation with the newest other one, row by row. Ends with 0 only where they are the same
    Compare {
        name: String,
        #[command(flatten)]
        pace: build::PaceArgs,
    },
    /// Make the newest other generation the live one, after it has caught up
    Switch {
        name: String,
        /// Also to one that was not found to be the same
        #[arg(long)]
        unchecked: bool,
        #[command(flatten)]
        pace: build::PaceArgs,
    },
    /// Throw away the rows of a generation that is not live: the one that was live last, or the shadow
    Drop {
        name: String,
        #[arg(long)]
        generation: Option<u32>,
    },
    /// Count everybody's unread messages from the log, by the plain rule, and compare with what the read models answer. Ends
    /// with 0 only where nothing differs
    Unread {
        /// Of this one only
        #[arg(long)]
        account: Option<AccountId>,
        /// The file with the installation's key [default: installation.key in the data directory]
        #[arg(long, env = "NATTER_KEY_FILE")]
        key_file: Option<PathBuf>,
        #[command(flatten)]
        master: MasterArgs,
    },
    /// Events that could not be applied, and those that wait behind them
    Failures,
    /// Apply what was set aside once more, in order
    Retry {
        /// relations, history or delivery
        name: String,
        /// Of this one only, and what waits with it: a message's changes wait with its conversation
        #[arg(long)]
        aggregate: Option<Uuid>,
        #[command(flatten)]
        asking: failures::AskingArgs,
    },
    /// Give up the first event of an aggregate that was set aside, or the one that it waits for, and apply those behind it
    Skip {
        name: String,
        #[arg(long)]
        aggregate: Uuid,
        #[command(flatten)]
        asking: failures::AskingArgs,
    },
}

pub async fn projections(args: ProjectionsArgs) -> Result<ExitCode> {
    use ProjectionsCommand::{Compare, Drop, Failures, List, Rebuild, Retry, Skip, Status, Switch, Unread};
    let log = args.stores.open().await?;
    let settings = args.stores.read_side(&args.history)?;
    let store = settings.history;
    let begin = async |name: &str| Operator::begin(&log, &settings, name).await;
    match args.command {
        List => show::list(&log).await,
        Status => show::status(&log).await,
        Rebuild { name, shadow, pace } => {
            let store = if name == "history" { store } else { Store::Postgres };
            build::rebuild(&begin(&name).await?, store, shadow, &pace).await
        }
        Compare { name, pace } => build::compare(&begin(&name).await?, &pace).await,
        Switch { name, unchecked, pace } => build::switch(&begin(&name).await?, unchecked, &pace).await,
        Drop { name, generation } => {
            let dropped = begin(&name).await?.drop_generation(generation.map(Generation::new)).await?;
            println!("{}: dropped", dropped.reader());
            Ok(ExitCode::SUCCESS)
        }
        Unread { account, key_file, master } => {
            let keyring = Arc::new(Keyring::new(&args.stores.installation_key(key_file.as_deref())?));
            log.check_key(&keyring).await?;
            let masters = master.read(key_file.as_deref(), args.stores.data_dir())?;
            let secrets = unread::Secrets { keyring, masters };
            unread::check(&args.stores, &log, settings, secrets, account).await
        }
        Failures => failures::list(&log).await,
        Retry { name, aggregate, asking } => {
            failures::retry(&args.stores, &log, &begin(&name).await?, aggregate, &asking).await
        }
        Skip { name, aggregate, asking } => {
            failures::skip(&args.stores, &log, &begin(&name).await?, aggregate, &asking).await
        }
    }
}
