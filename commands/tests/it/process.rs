//! What answers other nouns' events: done once, through every stop, by however many, and around what cannot be reached.

use crate::support::{AFTER_A_LOSS, Elsewhere, Holder, LANES, Node, checkpoint, draft, eventually, wrote_and_died};
use natter_commands::Reaction;
use natter_domain::{
    AccountId, ConversationId, FriendshipId, HandleId, RequestId, Timestamp, account, conversation, friendship, handle,
};
use natter_streams::{Draft, Lane, Lanes, Record, clock, id};
use natter_testkit::{BOUND, Stack, within};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const OPENS: Reaction = Reaction::OpensConversation;
const RELEASES: Reaction = Reaction::ReleasesHandles;
const MINUTE: Duration = Duration::from_secs(60);

/// An acceptance whose conversation nobody has opened.
struct Accepted {
    request_id: RequestId,
    members: [AccountId; 2],
    conversation_id: ConversationId,
}

impl Accepted {
    /// By a pair of the first lane; the conversation belongs to the other one.
    fn opening_in(lane: Lane) -> Self {
        let members = std::iter::repeat_with(|| [AccountId(id::new()), AccountId(id::new())]);
        let mut members = members.filter(|[one, other]| lanes().of(FriendshipId::of(*one, *other).0) == first());
        let mut ids = std::iter::repeat_with(id::new).filter(|&id| lanes().of(id) == lane);
        Self {
            request_id: RequestId(id::new()),
            members: members.next().expect("there is no end"),
            conversation_id: ConversationId(ids.next().expect("there is no end")),
        }
    }

    fn draft(&self) -> Draft {
        let ([from, to], request_id, conversation_id) = (self.members, self.request_id, self.conversation_id);
        let accepted = friendship::Event::Accepted {
            request_id,
            from,
            to,
            conversation_id,
            standing: conversation::Standing::first(),
        };
        draft(friendship::address(FriendshipId::of(from, to)), 1, &accepted)
    }
}

fn lanes() -> Lanes {
    Lanes::new(LANES).expect("a number of lanes")
}

fn ago(duration: Duration) -> Timestamp {
    Timestamp::from_millis(clock::now().as_millis() - duration.as_millis() as i64)
}

fn first() -> Lane {
    Lane::new(0)
}

fn second() -> Lane {
    Lane::new(1)
}

async fn wrote(stack: &Stack, acceptances: &[Accepted]) {
    wrote_and_died(stack, acceptances.iter().map(Accepted::draft).collect()).await;
}

