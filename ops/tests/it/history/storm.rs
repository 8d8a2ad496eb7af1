//! Two people who send, edit, recall and react all the time, and what history must show of it: everything that was
//! acknowledged, once, in order, as it was changed last.

use natter_testkit::{
    Person, Stack,
    client::{
        Error, Socket, new_id,
        socket::{Pending, Requests},
        wire::{self, Body},
    },
    eventually, law,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use uuid::Uuid;

/// Rounds of each person between one blow and the next.
const ROUNDS: usize = 30;
/// Long enough for a server that is started again on a busy machine, and for who pauses before another try.
const BOUND: Duration = Duration::from_secs(120);

/// Alice and bob.
pub struct Storm {
    pub alice: Person,
    pub bob: Person,
    pub conversation: Uuid,
    /// Rounds that each may do; none: as many as were done, and no more.
    goal: watch::Sender<Option<usize>>,
    done: [watch::Sender<usize>; 2],
    /// By alice, beside the rounds.
    said: Mutex<Vec<Kept>>,
}

/// A message as its sender was answered.
pub struct Kept {
    id: Uuid,
    seq: u64,
    sender: Uuid,
    text: String,
    edited: bool,
    recalled: bool,
    reacted: Option<&'static str>,
}

impl Storm {
    pub async fn of(stack: &Stack) -> Self {
        let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
        let conversation = alice.befriends(&bob).await;
        let done = [0; 2].map(|none| watch::channel(none).0);
        Self { alice, bob, conversation, goal: watch::channel(Some(0)).0, done, said: Mutex::default() }
    }

    /// What both did until `meanwhile` had ended, and what they had begun by then.
    pub async fn rages_while(&self, meanwhile: impl Future<Output = ()>) -> Vec<Kept> {
        let meanwhile = async {
            meanwhile.await;
            self.goal.send_replace(None);
        };
        let (one, other, ()) = tokio::join!(
            self.acts(&self.alice, "alice's", &self.done[0]),
            self.acts(&self.bob, "bob's", &self.done[1]),
            meanwhile
        );
        [one, other].into_iter().flatten().collect()
    }

    /// Returns in the middle of it.
    pub async fn goes_on(&self) {
        let least = self.done.iter().map(|done| *done.borrow()).max().unwrap_or_default() + ROUNDS / 2;
        self.goal.send_replace(Some(least + ROUNDS / 2));
        eventually("people go on", BOUND, async || {
            let done = self.done.each_ref().map(|done| *done.borrow());
            if done.iter().all(|done| *done >= least) { Ok(()) } else { Err(format!("{done:?} of {least} rounds")) }
        })
        .await;
    }

    /// All that was acknowledged by now; waits for it.
    pub async fn all_can_be_read(&self) -> String {
        let said = self.alice.says(&self.bob, "can it be read?").await;
        let kept = Kept { seq: said.seq, ..Kept::new(said.message_id, self.alice.id(), "can it be read?".to_owned()) };
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let position = said.position.clone().expect("a write has a position");
        let reader = self.alice.client().at(&position);
        let read = async || reader.message(self.conversation, said.message_id).await;
        assert_eq!(self.alice.insists("reads", read).await.seq, said.seq);
        position
    }

    async fn acts(&self, person: &Person, emoji: &'static str, done: &watch::Sender<usize>) -> Vec<Kept> {
        let socket = person.socket().await;
        let device = Device { storm: self, person, requests: socket.requests(), _open: socket, emoji };
        let (mut kept, mut goal) = (Vec::new(), self.goal.subscribe());
        for round in 0.. {
            let goal = goal.wait_for(|goal| goal.is_none_or(|goal| round < goal)).await.expect("it is ours");
            if goal.is_none() {
                break;
            }
            drop(goal);
            device.round(round, &mut kept).await;
            done.send_replace(round + 1);
        }
        kept
    }

    /// What both read is what both were answered; the apps were pushed everything; the rows are those that a rebuild from
    /// the log makes.
    pub async fn is_what_was_acknowledged(&self, kept: Vec<Kept>) {
        let position = self.all_can_be_read().await;
        let said = std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        let expected: BTreeMap<u64, Kept> = kept.into_iter().chain(said).map(|kept| (kept.seq, kept)).collect();
        for person in [&self.alice, &self.bob] {
            let read = person.history(self.conversation, &position).await;
            let seqs: Vec<u64> = read.iter().map(|message| message.seq).collect();
            assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "numbers without gap or double");
            assert_eq!(seqs, expected.keys().copied().collect::<Vec<_>>(), "what was acknowledged, and nothing else");
            for message in &read {
                expected[&message.seq].is_shown_as(message);
            }
            let shown = person.has_been_shown(self.conversation, read.len(), BOUND).await;
            let ids =
                |messages: &[wire::Message]| messages.iter().map(|it| (it.seq, it.message_id)).collect::<Vec<_>>();
            assert_eq!(ids(&shown), ids(&read), "{}'s app showed everything, once and in order", person.name);
        }
    }
}

