//! `natter bench mixed`: many people online at two edges, who do what people do in an ordinary hour: they write to one other
//! and to groups, say how far they have read, react, mend what they said, scroll, type, and come back after a lost
//! connection. First as fast as it is answered, with so much under way at a time; then at a part of that rate, where times
//! say something. A rate is of what was answered and not refused.
//!
//! Everything is timed on one clock, the way of a message to another member too, and in the second phase from the moment
//! at which it was due: what waited because the server was late, or this program and its timer of a millisecond, has
//! waited all the same. Who is to come back first waits until all they asked is answered, a cursor that is held for a
//! second too, and what they are to do next waits until they are back: both are in the times, so the slowest returns say
//! how long cursors are held. At full speed things are timed from the moment at which they are ordered.
//!
//! A delivery is timed where it was pushed. What somebody learned by a sync, because a `resync` said that pushes were
//! dropped or because they were away when it was said, is in no percentile. How much came so after a `resync` is a part,
//! rather too large than too small: where it is much, the percentiles are of those who were lucky. What somebody did not
//! learn at all breaks the law.
//!
//! Beside it in the same run: `ping` frames over the same connections, as many under way: what connections and frames
//! alone could do on this machine. And for the way of a message, what no delivery of anything durable goes without: one
//! message after the other over the same NATS, meanwhile, under the same load; and commits of as many events as one
//! had then, afterwards, alone. The limit is the sum of the two 99th percentiles: an upper estimate, for seldom are both
//! slow at once, and so a kind one.
//!
//! The mix is [`kind::SHARES`]; it is a guess, not taken from anybody's traffic.

mod kind;
mod ledger;
mod member;

use super::{
    BenchArgs, bare,
    counters::Counters,
    cpu::{self, Whose},
    machine,
    node::{Node, Site, on_own_servers},
    people, presence,
    report::{Part, Percentiles, Report},
    send::TEXT,
};
use crate::{config::Settings, serve};
use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::{StreamExt, TryStreamExt};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use kind::{Kind, SHARES};
use ledger::{Ledger, Seen};
use member::{Member, PATIENCE, Talks};
use natter_client::{Client, Signed, wire};
use natter_streams::{Log, keyring::Keyring};
use rand::seq::IndexedRandom;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Of what the doors do where nobody decides or stores anything; a message's way in commits and publishes is in the parts.
const AIM: f64 = 0.05;
/// Connections that are opened at a time, and people who come to groups.
const AT_ONCE: usize = 32;
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the last answer, and the last push, may take: where people read, it is held for a second on purpose.
const DRAIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Few, so that a small machine is busy with people and not with lanes.
const LANES: u16 = 4;
const HOUR: u64 = 60 * 60;

#[derive(Args, Clone, Debug)]
pub struct MixedArgs {
    /// mixed: people who are online, each over a connection of their own
    #[arg(long, default_value_t = 1_000)]
    pub connections: usize,
    /// mixed: how many are in each group
    #[arg(long = "mixed-members", id = "mixed_members", default_value_t = 20)]
    pub members: usize,
    /// mixed: what is under way at a time in the first phase
    #[arg(long, default_value_t = 64)]
    pub under_way: usize,
    /// mixed: the part of the full rate at which times are measured
    #[arg(long, default_value_t = 0.5)]
    pub mixed_pace: f64,
}

pub async fn run(args: &BenchArgs) -> Result<Report> {
    on_own_servers(async |site, whose| measure_with(args, site, whose).await).await
}

/// Everything, on nodes of its own.
pub async fn measure(args: &BenchArgs, site: &Site) -> Result<Report> {
    measure_with(args, site, Whose::default()).await
}

