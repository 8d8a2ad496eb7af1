//! What somebody who is gone had begun to claim. Its claim may still be on its way, so it is given back when its time is
//! over and no claim can come any more, not with the rest: a release that comes first finds nobody, and none would follow.

use super::{Event, Person, Refusal};
use crate::{Context, HandleId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claiming {
    pub handle: HandleId,
    pub expires_at: Timestamp,
}

pub(super) fn of(person: &Person) -> Vec<Claiming> {
    let changing = person.contacts.changing.as_ref().map(|begun| (begun.contact.handle, begun.expires_at));
    let linking = person.identities.linking.as_ref().map(|begun| (begun.identity.handle, begun.expires_at));
    changing.into_iter().chain(linking).map(|(handle, expires_at)| Claiming { handle, expires_at }).collect()
}

pub(super) fn without(mut claiming: Vec<Claiming>, released: &[HandleId]) -> Vec<Claiming> {
    claiming.retain(|begun| !released.contains(&begun.handle));
    claiming
}

pub(super) fn expire(claiming: &[Claiming], context: &Context, handle: HandleId) -> Result<Vec<Event>, Refusal> {
    match claiming.iter().find(|begun| begun.handle == handle) {
        Some(begun) if context.now < begun.expires_at => Err(Refusal::NotDue),
        Some(_) => Ok(vec![Event::HandlesReleased { handles: vec![handle] }]),
        None => Ok(vec![]),
    }
}
