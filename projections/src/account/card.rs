//! Cards of accounts in memory. How old one may be is measured by its row, never in time: whoever shows a card has read
//! in the same query which state of the row is the newest, and what is kept of another state is asked for again.

use crate::{Error, Shared, metrics};
use hashlink::LruCache;
use natter_client::wire;
use natter_domain::{AccountId, Sealed};
use natter_streams::{keyring::Keyring, statement};
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use uuid::Uuid;

/// Cards that are kept.
const ROOM: usize = 16_384;

/// Which state of an account's row a card shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
    /// The lane position of the newest event.
    changed: i64,
    /// Who wrote the row. After a loss was declared, a position means another event.
    writer: i64,
}

/// The columns of a [`State`], of the table `account`: null where there is none, or nobody may see it yet.
pub(crate) const STATE: &str = "account.changed, account.xmin::text::bigint";

/// These columns, read.
pub(crate) fn state(changed: Option<i64>, writer: Option<i64>) -> Option<State> {
    Some(State { changed: changed?, writer: writer? })
}

/// Of all generations: what one event made of a row is the same in each.
pub(crate) struct Cards {
    kept: Mutex<LruCache<AccountId, (State, wire::Account)>>,
    reads: AtomicU64,
}

impl Default for Cards {
    fn default() -> Self {
        Self { kept: Mutex::new(LruCache::new(ROOM)), reads: AtomicU64::new(0) }
    }
}

impl Cards {
    /// How many were read from PostgreSQL.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    fn get(&self, account: AccountId, state: State) -> Option<wire::Account> {
        let mut kept = self.kept();
        kept.get(&account).filter(|(of, _)| *of == state).map(|(_, card)| card.clone())
    }

    fn put(&self, account: AccountId, state: State, card: wire::Account) {
        self.kept().insert(account, (state, card));
    }

    fn kept(&self) -> MutexGuard<'_, LruCache<AccountId, (State, wire::Account)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cards of these accounts, none older than the state of it that the caller saw; what is not in memory is asked for
/// in one query. Who has no state has no card.
pub(crate) async fn shown(
    shared: &Shared,
    wanted: impl IntoIterator<Item = (AccountId, Option<State>)>,
) -> Result<HashMap<AccountId, wire::Account>, Error> {
    let cards = &shared.cards;
    let (mut found, mut missing) = (HashMap::new(), Vec::new());
    for (account, state) in wanted {
        let Some(state) = state else { continue };
        match cards.get(account, state) {
            Some(card) => drop(found.insert(account, card)),
            None => missing.push(account),
        }
    }
    for (account, state, card) in read(shared, &missing).await? {
        cards.put(account, state, card.clone());
        found.insert(account, card);
    }
    Ok(found)
}

/// As the rows are now. Not kept here: who asks for everybody by id would drive out what lists show.
pub(crate) async fn read(
    shared: &Shared,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, State, wire::Account)>, Error> {
    type Row = (Uuid, String, String, i64, i64);
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
    let sql = format!(
        "SELECT account_id, username, nickname, {STATE} FROM account
         WHERE account_id = ANY($1) AND registered_at IS NOT NULL"
    );
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(ids)
        .fetch_all(statement::bounded(&shared.pool()))
        .await
        .map_err(Error::database("read accounts"))?;
    shared.cards.reads.fetch_add(rows.len() as u64, Ordering::Relaxed);
    metrics::cards_read(rows.len());
    let read = |(id, username, nickname, changed, writer): Row| {
        (AccountId(id), State { changed, writer }, card(&shared.keyring, id, &username, &nickname))
    };
    Ok(rows.into_iter().map(read).collect())
}

/// The card of a row.
pub(crate) fn card(keyring: &Keyring, id: Uuid, username: &str, nickname: &str) -> wire::Account {
    let open = |text: &str| Sealed::parse(text).and_then(|sealed| keyring.open_text(id, &sealed));
    wire::Account { id, username: open(username), nickname: open(nickname), avatar: None }
}

/// Stands for a person whose lane is read less far than the lane that names them: better than leaving out a friend.
pub(crate) fn unknown(account: AccountId) -> wire::Account {
    wire::Account { id: account.0, username: None, nickname: None, avatar: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId(Uuid::from_u128(1));

    #[test]
    fn a_card_is_good_for_the_state_that_it_shows_only() {
        let cards = Cards::default();
        let of = |changed, writer| State { changed, writer };
        cards.put(ALICE, of(5, 70), unknown(ALICE));
        assert!(cards.get(ALICE, of(5, 70)).is_some());
        assert!(cards.get(ALICE, of(6, 71)).is_none(), "it changed");
        assert!(cards.get(ALICE, of(5, 71)).is_none(), "another log's event 5");
    }

    #[test]
    fn cards_are_bounded_and_those_that_are_shown_stay() {
        let cards = Cards::default();
        let state = State { changed: 1, writer: 1 };
        cards.put(ALICE, state, unknown(ALICE));
        for number in 2..3 * ROOM as u128 {
            let account = AccountId(Uuid::from_u128(number));
            cards.put(account, state, unknown(account));
            if number % 1_000 == 0 {
                assert!(cards.get(ALICE, state).is_some(), "after {number}");
            }
        }
        assert_eq!(cards.kept().len(), ROOM);
    }
}
