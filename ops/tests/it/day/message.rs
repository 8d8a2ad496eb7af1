//! What is sent, and what becomes of it.

use super::{
    bodies,
    house::{HELD, MASKED, TABOO},
    person::{Done, Not, Person},
};
use natter_testkit::{
    client::{Error, Socket, new_id},
    in_seconds,
    outsider::{NEW_WORDS, REFUSED, REWRITTEN},
    wire::{self, Body, MessageNew},
};
use rand::Rng;
use uuid::Uuid;

const EMOJI: [&str; 4] = ["👍", "❤️", "🐈", ":cats/7:"];
const AT_ONCE: usize = 4;
/// Seconds until something is said that is not to be said so late, or not at all.
const LONG: u64 = 30;

fn new(body: Body) -> MessageNew {
    MessageNew::new(new_id(), body)
}

impl Person {
    pub async fn says(&self) -> Done {
        let (body, silent) = (Body::text(self.words()), self.roll(|dice| dice.random_bool(0.2)));
        self.sends(self.some_talk()?, MessageNew { silent, ..new(body.clone()) }, Some(body)).await
    }

    pub async fn says_by_kind(&self) -> Done {
        let any = self.roll(|dice| dice.random_range(0..bodies::KINDS));
        let number = bodies::unsaid(&self.world.ledger().kinds).unwrap_or(any);
        let body = bodies::of_kind(number, &self.words(), self.another());
        self.sends(self.some_talk()?, new(body.clone()), Some(body)).await
    }

    pub async fn answers(&self) -> Done {
        let to = self.some_message(Self::said)?;
        let body = Body::text(self.words());
        let message = MessageNew { reply_to: Some(to.message_id), ..new(body.clone()) };
        self.sends(to.conversation_id, message, Some(body)).await
    }

    pub async fn mentions(&self) -> Done {
        let own = self.one_of(&self.talks(|own| own.conversation.kind != "channel"))?;
        let whom = match own.conversation.kind.as_str() {
            "group" => {
                self.pick(&["all".to_owned(), "admin".to_owned(), "owner".to_owned(), self.another().to_string()])
            }
            _ => own.peer.map(|peer| peer.id.to_string()),
        };
        let body = Body::text(self.words());
        let message = MessageNew { mentions: whom.into_iter().collect(), ..new(body.clone()) };
        self.sends(own.conversation.id, message, Some(body)).await
    }

    /// Several over one connection, without waiting; what was not answered is sent again, one by one.
    pub async fn says_much_at_once(&self) -> Done {
        let talk = self.some_talk()?;
        let bodies: Vec<Body> = (0..AT_ONCE).map(|_| Body::text(self.words())).collect();
        let messages: Vec<MessageNew> = bodies.iter().map(|body| new(body.clone())).collect();
        let sent = self.on_the_line(async |socket| pipelined(socket, talk, &messages).await).await;
        let mut done = Ok(());
        for (index, (message, body)) in messages.into_iter().zip(bodies).enumerate() {
            match &sent {
                Ok(answers) => self.is_sent(talk, &answers[index], Some(body), true),
                // Some of them may be there, and a later one before an earlier: whatever is said of one, the next is asked for.
                Err(_) => done = self.sends_again(talk, message, body).await.and(done),
            }
        }
        done
    }

    async fn sends_again(&self, talk: Uuid, message: MessageNew, body: Body) -> Done {
        let sent = self.does("sends again", async |me| me.send(talk, &message).await).await?;
        self.is_sent(talk, &sent, Some(body), false);
        Ok(())
    }

    pub async fn says_what_is_masked(&self) -> Done {
        let words = self.words();
        let given = Body::text(format!("{words} {MASKED}"));
        let shown = Body::text(format!("{words} {}", "*".repeat(MASKED.len())));
        self.sends(self.some_talk()?, new(given), Some(shown)).await
    }

    pub async fn says_what_is_rewritten(&self) -> Done {
        let words = self.words();
        let given = Body::text(format!("{words} {REWRITTEN}"));
        self.sends(self.some_talk()?, new(given), Some(Body::text(format!("{words} {NEW_WORDS}")))).await
    }

    pub async fn says_what_is_taboo(&self) -> Done {
        self.is_refused_for(TABOO).await
    }

    pub async fn says_what_is_refused(&self) -> Done {
        self.is_refused_for(REFUSED).await
    }

