//! People for a benchmark: pairs of friends with an open conversation, made by appending their events in bulk before
//! the server starts, not through the door.

use super::load::PlannedPair;
use anyhow::{Context, Result};
use indicatif::ProgressBar;
use natter_client::{Client, Signed, wire};
use natter_domain::{
    AccountId, Address, ConversationId, FriendshipId, RequestId, SessionId, Timestamp, account, conversation,
    friendship, limit, session,
};
use natter_streams::{
    Draft, Log, clock,
    committer::{Committer, Settled},
    id,
    keyring::Keyring,
};
use std::{collections::HashMap, sync::Arc};

/// Two friends.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub people: [Person; 2],
    pub conversation: ConversationId,
}

#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub account: AccountId,
    pub session: SessionId,
}

impl Person {
    pub fn caller(self) -> natter_commands::Caller {
        natter_commands::Caller { account: self.account, session: self.session }
    }
}

/// Pairs that come through the door of a running server, with their tokens.
pub async fn register(url: &str, count: usize) -> Result<Vec<PlannedPair>> {
    let client = Client::new(url)?;
    let progress = ProgressBar::new(count as u64);
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (one, other) = (enter(&client).await?, enter(&client).await?);
        let request = one.request_friend(other.id(), None).await.context("ask for friendship")?.value.id;
        let accepted = other.accept_friend(request).await.context("accept")?.value;
        let conversation = accepted.conversation_id.context("an accepted request names its conversation")?;
        pairs.push(PlannedPair { conversation, tokens: [one.access_token().await?.0, other.access_token().await?.0] });
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(pairs)
}

async fn enter(client: &Client) -> Result<Signed> {
    let name = natter_client::new_id().simple().to_string();
    let registration = wire::Register::new(&format!("bench-{name}"), &name);
    client.register(&registration).await.context("register")
}

/// Appends everything that makes `count` pairs what they are.
pub async fn make(log: &Log, keyring: &Keyring, count: usize) -> Result<Vec<Pair>> {
    let (mut pairs, mut all) = (Vec::with_capacity(count), Vec::new());
    for number in 0..count {
        let (pair, histories) = pair(keyring, number)?;
        pairs.push(pair);
        all.extend(histories);
    }
    append(log, all).await?;
    Ok(pairs)
}

/// Somebody, and so many friends of theirs, who never signed in.
pub async fn popular(log: &Log, keyring: &Keyring, count: usize) -> Result<(Person, Vec<AccountId>)> {
    let somebody = Person { account: AccountId(id::new()), session: SessionId(id::new()) };
    let mut all = vec![account(keyring, somebody.account, "bench-popular")?, session(&somebody)?];
    let friends: Vec<AccountId> = (0..count).map(|_| AccountId(id::new())).collect();
    for (number, &friend) in friends.iter().enumerate() {
        all.push(account(keyring, friend, &format!("bench-friend-{number}"))?);
        all.push(self::friends([somebody.account, friend], ConversationId(id::new()))?);
    }
    append(log, all).await?;
    Ok((somebody, friends))
}

async fn append(log: &Log, all: Vec<Vec<Draft>>) -> Result<()> {
    let mut lanes: HashMap<_, Vec<Vec<Draft>>> = HashMap::new();
    for drafts in all {
        lanes.entry(log.lanes().of(drafts[0].address.route)).or_default().push(drafts);
    }
    for (lane, histories) in lanes {
        let mut committer = Committer::start(log.clone(), lane, "bench".into()).await.context("take a lane")?;
        for drafts in histories {
            committer.queue(drafts, ());
        }
        while committer.waiting() > 0 {
            anyhow::ensure!(matches!(committer.settled().await, Settled::Committed { .. }), "append people");
        }
    }
    Ok(())
}

/// A pair and the histories of its aggregates.
fn pair(keyring: &Keyring, number: usize) -> Result<(Pair, Vec<Vec<Draft>>)> {
    let person = || Person { account: AccountId(id::new()), session: SessionId(id::new()) };
    let people = [person(), person()];
    let conversation = ConversationId(id::new());
    let mut histories = Vec::new();
    for (side, person) in people.iter().enumerate() {
        histories.push(account(keyring, person.account, &format!("bench-{number}-{side}"))?);
        histories.push(session(person)?);
    }
    let accounts = people.map(|person| person.account);
    histories.push(friends(accounts, conversation)?);
    let started = conversation::Event::started_direct(accounts);
    histories.push(history(conversation::address(conversation), &[started])?);
    Ok((Pair { people, conversation }, histories))
}

fn account(keyring: &Keyring, id: AccountId, name: &str) -> Result<Vec<Draft>> {
    let sealed = keyring.seal(id.0, name.as_bytes());
    let started = account::Event::RegistrationStarted {
        username: sealed.clone(),
        nickname: sealed,
        password_hash: "nobody signs in with it".to_owned(),
        handles: Vec::new(),
        expires_at: clock::now() + limit::REGISTRATION_EXPIRY,
        email: None,
        phone: None,
        identity: None,
        prefixes: Vec::new(),
    };
    history(account::address(id), &[started, account::Event::Registered {}])
}

fn session(person: &Person) -> Result<Vec<Draft>> {
    let expires_at = clock::now() + limit::REFRESH_TOKEN_LIFETIME;
    let (account_id, refresh_hash) = (person.account, String::new());
    let opened = session::Event::Opened { account_id, device: None, refresh_hash, expires_at, address: None };
    history(session::address(person.account, person.session), &[opened])
}

fn friends([from, to]: [AccountId; 2], conversation_id: ConversationId) -> Result<Vec<Draft>> {
    let (request_id, at) = (RequestId(id::new()), clock::now());
    let expires_at = at + limit::REQUEST_EXPIRY;
    let requested = friendship::Event::Requested { request_id, from, to, message: None, at, expires_at, source: None };
    let accepted = friendship::Event::Accepted {
        request_id,
        from,
        to,
        conversation_id,
        standing: conversation::Standing::first(),
    };
    history(friendship::address(FriendshipId::of(from, to)), &[requested, accepted])
}

fn history<E: natter_domain::Event, const N: usize>(address: Address, events: &[E; N]) -> Result<Vec<Draft>> {
    let (metadata, now): (Arc<str>, Timestamp) = ("{}".into(), clock::now());
    let numbered = (1..).zip(events);
    Ok(numbered
        .map(|(sequence, event)| Draft::encode(event, address, sequence, metadata.clone(), now))
        .collect::<Result<_, _>>()?)
}
