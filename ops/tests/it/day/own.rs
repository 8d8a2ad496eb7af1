//! Threads, and what a person keeps to themselves: how far they have read, drafts, what is shown how.

use super::{
    bodies,
    person::{Done, Not, Person},
};
use natter_testkit::{
    client::new_id,
    in_seconds,
    wire::{self, Body, MessageNew, ViewChange},
};
use rand::Rng;
use uuid::Uuid;

const HOUR: u64 = 60 * 60;

impl Person {
    pub async fn replies_in_thread(&self) -> Done {
        let under = match self.some_root() {
            Ok(root) if self.roll(|dice| dice.random_bool(0.6)) => root,
            _ => {
                let one = self.some_message(Self::said)?;
                (one.conversation_id, one.message_id)
            }
        };
        let body = Body::text(format!("{}, in a thread", self.words()));
        let message = MessageNew { thread: Some(under.1), ..MessageNew::new(new_id(), body.clone()) };
        self.sends(under.0, message, Some(body)).await
    }

    /// What a thread begins with, as the first device shows it.
    fn some_root(&self) -> Result<(Uuid, Uuid), Not> {
        let reply = self.some_message(|message| message.thread.is_some())?;
        let root = reply.thread.ok_or(Not::Possible)?;
        Ok((reply.conversation_id, root.message_id))
    }

    pub async fn follows_thread(&self) -> Done {
        let (talk, root) = self.some_root()?;
        self.does("follows a thread", async |me| me.follow_thread(talk, root).await).await.map(drop)
    }

    pub async fn unfollows_thread(&self) -> Done {
        let (talk, root) = self.some_root()?;
        self.does("unfollows a thread", async |me| me.unfollow_thread(talk, root).await).await.map(drop)
    }

    pub async fn reads_thread(&self) -> Done {
        let reply = self.some_message(|message| message.thread.is_some())?;
        let (talk, seq) = (reply.conversation_id, reply.seq);
        let root = reply.thread.ok_or(Not::Possible)?.message_id;
        self.does("reads a thread", async |me| me.read_thread(talk, root, seq).await).await.map(drop)
    }

    pub async fn stars(&self) -> Done {
        self.turns_star(true).await
    }

    pub async fn unstars(&self) -> Done {
        self.turns_star(false).await
    }

    async fn turns_star(&self, on: bool) -> Done {
        let one = self.some_message(|message| Self::said(message) && message.starred != on)?;
        let (talk, id) = (one.conversation_id, one.message_id);
        let marks = wire::MessageMarks { starred: Some(on), listened: None };
        let turned = self.does_on_either(
            "turns a star",
            async |line| if on { line.star(talk, id).await } else { line.unstar(talk, id).await },
            async |me| me.mark(talk, id, &marks).await,
        );
        let turned = turned.await;
        let is_unknown = matches!(&turned, Err(Not::Taken { tries: 2.., .. }));
        if turned.is_ok() || is_unknown {
            self.world.ledger().starred.insert((self.id, id), (!is_unknown).then_some(on));
        }
        turned
    }

    /// To what others have said by voice; who has no such message says something so.
    pub async fn listens(&self) -> Done {
        let me_myself = self.id;
        let is_voice = |message: &wire::Message| matches!(message.body, Some(Body::Voice { .. }));
        let one = self.some_message(|message| {
            Self::said(message) && is_voice(message) && message.sender != Some(me_myself) && !message.listened
        });
        let Ok(one) = one else {
            let body = bodies::of_kind(bodies::VOICE, "", me_myself);
            return self.sends(self.some_talk()?, MessageNew::new(new_id(), body.clone()), Some(body)).await;
        };
        let (talk, id) = (one.conversation_id, one.message_id);
        let marks = wire::MessageMarks { starred: None, listened: Some(true) };
        self.does_on_either(
            "listens",
            async |line| line.listen(talk, id).await,
            async |me| me.mark(talk, id, &marks).await,
        )
        .await
    }

