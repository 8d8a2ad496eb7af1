//! What is remembered is what is stored, whatever fails on the way; and what is told was so, at some moment between
//! question and answer.

use crate::{
    support::{Node, body, code, cut_writers, draft, eventually, gone, keyless, message_id},
    wire::look,
};
use natter_commands::{Caller, Error, Pending, Sent, snapshot};
use natter_domain::{
    Address, Code, Context, ConversationId, Decider, FriendshipId, MessageId, RequestId,
    conversation::{self, Conversation},
    friendship::{self, Friendship},
    inbox::{self, Inbox},
};
use natter_streams::{Lane, Record, clock, committer::Committer, keyring::Keyring};
use natter_testkit::{BOUND, Stack, within};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};
use tokio::{runtime::Runtime, task::JoinHandle};

#[derive(Clone, Debug)]
enum Step {
    /// Who, into which conversation.
    Send(usize, usize),
    /// One of those before, once more.
    Again(usize),
    /// The id of one of those before, with another body.
    Clash(usize),
    /// Somebody who is not in it.
    Intrude(usize),
    /// Whose cursor in which conversation, so far before or behind the newest stored message.
    Advance(usize, usize, i64),
    /// What one of the pair does about the request.
    Pair(Act),
    /// Every connection that writes is cut.
    Cut,
    /// Somebody takes the lane of a conversation, writes so many messages, and is gone.
    Fence(usize, u64),
    /// Everything so far gets its answer.
    Wait,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Request,
    Accept,
    Reject,
    /// Who was asked asks.
    Return,
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop::sample::select(vec![Act::Request, Act::Accept, Act::Reject, Act::Return]);
    prop_oneof![
        10 => (0..2usize, 0..3usize).prop_map(|(who, place)| Step::Send(who, place)),
        3 => any::<usize>().prop_map(Step::Again),
        1 => any::<usize>().prop_map(Step::Clash),
        1 => (0..3usize).prop_map(Step::Intrude),
        3 => (0..2usize, 0..3usize, -3..3i64).prop_map(|(who, place, by)| Step::Advance(who, place, by)),
        2 => act.prop_map(Step::Pair),
        2 => Just(Step::Cut),
        1 => (0..3usize, 0..3u64).prop_map(|(place, messages)| Step::Fence(place, messages)),
        1 => Just(Step::Wait),
    ]
}

/// In a schedule: each takes a while in which nothing is answered.
const FENCES: usize = 2;

/// Three conversations of alice's and bob's friends, and somebody who is in none.
struct Scene {
    stack: Stack,
    node: Node,
    places: Vec<(ConversationId, [Caller; 2])>,
    stranger: Caller,
}

/// A request between two who know nobody.
struct Pair {
    people: [Caller; 2],
    id: FriendshipId,
    request: RequestId,
}

/// Something that was told, and where the lanes stood before the question and after the answer.
struct Told {
    what: What,
    answer: Result<Option<u64>, Code>,
    between: Vec<RangeInclusive<u64>>,
}

#[derive(Clone, Copy)]
enum What {
    Cursor(Caller, ConversationId, u64),
    Act(Act),
}

/// What one schedule asked, and was told.
#[derive(Default)]
struct Played {
    asked: Vec<(Caller, ConversationId, MessageId)>,
    pending: Vec<(MessageId, Pending<Sent>)>,
    answers: Vec<(MessageId, Result<Sent, Error>)>,
    intrusions: Vec<Pending<Sent>>,
    clashes: Vec<Pending<Sent>>,
    questions: Vec<JoinHandle<Told>>,
    /// Messages of those who had a lane in between.
    foreign: Vec<MessageId>,
    fences: usize,
}

impl Scene {
    async fn set() -> Self {
        let stack = Stack::new().await;
        let node = Node::start(&stack).await;
        let mut places = Vec::new();
        for number in 0..3 {
            let one = node.person(&format!("one{number}")).await;
            let other = node.person(&format!("other{number}")).await;
            places.push((node.befriend(one, other).await, [one, other]));
        }
        let stranger = node.person("stranger").await;
        Self { stack, node, places, stranger }
    }

