//! Pages, read by many at once. Mostly the newest fifty, now and then older ones. Each page is checked: its numbers have no
//! gap, its messages are those that belong there, and what was waited for before the page was asked for is in it.

use super::super::{
    BenchArgs,
    counters::Counters,
    crowd::{Crowd, Group, message_id},
    engine,
    view::{Site, View},
    zipf::Zipf,
};
use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use natter_client::wire;
use natter_commands::{GivenBody, Keyed, Named, Outgoing};
use natter_domain::{Emoji, MessageId};
use natter_projections::{
    Projection, Projections,
    message::{Range, probe::Probe},
};
use natter_streams::id;
use rand::Rng;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const ROUNDS: u32 = 4;
const WARM_UP: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(500);
const PAGE: u32 = 50;
/// One page in so many is an older one, which hardly anybody else reads.
const OLDER: u32 = 8;
/// How unequal groups are: the usual exponent of what people look at.
const EXPONENT: f64 = 1.0;
const EMOJI: &str = "\u{2764}";
const BOTH: [Projection; 2] = [Projection::Relations, Projection::History];

pub struct Reads {
    pub ours: Seen,
    pub bare: Seen,
    /// Ours, the newest pages of the tenth of the groups that is read most.
    pub hottest: Seen,
    /// Messages, meanwhile.
    pub sent: u64,
    /// What was wrong with a page, if any was.
    pub first_wrong: Option<String>,
}

pub struct Seen {
    pub took_us: Histogram<u64>,
    /// Pages that are not what they should be.
    pub wrong: u64,
    first_wrong: Option<String>,
    took: Duration,
    /// Of all pages in this process, and of those how many were asked of the store.
    shown: f64,
    read: f64,
}

impl Seen {
    fn new() -> Result<Self> {
        let took_us = Histogram::new_with_bounds(1, 600_000_000, 3)?;
        Ok(Self { took_us, wrong: 0, first_wrong: None, took: Duration::ZERO, shown: 0.0, read: 0.0 })
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.wrong += other.wrong;
        self.first_wrong = self.first_wrong.take().or(other.first_wrong);
        self.took += other.took;
        self.shown += other.shown;
        self.read += other.read;
        Ok(self.took_us.add(&other.took_us)?)
    }

    pub fn per_second(&self) -> f64 {
        self.took_us.len() as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }

    /// Pages per read of the store.
    pub fn sharing(&self) -> f64 {
        self.shown / self.read.max(1.0)
    }
}

/// A group, and the newest message that everybody can read by now.
struct Talk {
    group: Group,
    newest: AtomicU64,
}

pub async fn measure(args: &BenchArgs, site: &Site, view: &View, crowd: &Crowd) -> Result<Reads> {
    let talk = |group: &Group| Talk { group: group.clone(), newest: AtomicU64::new(group.last_seq) };
    let talks: Arc<Vec<Talk>> = Arc::new(crowd.groups.iter().map(talk).collect());
    ensure!(!talks.is_empty(), "there is nobody to read");
    println!("reactions    one in each group");
    react(view, &talks).await?;
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    let bare = Arc::new(bare(site, view, &stop).await?);
    let trickling = tokio::spawn(trickle(
        view.engine.commands.clone(),
        view.projections.clone(),
        talks.clone(),
        args.crowd.trickle,
        stop.clone(),
    ));
    let desk = Desk { readers: args.crowd.readers, talks: talks.clone() };
    let read = desk.rounds(args, &view.projections, &bare).await;
    stop.cancel();
    let sent = trickling.await?.context("send meanwhile")?;
    let (mut ours, bare, hottest) = read?;
    let first_wrong = ours.first_wrong.take().or(bare.first_wrong.clone()).or(hottest.first_wrong.clone());
    Ok(Reads { ours, bare, hottest, sent, first_wrong })
}

/// The driver on the tables of the generation that is live.
async fn bare(site: &Site, view: &View, stop: &CancellationToken) -> Result<Probe> {
    let Some(cluster) = &site.cluster else { return Ok(Probe::postgres(&site.database_url).await?) };
    let live = view.projections.generations().into_iter().find(|(projection, _)| *projection == Projection::History);
    let (_, generation) = live.context("history has a live generation")?;
    let mut settings = (**cluster).clone();
    settings.keyspace = format!("{}_{generation}", settings.keyspace);
    Ok(Probe::cql(settings, &site.database_url, stop).await?)
}

