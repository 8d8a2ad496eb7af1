//! `natter projections unread`: people do this and that, through the doors, and what the read models count is what the plain rule
//! counts from the log; a row that is changed by hand is named.

use natter_testkit::{
    BOUND, Node, Person, Stack,
    client::{
        self, Error,
        rest::{Page, Range, Shown},
        wire,
    },
    eventually, law,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use uuid::Uuid;

/// Of each person.
const DEEDS: usize = 60;

/// Its answer, and whether it ended well.
async fn checked(node: &Node, more: &[&str]) -> (bool, String) {
    let output = node.run(&[&["projections", "unread"], more].concat()).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

struct House {
    people: Vec<Person>,
    groups: Vec<Uuid>,
    channel: Uuid,
}

impl House {
    async fn meet(stack: &Stack) -> Self {
        let mut people = Vec::new();
        for name in ["alice", "bob", "carol", "dave"] {
            people.push(stack.person(name).await);
        }
        for (index, one) in people.iter().enumerate() {
            for other in &people[index + 1..] {
                one.befriends(other).await;
            }
        }
        let owner = people[0].client();
        let mut groups = Vec::new();
        for name in ["us", "them"] {
            groups.push(owner.start_group(name, &[people[1].id()]).await.expect("start a group").conversation.id);
        }
        let channel = owner.start_channel("news").await.expect("start a channel").conversation.id;
        Self { people, groups, channel }
    }

    async fn live(&self, seed: u64) {
        let lives = self.people.iter().enumerate().map(async |(index, person)| {
            let mut dice = StdRng::seed_from_u64(seed + index as u64);
            for _ in 0..DEEDS {
                // Refused is what they may not do just then.
                let _ = self.does_something(person, &mut dice).await;
            }
        });
        futures::future::join_all(lives).await;
    }

    /// Somebody comes late: what was said before is theirs to see, and not to read.
    async fn is_joined_by(&self, late: &Person) {
        let owner = &self.people[0];
        owner.befriends(late).await;
        let shares = wire::GroupSettingsChange { shares_history: Some(true), ..wire::GroupSettingsChange::default() };
        owner.client().change_group(self.groups[0], &set(shares)).await.expect("share what was said");
        for talk in [self.groups[0], self.channel] {
            says(owner, talk).await.expect("before");
        }
        owner.client().add_members(self.groups[0], &[late.id()]).await.expect("add");
        late.client().join(self.channel, None).await.expect("subscribe");
        for talk in [self.groups[0], self.channel] {
            says(owner, talk).await.expect("behind");
        }
    }

    async fn does_something(&self, person: &Person, dice: &mut StdRng) -> Result<(), Error> {
        let me = person.client();
        let mine = all(person).await?;
        let (Some(own), Some(one)) = (mine.choose(dice), self.people.choose(dice)) else { return Ok(()) };
        let talk = own.conversation.id;
        let group = *self.groups.choose(dice).expect("two");
        match dice.random_range(0..24) {
            0..6 => says(person, talk).await,
            6..9 => mentions(person, talk, own, dice, one).await,
            9..12 => {
                let seq = dice.random_range(0..=own.conversation.last_seq);
                me.read_up_to(talk, seq).await.map(drop)
            }
            12 | 13 => {
                let page = me.messages(talk, Range { limit: Some(10), ..Range::default() }).await?;
                let Some(message) = page.choose(dice) else { return Ok(()) };
                me.recall(talk, message.message_id).await.map(drop)
            }
            14 if dice.random() => {
                let page = me.messages(talk, Range { limit: Some(10), ..Range::default() }).await?;
                let Some(message) = page.choose(dice) else { return Ok(()) };
                me.delete_for_me(talk, message.message_id).await.map(drop)
            }
            14 => me.leave(group).await.map(drop),
            15 | 16 => me.add_members(group, &[one.id()]).await.map(drop),
            17 => me.clear(talk).await.map(drop),
            18 => me.block(one.id()).await.map(drop),
            19 => me.unblock(one.id()).await.map(drop),
            20 => {
                let shares_history = Some(dice.random());
                let settings = wire::GroupSettingsChange { shares_history, ..wire::GroupSettingsChange::default() };
                me.change_group(group, &set(settings)).await.map(drop)
            }
            21 => me.join(self.channel, None).await.map(drop),
            22 => me.leave(self.channel).await.map(drop),
            _ if dice.random() => me.ban(self.channel, one.id()).await.map(drop),
            _ => me.unban(self.channel, one.id()).await.map(drop),
        }
    }
}

fn set(settings: wire::GroupSettingsChange) -> wire::ConversationChange {
    wire::ConversationChange { name: None, avatar: None, description: None, settings: Some(settings) }
}

/// Hidden ones too.
async fn all(person: &Person) -> Result<Vec<wire::OwnConversation>, Error> {
    let page = Page { cursor: None, limit: Some(200) };
    let mut all = person.client().conversations(&page).await?.items;
    let hidden = Shown { hidden: Some(true), ..Shown::default() };
    all.extend(person.client().conversations_in(&hidden, &page).await?.items);
    Ok(all)
}

async fn says(person: &Person, talk: Uuid) -> Result<(), Error> {
    let body = wire::Body::text(format!("of {}", person.name));
    person.client().send(talk, &wire::MessageNew::new(client::new_id(), body)).await.map(drop)
}

/// Everybody, the admins, or somebody.
async fn mentions(
    person: &Person,
    talk: Uuid,
    own: &wire::OwnConversation,
    dice: &mut StdRng,
    one: &Person,
) -> Result<(), Error> {
    let whom = match dice.random_range(0..3) {
        0 if own.conversation.kind != "direct" => "all".to_owned(),
        1 if own.conversation.kind == "group" => "admin".to_owned(),
        _ => one.id().to_string(),
    };
    let body = wire::Body::text(format!("of {}", person.name));
    let message = wire::MessageNew { mentions: vec![whom], ..wire::MessageNew::new(client::new_id(), body) };
    person.client().send(talk, &message).await.map(drop)
}

#[tokio::test]
async fn whatever_people_do_the_read_models_count_as_the_log_does() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let house = House::meet(&stack).await;
    let live = async {
        house.live(1).await;
        house.live(100).await;
    };
    // While they are at it, too.
    let (well, said) = tokio::join!(live, checked(&node, &[])).1;
    assert!(well, "{said}");
    let late = stack.person("late").await;
    house.is_joined_by(&late).await;
    law::projections_are_at_the_head(&stack).await;
    let (well, said) = checked(&node, &[]).await;
    assert!(well && said.contains("5 accounts") && said.contains(": 0 differ"), "{said}");

    let (mut unread, mut mentions) = (0, 0);
    for person in house.people.iter().chain([&late]) {
        let listed = all(person).await.expect("their conversations");
        for own in &listed {
            let explained = person.client().explain_unread(own.conversation.id).await.expect("explained");
            let wire::UnreadCounted { messages, own: mine, system, recalled, deleted } = explained.counted;
            assert_eq!(explained.unread, messages - mine - system - recalled - deleted);
            assert_eq!((explained.unread, explained.read_seq), (own.unread, own.read_seq), "{own:?}");
            assert_eq!(explained.mentions, own.mentions);
            assert_eq!(explained.last_seq, own.conversation.last_seq);
        }
        let shown = || listed.iter().filter(|own| !own.view.hidden && !own.view.archived);
        let totals = person.client().unread_totals().await.expect("totals");
        assert_eq!(totals.unread + totals.quiet.unread, shown().map(|own| own.unread).sum::<u64>());
        assert_eq!(totals.mentions + totals.quiet.mentions, shown().map(|own| own.mentions).sum::<u64>());
        (unread, mentions) = (unread + totals.unread, mentions + totals.mentions);
    }
    assert!(unread > 0 && mentions > 0, "{unread} unread and {mentions} mentions: nothing was tried");
}

#[tokio::test]
async fn a_row_that_was_changed_by_hand_is_named() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    let talk = alice.befriends(&bob).await;
    for words in ["one", "two", "three"] {
        alice.says(&bob, words).await;
    }
    let at = bob.reads(&alice, 2).await.position.expect("a position");
    eventually("bob has read it", BOUND, async || {
        let own = bob.client().at(&at).conversation(talk).await.map_err(|error| error.to_string())?;
        if own.unread == 1 { Ok(()) } else { Err(format!("{own:?}")) }
    })
    .await;
    for (by_hand, of, answered) in [
        (format!("UPDATE inbox_cursor SET read_seq = 0 WHERE account_id = '{}'", bob.id()), &bob, "3, the log says 1"),
        (
            format!("UPDATE message SET sender = NULL WHERE seq = 3 AND conversation_id = '{talk}'"),
            &bob,
            "2, the log says 1",
        ),
        (
            format!("DELETE FROM member WHERE account_id = '{}'", alice.id()),
            &alice,
            "no such conversation, the log says 0",
        ),
    ] {
        sqlx::query(&by_hand).execute(stack.pool()).await.expect("change a row by hand");
        let (well, said) = checked(&node, &[]).await;
        let named = format!("{} in {talk}: {answered}", of.id());
        assert!(!well && said.contains(&named), "{named}: {said}");
    }
    // Of one only.
    let (_, said) = checked(&node, &["--account", &bob.id().to_string()]).await;
    assert!(said.contains("1 accounts") && !said.contains(&alice.id().to_string()), "{said}");
    sqlx::query(&format!("UPDATE inbox_cursor SET read_seq = 2 WHERE account_id = '{}'", bob.id()))
        .execute(stack.pool())
        .await
        .expect("mend it");
    let said = checked(&node, &["--account", &bob.id().to_string()]).await;
    assert!(!said.0, "{}", said.1);
}