    async fn pair(&self) -> Pair {
        let name = |part: &str| format!("{part}{}", &message_id().0.simple().to_string()[20..]);
        let people = [self.node.person(&name("p")).await, self.node.person(&name("q")).await];
        let [one, other] = people;
        let requested = self.node.commands.friendship().request(keyless(one), other.account, None).await;
        let request = requested.expect("they know nobody").request_id;
        Pair { people, id: FriendshipId::of(one.account, other.account), request }
    }

    async fn play(&self, steps: &[Step]) -> Result<(), TestCaseError> {
        let mut before: HashMap<ConversationId, usize> = HashMap::new();
        for (place, _) in &self.places {
            before.insert(*place, self.node.messages(*place).await.len());
        }
        let (pair, mut played) = (self.pair().await, Played::default());
        for step in steps {
            self.take(step, &pair, &mut played).await;
        }
        wait(&mut played).await;
        for intrusion in played.intrusions.drain(..) {
            prop_assert_eq!(code(within("an answer", BOUND, intrusion).await), Code::NotFound);
        }
        for clash in played.clashes.drain(..) {
            prop_assert_eq!(code(within("an answer", BOUND, clash).await), Code::Conflict);
        }
        let mut told = Vec::new();
        for question in played.questions.drain(..) {
            told.push(within("an answer", BOUND, question).await.expect("it does not panic"));
        }
        self.compare(&before, &played).await?;
        self.was_true(&told, &pair).await?;
        self.is_remembered(&pair).await
    }

    async fn take(&self, step: &Step, pair: &Pair, played: &mut Played) {
        match step {
            Step::Send(who, place) => {
                let (place, people) = self.places[*place];
                self.send((people[*who], place, message_id()), true, played);
            }
            Step::Again(at) if !played.asked.is_empty() => {
                self.send(played.asked[at % played.asked.len()], false, played);
            }
            Step::Clash(at) if !played.asked.is_empty() => {
                let (who, place, id) = played.asked[at % played.asked.len()];
                played.clashes.push(self.node.send(who, place, id, "other"));
            }
            Step::Again(_) | Step::Clash(_) => {}
            Step::Intrude(place) => {
                let place = self.places[*place].0;
                played.intrusions.push(self.node.send(self.stranger, place, message_id(), "x"));
            }
            Step::Advance(who, place, by) => {
                let (place, people) = self.places[*place];
                let seq = self.node.messages(place).await.len().saturating_add_signed(*by as isize) as u64;
                played.questions.push(self.ask(What::Cursor(people[*who], place, seq), pair).await);
            }
            Step::Pair(act) => played.questions.push(self.ask(What::Act(*act), pair).await),
            Step::Cut => cut_writers(&self.stack).await,
            Step::Fence(..) if played.fences == FENCES => {}
            Step::Fence(place, messages) => {
                played.fences += 1;
                self.fence(self.places[*place], *messages, played).await;
            }
            Step::Wait => wait(played).await,
        }
    }

    fn send(&self, ask: (Caller, ConversationId, MessageId), first: bool, played: &mut Played) {
        if first {
            played.asked.push(ask);
        }
        played.pending.push((ask.2, self.node.send(ask.0, ask.1, ask.2, "x")));
    }

    /// Somebody else's takeover in the middle of everything. The node is itself again when this ends.
    async fn fence(&self, (place, people): (ConversationId, [Caller; 2]), messages: u64, played: &mut Played) {
        let (log, lane) = (&self.node.log, self.node.lane(place));
        // The connection may be one that was cut.
        let mut committer = eventually("somebody takes the lane over", async || {
            Committer::start(log.clone(), lane, "somebody".into()).await.map_err(|error| error.to_string())
        })
        .await;
        let seq = self.node.messages(place).await.len() as u64;
        let drafts = (1..=messages).map(|number| {
            let id = message_id();
            played.foreign.push(id);
            let event = conversation::Event::MessageSent {
                message_id: id,
                seq: seq + number,
                sender: people[0].account,
                body: Keyring::new(&[1; 32]).seal(place.0, body("y").as_bytes()),
                body_kind: conversation::BodyKind::Text,
                size: 1,
                details: Default::default(),
            };
            // The first event is the beginning.
            draft(conversation::address(place), seq + number + 1, &event)
        });
        let drafts: Vec<_> = drafts.collect();
        if !drafts.is_empty() {
            committer.queue(drafts, ());
            within("it is durable", BOUND, committer.settled()).await;
        }
        gone(&self.stack).await;
        eventually("the node has its lane again", async || {
            let mine = self.node.context.node.to_string();
            let owner: String = sqlx::query_scalar("SELECT owner FROM lanes WHERE lane = $1")
                .bind(lane.number())
                .fetch_one(self.stack.pool())
                .await
                .map_err(|error| error.to_string())?;
            if owner == mine && self.node.feeds.lane(lane).is_open() { Ok(()) } else { Err(owner) }
        })
        .await;
    }