    pub async fn deletes_for_oneself(&self) -> Done {
        let one = self.some_message(Self::said)?;
        let (talk, id) = (one.conversation_id, one.message_id);
        let deleted = self.does_on_either(
            "deletes for themselves",
            async |line| line.delete_for_me(talk, id).await,
            async |me| me.delete_for_me(talk, id).await,
        );
        let deleted = deleted.await;
        let is_unknown = matches!(&deleted, Err(Not::Taken { tries: 2.., .. }));
        if deleted.is_ok() || is_unknown {
            self.world.ledger().deleted.insert((self.id, id), !is_unknown);
        }
        deleted
    }

    pub async fn reads(&self) -> Done {
        let own = self.one_of(&self.talks(|own| own.conversation.last_seq > own.read_seq))?;
        let (talk, last) = (own.conversation.id, own.conversation.last_seq);
        let seq = self.roll(|dice| dice.random_range(own.read_seq + 1..=last));
        self.does_on_either(
            "reads",
            async |line| line.read(talk, seq).await,
            async |me| me.read_up_to(talk, seq).await,
        )
        .await?;
        let mut ledger = self.world.ledger();
        let read = ledger.read.entry((self.id, talk)).or_default();
        *read = seq.max(*read);
        Ok(())
    }

    pub async fn says_delivered(&self) -> Done {
        let own = self.one_of(&self.talks(|own| own.conversation.kind == "direct" && own.conversation.last_seq > 0))?;
        let (talk, seq) = (own.conversation.id, own.conversation.last_seq);
        // A sign and no more: once.
        let said = self.on_the_line(async |socket| socket.requests().delivered(talk, seq).await?.answer().await).await;
        said.map(drop).map_err(|_| Not::Possible)
    }

    async fn views(&self, talk: Uuid, change: ViewChange) -> Done {
        self.does("changes how it is shown", async |me| me.change_view(talk, &change).await).await.map(drop)
    }

    fn turn(&self) -> bool {
        self.roll(|dice| dice.random_bool(0.6))
    }

    pub async fn marks_unread(&self) -> Done {
        let change = ViewChange { marked_unread: Some(Some(self.turn())), ..ViewChange::default() };
        self.views(self.some_talk()?, change).await
    }

    pub async fn archives(&self) -> Done {
        let change = ViewChange { archived: Some(Some(self.turn())), ..ViewChange::default() };
        self.views(self.some_talk()?, change).await
    }

    pub async fn quiets(&self) -> Done {
        let until = self.turn().then(|| in_seconds(HOUR));
        self.views(self.some_talk()?, ViewChange { quiet_until: Some(until), ..ViewChange::default() }).await
    }

    pub async fn pins_conversation(&self) -> Done {
        let change = ViewChange { pinned: Some(Some(self.turn())), ..ViewChange::default() };
        self.views(self.some_talk()?, change).await
    }

    pub async fn files(&self) -> Done {
        let folder = self.turn().then(|| "a folder".to_owned());
        self.views(self.some_talk()?, ViewChange { folder: Some(folder), ..ViewChange::default() }).await
    }

    pub async fn drafts(&self) -> Done {
        let draft = self.turn().then(|| self.words());
        self.views(self.some_talk()?, ViewChange { draft: Some(draft), ..ViewChange::default() }).await
    }

    pub async fn hides(&self) -> Done {
        let change = ViewChange { hidden: Some(Some(self.turn())), ..ViewChange::default() };
        self.views(self.some_talk()?, change).await
    }

    /// Not where they are the one who tells what everybody has seen.
    pub async fn clears(&self) -> Done {
        let own = self.one_of(&self.talks(|own| own.role.as_deref() != Some("owner")))?;
        let talk = own.conversation.id;
        self.does("clears", async |me| me.clear(talk).await).await.map(drop)
    }

    pub async fn explains(&self) -> Done {
        let talk = self.some_talk()?;
        let told = self.does("asks how it came about", async |me| me.explain_unread(talk).await).await?;
        let wire::UnreadCounted { messages, own, system, recalled, deleted } = told.counted;
        assert_eq!(told.unread, messages - own - system - recalled - deleted, "{told:?}");
        Ok(())
    }
}