/// `whose`: the servers; the nodes are added.
async fn measure_with(args: &BenchArgs, site: &Site, whose: Whose) -> Result<Report> {
    let begin = Instant::now();
    let of = &args.mixed;
    ensure!(of.connections >= 4 && of.members >= 2, "four people and two in a group at the least");
    println!("people       making {}", of.connections);
    let people = plan(args, site).await?;
    let mut nodes = vec![Node::start(site, "all").await?, Node::start(site, "edge").await?];
    let whose = Whose { natter: nodes.iter().filter_map(Node::pid).collect(), ..whose };
    let measured = on_nodes(args, site, &nodes, people, &whose).await;
    for node in &mut nodes {
        node.stop().await?;
    }
    let measured = measured?;
    let events = measured.events_per_commit.round().max(1.0) as usize;
    println!("raw limit    commits of {events} events, alone");
    let commit = bare::commit_us(&site.database_url, events, TEXT).await?;
    Ok(report(&measured, &commit, machine::describe(&site.dir), begin.elapsed()))
}

/// Somebody, before they are online.
struct Planned {
    account: Uuid,
    token: String,
    direct: Uuid,
}

/// Pairs of friends with tokens, made before any server starts.
async fn plan(args: &BenchArgs, site: &Site) -> Result<Vec<Planned>> {
    serve::migrate(&site.database_url).await?;
    let keyring = Keyring::new(&Settings::in_directory(&site.dir).installation_key()?);
    let log = Log::connect(&site.database_url, args.lanes.or(Some(LANES))).await?;
    log.check_key(&keyring).await?;
    let pairs = people::make(&log, &keyring, args.mixed.connections.div_ceil(2)).await?;
    let planned = pairs.iter().flat_map(|pair| pair.people.map(|person| (person, pair.conversation)));
    Ok(planned
        .map(|(person, direct)| {
            let token = natter_edge::access_token(&keyring, person.caller());
            Planned { account: person.account.0, token, direct: direct.0 }
        })
        .collect())
}

struct Measured {
    full: Seen,
    paced: Seen,
    pings: f64,
    bare: Histogram<u64>,
    events_per_commit: f64,
    cpu: BTreeMap<String, f64>,
    members: usize,
}

async fn on_nodes(
    args: &BenchArgs,
    site: &Site,
    nodes: &[Node],
    people: Vec<Planned>,
    whose: &Whose,
) -> Result<Measured> {
    let urls: Vec<String> = nodes.iter().map(Node::url).collect();
    let talks = gather(&urls[0], &people, args.mixed.members).await?;
    let ledger = Arc::new(Ledger::new());
    let members = connect(&urls, people, &talks, &ledger).await?;
    let crowd = Crowd { args, members, ledger };
    let seconds = Duration::from_secs(args.seconds);
    crowd.full("warming up", WARM_UP, || kind::any(&mut rand::rng())).await?;
    println!("raw limit    ping frames over the same connections");
    let pings = crowd.full("pings", seconds.min(WARM_UP), || Kind::Ping).await?;
    println!("full         {} under way", args.mixed.under_way);
    let before = cpu::by_part(whose);
    let full = crowd.full("operations", seconds, || kind::any(&mut rand::rng())).await?;
    let mut spent = BTreeMap::new();
    cpu::add_spent(&mut spent, &before, whose);
    let cpu = cpu::per_operation(&BTreeMap::new(), &spent, full.answered);
    let rate = (full.rate * args.mixed.mixed_pace).max(1.0);
    println!("paced        {rate:.0} operations/s");
    let end = CancellationToken::new();
    let bare = tokio::spawn(presence::bare(site.nats_url.clone(), end.clone()));
    let before = Counters::read(&urls[0]).await?;
    let paced = crowd.paced(rate, seconds).await?;
    let events_per_commit = Counters::read(&urls[0]).await?.events_per_commit_since(&before);
    end.cancel();
    let (pings, bare, members) = (pings.rate, bare.await??, crowd.members.len());
    Ok(Measured { full, paced, pings, bare, events_per_commit, cpu, members })
}