    /// The lanes that an answer rests on.
    fn lanes(&self, what: What, pair: &Pair) -> Vec<Lane> {
        let lanes = self.node.log.lanes();
        match what {
            What::Cursor(who, place, _) => vec![lanes.of(place.0), lanes.of(who.account.0)],
            What::Act(_) => vec![lanes.of(friendship::address(pair.id).route)],
        }
    }

    /// Asks, and notes where the lanes stand before and after.
    async fn ask(&self, what: What, pair: &Pair) -> JoinHandle<Told> {
        let (commands, pool, lanes) = (self.node.commands.clone(), self.stack.pool().clone(), self.lanes(what, pair));
        let (people, id, request) = (pair.people, pair.id, pair.request);
        let from = heads(&pool, &lanes).await;
        tokio::spawn(async move {
            let friendship = commands.friendship();
            let [one, other] = people;
            let answer = match what {
                What::Cursor(who, place, seq) => {
                    commands.inbox().advance(keyless(who), vec![(place, seq)]).await.map(|done| Some(done.cursors[0].1))
                }
                What::Act(Act::Request) => friendship.request(keyless(one), other.account, None).await.map(|_| None),
                What::Act(Act::Return) => friendship.request(keyless(other), one.account, None).await.map(|_| None),
                What::Act(Act::Accept) => friendship.accept(keyless(other), id, request).await.map(|_| None),
                What::Act(Act::Reject) => friendship.reject(keyless(other), id, request).await.map(|_| None),
            };
            let until = heads(&pool, &lanes).await;
            let answer = match answer {
                Ok(told) => Ok(told),
                Err(Error::Refused { code, .. }) => Err(code),
                Err(other) => panic!("{other:?}"),
            };
            Told { what, answer, between: from.into_iter().zip(until).map(|(from, until)| from..=until).collect() }
        })
    }

    async fn compare(&self, before: &HashMap<ConversationId, usize>, played: &Played) -> Result<(), TestCaseError> {
        let mut seqs = HashMap::new();
        for (place, _) in &self.places {
            let stored = self.node.messages(*place).await;
            let numbers: Vec<u64> = stored.iter().map(|(_, seq)| *seq).collect();
            prop_assert_eq!(&numbers, &(1..=stored.len() as u64).collect::<Vec<_>>(), "numbers without a gap");
            let order = stored[before[place]..].iter().map(|(id, _)| *id).filter(|id| !played.foreign.contains(id));
            let asked = played.asked.iter().filter(|ask| ask.1 == *place).map(|ask| ask.2);
            prop_assert_eq!(
                order.collect::<Vec<_>>(),
                asked.collect::<Vec<_>>(),
                "each once, in the order in which they were asked"
            );
            seqs.extend(stored.iter().copied());
        }
        for (id, answer) in &played.answers {
            match answer {
                Ok(sent) => prop_assert_eq!(Some(&sent.seq), seqs.get(id), "an answer tells what is stored"),
                Err(error) => prop_assert!(false, "{error:?}"),
            }
        }
        Ok(())
    }

    async fn was_true(&self, told: &[Told], pair: &Pair) -> Result<(), TestCaseError> {
        let mut logs = HashMap::new();
        for lane in self.node.log.lanes().iter() {
            logs.insert(lane, self.node.events(lane).await);
        }
        for told in told {
            let lanes = self.lanes(told.what, pair);
            let answer = told.answer;
            let was_true = match told.what {
                What::Cursor(who, place, seq) => {
                    let of = conversation::address(place);
                    let mut talks = states::<Conversation>(&logs[&lanes[0]], of, &told.between[0]);
                    let mut inboxes = states::<Inbox>(&logs[&lanes[1]], inbox::address(who.account), &told.between[1]);
                    match answer {
                        Err(code) => code == Code::InvalidInput && talks.any(|state| state.last_seq < seq),
                        Ok(now) => inboxes.any(|state| now == Some(state.cursors.get(&place).copied().unwrap_or(0))),
                    }
                }
                What::Act(act) => {
                    let mut states =
                        states::<Friendship>(&logs[&lanes[0]], friendship::address(pair.id), &told.between[0]);
                    states.any(|state| decided(&state, act, pair) == answer.map(|_| ()))
                }
            };
            prop_assert!(was_true, "{:?} was never so", answer);
        }
        Ok(())
    }