/// So that pages have what is asked for apart, as pages in use have.
async fn react(view: &View, talks: &[Talk]) -> Result<()> {
    let emoji = Emoji::parse(EMOJI).map_err(anyhow::Error::msg)?;
    let pending: Vec<_> = talks
        .iter()
        .map(|Talk { group, .. }| {
            let by = Keyed { caller: group.members[0].caller(), key: None };
            let of =
                Named { conversation: group.conversation, message: message_id(group.conversation, group.last_seq) };
            view.engine.commands.message().react(by, of, &emoji)
        })
        .collect();
    for pending in pending {
        let positions = pending.await.context("react")?;
        view.projections.wait(&positions, &BOTH).await.context("wait for a reaction")?;
    }
    Ok(())
}

/// So many messages a second, each waited for: how many there were.
async fn trickle(
    commands: natter_commands::Commands,
    projections: Projections,
    talks: Arc<Vec<Talk>>,
    per_second: u32,
    stop: CancellationToken,
) -> Result<u64> {
    let zipf = Zipf::new(talks.len(), EXPONENT);
    let body = engine::body(super::super::send::TEXT);
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second.max(1));
    let (mut sending, mut sent) = (JoinSet::new(), 0);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let number = zipf.draw(&mut rand::rng());
        let group = &talks[number].group;
        let (caller, message) = (group.members[0].caller(), MessageId(id::new()));
        let pending = commands.conversation().send(
            caller,
            group.conversation,
            Outgoing::plain(message, GivenBody::text(&*body, u32::try_from(body.len())?)),
        );
        let (talks, projections) = (talks.clone(), projections.clone());
        sending.spawn(async move {
            let sent = pending.await.context("send")?;
            projections.wait(&sent.positions, &BOTH).await.context("wait for a message")?;
            talks[number].newest.fetch_max(sent.seq, Relaxed);
            Ok::<_, anyhow::Error>(())
        });
        sent += 1;
        while let Some(done) = sending.try_join_next() {
            done??;
        }
    }
    while let Some(done) = sending.join_next().await {
        done??;
    }
    Ok(sent)
}

/// Where people read.
struct Desk {
    readers: usize,
    talks: Arc<Vec<Talk>>,
}

impl Desk {
    /// Ours, the bare driver's, and our hot pages: the newest of the hottest tenth.
    async fn rounds(&self, args: &BenchArgs, ours: &Projections, bare: &Arc<Probe>) -> Result<(Seen, Seen, Seen)> {
        let time = (Duration::from_secs(args.seconds) / (2 * ROUNDS + 1)).max(SHORTEST);
        let progress = ProgressBar::new(2 * u64::from(ROUNDS) + 2).with_message("pages, bare selects");
        let ours = || Door::Ours(ours.clone());
        let bare = || Door::Bare(bare.clone());
        let groups = self.talks.len();
        for warm in [ours(), bare()] {
            self.round(&warm, groups, Some(OLDER), WARM_UP.min(time)).await?;
        }
        progress.inc(1);
        let (mut seen, mut seen_bare) = (Seen::new()?, Seen::new()?);
        for _ in 0..ROUNDS {
            seen.add(self.round(&ours(), groups, Some(OLDER), time).await?)?;
            progress.inc(1);
            seen_bare.add(self.round(&bare(), groups, Some(OLDER), time).await?)?;
            progress.inc(1);
        }
        let hottest = self.round(&ours(), groups.div_ceil(10), None, time).await?;
        progress.finish_and_clear();
        Ok((seen, seen_bare, hottest))
    }

    /// Everybody reads for so long, of the first so many groups, one page in so many an older one.
    async fn round(&self, door: &Door, groups: usize, older: Option<u32>, time: Duration) -> Result<Seen> {
        let (before, begin) = (Counters::own(), Instant::now());
        let (zipf, until) = (Arc::new(Zipf::new(groups, EXPONENT)), begin + time);
        let mut reading = JoinSet::new();
        for _ in 0..self.readers {
            let reader = Reader { door: door.clone(), talks: self.talks.clone(), zipf: zipf.clone(), older };
            reading.spawn(reader.read(until));
        }
        let mut seen = Seen::new()?;
        while let Some(read) = reading.join_next().await {
            seen.add(read??)?;
        }
        seen.took = begin.elapsed();
        let after = Counters::own();
        seen.shown = after.since(&before, "natter_history_pages_total", None);
        seen.read = after.since(&before, "natter_history_page_reads_total", None);
        Ok(seen)
    }
}

