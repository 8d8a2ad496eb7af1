//! `natter sealing`: the keys behind what is sealed, the master key that wraps them, and erasing a person.

mod erase;

use crate::{
    config::{MasterArgs, make_newest},
    streams::Stores,
};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use natter_domain::AccountId;
use natter_streams::{
    Log,
    sealing::{self, Masters, Wrapped},
};
use std::{path::PathBuf, process::ExitCode};
use uuid::Uuid;

#[derive(Args, Clone, Debug)]
pub struct SealingArgs {
    #[command(flatten)]
    stores: Stores,
    /// As `natter serve` is told
    #[arg(long, env = "NATTER_KEY_FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    master: MasterArgs,
    #[command(subcommand)]
    command: SealingCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum SealingCommand {
    /// How many keys there are, and by which master key they are wrapped
    Show,
    /// Put a new master key into the file, before the others. Nothing is wrapped with it before `rotate`
    MakeMaster,
    /// Wrap all keys with the newest master key of the file, while nodes go on. Every node must have the file by then.
    /// Interrupted, the same command goes on
    Rotate,
    /// Forget a person for ever: their sessions end, and the key of all that they had told is destroyed
    Erase {
        account: Uuid,
        /// Who asks: written down for who audits the log
        #[arg(long, env = "USER", default_value = "unknown")]
        by: String,
    },
    /// Whose keys were destroyed, and when
    Erased,
    /// After a backup was restored: destroy again what the log says was destroyed, and these accounts' keys
    DestroyAgain { accounts: Vec<Uuid> },
}

pub async fn sealing(args: SealingArgs) -> Result<ExitCode> {
    let path = args.master.path(args.key_file.as_deref(), args.stores.data_dir());
    let masters = || args.master.read(args.key_file.as_deref(), args.stores.data_dir());
    match args.command {
        SealingCommand::Show => show(&args.stores.open().await?, &masters()?).await?,
        SealingCommand::MakeMaster => {
            make_newest(&path)?;
            println!(
                "{} has a new master key; bring the file to every node, then: natter sealing rotate",
                path.display()
            );
        }
        SealingCommand::Rotate => rotate(&args.stores.open().await?, &masters()?).await?,
        SealingCommand::Erase { account, by } => erase::erase(&args.stores, AccountId(account), &by).await?,
        SealingCommand::Erased => erase::list(&args.stores.open().await?).await?,
        SealingCommand::DestroyAgain { accounts } => erase::again(&args.stores.open().await?, &accounts).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(log: &Log, masters: &Masters) -> Result<()> {
    let here = masters.ids();
    for Wrapped { master, is_current, accounts, conversations } in sealing::wrapped(log.pool()).await? {
        let Some(master) = master else {
            println!("destroyed          {accounts} of accounts");
            continue;
        };
        let current = if is_current { ", the current one" } else { "" };
        let missing = if here.contains(&master) { "" } else { ", NOT IN THE FILE" };
        println!("{master}   {accounts} of accounts, {conversations} of conversations and months{current}{missing}");
    }
    Ok(())
}

async fn rotate(log: &Log, masters: &Masters) -> Result<()> {
    let rotated = sealing::rotate(log.pool(), masters).await?;
    let left =
        sealing::wrapped(log.pool()).await?.into_iter().filter(|it| it.master.is_some() && !it.is_current).count();
    println!("{} keys are wrapped anew", rotated.wrapped);
    if left > 0 {
        bail!("some keys are wrapped with an older master key still: run it again");
    }
    println!(
        "all are wrapped with the newest master key; the others can be destroyed: with them go the keys in older backups"
    );
    Ok(())
}
