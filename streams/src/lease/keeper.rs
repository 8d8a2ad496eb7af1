//! The thin task between the machine, its rows and the work: sends what the machine asks for, feeds back the answers,
//! and tells each lane's work how its lease stands. It waits for nothing in particular, so no slow answer keeps it
//! from noticing that a term has passed; nothing that fails ends it.

use super::{
    Context, Directory, Lease, Share, Term,
    board::{Board, View},
    contact::{Contact, Line},
    hint::{self, COALESCE, Hints},
    machine::{Action, Machine, Moment, Taken},
};
use crate::{Error, Lane, Node, bus::Bus, metrics};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How long a stop waits until everything is handed over; what is not expires.
const STOP: Duration = Duration::from_secs(10);

/// Work whose lease is lost and that has not come back by then is ended.
const LOST: Duration = Duration::from_secs(10);

/// Between two tries to give a row back.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of something that was sent.
enum Answer {
    Looked(Result<View, Error>),
    Taken { lane: Lane, asked_at: Moment, result: Result<Option<Taken>, Error> },
    Renewed { asked: Vec<(Lane, i64)>, asked_at: Moment, result: Result<HashMap<Lane, i64>, Error> },
    Released(Lane),
    Left,
    Told,
}

pub(super) struct Keeper<W> {
    share: Share,
    bus: Bus,
    directory: Directory,
    node: Node,
    term: Duration,
    renew_every: Duration,
    board: Arc<Board>,
    machine: Machine,
    line: Line,
    contact: Contact,
    /// Where moments begin.
    begin: Instant,
    work: Arc<W>,
    works: JoinSet<(Lane, bool)>,
    leases: HashMap<Lane, watch::Sender<Term>>,
    sent: FuturesUnordered<BoxFuture<'static, Answer>>,
    renewing: HashSet<Lane>,
    looking: bool,
    /// When to look because of a hint.
    look_at: Option<Instant>,
    looked_at: Instant,
    joined: bool,
    /// When to wait no longer; set by the stop.
    patience: Option<Instant>,
    leaving: bool,
    left: bool,
}

