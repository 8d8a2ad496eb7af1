//! Looking through one conversation by what stands beside sealed bodies: who, what kind, when, with a file or a link, with a
//! mention. Nothing is opened to find it. A search that would read too much at once says where to go on.

use super::{Message, Order, Span, mention, query::Query};
use crate::{Error, gate, message::HistoryStore, page};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, Timestamp, conversation::BodyKind};

/// What must be so of a message. One that was recalled is never found.
#[derive(Clone, Copy, Default, Debug)]
pub struct Filter {
    pub sender: Option<AccountId>,
    pub kind: Option<KindOf>,
    /// Sent then or later.
    pub since: Option<Timestamp>,
    /// Sent before then.
    pub until: Option<Timestamp>,
    pub has: Option<Has>,
    /// The viewer, by name, by role or with everybody.
    pub mentions_me: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KindOf {
    System,
    Of(BodyKind),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Has {
    File,
    Link,
}

/// Kinds that come with a file.
pub(super) const FILES: [BodyKind; 4] = [BodyKind::Image, BodyKind::Voice, BodyKind::Video, BodyKind::File];

/// What a store finds, newest first.
#[derive(PartialEq, Debug)]
pub struct Found {
    pub messages: Vec<Message>,
    /// It has looked at everything from this seq on; 0: at all of it.
    pub looked_to: u64,
}

impl Filter {
    /// Whether a row that stands there fits; when it was sent, its place has said.
    pub(super) fn fits(&self, sender: Option<AccountId>, kind: Option<&str>, has_link: bool) -> bool {
        let kind_fits = match self.kind {
            None => true,
            Some(KindOf::System) => sender.is_none(),
            Some(KindOf::Of(BodyKind::Text)) => sender.is_some() && kind.is_none(),
            Some(KindOf::Of(wanted)) => kind == Some(wanted.as_str()),
        };
        let has = match self.has {
            None => true,
            Some(Has::Link) => has_link,
            Some(Has::File) => FILES.iter().any(|file| kind == Some(file.as_str())),
        };
        kind_fits && has && self.sender.is_none_or(|wanted| sender == Some(wanted))
    }
}

impl Query<'_> {
    /// Newest first. A page may hold fewer than asked for, even none, and not be the last: that is the one without
    /// `next_cursor`. `None`: the conversation does not exist for the viewer.
    pub async fn filter(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        filter: &Filter,
        page: &page::Page,
    ) -> Result<Option<wire::PageOf<wire::Message>>, Error> {
        let before = page.number()?;
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(None) };
        let (history, limit) = (self.0.history(), page.items());
        let bounds = dates(&*history, conversation, membership.newest(), filter).await?;
        let until = before.map_or(u64::MAX, |seq| seq.saturating_sub(1)).min(bounds.until);
        let spans = membership.visible(bounds.after, until);
        let found = if filter.mentions_me {
            let seqs = mention::seqs(&self.0.pool(), viewer, conversation, &spans, limit).await?;
            these(&*history, conversation, filter, seqs, limit).await?
        } else {
            history.find(conversation, &spans, filter, limit).await?
        };
        let next_cursor = (found.looked_to > 0).then(|| found.looked_to.to_string());
        let mut seen = self.as_seen(&membership, found.messages).await?;
        seen.sort_unstable_by_key(|message| std::cmp::Reverse(message.seq));
        Ok(Some(wire::PageOf { items: self.shown_to(&membership, &seen).await?, next_cursor }))
    }
}

/// Those of the seqs that fit. They come newest first.
async fn these(
    store: &dyn HistoryStore,
    conversation: ConversationId,
    filter: &Filter,
    seqs: Vec<u64>,
    limit: u32,
) -> Result<Found, Error> {
    let looked_to = if seqs.len() < limit as usize { 0 } else { seqs.last().copied().unwrap_or(0) };
    let spans: Vec<Span> = seqs.iter().rev().map(|seq| Span::now(seq.saturating_sub(1), *seq)).collect();
    let Found { messages, .. } = store.find(conversation, &spans, filter, limit).await?;
    Ok(Found { messages, looked_to })
}

/// The seqs between two moments: in a conversation time never goes back, so both ends are found by halving.
async fn dates(
    store: &dyn HistoryStore,
    conversation: ConversationId,
    newest: u64,
    filter: &Filter,
) -> Result<Span, Error> {
    let after = match filter.since {
        Some(since) => sent_before(store, conversation, newest, since).await?,
        None => 0,
    };
    let until = match filter.until {
        Some(until) => sent_before(store, conversation, newest, until).await?,
        None => u64::MAX,
    };
    Ok(Span::now(after, until))
}

/// How many were sent before that moment.
async fn sent_before(
    store: &dyn HistoryStore,
    conversation: ConversationId,
    newest: u64,
    moment: Timestamp,
) -> Result<u64, Error> {
    let (mut low, mut high) = (0, newest);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let one = [Span::now(middle - 1, middle)];
        let found = store.page(conversation, &one, Order::NewestFirst, 1).await?;
        // What history does not have yet is newer than all it has.
        match found.first() {
            Some(message) if message.sent_at < moment => low = middle,
            _ => high = middle - 1,
        }
    }
    Ok(low)
}
