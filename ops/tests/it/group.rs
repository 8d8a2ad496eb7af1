//! A group whose people come and go while they talk and read, and a node of the read side dies: nobody sees a message
//! outside their stays, neither by reading nor by a push, and everybody sees all within.

use natter_testkit::{
    BOUND, Node, Options, Person, Stack, client,
    client::{Error, rest::Range},
    eventually, wire,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};
use uuid::Uuid;

/// What each of the five does.
const DEEDS: usize = 60;

/// What somebody may be told who acts on what has changed meanwhile.
const REFUSALS: [&str; 4] = ["not_found", "not_a_member", "banned", "owner_must_stay"];

/// An owner, who stays, and four friends of hers who come and go by every way there is; two of them are friends too.
struct Five {
    people: Vec<Person>,
    group: Uuid,
    /// A way to it.
    token: String,
    done: AtomicUsize,
}

impl Five {
    async fn meet(stack: &Stack) -> Self {
        let mut people = Vec::new();
        for name in ["alice", "bob", "carol", "dave", "erin"] {
            people.push(stack.person(name).await);
        }
        for friend in &people[1..] {
            people[0].befriends(friend).await;
        }
        people[1].befriends(&people[2]).await;
        let group = people[0].client().start_group("us", &[]).await.expect("start a group").conversation.id;
        let new = wire::LinkNew { expires_in: None, max_uses: None };
        let link = people[0].client().make_link(group, &new).await.expect("make a link").value;
        let token = link.token.expect("a new link has its token");
        Self { people, group, token, done: AtomicUsize::new(0) }
    }

    fn owner(&self) -> &Person {
        &self.people[0]
    }

    async fn one_after_the_other(&self, index: usize) -> Vec<(Uuid, u64)> {
        let (person, mut dice) = (&self.people[index], StdRng::seed_from_u64(index as u64));
        let mut acknowledged = Vec::new();
        for _ in 0..DEEDS {
            match dice.random_range(0..12) {
                0..5 => acknowledged.extend(self.says(person).await),
                5..7 => self.reads(person).await,
                7..9 => self.adds(person, &mut dice).await,
                9..11 => self.comes(person, &mut dice).await,
                _ => self.removes(person, &mut dice).await,
            }
            self.done.fetch_add(1, Ordering::SeqCst);
        }
        acknowledged
    }

    async fn says(&self, person: &Person) -> Option<(Uuid, u64)> {
        let message_id = client::new_id();
        let message = wire::MessageNew::new(message_id, wire::Body::text(format!("of {}", person.name)));
        let sent = tried(person, "sends", async || person.client().send(self.group, &message).await).await?;
        Some((message_id, sent.seq))
    }

    async fn reads(&self, person: &Person) {
        let newest = Range { limit: Some(20), ..Range::default() };
        let page = tried(person, "reads", async || person.client().messages(self.group, newest).await).await;
        let falling = page.unwrap_or_default().windows(2).all(|pair| pair[0].seq > pair[1].seq);
        assert!(falling, "newest first");
    }

    async fn adds(&self, person: &Person, dice: &mut StdRng) {
        let one = self.people.choose(dice).expect("five").id();
        tried(person, "adds", async || person.client().add_members(self.group, &[one]).await).await;
    }

    /// By the link, or by an invitation: who is added by somebody who is no friend has one.
    async fn comes(&self, person: &Person, dice: &mut StdRng) {
        if dice.random() {
            tried(person, "comes by the link", async || person.client().join_by(&self.token).await).await;
        } else {
            tried(person, "comes as invited", async || person.client().join(self.group, None).await).await;
        }
    }

    async fn removes(&self, person: &Person, dice: &mut StdRng) {
        let whom = match person.id() == self.owner().id() {
            true => self.people[1..].choose(dice).expect("four").id(),
            false => person.id(),
        };
        if person.id() == self.owner().id() && dice.random() {
            tried(person, "bans", async || person.client().ban(self.group, whom).await).await;
            tried(person, "lets come again", async || person.client().unban(self.group, whom).await).await;
        } else {
            tried(person, "removes", async || person.client().remove_member(self.group, whom).await).await;
        }
    }

    async fn are_so_far(&self, share: usize) {
        let goal = self.people.len() * DEEDS * share / 4;
        eventually("they go on", BOUND, async || match self.done.load(Ordering::SeqCst) {
            done if done >= goal => Ok(()),
            done => Err(format!("{done} of {goal}")),
        })
        .await;
    }
}

