//! Lists beside what they are lists of: pins, stars, threads, what a message said before, who has reacted, and the totals.

use super::judge::{Answers, PAGE};
use natter_testkit::{client::Signed, wire};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Of such lists as there are many, so many are looked at.
const SOME: usize = 10;

pub async fn agree(me: &Signed, answers: &Answers) {
    let all = answers.messages.values().flat_map(BTreeMap::values);
    let current: Vec<&wire::Message> =
        all.filter(|one| answers.is_in(one.conversation_id) && one.recalled_at.is_none()).collect();
    pins(me, answers, &current).await;
    stars(me, &current).await;
    threads(me, &current).await;
    totals(me, answers).await;
    versions(me, &current).await;
    reactors(me, &current).await;
}

fn ids<'a>(messages: impl IntoIterator<Item = &'a wire::Message>) -> BTreeSet<Uuid> {
    messages.into_iter().map(|message| message.message_id).collect()
}

async fn pins(me: &Signed, answers: &Answers, current: &[&wire::Message]) {
    for talk in answers.conversations.keys().filter(|talk| answers.is_in(**talk)) {
        let listed = me.pins(*talk, &PAGE).await.expect("list pins").items;
        let of_it = current.iter().copied().filter(|one| one.conversation_id == *talk && one.pinned_at.is_some());
        assert_eq!(ids(&listed), ids(of_it), "what is pinned in {talk}");
    }
}

async fn stars(me: &Signed, current: &[&wire::Message]) {
    let (mut listed, mut page) = (BTreeSet::new(), PAGE);
    loop {
        let found = me.stars(&page).await.expect("list stars");
        listed.extend(ids(&found.items));
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    let starred = ids(current.iter().copied().filter(|one| one.starred));
    assert!(starred.is_subset(&listed), "{starred:?} have a star, and {listed:?} are listed");
}

async fn threads(me: &Signed, current: &[&wire::Message]) {
    let listed = ids(&me.threads(false, &PAGE).await.expect("list threads").items);
    let followed = |one: &&wire::Message| one.thread_summary.as_ref().is_some_and(|thread| thread.followed);
    let followed = ids(current.iter().copied().filter(followed));
    assert!(followed.is_subset(&listed), "{followed:?} are followed, and {listed:?} are listed");
}

async fn totals(me: &Signed, answers: &Answers) {
    let shown = answers.conversations.values().filter(|own| !own.view.hidden && !own.view.archived);
    let sum = shown.map(|own| own.unread).sum::<u64>();
    let totals = me.unread_totals().await.expect("read the totals");
    assert_eq!(totals.unread + totals.quiet.unread, sum, "{totals:?}");
}

/// The first is what was sent, the last what it says.
async fn versions(me: &Signed, current: &[&wire::Message]) {
    for one in current.iter().filter(|one| one.edited_at.is_some()).take(SOME) {
        let listed = me.edits(one.conversation_id, one.message_id, &PAGE).await.expect("list versions").items;
        assert!(listed.len() >= 2, "{listed:?}");
        assert_eq!(listed.last().and_then(|version| version.body.as_ref()), one.body.as_ref());
    }
}

async fn reactors(me: &Signed, current: &[&wire::Message]) {
    let reacted = current.iter().filter(|one| one.reactions.as_ref().is_some_and(|all| !all.is_empty()));
    for one in reacted.take(SOME) {
        let listed =
            me.reactors(one.conversation_id, one.message_id, None, &PAGE).await.expect("list who reacted").items;
        let mut counts = BTreeMap::<&str, u64>::new();
        listed.iter().for_each(|reactor| *counts.entry(&reactor.emoji).or_default() += 1);
        let told = one.reactions.iter().flatten().map(|it| (it.emoji.as_str(), it.count)).collect();
        assert_eq!(counts, told, "{}", one.message_id);
    }
}
