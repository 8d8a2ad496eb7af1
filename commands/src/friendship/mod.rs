//! What two people do about each other. Becoming friends: request, accept, reject; taking a request back, ignoring it. What
//! somebody notes of a friend, and the end. Blocks, and strangers who begin to talk.
//!
//! Whatever changes how the pair's one direct conversation stands is answered once the conversation knows, and should this
//! process die in between, [`process`] completes it.

mod between;
mod block;
mod friend;
pub(crate) mod process;
mod taken;
pub(crate) mod timer;

pub(crate) use between::{between, pair};
pub use taken::Through;

use crate::{Commands, Keyed, account, conversation, dispatch::Outcome, error::Error, keys::Key};
use natter_domain::{
    AccountId, Code, ConversationId, FriendshipId, RequestId, Timestamp, conversation as conversations,
    friendship::{self, Event, Friendship, Source},
};
use natter_streams::{Positions, clock, event::CommandKey, id};
use uuid::Uuid;

pub struct Requested {
    pub request_id: RequestId,
    /// When the new request was made, and until when it can be answered. `None`: the other's own request was pending,
    /// and this accepted it.
    pub made: Option<(Timestamp, Timestamp)>,
    pub positions: Positions,
}

pub struct Accepted {
    pub conversation_id: ConversationId,
    pub positions: Positions,
}

/// What is said with a request.
#[derive(Clone, Default, Debug)]
pub struct Asking {
    pub message: Option<String>,
    pub source: Option<Source>,
    pub through: Through,
}

/// The use cases of friendships.
pub struct Friendships<'a>(pub(crate) &'a Commands);

