//! What a message has besides its body: what it answers, whom it mentions (CNV-21, CNV-22).

use crate::scenario::{ALICE, BOB, CAROL, Given, given, sealed};
use natter_domain::{
    AccountId, Code, MessageId, Refusal as _,
    conversation::{
        BodyKind, Change, Command, Conversation, Details, Event, Kind, Mentions, Missing, Permissions, Quote, Refusal,
        Role, Root, Unanswerable,
    },
};
use uuid::Uuid;

const DAVE: AccountId = AccountId(Uuid::from_u128(0xd));
const HELLO: MessageId = MessageId(Uuid::from_u128(0x11));
const BEFORE: MessageId = MessageId(Uuid::from_u128(0x10));

fn send(details: Details) -> Command {
    sending(details, None)
}

fn sending(details: Details, unanswerable: Option<Unanswerable>) -> Command {
    let (body, body_kind) = (sealed("hello"), BodyKind::Text);
    let missing = Missing { answered: unanswerable, root: None };
    Command::Send {
        message_id: HELLO,
        body,
        body_kind,
        size: 5,
        details: details.into(),
        missing,
        muted: None,
        gone: None,
    }
}

fn sent(seq: u64, sender: AccountId, details: Details) -> Event {
    Event::MessageSent {
        message_id: HELLO,
        seq,
        sender,
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        details: details.into(),
    }
}

fn answers(seq: u64) -> Details {
    let quote = Quote { message_id: BEFORE, seq, sender: Some(ALICE), excerpt: Some(sealed("he")) };
    Details { reply_to: Some(quote), ..Details::default() }
}

fn mentions(mentions: Mentions) -> Details {
    Details { mentions, ..Details::default() }
}

fn people(accounts: &[AccountId]) -> Details {
    mentions(Mentions { accounts: accounts.to_vec(), ..Mentions::default() })
}

fn everybody() -> Details {
    mentions(Mentions { all: true, ..Mentions::default() })
}

fn roles(roles: &[Role], by_role: &[AccountId]) -> Details {
    mentions(Mentions { roles: roles.to_vec(), by_role: by_role.to_vec(), ..Mentions::default() })
}

/// Alice owns it, bob is an admin, carol comes with the third message; dave was never in.
fn group(more: impl IntoIterator<Item = Event>) -> Given<Conversation> {
    let members = vec![ALICE, BOB];
    let history = [
        Event::Started { kind: Kind::Group, members, name: Some(sealed("name")), owner: Some(ALICE) },
        Event::RoleChanged { seq: 2, account_id: BOB, role: Role::Admin, by: ALICE },
        Event::added(3, vec![CAROL], ALICE),
    ];
    given::<Conversation>(history.into_iter().chain(more))
}

fn direct() -> Given<Conversation> {
    given::<Conversation>([Event::started_direct([ALICE, BOB])])
}

#[test]
fn a_message_answers_one_that_its_sender_sees() {
    group([]).when(send(answers(2))).by(BOB).then([sent(4, BOB, answers(2))]);
    group([]).when(send(answers(3))).by(CAROL).then([sent(4, CAROL, answers(3))]);
    group([]).when(send(answers(2))).by(CAROL).refused(Refusal::NothingToAnswer);
    group([]).when(send(answers(2))).by(DAVE).refused(Refusal::NotFound);
}

#[test]
fn what_is_not_there_or_was_recalled_is_not_answered() {
    let answering = |why| group([]).when(sending(Details::default(), Some(why))).by(BOB);
    answering(Unanswerable::NotThere).refused(Refusal::NothingToAnswer);
    answering(Unanswerable::Recalled { seq: 2 }).refused(Refusal::AnswersRecalled);
    let of_carol = group([]).when(sending(Details::default(), Some(Unanswerable::Recalled { seq: 2 }))).by(CAROL);
    of_carol.refused(Refusal::NothingToAnswer);
    let codes = [Refusal::NothingToAnswer, Refusal::AnswersRecalled].map(|refusal| refusal.code());
    assert_eq!(codes, [Code::InvalidInput, Code::Recalled]);
    assert_eq!(Refusal::NothingToAnswer.pointer().as_deref(), Some("/reply_to"));
}

