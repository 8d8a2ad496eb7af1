//! A world for the machine of leases: processes with clocks of their own, one board with the meaning of the SQL, and
//! a network between them that loses, delays and repeats nothing but what a database connection would.

use natter_streams::{
    Lane, Lanes, Node,
    lease::{
        contact::{Contact, Line},
        machine::{Action, Candidate, Machine, Moment, Row, Taken},
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use uuid::Uuid;

/// Milliseconds of the true time, which is the board's.
pub type At = u64;

const STEP: At = 20;
const BEAT: At = 1_000;
const TIMEOUT: At = 2_000;
const HINT: At = 50;
/// Work ends so long after it was told to, at most.
const FINISH: At = 500;

pub struct World {
    pub now: At,
    pub term: At,
    pub rows: Vec<BoardRow>,
    pub processes: Vec<Process>,
    /// Of a hundred statements or answers, so many are lost.
    pub loss: u32,
    pub delay: At,
    lanes: Lanes,
    candidates: HashMap<Node, (At, Contact)>,
    wire: Vec<(At, usize, u64, Packet)>,
    rng: StdRng,
    /// Whom each epoch was given to.
    epochs: HashMap<(Lane, i64), Node>,
    /// What went wrong, in words.
    pub faults: Vec<String>,
}

pub struct BoardRow {
    pub owner: Option<Node>,
    epoch: i64,
    expires_at: At,
}

pub struct Process {
    pub node: Node,
    pub machine: Machine,
    stopping: bool,
    dead: bool,
    /// NATS has lost it; the board it reaches.
    cut: bool,
    line: Line,
    contact: Contact,
    /// A thousandth is one step of this: clocks differ in rate.
    rate: u64,
    born: At,
    paused_until: At,
    next_beat: At,
    look_at: Option<At>,
    works: BTreeMap<Lane, Option<At>>,
    sent: BTreeMap<u64, Sent>,
    inbox: Vec<(u64, Reply)>,
}

#[derive(Clone, Debug)]
struct Sent {
    ask: Ask,
    asked_at: Moment,
    timeout: At,
}

#[derive(Clone, PartialEq, Debug)]
enum Ask {
    Look(Contact),
    TakeOver {
        lane: Lane,
        epoch: i64,
    },
    Renew {
        lane: Lane,
        epoch: i64,
    },
    /// First the epoch of our row, then the release of just that.
    Read {
        lane: Lane,
        retry_until: At,
    },
    Release {
        lane: Lane,
        epoch: i64,
        retry_until: At,
    },
    Leave,
}

#[derive(Clone, Debug)]
enum Reply {
    View(Vec<Row>, Vec<Candidate>),
    /// The epoch, where a row was found.
    Epoch(Option<i64>),
    Done,
    Failed,
}

enum Packet {
    Ask(Ask),
    Reply(Reply),
}

impl World {
    pub fn new(lanes: u16, term: At, seed: u64) -> Self {
        Self {
            now: 0,
            term,
            rows: (0..lanes).map(|_| BoardRow { owner: None, epoch: 0, expires_at: 0 }).collect(),
            processes: Vec::new(),
            loss: 0,
            delay: 20,
            lanes: Lanes::new(lanes).expect("few lanes"),
            candidates: HashMap::new(),
            wire: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            epochs: HashMap::new(),
            faults: Vec::new(),
        }
    }

    pub fn living(&self, name: &str) -> Option<usize> {
        self.processes.iter().position(|process| !process.dead && &*process.node.name == name)
    }

    /// Does nothing where the name is taken: it is bound before anything is owned.
    pub fn start(&mut self, name: &str) {
        if self.living(name).is_some() {
            return;
        }
        let node = Node { name: name.into(), start: Uuid::from_u128(self.rng.random()) };
        let machine = Machine::new(node.clone(), self.lanes, Duration::from_millis(self.term));
        self.candidates.retain(|other, _| other.name != node.name);
        self.processes.push(Process {
            node,
            machine,
            stopping: false,
            dead: false,
            cut: false,
            line: Line::new(Duration::from_millis(self.term), Duration::ZERO),
            contact: Contact::Shaken,
            rate: self.rng.random_range(980..=1_020),
            born: self.now,
            paused_until: 0,
            next_beat: self.now,
            look_at: None,
            works: BTreeMap::new(),
            sent: BTreeMap::new(),
            inbox: Vec::new(),
        });
    }

    pub fn kill(&mut self, name: &str) {
        let Some(at) = self.living(name) else { return };
        // What it has sent may still arrive; nobody hears the answers.
        self.processes[at].dead = true;
    }

    pub fn stop(&mut self, name: &str) {
        let Some(at) = self.living(name) else { return };
        let process = &mut self.processes[at];
        if !std::mem::replace(&mut process.stopping, true) {
            let actions = process.machine.stop(process.clock(self.now));
            self.perform(at, actions);
            self.send(at, Ask::Leave);
        }
    }

    pub fn pause(&mut self, name: &str, pause: At) {
        if let Some(at) = self.living(name) {
            self.processes[at].paused_until = self.now + pause;
        }
    }

    pub fn cut(&mut self, name: &str, cut: bool) {
        if let Some(at) = self.living(name) {
            self.processes[at].cut = cut;
        }
    }

    /// The work of one lane comes back by itself.
    pub fn crash_work(&mut self, name: &str) {
        let Some(at) = self.living(name) else { return };
        if let Some(ends) = self.processes[at].works.values_mut().next() {
            *ends = Some(self.now);
        }
    }

    /// Who works on a lane raises its epoch, after an append of unknown outcome.
    pub fn retake(&mut self, name: &str) {
        let Some(at) = self.living(name) else { return };
        let Some(lane) = self.processes[at].works.keys().next().copied() else { return };
        let node = self.processes[at].node.clone();
        if self.rows[lane.index()].owner.as_ref() == Some(&node) {
            self.rows[lane.index()].epoch += 1;
            self.give_epoch(lane, &node);
        }
    }

    pub fn resume_all(&mut self) {
        for process in &mut self.processes {
            process.paused_until = 0;
        }
    }

    pub fn run_until(&mut self, end: At) {
        while self.now < end {
            self.step();
        }
    }

    pub fn step(&mut self) {
        self.now += STEP;
        self.deliver();
        for at in 0..self.processes.len() {
            if !self.processes[at].dead && self.processes[at].paused_until <= self.now {
                self.act(at);
            }
        }
        for process in &mut self.processes {
            process.dead |= process.stopping && process.machine.is_idle() && process.sent.is_empty();
        }
        self.check();
    }

    /// How many lanes each living process works on, under a lease that it believes in and the board agrees with; of
    /// those that are not cut off, unless all are.
    pub fn shares(&self) -> Vec<usize> {
        let share = |process: &&Process| self.lanes.iter().filter(|lane| self.runs(process, *lane)).count();
        let living = self.processes.iter().filter(|process| !process.dead);
        let all_are_cut = living.clone().all(|process| process.cut);
        let sharing = living.filter(|process| all_are_cut || !process.cut);
        sharing.map(|process| share(&process)).collect()
    }

    fn runs(&self, process: &Process, lane: Lane) -> bool {
        process.works.get(&lane) == Some(&None)
            && process.machine.is_held(lane, process.clock(self.now))
            && self.rows[lane.index()].owner.as_ref() == Some(&process.node)
    }

    /// The law: by their own clocks, no two believe at the same time.
    fn check(&mut self) {
        for lane in self.lanes.iter() {
            let believes = |process: &&Process| !process.dead && process.machine.is_held(lane, process.clock(self.now));
            let believers: Vec<String> =
                self.processes.iter().filter(believes).map(|process| process.node.to_string()).collect();
            if believers.len() > 1 {
                self.faults.push(format!("at {}: lane {lane} is held by {believers:?}", self.now));
            }
        }
    }

    fn deliver(&mut self) {
        let mut due: Vec<_> = Vec::new();
        let now = self.now;
        self.wire.retain_mut(|(at, process, id, packet)| {
            if *at > now {
                return true;
            }
            due.push((*process, *id, std::mem::replace(packet, Packet::Reply(Reply::Failed))));
            false
        });
        for (process, id, packet) in due {
            match packet {
                Packet::Ask(ask) => self.execute(process, id, &ask),
                Packet::Reply(reply) => self.processes[process].inbox.push((id, reply)),
            }
        }
    }

    fn execute(&mut self, at: usize, id: u64, ask: &Ask) {
        let (node, now, term) = (self.processes[at].node.clone(), self.now, self.term);
        let reply = match *ask {
            Ask::Look(contact) => {
                if !self.processes[at].stopping {
                    self.candidates.insert(node, (now + term, contact));
                }
                self.view()
            }
            Ask::TakeOver { lane, epoch } => {
                let row = &mut self.rows[lane.index()];
                let free = row.owner.as_ref().is_none_or(|owner| owner.name == node.name) || row.expires_at <= now;
                let taken = free && row.epoch == epoch;
                if taken {
                    *row = BoardRow { owner: Some(node.clone()), epoch: epoch + 1, expires_at: now + term };
                    self.give_epoch(lane, &node);
                }
                Reply::Epoch(taken.then_some(epoch + 1))
            }
            Ask::Renew { lane, .. } => {
                let row = &mut self.rows[lane.index()];
                Reply::Epoch((row.owner.as_ref() == Some(&node)).then(|| {
                    row.expires_at = row.expires_at.max(now + term);
                    row.epoch
                }))
            }
            Ask::Read { lane, .. } => {
                let row = &self.rows[lane.index()];
                Reply::Epoch((row.owner.as_ref() == Some(&node)).then_some(row.epoch))
            }
            // It may come when its sender has long given it up, and taken the lane again.
            Ask::Release { lane, epoch, .. } => {
                let row = &mut self.rows[lane.index()];
                if row.owner.as_ref() == Some(&node) && row.epoch == epoch {
                    (row.owner, row.expires_at) = (None, 0);
                    let process = &self.processes[at];
                    if process.machine.is_held(lane, process.clock(now)) {
                        self.faults.push(format!("at {now}: an old release has freed lane {lane}, which {node} holds"));
                    }
                }
                Reply::Done
            }
            Ask::Leave => {
                self.candidates.remove(&node);
                Reply::Done
            }
        };
        self.put(at, id, Packet::Reply(reply));
    }

    fn give_epoch(&mut self, lane: Lane, node: &Node) {
        let epoch = self.rows[lane.index()].epoch;
        if self.epochs.insert((lane, epoch), node.clone()).is_some() {
            self.faults.push(format!("at {}: epoch {epoch} of lane {lane} was given twice", self.now));
        }
    }

    fn view(&self) -> Reply {
        let row = |(row, lane): (&BoardRow, Lane)| {
            let expired = row.expires_at <= self.now;
            Row { lane, owner: row.owner.clone(), epoch: row.epoch, expired }
        };
        let rows = self.rows.iter().zip(self.lanes.iter()).map(row).collect();
        let living = self.candidates.iter().filter(|(_, (expires_at, _))| *expires_at > self.now);
        let candidate =
            |(node, (_, contact)): (&Node, &(At, Contact))| Candidate { node: node.clone(), contact: *contact };
        Reply::View(rows, living.map(candidate).collect())
    }

    fn put(&mut self, process: usize, id: u64, packet: Packet) {
        if self.rng.random_range(0..100) >= self.loss {
            self.wire.push((self.now + self.rng.random_range(1..=self.delay), process, id, packet));
        }
    }

    fn send(&mut self, at: usize, ask: Ask) {
        let process = &mut self.processes[at];
        let asked_at = process.clock(self.now);
        let id = self.rng.random();
        process.sent.insert(id, Sent { ask: ask.clone(), asked_at, timeout: self.now + TIMEOUT });
        self.put(at, id, Packet::Ask(ask));
    }

    /// What a keeper does when it runs; in which order, nobody knows.
    fn act(&mut self, at: usize) {
        let mut answers = std::mem::take(&mut self.processes[at].inbox);
        let late = self.processes[at].sent.iter().filter(|(_, sent)| sent.timeout <= self.now);
        answers.extend(late.map(|(id, _)| (*id, Reply::Failed)));
        if self.rng.random() {
            self.advance(at, Machine::tick);
        }
        for (id, reply) in answers {
            if let Some(sent) = self.processes[at].sent.remove(&id) {
                self.answered(at, sent, reply);
            }
        }
        self.end_works(at);
        self.advance(at, Machine::tick);
        self.ask(at);
    }

    fn answered(&mut self, at: usize, sent: Sent, reply: Reply) {
        let asked_at = sent.asked_at;
        match (sent.ask, reply) {
            (Ask::Look(_), Reply::View(rows, living)) => {
                let contact = self.processes[at].contact;
                self.advance(at, |machine, now| machine.observed(now, &rows, &living, contact));
            }
            (Ask::TakeOver { lane, .. }, Reply::Epoch(Some(epoch))) => {
                let taken = Taken { lane, epoch, incarnation: Uuid::nil() };
                self.advance(at, |machine, now| machine.taken(now, taken, asked_at));
            }
            (Ask::TakeOver { lane, .. }, _) => self.processes[at].machine.refused(lane),
            (Ask::Renew { lane, .. }, Reply::Epoch(Some(epoch))) => {
                self.advance(at, |machine, now| machine.renewed(now, lane, epoch, asked_at));
            }
            (Ask::Renew { lane, epoch }, Reply::Epoch(None)) => {
                self.advance(at, |machine, now| machine.unrenewed(now, lane, epoch));
            }
            (Ask::Read { lane, retry_until } | Ask::Release { lane, retry_until, .. }, Reply::Failed)
                if self.now < retry_until =>
            {
                self.send(at, Ask::Read { lane, retry_until });
            }
            (Ask::Read { lane, retry_until }, Reply::Epoch(Some(epoch))) => {
                self.send(at, Ask::Release { lane, epoch, retry_until });
            }
            (Ask::Read { lane, .. } | Ask::Release { lane, .. }, _) => {
                self.advance(at, |machine, now| machine.released(now, lane));
                self.hint();
            }
            _ => {}
        }
    }

    fn hint(&mut self) {
        for process in self.processes.iter_mut().filter(|process| !process.cut) {
            if self.rng.random_range(0..100) >= self.loss {
                process.look_at = Some(self.now + HINT);
            }
        }
    }

    fn end_works(&mut self, at: usize) {
        let now = self.now;
        let ended = |ends: &Option<At>| ends.is_some_and(|ends| ends <= now);
        let ended: Vec<Lane> =
            self.processes[at].works.iter().filter(|(_, ends)| ended(ends)).map(|(lane, _)| *lane).collect();
        for lane in ended {
            self.processes[at].works.remove(&lane);
            self.advance(at, |machine, now| machine.ended(now, lane));
        }
    }

    fn ask(&mut self, at: usize) {
        let process = &mut self.processes[at];
        let beats = process.next_beat <= self.now;
        let looks = beats || process.look_at.is_some_and(|look_at| look_at <= self.now);
        let looks = looks && !process.sent.values().any(|sent| matches!(sent.ask, Ask::Look(_)));
        let mut asks: Vec<Ask> = Vec::new();
        if looks {
            process.look_at = None;
            process.contact = process.line.seen(process.clock(self.now), !process.cut);
            asks.push(Ask::Look(process.contact));
        }
        if beats {
            let renew = process.machine.held().into_iter().map(|(lane, epoch)| Ask::Renew { lane, epoch });
            asks.extend(renew.filter(|ask| !process.sent.values().any(|sent| sent.ask == *ask)));
            process.next_beat = self.now + BEAT;
        }
        for ask in asks {
            self.send(at, ask);
        }
    }

    fn advance(&mut self, at: usize, input: impl FnOnce(&mut Machine, Moment) -> Vec<Action>) {
        let process = &mut self.processes[at];
        let now = process.clock(self.now);
        let actions = input(&mut process.machine, now);
        self.perform(at, actions);
    }

    fn perform(&mut self, at: usize, actions: Vec<Action>) {
        for action in actions {
            let ends = self.now + self.rng.random_range(0..=FINISH);
            let process = &mut self.processes[at];
            match action {
                Action::TakeOver { lane, epoch } => self.send(at, Ask::TakeOver { lane, epoch }),
                Action::Start(taken) => {
                    if process.works.insert(taken.lane, None).is_some() {
                        self.faults.push(format!("at {}: lane {} has two works in one process", self.now, taken.lane));
                    }
                }
                Action::GiveUp(lane) | Action::Drop(lane) => {
                    // None: it came back just now.
                    if let Some(work) = process.works.get_mut(&lane) {
                        *work = Some(work.unwrap_or(ends));
                    }
                }
                Action::Release(lane) => self.send(at, Ask::Read { lane, retry_until: self.now + self.term }),
            }
        }
    }
}

impl Process {
    fn clock(&self, now: At) -> Moment {
        Duration::from_micros((now - self.born) * self.rate)
    }
}
