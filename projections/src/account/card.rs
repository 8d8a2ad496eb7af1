//! Cards of accounts in memory. How old one may be is measured by its row, never in time: whoever shows a card has read
//! in the same query which state of the row is the newest, and what is kept of another state is asked for again.

use crate::{Error, Shared, metrics};
use hashlink::LruCache;
use natter_client::wire;
use natter_domain::{
    AccountId, KeyId, Sealed,
    account::{Audience, Settings, Visible},
};
use natter_streams::{sealing::Opener, statement};
use sqlx::{Row, postgres::PgRow};
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

/// What the one who looks is to the one who is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Viewer {
    Oneself,
    Friend,
    Stranger,
}

/// All that an account tells, and to whom. Only [`Self::to`] gives anything of it out.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    whole: wire::Account,
    visible: Visible,
}

impl Card {
    /// As this one may see it.
    pub(crate) fn to(&self, viewer: Viewer) -> wire::Account {
        let mut account = self.whole.clone();
        for (field, audience) in [
            (&mut account.birthday, self.visible.birthday),
            (&mut account.gender, self.visible.gender),
            (&mut account.region, self.visible.region),
        ] {
            if !sees(viewer, audience) {
                *field = None;
            }
        }
        if viewer != Viewer::Oneself {
            (account.email, account.phone) = (None, None);
        }
        account
    }
}

fn sees(viewer: Viewer, audience: Audience) -> bool {
    match audience {
        Audience::All => true,
        Audience::Friends => viewer != Viewer::Stranger,
        Audience::Nobody => viewer == Viewer::Oneself,
    }
}

/// Of all generations: what one event made of a row is the same in each.
pub(crate) struct Cards {
    kept: Mutex<LruCache<AccountId, (State, Card)>>,
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

    fn get(&self, account: AccountId, state: State) -> Option<Card> {
        let mut kept = self.kept();
        kept.get(&account).filter(|(of, _)| *of == state).map(|(_, card)| card.clone())
    }

    fn put(&self, account: AccountId, state: State, card: Card) {
        self.kept().insert(account, (state, card));
    }

    /// Its key was destroyed.
    pub(crate) fn forget(&self, account: AccountId) {
        self.kept().remove(&account);
    }

