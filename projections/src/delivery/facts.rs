//! What frames need beyond their own event: who is in a conversation, what an answered friend request said, who is not to
//! hear of whom. It is looked up for a whole batch at once, and from relations only when relations, wherever it runs, has
//! passed the batch: then it holds all that the batch builds on. That it may hold more does no harm: stays are compared with the event's own seq, and
//! what the event says itself is taken from the event.

use super::{
    frame::{Happening, What},
    members::{Cache, Footing, Known},
};
use crate::{
    Error, Projection,
    account::status,
    conversation::{
        self,
        card::{Card, cards},
        members::admins,
    },
    friendship::{self, block, query::Asked},
    generation::live::Live,
    progress::Progress,
};
use natter_domain::{
    AccountId, ConversationId, RequestId, Sealed, conversation::Event as Conversation, friendship::Event as Friendship,
    message::Event as Message, subscription::Event as Subscription,
};
use natter_streams::{Link, position::Place, sealing::Keys};
use sqlx::PgPool;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

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
    /// Among these and those at the doors: pairs of whom one blocks the other, both ways round.
    barred: HashSet<(AccountId, AccountId)>,
    /// Of those whose conversation stands otherwise than before: who is gone.
    closed: HashSet<AccountId>,
    recalled: Recalled,
}

/// Messages that were recalled lately: an answer that was on its way then quotes them no more. Of two generations the older
/// is dropped when the younger is full: far more than are on their way at one time.
#[derive(Default)]
struct Recalled {
    young: HashSet<(ConversationId, u64)>,
    old: HashSet<(ConversationId, u64)>,
}

impl Recalled {
    const GENERATION: usize = 4_096;

    fn note(&mut self, happening: &Happening) {
        let What::Message(Message::Recalled { message, .. } | Message::Expired { message }) = &happening.what else {
            return;
        };
        if self.young.len() >= Self::GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert((message.conversation_id, message.seq));
    }

    fn has(&self, conversation: ConversationId, seq: u64) -> bool {
        [&self.young, &self.old].iter().any(|some| some.contains(&(conversation, seq)))
    }
}

/// What a batch needs and memory does not hold.
#[derive(Default)]
struct Wanted {
    conversations: BTreeSet<ConversationId>,
    requests: BTreeSet<RequestId>,
    cards: BTreeSet<ConversationId>,
    admins: BTreeSet<ConversationId>,
    /// Those who come and go at doors, and who ended their invitations.
    at_doors: BTreeSet<Uuid>,
    /// Direct conversations that stand otherwise than before.
    standing: BTreeSet<ConversationId>,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        let conversations = [&self.conversations, &self.cards, &self.admins, &self.standing];
        conversations.iter().all(|wanted| wanted.is_empty()) && self.requests.is_empty()
    }

    fn note(&mut self, conversation: ConversationId, event: &Conversation) {
        match event {
            Conversation::Started { owner: Some(_), .. }
            | Conversation::MembersJoined { .. }
            | Conversation::Renamed { .. }
            | Conversation::Changed { .. }
            | Conversation::Announced { .. }
            | Conversation::Dissolved { .. }
            | Conversation::MembersInvited { .. } => _ = self.cards.insert(conversation),
            Conversation::InvitationEnded { account_id, by, .. } | Conversation::JoinDeclined { account_id, by } => {
                self.admins.insert(conversation);
                self.at_doors.extend([account_id.0, by.0]);
            }
            Conversation::JoinRequested { account_id, .. } => {
                self.admins.insert(conversation);
                self.at_doors.insert(account_id.0);
            }
            Conversation::StandingChanged { .. } => _ = self.standing.insert(conversation),
            _ => {}
        }
    }
}

impl Facts {
    pub(super) fn new(live: Arc<Live>, keys: Keys, progress: Arc<Progress>, crowd_min: u64) -> Self {
        let (requests, cards, admins) = Default::default();
        let (members, barred, closed) = (Cache::new(crowd_min), HashSet::new(), HashSet::new());
        let recalled = Recalled::default();
        Self { live, keys, progress, crowd_min, members, requests, cards, admins, barred, closed, recalled }
    }