impl<W, F> Keeper<W>
where
    W: Fn(Lease) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    pub(super) fn new(context: &Context, share: Share, work: W) -> Self {
        let Context { log, bus, node, settings, directory } = context;
        Self {
            share,
            bus: bus.clone(),
            directory: directory.clone(),
            node: node.clone(),
            term: settings.term,
            renew_every: settings.renew_every.min(settings.term / 3).max(Duration::from_millis(1)),
            board: Arc::new(Board::new(context, share)),
            machine: Machine::new(node.clone(), log.lanes(), settings.term),
            line: Line::new(settings.term, Moment::ZERO),
            contact: Contact::Shaken,
            begin: Instant::now(),
            work: Arc::new(work),
            works: JoinSet::new(),
            leases: HashMap::new(),
            sent: FuturesUnordered::new(),
            renewing: HashSet::new(),
            looking: false,
            look_at: None,
            looked_at: Instant::now(),
            joined: false,
            patience: None,
            leaving: false,
            left: false,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut hints = Hints::listen(&self.bus).await;
        let mut beat = tokio::time::interval(self.renew_every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.send_arrival();
        while !self.is_done() {
            let deadline = self.machine.deadline().map(|moment| self.begin + moment);
            tokio::select! {
                Some(answer) = self.sent.next() => self.answered(answer),
                Some(ended) = self.works.join_next() => {
                    if let Ok((lane, panicked)) = ended {
                        self.ended(lane, panicked);
                    }
                }
                () = at(deadline) => self.advance(Machine::tick),
                _ = beat.tick() => self.beat(),
                () = hints.heard(self.share.name()) => self.look_soon(),
                () = at(self.look_at), if !self.looking => self.look(),
                () = stop.cancelled(), if self.patience.is_none() => self.stop(),
                () = at(self.patience) => {
                    tracing::warn!(share = self.share.name(), "not everything was handed over in time: the rest expires");
                    return;
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        self.left && self.machine.is_idle() && self.sent.is_empty() && self.works.is_empty()
    }

    fn is_stopping(&self) -> bool {
        self.patience.is_some()
    }

    fn now(&self) -> Moment {
        self.begin.elapsed()
    }

    fn advance(&mut self, input: impl FnOnce(&mut Machine, Moment) -> Vec<Action>) {
        let now = self.now();
        for action in input(&mut self.machine, now) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::TakeOver { lane, epoch } => self.take_over(lane, epoch),
            Action::Start(taken) => self.start(taken),
            Action::GiveUp(lane) => {
                tracing::info!(share = self.share.name(), %lane, "giving the lane up");
                self.count("given_up");
                self.tell(lane, |term| term.given_up = true);
            }
            Action::Drop(lane) => {
                tracing::error!(share = self.share.name(), %lane, "the lease is lost: taken by another node, or its term has passed here");
                self.count("lost");
                self.tell(lane, |term| term.lost = true);
            }
            Action::Release(lane) => self.release(lane),
        }
    }

    fn tell(&self, lane: Lane, change: impl FnOnce(&mut Term)) {
        if let Some(lease) = self.leases.get(&lane) {
            lease.send_modify(change);
        }
    }

    fn count(&self, change: &'static str) {
        metrics::lease_changed(self.share.name(), change);
        metrics::leases_held(self.share.name(), self.machine.held().len());
    }

    // What is sent.

    fn beat(&mut self) {
        if !self.looking {
            self.look();
        }
        self.renew();
    }

    fn look_soon(&mut self) {
        self.look_at = self.look_at.or(Some(self.looked_at + COALESCE));
    }

    /// One at a time. A hint that comes meanwhile makes another: it may tell of what this one did not see.
    fn look(&mut self) {
        (self.looking, self.look_at, self.looked_at) = (true, None, Instant::now());
        self.check_contact();
        let (board, join) = (self.board.clone(), (!self.is_stopping()).then_some(self.contact));
        self.sent.push(async move { Answer::Looked(board.look(join).await) }.boxed());
    }

    fn check_contact(&mut self) {
        let before = self.contact;
        self.contact = self.line.seen(self.now(), self.bus.is_connected());
        if self.contact == Contact::CutOff && before != Contact::CutOff {
            tracing::warn!(share = self.share.name(), "cut off from NATS: whoever is not may have our part");
        }
    }

    fn renew(&mut self) {
        let mut lanes = self.machine.held();
        lanes.retain(|(lane, _)| self.renewing.insert(*lane));
        for asked in self.board.together(lanes) {
            let (board, begin) = (self.board.clone(), self.begin);
            let renew = async move {
                let lanes: Vec<Lane> = asked.iter().map(|(lane, _)| *lane).collect();
                let mut asked_at = begin.elapsed();
                let result = board.renew(&lanes, || asked_at = begin.elapsed()).await;
                Answer::Renewed { asked, asked_at, result }
            };
            self.sent.push(renew.boxed());
        }
    }

    fn take_over(&mut self, lane: Lane, epoch: i64) {
        let (board, begin) = (self.board.clone(), self.begin);
        let take = async move {
            let mut asked_at = begin.elapsed();
            let result = board.take_over(lane, epoch, || asked_at = begin.elapsed()).await;
            Answer::Taken { lane, asked_at, result }
        };
        self.sent.push(take.boxed());
    }

    /// Tries again until the row must have expired by itself.
    fn release(&mut self, lane: Lane) {
        let (board, share) = (self.board.clone(), self.share.name());
        let lease = self.leases.remove(&lane);
        let expired = lease.map_or_else(|| Instant::now() + self.term, |lease| lease.borrow().until);
        let release = async move {
            while let Err(error) = board.release(lane).await {
                tracing::warn!(share, %lane, %error, "give a lease back");
                if Instant::now() >= expired {
                    break;
                }
                sleep(PAUSE).await;
            }
            Answer::Released(lane)
        };
        self.sent.push(release.boxed());
    }

    fn send_arrival(&mut self) {
        let (board, share) = (self.board.clone(), self.share.name());
        let arrive = async move {
            if let Err(error) = board.arrive().await {
                tracing::warn!(share, %error, "an earlier start of this node may count as another for a while");
            }
            Answer::Told
        };
        self.sent.push(arrive.boxed());
    }

    fn hint(&mut self) {
        let (bus, share) = (self.bus.clone(), self.share.name());
        let tell = async move {
            hint::tell(&bus, share).await;
            Answer::Told
        };
        self.sent.push(tell.boxed());
    }

    fn stop(&mut self) {
        self.patience = Some(Instant::now() + STOP);
        self.advance(Machine::stop);
        if !self.looking {
            self.leave();
        }
    }

    /// Not beside a look, which could join again behind it.
    fn leave(&mut self) {
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        let (board, share) = (self.board.clone(), self.share.name());
        let leave = async move {
            if let Err(error) = board.leave().await {
                tracing::warn!(share, %error, "others will count this node until its row has expired");
            }
            Answer::Left
        };
        self.sent.push(leave.boxed());
    }

    // What is answered.

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Looked(view) => self.looked(view),
            Answer::Taken { lane, asked_at, result } => self.taken(lane, asked_at, result),
            Answer::Renewed { asked, asked_at, result } => self.renewed(&asked, asked_at, result),
            Answer::Released(lane) => {
                self.advance(|machine, now| machine.released(now, lane));
                self.count("released");
                self.hint();
            }
            Answer::Left => {
                self.left = true;
                self.hint();
            }
            Answer::Told => {}
        }
    }

    fn looked(&mut self, view: Result<View, Error>) {
        self.looking = false;
        let contact = self.contact;
        match view {
            Ok(view) => {
                self.advance(|machine, now| machine.observed(now, &view.rows, &view.living, contact));
                if !std::mem::replace(&mut self.joined, true) {
                    self.hint();
                }
            }
            Err(error) => tracing::warn!(share = self.share.name(), %error, "look at the leases: trying again"),
        }
        if self.is_stopping() {
            self.leave();
        }
    }

    fn taken(&mut self, lane: Lane, asked_at: Moment, result: Result<Option<Taken>, Error>) {
        match result {
            Ok(Some(taken)) => {
                self.advance(|machine, now| machine.taken(now, taken, asked_at));
                self.hint();
            }
            Ok(None) => self.machine.refused(lane),
            Err(error) => {
                tracing::warn!(share = self.share.name(), %lane, %error, "take a lease over: looking again");
                self.machine.refused(lane);
            }
        }
    }

    fn start(&mut self, Taken { lane, epoch, incarnation }: Taken) {
        let Some(until) = self.machine.until(lane) else { return };
        tracing::info!(share = self.share.name(), %lane, epoch, "taken over");
        self.count("taken");
        let term = Term { until: self.begin + until, given_up: false, lost: false };
        let (sender, term) = watch::channel(term);
        self.leases.insert(lane, sender);
        let lease = Lease { lane, epoch, incarnation, term };
        self.works.spawn(run(self.work.clone(), lease, self.share));
        if self.share == Share::Lanes {
            self.directory.learn(lane, Some(self.node.clone()));
        }
    }

    fn renewed(&mut self, asked: &[(Lane, i64)], asked_at: Moment, result: Result<HashMap<Lane, i64>, Error>) {
        for (lane, _) in asked {
            self.renewing.remove(lane);
        }
        let renewed = match result {
            Ok(renewed) => renewed,
            Err(error) => {
                return tracing::warn!(share = self.share.name(), %error, "renew a lease: trying again");
            }
        };
        for &(lane, epoch) in asked {
            match renewed.get(&lane) {
                Some(epoch) => self.advance(|machine, now| machine.renewed(now, lane, *epoch, asked_at)),
                None => self.advance(|machine, now| machine.unrenewed(now, lane, epoch)),
            }
            if let Some(until) = self.machine.until(lane) {
                let until = self.begin + until;
                self.tell(lane, |term| term.until = until);
            }
        }
    }

    fn ended(&mut self, lane: Lane, panicked: bool) {
        if panicked {
            tracing::error!(share = self.share.name(), %lane, "the lane's work panicked");
        }
        self.count("ended");
        self.advance(|machine, now| machine.ended(now, lane));
        // Released ones are gone already, with their term.
        self.leases.remove(&lane);
    }
}

/// Runs a lane's work; true if it panicked.
async fn run<W, F>(work: Arc<W>, lease: Lease, share: Share) -> (Lane, bool)
where
    W: Fn(Lease) -> F,
    F: Future<Output = ()>,
{
    let (lane, watched) = (lease.lane(), lease.clone());
    let work = AssertUnwindSafe(async { work(lease).await }).catch_unwind();
    let overdue = async {
        watched.lost().await;
        sleep(LOST).await;
    };
    tokio::select! {
        result = work => (lane, result.is_err()),
        () = overdue => {
            tracing::error!(share = share.name(), %lane, "the lane's work went on without a lease: ended");
            (lane, false)
        }
    }
}

/// Never, while there is no such moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