/// Groups of so many, whose members come through an open door: where each of the people talks.
async fn gather(url: &str, people: &[Planned], members: usize) -> Result<Vec<Talks>> {
    let progress = ProgressBar::new(people.len() as u64).with_message("people in groups");
    let client = Client::new(url)?;
    let mut groups = Vec::new();
    for some in people.chunks(members) {
        let owner = signed(&client, &some[0]);
        let group = owner.start_group("a mixed group", &[]).await.context("start a group")?.value.conversation.id;
        let settings = wire::GroupSettingsChange { join_policy: Some("open".to_owned()), ..Default::default() };
        let change = wire::ConversationChange { name: None, avatar: None, description: None, settings: Some(settings) };
        owner.change_group(group, &change).await.context("open its door")?;
        let joins = some[1..].iter().map(|person| {
            let person = signed(&client, person);
            async move { person.join(group, None).await.context("join a group").map(drop) }
        });
        let mut joining = futures::stream::iter(joins).buffer_unordered(AT_ONCE);
        while joining.try_next().await?.is_some() {
            progress.inc(1);
        }
        progress.inc(1);
        groups.push(group);
    }
    progress.finish_and_clear();
    let talks = |(number, person): (usize, &Planned)| Talks { direct: person.direct, group: groups[number / members] };
    Ok(people.iter().enumerate().map(talks).collect())
}

fn signed(client: &Client, person: &Planned) -> Signed {
    let tokens = wire::Tokens {
        token_type: "Bearer".to_owned(),
        access_token: person.token.clone(),
        expires_in: HOUR,
        refresh_token: String::new(),
    };
    client.signed(wire::SignedIn { account: wire::Account::named(person.account, None, None), tokens })
}

/// Everybody comes online, at one edge or the other.
async fn connect(urls: &[String], people: Vec<Planned>, talks: &[Talks], ledger: &Arc<Ledger>) -> Result<Vec<Member>> {
    let progress = ProgressBar::new(people.len() as u64).with_message("people online");
    let coming = people.into_iter().zip(talks).enumerate().map(|(number, (person, talks))| {
        let (url, ledger, talks) = (urls[number % urls.len()].clone(), ledger.clone(), *talks);
        async move { Member::connect(&url, person.account, person.token, talks, ledger).await }
    });
    let mut connecting = futures::stream::iter(coming).buffered(AT_ONCE);
    let mut members = Vec::new();
    while let Some(member) = connecting.try_next().await? {
        members.push(member);
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(members)
}

/// Everybody, and what all of them note.
struct Crowd<'a> {
    args: &'a BenchArgs,
    members: Vec<Member>,
    ledger: Arc<Ledger>,
}

impl Crowd<'_> {
    /// As fast as it is answered, so much under way at a time.
    async fn full(&self, what: &'static str, lasts: Duration, kind: impl Fn() -> Kind) -> Result<Seen> {
        let of = &self.args.mixed;
        let room = Arc::new(Semaphore::new(of.under_way));
        let progress = ProgressBar::new(lasts.as_secs()).with_message(what);
        self.ledger.begin();
        let begin = Instant::now();
        while begin.elapsed() < lasts {
            let room = timeout(PATIENCE, room.clone().acquire_owned()).await;
            let permit = room.with_context(|| format!("{} are under way, and none is answered", of.under_way))??;
            self.someone().does(kind(), Instant::now(), Some(permit)).await?;
            progress.set_position(begin.elapsed().as_secs());
        }
        progress.finish_and_clear();
        self.end(begin).await
    }

    /// At so many a second, answered or not; all that is due in that time, however late it is ordered.
    async fn paced(&self, rate: f64, lasts: Duration) -> Result<Seen> {
        let progress = ProgressBar::new(lasts.as_secs()).with_message("operations, paced");
        self.ledger.begin();
        let begin = Instant::now();
        let mut ticks = interval_at(begin, Duration::from_secs_f64(1.0 / rate));
        loop {
            let due = ticks.tick().await;
            if due >= begin + lasts {
                break;
            }
            self.someone().does(kind::any(&mut rand::rng()), due, None).await?;
            progress.set_position(begin.elapsed().as_secs());
        }
        progress.finish_and_clear();
        self.end(begin).await
    }

    fn someone(&self) -> &Member {
        self.members.choose(&mut rand::rng()).expect("there are some")
    }

    /// What was answered by now makes the rate; the rest has its time.
    async fn end(&self, begin: Instant) -> Result<Seen> {
        let rate = self.ledger.answered() as f64 / begin.elapsed().as_secs_f64();
        let patience = Instant::now() + DRAIN;
        while !self.ledger.is_quiet() && Instant::now() < patience {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Seen { rate, ..self.ledger.take() })
    }
}

