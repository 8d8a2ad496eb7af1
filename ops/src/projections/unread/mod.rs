//! `natter projections unread`: whether the read models count as the log does. The log is folded here by the plain rule, beside
//! everything that is served ([`book`]); what each person's conversations are answered with is compared at the same places of all
//! lanes, while people go on talking. An answer that differs counts once nothing has happened to what it is of, from before it was
//! asked until after: otherwise it is asked again.

mod book;

use crate::streams::Stores;
use anyhow::{Result, bail};
use book::{Book, Pair, Waiting};
use indicatif::{ProgressBar, ProgressStyle};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, limit};
use natter_projections::{Projection, Projections, Settings};
use natter_streams::{
    Log,
    feed::Feeds,
    keyring::Keyring,
    sealing::{Keys, Masters},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::Arc,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often what changed meanwhile is asked again.
const ROUNDS: usize = 20;
/// How often the read side is waited for, five seconds each.
const PATIENCE: usize = 6;

/// Where the keys are that names in the answers are opened with.
pub struct Secrets {
    pub keyring: Arc<Keyring>,
    pub masters: Masters,
}

pub async fn check(
    stores: &Stores,
    log: &Log,
    settings: Settings,
    secrets: Secrets,
    only: Option<AccountId>,
) -> Result<ExitCode> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let (bus, feeds) = (stores.bus().await?, Feeds::start(log, &stop).await?);
    let keys = Keys::open(log, &bus, secrets.keyring, secrets.masters, &stop).await?;
    let read_side = Projections::open(settings, &bus, feeds, keys, &stop).await?;
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
    let mut check = Check { log, read_side, progress, book: Book::open(log).await? };
    let outcome = check.run(only).await?;
    check.progress.finish_and_clear();
    Ok(outcome.told())
}

struct Check<'a> {
    log: &'a Log,
    read_side: Projections,
    progress: ProgressBar,
    book: Book,
}

/// An answer that is not what the log says, and how much had happened to it before it was asked for.
struct Suspect {
    pair: Pair,
    answer: Option<Waiting>,
    happened: u64,
}

#[derive(Default)]
struct Outcome {
    accounts: usize,
    compared: usize,
    /// What is answered, and what the log says.
    differ: BTreeMap<Pair, (Option<Waiting>, Option<Waiting>)>,
    undecided: BTreeSet<Pair>,
}

impl Check<'_> {
    async fn run(&mut self, only: Option<AccountId>) -> Result<Outcome> {
        self.book.read_on(self.log, &self.progress).await?;
        let people = only.map_or_else(|| self.book.people(), |one| vec![one]);
        let mut outcome = Outcome { accounts: people.len(), ..Outcome::default() };
        self.catches_up().await?;
        let mut suspects = Vec::new();
        for (number, account) in people.iter().enumerate() {
            self.progress.set_message(format!("{number} of {} accounts compared", people.len()));
            self.progress.tick();
            suspects.extend(self.ask(*account, None, &mut outcome.compared).await?);
        }
        for _ in 0..ROUNDS {
            if suspects.is_empty() {
                break;
            }
            suspects = self.judge(suspects, &mut outcome).await?;
        }
        outcome.undecided = suspects.into_iter().map(|suspect| suspect.pair).collect();
        Ok(outcome)
    }

    /// Those to which something has happened meanwhile are asked for again; those that then differ come back.
    async fn judge(&mut self, suspects: Vec<Suspect>, outcome: &mut Outcome) -> Result<Vec<Suspect>> {
        self.book.read_on(self.log, &self.progress).await?;
        let mut again = BTreeMap::<AccountId, BTreeSet<ConversationId>>::new();
        for Suspect { pair, answer, happened } in suspects {
            if self.book.happened(pair) != happened {
                again.entry(pair.0).or_default().insert(pair.1);
            } else {
                outcome.differ.insert(pair, (answer, self.book.waiting(pair)));
            }
        }
        self.catches_up().await?;
        let mut suspects = Vec::new();
        for (account, conversations) in again {
            suspects.extend(self.ask(account, Some(&conversations), &mut 0).await?);
        }
        Ok(suspects)
    }

    /// Until all that the book holds is in the read models.
    async fn catches_up(&self) -> Result<()> {
        for _ in 0..PATIENCE {
            if self.read_side.catch_up(&[Projection::Relations, Projection::History]).await.is_ok() {
                return Ok(());
            }
        }
        bail!("the read side lags behind the log: see what natter projections status says");
    }

    /// What differs among a person's conversations, or those of them.
    async fn ask(
        &self,
        account: AccountId,
        only: Option<&BTreeSet<ConversationId>>,
        compared: &mut usize,
    ) -> Result<Vec<Suspect>> {
        let asked = match only {
            Some(only) => only.clone(),
            None => &self.book.conversations_of(account) | &self.listed(account).await?,
        };
        let asked: Vec<ConversationId> = asked.into_iter().collect();
        let mut suspects = Vec::new();
        for some in asked.chunks(limit::PAGE_MAX as usize) {
            let shown = self.read_side.conversation().these(account, some).await?;
            let waiting = |own: &wire::OwnConversation| Waiting { unread: own.unread, mentions: own.mentions };
            let answers: BTreeMap<Uuid, Waiting> =
                shown.iter().map(|own| (own.conversation.id, waiting(own))).collect();
            for &conversation in some {
                let (pair, answer) = ((account, conversation), answers.get(&conversation.0).copied());
                *compared += 1;
                if answer != self.book.waiting(pair) {
                    suspects.push(Suspect { pair, answer, happened: self.book.happened(pair) });
                }
            }
        }
        Ok(suspects)
    }

    /// What the read side takes for the person's conversations.
    async fn listed(&self, account: AccountId) -> Result<BTreeSet<ConversationId>> {
        let (mut listed, mut after) = (BTreeSet::new(), Uuid::nil());
        loop {
            let page = self.read_side.conversation().ids_of(account, after, limit::PAGE_MAX).await?;
            let Some(last) = page.last() else { return Ok(listed) };
            after = last.0;
            listed.extend(page);
        }
    }
}

impl Outcome {
    fn told(&self) -> ExitCode {
        let count =
            |waiting: Option<Waiting>| waiting.map_or_else(|| "no such conversation".to_owned(), |it| it.to_string());
        for ((account, conversation), (answer, expected)) in &self.differ {
            println!("{account} in {conversation}: {}, the log says {}", count(*answer), count(*expected));
        }
        for (account, conversation) in &self.undecided {
            println!("{account} in {conversation}: never stood still, not compared");
        }
        let Self { accounts, compared, differ, undecided } = self;
        let still = if undecided.is_empty() { String::new() } else { format!(", {} not compared", undecided.len()) };
        println!("{accounts} accounts, {compared} conversations of theirs: {} differ{still}", differ.len());
        if differ.is_empty() && undecided.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
