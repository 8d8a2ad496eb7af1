//! `natter accounts`: what operators do to people's accounts, and what they give people of what is held on them.

mod export;

use crate::{
    config::{HistoryArgs, MasterArgs},
    streams::Stores,
    until::Until,
};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use natter_commands::{Grounds, Operators};
use natter_domain::{AccountId, Timestamp};
use natter_streams::{
    Log, Node,
    feed::Feeds,
    keyring::Keyring,
    lease::{self, Directory},
    sealing::{Keys, Masters},
};
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use tokio_util::sync::CancellationToken;

#[derive(Args, Clone, Debug)]
pub struct AccountsArgs {
    #[command(flatten)]
    stores: Stores,
    #[command(flatten)]
    history: HistoryArgs,
    /// The file with the installation's key [default: installation.key in the data directory]
    #[arg(long, env = "NATTER_KEY_FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    master: MasterArgs,
    #[command(subcommand)]
    command: AccountsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum AccountsCommand {
    /// Nothing that this person sends is taken, until then
    Mute {
        #[command(flatten)]
        whom: WhomArgs,
        #[command(flatten)]
        until: UntilArgs,
    },
    /// This person is signed out everywhere and cannot sign in, until then
    Suspend {
        #[command(flatten)]
        whom: WhomArgs,
        #[command(flatten)]
        until: UntilArgs,
    },
    /// Neither muted nor suspended any more
    Restore {
        #[command(flatten)]
        whom: WhomArgs,
    },
    /// Print all that is held on this person as one JSON object
    Export {
        /// The account's id
        id: AccountId,
    },
}

#[derive(Args, Clone, Debug)]
struct WhomArgs {
    /// The account's id
    id: AccountId,
    /// Why; kept sealed, like all that is personal
    #[arg(long)]
    reason: Option<String>,
    /// Who asks: written down for who audits the log
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
}

#[derive(Args, Clone, Debug)]
struct UntilArgs {
    /// A moment (`2030-12-31T00:00:00Z`), or how long: `30m`, `12h`, `7d` [default: until restored]
    #[arg(long, value_parser = Until::parse)]
    until: Option<Until>,
}

impl UntilArgs {
    fn moment(&self) -> Option<Timestamp> {
        self.until.map(Until::moment)
    }
}

impl WhomArgs {
    fn grounds(&self) -> Grounds<'_> {
        Grounds { reason: self.reason.as_deref(), by: &self.by }
    }
}

impl AccountsArgs {
    fn masters(&self) -> Result<Masters> {
        self.master.read(self.key_file.as_deref(), self.stores.data_dir())
    }
}

pub async fn accounts(args: AccountsArgs) -> Result<ExitCode> {
    let log = args.stores.open().await?;
    let keyring = Arc::new(Keyring::new(&args.stores.installation_key(args.key_file.as_deref())?));
    log.check_key(&keyring).await?;
    match &args.command {
        AccountsCommand::Mute { whom, until } => {
            let ask = async |operators: &Operators| operators.mute(whom.id, until.moment(), whom.grounds()).await;
            told(reached(&args.stores, args.masters()?, log, keyring, ask).await, whom.id, "is muted")
        }
        AccountsCommand::Suspend { whom, until } => {
            let ask = async |operators: &Operators| operators.suspend(whom.id, until.moment(), whom.grounds()).await;
            told(reached(&args.stores, args.masters()?, log, keyring, ask).await, whom.id, "is suspended")
        }
        AccountsCommand::Restore { whom } => {
            let ask = async |operators: &Operators| operators.restore(whom.id, whom.grounds()).await;
            told(
                reached(&args.stores, args.masters()?, log, keyring, ask).await,
                whom.id,
                "is neither muted nor suspended",
            )
        }
        AccountsCommand::Export { id } => {
            let settings = args.stores.read_side(&args.history)?;
            export::export(&args.stores, &log, settings, keyring, args.masters()?, *id).await
        }
    }
}

fn told(done: Result<()>, id: AccountId, what: &str) -> Result<ExitCode> {
    done?;
    println!("{id} {what}");
    Ok(ExitCode::SUCCESS)
}

/// Asks the owner of a lane, as any node does.
pub(crate) async fn reached(
    stores: &Stores,
    masters: Masters,
    log: Log,
    keyring: Arc<Keyring>,
    ask: impl AsyncFnOnce(&Operators) -> Result<(), natter_commands::Error>,
) -> Result<()> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let bus = stores.bus().await?;
    let keys = Keys::open(&log, &bus, keyring, masters, &stop).await?;
    let directory = Directory::start(&log, &bus, &stop).await?;
    let feeds = Feeds::start(&log, &stop).await?;
    let node = Node::new("operator");
    let context = lease::Context { log, bus, node, settings: lease::Settings::default(), directory };
    let (operators, _tasks) = Operators::reach(&context, feeds, keys, &stop);
    match ask(&operators).await {
        Err(natter_commands::Error::Unavailable) => bail!("no answer in time: are nodes that decide commands running?"),
        asked => asked.context("ask the owner of its lane"),
    }
}
