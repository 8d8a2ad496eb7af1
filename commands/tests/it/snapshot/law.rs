//! The law, for every noun and any history: what is loaded is what the whole log says, whenever the projector was
//! stopped, and the snapshots are the same.

use super::{Scene, Stored, draft, folded};
use crate::support::eventually;
use natter_commands::snapshot::Settings;
use natter_domain::{
    AccountId, ConversationId, Decider, HandleId, KeyId, MessageId, RequestId, Sealed, Timestamp,
    account::{self, Account},
    conversation::{self, Conversation},
    friendship::{self, Friendship},
    handle::{self, Handle},
    inbox::{self, Inbox},
    session::{self, Session},
};
use natter_streams::{Draft, id};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};
use std::{future::poll_fn, pin::pin, task::Poll};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// What the law is tried on.
trait Told: Decider {
    fn event() -> BoxedStrategy<Self::Event>;
}

#[derive(Clone, Debug)]
struct Case<E> {
    /// One per aggregate.
    histories: Vec<Vec<E>>,
    every: u64,
    /// What is written before the first stop.
    first: Index,
    /// After so many steps the projector is dropped, each time where it just was.
    stops: Vec<usize>,
}

fn cases<D: Told>() -> impl Strategy<Value = Case<D::Event>> {
    (vec(vec(D::event(), 0..30), 1..4), 1..9_u64, any::<Index>(), vec(0..40_usize, 0..4))
        .prop_map(|(histories, every, first, stops)| Case { histories, every, first, stops })
}

#[test]
fn what_is_loaded_is_what_the_whole_log_says_wherever_the_projector_was_stopped() {
    let runtime = Runtime::new().expect("a runtime");
    let mut scene = runtime.block_on(Scene::set());
    holds_for::<Account>(&runtime, &mut scene);
    holds_for::<Handle>(&runtime, &mut scene);
    holds_for::<Session>(&runtime, &mut scene);
    holds_for::<Friendship>(&runtime, &mut scene);
    holds_for::<Conversation>(&runtime, &mut scene);
    holds_for::<Inbox>(&runtime, &mut scene);
}

fn holds_for<D: Told>(runtime: &Runtime, scene: &mut Scene) {
    let config = Config { cases: 12, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let scene = std::cell::RefCell::new(scene);
    TestRunner::new(config)
        .run(&cases::<D>(), |case| {
            #[expect(clippy::await_holding_refcell_ref, reason = "one case runs at a time, on this thread")]
            runtime.block_on(async { play::<D>(&mut scene.borrow_mut(), &case).await })
        })
        .unwrap_or_else(|failure| panic!("{}: {failure}", D::NOUN));
}

async fn play<D: Told>(scene: &mut Scene, case: &Case<D::Event>) -> Result<(), TestCaseError> {
    let ids: Vec<Uuid> = case.histories.iter().map(|_| id::new()).collect();
    let drafts = drafts::<D>(&ids, &case.histories);
    let (before, after) = drafts.split_at(case.first.index(drafts.len() + 1));
    let settings = Settings { every: case.every, ..Settings::default() };
    scene.append_all(before).await;
    for stop in &case.stops {
        stopped_after(*stop, scene, settings, &due(before, case.every)).await;
    }
    scene.append_all(after).await;
    let due = due(&drafts, case.every);
    // Two at once: a lease that has just changed hands.
    let (one, other) = (scene.start(settings), scene.start(settings));
    made(scene, &due).await;
    one.stop().await;
    other.stop().await;
    for (id, history) in ids.into_iter().zip(&case.histories) {
        let length = history.len() as u64;
        let snapshot = length - length % case.every;
        let stored = scene.stored(id).await;
        let text = serde_json::to_string(&folded::<D>(&history[..snapshot as usize])).expect("a state is JSON");
        prop_assert_eq!(
            stored.map(|Stored { sequence, version, state, .. }| (sequence, version, state)),
            (snapshot > 0).then_some((snapshot, D::STATE_VERSION as i32, text))
        );
        let loaded = scene.load::<D>(id).await;
        prop_assert_eq!(loaded.state, folded::<D>(history));
        prop_assert_eq!((loaded.sequence, loaded.read), (length, length - snapshot));
    }
    Ok(())
}

/// All histories' events, taken in turn.
fn drafts<D: Decider>(ids: &[Uuid], histories: &[Vec<D::Event>]) -> Vec<Draft> {
    let longest = histories.iter().map(Vec::len).max().unwrap_or(0);
    let turn = |index: usize| {
        let events = ids.iter().zip(histories).filter_map(move |(id, history)| Some((*id, history.get(index)?)));
        events.map(move |(id, event)| draft::<D>(id, index as u64 + 1, event))
    };
    (0..longest).flat_map(turn).collect()
}

/// The snapshots that there must be in the end.
fn due(drafts: &[Draft], every: u64) -> Vec<(Uuid, u64)> {
    let mut due = std::collections::BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.sequence.is_multiple_of(every)) {
        due.insert(draft.address.id, draft.sequence);
    }
    due.into_iter().collect()
}

