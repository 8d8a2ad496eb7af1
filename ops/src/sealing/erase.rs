//! Erasing a person, and seeing to it that they stay so.

use crate::streams::Stores;
use anyhow::{Context, Result, bail};
use natter_commands::Erasures;
use natter_domain::AccountId;
use natter_streams::{
    Log, Node,
    feed::Feeds,
    lease::{self, Directory},
    sealing,
};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// For the key to be destroyed, once the event is written.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks the owner of the lane, as any node does, and waits until the key is gone.
pub async fn erase(stores: &Stores, account: AccountId, by: &str) -> Result<()> {
    let log = stores.open().await?;
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let bus = stores.bus().await?;
    let directory = Directory::start(&log, &bus, &stop).await?;
    let feeds = Feeds::start(&log, &stop).await?;
    let node = Node::new("operator");
    let context = lease::Context { log: log.clone(), bus, node, settings: lease::Settings::default(), directory };
    let (erasures, _tasks) = Erasures::reach(&context, feeds, &stop);
    erasures.erase(account, by).await.context("erase the account: are nodes that decide commands running?")?;
    let begin = Instant::now();
    while !sealing::is_destroyed(&log, account).await? {
        if begin.elapsed() > PATIENCE {
            bail!("the account is erased, its key will be destroyed when nodes with the role `commands` run");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    println!("{account} is erased, and its key destroyed");
    Ok(())
}

pub async fn list(log: &Log) -> Result<()> {
    for gone in sealing::destroyed(log).await? {
        println!("{} {}", gone.account, gone.at);
    }
    Ok(())
}

pub async fn again(log: &Log, accounts: &[Uuid]) -> Result<()> {
    let named = sealing::destroy_these(log, accounts).await?;
    let logged = sealing::destroy_again(log).await?;
    println!(
        "{} keys were back and are destroyed; start the nodes anew, so that none has one in memory",
        named + logged
    );
    Ok(())
}
