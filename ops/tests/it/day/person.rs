//! Somebody with three devices, who does one thing after the other, on whichever device, until it is answered.

use super::{
    PATIENCE, Shared, Talks, bodies,
    deed::Deed,
    device::Device,
    house::{House, door},
    ledger::{Later, Ledger, Sent},
};
use natter_testkit::{
    PASSWORD,
    client::{
        Client, Error, Signed, Socket, new_id,
        rest::Answer,
        socket::{Handover, Pending, Requests},
    },
    eventually, wire,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

pub const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const PLATFORMS: [&str; 3] = ["ios", "web", "linux"];
/// How long one try may take.
const TRY: Duration = Duration::from_secs(10);

/// What all of them know.
pub struct World {
    ledger: Mutex<Ledger>,
    pub talks: Talks,
    /// Of pages, each by its number.
    pub page: String,
    pub accounts: Vec<Uuid>,
    /// Of what is made one after the other.
    number: AtomicUsize,
    done: AtomicU64,
    failures: AtomicU64,
}

impl World {
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// Tries that had to be made again.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::SeqCst)
    }

    /// No number twice.
    pub fn number(&self) -> usize {
        self.number.fetch_add(1, Ordering::SeqCst)
    }

    pub async fn comes_to(&self, what: &str, so: impl Fn() -> bool) {
        eventually(what, PATIENCE, async || {
            if so() { Ok(()) } else { Err(format!("{} done, {} tried again", self.done(), self.failures())) }
        })
        .await;
    }
}

pub struct Person {
    pub name: &'static str,
    pub id: Uuid,
    pub devices: Vec<Device>,
    pub world: Shared,
    /// A connection of its own, for what is no request.
    line: tokio::sync::Mutex<Option<Socket>>,
    dice: Mutex<StdRng>,
    /// For each try: how many there are does not change what is done next.
    device_dice: Mutex<StdRng>,
    /// What was said, so that nothing is said twice.
    words: AtomicU64,
}

/// Why something was not done.
#[derive(Debug)]
pub enum Not {
    /// There is nothing to do it with.
    Possible,
    /// Refused, at the first try or a later one.
    Taken { code: String, tries: u32 },
}

impl Not {
    /// Somebody had tried before, and was not answered.
    fn after_a_try(self) -> Self {
        match self {
            Self::Taken { code, tries } => Self::Taken { code, tries: tries + 1 },
            Self::Possible => Self::Possible,
        }
    }
}

pub type Done = Result<(), Not>;

pub fn dice_of(seed: u64, number: u64) -> Mutex<StdRng> {
    Mutex::new(StdRng::seed_from_u64(seed.wrapping_add(number)))
}

