//! What people mark for themselves: MSG-14.

use super::*;

fn mark_of(message: Place, starred: Option<bool>, listened: bool) -> Command {
    Command::Mark { message, body_kind: BodyKind::Voice, starred, listened, is_gone: false }
}

fn marked(account_id: AccountId, starred_at: Option<Timestamp>, listened: bool) -> Event {
    Event::Marked { message: PLACE, account_id, starred_at, listened }
}

#[test]
fn everybody_stars_for_themselves_and_takes_it_back() {
    let star = || mark_of(PLACE, Some(true), false);
    let starred = |who, at| marked(who, Some(at), false);
    given([]).when(star()).by(BOB).at(min(5)).then([starred(BOB, min(5))]);
    given([starred(BOB, min(5))]).when(star()).by(BOB).at(min(6)).silent();
    given([starred(BOB, min(5))]).when(star()).by(ALICE).at(min(6)).then([starred(ALICE, min(6))]);
    let unstar = || mark_of(PLACE, Some(false), false);
    given([]).when(unstar()).by(BOB).silent();
    given([starred(BOB, min(5))]).when(unstar()).by(BOB).then([marked(BOB, None, false)]);
    given([starred(BOB, min(5)), marked(BOB, None, false)]).when(star()).by(BOB).then([starred(BOB, min(0))]);
    given([]).when(star()).by(CAROL).refused(Refusal::NotFound);
    given([]).when(mark_of(PLACE, None, false)).by(BOB).silent();
}

#[test]
fn another_ones_voice_is_listened_to_for_good() {
    let listen = || mark_of(PLACE, None, true);
    given([]).when(listen()).by(BOB).then([marked(BOB, None, true)]);
    given([marked(BOB, None, true)]).when(listen()).by(BOB).silent();
    given([marked(BOB, Some(min(1)), true)])
        .when(mark_of(PLACE, Some(false), false))
        .by(BOB)
        .then([marked(BOB, None, true)]);
    given([marked(BOB, None, true)]).when(mark_of(PLACE, Some(true), false)).by(BOB).at(min(2)).then([marked(
        BOB,
        Some(min(2)),
        true,
    )]);
    given([]).when(listen()).by(ALICE).refused(Refusal::OwnVoice);
    for body_kind in [BodyKind::Text, BodyKind::Video, BodyKind::File] {
        let both = Command::Mark { message: PLACE, body_kind, starred: Some(true), listened: true, is_gone: false };
        given([]).when(both).by(BOB).refused(Refusal::NoVoice);
    }
    for refusal in [Refusal::NoVoice, Refusal::OwnVoice] {
        assert_eq!((refusal.code(), refusal.pointer().as_deref()), (Code::InvalidInput, Some("/listened")));
    }
}

#[test]
fn no_mark_is_left_on_what_was_recalled_nor_put_on_what_is_gone() {
    let recalled = || [marked(BOB, Some(min(1)), true), Event::Recalled { message: PLACE, by: ALICE }];
    given(recalled()).when(mark_of(PLACE, Some(true), false)).by(BOB).refused(Refusal::Recalled);
    given(recalled()).when(mark_of(PLACE, None, true)).by(BOB).refused(Refusal::Recalled);
    given(recalled()).when(mark_of(PLACE, Some(false), false)).by(BOB).silent();
    let Command::Mark { message, body_kind, starred, listened, .. } = mark_of(PLACE, Some(true), true) else {
        panic!()
    };
    let gone = Command::Mark { message, body_kind, starred, listened, is_gone: true };
    given([marked(BOB, Some(min(1)), true)]).when(gone).by(BOB).refused(Refusal::NotFound);
}