    async fn is_refused_for(&self, word: &str) -> Done {
        let body = Body::text(format!("{} {word}", self.words()));
        match self.sends(self.some_talk()?, new(body), None).await {
            Err(Not::Taken { code, .. }) if code == "content_refused" => Ok(()),
            other => {
                self.world.ledger().broken.push(format!("{word} was not refused: {other:?}"));
                other
            }
        }
    }

    /// Somebody is to look at it first.
    pub async fn says_what_is_held(&self) -> Done {
        let (talk, words) = (self.some_talk()?, self.words());
        let given = new(Body::text(format!("{words} {HELD} {MASKED}")));
        let held = self.does("says what is held", async |me| match me.send(talk, &given).await {
            Err(Error::Held(id)) => Ok(Some(id)),
            other => other.map(|_| None),
        });
        if held.await? != Some(given.message_id) {
            self.world.ledger().broken.push(format!("{} was not held", given.message_id));
        }
        self.is_later(talk, given.message_id, Body::text(format!("{words} {HELD} {}", "*".repeat(MASKED.len()))));
        Ok(())
    }

    /// It ends in a moment by itself.
    pub async fn says_what_ends(&self) -> Done {
        let after_s = Some(self.roll(|dice| dice.random_range(5..15)));
        self.says_until(self.some_talk()?, wire::SelfDestruct { after_s, after_read_s: None }).await
    }

    pub async fn says_what_ends_once_read(&self) -> Done {
        let direct = self.one_of(&self.talks(|own| own.conversation.kind == "direct"))?.conversation.id;
        self.says_until(direct, wire::SelfDestruct { after_s: None, after_read_s: Some(1) }).await
    }

    async fn says_until(&self, talk: Uuid, end: wire::SelfDestruct) -> Done {
        let body = Body::text(self.words());
        let message = MessageNew { self_destruct: Some(end), ..new(body.clone()) };
        self.world.ledger().ends.insert(message.message_id);
        self.sends(talk, message, Some(body)).await
    }

    /// To who is not there, under another's message, to a message that never was.
    pub async fn says_where_nobody_hears(&self) -> Done {
        let somewhere = self.some_talk()?;
        let body = || Body::text(self.words());
        let (talk, message) = match self.roll(|dice| dice.random_range(0..4)) {
            0 => (new_id(), new(body())),
            1 => (somewhere, MessageNew { reply_to: Some(new_id()), ..new(body()) }),
            2 => (somewhere, MessageNew { thread: Some(new_id()), ..new(body()) }),
            _ => (somewhere, MessageNew { mentions: vec![new_id().to_string()], ..new(body()) }),
        };
        let id = message.message_id;
        match self.sends(talk, message, None).await {
            Err(Not::Taken { code, .. }) => {
                self.world.ledger().refused.insert(id, code);
                Ok(())
            }
            other => {
                self.world.ledger().broken.push(format!("nobody could hear it: {other:?}"));
                other
            }
        }
    }

    pub async fn forwards(&self) -> Done {
        let one = self.some_message(is_forwarded)?;
        let other =
            self.some_message(|message| is_forwarded(message) && message.conversation_id == one.conversation_id)?;
        let new = |source: &wire::Message| wire::ForwardOne { message_id: new_id(), source_id: source.message_id };
        let what =
            wire::Forward { from: one.conversation_id, messages: Some(vec![new(&one), new(&other)]), merged: None };
        self.forwards_this(what, &[one.message_id, other.message_id].map(Some)).await
    }

    pub async fn forwards_merged(&self) -> Done {
        let one = self.some_message(is_forwarded)?;
        let other =
            self.some_message(|message| is_forwarded(message) && message.conversation_id == one.conversation_id)?;
        let mut source_ids = vec![one.message_id, other.message_id];
        source_ids.dedup();
        let merged = Some(wire::ForwardMerged { message_id: new_id(), source_ids });
        self.forwards_this(wire::Forward { from: one.conversation_id, messages: None, merged }, &[None]).await
    }

    /// `sources`: what each of them says; `None`: more than one.
    async fn forwards_this(&self, what: wire::Forward, sources: &[Option<Uuid>]) -> Done {
        let to = self.some_talk()?;
        let sent = self.does("forwards", async |me| me.forward(to, &what).await).await;
        let sent = sent.inspect_err(|_| {
            // Where one was refused the other may be there.
            let ids = what.messages.iter().flatten().map(|one| one.message_id);
            self.world.ledger().perhaps.extend(ids);
        });
        for (one, source) in sent?.items.iter().zip(sources) {
            self.is_forwarded(to, one, *source);
        }
        Ok(())
    }

