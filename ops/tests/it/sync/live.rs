//! Sync's law for a device that is online: it applies pushes as they come, its connection breaks in the middle of them, it
//! syncs from its last cursor and goes on. Pushes alone bring it to what a fresh device reads, and so does a sync after any
//! break. What it does is what the contract's page asks of a client (`Pushes and a cursor`).

use super::{House, Known, Replica, all_is_quiet, as_json, difference, node, read, same};
use futures::FutureExt;
use natter_testkit::{
    BOUND, Options, Proxy, Stack,
    client::{
        Error, Signed,
        rest::Page,
        socket::{Handover, Incoming, Socket},
        wire::{Conversation, FriendRequest, Message, Notice, Push},
    },
    eventually,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::watch;
use uuid::Uuid;

/// How many pushes a connection lives at the most.
const LIFE: usize = 12;

struct Device {
    held: Replica,
    socket: Option<Socket>,
    /// By conversation, where the newest push was from: what is read then shows what pushes have told.
    heard: BTreeMap<Uuid, String>,
    dice: StdRng,
    seen: Seen,
}

/// What it went through.
#[derive(Default, Debug)]
struct Seen {
    breaks: usize,
    resyncs: usize,
    pushes: BTreeMap<String, usize>,
    old: usize,
}

impl Device {
    fn new(me: &Signed, seed: u64) -> Self {
        let dice = StdRng::seed_from_u64(seed);
        Self { held: Replica::new(me, false), socket: None, heard: BTreeMap::new(), dice, seen: Seen::default() }
    }

    /// Online, and offline for a moment again and again, until the word is given.
    async fn lives(&mut self, mut over: watch::Receiver<bool>) {
        while !*over.borrow() {
            let life = self.dice.random_range(0..LIFE);
            if self.lives_once(life, &mut over).await.is_err() {
                self.socket = None;
            }
        }
    }

    async fn lives_once(&mut self, pushes: usize, over: &mut watch::Receiver<bool>) -> Result<(), Error> {
        self.comes_online().await?;
        for _ in 0..pushes {
            let socket = self.socket.as_mut().expect("it is online");
            let incoming = tokio::select! {
                incoming = socket.next() => incoming.map_err(Error::Closed)?,
                _ = over.wait_for(|over| *over) => return Ok(()),
            };
            self.hears(incoming).await?;
        }
        self.seen.breaks += 1;
        self.socket = None;
        Ok(())
    }

    /// What happens once it is ready is pushed: all before that is in what it reads now.
    async fn comes_online(&mut self) -> Result<(), Error> {
        self.socket = Some(Socket::connect(&self.held.me, Handover::Header).await?);
        self.held.sync().await
    }

    /// Takes what has come; whatever breaks is mended by coming online again.
    async fn catches_up(&mut self) {
        loop {
            let Some(socket) = self.socket.as_mut() else {
                let _ = self.comes_online().await;
                return;
            };
            let Some(incoming) = socket.next().now_or_never() else { return };
            let heard = match incoming {
                Ok(incoming) => self.hears(incoming).await,
                Err(close) => Err(Error::Closed(close)),
            };
            if heard.is_err() {
                self.socket = None;
            }
        }
    }

    async fn hears(&mut self, incoming: Incoming) -> Result<(), Error> {
        match incoming {
            Incoming::Push(push) => self.applies(*push).await,
            Incoming::Notice(Notice::Resync { .. }) => {
                self.seen.resyncs += 1;
                self.held.sync().await
            }
            Incoming::Notice(_) | Incoming::Unknown(_) => Ok(()),
        }
    }

    async fn applies(&mut self, push: Push) -> Result<(), Error> {
        let name = as_json(&push)["event"].as_str().unwrap_or_default().to_owned();
        *self.seen.pushes.entry(name).or_default() += 1;
        match push {
            Push::MessageSent { message, position } => {
                self.heard.insert(message.conversation_id, position);
                self.sent(&message).await?;
                self.looks_at(message.conversation_id).await
            }
            Push::MessageEdited { message, position } => {
                self.heard.insert(message.conversation_id, position);
                self.edited(&message).await?;
                self.looks_at(message.conversation_id).await
            }
            Push::MessageRecalled { message, position } => {
                self.heard.insert(message.conversation_id, position);
                self.recalled(&message);
                self.looks_at(message.conversation_id).await
            }
            // Nobody has anything waiting here.
            Push::MessageScheduled { .. } => Ok(()),
            Push::MessageReacted { conversation_id, message_id, position, .. }
            | Push::MessageUnreacted { conversation_id, message_id, position, .. }
            | Push::MessagePinned { conversation_id, message_id, position, .. }
            | Push::MessageUnpinned { conversation_id, message_id, position, .. }
            | Push::MessageCountdown { conversation_id, message_id, position, .. } => {
                self.heard.insert(conversation_id, position);
                self.reads(conversation_id, message_id).await?;
                self.looks_at(conversation_id).await
            }
            // Its position is of the conversation's lane, and nothing else of the conversation changes.
            Push::ThreadChanged { conversation_id, message_id, .. } => self.reads(conversation_id, message_id).await,
            // Nothing else of the conversation changes by it either.
            Push::MessageMarked { conversation_id, message_id, position, .. } => {
                self.heard.insert(conversation_id, position);
                self.reads(conversation_id, message_id).await
            }
            // Its position is of the inbox's lane.
            Push::MessageDeleted { conversation_id, seq, position, .. } => {
                self.known().deletes(conversation_id, seq);
                self.looks(conversation_id, self.held.me.at(&position)).await
            }
            // What was said before, where that is to be seen, is fetched.
            Push::ConversationStarted { conversation: Conversation { id: conversation_id, .. }, position } => {
                self.heard.insert(conversation_id, position);
                self.looks_at(conversation_id).await?;
                self.fetches(conversation_id).await
            }
            Push::ConversationUpdated { conversation: Conversation { id: conversation_id, .. }, position }
            | Push::MemberJoined { conversation_id, position, .. }
            | Push::MemberLeft { conversation_id, position, .. }
            | Push::MemberChanged { conversation_id, position, .. }
            | Push::ConversationDissolved { conversation_id, position } => {
                self.heard.insert(conversation_id, position);
                self.looks_at(conversation_id).await
            }
            // Nothing of it is in a sync.
            Push::MemberInvited { .. }
            | Push::MemberUninvited { .. }
            | Push::MemberRequested { .. }
            | Push::MemberDeclined { .. }
            | Push::Typing { .. }
            | Push::Presence(_) => Ok(()),
            // Its position is of the inbox's lane, not of the conversation's.
            Push::ConversationRead { conversation_id, position, .. }
            | Push::MessageDelivered { conversation_id, position, .. } => {
                self.looks(conversation_id, self.held.me.at(&position)).await
            }
            Push::InboxChanged { conversation_id, position, .. } => {
                self.looks(conversation_id, self.held.me.at(&position)).await
            }
            Push::FriendRequested { request, position, .. }
            | Push::FriendAccepted { request, position, .. }
            | Push::FriendRejected { request, position, .. }
            | Push::FriendCancelled { request, position, .. }
            | Push::FriendExpired { request, position, .. } => self.befriends(&request, &position).await,
            Push::FriendRemoved { account_ids, .. } => {
                self.known().friends.retain(|friend, _| !account_ids.contains(friend));
                Ok(())
            }
        }
    }

    fn known(&mut self) -> &mut Known {
        &mut self.held.known
    }

    /// The next one is taken as it comes; what lies between is fetched by range.
    async fn sent(&mut self, message: &Message) -> Result<(), Error> {
        let place = (message.conversation_id, message.seq);
        let newest = self.held.known.newest(message.conversation_id);
        if message.seq <= newest || self.held.known.deleted.contains(&place) {
            self.seen.old += 1;
        } else if message.seq == newest + 1 {
            let message = Message { reactions: Some(Vec::new()), ..message.clone() };
            self.known().messages.insert(place, as_json(&message));
        } else {
            self.fetches(message.conversation_id).await?;
        }
        Ok(())
    }

    async fn fetches(&mut self, conversation: Uuid) -> Result<(), Error> {
        let me = self.held.me.clone();
        self.held.me = self.at(conversation);
        let fetched = self.held.fetch().await;
        self.held.me = me;
        fetched
    }

    /// An older edit changes nothing; of two of the same moment the newer one is asked for.
    async fn edited(&mut self, message: &Message) -> Result<(), Error> {
        let place = (message.conversation_id, message.seq);
        let Some(held) = self.held.known.messages.get_mut(&place) else { return Ok(()) };
        let edited_at = json!(message.edited_at);
        if !held["recalled_at"].is_null() || text(&held["edited_at"]) > text(&edited_at) {
            self.seen.old += 1;
        } else if held["edited_at"] == edited_at {
            return self.reads(message.conversation_id, message.message_id).await;
        } else {
            held["edited_at"] = edited_at;
            held["body"] = json!(message.body);
        }
        Ok(())
    }

    /// Whatever comes later, nothing more becomes of it.
    fn recalled(&mut self, message: &Message) {
        let place = (message.conversation_id, message.seq);
        if let Some(held) = self.known().messages.get_mut(&place) {
            *held = as_json(&Message { reactions: Some(Vec::new()), ..message.clone() });
        }
    }

    /// What the push leaves out: how many have reacted, since when it is pinned.
    async fn reads(&mut self, conversation: Uuid, message: Uuid) -> Result<(), Error> {
        let read = match self.at(conversation).message(conversation, message).await {
            // They have deleted it for themselves.
            Err(error) if error.code() == Some("not_found") => return Ok(()),
            read => read?,
        };
        if let Some(held) = self.known().messages.get_mut(&(conversation, read.seq)) {
            *held = as_json(&read);
        }
        Ok(())
    }

    /// Cards hold what is the reader's alone, which no push does.
    async fn looks_at(&mut self, conversation: Uuid) -> Result<(), Error> {
        self.looks(conversation, self.at(conversation)).await
    }

    async fn looks(&mut self, conversation: Uuid, me: Signed) -> Result<(), Error> {
        match me.conversation(conversation).await {
            // They are banned from a channel.
            Err(error) if error.code() == Some("not_found") => self.known().loses(conversation),
            card => self.known().puts(&card?),
        }
        self.known().forget_what_is_gone();
        Ok(())
    }

    /// What was answered stays so, whatever comes later of its asking.
    async fn befriends(&mut self, request: &FriendRequest, position: &str) -> Result<(), Error> {
        let held = self.held.known.requests.get(&request.id);
        if held.is_none_or(|held| held["status"] == "pending") {
            self.known().requests.insert(request.id, as_json(request));
        }
        if request.status == "accepted" {
            let all = Page { cursor: None, limit: Some(200) };
            let friends = self.held.me.at(position).friends(&all).await?.items;
            self.known().friends = friends.iter().map(|friend| (friend.account.id, as_json(friend))).collect();
        }
        Ok(())
    }

    fn at(&self, conversation: Uuid) -> Signed {
        let position = self.heard.get(&conversation);
        position.map_or_else(|| self.held.me.clone(), |position| self.held.me.at(position))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test]
async fn pushes_between_syncs_and_breaks_in_their_middle_leave_what_a_fresh_device_reads() {
    let stack = Stack::new().await;
    let _writing = node(&stack, "commands").await;
    let mut reading = node(&stack, "projections").await;
    let bus = Proxy::before(stack.nats_url()).await;
    let more = vec![("NATTER_ROLES", "edge".to_owned()), ("NATTER_NATS_URL", bus.url.clone())];
    let _doors = stack.node_with(Options { more, ..Options::default() }).await;
    let house = House::meet(&stack).await;
    let mut devices: Vec<Device> =
        house.people.iter().zip(1..).map(|(one, seed)| Device::new(one.client(), seed)).collect();

    let (word, over) = watch::channel(false);
    let online = futures::future::join_all(devices.iter_mut().map(|device| device.lives(over.clone())));
    let world = async {
        let hurt = async {
            house.are_in_the_middle(0).await;
            // Pushes are lost, and then come again.
            bus.cut();
            reading.kill().await;
            reading.restart().await;
        };
        tokio::join!(house.everybody_acts(100), hurt);
        word.send_replace(true);
    };
    tokio::join!(online, world);
    all_is_quiet(&stack).await;
    for device in &mut devices {
        bring_to_rest(device).await;
    }

    // Pushes alone.
    let syncs: Vec<usize> = devices.iter().map(|device| device.held.syncs).collect();
    house.everybody_acts(200).await;
    all_is_quiet(&stack).await;
    for device in &mut devices {
        bring_to_rest(device).await;
    }
    assert_eq!(devices.iter().map(|device| device.held.syncs).collect::<Vec<_>>(), syncs, "nobody synced");

    bus.cut();
    house.everybody_acts(300).await;
    all_is_quiet(&stack).await;
    for device in &mut devices {
        bring_to_rest(device).await;
    }

    // Offline, with whatever the pushes left: one sync is enough.
    devices.iter_mut().for_each(|device| device.socket = None);
    house.everybody_acts(400).await;
    all_is_quiet(&stack).await;
    for device in &mut devices {
        device.held.sync().await.expect("sync at a quiet point");
        let who = format!("after a sync, {}", device.held.me.id());
        same(&device.held.known, &read(&device.held.me).await, &who);
    }
    let count = |of: fn(&Seen) -> usize| devices.iter().map(|device| of(&device.seen)).sum::<usize>();
    let told = |name: &str| devices.iter().filter_map(|device| device.seen.pushes.get(name)).sum::<usize>();
    let seen: Vec<&Seen> = devices.iter().map(|device| &device.seen).collect();
    assert!(count(|seen| seen.breaks) > 20 && count(|seen| seen.resyncs) > 0, "{seen:?}");
    for name in [
        "message.sent",
        "message.edited",
        "message.recalled",
        "message.reacted",
        "message.countdown",
        "member.joined",
        "member.left",
    ] {
        assert!(told(name) > 0, "{name}: {seen:?}");
    }
}

/// Takes pushes until nothing is missing. No sync but where the connection broke or the server asks for one.
async fn bring_to_rest(device: &mut Device) {
    let expected = read(&device.held.me).await;
    eventually(&format!("{} has heard all", device.held.me.id()), BOUND, async || {
        device.catches_up().await;
        difference(&device.held.known, &expected)
    })
    .await;
}
