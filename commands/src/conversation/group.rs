//! Groups: beginning one, who comes and who goes, and the name.
//!
//! Whether those who are added are friends is asked of the friendships' lanes before the command is queued, and rides in it.
//! So a repeat, which is recognised by its key and not decided, gets its first answer whatever has changed since.

use super::Conversations;
use crate::{Keyed, dispatch::Outcome, error::Error, friendship::account_key, keys::Key, seal::knows};
use futures::{StreamExt, TryStreamExt};
use natter_domain::{
    AccountId, Code, ConversationId, FriendshipId, GroupName, Sealed, Timestamp,
    account::{self, Account},
    conversation::{self, Command, Conversation, Event, Refusal, State, SystemMessage},
    friendship::{self, Friendship},
    id::derived,
};
use natter_streams::{Positions, id};
use std::{collections::BTreeSet, sync::Arc};

/// Accounts that one call asks about at the same time. Each question may read an aggregate from the log.
const ASKED_AT_ONCE: usize = 32;

/// Bytes of an id in a command, roughly.
const ID_BYTES: usize = 40;

/// A group that has begun.
pub struct Started {
    pub conversation_id: ConversationId,
    /// Everybody who is in, the owner first.
    pub members: Vec<AccountId>,
    /// The system message that its beginning is.
    pub message: SystemMessage,
    pub at: Timestamp,
    pub positions: Positions,
}

pub struct Joined {
    /// Those who were not in before.
    pub account_ids: Vec<AccountId>,
    pub positions: Positions,
}

/// What somebody is to the one who adds them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Friend,
    Stranger,
    Unknown,
}

