//! Crowds: what is told once for all edges, to whom, and how many are in.

use crate::{
    delivery::{frame, listen, nothing},
    support::{BOUND, World, dump},
};
use futures::{StreamExt, stream::BoxStream};
use natter_domain::{
    AccountId, ConversationId,
    conversation::{self, Event, Kind},
};
use natter_projections::{
    Page, Projection, Projections,
    delivery::crowd::{self, Audience, Change, Part, Told},
};
use natter_streams::{
    Positions,
    bus::{Bus, Message},
    id, subject,
};
use serde_json::{Value, json};

const ALL: [Projection; 3] = Projection::ALL;

/// A group whose events are numbered here. Its people need no accounts.
struct Group<'a> {
    world: &'a World,
    id: ConversationId,
    owner: AccountId,
    last_seq: u64,
}

impl<'a> Group<'a> {
    async fn start(world: &'a World, members: &[AccountId]) -> (Self, u64) {
        let group = Self { world, id: ConversationId(id::new()), owner: members[0], last_seq: 1 };
        let (name, owner) = (Some(world.sealed(group.id.0, "us")), Some(group.owner));
        let position = group.append(Event::Started { kind: Kind::Group, members: members.to_vec(), name, owner }).await;
        (group, position)
    }

    async fn append(&self, event: Event) -> u64 {
        let positions: Positions = self.world.append(conversation::address(self.id), &event).await;
        crate::support::place(&positions).1.position
    }

