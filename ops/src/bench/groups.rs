//! `natter bench groups`: what it costs to begin a group, to add a thousand people to it, to leave it, to come back, to be given
//! another role in it and to write in it, when it has ten members and when it has a hundred thousand. Beside each group stands the
//! smallest of the same run. And what a member takes: of a snapshot, and of the rows that a message writes on the read side.
//! At last a channel to which as many subscribe as the largest group has members, of which its state is to hold nothing.

use super::{
    BenchArgs, machine, people,
    people::Person,
    report::{Part, Percentiles, Report},
    scratch,
    view::{self, Site, View},
};
use crate::{
    serve,
    servers::{self, Plan, Servers},
};
use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::StreamExt;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use natter_commands::{GivenBody, Keyed, MemberChange, Outgoing, Pending, Sent, snapshot};
use natter_domain::{AccountId, ConversationId, GroupName, MessageId, conversation::Role, limit};
use natter_projections::{Projection, Store};
use natter_streams::{Log, id, keyring::Keyring};
use sqlx::{Connection, PgConnection};
use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// What changes in the largest group takes twice as long as in the smallest at the most.
const AIM: f64 = 0.5;
const ROUNDS: usize = 40;
/// On the way at a time.
const WINDOW: usize = 32;
/// Statistics of PostgreSQL are told by a connection that has rested for so long.
const TOLD_AFTER: Duration = Duration::from_secs(11);

#[derive(Args, Clone, Debug)]
pub struct GroupsArgs {
    /// groups: how many members, from few to many
    #[arg(long, value_delimiter = ',', default_value = "10,1000,10000,100000")]
    pub sizes: Vec<usize>,
}

/// The times of one group.
struct Times {
    create: Duration,
    /// Of a thousand at a time.
    add: Histogram<u64>,
    join: Histogram<u64>,
    leave: Histogram<u64>,
    role: Histogram<u64>,
    send: Histogram<u64>,
}

impl Times {
    fn of(create: Duration) -> Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, 600_000_000, 2);
        let (add, join, leave) = (histogram()?, histogram()?, histogram()?);
        Ok(Self { create, add, join, leave, role: histogram()?, send: histogram()? })
    }
}

struct Seen {
    size: usize,
    times: Times,
    /// Of the snapshot, as it is stored.
    bytes: f64,
    /// Written by projections for a message.
    rows: f64,
}

/// A channel.
struct Heard {
    subscribers: usize,
    subscribe: Histogram<u64>,
    /// Of the whole snapshot.
    bytes: f64,
    rows: f64,
}

pub async fn run(args: &BenchArgs) -> Result<Report> {
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let servers = Servers::start(Plan::node(&dir), &|step| println!("{step}")).await?;
    let measured = scratch::with(servers.database_url(), "groups", async |url: &str| {
        let (database_url, nats_url) = (url.to_owned(), servers.nats_url().to_owned());
        measure(args, &Site { database_url, nats_url, store: Store::Postgres, cluster: None }, &dir).await
    })
    .await;
    servers.stop(&|_| ()).await?;
    servers::remove(&dir, &|_| ()).await?;
    measured
}

/// Everything, in an empty database that is not the only one of its server.
pub async fn measure(args: &BenchArgs, site: &Site, dir: &Path) -> Result<Report> {
    let begin = Instant::now();
    natter_edge::metrics::recorder();
    serve::migrate(&site.database_url).await?;
    let log = Log::connect(&site.database_url, args.lanes).await?;
    let keyring = Arc::new(Keyring::new(&id::random()));
    let sizes = &args.groups.sizes;
    let most = sizes.iter().copied().max().context("sizes name at least one group")?;
    println!("people       appending {most}");
    let (owner, friends) = people::popular(&log, &keyring, most).await?;
    let mut view = View::open(site, &log, &keyring, site.store).await?;
    view.run(&[Projection::Relations, Projection::History]);
    let measured = async {
        let mut all = Vec::new();
        for &size in sizes {
            all.push(one(&view, site, &log, owner, &friends[..size.saturating_sub(1)]).await?);
        }
        let channel = channel(&view, site, &log, owner, &friends[..most.saturating_sub(1)]).await?;
        Ok::<_, anyhow::Error>((all, channel))
    }
    .await;
    let missing = view::missing(&log).await;
    view.stop().await?;
    let (all, channel) = measured?;
    Ok(report(&all, &channel, missing?, dir, begin.elapsed()))
}

/// A group of the owner and these.
async fn one(view: &View, site: &Site, log: &Log, owner: Person, others: &[AccountId]) -> Result<Seen> {
    let size = others.len() + 1;
    println!("group        of {size}");
    let mut group = Group::begin(view, owner, others).await?;
    group.fill(others).await?;
    group.change(others).await?;
    ensure!(view::missing(log).await? == 0, "the read side does not follow");
    let (rows, bytes) = spoken(&mut group, site, log, size).await?;
    Ok(Seen { size, times: group.times, bytes: bytes / size as f64, rows })
}

