//! What is remembered is what is stored, whatever fails on the way.

use crate::support::{Node, code, cut_writers, keyless, message_id};
use natter_commands::{Caller, Error, Pending, Sent};
use natter_domain::{Code, ConversationId, MessageId};
use natter_testkit::{BOUND, Stack, within};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::collections::HashMap;
use tokio::runtime::Runtime;

#[derive(Clone, Debug)]
enum Step {
    /// Who, into which conversation.
    Send(usize, usize),
    /// One of those before, once more.
    Again(usize),
    /// Somebody who is not in it.
    Intrude(usize),
    /// Every connection that writes is cut.
    Cut,
    /// Everything so far gets its answer.
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..2usize, 0..3usize).prop_map(|(who, place)| Step::Send(who, place)),
        3 => any::<usize>().prop_map(Step::Again),
        1 => (0..3usize).prop_map(Step::Intrude),
        2 => Just(Step::Cut),
        1 => Just(Step::Wait),
    ]
}

/// Three conversations of alice's and bob's friends, and somebody who is in none.
struct Scene {
    stack: Stack,
    node: Node,
    places: Vec<(ConversationId, [Caller; 2])>,
    stranger: Caller,
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

    async fn play(&self, steps: &[Step]) -> Result<(), TestCaseError> {
        let mut before: HashMap<ConversationId, usize> = HashMap::new();
        for (place, _) in &self.places {
            before.insert(*place, self.node.messages(*place).await.len());
        }
        let mut asked = Vec::<(Caller, ConversationId, MessageId)>::new();
        let mut pending: Vec<(MessageId, Pending<Sent>)> = Vec::new();
        let mut intrusions = Vec::new();
        let mut answers = Vec::new();
        for step in steps {
            match step {
                Step::Send(who, place) => {
                    let (place, people) = self.places[*place];
                    let ask = (people[*who], place, message_id());
                    asked.push(ask);
                    pending.push((ask.2, self.node.send(ask.0, ask.1, ask.2, "x")));
                }
                Step::Again(_) if asked.is_empty() => {}
                Step::Again(at) => {
                    let ask = asked[at % asked.len()];
                    pending.push((ask.2, self.node.send(ask.0, ask.1, ask.2, "x")));
                }
                Step::Intrude(place) => {
                    let place = self.places[*place].0;
                    intrusions.push(self.node.send(self.stranger, place, message_id(), "x"));
                }
                Step::Cut => cut_writers(&self.stack).await,
                Step::Wait => {
                    for (id, pending) in pending.drain(..) {
                        answers.push((id, within("an answer", BOUND, pending).await));
                    }
                }
            }
        }
        for (id, pending) in pending {
            answers.push((id, within("an answer", BOUND, pending).await));
        }
        for intrusion in intrusions {
            prop_assert_eq!(code(within("an answer", BOUND, intrusion).await), Code::NotFound);
        }
        self.compare(&before, &asked, answers).await
    }

    async fn compare(
        &self,
        before: &HashMap<ConversationId, usize>,
        asked: &[(Caller, ConversationId, MessageId)],
        answers: Vec<(MessageId, Result<Sent, Error>)>,
    ) -> Result<(), TestCaseError> {
        let mut seqs = HashMap::new();
        for (place, people) in &self.places {
            let stored = self.node.messages(*place).await;
            let numbers: Vec<u64> = stored.iter().map(|(_, seq)| *seq).collect();
            prop_assert_eq!(&numbers, &(1..=stored.len() as u64).collect::<Vec<_>>(), "numbers without a gap");
            let order: Vec<MessageId> = stored[before[place]..].iter().map(|(id, _)| *id).collect();
            let asked: Vec<MessageId> = asked.iter().filter(|ask| ask.1 == *place).map(|ask| ask.2).collect();
            prop_assert_eq!(order, asked, "each once, in the order in which they were asked");
            seqs.extend(stored.iter().copied());
            // What the process remembers ends where the log ends.
            let (last, inbox) = (stored.len() as u64, self.node.commands.inbox());
            prop_assert_eq!(
                code(inbox.advance(keyless(people[0]), vec![(*place, last + 1)]).await),
                Code::InvalidInput
            );
            prop_assert!(last == 0 || inbox.advance(keyless(people[0]), vec![(*place, last)]).await.is_ok());
        }
        for (id, answer) in answers {
            match answer {
                Ok(sent) => prop_assert_eq!(Some(&sent.seq), seqs.get(&id), "an answer tells what is stored"),
                Err(error) => prop_assert!(false, "{error:?}"),
            }
        }
        Ok(())
    }
}

#[test]
fn what_is_remembered_is_what_is_stored() {
    let runtime = Runtime::new().unwrap();
    let scene = runtime.block_on(Scene::set());
    let config = Config { cases: 24, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..60), |steps| runtime.block_on(scene.play(&steps)))
        .unwrap();
}