/// Everybody befriends everybody, and they open their groups.
pub async fn meet(house: &House, seed: u64) -> (Shared, Vec<Arc<Person>>) {
    let mut signed = Vec::new();
    for name in NAMES {
        signed.push(sign_in(house, name).await);
    }
    for (index, one) in signed.iter().enumerate() {
        for other in &signed[index + 1..] {
            let asked = one[0].request_friend(other[0].id(), None).await.expect("ask for friendship");
            other[0].accept_friend(asked.id).await.expect("accept");
        }
    }
    for devices in &signed {
        devices[0].open_own().await.expect("a conversation with oneself");
    }
    let talks = talks(&signed).await;
    let accounts = signed.iter().map(|devices| devices[0].id()).collect();
    let (ledger, number, done, failures) = Default::default();
    let world = Arc::new(World { ledger, talks, page: house.page(), accounts, number, done, failures });
    let person = |(number, (name, signed)): (usize, (&'static str, Vec<Signed>))| {
        let id = signed[0].id();
        let device = |(number, (signed, platform)): (usize, (Signed, &str))| {
            Device::new(format!("{name}'s {platform}"), door(number), signed)
        };
        let devices = signed.into_iter().zip(PLATFORMS).enumerate().map(device).collect();
        let [dice, device_dice] = [1, 101].map(|first| dice_of(seed, number as u64 + first));
        let (line, words) = Default::default();
        Arc::new(Person { name, id, devices, world: world.clone(), line, dice, device_dice, words })
    };
    let people: Vec<Arc<Person>> = NAMES.into_iter().zip(signed).enumerate().map(person).collect();
    (world, people)
}

async fn sign_in(house: &House, name: &str) -> Vec<Signed> {
    let device = |platform: &str| Some(wire::Device { name: None, platform: Some(platform.to_owned()) });
    let registration = wire::Register { device: device(PLATFORMS[0]), ..wire::Register::new(name, PASSWORD) };
    let mut signed = vec![house.door(0).register(&registration).await.expect("register")];
    for (number, platform) in PLATFORMS.iter().enumerate().skip(1) {
        let (login, password) = (name.to_owned(), Some(PASSWORD.to_owned()));
        let login = wire::Login { login, password, code: None, device: device(platform) };
        let client: Client = house.door(number);
        signed.push(client.login(&login).await.expect("sign in"));
    }
    signed
}

async fn talks(signed: &[Vec<Signed>]) -> Talks {
    let [alice, bob, carol, dave, erin] = signed.iter().map(|devices| &devices[0]).collect::<Vec<_>>()[..] else {
        panic!("there are five")
    };
    let start = async |owner: &Signed, name: &str, members: &[&Signed]| {
        let members: Vec<Uuid> = members.iter().map(|member| member.id()).collect();
        owner.start_group(name, &members).await.expect("start a group").conversation.id
    };
    let us = start(alice, "us", &[bob, carol, dave, erin]).await;
    let them = start(bob, "them", &[carol, dave, erin]).await;
    let admin = wire::MemberChange { role: Some("admin".to_owned()), nickname: None, muted_until: None };
    alice.change_member(us, bob.id(), &admin).await.expect("make an admin");
    let news = carol.start_channel("news").await.expect("start a channel").conversation.id;
    for reader in [alice, bob, dave, erin] {
        reader.join(news, None).await.expect("subscribe");
    }
    let link = wire::LinkNew { expires_in: None, max_uses: None };
    let token = |link: Answer<wire::Link>| link.value.token.expect("a new link has its token");
    let links = [alice.make_link(us, &link).await, bob.make_link(them, &link).await];
    Talks { us, them, news, links: links.map(|link| token(link.expect("make a link"))) }
}

impl Person {
    pub async fn lives(&self, deeds: Vec<Deed>) {
        for deed in deeds {
            let outcome = self.does_one(deed).await;
            let mut ledger = self.world.ledger();
            match outcome {
                Ok(()) => *ledger.done.entry(deed).or_default() += 1,
                Err(Not::Possible) => {}
                Err(Not::Taken { code, .. }) => *ledger.codes.entry((deed, code)).or_default() += 1,
            }
            drop(ledger);
            self.world.done.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Does it again, on any device, until it is answered.
    pub async fn does<T>(&self, what: &str, act: impl AsyncFn(&Signed) -> Result<T, Error>) -> Result<T, Not> {
        let (key, mut tries) = (new_id(), 0);
        eventually(&format!("{} {what}", self.name), PATIENCE, async || {
            tries += 1;
            let me = self.some_device().keyed(key);
            match tokio::time::timeout(TRY, act(&me)).await {
                Ok(Ok(done)) => Ok(Ok(done)),
                Ok(Err(error)) => self.refused(what, &error, tries).map(Err),
                Err(_) => Err(self.failed("no answer".to_owned())),
            }
        })
        .await
    }

    /// The same, half of the time by a frame at first; without an answer to that it is asked for again.
    pub async fn does_on_either<T, U: DeserializeOwned>(
        &self,
        what: &str,
        frame: impl AsyncFn(&Requests) -> Result<Pending<U>, Error>,
        act: impl AsyncFn(&Signed) -> Result<T, Error>,
    ) -> Done {
        if self.roll(|dice| dice.random_bool(0.5)) {
            return self.does(what, act).await.map(drop);
        }
        let framed = self.on_the_line(async |socket| frame(&socket.requests()).await?.answer().await).await;
        let Err(error) = framed else { return Ok(()) };
        match self.refused(what, &error, 1) {
            Ok(not) => Err(not),
            Err(_) => self.does(what, act).await.map(drop).map_err(Not::after_a_try),
        }
    }

    /// `Err`: to be tried again.
    fn refused(&self, what: &str, error: &Error, tries: u32) -> Result<Not, String> {
        self.blames(error, what);
        if error.is_passing() {
            return Err(self.failed(error.to_string()));
        }
        let code = error.code().unwrap_or_else(|| panic!("{} {what}: {error}", self.name)).to_owned();
        assert_ne!(code, "unauthenticated", "{} {what}", self.name);
        Ok(Not::Taken { code, tries })
    }

    fn blames(&self, error: &Error, what: &str) {
        if error.code() == Some("internal") {
            self.world.ledger().internal.push(format!("{} {what}: {error}", self.name));
        }
    }

    fn failed(&self, why: String) -> String {
        self.world.failures.fetch_add(1, Ordering::SeqCst);
        why
    }

    /// What is said over a connection of its own, which is opened anew where it was lost; not tried again.
    pub async fn on_the_line<T>(&self, act: impl AsyncFn(&Socket) -> Result<T, Error>) -> Result<T, Error> {
        let mut line = self.line.lock().await;
        let socket = match line.take() {
            Some(socket) => socket,
            None => Socket::connect(&self.some_device(), Handover::Header).await?,
        };
        let acted = match tokio::time::timeout(TRY, act(&socket)).await {
            Ok(acted) => acted,
            Err(_) => Err(Error::Silent { what: "the line".to_owned(), after: TRY }),
        };
        match &acted {
            Ok(_) => *line = Some(socket),
            Err(error) => self.blames(error, "over the line"),
        }
        acted
    }

    fn some_device(&self) -> Signed {
        let devices = self.devices.choose(&mut lock(&self.device_dice));
        devices.expect("three devices").signed.clone()
    }

    pub fn roll<T>(&self, of: impl FnOnce(&mut StdRng) -> T) -> T {
        of(&mut lock(&self.dice))
    }

    pub fn pick<T: Clone>(&self, from: &[T]) -> Option<T> {
        self.roll(|dice| from.choose(dice).cloned())
    }

    pub fn one_of<T: Clone>(&self, from: &[T]) -> Result<T, Not> {
        self.pick(from).ok_or(Not::Possible)
    }

    /// Somebody else.
    pub fn another(&self) -> Uuid {
        let others: Vec<Uuid> = self.world.accounts.iter().copied().filter(|id| *id != self.id).collect();
        self.pick(&others).expect("there are four others")
    }

    /// A name that nobody has.
    pub fn name(&self) -> String {
        format!("{} {}", self.name, self.words.fetch_add(1, Ordering::SeqCst))
    }

    /// Words that nobody has said.
    pub fn words(&self) -> String {
        let number = self.words.fetch_add(1, Ordering::SeqCst);
        let filler = "Wörter \"in\" Reihe, 言葉 👩‍👩‍👧 ".repeat(self.roll(|dice| dice.random_range(0..3)));
        format!("{} says {number} {filler}", self.name)
    }

    /// Conversations of the one kind or of all that the person is in, as the first device shows them.
    pub fn talks(&self, fits: impl Fn(&wire::OwnConversation) -> bool) -> Vec<wire::OwnConversation> {
        let held = self.devices[0].held();
        let talks = held.conversations.values().filter(|own| own.left_seq.is_none() && fits(own));
        talks.cloned().collect()
    }

    /// One where they write.
    pub fn some_talk(&self) -> Result<Uuid, Not> {
        let talks = self.talks(|own| own.conversation.kind != "channel");
        self.one_of(&talks).map(|own| own.conversation.id)
    }

    /// A message of a conversation that the person is in, as the first device shows it, not too old.
    pub fn some_message(&self, fits: impl Fn(&wire::Message) -> bool) -> Result<wire::Message, Not> {
        const LAST: usize = 25;
        let talks: Vec<Uuid> = self.talks(|_| true).iter().map(|own| own.conversation.id).collect();
        let found: Vec<wire::Message> = {
            let held = self.devices[0].held();
            let of = |talk: &Uuid| held.messages.get(talk).into_iter().flat_map(BTreeMap::values).rev().take(LAST);
            talks.iter().flat_map(of).filter(|message| fits(message)).cloned().collect()
        };
        self.one_of(&found)
    }

    /// What somebody has said and stands.
    pub fn said(message: &wire::Message) -> bool {
        message.sender.is_some() && message.recalled_at.is_none()
    }

    /// Sends it; `shown`: as it is to be read, where that is known.
    pub async fn sends(&self, talk: Uuid, message: wire::MessageNew, shown: Option<wire::Body>) -> Done {
        let id = message.message_id;
        let sent = self.does("sends", async |me| me.send(talk, &message).await).await;
        match sent {
            Ok(answer) => {
                self.world.ledger().kinds.insert(bodies::kind(&message.body));
                self.is_sent(talk, &answer, shown, true);
                Ok(())
            }
            Err(not) => Err(self.is_not_sent(id, not)),
        }
    }

    pub fn is_sent(&self, conversation: Uuid, sent: &wire::MessageSent, body: Option<wire::Body>, in_order: bool) {
        let (message, seq, sender) = (sent.message_id, sent.seq, self.id);
        let sent = Sent { conversation, message, seq, sender, body, forwards: None, in_order };
        self.world.ledger().sent.push(sent);
    }

    pub fn is_forwarded(&self, conversation: Uuid, sent: &wire::MessageSent, source: Option<Uuid>) {
        let (message, seq, sender) = (sent.message_id, sent.seq, self.id);
        let sent = Sent { conversation, message, seq, sender, body: None, forwards: source, in_order: true };
        self.world.ledger().sent.push(sent);
    }

    /// What was refused when nobody had asked before is nowhere; nor is what is refused whenever it is asked.
    pub fn is_not_sent(&self, message: Uuid, not: Not) -> Not {
        if let Not::Taken { code, tries } = &not
            && (*tries == 1 || code == "content_refused")
        {
            self.world.ledger().refused.insert(message, code.clone());
        }
        not
    }

    pub fn is_later(&self, conversation: Uuid, message: Uuid, body: wire::Body) {
        let later = Later { conversation, author: self.id, body: Some(body), cancelled: false };
        self.world.ledger().later.insert(message, later);
    }

    /// What became of the message is not known where an earlier try may have done it.
    pub fn doubts(&self, message: Uuid, not: Not) -> Not {
        if let Not::Taken { tries: 2.., .. } = &not {
            self.world.ledger().doubtful.insert(message);
        }
        not
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