/// A channel of the owner to which they and these subscribe.
async fn channel(view: &View, site: &Site, log: &Log, owner: Person, others: &[AccountId]) -> Result<Heard> {
    let subscribers = others.len() + 1;
    println!("channel      of {subscribers} subscribers");
    let mut channel = Group::of_channel(view, owner).await?;
    channel.subscribe(others).await?;
    ensure!(view::missing(log).await? == 0, "the read side does not follow");
    let (rows, bytes) = spoken(&mut channel, site, log, subscribers).await?;
    Ok(Heard { subscribers, subscribe: channel.times.join, bytes, rows })
}

/// Rows that are written for a message, and bytes of the snapshot then.
async fn spoken(group: &mut Group<'_>, site: &Site, log: &Log, size: usize) -> Result<(f64, f64)> {
    let mut database = PgConnection::connect(&site.database_url).await?;
    let before = settled_rows(&mut database).await?;
    let messages = group.talk().await?;
    ensure!(view::missing(log).await? == 0, "the read side does not follow");
    let rows = (settled_rows(&mut database).await? - before) as f64 / messages as f64;
    let bytes = snapshot_bytes(&mut database, group.id).await? as f64;
    ensure!(members(&mut database, group.id).await? == size as u64, "relations know of others than there are");
    Ok((rows, bytes))
}

struct Group<'a> {
    view: &'a View,
    by: Keyed,
    id: ConversationId,
    times: Times,
}

impl<'a> Group<'a> {
    async fn begin(view: &'a View, owner: Person, others: &[AccountId]) -> Result<Self> {
        let by = Keyed { caller: owner.caller(), key: None };
        let name = GroupName::parse("a crowd").map_err(anyhow::Error::msg)?;
        let first = &others[..others.len().min(limit::MEMBERS_PER_CALL_MAX)];
        let begin = Instant::now();
        let started = view.engine.commands.conversation().start_group(by, &name, first).await?;
        Ok(Self { view, by, id: started.conversation_id, times: Times::of(begin.elapsed())? })
    }

    async fn of_channel(view: &'a View, owner: Person) -> Result<Self> {
        let by = Keyed { caller: owner.caller(), key: None };
        let name = GroupName::parse("news").map_err(anyhow::Error::msg)?;
        let begin = Instant::now();
        let started = view.engine.commands.conversation().start_channel(by, &name).await?;
        Ok(Self { view, by, id: started.conversation_id, times: Times::of(begin.elapsed())? })
    }

