//! Messages for those who may see them. Every query passes the gate first.

use crate::{
    Error, Shared,
    gate::{self, Membership},
    message::{Body, HistoryStore, Message, Order, Span, change::sealed_for, changed, pages, pages::Fresh},
    sync::{After, Since, Told},
};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId, MessageId,
    conversation::{Lifetime, Mentions, Quote},
    limit,
};
use natter_streams::{
    sealing::{Keys, Opener},
    statement,
};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

/// Which messages; the bounds are exclusive. Newest first, with `after_seq` and with `around_seq` oldest first.
#[derive(Clone, Copy, Default, Debug)]
pub struct Range {
    pub before_seq: Option<u64>,
    pub after_seq: Option<u64>,
    /// This one, half of them before it, the rest behind it. The bounds are not looked at then.
    pub around_seq: Option<u64>,
    /// Never more than 200 are given.
    pub limit: u32,
}

impl Query<'_> {
    /// `None`: the conversation does not exist for the viewer. An empty page is the end.
    pub async fn page(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        range: Range,
    ) -> Result<Option<Vec<wire::Message>>, Error> {
        let Some((membership, changed)) = gate::ask(self.0, viewer, conversation).await? else { return Ok(None) };
        let fresh = self.0.fresh(conversation, changed);
        Ok(Some(self.seen(&membership, range, fresh).await?))
    }

    /// [`Self::page`] for who is to give somebody all that is held on them: with what they have deleted for themselves,
    /// which the others still have.
    pub async fn held(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        range: Range,
    ) -> Result<Option<Vec<wire::Message>>, Error> {
        let Some((membership, changed)) = gate::ask(self.0, viewer, conversation).await? else { return Ok(None) };
        let fresh = self.0.fresh(conversation, changed);
        Ok(Some(self.seen(&membership.with_what_was_deleted(), range, fresh).await?))
    }

    async fn seen(&self, membership: &Membership, range: Range, fresh: Fresh) -> Result<Vec<wire::Message>, Error> {
        let limit = range.limit.clamp(1, limit::PAGE_MAX);
        let (spans, order) = range.of(membership, limit);
        let (pages, conversation) = (self.0.pages(), membership.conversation());
        let messages = pages.page(conversation, &spans, order, limit, fresh, &self.0.keys).await?;
        self.marked(membership, messages).await
    }

    /// One message; `None`: it does not exist for the viewer.
    pub async fn one(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<Option<wire::Message>, Error> {
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(None) };
        Ok(self.these(&membership, &[message]).await?.pop())
    }

    /// Whether there is such a message in the conversation where the viewer could see it, or has deleted it for themselves. Of a
    /// conversation that is none of theirs nothing is said against it.
    pub async fn is_there(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<bool, Error> {
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(true) };
        let membership = membership.with_what_was_deleted();
        let found = self.0.history().by_ids(conversation, &[message]).await?;
        Ok(found.iter().any(|message| membership.sees(message.seq)))
    }

    /// Those of the messages that exist for the viewer, each once, in the order of the ids; `None`: the conversation does
    /// not.
    pub async fn lookup(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        ids: &[MessageId],
    ) -> Result<Option<Vec<wire::Message>>, Error> {
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(None) };
        let found = self.these(&membership, ids).await?;
        let mut by_id: HashMap<Uuid, wire::Message> = found.into_iter().map(|it| (it.message_id, it)).collect();
        Ok(Some(ids.iter().filter_map(|id| by_id.remove(&id.0)).collect()))
    }

    async fn these(&self, membership: &Membership, ids: &[MessageId]) -> Result<Vec<wire::Message>, Error> {
        let mut found = self.0.history().by_ids(membership.conversation(), ids).await?;
        found.retain(|message| membership.sees(message.seq));
        let seen = self.as_seen(membership, found).await?;
        self.shown_to(membership, &seen).await
    }

    /// With everybody's reactions, and which of them are the viewer's own.
    pub(super) async fn shown_to(
        &self,
        membership: &Membership,
        messages: &[Message],
    ) -> Result<Vec<wire::Message>, Error> {
        let history = self.0.history();
        self.marked(membership, shown_to_all(&*history, &self.0.keys, messages).await?).await
    }

    /// Marks the viewer's own reactions, hides what they may not see of what others answer, tells of threads, and puts what they
    /// have marked.
    async fn marked(
        &self,
        membership: &Membership,
        mut messages: Vec<wire::Message>,
    ) -> Result<Vec<wire::Message>, Error> {
        let quotes = messages.iter_mut().filter_map(|message| Some((message.seq, message.reply_to.as_mut()?)));
        for (seq, quote) in quotes {
            quote.excerpt = quote.excerpt.take().filter(|_| membership.sees_together(seq, quote.seq));
        }
        let messages = self.with_threads(membership, messages).await?;
        let mut messages = self.with_marks(membership, messages).await?;
        let has_any = |it: &&wire::Message| it.reactions.as_ref().is_some_and(|reactions| !reactions.is_empty());
        let seqs: Vec<u64> = messages.iter().filter(has_any).map(|it| it.seq).collect();
        if seqs.is_empty() {
            return Ok(messages);
        }
        let mine = self.0.history().mine(membership.viewer(), membership.conversation(), &seqs).await?;
        for message in &mut messages {
            let Some(emojis) = mine.get(&message.seq) else { continue };
            for reaction in message.reactions.iter_mut().flatten() {
                reaction.mine = emojis.contains(&reaction.emoji);
            }
        }
        Ok(messages)
    }

    /// Messages of the viewer's conversations that changed behind what they were told; those that were sent behind it too,
    /// for whoever has read a range meanwhile may hold them. Who holds none is told of none.
    pub(crate) async fn changed(
        &self,
        since: Since<'_>,
        until: &Told,
    ) -> Result<(Vec<wire::Message>, Option<After>), Error> {
        let (mut items, mut after) = (Vec::new(), since.after);
        if since.told.is_nothing() {
            return Ok((items, None));
        }
        let conversations = self.with_changes(since).await?;
        let is_whole = conversations.len() <= since.limit;
        let (history, mut reads) = (self.0.history(), changed::READS);
        for (conversation, lane) in conversations {
            if conversation.0 != after.id {
                after = After { id: conversation.0, number: 0 };
            }
            let (told, until) = (since.told.lane(lane), until.lane(lane));
            let Some(membership) = gate::member(self.0, since.viewer, conversation).await? else { continue };
            let read = |behind| history.changed(conversation, behind, until, changed::READ);
            let room = since.limit.saturating_sub(items.len());
            let found = changed::gather(read, &membership, told.max(after.number), room, &mut reads).await?;
            let mut seen = self.as_seen(&membership, found.seen).await?;
            // What somebody who came back does to messages of a stay before shows in `mine` alone.
            seen.retain(|message| message.changed > told || membership.has_returned());
            items.extend(self.shown_to(&membership, &seen).await?);
            if !found.is_all {
                return Ok((items, Some(After { number: found.read_to, ..after })));
            }
        }
        // However little there was to tell of these conversations, there are others.
        Ok((items, (!is_whole).then_some(after)))
    }

    /// The viewer's conversations with messages that changed, and their lanes; those of a page before are left out. Who was
    /// told nothing of a lane knows no message there that could have changed.
    async fn with_changes(&self, since: Since<'_>) -> Result<Vec<(ConversationId, i16)>, Error> {
        let rows: Vec<(Uuid, i16)> = sqlx::query_as(
            "WITH mine AS (SELECT conversation_id, bool_or(left_seq IS NULL) AS is_in FROM member
                           WHERE account_id = $1 AND conversation_id >= $3 GROUP BY conversation_id)
             SELECT conversation_id, coalesce(lane, 0::smallint) FROM mine JOIN conversation USING (conversation_id)
             WHERE (is_in OR kind <> 'channel') AND messages_changed > ($2::bigint[])[coalesce(lane, 0) + 1]
               AND ($2::bigint[])[coalesce(lane, 0) + 1] > 0 ORDER BY conversation_id LIMIT $4",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .bind(since.after.id)
        .bind(since.rows())
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read where messages changed"))?;
        Ok(rows.into_iter().map(|(id, lane)| (ConversationId(id), lane)).collect())
    }

    /// Messages that the viewer may see, each as it stood when that stay ended.
    pub(super) async fn as_seen(&self, membership: &Membership, messages: Vec<Message>) -> Result<Vec<Message>, Error> {
        let (mut seen, mut later) = (Vec::new(), Vec::<Span>::new());
        for message in messages {
            let spans = membership.visible(message.seq - 1, message.seq);
            if spans.iter().all(|span| message.changed <= span.as_of) {
                seen.push(message);
            } else {
                later.extend(spans);
            }
        }
        if !later.is_empty() {
            later.sort_unstable_by_key(|span| span.after);
            let (history, count) = (self.0.history(), later.len() as u32);
            seen.extend(history.page(membership.conversation(), &later, Order::OldestFirst, count).await?);
        }
        Ok(seen)
    }
}

