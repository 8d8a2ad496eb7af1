//! A conversation as one of those who are or were in it sees it: what its row says, and what other tables say with it.

use super::{card::Card, unread};
use crate::{
    account::card::{self, Viewer},
    gate::{self, Interval, Membership},
    inbox::view,
    message::{self, Message, Span},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, Sealed};
use natter_streams::sealing::Opener;
use sqlx::{Row, postgres::PgRow};
use std::collections::HashMap;
use uuid::Uuid;

pub(super) fn spans(rows: &[Own], of: impl Fn(&Own) -> Vec<Span>) -> Vec<(ConversationId, Span)> {
    rows.iter().flat_map(|row| of(row).into_iter().map(|span| (row.id(), span))).collect()
}

/// A row, read.
pub(super) struct Own {
    pub membership: Membership,
    pub kind: String,
    /// Sealed.
    pub name: Option<String>,
    pub view: view::Seen,
    pub member_count: u64,
    pub account_ids: Vec<Uuid>,
    /// Of a group or a channel.
    pub card: Option<Card>,
    /// To a channel.
    pub is_subscribed: Option<bool>,
    pub peer_state: Option<card::State>,
    pub peer_read_seq: Option<u64>,
    pub peer_delivered_seq: Option<u64>,
    pub is_open: bool,
}

impl Own {
    pub fn of(viewer: AccountId, row: &PgRow) -> Option<Self> {
        let stays = row.get::<Vec<i64>, _>("joined").into_iter();
        let ends = stays.zip(row.get::<Vec<Option<i64>>, _>("left_seqs"));
        let intervals = ends.zip(row.get::<Vec<Option<i64>>, _>("left_positions"));
        let mut intervals: Vec<_> =
            intervals.map(|((joined, left), left_at)| gate::interval(joined, left, left_at)).collect();
        let is_channel: bool = row.get("is_channel");
        if is_channel {
            // Whether or not they subscribe.
            let whole = (!row.get::<bool, _>("is_shut")).then_some(Interval::begun(0, 0));
            intervals = whole.into_iter().collect();
        }
        let (id, last_seq) = (ConversationId(row.get("conversation_id")), row.get::<i64, _>("last_seq") as u64);
        let view = view::Seen::of(row);
        let membership = Membership::new(viewer, id, intervals, last_seq, view.cleared_seq)?;
        Some(Self {
            membership: membership.without(gate::seqs(row.get("deleted"))),
            kind: row.get("kind"),
            name: row.get("name"),
            view,
            member_count: row.get::<i64, _>("member_count") as u64,
            account_ids: row.get("account_ids"),
            card: None,
            is_subscribed: is_channel.then(|| row.get("is_subscribed")),
            peer_state: card::state(row.get("peer_changed"), row.get("peer_writer")),
            peer_read_seq: row.get::<Option<i64>, _>("peer_read_seq").map(|seq| seq as u64),
            peer_delivered_seq: row.get::<Option<i64>, _>("peer_delivered_seq").map(|seq| seq as u64),
            is_open: row.get("is_open"),
        })
    }

    pub fn is_hall(&self) -> bool {
        self.kind == "group" || self.is_subscribed.is_some()
    }

    pub fn all(&self) -> Vec<Span> {
        self.membership.visible(0, u64::MAX)
    }

    pub fn id(&self) -> ConversationId {
        self.membership.conversation()
    }

    pub fn read_seq(&self) -> u64 {
        let entered_seq = self.card.as_ref().map_or(0, Card::entered_seq);
        unread::read_up_to(&self.membership, self.view.read_seq, entered_seq)
    }

    /// Of who does not subscribe nothing waits: a channel may be long.
    pub fn unread_spans(&self, newest: u64) -> Vec<Span> {
        match self.is_subscribed {
            Some(false) => Vec::new(),
            _ => self.membership.visible(self.read_seq(), newest),
        }
    }

    /// The same, and what they have deleted one by one.
    pub fn waiting_spans(&self, newest: u64) -> Vec<Span> {
        match self.is_subscribed {
            Some(false) => Vec::new(),
            _ => self.membership.with_deleted(self.read_seq(), newest),
        }
    }

    /// The newest number that there is for them, where this is the newest message that they see.
    pub fn known_to(&self, last: Option<&Message>) -> u64 {
        self.membership.known_to(last.map_or(0, |message| message.seq).max(self.begin()))
    }

    /// Behind it is what the viewer may see of the latest stay.
    pub fn begin(&self) -> u64 {
        unread::begin(&self.membership)
    }

    pub fn peer(&self) -> Option<AccountId> {
        let viewer = self.membership.viewer();
        self.account_ids.iter().map(|id| AccountId(*id)).find(|id| *id != viewer && self.kind == "direct")
    }
}

/// What other tables say of the rows.
pub(super) struct Facts {
    pub last: HashMap<ConversationId, Message>,
    pub unread: HashMap<ConversationId, u64>,
    pub mentions: HashMap<ConversationId, u64>,
    pub peers: HashMap<AccountId, card::Card>,
    pub opener: Opener,
}

impl Facts {
    pub fn shown(&self, row: &Own) -> wire::OwnConversation {
        let (viewer, interval) = (row.membership.viewer(), row.membership.latest());
        let last = self.last.get(&row.id());
        let last_seq = row.known_to(last);
        let sealed = row.name.as_deref().and_then(Sealed::parse);
        let name = sealed.and_then(|sealed| self.opener.open_text(row.id().0, &sealed));
        // What everybody may see: whether they are friends still is not asked for every line of a list.
        let card = |peer| self.peers.get(&peer).map_or_else(|| card::unknown(peer), |card| card.to(Viewer::Stranger));
        let peer = row.peer().map(card);
        // Nothing is sent to somebody who is gone.
        let is_open = row.is_open && !peer.as_ref().is_some_and(|peer| peer.closed);
        let mut conversation = wire::Conversation {
            id: row.id().0,
            kind: row.kind.clone(),
            state: if is_open { "open" } else { "closed" }.to_owned(),
            name,
            avatar: None,
            description: None,
            announcement: None,
            settings: None,
            ends_at: None,
            member_count: row.member_count,
            account_ids: row.account_ids.clone(),
            last_seq,
        };
        match (row.card.as_ref(), interval.left_seq) {
            (Some(card), None) => card.fill(&self.opener, &mut conversation),
            // Who has left sees the card no more: it goes on saying things.
            (Some(card), Some(left_seq)) => card.fill_for_former(left_seq, &mut conversation),
            (None, _) => {}
        }
        let read = row.view.announcement_read_seq;
        let announcement_read = conversation.announcement.as_ref().map(|it| it.seq <= read);
        wire::OwnConversation {
            announcement_read,
            peer,
            subscribed: row.is_subscribed,
            role: row.card.as_ref().and_then(Card::role).map(|role| role.as_str().to_owned()),
            read_seq: row.read_seq(),
            peer_read_seq: row.peer_read_seq,
            peer_delivered_seq: row.peer_delivered_seq,
            unread: self.unread.get(&row.id()).copied().unwrap_or(0),
            mentions: self.mentions.get(&row.id()).copied().unwrap_or(0),
            last_message: last.map(|message| message::shown(&self.opener, message)),
            joined_seq: interval.joined_seq,
            left_seq: interval.left_seq,
            cleared_seq: row.view.cleared_seq,
            view: row.view.shown(viewer, row.membership.newest(), &self.opener),
            draft: row.view.draft(viewer, &self.opener),
            conversation,
        }
    }
}