#[test]
fn who_is_in_is_mentioned_and_nobody_else() {
    group([]).when(send(people(&[ALICE, CAROL]))).by(BOB).then([sent(4, BOB, people(&[ALICE, CAROL]))]);
    group([]).when(send(people(&[ALICE, DAVE]))).by(BOB).refused(Refusal::MentionsNobody { account: DAVE });
    let left = Event::MemberLeft { seq: 4, account_id: CAROL, by: CAROL, joined_seq: 2 };
    group([left]).when(send(people(&[CAROL]))).by(BOB).refused(Refusal::MentionsNobody { account: CAROL });
    direct().when(send(people(&[ALICE, BOB]))).by(BOB).then([sent(1, BOB, people(&[ALICE, BOB]))]);
    direct().when(send(people(&[CAROL]))).by(BOB).refused(Refusal::MentionsNobody { account: CAROL });
}

#[test]
fn everybody_is_mentioned_by_whom_the_group_lets() {
    group([]).when(send(everybody())).by(ALICE).then([sent(4, ALICE, everybody())]);
    group([]).when(send(everybody())).by(BOB).then([sent(4, BOB, everybody())]);
    group([]).when(send(everybody())).by(CAROL).refused(Refusal::NotAllowed);
    let permissions = Permissions { mention_all: Role::Member, ..Permissions::default() };
    let lets = Event::Changed { change: Change::Permissions(permissions), by: ALICE, last_seq: 3 };
    group([lets]).when(send(everybody())).by(CAROL).then([sent(4, CAROL, everybody())]);
    direct().when(send(everybody())).by(BOB).then([sent(1, BOB, everybody())]);
}

#[test]
fn who_has_a_role_then_is_written_down() {
    let asked = |some: &[Role]| roles(some, &[]);
    let owner = roles(&[Role::Owner], &[ALICE]);
    group([]).when(send(asked(&[Role::Owner]))).by(CAROL).then([sent(4, CAROL, owner)]);
    let admins = roles(&[Role::Admin], &[ALICE, BOB]);
    group([]).when(send(asked(&[Role::Admin]))).by(CAROL).then([sent(4, CAROL, admins)]);
    direct().when(send(asked(&[Role::Owner]))).by(BOB).refused(Refusal::NotAGroup);
}

#[test]
fn what_a_client_says_of_who_has_a_role_does_not_count() {
    let lie = roles(&[Role::Owner], &[CAROL]);
    group([]).when(send(lie)).by(BOB).then([sent(4, BOB, roles(&[Role::Owner], &[ALICE]))]);
}

#[test]
fn how_it_is_told_stays_with_it() {
    let details = Details { silent: true, forwarded: true, has_link: true, ..Details::default() };
    group([]).when(send(details.clone())).by(BOB).then([sent(4, BOB, details)]);
}

fn replies(seq: u64) -> Details {
    Details { thread: Some(Root { message_id: BEFORE, seq, sender: Some(ALICE) }), ..Details::default() }
}

#[test]
fn a_reply_is_in_the_thread_of_a_message_that_its_sender_sees() {
    group([]).when(send(replies(2))).by(BOB).then([sent(4, BOB, replies(2))]);
    group([]).when(send(replies(2))).by(CAROL).refused(Refusal::NoThread);
    group([]).when(send(replies(3))).by(CAROL).then([sent(4, CAROL, replies(3))]);
    let lacking = |why| {
        let (body, body_kind, details) = (sealed("hello"), BodyKind::Text, Details::default());
        let missing = Missing { answered: None, root: Some(why) };
        let send = Command::Send {
            message_id: HELLO,
            body,
            body_kind,
            size: 5,
            details: details.into(),
            missing,
            muted: None,
            gone: None,
        };
        group([]).when(send).by(BOB)
    };
    lacking(Unanswerable::NotThere).refused(Refusal::NoThread);
    lacking(Unanswerable::Recalled { seq: 2 }).refused(Refusal::AnswersRecalled);
    lacking(Unanswerable::Recalled { seq: 9 }).refused(Refusal::AnswersRecalled);
    assert_eq!(Refusal::NoThread.pointer().as_deref(), Some("/thread"));
}

#[test]
fn who_is_banned_from_a_channel_is_not_told_by_whom_one_may_mention() {
    let history = [
        Event::Started { kind: Kind::Channel, members: vec![], name: Some(sealed("news")), owner: Some(ALICE) },
        Event::Banned { account_id: CAROL, by: ALICE },
    ];
    let channel = || given::<Conversation>(history.clone());
    channel().when(send(people(&[BOB, CAROL]))).by(ALICE).then([sent(2, ALICE, people(&[BOB, CAROL]))]);
    let everybody = AccountId(Uuid::nil());
    channel().when(send(people(&[everybody]))).by(ALICE).refused(Refusal::MentionsNobody { account: everybody });
}