impl Range {
    /// What the viewer may see of it.
    fn of(&self, membership: &Membership, limit: u32) -> (Vec<Span>, Order) {
        if let Some(seq) = self.around_seq {
            let before = seq.saturating_sub(1);
            let (before, from) = (membership.visible(0, before), membership.visible(before, u64::MAX));
            return (pages::around(&before, &from, limit), Order::OldestFirst);
        }
        let order = if self.after_seq.is_some() { Order::OldestFirst } else { Order::NewestFirst };
        let until = self.before_seq.map_or(u64::MAX, |seq| seq.saturating_sub(1));
        (membership.visible(self.after_seq.unwrap_or(0), until), order)
    }
}

/// As everybody who may see them sees them, of one conversation; nobody's own reactions are marked.
pub(super) async fn shown_to_all(
    store: &dyn HistoryStore,
    keys: &Keys,
    messages: &[Message],
) -> Result<Vec<wire::Message>, Error> {
    let opener = keys.opener(messages.iter().flat_map(Message::keys).collect::<Vec<_>>()).await?;
    let recalled = recalled_answers(store, messages).await?;
    let shown = |message: &Message| {
        let mut shown = wire::Message { reactions: Some(reactions(message)), ..shown(&opener, message) };
        shown.reply_to = quote(&opener, message, &recalled);
        shown
    };
    Ok(messages.iter().map(shown).collect())
}

