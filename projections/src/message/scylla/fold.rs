//! Messages as they stood at a position, folded from their changes: for who has left, and only where a message changed
//! after that.

use super::{
    Fault,
    cell::{Cell, bucket},
    read::all,
    row::Kept,
    session::Session,
    statement::Read,
};
use crate::message::{Body, Change, Message, What};
use natter_domain::{AccountId, Timestamp};
use uuid::Uuid;

/// Position, what, when, emoji, count.
type Row = (i64, Option<String>, Option<i64>, Option<String>, Option<i64>);

impl Session {
    pub(super) async fn as_of(&self, kept: Vec<Kept>, as_of: u64) -> Result<Vec<Message>, Fault> {
        all(kept.into_iter().map(|kept| self.one_as_of(kept, as_of)).collect()).await
    }

    async fn one_as_of(&self, kept: Kept, as_of: u64) -> Result<Message, Fault> {
        if kept.is_newer_than(as_of) { self.fold(kept, as_of).await } else { Ok(kept.message) }
    }

    async fn fold(&self, kept: Kept, as_of: u64) -> Result<Message, Fault> {
        let mut message = kept.first();
        let (conversation, seq) = (message.conversation_id, message.seq);
        let cells: [Cell<'static>; 4] = [conversation.into(), bucket(seq).into(), seq.into(), as_of.into()];
        let changes: Vec<Row> = self.rows(Read::Changes, &cells).await?;
        let is_edited = changes.iter().any(|(_, what, ..)| what.as_deref() == Some("edited"));
        if is_edited {
            let edits: Vec<(Option<String>,)> = self.rows(Read::Edits, &cells).await?;
            message.body = edits.into_iter().next().and_then(|(body,)| Body::parse(&body?));
        }
        for row in changes {
            apply(&mut message, row);
        }
        Ok(message)
    }
}

/// All but the body, which is the newest edit's already.
fn apply(message: &mut Message, (position, what, at, emoji, count): Row) {
    let (Some(what), Some(at)) = (what, at) else { return };
    let (position, at) = (position as u64, Timestamp::from_millis(at));
    let (emoji, count) = (emoji.unwrap_or_default(), count.unwrap_or_default() as u64);
    // Whose reaction it was is not kept, and a count does not ask.
    let account = AccountId(Uuid::nil());
    let what = match what.as_str() {
        "reacted" => What::Reacted { account, emoji, count },
        "unreacted" => What::Unreacted { account, emoji, count },
        "pinned" => What::Pinned,
        "unpinned" => What::Unpinned,
        "counting" => What::Counting { expires_at: Timestamp::from_millis(count as i64) },
        "edited" => {
            (message.edited_at, message.changed) = (Some(at), position);
            return;
        }
        _ => return,
    };
    message.apply(&Change { conversation_id: message.conversation_id, seq: message.seq, position, at, what });
}
