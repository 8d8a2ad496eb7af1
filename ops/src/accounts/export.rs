//! All that is held on a person, for them: one JSON object, written page by page as it is read, so that a long life fits.
//! It is read from the read side, once that has caught up. What is sealed is opened; what was erased is null.

use crate::streams::Stores;
use anyhow::{Result, bail};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, limit};
use natter_projections::{
    Page, Projection, Projections, Settings,
    account::{Held, Standing},
    friendship::{Direction, Which},
    message::Range,
    session::Kept,
};
use natter_streams::{
    Log,
    feed::Feeds,
    keyring::Keyring,
    sealing::{Keys, Masters},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
    sync::Arc,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub async fn export(
    stores: &Stores,
    log: &Log,
    settings: Settings,
    keyring: Arc<Keyring>,
    masters: Masters,
    id: AccountId,
) -> Result<ExitCode> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let (bus, feeds) = (stores.bus().await?, Feeds::start(log, &stop).await?);
    let keys = Keys::open(log, &bus, keyring, masters, &stop).await?;
    let read_side = Projections::open(settings, &bus, feeds, keys, &stop).await?;
    if read_side.catch_up(&[Projection::Relations, Projection::History]).await.is_err() {
        bail!("the read side lags behind the log: try again, or see what natter projections status says");
    }
    let Some(standing) = read_side.account().standing(id).await? else { bail!("there is no such account") };
    let mut export = Export { read_side, id, out: Out::new(io::stdout().lock()) };
    export.write(&standing).await?;
    Ok(ExitCode::SUCCESS)
}

struct Export<W: Write> {
    read_side: Projections,
    id: AccountId,
    out: Out<W>,
}

impl<W: Write> Export<W> {
    async fn write(&mut self, standing: &Standing) -> Result<()> {
        self.out.begin()?;
        self.out.field("account", &self.read_side.account().own(self.id).await?)?;
        self.out.field("standing", &told(standing))?;
        self.out.field("identities", &self.read_side.account().identities(self.id).await?)?;
        let seen = self.read_side.presence().last_seen(self.id).await?;
        self.out.field("last_seen_at", &seen.map(|at| at.to_string()))?;
        self.out.field("settings", &self.read_side.account().settings(self.id).await?)?;
        self.sessions().await?;
        self.friends().await?;
        self.out.field("friend_folders", &self.read_side.friendship().folders(self.id).await?)?;
        self.blocks().await?;
        self.requests().await?;
        let conversations = self.conversations().await?;
        self.messages(&conversations).await?;
        self.scheduled().await?;
        self.marks().await?;
        self.deleted().await?;
        self.out.end()
    }

    async fn sessions(&mut self) -> Result<()> {
        self.out.list("sessions")?;
        let mut after = Uuid::nil();
        loop {
            let page = self.read_side.session().all_of(self.id, after, limit::PAGE_MAX).await?;
            let Some(last) = page.last() else { return self.out.end_list() };
            after = last.session.id;
            for kept in &page {
                self.out.item(&session(kept))?;
            }
        }
    }

    async fn friends(&mut self) -> Result<()> {
        self.out.list("friends")?;
        let mut page = first();
        loop {
            let wire::PageOf { items, next_cursor } =
                self.read_side.friendship().friends(self.id, &Which::default(), &page).await?;
            self.out.items(&items)?;
            match next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return self.out.end_list(),
            }
        }
    }

    async fn blocks(&mut self) -> Result<()> {
        self.out.list("blocks")?;
        let mut page = first();
        loop {
            let wire::PageOf { items, next_cursor } = self.read_side.friendship().blocks(self.id, &page).await?;
            self.out.items(&items)?;
            match next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return self.out.end_list(),
            }
        }
    }

    async fn scheduled(&mut self) -> Result<()> {
        self.out.list("scheduled")?;
        let mut page = first();
        loop {
            let wire::PageOf { items, next_cursor } = self.read_side.pending().list(self.id, None, &page).await?;
            self.out.items(&items)?;
            match next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return self.out.end_list(),
            }
        }
    }

    /// Stars, and what they have listened to.
    async fn marks(&mut self) -> Result<()> {
        self.out.list("marked_messages")?;
        let mut after = (Uuid::nil(), 0);
        loop {
            let page = self.read_side.message().held_marks(self.id, after, limit::PAGE_MAX).await?;
            let Some(last) = page.last() else { return self.out.end_list() };
            after = (last.conversation_id, last.seq);
            self.out.items(&page)?;
        }
    }

    /// One by one, for themselves.
    async fn deleted(&mut self) -> Result<()> {
        self.out.list("deleted_messages")?;
        let mut after = (Uuid::nil(), 0);
        loop {
            let page = self.read_side.inbox().deleted_messages(self.id, after, limit::PAGE_MAX).await?;
            let Some(last) = page.last() else { return self.out.end_list() };
            after = (last.conversation_id, last.seq);
            self.out.items(&page)?;
        }
    }

    /// Those too that they ignore.
    async fn requests(&mut self) -> Result<()> {
        self.out.list("requests")?;
        for direction in [Direction::In, Direction::Out] {
            let mut page = first();
            loop {
                let listed = self.read_side.friendship().held_requests(self.id, direction, &page).await?;
                self.out.items(&listed.items)?;
                match listed.next_cursor {
                    Some(cursor) => page.cursor = Some(cursor),
                    None => break,
                }
            }
        }
        self.out.end_list()
    }

    /// Those that were left included.
    async fn conversations(&mut self) -> Result<Vec<ConversationId>> {
        self.out.list("conversations")?;
        let mut all: Vec<ConversationId> = Vec::new();
        loop {
            let after = all.last().map_or(Uuid::nil(), |last| last.0);
            let page = self.read_side.conversation().ids_of(self.id, after, limit::PAGE_MAX).await?;
            if page.is_empty() {
                self.out.end_list()?;
                return Ok(all);
            }
            for id in page {
                if let Some(own) = self.read_side.conversation().get(self.id, id).await? {
                    // What others said last is theirs.
                    self.out.item(&wire::OwnConversation { last_message: None, ..own })?;
                }
                all.push(id);
            }
        }
    }

    /// Their own, those too that they have deleted for themselves; nothing that others said.
    async fn messages(&mut self, conversations: &[ConversationId]) -> Result<()> {
        self.out.list("messages")?;
        for &conversation in conversations {
            let mut after = 0;
            loop {
                let range = Range { after_seq: Some(after), limit: limit::PAGE_MAX, ..Range::default() };
                let page = self.read_side.message().held(self.id, conversation, range).await?.unwrap_or_default();
                let Some(last) = page.last() else { break };
                after = last.seq;
                for message in page.iter().filter(|message| message.sender == Some(self.id.0)) {
                    self.out.item(message)?;
                }
            }
        }
        self.out.end_list()
    }
}

