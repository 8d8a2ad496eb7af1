//! Channels: anybody sees them, and what is told of them is told once for all.

use crate::{
    crowd::Edge,
    delivery::{listen, nothing},
    support::World,
};
use natter_domain::{
    AccountId, ConversationId,
    conversation::{self, Change as Set, Event, JoinPolicy, Kind, Permissions, Role},
    subscription,
};
use natter_projections::{
    Page, Projection, Projections,
    conversation::{MemberFilter, Members, Standing},
    delivery::crowd::{Audience, Change},
    message::Range,
};
use natter_streams::{Positions, clock, id};
use serde_json::json;
use std::time::Duration;

const ALL: [Projection; 3] = Projection::ALL;

/// Its events are numbered here. Its people need no accounts.
struct Channel<'a> {
    world: &'a World,
    id: ConversationId,
    owner: AccountId,
    last_seq: u64,
}

impl<'a> Channel<'a> {
    async fn start(world: &'a World, owner: AccountId) -> (Self, u64) {
        let channel = Self { world, id: ConversationId(id::new()), owner, last_seq: 1 };
        let name = Some(world.sealed(channel.id.0, "news"));
        let started = Event::Started { kind: Kind::Channel, members: vec![], name, owner: Some(owner) };
        let position = channel.append(started).await;
        (channel, position)
    }

    async fn append(&self, event: Event) -> u64 {
        at(&self.world.append(conversation::address(self.id), &event).await)
    }

    async fn says(&mut self) -> u64 {
        self.last_seq += 1;
        self.append(self.world.message(self.id, self.owner, self.last_seq)).await
    }

    async fn begins(&self, account_id: AccountId) -> u64 {
        let (conversation_id, last_seq) = (self.id, self.last_seq);
        self.of(account_id, subscription::Event::Begun { conversation_id, account_id, last_seq }).await
    }

    async fn ends(&self, account_id: AccountId) -> u64 {
        let (conversation_id, last_seq) = (self.id, self.last_seq);
        self.of(account_id, subscription::Event::Ended { conversation_id, account_id, last_seq }).await
    }

    async fn of(&self, account: AccountId, event: subscription::Event) -> u64 {
        at(&self.world.append(subscription::address(self.id, account), &event).await)
    }

    async fn bans(&self, account_id: AccountId) -> u64 {
        self.append(Event::Banned { account_id, by: self.owner }).await
    }

    async fn seen_by(&self, projections: &Projections, viewer: AccountId) -> Option<Vec<u64>> {
        let all = Range { after_seq: Some(0), limit: 200, ..Range::default() };
        let page = projections.message().page(viewer, self.id, all).await.unwrap();
        page.map(|page| page.iter().map(|message| message.seq).collect())
    }

    async fn count(&self, projections: &Projections) -> u64 {
        let own = projections.conversation().get(self.owner, self.id).await.unwrap();
        own.expect("it is theirs").conversation.member_count
    }
}

fn at(positions: &Positions) -> u64 {
    crate::support::place(positions).1.position
}

fn people<const N: usize>() -> [AccountId; N] {
    std::array::from_fn(|_| AccountId(id::new()))
}

fn page() -> Page {
    Page { limit: 50, cursor: None }
}

/// All that happens to channels, at last the end of one.
pub async fn lives(world: &World) {
    let [ada, bea, cem] = people();
    let (mut channel, _) = Channel::start(world, ada).await;
    for who in [ada, bea, cem] {
        channel.begins(who).await;
    }
    channel.says().await;
    channel.ends(bea).await;
    channel.begins(bea).await;
    channel.says().await;
    channel.append(Event::RoleChanged { seq: 4, account_id: cem, role: Role::Admin, by: ada }).await;
    channel.append(Event::OwnerChanged { seq: 5, account_id: bea, by: ada }).await;
    channel.last_seq = 5;
    let until = Some(clock::now() + Duration::from_secs(60));
    channel.append(Event::MemberMuted { account_id: cem, until, by: bea, last_seq: 5 }).await;
    channel.bans(cem).await;
    channel.ends(cem).await;
    channel.append(Event::Unbanned { account_id: cem, by: bea }).await;
    channel.begins(cem).await;
    channel.bans(ada).await;
    let set = Set::Permissions(Permissions { post: Role::Member, ..Permissions::of_channel() });
    channel.append(Event::Changed { change: set, by: bea, last_seq: 5 }).await;
    let (mut other, _) = Channel::start(world, ada).await;
    other.begins(bea).await;
    other.says().await;
    other.ends(bea).await;
    let ends_at = clock::now() + Duration::from_secs(60);
    other.append(Event::Dissolved { seq: 3, by: ada, ends_at }).await;
    other.append(Event::Ended {}).await;
}

