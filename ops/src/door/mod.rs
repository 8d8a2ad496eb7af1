//! `natter door`: addresses that are let in or not, on every node, while they run.

mod table;
mod watch;

pub use watch::follow;

use crate::{config::network, streams::Stores, until::Until};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use natter_edge::door::{IpNet, Verdict};
use natter_streams::{bus::Bus, clock, subject};
use std::process::ExitCode;
use table::{Change, Table};

#[derive(Args, Clone, Debug)]
pub struct DoorArgs {
    #[command(flatten)]
    stores: Stores,
    #[command(subcommand)]
    command: DoorCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum DoorCommand {
    /// Let nobody in from an address or a network; their WebSockets are closed
    Deny {
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Let everybody in from there, also where a wider network is denied, and count them by no limit of addresses
    Allow {
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Take an entry off the list
    Forget {
        #[arg(value_parser = network)]
        network: IpNet,
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        asking: AskingArgs,
    },
    /// What is on the list now
    List,
    /// Who changed what, the newest last
    Changes,
}

#[derive(Args, Clone, Debug)]
struct ChangeArgs {
    /// `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`; the narrowest entry that holds an address decides
    #[arg(value_parser = network)]
    network: IpNet,
    /// A time as `2026-12-01T00:00:00Z`, or from now on: `90s`, `15m`, `2h`, `7d`. Without it: until it is changed
    #[arg(long, value_parser = Until::parse)]
    until: Option<Until>,
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    asking: AskingArgs,
}

#[derive(Args, Clone, Debug)]
struct AskingArgs {
    /// Who asks: written down for who audits
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
}

pub async fn door(args: DoorArgs) -> Result<ExitCode> {
    use DoorCommand::{Allow, Changes, Deny, Forget, List};
    let log = args.stores.open().await?;
    let table = Table::new(log.pool().clone());
    match args.command {
        Deny { change } => put(&args.stores, &table, Verdict::Deny, change).await,
        Allow { change } => put(&args.stores, &table, Verdict::Allow, change).await,
        Forget { network, reason, asking } => {
            if !table.forget(network, &reason, &asking.by).await? {
                bail!("{network} is not on the list");
            }
            tell(&args.stores).await;
            println!("{network} is off the list");
            Ok(ExitCode::SUCCESS)
        }
        List => {
            table.list().await?.iter().for_each(|line| println!("{line}"));
            Ok(ExitCode::SUCCESS)
        }
        Changes => {
            table.changes().await?.iter().for_each(|line| println!("{line}"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn put(stores: &Stores, table: &Table, verdict: Verdict, change: ChangeArgs) -> Result<ExitCode> {
    let ChangeArgs { network, until, reason, asking } = change;
    let until = until.map(Until::moment);
    if until.is_some_and(|until| until <= clock::now()) {
        bail!("that moment lies in the past");
    }
    table.put(&Change { network, verdict, until, reason: &reason, by: &asking.by }).await?;
    tell(stores).await;
    let long = until.map_or_else(|| "until it is changed".to_owned(), |until| format!("until {until}"));
    println!("{network}: {} {long}", table::word(verdict));
    Ok(ExitCode::SUCCESS)
}

/// Nodes read the list again at once. What NATS does not carry they find out by themselves.
pub async fn tell(stores: &Stores) {
    if let Err(error) = told(stores).await {
        eprintln!("natter: nodes could not be told, and read it within {} s: {error:#}", watch::READ_AGAIN.as_secs());
    }
}

async fn told(stores: &Stores) -> Result<()> {
    let bus: Bus = stores.bus().await?;
    bus.live().publish(subject::DOOR, Vec::new().into()).await.context("publish")?;
    bus.live().flush().await.context("publish")
}
