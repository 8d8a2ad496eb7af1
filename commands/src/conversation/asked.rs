//! What those who are to be added to a group are to whoever adds them: asked of their own lanes just before the command is
//! queued, in which it rides.

use crate::{Commands, error::Error, friendship::between};
use futures::{StreamExt, TryStreamExt};
use natter_domain::{
    AccountId, Code,
    account::{self, Account, GroupsFrom},
    conversation::Asked,
};
use std::collections::BTreeSet;

/// Accounts that one call asks about at the same time. Each question may read an aggregate from the log.
const ASKED_AT_ONCE: usize = 32;

/// What somebody is to the one who adds them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Comes,
    IsAsked,
    /// There is a block between the two: they are asked, and do not know it.
    Untold,
    Unknown,
}

/// About those who are not `settled`, each once.
pub(super) async fn about(
    commands: &Commands,
    me: AccountId,
    accounts: &[AccountId],
    settled: &(dyn Fn(AccountId) -> bool + Sync),
) -> Result<Asked, Error> {
    let mut seen = BTreeSet::from([me]);
    let questions: Vec<AccountId> =
        accounts.iter().copied().filter(|&account| seen.insert(account) && !settled(account)).collect();
    let asks = questions
        .into_iter()
        .map(|account| async move { Ok::<_, Error>((account, relation(commands, me, account).await?)) });
    let asks: Vec<_> = asks.collect();
    let answers: Vec<_> = futures::stream::iter(asks).buffer_unordered(ASKED_AT_ONCE).try_collect().await?;
    let of = |wanted: Relation| answers.iter().filter(|(_, it)| *it == wanted).map(|(account, _)| *account).collect();
    Ok(Asked {
        coming: of(Relation::Comes),
        untold: of(Relation::Untold),
        invited: of(Relation::IsAsked),
        unknown: of(Relation::Unknown),
        members_max: commands.groups.members_max,
    })
}

async fn relation(commands: &Commands, me: AccountId, other: AccountId) -> Result<Relation, Error> {
    let dispatch = &commands.dispatch;
    let account = dispatch.inspect::<Account>(account::address(other));
    let (between, account) = tokio::try_join!(between(dispatch, me, other), account)?;
    let account::State::Registered(person) = &*account else {
        // A friend's that was closed too.
        return Ok(Relation::Unknown);
    };
    Ok(match person.settings.groups_from {
        _ if between.is_barred => Relation::Untold,
        GroupsFrom::All => Relation::Comes,
        GroupsFrom::Friends if between.friends => Relation::Comes,
        GroupsFrom::Friends | GroupsFrom::Nobody => Relation::IsAsked,
    })
}

/// The place in the list of the first one of whom there is no account.
pub(super) fn first_unknown(asked: &Asked, accounts: &[AccountId]) -> Option<usize> {
    accounts.iter().position(|account| asked.unknown.contains(account))
}

/// Who does not exist is named by their place in the list.
pub(super) fn explain(asked: &Asked, error: Error, accounts: &[AccountId]) -> Error {
    match (error, first_unknown(asked, accounts)) {
        (Error::Refused { code: Code::InvalidInput, .. }, Some(index)) => Error::UnknownAccount { index },
        (error, _) => error,
    }
}