impl Conversations<'_> {
    /// Begins a group of the caller and these friends of theirs.
    pub async fn start_group(&self, by: Keyed, name: &GroupName, members: &[AccountId]) -> Result<Started, Error> {
        let me = by.caller.account;
        // A repeat must lead to the same lane, where its key is known.
        let id = match by.key {
            Some(key) => derived("natter group", &[me.0.as_bytes(), key.as_bytes()]),
            None => id::new(),
        };
        let conversation_id = ConversationId(id);
        let asked = self.ask(me, members, &|account| account == me).await?;
        // What cannot begin gets no key, which would be for ever. A repeat is answered as it was, whoever is a friend now.
        if asked.are_not_all_friends() && self.look(conversation_id).await?.kind.is_none() {
            return Err(asked.explain(Error::refused(&Refusal::NotFriends)));
        }
        let command = Command::StartGroup {
            name: self.seal(conversation_id, name).await?,
            members: members.to_vec(),
            friends: asked.friends(),
        };
        let content = format!("start group {:?} {members:?}", name.as_str());
        let outcome = self.decide(by, conversation_id, command, &content, members.len()).await;
        let outcome = outcome.map_err(|refused| asked.explain(refused))?;
        started(conversation_id, outcome)
    }

    /// Adds friends of the caller's; who is in stays as they are.
    pub async fn add_members(&self, by: Keyed, id: ConversationId, accounts: &[AccountId]) -> Result<Joined, Error> {
        let me = by.caller.account;
        let state = self.look(id).await?;
        // Who may not add is refused without a question about others.
        let asked = match state.members.contains_key(&me) {
            true => self.ask(me, accounts, &|account| state.members.contains_key(&account)).await?,
            false => Asked::default(),
        };
        let command = Command::AddMembers { accounts: accounts.to_vec(), friends: asked.friends() };
        let outcome = self.decide(by, id, command, &format!("add to {id} {accounts:?}"), accounts.len()).await;
        let outcome = outcome.map_err(|refused| asked.explain(refused))?;
        let account_ids = match outcome.events.into_iter().next() {
            Some((Event::MembersJoined { account_ids, .. }, _)) => account_ids,
            _ => Vec::new(),
        };
        Ok(Joined { account_ids, positions: outcome.positions })
    }

    /// The caller leaves, or removes somebody.
    pub async fn remove_member(&self, by: Keyed, id: ConversationId, account: AccountId) -> Result<Positions, Error> {
        let command = Command::RemoveMember { account };
        Ok(self.decide(by, id, command, &format!("remove from {id} {account}"), 1).await?.positions)
    }

    pub async fn rename(&self, by: Keyed, id: ConversationId, name: &GroupName) -> Result<Positions, Error> {
        // Sealing the same name gives something else each time: the name that it has already is given as it stands.
        let state = self.look(id).await?;
        knows(&state, by.caller)?;
        let has = state.card.name.clone();
        let opener = self.0.keys.opener(has.iter().map(|sealed| (id.0, sealed.key)).collect::<Vec<_>>()).await?;
        let same = has.filter(|it| opener.open_text(id.0, it).as_deref() == Some(name.as_str()));
        let name_sealed = match same {
            Some(same) => same,
            None => self.seal(id, name).await?,
        };
        let command = Command::Rename { name: name_sealed };
        Ok(self.decide(by, id, command, &format!("rename {id} {:?}", name.as_str()), 1).await?.positions)
    }

    async fn seal(&self, id: ConversationId, name: &GroupName) -> Result<Sealed, Error> {
        Ok(self.0.keys.of_conversation(id).await?.seal(name.as_str().as_bytes()))
    }

    async fn look(&self, id: ConversationId) -> Result<Arc<State>, Error> {
        self.0.dispatch.inspect::<Conversation>(conversation::address(id)).await
    }

    async fn decide(
        &self,
        by: Keyed,
        id: ConversationId,
        command: Command,
        content: &str,
        ids: usize,
    ) -> Result<Outcome<Conversation>, Error> {
        let key: Option<Key> = by.key.map(|key| account_key(self.0, by, key, content));
        let (address, size) = (conversation::address(id), 1_024 + ids * ID_BYTES);
        self.0.dispatch.queue::<Conversation>(address, Some(by.caller), key, Some(command), size).await
    }

    /// Asks about those that are not `settled`, each once.
    async fn ask(
        &self,
        me: AccountId,
        accounts: &[AccountId],
        settled: &(dyn Fn(AccountId) -> bool + Sync),
    ) -> Result<Asked, Error> {
        let mut seen = BTreeSet::from([me]);
        let questions: Vec<(usize, AccountId)> = accounts
            .iter()
            .copied()
            .enumerate()
            .filter(|&(_, account)| seen.insert(account) && !settled(account))
            .collect();
        let asks = questions
            .into_iter()
            .map(|(index, account)| async move { Ok::<_, Error>((index, account, self.relation(me, account).await?)) });
        // In order: of several unknown ones the first is named.
        let asks: Vec<_> = asks.collect();
        Ok(Asked(futures::stream::iter(asks).buffered(ASKED_AT_ONCE).try_collect().await?))
    }

    async fn relation(&self, me: AccountId, other: AccountId) -> Result<Relation, Error> {
        let dispatch = &self.0.dispatch;
        let friendship = dispatch.inspect::<Friendship>(friendship::address(FriendshipId::of(me, other)));
        let account = dispatch.inspect::<Account>(account::address(other));
        let (friendship, account) = tokio::try_join!(friendship, account)?;
        Ok(match &*account {
            account::State::Registered(_) if friendship.friends => Relation::Friend,
            account::State::Registered(_) => Relation::Stranger,
            // A friend's that was closed too.
            _ => Relation::Unknown,
        })
    }
}

/// Who was asked about: their place in the list, and what came of it.
#[derive(Default)]
struct Asked(Vec<(usize, AccountId, Relation)>);

impl Asked {
    fn friends(&self) -> Vec<AccountId> {
        self.0.iter().filter(|(.., it)| *it == Relation::Friend).map(|(_, account, _)| *account).collect()
    }

    fn are_not_all_friends(&self) -> bool {
        self.0.iter().any(|(.., it)| *it != Relation::Friend)
    }

    /// Who does not exist is no friend either, but that is said in other words.
    fn explain(&self, error: Error) -> Error {
        let unknown = self.0.iter().find(|(.., it)| *it == Relation::Unknown);
        match (error, unknown) {
            (Error::Refused { code: Code::NotFriends, .. }, Some(&(index, ..))) => Error::UnknownAccount { index },
            (error, _) => error,
        }
    }
}

fn started(conversation_id: ConversationId, outcome: Outcome<Conversation>) -> Result<Started, Error> {
    let nothing = || Error::Failed { what: "begin a group", source: "the decision wrote no beginning".into() };
    let (event, at) = outcome.events.into_iter().next().ok_or_else(nothing)?;
    let message = SystemMessage::of(&event).ok_or_else(nothing)?;
    let Event::Started { members, .. } = event else { return Err(nothing()) };
    Ok(Started { conversation_id, members, message, at, positions: outcome.positions })
}
