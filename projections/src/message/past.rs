//! What a message said before, and who has reacted to it: for who sees the message, as it stood when their stay ended.

use super::{
    Message, Reactor, Version, Votes,
    change::sealed_for,
    query::{Query, opened},
};
use crate::{Error, gate, page::Page};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, KeyId, MessageId, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

impl Query<'_> {
    /// What the message said, the oldest first: how it was sent, then each edit. `None`: it does not exist for the viewer. Of
    /// one that was recalled there is nothing.
    pub async fn edits(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        message: MessageId,
        page: &Page,
    ) -> Result<Option<wire::PageOf<wire::MessageVersion>>, Error> {
        let after = page.number()?.unwrap_or(0);
        let Some((message, as_of)) = self.seen_by(viewer, conversation, message).await? else { return Ok(None) };
        let (history, rows) = (self.0.history(), page.items() + 1);
        let mut found = history.versions(conversation, message.seq, after, as_of, rows).await?;
        let next_cursor = cut(&mut found, page, |version| version.position);
        let opener = self.0.keys.opener(keys(&message, &found)).await?;
        let shown = |version: &Version| wire::MessageVersion {
            body: version.body.as_ref().and_then(|body| opened(&opener, &message, body)),
            at: version.at.to_string(),
        };
        Ok(Some(wire::PageOf { items: found.iter().map(shown).collect(), next_cursor }))
    }

    /// Who has reacted to the message, the newest first. `None`: it does not exist for the viewer.
    pub async fn reactors(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        message: MessageId,
        emoji: Option<&str>,
        page: &Page,
    ) -> Result<Option<wire::PageOf<wire::MessageReactor>>, Error> {
        let before = page.number()?.unwrap_or(u64::MAX);
        let Some((message, as_of)) = self.seen_by(viewer, conversation, message).await? else { return Ok(None) };
        let votes = Votes { emoji, before, as_of, limit: page.items() + 1 };
        let mut found = self.0.history().reactors(conversation, message.seq, votes).await?;
        let next_cursor = cut(&mut found, page, |reactor| reactor.position);
        let shown = |Reactor { account, emoji, at, .. }: Reactor| wire::MessageReactor {
            account_id: account.0,
            emoji,
            at: at.to_string(),
        };
        Ok(Some(wire::PageOf { items: found.into_iter().map(shown).collect(), next_cursor }))
    }

    /// The message as it is now, and the position as of which the viewer sees it.
    async fn seen_by(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<Option<(Message, u64)>, Error> {
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(None) };
        let found = self.0.history().by_ids(conversation, &[message]).await?.pop();
        let seen = found.and_then(|message| {
            let span = membership.visible(message.seq.saturating_sub(1), message.seq).into_iter().next()?;
            Some((message, span.as_of))
        });
        Ok(seen)
    }
}

fn cut<T>(rows: &mut Vec<T>, page: &Page, position: impl Fn(&T) -> u64) -> Option<String> {
    let more = rows.len() > page.items() as usize;
    rows.truncate(page.items() as usize);
    rows.last().filter(|_| more).map(|last| position(last).to_string())
}

fn keys(message: &Message, versions: &[Version]) -> Vec<(Uuid, KeyId)> {
    let key = |version: &Version| match version.body.as_ref()? {
        super::Body::Sealed(sealed) => {
            Some((sealed_for(sealed.key, message.conversation_id, message.sender), sealed.key))
        }
        super::Body::System(_) => None,
    };
    versions.iter().filter_map(key).collect()
}

/// A reaction that was put or taken back.
pub(super) struct Vote {
    pub account: AccountId,
    pub emoji: String,
    pub at: Timestamp,
    pub position: u64,
    pub stands: bool,
}

/// Who had reacted once all of these had come, in their order: the newest first.
pub(super) fn stood(past: impl IntoIterator<Item = Vote>, votes: Votes<'_>) -> Vec<Reactor> {
    let mut stand = BTreeMap::new();
    for Vote { account, emoji, at, position, stands } in past {
        if stands {
            stand.insert((account, emoji), (at, position));
        } else {
            stand.remove(&(account, emoji));
        }
    }
    let reactor = |((account, emoji), (at, position))| Reactor { account, emoji, at, position };
    newest(stand.into_iter().map(reactor), votes)
}

/// Those that are asked for.
pub(super) fn newest(reactors: impl IntoIterator<Item = Reactor>, votes: Votes<'_>) -> Vec<Reactor> {
    let wanted = |it: &Reactor| it.position < votes.before && votes.emoji.is_none_or(|emoji| it.emoji == emoji);
    let mut reactors: Vec<Reactor> = reactors.into_iter().filter(wanted).collect();
    reactors.sort_unstable_by_key(|reactor| std::cmp::Reverse(reactor.position));
    reactors.truncate(votes.limit as usize);
    reactors
}