/// Which of those that are answered were recalled.
async fn recalled_answers(store: &dyn HistoryStore, messages: &[Message]) -> Result<HashSet<u64>, Error> {
    let answered = |message: &Message| message.details.reply_to.as_ref().map(|quote| quote.seq);
    let seqs: Vec<u64> = messages.iter().filter_map(answered).collect();
    match messages.first().filter(|_| !seqs.is_empty()) {
        Some(message) => store.recalled(message.conversation_id, &seqs).await,
        None => Ok(HashSet::new()),
    }
}

/// What the message answers, with its words unless they were recalled.
pub(crate) fn quote(opener: &Opener, message: &Message, recalled: &HashSet<u64>) -> Option<wire::Quote> {
    let quote = message.details.reply_to.as_ref()?;
    let words =
        quote.excerpt.as_ref().filter(|_| !recalled.contains(&quote.seq)).and_then(|sealed| {
            opener.open_text(sealed_for(sealed.key, message.conversation_id, message.sender), sealed)
        });
    Some(wire::Quote {
        message_id: quote.message_id.0,
        seq: quote.seq,
        sender: quote.sender.map(|sender| sender.0),
        excerpt: words,
    })
}

/// As clients say them.
pub(crate) fn mentioned(mentions: &Mentions) -> Vec<String> {
    let Mentions { accounts, all, roles, .. } = mentions;
    let people = accounts.iter().map(ToString::to_string);
    let all = all.then(|| "all".to_owned());
    people.chain(all).chain(roles.iter().map(|role| role.as_str().to_owned())).collect()
}

/// As its sender gave it.
pub(crate) fn lifetime(lifetime: Lifetime) -> wire::SelfDestruct {
    match lifetime {
        Lifetime::AfterS(seconds) => wire::SelfDestruct { after_s: Some(seconds), after_read_s: None },
        Lifetime::AfterReadS(seconds) => wire::SelfDestruct { after_s: None, after_read_s: Some(seconds) },
    }
}

fn reactions(message: &Message) -> Vec<wire::MessageReaction> {
    if message.recalled_at.is_some() {
        return Vec::new();
    }
    let reaction =
        |(emoji, count): (&String, &u64)| wire::MessageReaction { emoji: emoji.clone(), count: *count, mine: false };
    message.reactions.iter().map(reaction).collect()
}

/// As everybody who may see it sees it, without reactions and without the words of what it answers. The body is null where its key is gone, and where it is of a
/// kind that this binary does not know. Of a recalled one is shown that it was, and nothing else that became of it.
pub(crate) fn shown(opener: &Opener, message: &Message) -> wire::Message {
    let stands = message.recalled_at.is_none();
    wire::Message {
        conversation_id: message.conversation_id.0,
        message_id: message.message_id.0,
        seq: message.seq,
        sender: message.sender.map(|sender| sender.0),
        body: message.body.as_ref().and_then(|body| opened(opener, message, body)),
        sent_at: message.sent_at.to_string(),
        edited_at: message.edited_at.filter(|_| stands).map(|at| at.to_string()),
        recalled_at: message.recalled_at.map(|at| at.to_string()),
        recalled_by: message.recalled_by.map(|by| by.0),
        reply_to: message.details.reply_to.as_ref().map(unquoted),
        thread: message.details.thread.map(|root| wire::ThreadRoot { message_id: root.message_id.0, seq: root.seq }),
        thread_summary: None,
        mentions: mentioned(&message.details.mentions),
        silent: message.details.silent,
        forwarded: message.details.forwarded,
        pinned_at: message.pinned_at.filter(|_| stands).map(|at| at.to_string()),
        pinned_by: None,
        self_destruct: message.details.self_destruct.map(|it| lifetime(it.lifetime)),
        expires_at: message.expires_at.filter(|_| stands).map(|at| at.to_string()),
        reactions: None,
        starred: false,
        listened: false,
    }
}

/// Which message is answered, without its words.
fn unquoted(quote: &Quote) -> wire::Quote {
    let Quote { message_id, seq, sender, .. } = quote;
    wire::Quote { message_id: message_id.0, seq: *seq, sender: sender.map(|sender| sender.0), excerpt: None }
}

pub(super) fn opened(opener: &Opener, message: &Message, body: &Body) -> Option<wire::Body> {
    match body {
        Body::Sealed(sealed) => {
            let owner = sealed_for(sealed.key, message.conversation_id, message.sender);
            serde_json::from_slice(&opener.open(owner, sealed)?).ok()
        }
        Body::System(json) => serde_json::from_str(json).ok(),
    }
}