    /// What the workers remember is what anybody reads who reads everything.
    async fn is_remembered(&self, pair: &Pair) -> Result<(), TestCaseError> {
        for (place, people) in &self.places {
            self.is_fresh::<Conversation>(conversation::address(*place)).await?;
            for who in people {
                self.is_fresh::<Inbox>(inbox::address(who.account)).await?;
            }
        }
        self.is_fresh::<Friendship>(friendship::address(pair.id)).await
    }

    async fn is_fresh<D: Decider>(&self, address: Address) -> Result<(), TestCaseError> {
        let remembered = look::<D>(&self.node, address).await;
        let lane = self.node.log.lanes().of(address.route);
        let fresh = snapshot::load::<D>(&self.node.log, lane, address.id).await.expect("read it");
        prop_assert_eq!(remembered, fresh.state);
        Ok(())
    }
}

async fn wait(played: &mut Played) {
    for (id, pending) in played.pending.drain(..) {
        played.answers.push((id, within("an answer", BOUND, pending).await));
    }
}

async fn heads(pool: &sqlx::PgPool, lanes: &[Lane]) -> Vec<u64> {
    let mut heads = Vec::new();
    for lane in lanes {
        let head: Option<i64> = sqlx::query_scalar("SELECT max(position) FROM events WHERE lane = $1")
            .bind(lane.number())
            .fetch_one(pool)
            .await
            .expect("read the lane's head");
        heads.push(head.unwrap_or_default() as u64);
    }
    heads
}

/// What the aggregate was at each moment between, as the log says it.
fn states<D: Decider>(
    log: &[Arc<Record>],
    address: Address,
    between: &RangeInclusive<u64>,
) -> impl Iterator<Item = D::State> {
    let mut state = D::State::default();
    let mine = log.iter().filter(move |record| (record.noun, record.aggregate_id) == (address.noun, address.id));
    let (mut states, mut since) = (Vec::new(), 0);
    for record in mine.take_while(|record| record.position <= *between.end()) {
        if record.position > *between.start() && since <= *between.start() {
            states.push(state.clone());
        }
        D::evolve(&mut state, &record.decode().expect("a stored event"));
        since = record.position;
        if since > *between.start() {
            states.push(state.clone());
        }
    }
    if since <= *between.start() {
        states.push(state);
    }
    states.into_iter()
}

/// What the rules say to it in that state.
fn decided(state: &friendship::State, act: Act, pair: &Pair) -> Result<(), Code> {
    let [one, other] = pair.people;
    let (request_id, conversation_id) = (pair.request, ConversationId(message_id().0));
    let request = |from: Caller, to: Caller| friendship::Command::Request {
        request_id: RequestId(message_id().0),
        from: from.account,
        to: to.account,
        message: None,
        source: None,
        is_taken: true,
        conversation_id,
    };
    let (actor, command) = match act {
        Act::Request => (one, request(one, other)),
        Act::Return => (other, request(other, one)),
        Act::Accept => (other, friendship::Command::Accept { request_id, conversation_id }),
        Act::Reject => (other, friendship::Command::Reject { request_id }),
    };
    let context = Context { actor: Some(actor.account), session: Some(actor.session), now: clock::now() };
    friendship::decide(state, &context, &command).map(drop).map_err(|refusal| natter_domain::Refusal::code(&refusal))
}

#[test]
fn what_is_remembered_is_what_is_stored() {
    let runtime = Runtime::new().unwrap();
    let scene = runtime.block_on(Scene::set());
    let config = Config { cases: 16, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..60), |steps| runtime.block_on(scene.play(&steps)))
        .unwrap();
}