/// `None`: refused for what somebody else has done meanwhile.
async fn tried<T>(person: &Person, what: &str, mut act: impl AsyncFnMut() -> Result<T, Error>) -> Option<T> {
    let act = async || match act().await {
        Err(error) if error.code().is_some_and(|code| REFUSALS.contains(&code)) => Ok(None),
        answer => answer.map(Some),
    };
    person.insists(what, act).await
}

/// Who may see what, from what the owner sees, who sees everything.
fn stays(all: &[wire::Message]) -> BTreeMap<Uuid, Vec<(u64, u64)>> {
    let mut stays = BTreeMap::<Uuid, Vec<(u64, u64)>>::new();
    for message in all {
        let Some(wire::Body::System { code, account_ids, .. }) = &message.body else { continue };
        for account in account_ids {
            let of = stays.entry(*account).or_default();
            match code.as_str() {
                "group.created" | "member.joined" => of.push((message.seq, u64::MAX)),
                "member.left" => of.last_mut().expect("who leaves was in").1 = message.seq,
                other => panic!("{other}"),
            }
        }
    }
    stays
}

fn seqs(messages: &[wire::Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

async fn node(stack: &Stack, roles: &'static str, crowd_min: u32) -> Node {
    let more = vec![("NATTER_ROLES", roles.to_owned()), ("NATTER_CROWD_MIN", crowd_min.to_string())];
    stack.node_with(Options { more, ..Options::default() }).await
}

#[tokio::test]
async fn people_who_come_and_go_see_their_stays_and_nothing_else() {
    they_see_their_stays_and_nothing_else(256).await;
}

#[tokio::test]
async fn people_who_come_to_a_crowd_and_go_see_their_stays_and_nothing_else() {
    they_see_their_stays_and_nothing_else(2).await;
}

async fn they_see_their_stays_and_nothing_else(crowd_min: u32) {
    let stack = Stack::new().await;
    let _writing = node(&stack, "commands", crowd_min).await;
    let mut reading = [node(&stack, "projections", crowd_min).await, node(&stack, "projections", crowd_min).await];
    let _doors = node(&stack, "edge", crowd_min).await;
    let five = Five::meet(&stack).await;
    let hurt = async {
        five.are_so_far(1).await;
        reading[0].kill().await;
        five.are_so_far(2).await;
        reading[0].restart().await;
        five.are_so_far(3).await;
        reading[1].kill().await;
    };
    let deeds = futures::future::join_all((0..five.people.len()).map(|index| five.one_after_the_other(index)));
    let (acknowledged, ()) = tokio::join!(deeds, hurt);

    // The last word: a read at its position sees all.
    let (owner, group) = (five.owner(), five.group);
    let text = wire::Body::text("the last word");
    let last = wire::MessageNew::new(client::new_id(), text);
    let last = owner.insists("says the last word", async || owner.client().send(group, &last).await).await;
    let position = last.position.clone().expect("a write has a position");
    let all = owner.history(group, &position).await;
    assert_eq!(seqs(&all), (1..=last.seq).collect::<Vec<_>>(), "numbers have no gaps");
    for (message_id, seq) in acknowledged.into_iter().flatten() {
        assert_eq!(all[seq as usize - 1].message_id, message_id, "what was acknowledged stands where it was said to");
    }
    let stays = stays(&all);
    assert!(stays.len() > 2 && stays.values().any(|of| of.len() > 1), "people came, went and came back: {stays:?}");
    for person in &five.people {
        let of = stays.get(&person.id()).cloned().unwrap_or_default();
        let sees = |seq: u64| of.iter().any(|(first, last)| (*first..=*last).contains(&seq));
        let expected: Vec<u64> = (1..=last.seq).filter(|seq| sees(*seq)).collect();
        if expected.is_empty() {
            let read = person.client().at(&position).messages(group, Range::default()).await;
            assert_eq!(read.err().and_then(|error| error.code().map(str::to_owned)).as_deref(), Some("not_found"));
            continue;
        }
        assert_eq!(seqs(&person.history(group, &position).await), expected, "what {} reads of {of:?}", person.name);
        let shown = person.has_been_shown(group, expected.len(), 2 * BOUND).await;
        assert_eq!(seqs(&shown), expected, "what {} was shown of {of:?}", person.name);
    }
}
