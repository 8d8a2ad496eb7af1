//! Every statement, prepared once per session. All of them may be repeated: writes carry their position as timestamp,
//! and none reads before it writes.

use super::{Fault, settings::Settings};
use futures::future;
use scylla::{
    client::{
        execution_profile::{ExecutionProfile, ExecutionProfileHandle},
        session::Session,
    },
    policies::{load_balancing::DefaultPolicy, retry::DefaultRetryPolicy, speculative_execution},
    statement::{Consistency, prepared::PreparedStatement},
};
use std::{sync::Arc, time::Duration};

/// Columns of [`super::row::Row`], in its order.
macro_rules! page {
    ($rest:literal) => {
        concat!(
            "SELECT conversation_id, seq, message_id, sender, body, edited_body, sent_at, edited_at, recalled_at,
                 recalled_by, pinned_at, expires_at, reactions, position, changed, details, kind, has_link FROM $.message
             WHERE conversation_id = ? AND bucket = ? AND ",
            $rest
        )
    };
}

macro_rules! statements {
    ($name:ident: $($variant:ident = $text:expr,)+) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum $name { $($variant),+ }

        impl $name {
            const TEXTS: &'static [&'static str] = &[$($text),+];
        }
    };
}

statements! { Write:
    Sent = "INSERT INTO $.message (conversation_id, bucket, seq, message_id, sender, body, sent_at, position, changed,
                kind, details, has_link)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    ById = "INSERT INTO $.message_by_id (conversation_id, message_id, seq) VALUES (?, ?, ?) USING TIMESTAMP ?",
    Edited = "UPDATE $.message USING TIMESTAMP ? SET edited_body = ?, edited_at = ?, has_link = ?, changed = ?
              WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    Recalled = "UPDATE $.message USING TIMESTAMP ? SET body = null, edited_body = null, details = null, has_link = null,
                kind = null, edited_at = null, pinned_at = null, expires_at = null, reactions = null, recalled_at = ?, recalled_by = ?, changed = ?
                WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    Counted = "UPDATE $.message USING TIMESTAMP ? SET reactions[?] = ?, changed = ?
               WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    Pinned = "UPDATE $.message USING TIMESTAMP ? SET pinned_at = ?, changed = ?
              WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    Counting = "UPDATE $.message USING TIMESTAMP ? SET expires_at = ?, changed = ?
                WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    Change = "INSERT INTO $.message_change (conversation_id, bucket, seq, position, what, at, emoji, count, account_id)
              VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    Edit = "INSERT INTO $.message_edit (conversation_id, bucket, seq, position, body, at) VALUES (?, ?, ?, ?, ?, ?)
            USING TIMESTAMP ?",
    ForgetEdits = "DELETE FROM $.message_edit USING TIMESTAMP ? WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    ForgetChanges = "DELETE FROM $.message_change USING TIMESTAMP ? WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    Reaction = "INSERT INTO $.message_reaction (conversation_id, bucket, seq, account_id, emoji, position, at)
                VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    NoReaction = "DELETE FROM $.message_reaction USING TIMESTAMP ?
                  WHERE conversation_id = ? AND bucket = ? AND seq = ? AND account_id = ? AND emoji = ?",
    ForgetReactions = "DELETE FROM $.message_reaction USING TIMESTAMP ?
                       WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    Changed = "INSERT INTO $.changed (conversation_id, part, position, seq) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
    Part = "INSERT INTO $.conversation_part (conversation_id, of_table, part) VALUES (?, ?, ?) USING TIMESTAMP ?",
}

