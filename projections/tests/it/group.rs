//! Groups: who is in, and what they see of it.

mod left;
mod told;

use crate::support::{A_MOMENT, BOUND, World};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId,
    conversation::{self, Bucket, Change, Event, JoinPolicy, Kind, Permissions, Role, Way, system_message_id},
};
use natter_projections::{
    Page, Projection, Projections,
    conversation::{MemberFilter, Members},
    message::Range,
};
use natter_streams::{Positions, clock, id};
use serde_json::{Value, json};

const ALL: [Projection; 3] = Projection::ALL;

/// A group of some people, the first of whom owns it; what happens to it is numbered here.
struct Group<'a> {
    world: &'a World,
    id: ConversationId,
    owner: AccountId,
    last_seq: u64,
}

impl<'a> Group<'a> {
    async fn start(world: &'a World, members: &[AccountId]) -> Self {
        let group = Self { world, id: ConversationId(id::new()), owner: members[0], last_seq: 1 };
        let name = Some(world.sealed(group.id.0, "us"));
        let owner = Some(group.owner);
        group.append(Event::Started { kind: Kind::Group, members: members.to_vec(), name, owner }).await;
        group
    }

    async fn append(&self, event: Event) -> Positions {
        self.world.append(conversation::address(self.id), &event).await
    }