    pub async fn schedules(&self) -> Done {
        self.has_scheduled(self.roll(|dice| dice.random_range(3..8))).await.map(drop)
    }

    /// What is to be said in so many seconds: its conversation and its id.
    async fn has_scheduled(&self, seconds: u64) -> Result<(Uuid, Uuid), Not> {
        let (talk, message_id, send_at) = (self.some_talk()?, new_id(), in_seconds(seconds));
        let body = Body::text(format!("{}, scheduled", self.words()));
        let (reply_to, thread, self_destruct) = (None, None, None);
        let (mentions, silent) = (vec![], false);
        let shown = body.clone();
        let later = wire::ScheduledNew { message_id, body, reply_to, thread, mentions, silent, self_destruct, send_at };
        // While it is tried again its moment may pass.
        self.does("schedules", async |me| me.schedule(talk, &later).await).await?;
        self.is_later(talk, message_id, shown);
        Ok((talk, message_id))
    }

    pub async fn reschedules(&self) -> Done {
        let (talk, id) = self.has_scheduled(LONG).await?;
        let send_at = Some(in_seconds(self.roll(|dice| dice.random_range(3..8))));
        let body = Body::text(self.words());
        let change = wire::ScheduledChange { body: Some(body.clone()), send_at };
        let changed = self.does("reschedules", async |me| me.change_scheduled(talk, id, &change).await).await;
        self.becomes(id, changed.is_ok().then_some(body));
        changed.map(drop)
    }

    /// What is to be sent later says this from here on, or nobody knows what.
    fn becomes(&self, id: Uuid, body: Option<Body>) {
        if let Some(later) = self.world.ledger().later.get_mut(&id) {
            later.body = body;
        }
    }

    pub async fn cancels_scheduled(&self) -> Done {
        let (talk, id) = self.has_scheduled(LONG).await?;
        self.does("cancels", async |me| me.cancel_scheduled(talk, id).await).await?;
        if let Some(later) = self.world.ledger().later.get_mut(&id) {
            later.cancelled = true;
        }
        Ok(())
    }

    /// Of what could not be sent; whoever reviews sees to it that there is some.
    pub async fn puts_away_failed(&self) -> Done {
        let failed: Vec<wire::Scheduled> = {
            let held = self.devices[0].held();
            held.scheduled.values().filter(|one| one.state == "failed").cloned().collect()
        };
        let one = self.one_of(&failed)?;
        let (talk, id) = (one.conversation_id, one.message_id);
        self.does("puts away", async |me| me.cancel_scheduled(talk, id).await).await?;
        if let Some(later) = self.world.ledger().later.get_mut(&id) {
            later.cancelled = true;
        }
        Ok(())
    }

    pub async fn edits(&self) -> Done {
        let me = self.id;
        let old = self.some_message(|message| {
            let is_text = matches!(message.body, Some(Body::Text { .. })) && !message.forwarded;
            Self::said(message) && message.sender == Some(me) && is_text
        })?;
        let (words, id) = (self.words(), old.message_id);
        let is_masked = self.roll(|dice| dice.random_bool(0.3));
        let (given, shown) = if is_masked { (MASKED, "*******") } else { ("edited", "edited") };
        let body = Body::text(format!("{words} {given}"));
        let talk = old.conversation_id;
        let edited = self.does_on_either(
            "edits",
            async |line| line.edit(talk, id, &body).await,
            async |me| me.edit(talk, id, &body).await,
        );
        edited.await.map_err(|not| self.doubts(id, not))?;
        self.world.ledger().edited.insert(id, Body::text(format!("{words} {shown}")));
        Ok(())
    }

    pub async fn edits_anothers(&self) -> Done {
        let me = self.id;
        let old = self.some_message(|message| Self::said(message) && message.sender != Some(me))?;
        let body = Body::text("this was never said");
        match self.does("edits", async |me| me.edit(old.conversation_id, old.message_id, &body).await).await {
            Err(Not::Taken { .. }) => Ok(()),
            other => {
                self.world.ledger().broken.push("another's message was edited".to_owned());
                other.map(drop)
            }
        }
    }

