//! What a message said before, and who has reacted to it. A cluster keeps reactions by who has put them, so all of a message's
//! are read, and the newest are kept: of most messages they are few.

use super::{
    Fault,
    cell::{Cell, bucket, limit},
    session::Session,
    statement::Read,
};
use crate::message::{
    Body, Reactor, Version, Votes,
    past::{Vote, newest, stood},
};
use natter_domain::{AccountId, ConversationId, Timestamp};
use uuid::Uuid;

/// Position, when, body.
type Edit = (i64, Option<i64>, Option<String>);

/// Who, emoji, when, position.
type Put = (Uuid, String, Option<i64>, Option<i64>);

/// Who, emoji, when, position, what.
type Past = (Option<Uuid>, Option<String>, Option<i64>, i64, Option<String>);

impl Session {
    pub(super) async fn versions(
        &self,
        conversation: ConversationId,
        seq: u64,
        (after, until): (u64, u64),
        rows: u32,
    ) -> Result<Vec<Version>, Fault> {
        let found = self.at_seqs(conversation, bucket(seq), &[seq as i64]).await?.pop();
        let Some((position, sent_at, body)) = found.filter(|row| row.recalled_at.is_none()).and_then(|row| {
            let body = row.body.as_deref().and_then(Body::parse);
            Some((row.position? as u64, Timestamp::from_millis(row.sent_at?), body))
        }) else {
            return Ok(Vec::new());
        };
        let first = (position > after).then_some(Version { position, at: sent_at, body });
        let cells: [Cell<'_>; 6] =
            [conversation.into(), bucket(seq).into(), seq.into(), after.into(), until.into(), limit(rows as usize)];
        let edits: Vec<Edit> = self.rows(Read::Versions, &cells).await?;
        let edit = |(position, at, body): Edit| Version {
            position: position as u64,
            at: at.map_or(sent_at, Timestamp::from_millis),
            body: body.and_then(|body| Body::parse(&body)),
        };
        Ok(first.into_iter().chain(edits.into_iter().map(edit)).take(rows as usize).collect())
    }

    pub(super) async fn reactors(
        &self,
        conversation: ConversationId,
        seq: u64,
        votes: Votes<'_>,
    ) -> Result<Vec<Reactor>, Fault> {
        let at = [conversation.into(), bucket(seq).into(), seq.into()];
        if votes.as_of < u64::MAX {
            let cells = [at.to_vec(), vec![votes.as_of.into()]].concat();
            let past = self.all_rows::<Past>(Read::Votes, cells).await?;
            return Ok(stood(past.into_iter().filter_map(vote), votes));
        }
        let put = self.all_rows::<Put>(Read::Reactors, at.to_vec()).await?;
        Ok(newest(put.into_iter().filter_map(reactor), votes))
    }
}

/// `None`: it is no reaction, or from before it was said whose they are.
fn vote((account, emoji, at, position, what): Past) -> Option<Vote> {
    let stands = match what?.as_str() {
        "reacted" => true,
        "unreacted" => false,
        _ => return None,
    };
    let (account, at) = (AccountId(account?), Timestamp::from_millis(at?));
    Some(Vote { account, emoji: emoji?, at, position: position as u64, stands })
}

fn reactor((account, emoji, at, position): Put) -> Option<Reactor> {
    let (account, at) = (AccountId(account), Timestamp::from_millis(at?));
    Some(Reactor { account, emoji, at, position: position? as u64 })
}