    pub(crate) fn forget_all(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, LruCache<AccountId, (State, Card)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cards of these accounts, none older than the state of it that the caller saw; what is not in memory is asked for
/// in one query. Who has no state has no card.
pub(crate) async fn shown(
    shared: &Shared,
    wanted: impl IntoIterator<Item = (AccountId, Option<State>)>,
) -> Result<HashMap<AccountId, Card>, Error> {
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

/// The columns of a card, by their names.
const COLUMNS: &str =
    "account_id, username, nickname, avatar, signature, gender, region, birthday, custom, email, phone,
    settings, closed_at IS NOT NULL AS closed";

/// Of these those that are sealed.
const SEALED: [&str; 9] =
    ["username", "nickname", "signature", "gender", "region", "birthday", "custom", "email", "phone"];

/// The keys of a row.
fn keys(row: &PgRow) -> impl Iterator<Item = (Uuid, KeyId)> {
    let sealed = |column: &str| Sealed::key_of(row.get::<Option<&str>, _>(column)?);
    SEALED.into_iter().filter_map(move |column| Some((row.get("account_id"), sealed(column)?)))
}

/// What a row says.
fn card(row: &PgRow, opener: &Opener) -> Result<Card, Error> {
    let id: Uuid = row.get("account_id");
    if row.get("closed") {
        let whole = wire::Account { closed: true, ..wire::Account::named(id, None, None) };
        return Ok(Card { whole, visible: Visible::default() });
    }
    let told = |column| opener.open_text(id, &Sealed::parse(row.get::<Option<&str>, _>(column)?)?);
    let whole = wire::Account {
        id,
        username: told("username"),
        nickname: told("nickname"),
        avatar: row.get("avatar"),
        signature: told("signature"),
        gender: told("gender"),
        region: told("region"),
        birthday: told("birthday"),
        custom: told("custom").and_then(|json| serde_json::from_str(&json).ok()),
        email: told("email"),
        phone: told("phone"),
        closed: false,
    };
    let settings: Option<String> = row.get("settings");
    Ok(Card { whole, visible: self::settings(settings.as_deref())?.visible })
}

/// A row's settings.
pub(crate) fn settings(json: Option<&str>) -> Result<Settings, Error> {
    json.map_or(Ok(Settings::default()), |json| serde_json::from_str(json).map_err(Error::Settings))
}

/// As the rows are now. Not kept here: who asks for everybody by id would drive out what lists show.
pub(crate) async fn read(shared: &Shared, accounts: &[AccountId]) -> Result<Vec<(AccountId, State, Card)>, Error> {
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
    let sql = format!(
        "SELECT {COLUMNS}, changed, account.xmin::text::bigint AS writer FROM account
         WHERE account_id = ANY($1) AND registered_at IS NOT NULL"
    );
    let rows = sqlx::query(&sql)
        .bind(ids)
        .fetch_all(statement::bounded(&shared.pool()))
        .await
        .map_err(Error::database("read accounts"))?;
    shared.cards.reads.fetch_add(rows.len() as u64, Ordering::Relaxed);
    metrics::cards_read(rows.len());
    let opener = shared.keys.opener(rows.iter().flat_map(keys).collect::<Vec<_>>()).await?;
    let read = |row: &PgRow| {
        let state = State { changed: row.get("changed"), writer: row.get("writer") };
        Ok((AccountId(row.get("account_id")), state, card(row, &opener)?))
    };
    rows.iter().map(read).collect()
}

/// Stands for a person whose lane is read less far than the lane that names them: better than leaving out a friend.
pub(crate) fn unknown(account: AccountId) -> wire::Account {
    wire::Account::named(account.0, None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId(Uuid::from_u128(1));

    fn nobody() -> Card {
        Card { whole: unknown(ALICE), visible: Visible::default() }
    }

    #[test]
    fn who_sees_what() {
        let told = Some("told".to_owned());
        // to whom a field is shown: oneself, a friend, a stranger
        for (audience, seen) in [
            (Audience::All, [true, true, true]),
            (Audience::Friends, [true, true, false]),
            (Audience::Nobody, [true, false, false]),
        ] {
            for (viewer, sees) in [Viewer::Oneself, Viewer::Friend, Viewer::Stranger].into_iter().zip(seen) {
                for field in 0..3 {
                    let mut visible =
                        Visible { birthday: Audience::Nobody, gender: Audience::Nobody, region: Audience::Nobody };
                    *[&mut visible.birthday, &mut visible.gender, &mut visible.region][field] = audience;
                    let (birthday, gender, region) = (told.clone(), told.clone(), told.clone());
                    let whole = wire::Account { birthday, gender, region, ..unknown(ALICE) };
                    let shown = Card { whole, visible }.to(viewer);
                    let fields = [shown.birthday, shown.gender, shown.region];
                    assert_eq!(fields[field].is_some(), sees, "{viewer:?} {audience:?} {field}");
                    let others = fields.iter().filter(|it| it.is_some()).count() - usize::from(sees);
                    assert_eq!(others, if viewer == Viewer::Oneself { 2 } else { 0 }, "{viewer:?} {audience:?}");
                }
            }
        }
    }

    #[test]
    fn nobody_else_sees_how_somebody_is_reached() {
        let reached = || Some("alice@example.org".to_owned());
        let whole = wire::Account { email: reached(), phone: reached(), ..unknown(ALICE) };
        let card = Card { whole, visible: Visible::default() };
        for (viewer, sees) in [(Viewer::Oneself, true), (Viewer::Friend, false), (Viewer::Stranger, false)] {
            let shown = card.to(viewer);
            assert_eq!((shown.email.is_some(), shown.phone.is_some()), (sees, sees), "{viewer:?}");
        }
    }

    #[test]
    fn a_card_is_good_for_the_state_that_it_shows_only() {
        let cards = Cards::default();
        let of = |changed, writer| State { changed, writer };
        cards.put(ALICE, of(5, 70), nobody());
        assert!(cards.get(ALICE, of(5, 70)).is_some());
        assert!(cards.get(ALICE, of(6, 71)).is_none(), "it changed");
        assert!(cards.get(ALICE, of(5, 71)).is_none(), "another log's event 5");
    }

    #[test]
    fn a_card_is_forgotten_with_its_key() {
        let (cards, state) = (Cards::default(), State { changed: 1, writer: 1 });
        cards.put(ALICE, state, nobody());
        cards.forget(AccountId(Uuid::from_u128(2)));
        assert!(cards.get(ALICE, state).is_some());
        cards.forget(ALICE);
        assert!(cards.get(ALICE, state).is_none());
        cards.put(ALICE, state, nobody());
        cards.forget_all();
        assert!(cards.get(ALICE, state).is_none());
    }

    #[test]
    fn cards_are_bounded_and_those_that_are_shown_stay() {
        let cards = Cards::default();
        let state = State { changed: 1, writer: 1 };
        cards.put(ALICE, state, nobody());
        for number in 2..3 * ROOM as u128 {
            let account = AccountId(Uuid::from_u128(number));
            cards.put(account, state, nobody());
            if number % 1_000 == 0 {
                assert!(cards.get(ALICE, state).is_some(), "after {number}");
            }
        }
        assert_eq!(cards.kept().len(), ROOM);
    }
}
