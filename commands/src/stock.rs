//! The same decider under the stock framework: `cqrs_es::CqrsFramework` on `postgres-es`, for `natter bench
//! compare-postgres-es`. No lanes, no cache, no group commit: every command loads its aggregate, and commits alone.

use crate::{
    Caller,
    adapter::{Adapter, Order},
    error::Error,
};
use cqrs_es::AggregateError;
use natter_domain::{
    AccountId, Context, ConversationId, MessageId, Timestamp,
    conversation::{self, BodyKind, Command, Conversation, Details, Missing, Standing},
};
use natter_streams::{
    clock,
    sealing::Keys,
    stock::{self, PostgresCqrs},
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What is compared with.
pub const PEERS: &[&str] = &["cqrs-es 0.5.0", stock::VERSION];

/// Conversations, and nothing else, by the stock framework.
pub struct Conversations {
    cqrs: PostgresCqrs<Adapter<Conversation>>,
    keys: Keys,
    conflicts: AtomicU64,
}

impl Conversations {
    /// In an empty database.
    pub async fn open(url: &str, keys: Keys) -> Result<Self, Error> {
        let cqrs = stock::postgres_cqrs(stock::open(url).await?, Vec::new(), ());
        Ok(Self { cqrs, keys, conflicts: AtomicU64::new(0) })
    }

    pub async fn start_direct(&self, id: ConversationId, members: [AccountId; 2]) -> Result<(), Error> {
        self.execute(id, None, Command::SetDirect { members, standing: Standing::first() }, &HashMap::new()).await
    }

    /// The command of `natter_commands::Conversations::send`, durable when this returns.
    pub async fn send(
        &self,
        caller: Caller,
        id: ConversationId,
        message_id: MessageId,
        body: &str,
        size: u32,
    ) -> Result<(), Error> {
        let body = self.keys.of_conversation(id).await?.seal(body.as_bytes());
        let details = Box::<Details>::default();
        let (body_kind, missing, muted, gone) = (BodyKind::Text, Missing::default(), None, None);
        let command = Command::Send { message_id, body, body_kind, size, details, missing, muted, gone };
        let metadata = HashMap::from([
            ("actor".to_owned(), caller.account.to_string()),
            ("session".to_owned(), caller.session.to_string()),
            ("command".to_owned(), message_id.to_string()),
        ]);
        self.execute(id, Some(caller), command, &metadata).await
    }

    /// How often somebody else was faster, and the command was given again.
    pub fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// Again after each conflict, as the crate's users are told to.
    async fn execute(
        &self,
        id: ConversationId,
        caller: Option<Caller>,
        command: Command,
        metadata: &HashMap<String, String>,
    ) -> Result<(), Error> {
        let (id, command) = (conversation::address(id).id.to_string(), Arc::new(command));
        loop {
            let (context, host) = (context(caller, clock::now()), Arc::default());
            let order = Order { context, host, command: command.clone() };
            match self.cqrs.execute_with_metadata(&id, order, metadata.clone()).await {
                Ok(()) => return Ok(()),
                Err(AggregateError::AggregateConflict) => self.conflicts.fetch_add(1, Ordering::Relaxed),
                Err(AggregateError::UserError(refusal)) => return Err(Error::refused(&refusal)),
                Err(error) => return Err(Error::failed("run a command by postgres-es")(error.to_string())),
            };
        }
    }
}

fn context(caller: Option<Caller>, now: Timestamp) -> Context {
    Context { actor: caller.map(|caller| caller.account), session: caller.map(|caller| caller.session), now }
}
