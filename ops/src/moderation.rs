//! `natter moderation`: messages that met a rule and wait for somebody who looks at them.

use crate::{
    accounts::reached,
    config::{HistoryArgs, MasterArgs},
    streams::Stores,
};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use natter_commands::Operators;
use natter_domain::{AccountId, ConversationId, MessageId, pending::Place};
use natter_projections::{Projection, Projections};
use natter_streams::{
    Log,
    feed::Feeds,
    keyring::Keyring,
    sealing::{Keys, Masters},
};
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use tokio_util::sync::CancellationToken;

#[derive(Args, Clone, Debug)]
pub struct ModerationArgs {
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
    command: ModerationCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ModerationCommand {
    /// What waits, what has waited longest first: since when, conversation, author, message, rule
    List {
        /// So many at most
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Print what a message that waits says, as JSON
    Show {
        #[command(flatten)]
        which: WhichArgs,
    },
    /// It is said now, as its author would say it
    Release {
        #[command(flatten)]
        which: WhichArgs,
        #[command(flatten)]
        by: ByArgs,
    },
    /// It is not said, and its author is told
    Refuse {
        #[command(flatten)]
        which: WhichArgs,
        #[command(flatten)]
        by: ByArgs,
    },
}

/// As `list` prints them.
#[derive(Args, Clone, Copy, Debug)]
struct WhichArgs {
    conversation: ConversationId,
    author: AccountId,
    message: MessageId,
}

#[derive(Args, Clone, Debug)]
struct ByArgs {
    /// Who says so: written down for who audits the log
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
}

impl WhichArgs {
    fn place(self) -> Place {
        Place { conversation_id: self.conversation, message_id: self.message, author: self.author }
    }
}

impl ModerationArgs {
    fn masters(&self) -> Result<Masters> {
        self.master.read(self.key_file.as_deref(), self.stores.data_dir())
    }
}

pub async fn moderation(args: ModerationArgs) -> Result<ExitCode> {
    let log = args.stores.open().await?;
    let keyring = Arc::new(Keyring::new(&args.stores.installation_key(args.key_file.as_deref())?));
    log.check_key(&keyring).await?;
    match &args.command {
        ModerationCommand::List { limit } => list(&args, &log, keyring, *limit).await,
        ModerationCommand::Show { which } => show(&args, &log, keyring, which.place()).await,
        ModerationCommand::Release { which, by } => {
            let ask = async |operators: &Operators| operators.release_held(which.place(), &by.by).await;
            reached(&args.stores, args.masters()?, log, keyring, ask).await?;
            println!("{} is released", which.message);
            Ok(ExitCode::SUCCESS)
        }
        ModerationCommand::Refuse { which, by } => {
            let ask = async |operators: &Operators| operators.refuse_held(which.place(), &by.by).await;
            reached(&args.stores, args.masters()?, log, keyring, ask).await?;
            println!("{} is refused", which.message);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn list(args: &ModerationArgs, log: &Log, keyring: Arc<Keyring>, limit: u32) -> Result<ExitCode> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    for held in read_side(args, log, keyring, &stop).await?.pending().held(limit).await? {
        let Place { conversation_id, message_id, author } = held.message;
        println!("{} {conversation_id} {author} {message_id} {}", held.held_at, held.rule);
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &ModerationArgs, log: &Log, keyring: Arc<Keyring>, message: Place) -> Result<ExitCode> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let found = read_side(args, log, keyring, &stop).await?.pending().one_held(message).await?;
    let Some(held) = found else { bail!("there is no such message waiting") };
    let Some(body) = held.body else { bail!("nobody can read it any more") };
    println!("{body}");
    Ok(ExitCode::SUCCESS)
}

async fn read_side(
    args: &ModerationArgs,
    log: &Log,
    keyring: Arc<Keyring>,
    stop: &CancellationToken,
) -> Result<Projections> {
    let settings = args.stores.read_side(&args.history)?;
    let (bus, feeds) = (args.stores.bus().await?, Feeds::start(log, stop).await?);
    let keys = Keys::open(log, &bus, keyring, args.masters()?, stop).await?;
    let read_side = Projections::open(settings, &bus, feeds, keys, stop).await?;
    if read_side.catch_up(&[Projection::Relations]).await.is_err() {
        bail!("the read side lags behind the log: try again, or see what natter projections status says");
    }
    Ok(read_side)
}
