//! The board, word by word: time is told, nothing is waited for.

use super::*;
use crate::presence::signs::Class;

const OWN: Uuid = Uuid::from_u128(0x50);
const NORTH: Uuid = Uuid::from_u128(0x60);
const SOUTH: Uuid = Uuid::from_u128(0x70);
const ALICE: AccountId = AccountId(Uuid::from_u128(1));
const BOB: AccountId = AccountId(Uuid::from_u128(2));
const WEB: Signs = Signs::of(Class::Web, false);
const PHONE: Signs = Signs::of(Class::Mobile, true);

struct Scene {
    board: Board,
    now: Moment,
}

fn scene() -> Scene {
    let now = Moment { at: Instant::now(), wall: Timestamp::from_millis(1_000_000) };
    Scene { board: Board::new(OWN, now.at), now }
}

impl Scene {
    /// Looking all the while.
    fn pass(&mut self, millis: u64) -> Outcome {
        let mut all = Outcome::default();
        for _ in 0..millis / 100 {
            self.now = self.now.after(Duration::from_millis(100));
            let outcome = self.board.look(self.now, true);
            all.changed.extend(outcome.changed);
            all.ask.extend(outcome.ask);
            all.lost.extend(outcome.lost);
        }
        all
    }

    fn hear(&mut self, edge: Uuid, number: u64, changed: &[(AccountId, Signs)]) -> Outcome {
        let change = |&(account, signs): &(AccountId, Signs)| Change { account, signs, left: None };
        let told = Told { edge, number, changed: changed.iter().map(change).collect() };
        self.board.hear(told, self.now)
    }

    fn listed(&mut self, edge: Uuid, question: u64, number: u64, people: &[(AccountId, Signs)]) -> Outcome {
        let pages = Listed::pages(edge, question, number, people);
        pages.into_iter().map(|page| self.board.listed(page, self.now)).last().unwrap()
    }

    fn state(&self, account: AccountId) -> &'static str {
        self.board.signs(account).state()
    }
}

impl Moment {
    fn after(self, passed: Duration) -> Self {
        Self { at: self.at + passed, wall: self.wall + passed }
    }
}

fn who(outcome: &Outcome) -> Vec<AccountId> {
    let mut who: Vec<AccountId> = outcome.changed.iter().map(|(account, _)| *account).collect();
    who.sort();
    who
}

#[tokio::test(start_paused = true)]
async fn words_that_follow_each_other_are_applied() {
    let mut scene = scene();
    let heard = scene.hear(NORTH, 1, &[(ALICE, WEB), (BOB, PHONE)]);
    assert_eq!((who(&heard), heard.ask.len()), (vec![ALICE, BOB], 0));
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("online", "away"));
    scene.hear(NORTH, 2, &[(ALICE, Signs::NONE)]);
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("offline", "away"));
    assert_eq!(scene.hear(NORTH, 1, &[(ALICE, WEB)]), Outcome::default(), "an old one");
    assert_eq!(scene.hear(NORTH, 2, &[]), Outcome::default(), "a sign of life");
    assert_eq!(scene.hear(OWN, 1, &[(ALICE, WEB)]), Outcome::default(), "our own");
    assert_eq!(scene.state(ALICE), "offline");
}

#[tokio::test(start_paused = true)]
async fn people_at_several_edges_are_one() {
    let mut scene = scene();
    scene.hear(NORTH, 1, &[(ALICE, PHONE)]);
    scene.hear(SOUTH, 1, &[(ALICE, WEB)]);
    assert_eq!(
        (scene.state(ALICE), scene.board.signs(ALICE).devices()),
        ("online", vec!["mobile".into(), "web".into()])
    );
    scene.hear(SOUTH, 2, &[(ALICE, Signs::NONE)]);
    assert_eq!(scene.state(ALICE), "away", "the phone is there still");
}

#[tokio::test(start_paused = true)]
async fn behind_a_gap_the_whole_list_is_asked_for_and_words_meanwhile_wait() {
    let mut scene = scene();
    scene.hear(NORTH, 1, &[(ALICE, WEB)]);
    assert_eq!(scene.hear(NORTH, 3, &[(BOB, WEB)]).ask, [(NORTH, 1)]);
    assert_eq!(scene.state(BOB), "offline", "not before it is known what was missed");
    assert_eq!(scene.hear(NORTH, 4, &[(BOB, PHONE)]), Outcome::default());
    assert_eq!(scene.state(ALICE), "online", "as far as is known");
    // As of 3: word 4 came before it.
    let listed = scene.listed(NORTH, 1, 3, &[(BOB, WEB)]);
    assert_eq!((who(&listed), listed.ask.len()), (vec![ALICE, BOB, BOB], 0));
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("offline", "away"));
    assert_eq!(who(&scene.hear(NORTH, 5, &[(ALICE, WEB)])), [ALICE], "on it goes");
}

