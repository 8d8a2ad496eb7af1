//! Which part of the lanes each node has, as the rows say by which nodes share them.

use crate::{
    eventually::{BOUND, eventually},
    law,
    stack::Stack,
};
use natter_streams::{Lane, lease::contact::Contact};
use std::{collections::BTreeMap, time::Duration};

/// What a node had that has just died is free after a term, and then handed on.
const HANDED_ON: Duration = BOUND.saturating_mul(3);

/// Waits until every lane is a living node's and each of these has its fair part, also the one that listens on `port`. While
/// lanes change hands, whoever asks for something may be told to come again.
pub(crate) async fn are_fair(stack: &Stack, port: u16) {
    let lanes = law::lanes(stack).await;
    eventually("the nodes share the lanes", HANDED_ON, async || {
        let mut parts = living(stack).await;
        for lane in lanes.iter() {
            let owner = owner(stack, lane).await;
            match parts.get_mut(name(&owner)) {
                Some(part) => *part += 1,
                None => return Err(format!("lane {lane} is owned by {owner:?}, and not by one of {parts:?}")),
            }
        }
        let is_there = parts.keys().any(|name| name.ends_with(&format!(":{port}")));
        let is_even = parts.values().max() <= parts.values().min().map(|least| least + 1).as_ref();
        if is_there && is_even { Ok(()) } else { Err(format!("{parts:?}, and port {port} is the new one")) }
    })
    .await;
}

/// Those that are to have a part, each with none yet: as nodes reckon it, none of those that NATS has lost where another
/// node is better off.
async fn living(stack: &Stack) -> BTreeMap<String, usize> {
    let sql = "SELECT owner, contact FROM candidates WHERE share = 'lanes' AND expires_at > now()";
    let rows = sqlx::query_as(sql).fetch_all(stack.pool()).await;
    let rows: Vec<(String, String)> = rows.expect("read who shares the lanes");
    let contacts = rows.iter().map(|(_, contact)| Contact::parse(contact));
    let least = if contacts.max() == Some(Contact::Steady) { Contact::Shaken } else { Contact::CutOff };
    let wanted = rows.iter().filter(|(_, contact)| Contact::parse(contact) >= least);
    wanted.map(|(owner, _)| (name(owner).to_owned(), 0)).collect()
}

/// Empty: nobody.
async fn owner(stack: &Stack, lane: Lane) -> String {
    let sql = "SELECT owner FROM lanes WHERE lane = $1 AND expires_at > now()";
    let owner = sqlx::query_scalar(sql).bind(lane.number()).fetch_optional(stack.lane_pool(lane)).await;
    owner.expect("read who owns the lane").unwrap_or_default()
}

/// Without which start of it this is.
fn name(owner: &str) -> &str {
    owner.split('/').next().unwrap_or_default()
}