#[tokio::test]
async fn a_channel_is_seen_by_whoever_is_not_banned() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let [alice, bob, carol] = people();
    let (mut channel, _) = Channel::start(&world, alice).await;
    channel.says().await;
    channel.begins(carol).await;
    channel.bans(carol).await;
    channel.says().await;
    projections.catch_up(&ALL).await.unwrap();
    for (who, sees) in [(alice, Some(vec![1, 2, 3])), (bob, Some(vec![1, 2, 3])), (carol, None)] {
        assert_eq!(channel.seen_by(&projections, who).await, sees);
        let own = projections.conversation().get(who, channel.id).await.unwrap();
        assert_eq!(own.is_some(), sees.is_some());
        let all = projections.conversation().channels(who, &page()).await.unwrap();
        assert_eq!(all.items.len(), usize::from(sees.is_some()));
        let is_there =
            !matches!(projections.conversation().standing(who, channel.id).await.unwrap(), Standing::Unknown);
        assert_eq!(is_there, sees.is_some());
        // Nobody has it in their list who did not ask for it.
        let list = projections.conversation().list(who, &page()).await.unwrap();
        assert_eq!(list.items.len(), 0);
    }
    let own = projections.conversation().get(bob, channel.id).await.unwrap().unwrap();
    let settings = own.conversation.settings.expect("a channel is set up");
    assert_eq!((settings.join_policy.as_str(), settings.permissions.post.as_str()), ("open", "admin"));
    assert!(settings.shares_history);
    assert_eq!(JoinPolicy::Open.as_str(), "open");
    running.stop().await;
}

#[tokio::test]
async fn who_subscribes_is_counted_and_has_it_in_their_list() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let [alice, bob, carol] = people();
    let (mut channel, _) = Channel::start(&world, alice).await;
    let mut counts = Vec::new();
    for who in [bob, carol] {
        channel.begins(who).await;
    }
    channel.says().await;
    projections.catch_up(&ALL).await.unwrap();
    counts.push(channel.count(&projections).await);
    let own = projections.conversation().list(bob, &page()).await.unwrap().items.pop().expect("it is listed");
    assert_eq!((own.subscribed, own.unread, own.joined_seq, own.left_seq), (Some(true), 1, 0, None));
    channel.ends(bob).await;
    projections.catch_up(&ALL).await.unwrap();
    counts.push(channel.count(&projections).await);
    assert_eq!(projections.conversation().list(bob, &page()).await.unwrap().items.len(), 0);
    channel.begins(bob).await;
    channel.bans(carol).await;
    channel.ends(carol).await;
    projections.catch_up(&ALL).await.unwrap();
    counts.push(channel.count(&projections).await);
    assert_eq!(counts, [2, 1, 1]);
    let own = projections.conversation().list(bob, &page()).await.unwrap().items.pop().expect("it is listed again");
    assert_eq!((own.subscribed, own.unread), (Some(true), 0), "what was said before is not to be read");
    running.stop().await;
}

