//! `natter door`: addresses that are let in or not, on every node, while they run.

mod table;
mod watch;

pub use watch::follow;

use crate::{config::network, streams::Stores};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use natter_domain::Timestamp;
use natter_edge::door::{IpNet, Verdict};
use natter_streams::{bus::Bus, clock, subject};
use std::{process::ExitCode, time::Duration};
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
    #[arg(long, value_parser = until)]
    until: Option<Timestamp>,
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

fn until(text: &str) -> Result<Timestamp> {
    let now = clock::now();
    let time = Timestamp::parse(text).or_else(|| lasting(text).map(|long| now + long));
    let time = time.with_context(|| format!("{text:?} is neither a time nor `90s`, `15m`, `2h`, `7d`"))?;
    if time <= now {
        bail!("{text} is over");
    }
    Ok(time)
}

fn lasting(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(unit).filter(|seconds| *seconds <= 100 * 365 * 86_400).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_come_is_read_in_either_way() {
        assert_eq!(lasting("15m"), Some(Duration::from_secs(900)));
        assert_eq!(lasting("7d"), Some(Duration::from_secs(604_800)));
        assert_eq!(until("2999-01-01T00:00:00Z").unwrap().to_string(), "2999-01-01T00:00:00.000Z");
        assert!(until("2h").unwrap() > clock::now());
        for bad in ["", "h", "-1h", "2 h", "1w", "0s", "2001-01-01T00:00:00Z", "99999999999999d", "\u{e9}"] {
            assert!(until(bad).is_err(), "{bad}");
        }
    }
}