    /// Each by themselves.
    async fn subscribe(&mut self, others: &[AccountId]) -> Result<()> {
        let progress = ProgressBar::new(others.len() as u64).with_message("subscribers");
        let (conversations, id, by) = (self.view.engine.commands.conversation(), self.id, self.by.caller);
        let subscribe = async |account| {
            let (begin, caller) = (Instant::now(), natter_commands::Caller { account, ..by });
            conversations.join(Keyed { caller, key: None }, id, None).await.map(|_| begin)
        };
        let mut under_way = futures::stream::iter(others.iter().copied().map(subscribe)).buffer_unordered(WINDOW);
        while let Some(since) = under_way.next().await {
            record(&mut self.times.join, since?);
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// A thousand at a time.
    async fn fill(&mut self, others: &[AccountId]) -> Result<()> {
        let rest = &others[others.len().min(limit::MEMBERS_PER_CALL_MAX)..];
        let progress = ProgressBar::new(rest.len() as u64).with_message("members");
        for thousand in rest.chunks(limit::MEMBERS_PER_CALL_MAX) {
            let begin = Instant::now();
            let joined = self.view.engine.commands.conversation().add_members(self.by, self.id, thousand).await?;
            self.times.add.saturating_record(begin.elapsed().as_micros() as u64);
            ensure!(joined.account_ids.len() == thousand.len(), "not all of them came");
            progress.inc(thousand.len() as u64);
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// People leave, come back, and are given another role and the one before.
    async fn change(&mut self, others: &[AccountId]) -> Result<()> {
        let conversations = self.view.engine.commands.conversation();
        let step = (others.len() / ROUNDS).max(1);
        let progress = ProgressBar::new(ROUNDS as u64).with_message("changes");
        for &person in others.iter().step_by(step).cycle().take(ROUNDS) {
            let theirs = Keyed { caller: natter_commands::Caller { account: person, ..self.by.caller }, key: None };
            let begin = Instant::now();
            conversations.remove_member(theirs, self.id, person).await?;
            record(&mut self.times.leave, begin);
            let begin = Instant::now();
            conversations.add_members(self.by, self.id, &[person]).await?;
            record(&mut self.times.join, begin);
            for role in [Role::Admin, Role::Member] {
                let begin = Instant::now();
                conversations.change_member(self.by, self.id, person, &MemberChange::role(role)).await?;
                record(&mut self.times.role, begin);
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// As many messages as a snapshot takes.
    async fn talk(&mut self) -> Result<u64> {
        let count = snapshot::EVERY;
        let progress = ProgressBar::new(count).with_message("messages");
        let mut under_way: VecDeque<(Instant, Pending<Sent>)> = VecDeque::new();
        for _ in 0..count {
            if under_way.len() == WINDOW {
                self.answered(under_way.pop_front()).await?;
            }
            under_way.push_back((Instant::now(), self.say()));
            progress.inc(1);
        }
        while !under_way.is_empty() {
            self.answered(under_way.pop_front()).await?;
        }
        progress.finish_and_clear();
        Ok(count)
    }

    fn say(&self) -> Pending<Sent> {
        let (body, message) = (super::engine::body("hello"), MessageId(id::new()));
        self.view.engine.commands.conversation().send(
            self.by.caller,
            self.id,
            Outgoing::plain(message, GivenBody::text(&*body, 5)),
        )
    }

    async fn answered(&mut self, sent: Option<(Instant, Pending<Sent>)>) -> Result<()> {
        if let Some((since, pending)) = sent {
            pending.await.context("send")?;
            record(&mut self.times.send, since);
        }
        Ok(())
    }
}

fn record(times: &mut Histogram<u64>, since: Instant) {
    times.saturating_record(since.elapsed().as_micros() as u64);
}

/// Rows that were written in the tables of relations and history, once every connection has told of its own.
async fn settled_rows(database: &mut PgConnection) -> Result<i64> {
    let (mut last, mut since) = (-1, Instant::now());
    loop {
        let rows: i64 = sqlx::query_scalar(
            "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables WHERE relname = ANY($1)",
        )
        .bind(tables())
        .fetch_one(&mut *database)
        .await?;
        if rows != last {
            (last, since) = (rows, Instant::now());
        }
        if since.elapsed() > TOLD_AFTER {
            return Ok(rows);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn tables() -> Vec<&'static str> {
    let written = [Projection::Relations, Projection::History].map(Projection::tables);
    written.iter().flat_map(|tables| tables.iter()).map(|table| table.name).collect()
}

async fn snapshot_bytes(database: &mut PgConnection, group: ConversationId) -> Result<i64> {
    let begin = Instant::now();
    loop {
        let sql = "SELECT octet_length(state::text)::bigint FROM snapshots WHERE aggregate_id = $1";
        let bytes = sqlx::query_scalar(sql).bind(group.to_string()).fetch_optional(&mut *database).await?;
        if let Some(bytes) = bytes {
            return Ok(bytes);
        }
        ensure!(begin.elapsed() < Duration::from_secs(60), "no snapshot is made");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn members(database: &mut PgConnection, group: ConversationId) -> Result<u64> {
    let sql = "SELECT count(*) FROM member WHERE conversation_id = $1 AND left_seq IS NULL";
    let count: i64 = sqlx::query_scalar(sql).bind(group.0).fetch_one(&mut *database).await?;
    Ok(count as u64)
}

fn report(all: &[Seen], channel: &Heard, missing: u64, dir: &Path, took: Duration) -> Report {
    let p50 = |times: &Histogram<u64>| times.value_at_quantile(0.5).max(1) as f64;
    let changes = |seen: &Seen| {
        let Times { join, leave, role, .. } = &seen.times;
        [join, leave, role].into_iter().map(p50).fold(0.0, f64::max)
    };
    let (smallest, largest) = (&all[0], &all[all.len() - 1]);
    let mut parts = Vec::new();
    let mut percentiles_us = BTreeMap::new();
    for seen in all {
        let name = |what: &str| format!("{what}, {} members", seen.size);
        parts.push(Part::alone(name("create, 1,000 at the most"), seen.times.create.as_micros() as f64, "us"));
        parts.push(Part::alone(name("snapshot"), seen.bytes, "bytes for each member"));
        parts.push(Part::of(name("rows written"), seen.rows, "for each message", smallest.rows));
        let times = &seen.times;
        let kinds = [
            ("add 1,000", &times.add),
            ("join", &times.join),
            ("leave", &times.leave),
            ("role", &times.role),
            ("send", &times.send),
        ];
        for (what, times) in kinds.into_iter().filter(|(_, times)| !times.is_empty()) {
            percentiles_us.insert(name(what), Percentiles::of(times));
        }
    }
    let name = |what: &str| format!("{what}, channel of {} subscribers", channel.subscribers);
    parts.push(Part::alone(name("snapshot"), channel.bytes, "bytes"));
    parts.push(Part::of(name("rows written"), channel.rows, "for each message", smallest.rows));
    percentiles_us.insert(name("subscribe"), Percentiles::of(&channel.subscribe));
    parts.push(Part::alone("events not projected", missing as f64, "events"));
    let grows = largest.rows.max(channel.rows) > 1.5 * smallest.rows;
    Report {
        scenario: "groups",
        value: changes(largest),
        unit: "us for a change in the largest group",
        limit: changes(smallest),
        limit_name: "us for it in the smallest, p50 of the slowest of join, leave and role",
        ratio: changes(smallest) / changes(largest),
        aim: AIM,
        parts,
        server_cpu_us_per_op: None,
        percentiles_us,
        duration_s: took.as_secs_f64(),
        machine: machine::describe(dir),
        commit: machine::commit(),
        law: Some(missing == 0 && !grows),
    }
}