async fn made(scene: &Scene, due: &[(Uuid, u64)]) {
    eventually("the snapshots are made", async || {
        for (id, sequence) in due {
            let stored = scene.stored(*id).await;
            if stored.as_ref().is_none_or(|stored| stored.sequence != *sequence) {
                return Err(format!("{id}: {stored:?}, not {sequence}"));
            }
        }
        Ok(())
    })
    .await;
}

/// Polls a projector so many times and drops it, or does when all is made.
async fn stopped_after(polls: usize, scene: &Scene, settings: Settings, due: &[(Uuid, u64)]) {
    let mut projector = pin!(scene.projector(settings));
    let mut left = polls;
    let polled = poll_fn(|context| {
        let Some(less) = left.checked_sub(1) else { return Poll::Ready(()) };
        left = less;
        projector.as_mut().poll(context)
    });
    tokio::select! {
        () = polled => {}
        () = made(scene, due) => {}
    }
}

fn sealed() -> impl Strategy<Value = Sealed> {
    vec(any::<u8>(), 0..9).prop_map(|bytes| Sealed { key: KeyId::Installation, bytes })
}

fn ids<T: From<Uuid> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    (1..5_u128).prop_map(|number| Uuid::from_u128(number).into())
}

fn moments() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_i64).prop_map(Timestamp::from_millis)
}

impl Told for Account {
    fn event() -> BoxedStrategy<account::Event> {
        let handles = || vec(ids::<HandleId>(), 0..3);
        let started = (sealed(), sealed(), ".{0,5}", handles(), moments()).prop_map(
            |(username, nickname, password_hash, handles, expires_at)| account::Event::RegistrationStarted {
                username,
                nickname,
                password_hash,
                handles,
                expires_at,
                email: None,
                phone: None,
                identity: None,
                prefixes: vec![],
            },
        );
        let abandoned = handles().prop_map(|handles| account::Event::RegistrationAbandoned { handles });
        prop_oneof![4 => started, 2 => Just(account::Event::Registered {}), 1 => abandoned].boxed()
    }
}

impl Told for Handle {
    fn event() -> BoxedStrategy<handle::Event> {
        let claimed = (ids(), moments()).prop_map(|(by, until)| handle::Event::Claimed { by, until });
        let released = ids().prop_map(|by| handle::Event::Released { by });
        prop_oneof![claimed, released].boxed()
    }
}

impl Told for Session {
    fn event() -> BoxedStrategy<session::Event> {
        let opened = (ids(), ".{0,5}", moments()).prop_map(|(account_id, refresh_hash, expires_at)| {
            session::Event::Opened { account_id, device: None, refresh_hash, expires_at, address: None }
        });
        let refreshed = (ids(), any::<u32>(), ".{0,5}", moments()).prop_map(
            |(account_id, generation, refresh_hash, expires_at)| session::Event::Refreshed {
                account_id,
                generation,
                refresh_hash,
                expires_at,
                address: None,
            },
        );
        let reason = select(vec![session::Reason::LoggedOut, session::Reason::RefreshTokenReused]);
        let revoked = (ids(), reason).prop_map(|(account_id, reason)| session::Event::Revoked { account_id, reason });
        prop_oneof![5 => opened, 20 => refreshed, 1 => revoked].boxed()
    }
}