/// One reader on one lane.
struct Runner {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Runner {
    fn start(node: &Node, reaction: Reaction, lane: Lane) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(node.reactions().run(reaction, lane, stop.clone()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        within("a reaction stops", BOUND, self.task).await.expect("it does not panic");
    }

    /// In the middle of whatever it does.
    async fn die(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}

/// The one event that opened it, when it is there.
async fn opened(node: &Node, id: ConversationId) -> Arc<Record> {
    eventually("the conversation is open", async || started(node, id).await.ok_or_else(|| "it is not".to_owned())).await
}

async fn started(node: &Node, id: ConversationId) -> Option<Arc<Record>> {
    let mut events = node.events(node.lane(id)).await;
    events.retain(|event| event.aggregate_id == id.0);
    assert!(events.len() <= 1, "opened more than once: {events:?}");
    events.pop()
}

async fn passed(stack: &Stack, reaction: Reaction, lane: Lane, position: u64) {
    eventually("the checkpoint moves", async || {
        let at = checkpoint(stack, reaction.as_str(), lane).await;
        if at >= position { Ok(()) } else { Err(format!("it is at {at}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_was_done_before_the_checkpoint_moved_is_not_done_again() {
    let stack = Stack::new().await;
    let acceptances = [Accepted::opening_in(first()), Accepted::opening_in(second())];
    wrote(&stack, &acceptances).await;
    for _ in 0..3 {
        let node = Node::quiet(&stack, LANES).await;
        let runner = Runner::start(&node, OPENS, first());
        for accepted in &acceptances {
            opened(&node, accepted.conversation_id).await;
        }
        runner.die().await;
        crate::support::sql(&stack, "DELETE FROM checkpoints").await;
        node.stop().await;
    }
    let node = Node::quiet(&stack, LANES).await;
    let runner = Runner::start(&node, OPENS, first());
    passed(&stack, OPENS, first(), 2).await;
    runner.stop().await;
    for accepted in &acceptances {
        opened(&node, accepted.conversation_id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_and_the_process_give_the_same_command() {
    let stack = Stack::new().await;
    let node = Node::quiet(&stack, LANES).await;
    let (_, _, by_hand) = node.friends().await;
    let accepted = Accepted::opening_in(first());
    node.stop().await;
    wrote(&stack, std::slice::from_ref(&accepted)).await;
    let node = Node::start(&stack).await;
    let request_of = |events: &[Arc<Record>], conversation: ConversationId| {
        let requests = events.iter().filter(|event| event.event_type == "accepted");
        let mut requests = requests.filter_map(|event| match event.decode().expect("an acceptance") {
            friendship::Event::Accepted { request_id, conversation_id, .. } => Some((request_id, conversation_id)),
            _ => None,
        });
        requests.find(|(_, id)| *id == conversation).map(|(request_id, _)| request_id)
    };
    let events = [node.events(first()).await, node.events(second()).await].concat();
    for conversation in [by_hand, accepted.conversation_id] {
        let request_id = request_of(&events, conversation).expect("it was accepted");
        let parts: [&[u8]; 3] = [OPENS.as_str().as_bytes(), request_id.0.as_bytes(), &[0; 4]];
        let key = natter_domain::id::derived("natter process command", &parts);
        assert_eq!(opened(&node, conversation).await.key.map(|key| key.key), Some(key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_do_everything_once() {
    let stack = Stack::new().await;
    let acceptances: Vec<_> = (0..40).map(|number| Accepted::opening_in(Lane::new(number % 2))).collect();
    wrote(&stack, &acceptances).await;
    let node = Node::quiet(&stack, LANES).await;
    let runners: Vec<_> = (0..2).map(|_| Runner::start(&node, OPENS, first())).collect();
    for accepted in &acceptances {
        opened(&node, accepted.conversation_id).await;
    }
    passed(&stack, OPENS, first(), acceptances.len() as u64).await;
    for runner in runners {
        runner.stop().await;
    }
    for accepted in &acceptances {
        opened(&node, accepted.conversation_id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_cannot_be_reached_holds_back_only_its_own_and_the_checkpoint() {
    let stack = Stack::new().await;
    let acceptances = [second(), first(), second(), first()].map(Accepted::opening_in);
    wrote(&stack, &acceptances).await;
    let node = Node::quiet(&stack, LANES).await;
    let holder = Holder::hold(&stack, second()).await;
    let runner = Runner::start(&node, OPENS, first());
    for accepted in [&acceptances[1], &acceptances[3]] {
        opened(&node, accepted.conversation_id).await;
    }
    runner.stop().await;
    assert_eq!(checkpoint(&stack, OPENS.as_str(), first()).await, 0, "the first one is not done");
    assert_eq!(started(&node, acceptances[0].conversation_id).await, None);

    let runner = Runner::start(&node, OPENS, first());
    holder.release().await;
    for accepted in &acceptances {
        opened(&node, accepted.conversation_id).await;
    }
    passed(&stack, OPENS, first(), 4).await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_done() {
    let stack = Stack::new().await;
    let accepted = Accepted::opening_in(first());
    let taken = conversation::Event::started_direct([AccountId(id::new()), AccountId(id::new())]);
    let taken = draft(conversation::address(accepted.conversation_id), 1, &taken);
    wrote_and_died(&stack, vec![taken, accepted.draft()]).await;
    let node = Node::quiet(&stack, LANES).await;
    let runner = Runner::start(&node, OPENS, first());
    passed(&stack, OPENS, first(), 2).await;
    runner.stop().await;
    assert_eq!(opened(&node, accepted.conversation_id).await.position, 1, "it is as it was");
}

/// What it had read is not in the log any more: it begins again where its checkpoint was set.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_goes_on_behind_a_declared_loss_without_a_restart() {
    let stack = Stack::new().await;
    let mut lane = Elsewhere::start(&stack, first()).await;
    let acceptances = std::array::from_fn::<_, 4, _>(|_| Accepted::opening_in(second()));
    let [kept, lost, more, new] = acceptances.each_ref().map(|accepted| vec![accepted.draft()]);
    lane.write(kept).await;
    lane.write([lost, more].concat()).await;
    let node = Node::quiet(&stack, LANES).await;
    let runner = Runner::start(&node, OPENS, first());
    passed(&stack, OPENS, first(), 3).await;

    lane.lose(&stack, 1, OPENS.as_str()).await;
    lane.write(new).await;
    natter_testkit::eventually("it goes on", AFTER_A_LOSS, async || {
        started(&node, acceptances[3].conversation_id).await.map(drop).ok_or_else(|| "it does not".to_owned())
    })
    .await;
    passed(&stack, OPENS, first(), 2).await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_understood_holds_back_what_follows_and_not_what_came_before() {
    let stack = Stack::new().await;
    let acceptances = [first(), first(), first()].map(Accepted::opening_in);
    let mut drafts: Vec<Draft> = acceptances.iter().map(Accepted::draft).collect();
    drafts[1].payload = r#"{"accepted": {"by": "a newer version"}}"#.into();
    wrote_and_died(&stack, drafts).await;
    let node = Node::quiet(&stack, LANES).await;
    let runner = Runner::start(&node, OPENS, first());
    opened(&node, acceptances[0].conversation_id).await;
    passed(&stack, OPENS, first(), 1).await;
    runner.stop().await;
    assert_eq!(checkpoint(&stack, OPENS.as_str(), first()).await, 1);
    assert_eq!(started(&node, acceptances[2].conversation_id).await, None);
}

/// What an account has begun to claim since is not given back by what it had given up before.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_was_held_up_frees_nothing_that_was_claimed_since() {
    let stack = Stack::new().await;
    let (person, given_up) = (AccountId(id::new()), ago(20 * MINUTE));
    let [old, older, new] = [7, 8, 9].map(|number| HandleId(Uuid::from_u128(number)));
    let claimed = |handle, until| {
        let claimed = handle::Event::Claimed { by: person, until };
        draft(handle::address(handle), 1, &claimed)
    };
    let abandoned = |sequence, handle| {
        let abandoned = account::Event::IdentityLinkAbandoned { handle };
        Draft { time: given_up, ..draft(account::address(person), sequence, &abandoned) }
    };
    let unnamed = format!(r#"{{"claimed": {{"by": "{}"}}}}"#, person.0);
    let unnamed = Draft { version: 1, payload: unnamed.into(), ..claimed(older, Timestamp::default()) };
    let abandonments = [new, old, older].into_iter().zip(1..).map(|(handle, sequence)| abandoned(sequence, handle));
    let claims = [claimed(old, given_up), unnamed, claimed(new, clock::now() + 5 * MINUTE)];
    wrote_and_died(&stack, abandonments.chain(claims).collect()).await;
    let node = Node::quiet(&stack, LANES).await;
    let lane = lanes().of(person.0);
    let before = node.events(lane).await.iter().rev().find(|event| event.aggregate_id == person.0).unwrap().position;
    let runner = Runner::start(&node, RELEASES, lane);
    passed(&stack, RELEASES, lane, before).await;
    runner.stop().await;
    let mut events = [node.events(first()).await, node.events(second()).await].concat();
    events.retain(|event| event.event_type == "released");
    let mut released: Vec<Uuid> = events.iter().map(|event| event.aggregate_id).collect();
    released.sort_unstable();
    assert_eq!(released, [old.0, older.0]);
}

/// A name that was given back and taken by somebody else is not given back again, however often its order is.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_released_once() {
    let stack = Stack::new().await;
    let [gone, new] = [AccountId(id::new()), AccountId(id::new())];
    let handle = HandleId(Uuid::from_u128(7));
    let abandoned = account::Event::RegistrationAbandoned { handles: vec![handle] };
    let claimed = handle::Event::Claimed { by: gone, until: clock::now() };
    let drafts = vec![draft(account::address(gone), 1, &abandoned), draft(handle::address(handle), 1, &claimed)];
    wrote_and_died(&stack, drafts).await;
    let node = Node::quiet(&stack, LANES).await;
    let lane = lanes().of(gone.0);
    let runner = Runner::start(&node, RELEASES, lane);
    let names = async |node: &Node| {
        let mut events = node.events(lanes().of(handle.0)).await;
        events.retain(|event| event.aggregate_id == handle.0);
        events.iter().map(|event| event.decode().expect("an event of a handle")).collect::<Vec<handle::Event>>()
    };
    let released = handle::Event::Released { by: gone };
    eventually("the name is released", async || {
        let events = names(&node).await;
        if events.contains(&released) { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    runner.die().await;
    node.stop().await;

    crate::support::sql(&stack, "DELETE FROM checkpoints").await;
    let taken = handle::Event::Claimed { by: new, until: clock::now() };
    wrote_and_died(&stack, vec![draft(handle::address(handle), 3, &taken)]).await;
    let node = Node::quiet(&stack, LANES).await;
    let runner = Runner::start(&node, RELEASES, lane);
    passed(&stack, RELEASES, lane, 1).await;
    runner.stop().await;
    assert_eq!(names(&node).await, [claimed, released, taken]);
}
