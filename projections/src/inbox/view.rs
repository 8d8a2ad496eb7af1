//! What a row of `inbox_cursor` says to its person.

use natter_client::wire;
use natter_domain::{AccountId, KeyId, Sealed, Timestamp, inbox::View};
use natter_streams::sealing::Opener;
use sqlx::{Row, postgres::PgRow, types::time::OffsetDateTime};
use uuid::Uuid;

/// The columns, for a query that names the table `view`; there may be no row.
pub(crate) const COLUMNS: &str = "
    coalesce(view.read_seq, 0) AS read_seq, coalesce(view.pinned, false) AS pinned, view.quiet_until,
    coalesce(view.archived, false) AS archived, view.hidden_seq, view.folder,
    coalesce(view.marked_unread, false) AS marked_unread, view.draft, view.draft_at,
    coalesce(view.cleared_seq, 0) AS cleared_seq, coalesce(view.announcement_read_seq, 0) AS announcement_read_seq";

/// One, read.
pub(crate) struct Seen {
    pub(crate) read_seq: u64,
    pub(crate) cleared_seq: u64,
    /// The number of the newest announcement that they have read.
    pub(crate) announcement_read_seq: u64,
    view: View,
    draft: Option<(Sealed, Timestamp)>,
}

impl Seen {
    pub(crate) fn of(row: &PgRow) -> Self {
        let text = |column| row.get::<Option<&str>, _>(column).and_then(Sealed::parse);
        let moment = |column| row.get::<Option<OffsetDateTime>, _>(column).map(Timestamp::from);
        Self {
            read_seq: row.get::<i64, _>("read_seq") as u64,
            cleared_seq: row.get::<i64, _>("cleared_seq") as u64,
            announcement_read_seq: row.get::<i64, _>("announcement_read_seq") as u64,
            view: View {
                pinned: row.get("pinned"),
                quiet_until: moment("quiet_until"),
                archived: row.get("archived"),
                hidden_seq: row.get::<Option<i64>, _>("hidden_seq").map(|seq| seq as u64),
                folder: text("folder"),
                marked_unread: row.get("marked_unread"),
            },
            draft: text("draft").zip(moment("draft_at")),
        }
    }

    pub(crate) fn is_marked_unread(&self) -> bool {
        self.view.marked_unread
    }

    /// What its texts are opened with.
    pub(crate) fn keys(&self, viewer: AccountId) -> impl Iterator<Item = (Uuid, KeyId)> {
        let texts = self.view.folder.iter().chain(self.draft.iter().map(|(draft, _)| draft));
        texts.map(move |sealed| (viewer.0, sealed.key))
    }

    /// `newest`: of the messages that the viewer may see, whatever they have deleted.
    pub(crate) fn shown(&self, viewer: AccountId, newest: u64, opener: &Opener) -> wire::View {
        let hidden_seq = self.view.hidden_seq.filter(|hidden| *hidden >= newest);
        shown(viewer, &View { hidden_seq, ..self.view.clone() }, opener)
    }

    pub(crate) fn draft(&self, viewer: AccountId, opener: &Opener) -> wire::Draft {
        let text = self.draft.as_ref().and_then(|(draft, _)| opener.open_text(viewer.0, draft));
        let at = self.draft.as_ref().filter(|_| text.is_some()).map(|(_, at)| at.to_string());
        wire::Draft { draft: text, draft_at: at }
    }
}

/// A view as its owner sees it.
pub(crate) fn shown(owner: AccountId, view: &View, opener: &Opener) -> wire::View {
    wire::View {
        pinned: view.pinned,
        quiet_until: view.quiet_until.map(|until| until.to_string()),
        archived: view.archived,
        hidden: view.hidden_seq.is_some(),
        folder: view.folder.as_ref().and_then(|folder| opener.open_text(owner.0, folder)),
        marked_unread: view.marked_unread,
    }
}
