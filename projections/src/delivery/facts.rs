//! What frames need beyond their own event: who is in a conversation, and what an answered friend request said. It is
//! looked up for a whole batch at once, and from relations only when relations, wherever it runs, has passed the batch: then it holds
//! all that the batch builds on. That it may hold more does no harm: stays are compared with the event's own seq, and
//! what the event says itself is taken from the event.

use super::{
    frame::{Happening, What},
    members::{Cache, Footing, Known},
};
use crate::{
    Error, Projection,
    conversation::{
        self,
        card::{Card, cards},
        members::admins,
    },
    friendship::{self, query::Asked},
    generation::live::Live,
    progress::Progress,
};
use natter_domain::{
    AccountId, ConversationId, RequestId, conversation::Event as Conversation, friendship::Event as Friendship,
    subscription::Event as Subscription,
};
use natter_streams::{Link, position::Place, sealing::Keys};
use sqlx::PgPool;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

pub(super) struct Facts {
    live: Arc<Live>,
    keys: Keys,
    progress: Arc<Progress>,
    /// So many make a crowd.
    crowd_min: u64,
    members: Cache,
    /// Of this batch.
    requests: HashMap<RequestId, Asked>,
    /// How groups are set up of which this batch tells it.
    cards: HashMap<ConversationId, Card>,
    /// Of groups at whose doors something happened in this batch.
    admins: HashMap<ConversationId, Vec<AccountId>>,
}

/// What a batch needs and memory does not hold.
#[derive(Default)]
struct Wanted {
    conversations: BTreeSet<ConversationId>,
    requests: BTreeSet<RequestId>,
    cards: BTreeSet<ConversationId>,
    admins: BTreeSet<ConversationId>,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.conversations.is_empty() && self.requests.is_empty() && self.cards.is_empty() && self.admins.is_empty()
    }

    fn note(&mut self, conversation: ConversationId, event: &Conversation) {
        match event {
            Conversation::Started { owner: Some(_), .. }
            | Conversation::MembersJoined { .. }
            | Conversation::Renamed { .. }
            | Conversation::Changed { .. }
            | Conversation::Announced { .. }
            | Conversation::MembersInvited { .. } => _ = self.cards.insert(conversation),
            Conversation::InvitationEnded { .. }
            | Conversation::JoinRequested { .. }
            | Conversation::JoinDeclined { .. } => _ = self.admins.insert(conversation),
            _ => {}
        }
    }
}

impl Facts {
    pub(super) fn new(live: Arc<Live>, keys: Keys, progress: Arc<Progress>, crowd_min: u64) -> Self {
        let (requests, cards, admins) = Default::default();
        let members = Cache::new(crowd_min);
        Self { live, keys, progress, crowd_min, members, requests, cards, admins }
    }

    /// Gets ready for the frames of a batch that ends at `to`.
    pub(super) async fn gather(&mut self, to: Link, happenings: &mut [Happening]) -> Result<(), Error> {
        let mut wanted = Wanted::default();
        for happening in &mut *happenings {
            happening.standing = self.note(happening, &mut wanted);
        }
        (self.requests, self.cards, self.admins) = Default::default();
        if wanted.is_empty() {
            return Ok(());
        }
        self.progress.passed(Projection::Relations, to.lane, Place::new(to.position, to.incarnation)).await;
        self.load_members(wanted.conversations).await?;
        self.load_requests(wanted.requests).await?;
        let ids = |wanted: BTreeSet<ConversationId>| wanted.into_iter().map(|id| id.0).collect::<Vec<_>>();
        self.cards = cards(&self.pool(), &ids(wanted.cards), None).await?;
        self.admins = admins(&self.pool(), &ids(wanted.admins)).await?;
        Ok(())
    }

    /// `None`: it is not known yet how the conversation stands, or there is none.
    fn note(&mut self, happening: &Happening, wanted: &mut Wanted) -> Option<Footing> {
        let (conversation, standing) = match &happening.what {
            What::Conversation(event) => {
                let conversation = happening.conversation();
                wanted.note(conversation, event);
                (conversation, self.members.fold(conversation, event, happening.position()))
            }
            What::Message(event) => {
                let conversation = event.message().conversation_id;
                (conversation, self.members.keep(conversation))
            }
            What::Friendship(
                Friendship::Accepted { request_id, .. }
                | Friendship::Rejected { request_id, .. }
                | Friendship::Cancelled { request_id, .. }
                | Friendship::Expired { request_id, .. },
            ) => {
                wanted.requests.insert(*request_id);
                return None;
            }
            What::Subscription(event) => {
                let (channel, more) = (event.channel(), matches!(event, Subscription::Begun { .. }));
                if more {
                    wanted.cards.insert(channel);
                }
                (channel, self.members.subscribe(channel, more, happening.position()))
            }
            What::Friendship(_) | What::Inbox(_) | What::Session(_) => return None,
        };
        if standing.is_none() {
            wanted.conversations.insert(conversation);
        }
        standing
    }

    /// Of the projectors: those of queries may all be taken.
    fn pool(&self) -> PgPool {
        self.live.home(Projection::Relations).writing.clone()
    }

    async fn load_members(&mut self, conversations: BTreeSet<ConversationId>) -> Result<(), Error> {
        let ids: Vec<ConversationId> = conversations.into_iter().collect();
        if ids.is_empty() {
            return Ok(());
        }
        for (conversation, known) in conversation::stays::known(&self.pool(), self.crowd_min, &ids).await? {
            self.members.insert(conversation, known);
        }
        Ok(())
    }

    async fn load_requests(&mut self, requests: BTreeSet<RequestId>) -> Result<(), Error> {
        let ids: Vec<RequestId> = requests.into_iter().collect();
        if !ids.is_empty() {
            self.requests = friendship::query::requests(&self.pool(), &self.keys, &ids).await?;
        }
        Ok(())
    }

    pub(super) fn known(&self, conversation: ConversationId) -> Result<&Known, Error> {
        self.members.get(conversation).ok_or(Error::NobodyIn(conversation))
    }

    pub(super) fn card(&self, conversation: ConversationId) -> Option<&Card> {
        self.cards.get(&conversation)
    }

    pub(super) fn admins(&self, conversation: ConversationId) -> &[AccountId] {
        self.admins.get(&conversation).map_or(&[], Vec::as_slice)
    }

    pub(super) fn request(&self, request: RequestId) -> Result<Asked, Error> {
        self.requests.get(&request).cloned().ok_or(Error::NoRequest(request))
    }
}
