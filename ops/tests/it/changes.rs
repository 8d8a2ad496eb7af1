//! Two people on two devices each edit, recall and react at random, and the node dies in between: what the history shows
//! is the fold of the answers that were given, and what was pushed came in the order of the log.

use natter_streams::Positions;
use natter_testkit::{
    BOUND, Person, Stack,
    client::{
        Error, Signed,
        follow::Update,
        new_id,
        wire::{self, Body, Push},
    },
    eventually,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicUsize, Ordering},
};
use uuid::Uuid;

const MESSAGES: usize = 8;
const EACH: usize = 60;

/// What one device does; on one thing only one device acts, so its own order is the thing's.
struct Device<'a> {
    person: &'a Person,
    conversation: Uuid,
    emoji: &'static str,
    /// Those that it edits and recalls.
    own: Vec<Uuid>,
    all: Vec<Uuid>,
    dice: u64,
    done: Done,
}

#[derive(Default)]
struct Done {
    texts: HashMap<Uuid, String>,
    recalled: Vec<Uuid>,
    reacted: HashMap<Uuid, bool>,
}

impl Device<'_> {
    /// Numbers without a pattern, the same ones every time.
    fn roll(&mut self, sides: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % sides as u64) as usize
    }

    fn one_of_its_own(&mut self) -> Uuid {
        let place = self.roll(self.own.len());
        self.own[place]
    }

    async fn acts(mut self, progress: &AtomicUsize) -> Done {
        for number in 0..EACH {
            match self.roll(10) {
                0..4 => self.edits(number).await,
                4 if number > EACH / 2 => self.recalls().await,
                _ => self.reacts().await,
            }
            progress.fetch_add(1, Ordering::Relaxed);
        }
        self.done
    }

    async fn edits(&mut self, number: usize) {
        let (message, text) = (self.one_of_its_own(), format!("{} {number}", self.emoji));
        let body = Body::text(text.clone());
        if self.insists(async |me, talk| me.edit(talk, message, &body).await.map(drop)).await {
            self.done.texts.insert(message, text);
        }
    }

    async fn recalls(&mut self) {
        let message = self.one_of_its_own();
        assert!(self.insists(async |me, talk| me.recall(talk, message).await.map(drop)).await, "again is silent");
        self.done.recalled.push(message);
    }

    async fn reacts(&mut self) {
        let (place, emoji, stands) = (self.roll(self.all.len()), self.emoji, self.roll(3) > 0);
        let message = self.all[place];
        let acted = if stands {
            self.insists(async |me, talk| me.react(talk, message, emoji).await.map(drop)).await
        } else {
            self.insists(async |me, talk| me.unreact(talk, message, emoji).await.map(drop)).await
        };
        if acted {
            self.done.reacted.insert(message, stands);
        }
    }

    /// Under one key, until there is an answer; false: the message was recalled.
    async fn insists(&self, act: impl AsyncFn(&Signed, Uuid) -> Result<(), Error>) -> bool {
        let keyed = self.person.client().keyed(new_id());
        self.person
            .insists("acts", async || match act(&keyed, self.conversation).await {
                Err(error) if error.code() == Some("recalled") => Ok(false),
                acted => acted.map(|()| true),
            })
            .await
    }
}