/// The log is whole, and the cluster holds what is built from it anew, row by row.
pub async fn rows_are_those_of_the_log(stack: &Stack, settings: &[(&'static str, String)]) {
    law::log_is_stream(stack).await;
    law::check_chain(stack).await.expect("the chain holds");
    let mut rebuild = tokio::process::Command::new(natter_testkit::binary());
    rebuild.args(["projections", "rebuild", "history", "--shadow"]).envs(settings.iter().cloned());
    let environment = [("NATTER_DATABASE_URL", stack.database_url()), ("NATTER_NATS_URL", stack.nats_url())];
    rebuild.envs(environment).env("NATTER_DATA_DIR", stack.dir()).env("NATTER_HISTORY", "postgres");
    let output = rebuild.kill_on_drop(true).output();
    let output = natter_testkit::within("a rebuild", BOUND, output).await.expect("run natter");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("the same as what is live"), "{said}");
}

impl Kept {
    fn new(id: Uuid, sender: Uuid, text: String) -> Self {
        Self { id, seq: 0, sender, text, edited: false, recalled: false, reacted: None }
    }

    #[track_caller]
    fn is_shown_as(&self, shown: &wire::Message) {
        assert_eq!((shown.message_id, shown.sender), (self.id, Some(self.sender)));
        let reactions: Vec<(&str, u64)> =
            shown.reactions.iter().flatten().map(|it| (it.emoji.as_str(), it.count)).collect();
        assert_eq!(shown.recalled_at.is_some(), self.recalled, "{shown:?}");
        if self.recalled {
            assert_eq!((&shown.body, reactions), (&None, vec![]), "{shown:?}");
            return;
        }
        assert_eq!(shown.body, Some(Body::text(self.text.clone())), "{shown:?}");
        assert_eq!(shown.edited_at.is_some(), self.edited, "{shown:?}");
        assert_eq!(reactions, self.reacted.map(|emoji| (emoji, 1)).into_iter().collect::<Vec<_>>(), "{shown:?}");
    }
}

/// One person's connection. Only its owner acts on a message, so what they were answered is what became of it.
struct Device<'a> {
    storm: &'a Storm,
    person: &'a Person,
    requests: Requests,
    _open: Socket,
    emoji: &'static str,
}

impl Device<'_> {
    /// A new message, and something done to it or to one from long ago.
    async fn round(&self, round: usize, kept: &mut Vec<Kept>) {
        kept.push(self.sends(format!("{}, number {round}", self.person.name)).await);
        match round % 4 {
            0 => self.edits(&mut kept[round], round).await,
            1 => self.reacts(&mut kept[round]).await,
            2 => self.recalls(&mut kept[round]).await,
            _ => self.changes(&mut kept[round / 2], round).await,
        }
    }

    async fn changes(&self, old: &mut Kept, round: usize) {
        match round % 3 {
            _ if old.recalled => {}
            0 => self.edits(old, round).await,
            1 if old.reacted.is_some() => self.takes_off(old).await,
            1 => self.reacts(old).await,
            _ => self.recalls(old).await,
        }
    }

    async fn sends(&self, text: String) -> Kept {
        let message = wire::MessageNew::new(new_id(), Body::text(text.clone()));
        let sent = self.does(async |me, talk| me.send(talk, &message).await).await;
        Kept { seq: sent.seq, ..Kept::new(message.message_id, self.person.id(), text) }
    }

    async fn edits(&self, message: &mut Kept, round: usize) {
        let text = format!("{}, edited in round {round}", message.text);
        let body = Body::text(text.clone());
        self.does(async |me, talk| me.edit(talk, message.id, &body).await).await;
        (message.text, message.edited) = (text, true);
    }

    async fn recalls(&self, message: &mut Kept) {
        self.does(async |me, talk| me.recall(talk, message.id).await).await;
        message.recalled = true;
    }

    async fn reacts(&self, message: &mut Kept) {
        self.does(async |me, talk| me.react(talk, message.id, self.emoji).await).await;
        message.reacted = Some(self.emoji);
    }

    async fn takes_off(&self, message: &mut Kept) {
        self.does(async |me, talk| me.unreact(talk, message.id, self.emoji).await).await;
        message.reacted = None;
    }

    /// Again until it is answered; done again it changes nothing.
    async fn does<T: serde::de::DeserializeOwned>(
        &self,
        act: impl AsyncFn(&Requests, Uuid) -> Result<Pending<T>, Error>,
    ) -> T {
        let acts = async || act(&self.requests, self.storm.conversation).await?.answer().await;
        self.person.insists("acts", acts).await
    }
}