#[tokio::test]
async fn who_subscribes_is_shown_to_admins() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let [alice, bob, carol, dave] = people();
    let (channel, _) = Channel::start(&world, alice).await;
    channel.append(Event::RoleChanged { seq: 2, account_id: bob, role: Role::Admin, by: alice }).await;
    channel.begins(carol).await;
    channel.begins(bob).await;
    projections.catch_up(&ALL).await.unwrap();
    for (who, role) in [(alice, Role::Owner), (bob, Role::Admin), (carol, Role::Member), (dave, Role::Member)] {
        let is = projections.conversation().standing(who, channel.id).await.unwrap();
        assert!(matches!(is, Standing::Is(found) if found == role));
        let members = projections.conversation().members(who, channel.id, MemberFilter::default(), &page()).await;
        match members.unwrap() {
            Members::Are(page) => {
                let found: Vec<_> = page.items.iter().map(|it| (it.account_id, it.role.as_str())).collect();
                assert_eq!(found, [(bob.0, "admin"), (carol.0, "member")], "the newest first");
                assert!(role > Role::Member);
            }
            Members::NotShown => assert_eq!(role, Role::Member),
            Members::Left | Members::Unknown => panic!("it is there for everybody"),
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_channel_is_told_once_for_all_however_few_there_are() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let [alice, bob] = people();
    let (mut edge, mut to_bob) = (Edge::new(&world.bus).await, listen(&world.bus, bob).await);
    let (mut channel, begun) = Channel::start(&world, alice).await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!((part.position, part.since, frames.len()), (begun, begun, 2));

    let came = channel.begins(bob).await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!((part.position, part.since), (came, begun));
    assert_eq!(part.change, Some(Change::Subscribed { account_id: bob }));
    assert_eq!(part.audiences, [Audience::Only { account_id: bob }]);
    let told = &frames[0]["conversation"];
    assert_eq!((&told["name"], &told["kind"], &told["member_count"]), (&json!("news"), &json!("channel"), &json!(1)));

    channel.says().await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!((part.since, &part.change, &part.audiences[..]), (came, &None, &[Audience::Hearing { seq: 2 }][..]));
    assert_eq!(frames[0]["message"]["seq"], 2);

    let banned = channel.bans(bob).await;
    let (part, frames) = edge.hears_one().await;
    assert_eq!((part.since, frames[0]["event"].as_str()), (came, Some("member.left")));
    assert_eq!(part.change, Some(Change::Unsubscribed { account_id: bob, last_seq: 0 }));
    channel.ends(bob).await;
    let (part, _) = edge.hears_one().await;
    assert_eq!((part.since, part.audiences.as_slice()), (banned, &[Audience::Only { account_id: bob }][..]));
    // Who is muted or becomes an admin is told so, and nobody else.
    channel.append(Event::MemberMuted { account_id: bob, until: None, by: alice, last_seq: 2 }).await;
    assert_eq!(edge.hears_one().await.0.audiences, [Audience::Only { account_id: bob }]);
    nothing(&mut to_bob).await;
    running.stop().await;
}

#[tokio::test]
async fn of_one_that_has_ended_nothing_is_left_for_anybody() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let [alice, bob] = people();
    let (channel, _) = Channel::start(&world, alice).await;
    channel.begins(bob).await;
    let ends_at = clock::now() + Duration::from_secs(60);
    channel.append(Event::Dissolved { seq: 2, by: alice, ends_at }).await;
    projections.catch_up(&ALL).await.unwrap();
    assert_eq!(
        projections.conversation().channels(bob, &page()).await.unwrap().items.len(),
        0,
        "it takes nothing more"
    );
    assert_eq!(channel.seen_by(&projections, bob).await, Some(vec![1, 2]), "but can be read");
    channel.append(Event::Ended {}).await;
    projections.catch_up(&ALL).await.unwrap();
    for who in [alice, bob] {
        assert_eq!(channel.seen_by(&projections, who).await, None);
        assert_eq!(projections.conversation().list(who, &page()).await.unwrap().items.len(), 0);
    }
    // Whatever becomes of a subscription then.
    channel.ends(bob).await;
    projections.catch_up(&ALL).await.unwrap();
    assert_eq!(projections.conversation().list(bob, &page()).await.unwrap().items.len(), 0);
    running.stop().await;
}