#[tokio::test]
async fn history_is_the_fold_of_the_answers_and_pushes_come_in_the_order_of_the_log() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let conversation = alice.befriends(&bob).await;
    let (alices, bobs) = (alice.on_another_device().await, bob.on_another_device().await);
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        let (from, to) = if number % 2 == 0 { (&alice, &bob) } else { (&bob, &alice) };
        sent.push(from.says(to, &format!("number {number}")).await.message_id);
    }
    let device = |person, number: usize, emoji| Device {
        person,
        conversation,
        emoji,
        own: sent.iter().copied().skip(number).step_by(4).collect(),
        all: sent.clone(),
        dice: 0x9e37_79b9_7f4a_7c15 + number as u64,
        done: Done::default(),
    };
    let progress = AtomicUsize::new(0);
    let killed = async {
        eventually("they are in the middle", BOUND, async || match progress.load(Ordering::Relaxed) {
            done if done > EACH => Ok(()),
            done => Err(format!("{done} done")),
        })
        .await;
        node.kill().await;
        node.restart().await;
    };
    let (one, two, three, four, ()) = tokio::join!(
        device(&alice, 0, "a").acts(&progress),
        device(&bob, 1, "b").acts(&progress),
        device(&alices, 2, "c").acts(&progress),
        device(&bobs, 3, "d").acts(&progress),
        killed,
    );
    let done = [("a", one), ("b", two), ("c", three), ("d", four)];
    let last = alice.says(&bob, "the end").await;
    bob.sees("the end").await;
    let position = last.position.clone().expect("a write has a position");
    for person in [&alice, &bob] {
        let mut shown = person.history(conversation, &position).await;
        shown.truncate(MESSAGES);
        let recalled = shown.iter().filter(|message| message.recalled_at.is_some()).count();
        assert!((1..MESSAGES).contains(&recalled), "{recalled} were recalled");
        for message in &shown {
            is_the_fold_of(message, &sent, &done);
        }
    }
    let lanes = stack.verified_log().await.lanes();
    for person in [&alice, &bob, &alices, &bobs] {
        let told: Vec<Option<u64>> = person.diary().iter().filter_map(|update| told(update, lanes)).collect();
        assert!(told.iter().flatten().count() > 0, "{} was told of nothing", person.name);
        for connection in told.split(Option::is_none) {
            in_order(connection);
        }
    }
}

fn is_the_fold_of(message: &wire::Message, sent: &[Uuid], done: &[(&str, Done)]) {
    let id = message.message_id;
    let number = sent.iter().position(|sent| *sent == id).expect("it was sent");
    let reactions: BTreeMap<String, u64> =
        message.reactions.iter().flatten().map(|it| (it.emoji.clone(), it.count)).collect();
    if done.iter().any(|(_, done)| done.recalled.contains(&id)) {
        assert!(message.recalled_at.is_some() && message.body.is_none(), "{message:?}");
        assert_eq!(reactions, BTreeMap::new());
        return;
    }
    let edited = done.iter().find_map(|(_, done)| done.texts.get(&id));
    let text = edited.cloned().unwrap_or_else(|| format!("number {number}"));
    assert_eq!(message.body, Some(Body::text(text)), "{message:?}");
    assert_eq!((message.edited_at.is_some(), message.recalled_at.is_some()), (edited.is_some(), false));
    let stand = done.iter().filter(|(_, done)| done.reacted.get(&id) == Some(&true));
    let expected: BTreeMap<String, u64> = stand.map(|(emoji, _)| ((*emoji).to_owned(), 1)).collect();
    assert_eq!(reactions, expected, "{message:?}");
}

/// The position of a push about a message; nothing where a connection ended.
fn told(update: &Update, lanes: natter_streams::Lanes) -> Option<Option<u64>> {
    let push = match update {
        Update::Offline(_) => return Some(None),
        Update::Push(push) => push,
        _ => return None,
    };
    let (Push::MessageEdited { position, .. }
    | Push::MessageRecalled { position, .. }
    | Push::MessageReacted { position, .. }
    | Push::MessageUnreacted { position, .. }) = &**push
    else {
        return None;
    };
    let positions = Positions::parse(position, lanes).expect("a position");
    positions.iter().next().map(|(_, place)| Some(place.position))
}

/// What came before may come again; what is new lies behind all of it.
#[track_caller]
fn in_order(told: &[Option<u64>]) {
    let mut newest = 0;
    let mut seen = std::collections::HashSet::new();
    for position in told.iter().copied().flatten() {
        assert!(!seen.insert(position) || position > newest, "{position} came behind {newest}: {told:?}");
        newest = newest.max(position);
    }
}
