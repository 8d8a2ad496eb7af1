//! How a conversation is shown to one person: what they have set, and nothing of the conversation itself.

use super::{Event, Refusal, State, ViewChange};
use crate::{Context, ConversationId, Sealed, Timestamp, account::Change, id::derived, limit};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use uuid::Uuid;

/// Written whole into each event; so the draft, which may be long, is not part of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct View {
    pub pinned: bool,
    /// No sound until then; one that has passed is none.
    pub quiet_until: Option<Timestamp>,
    pub archived: bool,
    /// Left out of the list while nothing newer than this message is there.
    pub hidden_seq: Option<u64>,
    pub folder: Option<Sealed>,
    pub marked_unread: bool,
}

/// What is remembered of a draft: enough to know it again.
pub(super) fn mark(draft: &Sealed) -> Uuid {
    derived("natter draft", &[&draft.bytes])
}

impl View {
    /// As it stands while this is the newest message: what was hidden before that is so no longer.
    fn at(self, newest: u64) -> Self {
        Self { hidden_seq: self.hidden_seq.filter(|hidden| *hidden >= newest), ..self }
    }

    fn changed(&self, newest: u64, change: &ViewChange<Sealed>) -> Self {
        Self {
            pinned: change.pinned.unwrap_or(self.pinned),
            quiet_until: change.quiet_until.of(&self.quiet_until),
            archived: change.archived.unwrap_or(self.archived),
            hidden_seq: match change.hidden {
                Some(true) => self.hidden_seq.or(Some(newest)),
                Some(false) => None,
                None => self.hidden_seq,
            },
            folder: change.folder.of(&self.folder),
            marked_unread: change.marked_unread.unwrap_or(self.marked_unread),
        }
    }
}

/// INB-6 to INB-9, INB-11.
pub(super) fn change(
    state: &State,
    context: &Context,
    conversation_id: ConversationId,
    newest: u64,
    change: &ViewChange<Sealed>,
) -> Result<Vec<Event>, Refusal> {
    let now = state.view(conversation_id).at(newest);
    let view = now.changed(newest, change);
    if view.quiet_until != now.quiet_until && view.quiet_until.is_some_and(|until| until <= context.now) {
        return Err(Refusal::QuietInThePast);
    }
    may_stand(state, &now, &view)?;
    let draft = drafted(state, conversation_id, &change.draft)?;
    let view = (view != now).then_some(Event::ViewChanged { conversation_id, view });
    Ok(view.into_iter().chain(draft).collect())
}

/// INB-14: it counts no more in what a person may have.
pub(super) fn take_back(
    state: &State,
    conversation_id: ConversationId,
    change: &ViewChange<Sealed>,
) -> Result<Vec<Event>, Refusal> {
    if !change.only_takes_back() {
        return Err(Refusal::NotFound);
    }
    let now = state.view(conversation_id);
    let view = now.changed(0, change);
    let draft = drafted(state, conversation_id, &change.draft)?;
    let view = (view != now).then_some(Event::ViewChanged { conversation_id, view });
    Ok(view.into_iter().chain(draft).collect())
}

/// INB-10.
pub(super) fn clear(state: &State, conversation_id: ConversationId, newest: u64, ends_some: bool) -> Vec<Event> {
    let now = state.view(conversation_id).at(newest);
    let view = View { hidden_seq: now.hidden_seq.or(Some(newest)), marked_unread: false, ..now.clone() };
    let is_new = state.cleared.get(&conversation_id).copied().unwrap_or(0) < newest;
    let cleared = is_new.then_some(Event::Cleared { conversation_id, up_to_seq: newest });
    let view = (view != now).then_some(Event::ViewChanged { conversation_id, view });
    let has_draft = state.drafts.contains_key(&conversation_id);
    let draft = has_draft.then_some(Event::DraftChanged { conversation_id, draft: None });
    // INB-17: it counts as read.
    let ending = ends_some.then_some(Event::EndingRead { conversation_id, seq: newest });
    cleared.into_iter().chain(ending).chain(view).chain(draft).collect()
}

/// INB-9: what was marked has been read.
pub(super) fn read(state: &State, conversation_id: ConversationId, newest: u64) -> Option<Event> {
    let now = state.views.get(&conversation_id).filter(|view| view.marked_unread)?;
    Some(Event::ViewChanged { conversation_id, view: View { marked_unread: false, ..now.clone() }.at(newest) })
}

/// INB-11. Only what would be one more is refused.
fn may_stand(state: &State, now: &View, view: &View) -> Result<(), Refusal> {
    let all = || state.views.values();
    if view.pinned && !now.pinned && all().filter(|it| it.pinned).count() >= limit::PINNED_MAX {
        return Err(Refusal::TooManyPinned);
    }
    if let Some(folder) = view.folder.as_ref().filter(|_| view.folder != now.folder) {
        let folders: HashSet<&Sealed> = all().filter_map(|it| it.folder.as_ref()).collect();
        if !folders.contains(folder) && folders.len() >= limit::FOLDERS_MAX {
            return Err(Refusal::TooManyFolders);
        }
    }
    Ok(())
}

fn drafted(state: &State, conversation_id: ConversationId, change: &Change<Sealed>) -> Result<Option<Event>, Refusal> {
    let now = state.drafts.get(&conversation_id);
    let draft = match change {
        Change::Keep => return Ok(None),
        Change::Clear => None,
        Change::Set(draft) => Some(draft),
    };
    if draft.map(mark).as_ref() == now {
        return Ok(None);
    }
    if now.is_none() && state.drafts.len() >= limit::DRAFTS_MAX {
        return Err(Refusal::TooManyDrafts);
    }
    Ok(Some(Event::DraftChanged { conversation_id, draft: draft.cloned() }))
}