    /// Gets ready for the frames of a batch that ends at `to`.
    pub(super) async fn gather(&mut self, to: Link, happenings: &mut [Happening]) -> Result<(), Error> {
        let mut wanted = Wanted::default();
        for happening in &mut *happenings {
            self.recalled.note(happening);
            happening.standing = self.note(happening, &mut wanted);
            happening.name = self.name(happening);
        }
        (self.requests, self.cards, self.admins, self.barred, self.closed) = Default::default();
        if wanted.is_empty() {
            return Ok(());
        }
        self.progress.passed(Projection::Relations, to.lane, Place::new(to.position, to.incarnation)).await;
        self.load_members(wanted.conversations).await?;
        self.load_requests(wanted.requests).await?;
        let ids = |wanted: BTreeSet<ConversationId>| wanted.into_iter().map(|id| id.0).collect::<Vec<_>>();
        self.cards = cards(&self.pool(), &ids(wanted.cards), None).await?;
        self.admins = admins(&self.pool(), &ids(wanted.admins)).await?;
        let admins = self.admins.values().flatten().map(|admin| admin.0);
        let people: Vec<Uuid> = wanted.at_doors.into_iter().chain(admins).collect();
        self.barred = block::among(&self.pool(), &people).await?;
        self.closed = self.gone(wanted.standing).await?;
        for happening in happenings.iter_mut().filter(|it| it.standing.is_none()) {
            happening.name = self.name(happening);
        }
        Ok(())
    }

    /// Whether the message was recalled lately, in this batch too.
    pub(super) fn was_recalled(&self, conversation: ConversationId, seq: u64) -> bool {
        self.recalled.has(conversation, seq)
    }

    /// What a group is called when this happens in it, where it is known and told.
    fn name(&self, happening: &Happening) -> Option<Sealed> {
        let What::Conversation(
            Conversation::MembersJoined { .. }
            | Conversation::MembersInvited { .. }
            | Conversation::Changed { .. }
            | Conversation::Announced { .. }
            | Conversation::Dissolved { .. },
        ) = &happening.what
        else {
            return None;
        };
        self.members.get(happening.conversation())?.name_at(happening.position()).cloned()
    }

    /// Those who are in these conversations, and whose accounts are closed.
    async fn gone(&self, conversations: BTreeSet<ConversationId>) -> Result<HashSet<AccountId>, Error> {
        let known = conversations.into_iter().filter_map(|id| self.members.get(id));
        let people: Vec<Uuid> = known.flat_map(Known::everybody).map(|account| account.0).collect();
        status::closed_among(&self.pool(), &people).await
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
            What::Friendship(_) | What::Inbox(_) | What::Pending(_) | What::Session(_) => return None,
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
        let home = self.live.home(Projection::Relations);
        for (conversation, known) in conversation::stays::known(&home, self.crowd_min, &ids).await? {
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

    /// Those who are told what somebody does at the door: between whom there is no block.
    pub(super) fn admins(&self, conversation: ConversationId, outside: AccountId) -> Vec<AccountId> {
        let admins = self.admins.get(&conversation).into_iter().flatten().copied();
        admins.filter(|admin| !self.are_barred(*admin, outside)).collect()
    }

    /// One of the two blocks the other. Of admins and those at their doors.
    pub(super) fn are_barred(&self, one: AccountId, other: AccountId) -> bool {
        self.barred.contains(&(one, other))
    }

    /// Of the members of a direct conversation that stands otherwise than before.
    pub(super) fn is_gone(&self, account: AccountId) -> bool {
        self.closed.contains(&account)
    }

    pub(super) fn request(&self, request: RequestId) -> Result<Asked, Error> {
        self.requests.get(&request).cloned().ok_or(Error::NoRequest(request))
    }
}