impl Friendships<'_> {
    pub async fn request(&self, by: Keyed, to: AccountId, message: Option<String>) -> Result<Requested, Error> {
        self.request_with(by, to, Asking { message, ..Asking::default() }).await
    }

    /// [`Self::request`] of somebody who may need to be known to the other one in some way.
    pub async fn request_with(&self, by: Keyed, to: AccountId, asking: Asking) -> Result<Requested, Error> {
        let from = by.caller.account;
        if from == to {
            return Err(Error::code(Code::SelfNotAllowed, "a friend request to oneself"));
        }
        let friendship_id = FriendshipId::of(from, to);
        let is_taken = match account::known(self.0, to).await? {
            Some(person) => taken::is_taken(self.0, &person.settings, from, to, &asking.through).await?,
            None => {
                self.refuse_closed(friendship_id, to, Code::RequestsNotTaken).await?;
                false
            }
        };
        let Asking { message, source, .. } = asking;
        let mut content = format!("request {to} {}", message.as_deref().unwrap_or_default());
        // As it was said before there were any, where none is given: the same key is the same request.
        if let Some(source) = source {
            content = format!("{content} from {}", source.as_str());
        }
        // Its sender's: it is forgotten with them.
        let sealing = self.0.keys.of_account(from).await?;
        let command = friendship::Command::Request {
            request_id: RequestId(id::new()),
            from,
            to,
            message: message.map(|message| sealing.seal(message.as_bytes())),
            source,
            is_taken,
            conversation_id: ConversationId(id::new()),
        };
        let outcome = self.decide(by, friendship_id, command, &content).await?;
        match outcome.events.first() {
            Some((Event::Requested { request_id, at, expires_at, .. }, _)) => {
                let made = Some((*at, *expires_at));
                Ok(Requested { request_id: *request_id, made, positions: outcome.positions })
            }
            Some((Event::Accepted { request_id, .. }, _)) => {
                let request_id = *request_id;
                Ok(Requested { request_id, made: None, positions: self.tell([from, to], outcome).await?.positions })
            }
            _ => Err(Error::Failed {
                what: "request a friendship",
                source: "the decision wrote neither request nor acceptance".into(),
            }),
        }
    }

    pub async fn accept(
        &self,
        by: Keyed,
        friendship_id: FriendshipId,
        request_id: RequestId,
    ) -> Result<Accepted, Error> {
        self.refuse_accepting_closed(friendship_id, request_id).await?;
        let command = friendship::Command::Accept { request_id, conversation_id: ConversationId(id::new()) };
        let outcome = self.decide(by, friendship_id, command, &format!("accept {request_id}")).await?;
        let (conversation_id, members) = match outcome.events.first() {
            Some((Event::Accepted { from, to, conversation_id, .. }, _)) => (*conversation_id, [*from, *to]),
            _ => self.accepted_before(friendship_id, request_id).await?,
        };
        Ok(Accepted { conversation_id, positions: self.tell(members, outcome).await?.positions })
    }

    /// Whose account was closed makes no new friends by what they had asked before. What was accepted before that stands.
    async fn refuse_closed(&self, id: FriendshipId, closed: AccountId, code: Code) -> Result<(), Error> {
        let state = self.0.dispatch.inspect::<Friendship>(friendship::address(id)).await?;
        match state.last_request(closed) {
            Some((_, request)) if request.is_pending(clock::now()) => Err(Error::code(code, "the account is closed")),
            _ => Ok(()),
        }
    }

    async fn refuse_accepting_closed(&self, id: FriendshipId, request: RequestId) -> Result<(), Error> {
        let state = self.0.dispatch.inspect::<Friendship>(friendship::address(id)).await?;
        let Some(request) = state.requests.get(&request).filter(|it| it.is_pending(clock::now())) else {
            return Ok(());
        };
        if account::is_closed(self.0, request.from).await? {
            return Err(Error::code(Code::RequestClosed, "the account is closed"));
        }
        Ok(())
    }

    async fn accepted_before(
        &self,
        friendship_id: FriendshipId,
        request_id: RequestId,
    ) -> Result<(ConversationId, [AccountId; 2]), Error> {
        let state = self.0.dispatch.inspect::<Friendship>(friendship::address(friendship_id)).await?;
        let found = state.conversation_id.zip(state.requests.get(&request_id));
        let (conversation_id, request) =
            found.ok_or_else(|| Error::code(Code::NotFound, "there is no such request"))?;
        Ok((conversation_id, [request.from, request.to]))
    }

    pub async fn reject(&self, by: Keyed, id: FriendshipId, request_id: RequestId) -> Result<Positions, Error> {
        let command = friendship::Command::Reject { request_id };
        Ok(self.decide(by, id, command, &format!("reject {request_id}")).await?.positions)
    }

    /// The caller takes back what they asked.
    pub async fn cancel(&self, by: Keyed, id: FriendshipId, request_id: RequestId) -> Result<Positions, Error> {
        let command = friendship::Command::Cancel { request_id };
        Ok(self.decide(by, id, command, &format!("cancel {request_id}")).await?.positions)
    }

    /// The caller sees no more of what they were asked.
    pub async fn ignore(&self, by: Keyed, id: FriendshipId, request_id: RequestId) -> Result<Positions, Error> {
        let command = friendship::Command::Ignore { request_id };
        Ok(self.decide(by, id, command, &format!("ignore {request_id}")).await?.positions)
    }

    async fn decide(
        &self,
        by: Keyed,
        id: FriendshipId,
        command: friendship::Command,
        content: &str,
    ) -> Result<Outcome<Friendship>, Error> {
        let key = by.key.map(|key| account_key(self.0, by, key, content));
        self.0.dispatch.execute::<Friendship>(friendship::address(id), Some(by.caller), key, command).await
    }

    /// Tells the pair's conversation how it stands since what was done, or, where that was done before, how it stands now:
    /// whoever did it may have died before the conversation knew.
    async fn tell(&self, members: [AccountId; 2], outcome: Outcome<Friendship>) -> Result<Told, Error> {
        let said = outcome.events.iter().find_map(|(event, _)| Some((event, event.standing()?)));
        let is_said = said.is_some();
        let (id, standing, key) = match said {
            Some((event, (id, _, standing))) => (id, standing.clone(), process::key(event, members, standing.revision)),
            None => {
                let state = pair(&self.0.dispatch, members[0], members[1]).await?;
                let Some(id) = state.conversation_id else {
                    return Ok(Told { positions: outcome.positions, began: false });
                };
                (id, state.standing.clone(), process::key_again(members, state.standing.revision))
            }
        };
        let mut positions = outcome.positions;
        let effect = conversation::set_direct(&self.0.dispatch, Some(key), id, members, standing).await?;
        positions.merge(&effect.positions);
        let starts = effect.events.iter().any(|(event, _)| matches!(event, conversations::Event::Started { .. }));
        // What began by an earlier command is there. Under the key of this one the process may have been faster.
        let began = starts && (is_said || !effect.repeated);
        Ok(Told { positions, began })
    }
}

/// The pair's conversation knows.
pub(crate) struct Told {
    pub positions: Positions,
    /// It had not begun before.
    pub began: bool,
}

/// The key of a command of an account: (account, the client's id for it).
pub(crate) fn account_key(commands: &Commands, by: Keyed, id: Uuid, content: &str) -> Key {
    let key = natter_domain::id::derived("natter account command", &[by.caller.account.0.as_bytes(), id.as_bytes()]);
    Key::new(id, CommandKey { key, fingerprint: commands.keyring.fingerprint(content.as_bytes()) })
}