    fn next(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    fn joining(&mut self, account_ids: &[AccountId]) -> Event {
        Event::added(self.next(), account_ids.to_vec(), self.owner)
    }

    fn leaving(&mut self, account_id: AccountId, joined_seq: u64) -> Event {
        Event::MemberLeft { seq: self.next(), account_id, by: account_id, joined_seq }
    }

    fn saying(&mut self) -> Event {
        let seq = self.next();
        self.world.message(self.id, self.owner, seq)
    }

    fn renaming(&self, name: &str) -> Event {
        Event::Renamed {
            name: self.world.sealed(self.id.0, name),
            by: self.owner,
            last_seq: self.last_seq,
            is_message: false,
        }
    }

    async fn seen_by(&self, projections: &Projections, viewer: AccountId) -> Vec<u64> {
        let all = Range { after_seq: Some(0), limit: 200, ..Range::default() };
        let page = projections.message().page(viewer, self.id, all).await.unwrap();
        page.unwrap_or_default().iter().map(|message| message.seq).collect()
    }
}

async fn people<const N: usize>(world: &World, names: [&str; N]) -> [AccountId; N] {
    let mut people = [AccountId(uuid::Uuid::nil()); N];
    for (person, name) in people.iter_mut().zip(names) {
        *person = world.register(name).await;
    }
    people
}

/// A group in which a little happens.
pub async fn lives(world: &World) {
    let [dave, erin] = people(world, ["dave", "erin"]).await;
    let mut group = Group::start(world, &[dave]).await;
    for _ in 0..3 {
        let joined_seq = group.last_seq;
        let joining = group.joining(&[erin]);
        group.append(joining).await;
        let saying = group.saying();
        group.append(saying).await;
        group.append(group.renaming("a little")).await;
        let leaving = group.leaving(erin, joined_seq);
        group.append(leaving).await;
    }
    for event in set_up(&mut group, dave, erin) {
        group.append(event).await;
    }
}

/// Whatever can happen to a group; at last it is dissolved.
fn set_up(group: &mut Group<'_>, dave: AccountId, erin: AccountId) -> Vec<Event> {
    let (world, id, by, now) = (group.world, group.id, group.owner, clock::now());
    let later = now + A_MOMENT;
    let (link_id, frank) = (id::new(), AccountId(id::new()));
    let said = |text: &str| world.sealed(id.0, text);
    let invited = |account| Event::MembersInvited {
        account_ids: vec![account],
        untold: vec![],
        joined: vec![],
        by,
        at: now,
        expires_at: later,
    };
    let asked = |account| Event::JoinRequested { account_id: account, message: None, at: now, expires_at: later };
    let mut events: Vec<Event> = [
        Change::Avatar(Some(id::new())),
        Change::Description(Some(said("old friends"))),
        Change::JoinPolicy(JoinPolicy::Approval),
        Change::SharesHistory(true),
        Change::Muted(true),
        Change::SlowMode(30),
        Change::Permissions(Permissions { pin: Role::Admin, ..Permissions::default() }),
    ]
    .map(|change| {
        let last_seq = if change.is_told() { group.next() } else { group.last_seq };
        Event::Changed { change, by, last_seq }
    })
    .into();
    let announced = Event::Announced { seq: group.next(), text: Some(said("tonight")), by };
    let promoted = Event::RoleChanged { seq: group.next(), account_id: dave, role: Role::Admin, by };
    let last_seq = group.last_seq;
    let by_link = Event::MembersJoined {
        seq: group.next(),
        account_ids: vec![erin],
        by: erin,
        way: Way::Link(link_id),
        begins: vec![last_seq - 3],
    };
    let nickname = Some(world.sealed(dave.0, "davy"));
    events.extend([
        announced,
        promoted,
        Event::NicknameChanged { account_id: dave, nickname, bucket: Some(Bucket(17)), by: dave, last_seq },
        Event::LinkMade { link_id, secret: said("secret"), by, at: now, expires_at: None, uses: Some(3) },
        Event::LinkMade {
            link_id: id::new(),
            secret: said("another"),
            by,
            at: now,
            expires_at: Some(later),
            uses: None,
        },
        invited(erin),
        asked(erin),
        by_link,
        Event::MemberMuted { account_id: erin, until: Some(later), by, last_seq },
        invited(frank),
        invited(AccountId(id::new())),
        Event::InvitationEnded { account_id: frank, by, is_told: true },
        asked(AccountId(id::new())),
        asked(frank),
        Event::JoinDeclined { account_id: frank, by },
        Event::Banned { account_id: frank, by },
        Event::Banned { account_id: AccountId(id::new()), by },
        Event::Unbanned { account_id: frank, by },
    ]);
    events.push(Event::OwnerChanged { seq: group.next(), account_id: dave, by });
    let muted = Event::MemberLeft { seq: group.next(), account_id: erin, by: dave, joined_seq: last_seq - 3 };
    events.extend([muted, Event::added(group.next(), vec![erin], dave)]);
    events.push(Event::Dissolved { seq: group.next(), by: dave, ends_at: later });
    events
}

/// A muted member leaves and comes back; a link is used once; a group that has ended is nobody's.
#[tokio::test]
async fn what_was_set_up_is_read() {
    let world = World::new().await;
    let [dave, erin] = people(&world, ["dave", "erin"]).await;
    let mut group = Group::start(&world, &[dave]).await;
    let (projections, running) = world.start().await;
    let mut events = set_up(&mut group, dave, erin);
    let dissolved = events.pop().expect("the last one");
    for event in events {
        group.append(event).await;
    }
    caught_up(&projections).await;
    let links = projections.door().links(group.id, None).await.unwrap();
    assert_eq!(links.iter().map(|link| link.used).sum::<u32>(), 1);
    group.append(dissolved).await;
    caught_up(&projections).await;
    let own = projections.conversation().get(erin, group.id).await.unwrap().expect("she is in");
    let settings = own.conversation.settings.clone().expect("it is a group");
    assert_eq!((settings.join_policy.as_str(), settings.slow_mode, settings.muted), ("approval", 30, true));
    assert_eq!(own.conversation.description.as_deref(), Some("old friends"));
    assert_eq!((own.conversation.state.as_str(), own.role.as_deref()), ("dissolved", Some("member")));
    let found = projections.conversation().member(group.id, erin).await.unwrap().expect("she is in");
    assert!(found.muted_until.is_some(), "who comes back is muted still: {found:?}");
    for (role, who) in [(Role::Owner, dave), (Role::Admin, group.owner), (Role::Member, erin)] {
        let filter = MemberFilter { role: Some(role), ..MemberFilter::default() };
        let page = projections.conversation().members(dave, group.id, filter, &whole()).await.unwrap();
        let Members::Are(found) = page else { panic!("dave is in") };
        assert_eq!(found.items.iter().map(|it| it.account_id).collect::<Vec<_>>(), [who.0], "{role:?}");
    }
    let log = projections.door().log(group.id, &Page { cursor: None, limit: 200 }).await.unwrap();
    assert_eq!(log.items[0].action, "dissolved");

    group.append(Event::Ended {}).await;
    caught_up(&projections).await;
    for viewer in [group.owner, dave, erin] {
        assert!(projections.conversation().get(viewer, group.id).await.unwrap().is_none());
        assert_eq!(group.seen_by(&projections, viewer).await, [] as [u64; 0]);
    }
    running.stop().await;
}

/// In batches of one event, and all in one batch.
#[tokio::test]
async fn who_was_in_when_it_was_dissolved_sees_that_also_after_they_left() {
    for together in [false, true] {
        let world = World::new().await;
        let [alice, bob, carol] = people(&world, ["alice", "bob", "carol"]).await;
        let mut group = Group::start(&world, &[alice, bob, carol]).await;
        let (projections, running) = world.start().await;
        let mut events = vec![group.leaving(bob, 0)];
        events.push(Event::Dissolved { seq: group.next(), by: alice, ends_at: clock::now() + A_MOMENT });
        events.push(group.leaving(carol, 0));
        let mut drafts = Vec::new();
        for event in &events {
            drafts.push(world.draft(conversation::address(group.id), event).await);
            if !together {
                world.commit(std::mem::take(&mut drafts)).await;
                caught_up(&projections).await;
            }
        }
        if together {
            world.commit(drafts).await;
            caught_up(&projections).await;
        }
        let mut seen = Vec::new();
        for viewer in [alice, bob, carol] {
            let own = projections.conversation().get(viewer, group.id).await.unwrap().unwrap().conversation;
            seen.push((own.state, own.ends_at.is_some(), own.settings.is_some()));
        }
        let [dissolved, open] = ["dissolved", "open"].map(str::to_owned);
        assert_eq!(seen, [(dissolved.clone(), true, true), (open, false, false), (dissolved, true, false)]);
        running.stop().await;
    }
}

#[tokio::test]
async fn the_door_shows_what_lets_somebody_in() {
    let world = World::new().await;
    let [alice, bob, carol] = people(&world, ["alice", "bob", "carol"]).await;
    let group = Group::start(&world, &[alice, bob]).await;
    let (projections, running) = world.start().await;
    let (now, later) = (clock::now(), clock::now() + 100 * BOUND);
    let secret = world.sealed(group.id.0, "secret");
    let link =
        |by| Event::LinkMade { link_id: id::new(), secret: secret.clone(), by, at: now, expires_at: None, uses: None };
    let invited = |account, by| Event::MembersInvited {
        account_ids: vec![account],
        untold: vec![],
        joined: vec![],
        by,
        at: now,
        expires_at: later,
    };
    let policy = |policy| Event::Changed { change: Change::JoinPolicy(policy), by: alice, last_seq: 1 };
    for event in [link(alice), link(bob), invited(carol, bob)] {
        group.append(event).await;
    }
    let shown = async || {
        caught_up(&projections).await;
        let links = projections.door().links(group.id, None).await.unwrap().len();
        (links, projections.door().invitations(carol, &whole()).await.unwrap().items.len())
    };
    assert_eq!(shown().await, (2, 1));
    group.append(policy(JoinPolicy::Closed)).await;
    assert_eq!(shown().await, (0, 0), "links are dead, and bob is no admin");
    let promoted = Event::RoleChanged { seq: 2, account_id: bob, role: Role::Admin, by: alice };
    group.append(promoted).await;
    assert_eq!(shown().await, (0, 1), "an admin's invitation");
    group.append(policy(JoinPolicy::Open)).await;
    assert_eq!(shown().await, (2, 1));
    // Nobody comes by what somebody made who is banned.
    group.append(Event::MemberLeft { seq: 3, account_id: bob, by: alice, joined_seq: 0 }).await;
    group.append(Event::Banned { account_id: bob, by: alice }).await;
    assert_eq!(shown().await, (1, 0));
    group.append(invited(carol, alice)).await;
    assert_eq!(shown().await, (1, 1));
    group.append(policy(JoinPolicy::Closed)).await;
    assert_eq!(shown().await, (0, 1), "the owner's invitation");
    group.append(policy(JoinPolicy::Open)).await;
    group.append(Event::Dissolved { seq: 4, by: alice, ends_at: later }).await;
    assert_eq!(shown().await.0, 0);
    running.stop().await;
}

fn whole() -> Page {
    Page { cursor: None, limit: 50 }
}

async fn caught_up(projections: &Projections) {
    projections.catch_up(&ALL).await.unwrap();
}

#[tokio::test]
async fn stays_are_kept_one_by_one_also_where_one_batch_has_several() {
    let world = World::new().await;
    let [alice, bob, carol] = people(&world, ["alice", "bob", "carol"]).await;
    let mut group = Group::start(&world, &[alice, bob]).await;
    let (projections, running) = world.start().await;
    let mut events = vec![group.saying(), group.leaving(bob, 0), group.saying()]; // 2, 3, 4
    events.push(group.joining(&[bob, carol])); // 5
    events.push(group.saying());
    events.push(group.leaving(bob, 4)); // 7
    events.push(group.saying());
    events.push(group.joining(&[bob])); // 9
    events.push(group.saying());
    let mut drafts = Vec::new();
    for event in &events {
        drafts.push(world.draft(conversation::address(group.id), event).await);
    }
    world.commit(drafts).await;
    caught_up(&projections).await;
    assert_eq!(group.seen_by(&projections, alice).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(group.seen_by(&projections, bob).await, [1, 2, 3, 5, 6, 7, 9, 10]);
    assert_eq!(group.seen_by(&projections, carol).await, [5, 6, 7, 8, 9, 10]);
    let stays: Vec<(i64, Option<i64>, bool)> = sqlx::query_as(
        "SELECT joined_seq, left_seq, left_position > joined_position FROM member
         WHERE conversation_id = $1 AND account_id = $2 ORDER BY joined_seq",
    )
    .bind(group.id.0)
    .bind(bob.0)
    .fetch_all(&world.pool)
    .await
    .map(|rows: Vec<(i64, Option<i64>, Option<bool>)>| {
        rows.into_iter().map(|(joined, left, later)| (joined, left, later.unwrap_or(false))).collect()
    })
    .unwrap();
    assert_eq!(stays, [(0, Some(3), true), (4, Some(7), true), (8, None, false)]);
    running.stop().await;
}

#[tokio::test]
async fn a_group_is_shown_with_its_name_its_members_and_what_happened() {
    let world = World::new().await;
    let [alice, bob, carol] = people(&world, ["alice", "bob", "carol"]).await;
    let mut group = Group::start(&world, &[alice, bob]).await;
    let joining = group.joining(&[carol]);
    pass_a_millisecond().await;
    group.append(joining).await;
    let (projections, running) = world.start().await;
    let own = projections.conversation().get(carol, group.id).await.unwrap().unwrap();
    assert_eq!((own.conversation.kind.as_str(), own.conversation.name.as_deref()), ("group", Some("us")));
    assert_eq!((own.conversation.member_count, own.conversation.last_seq), (3, 2));
    assert_eq!((own.joined_seq, own.left_seq, own.read_seq, own.unread), (1, None, 1, 0));
    assert_eq!((own.peer, own.conversation.account_ids), (None, vec![]));
    let last = own.last_message.unwrap();
    assert_eq!((last.seq, last.sender, last.message_id), (2, None, system_message_id(group.id, 2).0));
    let joined = wire::Body::System {
        code: "member.joined".to_owned(),
        text: "1 member joined".to_owned(),
        account_ids: vec![carol.0],
        by: Some(alice.0),
    };
    assert_eq!(last.body, Some(joined));

    let id = group.id;
    let members = async |viewer, page| {
        projections.conversation().members(viewer, id, MemberFilter::default(), &page).await.unwrap()
    };
    let Members::Are(all) = members(bob, Page { cursor: None, limit: 2 }).await else { panic!("bob is in") };
    let roles = |items: &[wire::Member]| -> Vec<(uuid::Uuid, String)> {
        items.iter().map(|member| (member.account_id, member.role.clone())).collect()
    };
    assert_eq!(all.items[0].account_id, carol.0, "the newest first");
    let Members::Are(rest) = members(bob, Page { cursor: all.next_cursor, limit: 2 }).await else { panic!("he is") };
    let mut found = roles(&[all.items, rest.items].concat());
    found.sort();
    let mut expected = [(alice.0, "owner"), (bob.0, "member"), (carol.0, "member")].map(|(id, it)| (id, it.to_owned()));
    expected.sort();
    assert_eq!((found, rest.next_cursor), (expected.to_vec(), None));

    let leaving = group.leaving(bob, 0);
    group.append(leaving).await;
    group.append(group.renaming("them")).await;
    let changed = group.world.feeds.lane(world.lane(conversation::address(group.id))).head().position;
    caught_up(&projections).await;
    let first = Page { cursor: None, limit: 50 };
    assert!(matches!(members(bob, first.clone()).await, Members::Left));
    assert!(matches!(members(AccountId(natter_streams::id::new()), first).await, Members::Unknown));
    let own = projections.conversation().get(alice, group.id).await.unwrap().unwrap();
    assert_eq!((own.conversation.name.as_deref(), own.conversation.member_count), (Some("them"), 2));
    let (lane, at): (i16, i64) = sqlx::query_as("SELECT lane, changed FROM conversation WHERE conversation_id = $1")
        .bind(group.id.0)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!((lane, at as u64), (world.lane(conversation::address(group.id)).number(), changed));
    running.stop().await;
}

/// Name and number of members, as one card shows them.
/// As one batch.
async fn commit(group: &Group<'_>, events: &[Event]) {
    let mut drafts = Vec::new();
    for event in events {
        drafts.push(group.world.draft(conversation::address(group.id), event).await);
    }
    group.world.commit(drafts).await;
}

/// Times are told in milliseconds; what has one time is sorted by id.
async fn pass_a_millisecond() {
    let now = clock::now();
    while clock::now() == now {
        tokio::task::yield_now().await;
    }
}
