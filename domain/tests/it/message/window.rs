//! Until when, and by whom, a message is edited and recalled.

use super::*;

#[test]
fn what_no_person_has_sent_is_neither_edited_nor_recalled() {
    let system = Place { sender: None, ..PLACE };
    given([]).when(edit_of(system, ONE)).by(ALICE).refused(Refusal::NotYours);
    given([])
        .when(Command::Recall { message: system, window: limit::RECALL_WINDOW })
        .by(ALICE)
        .refused(Refusal::NotYours);
    let thumb = Event::Reacted { message: system, account_id: BOB, emoji: THUMB.to_owned(), count: 1 };
    given([]).when(Command::React { message: system, emoji: THUMB.to_owned() }).by(BOB).then([thumb]);
}

#[test]
fn it_is_edited_within_fifteen_minutes() {
    let last = PLACE.sent_at + limit::EDIT_WINDOW;
    assert_eq!(last, min(15));
    given([]).when(edit(ONE)).by(ALICE).at(last).then([edited(ONE)]);
    given([]).when(edit(ONE)).by(ALICE).at(last + TICK).refused(Refusal::TooLate);
}

#[test]
fn it_is_recalled_within_two_minutes() {
    let last = PLACE.sent_at + limit::RECALL_WINDOW;
    assert_eq!(last, min(2));
    given([]).when(recall()).by(ALICE).at(just_before(last)).then([recalled()]);
    given([]).when(recall()).by(ALICE).at(last).then([recalled()]);
    given([]).when(recall()).by(ALICE).at(last + TICK).refused(Refusal::TooLate);
    given([recalled()]).when(recall()).by(ALICE).at(min(60)).silent();
}

#[test]
fn how_long_it_is_edited_and_recalled_comes_with_the_command() {
    let short = |window| {
        let mut edit = edit(ONE);
        if let Command::Edit { window: of_edit, .. } = &mut edit {
            *of_edit = window;
        }
        [edit, Command::Recall { message: PLACE, window }]
    };
    let within = short(Duration::from_secs(1)).into_iter().zip([edited(ONE), recalled()]);
    for (command, event) in within {
        let last = PLACE.sent_at + Duration::from_secs(1);
        given([]).when(command.clone()).by(ALICE).at(last).then([event]);
        given([]).when(command).by(ALICE).at(last + TICK).refused(Refusal::TooLate);
    }
    for never in short(Duration::ZERO) {
        given([]).when(never).by(ALICE).at(PLACE.sent_at).refused(Refusal::TooLate);
    }
}

/// The owner is bob, the admin carol, alice and dave are members.
fn ranked(more: impl IntoIterator<Item = conversation::Event>) -> conversation::State {
    let joined = conversation::Event::added(1, vec![CAROL, DAVE, ERIN], BOB);
    let admin = |account_id, seq| conversation::Event::RoleChanged {
        seq,
        account_id,
        role: conversation::Role::Admin,
        by: BOB,
    };
    group([joined, admin(CAROL, 2), admin(ERIN, 2)].into_iter().chain(more))
}

#[test]
fn admins_recall_at_any_time_what_those_say_who_are_not_above_or_beside_them() {
    let late = min(60);
    let of = |sender| Place { sender: Some(sender), ..PLACE };
    let recall = |sender| Command::Recall { message: of(sender), window: limit::RECALL_WINDOW };
    let given = |more: Vec<conversation::Event>| scenario::given::<Message>([]).within(ranked(more));
    // who asks, whose message, whether it goes an hour later
    let table = [
        (BOB, ALICE, Ok(())),
        (BOB, CAROL, Ok(())),
        (BOB, BOB, Ok(())),
        (CAROL, ALICE, Ok(())),
        (CAROL, CAROL, Ok(())),
        (CAROL, ERIN, Err(Refusal::NotYours)),
        (CAROL, BOB, Err(Refusal::NotYours)),
        (DAVE, ALICE, Err(Refusal::NotYours)),
        (ALICE, ALICE, Err(Refusal::TooLate)),
    ];
    for (by, sender, expected) in table {
        let asked = given(vec![]).when(recall(sender)).by(by).at(late);
        match expected {
            Ok(()) => asked.then([Event::Recalled { message: of(sender), by }]),
            Err(refusal) => asked.refused(refusal),
        }
    }
    let gone = conversation::Event::MemberLeft { seq: 5, account_id: ERIN, by: ERIN, joined_seq: 0 };
    given(vec![gone]).when(recall(ERIN)).by(CAROL).at(late).then([Event::Recalled { message: of(ERIN), by: CAROL }]);
    let again = scenario::given::<Message>([Event::Recalled { message: PLACE, by: ALICE }]).within(ranked([]));
    again.when(self::recall()).by(CAROL).at(late).silent();
}

#[test]
fn nothing_happens_to_what_was_recalled() {
    let gone = || given([edited(ONE), reacted(BOB, THUMB, 1), recalled()]);
    gone().when(edit(OTHER)).by(ALICE).refused(Refusal::Recalled);
    gone().when(edit(ONE)).by(ALICE).refused(Refusal::Recalled);
    for by in [ALICE, BOB] {
        gone().when(react(THUMB)).by(by).refused(Refusal::Recalled);
        gone().when(unreact(THUMB)).by(by).refused(Refusal::Recalled);
        gone().when(Command::Pin { message: PLACE }).by(by).refused(Refusal::Recalled);
        gone().when(Command::Unpin { message: PLACE }).by(by).refused(Refusal::Recalled);
    }
}
