//! People who talk all the time while others hurt the server, and what must hold afterwards: everything that was
//! acknowledged is there, exactly once, in order, for everybody.

use natter_testkit::{Person, Stack, client::rest::Answer, law, wire};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use uuid::Uuid;

/// How long an app may take to catch up after the server came back.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Three friends: alice and bob talk, bob and carol talk. Two conversations, so that lanes differ.
pub struct Friends {
    pub alice: Person,
    pub bob: Person,
    pub carol: Person,
    pub of_alice_and_bob: Uuid,
    pub of_bob_and_carol: Uuid,
    acknowledged: AtomicUsize,
}

/// What one person said to another, in order, each with its first answer.
pub struct Said {
    conversation: Uuid,
    sender: Uuid,
    texts: Vec<(String, Answer<wire::MessageSent>)>,
}

impl Said {
    /// What a read has to wait for to see all of it.
    fn position(&self) -> &str {
        let last = self.texts.last().and_then(|(_, answer)| answer.position.as_deref());
        last.expect("something was said, and a write has a position")
    }
}

impl Friends {
    pub async fn meet(stack: &Stack) -> Self {
        Self::meet_as(stack, ["alice", "bob", "carol"]).await
    }

    /// User names are unique in an installation.
    pub async fn meet_as(stack: &Stack, [alice, bob, carol]: [&str; 3]) -> Self {
        let (alice, bob, carol) = (stack.person(alice).await, stack.person(bob).await, stack.person(carol).await);
        let of_alice_and_bob = alice.befriends(&bob).await;
        let of_bob_and_carol = bob.befriends(&carol).await;
        Self { alice, bob, carol, of_alice_and_bob, of_bob_and_carol, acknowledged: AtomicUsize::new(0) }
    }

    /// How many messages have been acknowledged by now.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Everybody talks while that goes on, and says so many things at least; each again under the same id until it is
    /// acknowledged.
    pub async fn talk_while(&self, each: usize, meanwhile: impl Future<Output = ()>) -> [Said; 4] {
        let over = AtomicBool::new(false);
        let meanwhile = async {
            meanwhile.await;
            over.store(true, Ordering::SeqCst);
        };
        tokio::join!(self.talk(each, &over), meanwhile).0
    }

    async fn talk(&self, each: usize, over: &AtomicBool) -> [Said; 4] {
        let (alice, bob, carol) = (&self.alice, &self.bob, &self.carol);
        let (one, two) = (self.of_alice_and_bob, self.of_bob_and_carol);
        let (a, b, c, d) = tokio::join!(
            self.say([alice, bob], one, each, over),
            self.say([bob, alice], one, each, over),
            self.say([bob, carol], two, each, over),
            self.say([carol, bob], two, each, over),
        );
        [a, b, c, d]
    }

    async fn say(&self, [from, to]: [&Person; 2], conversation: Uuid, each: usize, over: &AtomicBool) -> Said {
        let mut texts = Vec::new();
        for number in 0.. {
            if number >= each && over.load(Ordering::SeqCst) {
                break;
            }
            let text = format!("{} to {}, number {number}", from.name, to.name);
            let answer = from.says(to, &text).await;
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
            texts.push((text, answer));
        }
        Said { conversation, sender: from.id(), texts }
    }

    /// Compares what was acknowledged with what is stored, what every app showed, and the log with its streams.
    pub async fn nothing_is_missing_doubled_or_out_of_order(&self, stack: &Stack, said: &[Said; 4]) {
        for (conversation, people) in
            [(self.of_alice_and_bob, [&self.alice, &self.bob]), (self.of_bob_and_carol, [&self.bob, &self.carol])]
        {
            let said: Vec<&Said> = said.iter().filter(|said| said.conversation == conversation).collect();
            let position = said.iter().map(|said| said.position()).collect::<Vec<_>>().join(",");
            let stored = people[0].history(conversation, &position).await;
            assert_eq!(stored, people[1].history(conversation, &position).await, "both read the same");
            check_stored(&stored, &said);
            for person in people {
                let shown = person.has_been_shown(conversation, stored.len(), CATCH_UP).await;
                assert_eq!(shown, stored, "{}'s app showed everything, once and in order", person.name);
            }
        }
        law::log_is_stream(stack).await;
        law::check_chain(stack).await.expect("the chain holds");
    }
}

fn check_stored(stored: &[wire::Message], said: &[&Said]) {
    let seqs: Vec<u64> = stored.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=stored.len() as u64).collect::<Vec<_>>(), "numbers without gap or double");
    let total: usize = said.iter().map(|said| said.texts.len()).sum();
    assert_eq!(stored.len(), total, "as many as were acknowledged, and everything was");
    for said in said {
        let mut last = 0;
        for (text, answer) in &said.texts {
            let message = &stored[usize::try_from(answer.seq).expect("a seq is small") - 1];
            assert_eq!(message.message_id, answer.message_id, "{text:?} has the number that was acknowledged");
            assert_eq!(message.body, Some(wire::Body::text(text.clone())));
            assert_eq!(message.sender, Some(said.sender));
            assert_eq!(message.sent_at, answer.sent_at);
            assert!(answer.seq > last, "{text:?} comes after what the same person said before");
            last = answer.seq;
        }
    }
}