/// How pages are read.
#[derive(Clone)]
enum Door {
    Ours(Projections),
    Bare(Arc<Probe>),
}

struct Reader {
    door: Door,
    talks: Arc<Vec<Talk>>,
    zipf: Arc<Zipf>,
    older: Option<u32>,
}

impl Reader {
    async fn read(self, until: Instant) -> Result<Seen> {
        let mut seen = Seen::new()?;
        while Instant::now() < until {
            let (talk, member, before) = self.choose();
            let floor = talk.newest.load(Relaxed);
            let begin = Instant::now();
            let judged = self.page(talk, member, floor, before).await?;
            seen.took_us.saturating_record(begin.elapsed().as_micros() as u64);
            if let Err(what) = judged {
                seen.wrong += 1;
                seen.first_wrong.get_or_insert(what);
            }
        }
        Ok(seen)
    }

    fn choose(&self) -> (&Talk, usize, Option<u64>) {
        let mut random = rand::rng();
        let talk = &self.talks[self.zipf.draw(&mut random)];
        let older = self.older.is_some_and(|one_in| random.random_range(0..one_in) == 0);
        let newest = talk.newest.load(Relaxed);
        let before = older.then(|| random.random_range(2..=newest.max(2)));
        (talk, random.random_range(0..talk.group.members.len()), before)
    }

    /// What is wrong with the page, if anything is.
    async fn page(&self, talk: &Talk, member: usize, floor: u64, before: Option<u64>) -> Result<Result<(), String>> {
        let group = &talk.group;
        match &self.door {
            Door::Ours(projections) => {
                let range = Range { before_seq: before, limit: PAGE, ..Range::default() };
                let viewer = group.members[member].account;
                let page = projections.message().page(viewer, group.conversation, range).await?;
                let Some(page) = page else { return Ok(Err("a member was told that there is no group".to_owned())) };
                let seqs: Vec<u64> = page.iter().map(|message| message.seq).collect();
                Ok(judge(&seqs, floor, before).and_then(|()| page.iter().try_for_each(|it| is_right(group, it))))
            }
            Door::Bare(probe) => {
                let until = before.map_or(floor, |seq| seq - 1);
                let seqs = probe.page(group.conversation, until, PAGE).await?;
                Ok(judge(&seqs, floor, before))
            }
        }
    }
}

/// Numbers without a gap, newest first, as many as there are; the newest page has what was waited for.
fn judge(seqs: &[u64], floor: u64, before: Option<u64>) -> Result<(), String> {
    let Some(&first) = seqs.first() else { return Err("a page is empty".to_owned()) };
    let begins = before.map_or(first >= floor, |seq| first == seq - 1);
    let falls = seqs.windows(2).all(|two| two[0] == two[1] + 1);
    let is_whole = seqs.len() as u64 == first.min(u64::from(PAGE));
    if begins && falls && is_whole {
        return Ok(());
    }
    Err(format!("a page before {before:?} with {floor} waited for has {} from {first}, in order: {falls}", seqs.len()))
}

/// Its body can be read, and it is the message of that place, as far as we made it.
fn is_right(group: &Group, message: &wire::Message) -> Result<(), String> {
    let expected = message_id(group.conversation, message.seq).0;
    let is_ours = 1 < message.seq && message.seq <= group.last_seq;
    if message.body.is_none() || (is_ours && message.message_id != expected) {
        return Err(format!(
            "message {} is {} with a body: {}",
            message.seq,
            message.message_id,
            message.body.is_some()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_judged_by_its_numbers() {
        let page = |from: u64, count: u64| (0..count).map(|back| from - back).collect::<Vec<u64>>();
        assert_eq!(judge(&page(100, 50), 100, None), Ok(()));
        assert_eq!(judge(&page(101, 50), 100, None), Ok(()), "newer than what was waited for");
        assert_eq!(judge(&page(20, 20), 20, None), Ok(()));
        assert_eq!(judge(&page(60, 50), 100, Some(61)), Ok(()));
        assert!(judge(&page(99, 50), 100, None).is_err(), "the newest is missing");
        assert!(judge(&page(100, 49), 100, None).is_err(), "one is missing at the end");
        assert!(judge(&page(59, 50), 100, Some(61)).is_err(), "one is left out");
        assert!(judge(&[5, 3, 2, 1, 0], 5, None).is_err(), "a gap");
        assert!(judge(&[], 0, None).is_err());
    }
}