    pub async fn recalls(&self) -> Done {
        let me = self.id;
        let old = self.some_message(|message| Self::said(message) && message.sender == Some(me))?;
        self.recalls_this(&old).await
    }

    /// What somebody has said in a group where the person is above them.
    pub async fn recalls_as_admin(&self) -> Done {
        let me = self.id;
        let led = self.talks(|own| own.role.as_deref() == Some("owner") && own.conversation.kind == "group");
        let led: Vec<Uuid> = led.iter().map(|own| own.conversation.id).collect();
        let old = self.some_message(|message| {
            Self::said(message) && message.sender != Some(me) && led.contains(&message.conversation_id)
        })?;
        self.recalls_this(&old).await
    }

    async fn recalls_this(&self, old: &wire::Message) -> Done {
        let (talk, id) = (old.conversation_id, old.message_id);
        let recalled = self.does_on_either(
            "recalls",
            async |line| line.recall(talk, id).await,
            async |me| me.recall(talk, id).await,
        );
        recalled.await.map_err(|not| self.doubts(id, not))?;
        self.world.ledger().recalled.insert(id);
        Ok(())
    }

    pub async fn reacts(&self) -> Done {
        let to = self.some_message(Self::said)?;
        let (talk, id, emoji) = (to.conversation_id, to.message_id, self.one_of(&EMOJI)?);
        let reacted = self.does_on_either(
            "reacts",
            async |line| line.react(talk, id, emoji).await,
            async |me| me.react(talk, id, emoji).await,
        );
        reacted.await.map_err(|not| self.doubts(id, not))?;
        self.world.ledger().reacts(id, emoji, self.id, true);
        Ok(())
    }

    pub async fn takes_reaction_off(&self) -> Done {
        let is_mine = |reaction: &wire::MessageReaction| reaction.mine;
        let to = self.some_message(|message| Self::said(message) && message.reactions.iter().flatten().any(is_mine))?;
        let (talk, id) = (to.conversation_id, to.message_id);
        let mine: Vec<_> = to.reactions.into_iter().flatten().filter(is_mine).collect();
        let emoji = self.one_of(&mine)?.emoji;
        let taken = self.does_on_either(
            "takes a reaction off",
            async |line| line.unreact(talk, id, &emoji).await,
            async |me| me.unreact(talk, id, &emoji).await,
        );
        taken.await.map_err(|not| self.doubts(id, not))?;
        self.world.ledger().reacts(id, &emoji, self.id, false);
        Ok(())
    }

    pub async fn pins(&self) -> Done {
        let one = self.some_message(Self::said)?;
        let (talk, id) = (one.conversation_id, one.message_id);
        self.does_on_either("pins", async |line| line.pin(talk, id).await, async |me| me.pin(talk, id).await).await
    }

    pub async fn unpins(&self) -> Done {
        let one = self.some_message(|message| message.pinned_at.is_some())?;
        let (talk, id) = (one.conversation_id, one.message_id);
        self.does_on_either("unpins", async |line| line.unpin(talk, id).await, async |me| me.unpin(talk, id).await)
            .await
    }

    pub async fn translates(&self) -> Done {
        let one = self.some_message(|message| Self::said(message) && message.body.as_ref().is_some_and(is_text))?;
        let (talk, id) = (one.conversation_id, one.message_id);
        let said = self.does("translates", async |me| me.translate(talk, id, "de").await).await?;
        assert!(said.text.ends_with(", translated"), "{said:?}");
        Ok(())
    }
}

fn is_text(body: &Body) -> bool {
    matches!(body, Body::Text { .. })
}

fn is_forwarded(message: &wire::Message) -> bool {
    Person::said(message) && !matches!(message.body, Some(Body::Opaque { .. } | Body::Merged { .. }))
}

/// All of them before the first answer.
async fn pipelined(socket: &Socket, talk: Uuid, messages: &[MessageNew]) -> Result<Vec<wire::MessageSent>, Error> {
    let requests = socket.requests();
    let mut waiting = Vec::new();
    for message in messages {
        waiting.push(requests.send(talk, message).await?);
    }
    let mut answers = Vec::new();
    for one in waiting {
        let wire::SentOk { message_id, seq, sent_at, .. } = one.answer().await?;
        answers.push(wire::MessageSent { message_id, seq, sent_at });
    }
    Ok(answers)
}
