//! Frames of a person's own view of their conversations. They go to that person's devices; how far they have read, to the
//! other one of a direct conversation too, and so does what has come to them.

use super::frame::{Frame, position, push};
use crate::{Error, inbox::view};
use natter_client::wire::{self, InboxChanged, Push};
use natter_domain::{
    AccountId, ConversationId, KeyId, MessageId,
    inbox::{Cursor, Event},
};
use natter_streams::{Record, sealing::Opener};
use uuid::Uuid;

/// What that is opened with.
pub(super) fn keys(record: &Record, event: &Event) -> Vec<(Uuid, KeyId)> {
    let sealed = match event {
        Event::ViewChanged { view, .. } => view.folder.as_ref(),
        Event::DraftChanged { draft, .. } => draft.as_ref(),
        Event::CursorsAdvanced { .. }
        | Event::DeliveriesAdvanced { .. }
        | Event::EndingRead { .. }
        | Event::Cleared { .. }
        | Event::MessageDeleted { .. }
        | Event::AnnouncementRead { .. } => None,
    };
    sealed.map(|sealed| (record.aggregate_id, sealed.key)).into_iter().collect()
}

pub(super) fn frames(record: &Record, event: &Event, opener: &Opener) -> Result<Vec<Frame>, Error> {
    let owner = AccountId(record.aggregate_id);
    let (conversation, changed) = match event {
        Event::CursorsAdvanced { cursors } => return cursors.iter().map(|it| read(record, it)).collect(),
        Event::DeliveriesAdvanced { cursors } => return cursors.iter().map(|it| delivered(record, it)).collect(),
        // What ends by it is told of each by itself.
        Event::EndingRead { .. } => return Ok(Vec::new()),
        Event::MessageDeleted { conversation_id, message_id, seq } => {
            return Ok(vec![deleted(record, *conversation_id, *message_id, *seq)?]);
        }
        Event::ViewChanged { conversation_id, view } => {
            (conversation_id, InboxChanged::View(view::shown(owner, view, opener)))
        }
        Event::DraftChanged { conversation_id, draft } => {
            let text = draft.as_ref().and_then(|draft| opener.open_text(owner.0, draft));
            let at = text.is_some().then(|| record.time.to_string());
            (conversation_id, InboxChanged::Draft(wire::Draft { draft: text, draft_at: at }))
        }
        Event::Cleared { conversation_id, up_to_seq } => {
            (conversation_id, InboxChanged::Cleared { cleared_seq: *up_to_seq })
        }
        Event::AnnouncementRead { conversation_id, seq } => {
            (conversation_id, InboxChanged::Announcement { announcement_read_seq: *seq })
        }
    };
    changed_to(record, owner, *conversation, changed).map(|frame| vec![frame])
}

fn changed_to(
    record: &Record,
    owner: AccountId,
    conversation: ConversationId,
    changed: InboxChanged,
) -> Result<Frame, Error> {
    let (conversation_id, position) = (conversation.0, position(record));
    push(vec![owner], &Push::InboxChanged { conversation_id, changed, position })
}

fn deleted(record: &Record, conversation: ConversationId, message: MessageId, seq: u64) -> Result<Frame, Error> {
    let (conversation_id, message_id, position) = (conversation.0, message.0, position(record));
    let owner = AccountId(record.aggregate_id);
    push(vec![owner], &Push::MessageDeleted { conversation_id, message_id, seq, position })
}

/// To the reader's own devices, and to the one who wrote.
fn read(record: &Record, cursor: &Cursor) -> Result<Frame, Error> {
    let reader = AccountId(record.aggregate_id);
    let read = Push::ConversationRead {
        conversation_id: cursor.conversation_id.0,
        account_id: reader.0,
        seq: cursor.seq,
        position: position(record),
    };
    push(told(reader, cursor), &read)
}

fn delivered(record: &Record, cursor: &Cursor) -> Result<Frame, Error> {
    let owner = AccountId(record.aggregate_id);
    let delivered = Push::MessageDelivered {
        conversation_id: cursor.conversation_id.0,
        account_id: owner.0,
        seq: cursor.seq,
        position: position(record),
    };
    push(told(owner, cursor), &delivered)
}

fn told(owner: AccountId, cursor: &Cursor) -> Vec<AccountId> {
    [Some(owner), cursor.peer].into_iter().flatten().collect()
}