impl Told for Friendship {
    fn event() -> BoxedStrategy<friendship::Event> {
        let people = || (ids::<RequestId>(), ids::<AccountId>(), ids::<AccountId>());
        let requested = (people(), proptest::option::of(sealed()), moments(), moments()).prop_map(
            |((request_id, from, to), message, at, expires_at)| friendship::Event::Requested {
                request_id,
                from,
                to,
                message,
                at,
                expires_at,
                source: None,
            },
        );
        let accepted =
            (people(), ids()).prop_map(|((request_id, from, to), conversation_id)| friendship::Event::Accepted {
                request_id,
                from,
                to,
                conversation_id,
                standing: conversation::Standing::first(),
            });
        let rejected = people().prop_map(|(request_id, from, to)| friendship::Event::Rejected { request_id, from, to });
        prop_oneof![requested, accepted, rejected].boxed()
    }
}

impl Told for Conversation {
    fn event() -> BoxedStrategy<conversation::Event> {
        let started = (vec(ids::<AccountId>(), 0..4), proptest::option::of(sealed())).prop_map(|(members, name)| {
            let kind = if name.is_some() { conversation::Kind::Group } else { conversation::Kind::Direct };
            conversation::Event::Started { kind, owner: members.first().copied(), members, name }
        });
        let joined = (any::<u64>(), vec(ids(), 0..4), ids())
            .prop_map(|(seq, account_ids, by)| conversation::Event::added(seq, account_ids, by));
        let left = (any::<u64>(), ids(), ids(), any::<u64>()).prop_map(|(seq, account_id, by, joined_seq)| {
            conversation::Event::MemberLeft { seq, account_id, by, joined_seq }
        });
        let renamed = (sealed(), ids(), any::<u64>()).prop_map(|(name, by, last_seq)| conversation::Event::Renamed {
            name,
            by,
            last_seq,
            is_message: true,
        });
        let sent = (ids::<MessageId>(), any::<u64>(), ids(), sealed(), any::<u32>()).prop_map(
            |(message_id, seq, sender, body, size)| conversation::Event::MessageSent {
                message_id,
                seq,
                sender,
                body,
                body_kind: conversation::BodyKind::Text,
                size,
                details: Default::default(),
            },
        );
        prop_oneof![1 => started, 4 => sent, 2 => joined, 2 => left, 1 => renamed].boxed()
    }
}

impl Told for Inbox {
    fn event() -> BoxedStrategy<inbox::Event> {
        let cursor = || {
            (ids::<ConversationId>(), any::<u64>(), proptest::option::of(ids()))
                .prop_map(|(conversation_id, seq, peer)| inbox::Cursor { conversation_id, seq, peer })
        };
        let come = vec(cursor(), 0..4).prop_map(|cursors| inbox::Event::DeliveriesAdvanced { cursors });
        let advanced = vec(cursor(), 0..4).prop_map(|cursors| inbox::Event::CursorsAdvanced { cursors });
        let changed = (ids(), any::<[bool; 3]>(), proptest::option::of(any::<u64>()), proptest::option::of(sealed()))
            .prop_map(|(conversation_id, [pinned, archived, marked_unread], hidden_seq, folder)| {
                let view = inbox::View { pinned, quiet_until: None, archived, hidden_seq, folder, marked_unread };
                inbox::Event::ViewChanged { conversation_id, view }
            });
        let drafted = (ids(), proptest::option::of(sealed()))
            .prop_map(|(conversation_id, draft)| inbox::Event::DraftChanged { conversation_id, draft });
        let cleared = (ids(), any::<u64>())
            .prop_map(|(conversation_id, up_to_seq)| inbox::Event::Cleared { conversation_id, up_to_seq });
        let announced = (ids(), any::<u64>())
            .prop_map(|(conversation_id, seq)| inbox::Event::AnnouncementRead { conversation_id, seq });
        prop_oneof![4 => advanced, 2 => come, 2 => changed, 1 => drafted, 1 => cleared, 1 => announced].boxed()
    }
}