#[tokio::test(start_paused = true)]
async fn a_lost_word_is_noticed_by_the_sign_of_life_behind_it() {
    let mut scene = scene();
    scene.hear(NORTH, 1, &[(ALICE, WEB)]);
    assert_eq!(scene.hear(NORTH, 2, &[]).ask, [(NORTH, 1)]);
    scene.listed(NORTH, 1, 2, &[]);
    assert_eq!(scene.state(ALICE), "offline");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_is_asked_unless_it_has_just_begun() {
    let mut scene = scene();
    assert_eq!(scene.hear(NORTH, 0, &[]), Outcome::default());
    assert_eq!(scene.hear(SOUTH, 7, &[]).ask, [(SOUTH, 1)]);
    scene.listed(SOUTH, 1, 7, &[(ALICE, WEB)]);
    assert_eq!((scene.state(ALICE), scene.board.count()), ("online", 2));
}

#[tokio::test(start_paused = true)]
async fn a_gap_between_the_list_and_what_waited_is_asked_for_again() {
    let mut scene = scene();
    scene.hear(NORTH, 5, &[(ALICE, WEB)]);
    let listed = scene.listed(NORTH, 1, 3, &[(BOB, WEB)]);
    assert_eq!(listed.ask, [(NORTH, 2)], "word 4 is nowhere");
    assert_eq!(scene.state(ALICE), "offline");
    scene.listed(NORTH, 2, 5, &[(ALICE, WEB)]);
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("online", "offline"));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_come_whole_is_asked_for_again() {
    let mut scene = scene();
    scene.hear(NORTH, 5, &[]);
    let people: Vec<_> = (0..1_200).map(|number| (AccountId(Uuid::from_u128(number)), WEB)).collect();
    let mut pages = Listed::pages(NORTH, 1, 5, &people);
    pages.remove(1);
    for page in pages {
        assert_eq!(scene.board.listed(page, scene.now), Outcome::default());
    }
    assert_eq!(scene.pass(1_000).ask, [(NORTH, 2)]);
    for page in Listed::pages(NORTH, 1, 5, &people) {
        assert_eq!(scene.board.listed(page, scene.now), Outcome::default(), "the answer to another question");
    }
    assert_eq!(scene.listed(NORTH, 2, 5, &people).changed.len(), 1_200);
    assert_eq!(scene.pass(1_000).ask, [], "it is there");
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_is_not_heard_of_is_gone_with_its_people_unless_another_has_them() {
    let mut scene = scene();
    scene.hear(NORTH, 1, &[(ALICE, WEB), (BOB, WEB)]);
    let heard = scene.now;
    scene.hear(SOUTH, 1, &[(BOB, PHONE)]);
    for _ in 0..4 {
        assert_eq!(scene.pass(1_000).changed, []);
        scene.hear(SOUTH, 1, &[]);
    }
    let gone = scene.pass(1_000);
    assert_eq!((who(&gone), gone.changed[0].1), (vec![ALICE, BOB], Some(heard.wall)));
    assert_eq!(gone.lost.len(), 2);
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("offline", "away"));
    // It had stood still only.
    assert_eq!(scene.hear(NORTH, 1, &[]).ask, [(NORTH, 1)]);
    scene.listed(NORTH, 1, 1, &[(ALICE, WEB)]);
    assert_eq!(scene.state(ALICE), "online");
}

#[tokio::test(start_paused = true)]
async fn another_start_of_an_edge_leaves_the_people_of_the_one_before_their_lease() {
    let mut scene = scene();
    scene.hear(NORTH, 1, &[(ALICE, WEB), (BOB, WEB)]);
    scene.pass(1_000);
    let again = Uuid::from_u128(0x61);
    assert_eq!(who(&scene.hear(again, 1, &[(ALICE, PHONE)])), [ALICE]);
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("online", "online"));
    scene.pass(3_000);
    scene.hear(again, 1, &[]);
    scene.pass(1_000);
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("away", "offline"), "who came back stays");
}

#[tokio::test(start_paused = true)]
async fn who_stood_still_or_had_no_bus_takes_nobody_for_gone() {
    let mut scene = scene();
    scene.hear(NORTH, 1, &[(ALICE, WEB)]);
    scene.now = scene.now.after(Duration::from_secs(30));
    assert_eq!(scene.board.look(scene.now, true), Outcome::default(), "it stood still");
    assert_eq!(scene.pass(4_900).changed, []);
    assert_eq!(who(&scene.pass(100)), [ALICE]);

    scene.hear(SOUTH, 1, &[(BOB, WEB)]);
    for _ in 0..100 {
        scene.now = scene.now.after(Duration::from_millis(100));
        assert_eq!(scene.board.look(scene.now, false), Outcome::default(), "nothing can be heard");
    }
    assert_eq!(who(&scene.pass(5_000)), [BOB]);
}

#[tokio::test(start_paused = true)]
async fn after_a_doubt_everybody_is_asked_and_known_as_before_until_then() {
    let mut scene = scene();
    scene.hear(NORTH, 1, &[(ALICE, WEB)]);
    scene.hear(SOUTH, 1, &[(BOB, WEB)]);
    let asked = scene.board.doubt(scene.now).ask;
    assert_eq!(asked.len(), 2);
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("online", "online"));
    for (edge, question) in asked {
        scene.listed(edge, question, 1, &[(BOB, WEB)]);
    }
    assert_eq!((scene.state(ALICE), scene.state(BOB)), ("offline", "online"));
}

#[tokio::test(start_paused = true)]
async fn one_edge_does_what_one_is_to_do() {
    let mut scene = scene();
    assert!(scene.board.is_first(), "alone");
    scene.hear(NORTH, 0, &[]);
    assert!(scene.board.is_first());
    scene.hear(Uuid::from_u128(0x10), 0, &[]);
    assert!(!scene.board.is_first());
}