    fn next(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    async fn joins(&mut self, account: AccountId) -> u64 {
        let event = Event::added(self.next(), vec![account], self.owner);
        self.append(event).await
    }

    async fn leaves(&mut self, account_id: AccountId, joined_seq: u64) -> u64 {
        let event = Event::MemberLeft { seq: self.next(), account_id, by: account_id, joined_seq };
        self.append(event).await
    }

    async fn says(&mut self) -> u64 {
        let seq = self.next();
        self.append(self.world.message(self.id, self.owner, seq)).await
    }
}

fn people<const N: usize>() -> [AccountId; N] {
    std::array::from_fn(|_| AccountId(id::new()))
}

pub struct Edge(BoxStream<'static, Message>);

impl Edge {
    /// The server knows of the subscription when this returns.
    pub async fn new(bus: &Bus) -> Self {
        let messages = bus.live().subscribe(subject::CROWDS).await.unwrap();
        // Servers are told of subscriptions in their order.
        drop(listen(bus, AccountId(id::new())).await);
        Self(messages.boxed())
    }

    async fn hears(&mut self) -> (Told, Vec<Value>) {
        let message = tokio::time::timeout(BOUND, self.0.next()).await.expect("nothing came").unwrap();
        let (told, frames) = crowd::read(&message.payload).unwrap();
        (told, frames.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect())
    }

    /// The frames of one event, each with its audience.
    pub async fn hears_one(&mut self) -> (Part, Vec<Value>) {
        let (mut told, frames) = self.hears().await;
        assert_eq!((told.parts.len(), told.parts[0].audiences.len()), (1, frames.len()), "{told:?}");
        (told.parts.remove(0), frames)
    }
}

async fn world(crowd_min: u64) -> World {
    let mut world = World::new().await;
    world.crowd_min = crowd_min;
    world
}

fn events(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["event"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_crowd_is_told_once_for_all_and_nobody_by_name() {
    let world = world(3).await;
    let (_, running) = world.start().await;
    let [alice, bob, carol, dave] = people();
    let (mut edge, mut to_alice) = (Edge::new(&world.bus).await, listen(&world.bus, alice).await);
    let mut to_dave = listen(&world.bus, dave).await;
    let (mut group, begun) = Group::start(&world, &[alice, bob, carol]).await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!(events(&frames), ["conversation.started", "message.sent"]);
    assert_eq!(frames[0]["conversation"]["member_count"], 3);
    let audiences = vec![Audience::InAfter { seq: 1 }, Audience::Hearing { seq: 1 }];
    assert_eq!(part, Part { position: begun, since: begun, change: None, audiences }, "who hears of it asks who is in");

    let said = group.says().await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!((events(&frames), &frames[0]["message"]["seq"]), (vec!["message.sent"], &json!(2)));
    let audiences = vec![Audience::Hearing { seq: 2 }];
    assert_eq!(part, Part { position: said, since: begun, change: None, audiences });

    let joined = group.joins(dave).await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!(events(&frames), ["conversation.started", "member.joined", "message.sent"]);
    assert_eq!(frames[0]["conversation"]["member_count"], 4);
    let audiences = vec![Audience::JoinedWith { seq: 3 }, Audience::InBefore { seq: 3 }, Audience::Hearing { seq: 3 }];
    let change = Some(Change::Joined { joined_seq: 2, account_ids: vec![dave], begins: vec![] });
    assert_eq!(part, Part { position: joined, since: begun, change, audiences });

    let left = group.leaves(bob, 0).await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!(events(&frames), ["message.sent", "member.left"]);
    let change = Some(Change::Left { account_id: bob, joined_seq: 0, left_seq: 4 });
    let audiences = vec![Audience::Hearing { seq: 4 }, Audience::Hearing { seq: 4 }];
    assert_eq!(part, Part { position: left, since: joined, change, audiences });

    let renamed = Event::Renamed { name: world.sealed(group.id.0, "them"), by: alice, last_seq: 4, is_message: false };
    group.append(renamed).await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!((part.since, &part.audiences[..]), (left, &[Audience::InAfter { seq: 4 }][..]));
    assert_eq!(
        (&frames[0]["conversation"]["name"], &frames[0]["conversation"]["member_count"]),
        (&json!("them"), &json!(3))
    );
    nothing(&mut to_alice).await;
    nothing(&mut to_dave).await;
    running.stop().await;
}

#[tokio::test]
async fn a_group_becomes_a_crowd_as_it_grows_and_remains_one() {
    let world = world(3).await;
    let (_, running) = world.start().await;
    let [alice, bob, carol] = people();
    let (mut edge, mut to_alice) = (Edge::new(&world.bus).await, listen(&world.bus, alice).await);
    let (mut group, _) = Group::start(&world, &[alice, bob]).await;
    assert_eq!(frame(&mut to_alice).await["event"], "conversation.started");
    assert_eq!(frame(&mut to_alice).await["message"]["seq"], 1);
    group.says().await;
    assert_eq!(frame(&mut to_alice).await["message"]["seq"], 2);
    group.joins(carol).await;
    assert_eq!(edge.hears_one().await.1.len(), 3);
    group.leaves(carol, 2).await;
    group.leaves(bob, 0).await;
    for seq in [4, 5] {
        assert_eq!(edge.hears_one().await.1[0]["message"]["seq"], seq);
    }
    group.says().await;
    assert_eq!(edge.hears_one().await.1[0]["message"]["seq"], 6);
    nothing(&mut to_alice).await;
    running.stop().await;
    // Nor does a delivery forget it that has to ask.
    let (_, running) = world.start().await;
    group.says().await;
    assert_eq!(edge.hears_one().await.1[0]["message"]["seq"], 7);
    nothing(&mut to_alice).await;
    running.stop().await;
}

/// By name as long as few ever came; those count too who have left.
#[tokio::test]
async fn who_came_and_left_makes_a_crowd_too() {
    let world = world(4).await;
    let (_, running) = world.start().await;
    let [alice, bob, carol] = people();
    let (mut edge, mut to_alice) = (Edge::new(&world.bus).await, listen(&world.bus, alice).await);
    let (mut group, _) = Group::start(&world, &[alice, bob]).await;
    group.joins(carol).await;
    group.leaves(carol, 1).await;
    for event in
        ["conversation.started", "message.sent", "member.joined", "message.sent", "message.sent", "member.left"]
    {
        assert_eq!(frame(&mut to_alice).await["event"], event);
    }
    group.joins(carol).await;
    let (_, frames) = edge.hears_one().await;
    assert_eq!(frames[0]["conversation"]["member_count"], 3);
    group.leaves(carol, 3).await;
    assert_eq!(edge.hears_one().await.1[0]["message"]["seq"], 5);
    running.stop().await;
    let (_, running) = world.start().await;
    group.says().await;
    assert_eq!(edge.hears_one().await.1[0]["message"]["seq"], 6, "who has to ask knows it too");
    nothing(&mut to_alice).await;
    running.stop().await;
}

#[tokio::test]
async fn in_the_batch_in_which_a_group_grows_each_frame_says_how_many_were_in() {
    let world = world(3).await;
    let (_, running) = world.start().await;
    let [alice, bob, carol] = people();
    let (mut edge, mut to_alice) = (Edge::new(&world.bus).await, listen(&world.bus, alice).await);
    let (mut group, _) = Group::start(&world, &[alice, bob]).await;
    assert_eq!(frame(&mut to_alice).await["event"], "conversation.started");
    let renamed = Event::Renamed { name: world.sealed(group.id.0, "them"), by: alice, last_seq: 1, is_message: false };
    let mut drafts = Vec::new();
    for event in [renamed, Event::added(group.next(), vec![carol], alice)] {
        drafts.push(world.draft(conversation::address(group.id), &event).await);
    }
    world.commit(drafts).await;
    let (_, frames) = edge.hears().await;
    let counts: Vec<&Value> =
        frames.iter().filter_map(|frame| frame.get("conversation")).map(|it| &it["member_count"]).collect();
    assert_eq!((events(&frames)[0], counts), ("conversation.updated", vec![&json!(2), &json!(3)]));
    running.stop().await;
}

/// One that grows in the middle of a batch is a crowd for all of it. What does not fit into one message comes in several.
#[tokio::test]
async fn a_batch_in_which_a_group_grows_comes_in_order() {
    let world = world(3).await;
    let [alice, bob, carol] = people();
    let (mut group, begun) = Group::start(&world, &[alice, bob]).await;
    let (_, running) = world.start().await;
    running.stop().await;
    let mut drafts = Vec::new();
    for number in 0..600 {
        let seq = group.next();
        let event = match number {
            300 => Event::added(seq, vec![carol], alice),
            _ => world.message(group.id, alice, seq),
        };
        drafts.push(world.draft(conversation::address(group.id), &event).await);
    }
    world.commit(drafts).await;
    let (mut edge, mut to_alice) = (Edge::new(&world.bus).await, listen(&world.bus, alice).await);
    let (_, running) = world.start().await;
    let (mut known_to, mut newest, mut messages) = (begun, 1, 0);
    while newest < group.last_seq {
        let (told, frames) = edge.hears().await;
        messages += 1;
        for seq in frames.iter().filter_map(|frame| frame["message"]["seq"].as_u64()) {
            assert_eq!(seq, newest + 1);
            newest = seq;
        }
        for part in told.parts {
            assert!(part.position >= known_to, "{part:?} behind {known_to}");
            known_to = part.position;
        }
    }
    assert!(messages > 3, "all came in {messages} messages");
    nothing(&mut to_alice).await;
    running.stop().await;
}

#[tokio::test]
async fn of_a_crowd_no_stay_is_read() {
    let world = world(3).await;
    let [alice, bob, carol, dave] = people();
    let (mut group, _) = Group::start(&world, &[alice, bob, carol]).await;
    let joined = group.joins(dave).await;
    let (_, running) = world.start().await;
    running.stop().await;
    sqlx::query("DELETE FROM member").execute(&world.pool).await.unwrap();
    let mut edge = Edge::new(&world.bus).await;
    let (_, running) = world.start().await;
    group.says().await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!((part.since, &frames[0]["message"]["seq"]), (joined, &json!(3)));
    let renamed = Event::Renamed { name: world.sealed(group.id.0, "them"), by: alice, last_seq: 3, is_message: false };
    group.append(renamed).await;
    assert_eq!(edge.hears_one().await.1[0]["conversation"]["member_count"], 4);
    running.stop().await;
}

/// Counts as the rows of stays have them.
const COUNTED: &str = "SELECT count(*) FROM member WHERE conversation_id = $1 AND left_seq IS NULL";
const COUNTED_LEFT: &str = "SELECT count(*) FROM member AS gone WHERE conversation_id = $1 AND left_seq IS NOT NULL
    AND left_count IS DISTINCT FROM (SELECT count(*) FROM member AS other WHERE other.conversation_id = $1
        AND other.joined_seq < gone.left_seq AND (other.left_seq IS NULL OR other.left_seq > gone.left_seq))";

#[tokio::test]
async fn how_many_are_in_stands_in_the_row_whatever_the_batches_are() {
    let world = world(3).await;
    let everybody = people::<8>();
    let (mut group, _) = Group::start(&world, &everybody[..2]).await;
    let (projections, running) = world.start().await;
    let mut inside: Vec<(AccountId, u64)> = everybody[..2].iter().map(|account| (*account, 0)).collect();
    let (mut drafts, mut stays, mut last_change) = (Vec::new(), 2, 0);
    for number in 0..240 {
        // In an order that is none.
        let who = everybody[1 + (number * number + number / 3) % 7];
        let seq = group.next();
        let event = match inside.iter().position(|(account, _)| *account == who) {
            Some(index) => {
                let (account_id, joined_seq) = inside.remove(index);
                Event::MemberLeft { seq, account_id, by: account_id, joined_seq }
            }
            None => {
                inside.push((who, seq - 1));
                stays += 1;
                Event::added(seq, vec![who], group.owner)
            }
        };
        drafts.push(world.draft(conversation::address(group.id), &event).await);
        if number * number % 11 == 4 || number == 239 {
            last_change = crate::support::place(&world.commit(std::mem::take(&mut drafts)).await).1.position;
        }
    }
    projections.catch_up(&ALL).await.unwrap();
    let counts: (i64, i64, i64) =
        sqlx::query_as("SELECT member_count, stay_count, members_changed FROM conversation WHERE conversation_id = $1")
            .bind(group.id.0)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(counts, (inside.len() as i64, stays, last_change as i64));
    let count = async |sql| sqlx::query_scalar::<_, i64>(sql).bind(group.id.0).fetch_one(&world.pool).await.unwrap();
    assert_eq!((count(COUNTED).await, count(COUNTED_LEFT).await), (inside.len() as i64, 0));
    let own = projections.conversation().get(group.owner, group.id).await.unwrap().unwrap();
    assert_eq!(own.conversation.member_count, inside.len() as u64);
    running.stop().await;
}

#[tokio::test]
async fn rows_from_before_are_counted_by_the_migration() {
    let world = world(3).await;
    let [alice, bob, carol, dave] = people();
    let (mut group, _) = Group::start(&world, &[alice, bob]).await;
    group.joins(carol).await;
    group.leaves(bob, 0).await;
    group.joins(bob).await;
    group.joins(dave).await;
    group.leaves(bob, 3).await;
    group.leaves(alice, 0).await;
    world.live_a_little().await;
    let (_, running) = world.start().await;
    running.stop().await;
    let before = dump(&world.pool).await;
    let emptied = "UPDATE conversation SET member_count = 0, stay_count = 0, members_changed = 0";
    sqlx::query(emptied).execute(&world.pool).await.unwrap();
    sqlx::query("UPDATE member SET left_count = NULL").execute(&world.pool).await.unwrap();
    assert_eq!(fill(&world, 25).await, 2);
    assert_eq!(dump(&world.pool).await, before);

    sqlx::query("UPDATE member SET entered_seq = NULL").execute(&world.pool).await.unwrap();
    assert_eq!(fill(&world, 28).await, 1);
    assert_eq!(dump(&world.pool).await, before, "and when they came");
}

/// What that migration does to rows that were there; in how many statements.
async fn fill(world: &World, migration: i64) -> usize {
    let (.., text) = natter_migrations::POSTGRES.iter().find(|(number, ..)| *number == migration).unwrap();
    let statements = natter_migrations::statements(text).into_iter();
    let fill: Vec<String> = statements.filter(|it| it.contains("'UPDATE")).collect();
    for statement in &fill {
        sqlx::query(statement).execute(&world.pool).await.unwrap();
    }
    fill.len()
}

/// Who is in a crowd is asked for those only who are named.
#[tokio::test]
async fn an_edge_asks_for_those_who_are_there() {
    let world = world(3).await;
    let [alice, bob, carol, dave] = people();
    let (mut group, _) = Group::start(&world, &[alice, bob, carol]).await;
    group.leaves(bob, 0).await;
    let (projections, running) = world.start().await;
    let at = world.feeds.lane(world.lane(conversation::address(group.id))).head().place();
    let mut stays = projections.delivery().stays_in(group.id, at, &[alice, bob, dave]).await.unwrap().unwrap();
    stays.sort_by_key(|(account, _)| *account);
    let found: Vec<_> = stays.iter().map(|(account, stay)| (*account, stay.joined_seq, stay.left_seq)).collect();
    let mut expected = [(alice, 0, None), (bob, 0, Some(2))];
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(stays_of(&projections, carol).await, [group.id]);
    assert_eq!(stays_of(&projections, dave).await, []);
    let listed = projections.conversation().list(bob, &Page { cursor: None, limit: 10 }).await.unwrap();
    assert_eq!(listed.items[0].conversation.member_count, 2);
    running.stop().await;
}

async fn stays_of(projections: &Projections, account: AccountId) -> Vec<ConversationId> {
    projections.delivery().stays_of(account).await.unwrap().into_iter().map(|(conversation, _)| conversation).collect()
}