statements! { Read:
    NewestFirst = page!("seq > ? AND seq <= ? ORDER BY seq DESC LIMIT ?"),
    OldestFirst = page!("seq > ? AND seq <= ? ORDER BY seq ASC LIMIT ?"),
    Seqs = page!("seq IN ?"),
    Narrow = "SELECT seq, sender, kind, has_link, recalled_at, position FROM $.message
              WHERE conversation_id = ? AND bucket = ? AND seq > ? AND seq <= ? ORDER BY seq DESC",
    Senders = "SELECT seq, sender, recalled_at, position FROM $.message
               WHERE conversation_id = ? AND bucket = ? AND seq > ? AND seq <= ?",
    Recalled = "SELECT seq, recalled_at FROM $.message WHERE conversation_id = ? AND bucket = ? AND seq IN ?",
    SeqOf = "SELECT seq FROM $.message_by_id WHERE conversation_id = ? AND message_id = ?",
    Changes = "SELECT position, what, at, emoji, count FROM $.message_change
               WHERE conversation_id = ? AND bucket = ? AND seq = ? AND position <= ?",
    Edits = "SELECT body FROM $.message_edit WHERE conversation_id = ? AND bucket = ? AND seq = ? AND position <= ?
             ORDER BY seq DESC, position DESC LIMIT 1",
    Versions = "SELECT position, at, body FROM $.message_edit
                WHERE conversation_id = ? AND bucket = ? AND seq = ? AND position > ? AND position <= ? LIMIT ?",
    Reactors = "SELECT account_id, emoji, at, position FROM $.message_reaction
                WHERE conversation_id = ? AND bucket = ? AND seq = ?",
    Votes = "SELECT account_id, emoji, at, position, what FROM $.message_change
             WHERE conversation_id = ? AND bucket = ? AND seq = ? AND position <= ?",
    ChangedSeqs = "SELECT position, seq FROM $.changed
                   WHERE conversation_id = ? AND part = ? AND position > ? AND position <= ? LIMIT ?",
    Mine = "SELECT seq, emoji FROM $.message_reaction
            WHERE conversation_id = ? AND bucket = ? AND seq IN ? AND account_id = ?",
    PartsUp = "SELECT part FROM $.conversation_part
               WHERE conversation_id = ? AND of_table = ? AND part >= ? AND part <= ? LIMIT ?",
    PartsDown = "SELECT part FROM $.conversation_part
                 WHERE conversation_id = ? AND of_table = ? AND part >= ? AND part <= ?
                 ORDER BY of_table DESC, part DESC LIMIT ?",
    MessageUnits = "SELECT DISTINCT conversation_id, bucket FROM $.message",
    ChangeUnits = "SELECT DISTINCT conversation_id, bucket FROM $.message_change",
    ReactionUnits = "SELECT DISTINCT conversation_id, bucket FROM $.message_reaction",
    HeldMessages = page!("seq >= 0"),
    HeldChanges = "SELECT seq, position, what, at, emoji, count, account_id FROM $.message_change
                   WHERE conversation_id = ? AND bucket = ?",
    HeldEdits = "SELECT seq, position, body FROM $.message_edit WHERE conversation_id = ? AND bucket = ?",
    HeldReactions = "SELECT account_id, seq, emoji, position, at FROM $.message_reaction WHERE conversation_id = ? AND bucket = ?",
    SeqsOf = "SELECT message_id, seq FROM $.message_by_id WHERE conversation_id = ? AND message_id IN ?",
    Noted = "SELECT position, seq FROM $.changed WHERE conversation_id = ? AND part = ? AND position IN ?",
}

/// Of one session. `$` stands for the keyspace.
pub(super) struct Statements {
    writes: Vec<PreparedStatement>,
    reads: Vec<PreparedStatement>,
    pub(super) writing: ExecutionProfileHandle,
}

impl Statements {
    pub(super) async fn prepare(session: &Session, settings: &Settings) -> Result<Self, Fault> {
        let reading = reading(settings);
        let writing = writing(settings);
        let prepare = |text: &'static str, profile| prepare(session, settings, text, profile);
        let writes = future::try_join_all(Write::TEXTS.iter().map(|text| prepare(text, &writing))).await?;
        let reads = future::try_join_all(Read::TEXTS.iter().map(|text| prepare(text, &reading))).await?;
        Ok(Self { writes, reads, writing })
    }

    pub(super) fn write(&self, which: Write) -> &PreparedStatement {
        &self.writes[which as usize]
    }

    pub(super) fn read(&self, which: Read) -> &PreparedStatement {
        &self.reads[which as usize]
    }
}

async fn prepare(
    session: &Session,
    settings: &Settings,
    text: &str,
    profile: &ExecutionProfileHandle,
) -> Result<PreparedStatement, Fault> {
    let mut statement = session.prepare(text.replace("$.", &format!("{}.", settings.keyspace))).await?;
    statement.set_is_idempotent(true);
    statement.set_page_size(settings.page_size);
    statement.set_execution_profile_handle(Some(profile.clone()));
    Ok(statement)
}

fn reading(settings: &Settings) -> ExecutionProfileHandle {
    let speculation = settings.speculate_after.map(|retry_interval| {
        let policy = speculative_execution::SimpleSpeculativeExecutionPolicy { max_retry_count: 1, retry_interval };
        Arc::new(policy) as Arc<dyn speculative_execution::SpeculativeExecutionPolicy>
    });
    profile(settings, settings.reading.into(), settings.read_timeout)
        .to_builder()
        .speculative_execution_policy(speculation)
        .build()
        .into_handle()
}

fn writing(settings: &Settings) -> ExecutionProfileHandle {
    profile(settings, settings.writing.into(), settings.write_timeout).into_handle()
}

/// Goes to a node that has the row, in the nearest data centre first; what may be repeated is tried at another node.
fn profile(settings: &Settings, consistency: Consistency, timeout: Duration) -> ExecutionProfile {
    let mut nodes = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &settings.datacenter {
        nodes = nodes.prefer_datacenter(datacenter.clone());
    }
    ExecutionProfile::builder()
        .consistency(consistency)
        .request_timeout(Some(timeout))
        .retry_policy(Arc::new(DefaultRetryPolicy::new()))
        .load_balancing_policy(nodes.build())
        .build()
}