fn first() -> Page {
    Page { cursor: None, limit: limit::PAGE_MAX }
}

fn told(standing: &Standing) -> Value {
    let text = |moment: Option<natter_domain::Timestamp>| moment.map(|moment| moment.to_string());
    let held = |held: &Option<Held>| {
        held.as_ref().map(|held| json!({"at": held.at.to_string(), "until": text(held.until), "reason": held.reason}))
    };
    json!({
        "registered_at": standing.registered_at.to_string(),
        "muted": held(&standing.muted),
        "suspended": held(&standing.suspended),
        "closes_at": text(standing.closes_at),
        "closed_at": text(standing.closed_at),
    })
}

fn session(kept: &Kept) -> Value {
    let session = &kept.session;
    json!({
        "id": session.id, "device": session.device, "created_at": session.created_at,
        "last_used_at": session.last_used_at, "address": session.address,
        "ended_at": kept.ended_at.map(|at| at.to_string()), "ended_reason": kept.ended_reason,
    })
}

/// One JSON object, written as it comes: a field or an item a line.
struct Out<W: Write> {
    writer: BufWriter<W>,
    /// What stands before the next field, and before the next item.
    before_field: &'static str,
    before_item: &'static str,
}

impl<W: Write> Out<W> {
    fn new(writer: W) -> Self {
        Self { writer: BufWriter::new(writer), before_field: "\n", before_item: "\n" }
    }

    fn begin(&mut self) -> Result<()> {
        Ok(write!(self.writer, "{{")?)
    }

    fn name(&mut self, name: &str) -> Result<()> {
        write!(self.writer, "{}\"{name}\": ", self.before_field)?;
        self.before_field = ",\n";
        Ok(())
    }

    fn field(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        self.name(name)?;
        Ok(serde_json::to_writer(&mut self.writer, value)?)
    }

    fn list(&mut self, name: &str) -> Result<()> {
        self.name(name)?;
        self.before_item = "\n  ";
        Ok(write!(self.writer, "[")?)
    }

    fn item(&mut self, item: &impl Serialize) -> Result<()> {
        write!(self.writer, "{}", self.before_item)?;
        self.before_item = ",\n  ";
        Ok(serde_json::to_writer(&mut self.writer, item)?)
    }

    fn items(&mut self, items: &[impl Serialize]) -> Result<()> {
        items.iter().try_for_each(|item| self.item(item))
    }

    fn end_list(&mut self) -> Result<()> {
        Ok(write!(self.writer, "]")?)
    }

    fn end(&mut self) -> Result<()> {
        writeln!(self.writer, "\n}}")?;
        Ok(self.writer.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_piece_by_piece_is_one_object() {
        let mut written = Vec::new();
        let mut out = Out::new(&mut written);
        out.begin().unwrap();
        out.field("a", &json!({"b": 1})).unwrap();
        out.list("none").unwrap();
        out.end_list().unwrap();
        out.list("some").unwrap();
        out.items(&[1, 2]).unwrap();
        out.item(&"three").unwrap();
        out.end_list().unwrap();
        out.end().unwrap();
        drop(out);
        let read: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(read, json!({"a": {"b": 1}, "none": [], "some": [1, 2, "three"]}));
    }
}