fn report(measured: &Measured, commit: &Histogram<u64>, machine: machine::Machine, took: Duration) -> Report {
    let Measured { full, paced, pings, bare, .. } = measured;
    let (delivery, way) =
        (Percentiles::of(&paced.delivered), Percentiles::of(bare).p99 + commit.value_at_quantile(0.99));
    let alone = |name: &str, value: f64, unit| Part::alone(name, value, unit);
    let delivered = Part {
        name: "paced: delivery p99, beside those of a commit and a publish".to_owned(),
        value: delivery.p99 as f64,
        unit: "us",
        limit: Some(way as f64),
        ratio: Some(way as f64 / (delivery.p99 as f64).max(1.0)),
    };
    let mut parts = vec![
        alone("connections", measured.members as f64, "people"),
        alone("paced", paced.rate, "operations/s"),
        alone("paced: events per commit", measured.events_per_commit, "events"),
        delivered,
        alone("typing that was passed on", full.typing as f64 + paced.typing as f64, "pushes"),
        alone("told to read again", full.resyncs as f64 + paced.resyncs as f64, "times"),
    ];
    // What has no answer is not counted.
    for (kind, share) in SHARES.iter().filter(|(kind, _)| kind.is_answered()) {
        let count = full.times.get(kind).map_or(0, hdrhistogram::Histogram::len) as f64;
        parts.push(alone(
            &format!("{} ({share} % of the mix)", kind.as_str()),
            count * full.rate / full.answered.max(1) as f64,
            "/s",
        ));
    }
    for (phase, seen) in [("full", full), ("paced", paced)] {
        let part = |what: &str, count: u64| alone(&format!("{phase}: {what}"), count as f64, "");
        parts.extend([part("not answered", seen.unanswered), part("not delivered", seen.undelivered)]);
        parts.extend([part("out of order", seen.disordered), part("learned by sync", seen.synced)]);
        parts.push(alone(&format!("{phase}: learned by sync, of all"), seen.synced_share(), "%"));
        parts.extend(seen.errors.iter().map(|(code, count)| part(&format!("refused: {code}"), *count)));
    }
    let mut percentiles_us = BTreeMap::from([
        ("delivery, full".to_owned(), Percentiles::of(&full.delivered)),
        ("delivery, paced".to_owned(), delivery),
        ("publish to subscriber, meanwhile".to_owned(), Percentiles::of(bare)),
        ("one commit of the paced size, alone".to_owned(), Percentiles::of(commit)),
    ]);
    for (phase, seen) in [("full", full), ("paced", paced)] {
        let times = seen.times.iter().filter(|(kind, _)| kind.is_answered());
        percentiles_us
            .extend(times.map(|(kind, times)| (format!("{}, {phase}", kind.as_str()), Percentiles::of(times))));
    }
    Report {
        scenario: "mixed",
        value: full.rate,
        unit: "operations/s",
        limit: *pings,
        limit_name: "pings/s over the same connections",
        ratio: full.rate / pings.max(1.0),
        aim: AIM,
        parts,
        server_cpu_us_per_op: Some(measured.cpu.clone()),
        percentiles_us,
        duration_s: took.as_secs_f64(),
        machine,
        commit: machine::commit(),
        law: Some(full.held() && paced.held()),
    }
}
