//! Groups: CNV-2 to CNV-8. Ranks, cards and curbs: [`rank`]; how people come: [`door`].

mod door;
mod rank;

use crate::{
    laws::{HELLO, HERE, THERE, check},
    scenario::{self, ALICE, BOB, CAROL, days, min, sealed},
};
use natter_domain::{
    AccountId, Code, Context, Decider, MessageId, Refusal as _,
    conversation::{
        Asked, BodyKind, Command, Conversation, Event, Kind, Refusal, State, Stay, SystemMessage, system_message_id,
        system_message_seq,
    },
    limit,
};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;
use uuid::Uuid;

fn given<const N: usize>(history: [Event; N]) -> scenario::Given<Conversation> {
    scenario::given(history)
}

/// All of these let themselves be added, all others whom the examples know are to be asked; there is room for 500.
pub(crate) fn coming(members: &[AccountId]) -> Asked {
    let others = [ALICE, BOB, CAROL, AccountId(Uuid::from_u128(0xd))];
    let invited = others.into_iter().filter(|it| !members.contains(it)).collect();
    Asked { coming: members.iter().copied().collect(), invited, members_max: 500, ..Asked::default() }
}

pub(crate) fn start(members: &[AccountId]) -> Command {
    Command::StartGroup { name: sealed("name"), members: members.to_vec(), asked: coming(members) }
}

pub(crate) fn started(members: &[AccountId]) -> Event {
    Event::Started { kind: Kind::Group, members: members.to_vec(), name: Some(sealed("name")), owner: Some(members[0]) }
}

pub(crate) fn direct() -> Event {
    Event::Started { kind: Kind::Direct, members: vec![ALICE, BOB], name: None, owner: None }
}

pub(crate) fn add(accounts: &[AccountId]) -> Command {
    Command::AddMembers { accounts: accounts.to_vec(), asked: coming(accounts) }
}

pub(crate) fn joined(seq: u64, account_ids: &[AccountId], by: AccountId) -> Event {
    Event::added(seq, account_ids.to_vec(), by)
}

pub(crate) fn remove(account: AccountId) -> Command {
    Command::RemoveMember { account }
}

pub(crate) fn left(seq: u64, account_id: AccountId, by: AccountId, joined_seq: u64) -> Event {
    Event::MemberLeft { seq, account_id, by, joined_seq }
}

fn rename(name: &str) -> Command {
    Command::Change { name: Some(sealed(name)), changes: vec![], permissions: None }
}

pub(crate) fn send() -> Command {
    Command::Send {
        message_id: HELLO,
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        muted: None,
        gone: None,
        details: Default::default(),
        missing: Default::default(),
    }
}

pub(crate) fn sent(seq: u64, sender: AccountId) -> Event {
    Event::MessageSent {
        message_id: HELLO,
        seq,
        sender,
        body: sealed("hello"),
        body_kind: BodyKind::Text,
        size: 5,
        details: Default::default(),
    }
}

/// So many people, none of them alice, bob or carol.
pub(crate) fn crowd(count: usize) -> Vec<AccountId> {
    (0..count as u128).map(|number| AccountId(Uuid::from_u128(0x1000 + number))).collect()
}

#[test]
fn somebody_begins_a_group_and_owns_it() {
    given([]).when(start(&[BOB, CAROL])).by(ALICE).then([started(&[ALICE, BOB, CAROL])]);
    given([]).when(start(&[])).by(ALICE).then([started(&[ALICE])]);
}

#[test]
fn oneself_and_repeats_are_ignored() {
    given([]).when(start(&[BOB, ALICE, BOB])).by(ALICE).then([started(&[ALICE, BOB])]);
    given([started(&[ALICE])]).when(add(&[BOB, ALICE, BOB])).by(ALICE).then([joined(2, &[BOB], ALICE)]);
    given([started(&[ALICE, BOB])]).when(add(&[BOB, ALICE])).by(ALICE).silent();
}

#[test]
fn the_beginning_is_the_first_message() {
    given([started(&[ALICE])]).when(send()).by(ALICE).then([sent(2, ALICE)]);
}

#[test]
fn a_group_begins_once() {
    given([started(&[ALICE, BOB])]).when(start(&[BOB])).by(ALICE).silent();
    given([started(&[ALICE, BOB])]).when(start(&[CAROL])).by(ALICE).refused(Refusal::StartedOtherwise);
    given([started(&[ALICE, BOB])]).when(start(&[ALICE])).by(BOB).refused(Refusal::StartedOtherwise);
    given([direct()]).when(start(&[BOB])).by(ALICE).refused(Refusal::StartedOtherwise);
}

#[test]
fn who_does_not_let_themselves_be_added_is_invited() {
    let with = |asked| Command::AddMembers { accounts: vec![BOB, CAROL], asked };
    let invited = |account_ids: &[AccountId], joined: &[AccountId]| Event::MembersInvited {
        account_ids: account_ids.to_vec(),
        untold: vec![],
        joined: joined.to_vec(),
        by: ALICE,
        at: min(0),
        expires_at: days(7),
    };
    // What comes first tells all of it: of a repeat that one is found again.
    let both = [invited(&[CAROL], &[BOB]), joined(2, &[BOB], ALICE)];
    given([started(&[ALICE])]).when(with(coming(&[BOB]))).by(ALICE).then(both);
    given([started(&[ALICE])]).when(with(coming(&[]))).by(ALICE).then([invited(&[BOB, CAROL], &[])]);
    let group = Command::StartGroup { name: sealed("name"), members: vec![BOB, CAROL], asked: coming(&[CAROL]) };
    given([]).when(group).by(ALICE).then([started(&[ALICE, CAROL]), invited(&[BOB], &[CAROL])]);
    // Who is in already stays in, whoever they are to the one who adds.
    given([started(&[ALICE, CAROL])]).when(with(coming(&[BOB]))).by(ALICE).then([joined(2, &[BOB], ALICE)]);
}

#[test]
fn where_one_has_no_account_nobody_is_added() {
    let asked = || Asked { unknown: [CAROL].into(), ..coming(&[BOB]) };
    let add = Command::AddMembers { accounts: vec![BOB, CAROL], asked: asked() };
    given([started(&[ALICE])]).when(add.clone()).by(ALICE).refused(Refusal::UnknownAccount { account: CAROL });
    // Who is in was somebody.
    given([started(&[ALICE, CAROL])]).when(add).by(ALICE).then([joined(2, &[BOB], ALICE)]);
    let group = Command::StartGroup { name: sealed("name"), members: vec![BOB, CAROL], asked: asked() };
    given([]).when(group).by(ALICE).refused(Refusal::UnknownAccount { account: CAROL });
}

/// They were in when their lanes were asked, and are not when it is decided: nobody knows whether they may be told.
#[test]
fn who_was_not_asked_about_is_to_be_asked_about() {
    let back = Command::AddMembers { accounts: vec![BOB], asked: Asked { members_max: 500, ..Asked::default() } };
    let history = [started(&[ALICE, BOB]), left(2, BOB, BOB, 0)];
    given(history).when(back).by(ALICE).refused(Refusal::NotAsked);
    assert_eq!(Refusal::NotAsked.code(), Code::Unavailable);
}

#[test]
fn every_member_adds() {
    given([started(&[ALICE, BOB])]).when(add(&[CAROL])).by(BOB).then([joined(2, &[CAROL], BOB)]);
}

#[test]
fn at_most_500_are_in() {
    let most = crowd(500);
    given([]).when(start(&most[..499])).by(ALICE).then([started(&[&[ALICE], &most[..499]].concat())]);
    given([]).when(start(&most)).by(ALICE).refused(Refusal::GroupFull);
    let nearly = started(&[&[ALICE], &most[..498]].concat());
    given([nearly.clone()]).when(add(&[BOB])).by(ALICE).then([joined(2, &[BOB], ALICE)]);
    given([nearly.clone()]).when(add(&[BOB, CAROL])).by(ALICE).refused(Refusal::GroupFull);
    // Room for one again.
    let history = [nearly, joined(2, &[BOB], ALICE), left(3, BOB, BOB, 1)];
    given(history).when(add(&[CAROL])).by(ALICE).then([joined(4, &[CAROL], ALICE)]);
}

#[test]
fn a_large_group_is_full_too() {
    let mut state = State::default();
    Conversation::evolve(&mut state, &started(&[ALICE]));
    for chunk in crowd(99_998).chunks(1_000) {
        let next = joined(state.last_seq + 1, chunk, ALICE);
        Conversation::evolve(&mut state, &next);
    }
    let context = Context { actor: Some(ALICE), session: None, now: min(0) };
    let asked = |members: &[AccountId]| Asked { members_max: 100_000, ..coming(members) };
    let add = |accounts: &[AccountId]| Command::AddMembers { accounts: accounts.to_vec(), asked: asked(accounts) };
    let answer = |command: &Command| Conversation::decide(&state, &state, &context, command);
    assert_eq!(answer(&add(&[BOB])).map(|events| events.len()), Ok(1), "the 100,000th");
    assert_eq!(answer(&add(&[BOB, CAROL])), Err(Refusal::GroupFull), "the 100,001st");
}

#[test]
fn everybody_leaves_and_the_owner_removes() {
    given([started(&[ALICE, BOB])]).when(remove(BOB)).by(BOB).then([left(2, BOB, BOB, 0)]);
    given([started(&[ALICE, BOB])]).when(remove(BOB)).by(ALICE).then([left(2, BOB, ALICE, 0)]);
    given([started(&[ALICE, BOB, CAROL])]).when(remove(CAROL)).by(BOB).refused(Refusal::NotAllowed);
    given([started(&[ALICE, BOB])]).when(remove(ALICE)).by(BOB).refused(Refusal::NotAllowed);
}

#[test]
fn the_owner_stays_while_others_are_in() {
    given([started(&[ALICE, BOB])]).when(remove(ALICE)).by(ALICE).refused(Refusal::OwnerMustStay);
    given([started(&[ALICE, BOB]), left(2, BOB, BOB, 0)])
        .when(remove(ALICE))
        .by(ALICE)
        .then([left(3, ALICE, ALICE, 0)]);
}

#[test]
fn leaving_again_is_silent() {
    let gone = || [started(&[ALICE, BOB]), left(2, BOB, ALICE, 0)];
    given(gone()).when(remove(BOB)).by(BOB).silent();
    given(gone()).when(remove(BOB)).by(ALICE).silent();
    given(gone()).when(remove(CAROL)).by(ALICE).refused(Refusal::NobodyOfThisId);
}

#[test]
fn who_is_out_is_told_so_and_who_never_was_in_finds_nothing() {
    for command in [send(), add(&[CAROL]), rename("other"), remove(ALICE)] {
        let history = [started(&[ALICE, BOB]), left(2, BOB, BOB, 0)];
        given(history.clone()).when(command.clone()).by(BOB).refused(Refusal::NotAMember);
        given(history.clone()).when(command.clone()).by(CAROL).refused(Refusal::NotFound);
        given(history).when(command).refused(Refusal::NotFound);
    }
}

#[test]
fn who_comes_back_has_a_further_stay() {
    let back = [started(&[ALICE, BOB]), left(2, BOB, BOB, 0), joined(3, &[BOB], ALICE)];
    given(back.clone()).when(send()).by(BOB).then([sent(4, BOB)]);
    given(back).when(remove(BOB)).by(BOB).then([left(4, BOB, BOB, 2)]);
}

#[test]
fn members_rename_and_the_same_name_again_is_silent() {
    let renamed = || Event::Renamed { name: sealed("other"), by: BOB, last_seq: 2, is_message: true };
    given([started(&[ALICE, BOB])]).when(rename("other")).by(BOB).then([renamed()]);
    given([started(&[ALICE, BOB]), renamed()]).when(rename("other")).by(ALICE).silent();
    given([started(&[ALICE, BOB]), renamed()]).when(send()).by(ALICE).then([sent(3, ALICE)]);
    // Until version 2 it was no message.
    let before = Event::Renamed { name: sealed("other"), by: BOB, last_seq: 1, is_message: false };
    given([started(&[ALICE, BOB]), before]).when(send()).by(ALICE).then([sent(2, ALICE)]);
}

#[test]
fn a_direct_conversation_is_no_group() {
    for command in [add(&[CAROL]), remove(ALICE), remove(BOB), rename("other")] {
        given([direct()]).when(command).by(ALICE).refused(Refusal::NotAGroup);
    }
}

#[test]
fn a_system_message_says_what_happened() {
    let told = |event: &Event| SystemMessage::of(event).map(|it| (it.seq, it.code, it.text, it.account_ids, it.by));
    let message =
        |seq, code, text: &str, accounts: &[AccountId], by| Some((seq, code, text.to_owned(), accounts.to_vec(), by));
    assert_eq!(told(&started(&[ALICE, BOB])), message(1, "group.created", "the group was created", &[ALICE], ALICE));
    assert_eq!(told(&joined(4, &[BOB], ALICE)), message(4, "member.joined", "1 member joined", &[BOB], ALICE));
    let two = [BOB, CAROL];
    assert_eq!(told(&joined(4, &two, ALICE)), message(4, "member.joined", "2 members joined", &two, ALICE));
    assert_eq!(told(&left(5, BOB, BOB, 0)), message(5, "member.left", "1 member left", &[BOB], BOB));
    assert_eq!(told(&left(5, BOB, ALICE, 0)), message(5, "member.left", "1 member was removed", &[BOB], ALICE));
    let renamed = |is_message| Event::Renamed { name: sealed("name"), by: ALICE, last_seq: 6, is_message };
    assert_eq!(told(&renamed(true)), message(6, "group.renamed", "the group has another name", &[], ALICE));
    for no_message in [direct(), sent(1, ALICE), renamed(false)] {
        assert_eq!(told(&no_message), None);
    }
}

#[test]
fn the_ids_of_system_messages_are_known_from_all_others() {
    for seq in [1, 2, 4_096, u64::MAX >> 2] {
        let id = system_message_id(HERE, seq);
        assert_eq!(system_message_seq(HERE, id), Some(seq));
        assert_eq!(system_message_seq(THERE, id), None);
        assert_ne!(id, system_message_id(THERE, seq));
    }
    for other in [HELLO, MessageId(Uuid::nil()), MessageId(Uuid::max()), MessageId(HERE.0)] {
        assert_eq!(system_message_seq(HERE, other), None);
    }
}

/// What a group should be, in the plainest words: for everybody their stays, each with what they were shown.
#[derive(Default, Debug)]
struct Model {
    last_seq: u64,
    stays: BTreeMap<AccountId, Vec<(u64, Option<u64>)>>,
}

impl Model {
    fn is_in(&self, who: AccountId) -> bool {
        self.stays.get(&who).and_then(|stays| stays.last()).is_some_and(|(_, left)| left.is_none())
    }

    fn count(&self) -> usize {
        self.stays.keys().filter(|who| self.is_in(**who)).count()
    }

    fn join(&mut self, who: AccountId, seq: u64) {
        self.stays.entry(who).or_default().push((seq - 1, None));
    }

    /// The stay that has ended.
    fn leave(&mut self, who: AccountId, seq: u64) -> u64 {
        let stay = self.stays.get_mut(&who).and_then(|stays| stays.last_mut()).expect("they are in");
        stay.1 = Some(seq);
        stay.0
    }

    /// What the group should answer: the message number that comes of it, none, or a refusal.
    fn ask(&mut self, actor: AccountId, command: &Command) -> Result<Option<u64>, Refusal> {
        let out = if self.stays.contains_key(&actor) { Refusal::NotAMember } else { Refusal::NotFound };
        match command {
            Command::RemoveMember { account }
                if *account == actor && out == Refusal::NotAMember && !self.is_in(actor) =>
            {
                return Ok(None);
            }
            _ if !self.is_in(actor) => return Err(out),
            Command::AddMembers { accounts, .. } => {
                let new: Vec<AccountId> = accounts.iter().copied().filter(|it| !self.is_in(*it)).collect();
                if new.is_empty() {
                    return Ok(None);
                }
                self.last_seq += 1;
                for who in new {
                    if !self.is_in(who) {
                        self.join(who, self.last_seq);
                    }
                }
            }
            Command::RemoveMember { account } => {
                if !self.stays.contains_key(account) {
                    return Err(Refusal::NobodyOfThisId);
                }
                if !self.is_in(*account) {
                    return Ok(None);
                }
                match (*account == actor, actor == ALICE) {
                    (false, false) => return Err(Refusal::NotAllowed),
                    (true, true) if self.count() > 1 => return Err(Refusal::OwnerMustStay),
                    _ => {}
                }
                self.last_seq += 1;
                self.leave(*account, self.last_seq);
            }
            _ => self.last_seq += 1,
        }
        Ok(Some(self.last_seq))
    }
}

#[test]
fn random_joins_leaves_and_sends_keep_numbers_and_stays_as_the_model_has_them() {
    let people: Vec<AccountId> = [ALICE, BOB, CAROL].into_iter().chain(crowd(2)).collect();
    let who = || proptest::sample::select(people.clone());
    let command = prop_oneof![
        3 => Just(send()),
        3 => vec(who(), 1..3).prop_map(|accounts| add(&accounts)),
        3 => who().prop_map(remove),
    ];
    check(vec((who(), command), 0..60), |asks| {
        let (mut state, mut model) = (State::default(), Model { last_seq: 1, ..Model::default() });
        Conversation::evolve(&mut state, &started(&[ALICE]));
        model.stays.insert(ALICE, vec![(0, None)]);
        for (actor, command) in asks {
            let context = Context { actor: Some(actor), session: None, now: min(0) };
            let answer = Conversation::decide(&state, &state, &context, &command);
            let before = model.stays.clone();
            let expected = model.ask(actor, &command);
            prop_assert_eq!(answer.as_ref().err(), expected.as_ref().err(), "{:?}: {:?}", actor, command);
            let events = answer.unwrap_or_default();
            prop_assert_eq!(events.len(), usize::from(expected.unwrap_or_default().is_some()));
            for event in &events {
                prop_assert_eq!(number(event), model.last_seq, "no gaps");
                if let Event::MemberLeft { account_id, joined_seq, .. } = event {
                    let stay = before[account_id].last().expect("they were in");
                    prop_assert_eq!(*joined_seq, stay.0);
                }
                Conversation::evolve(&mut state, event);
            }
            let inside: BTreeMap<AccountId, u64> =
                state.members.iter().map(|(who, member)| (*who, member.joined_seq)).collect();
            let last_left = |stays: &[Stay]| stays.last().map_or(0, |stay| stay.left_seq);
            let past = state.past.iter().filter(|(who, _)| state.is_former(**who));
            let outside: BTreeMap<AccountId, u64> = past.map(|(who, stays)| (*who, last_left(stays))).collect();
            let last = |left: bool| {
                let stays = model.stays.iter().map(|(who, stays)| (*who, *stays.last().expect("at least one")));
                stays.filter(move |(_, stay)| stay.1.is_some() == left)
            };
            prop_assert_eq!(inside, last(false).map(|(who, stay)| (who, stay.0)).collect::<BTreeMap<_, _>>());
            prop_assert_eq!(
                outside,
                last(true).map(|(who, stay)| (who, stay.1.unwrap_or(0))).collect::<BTreeMap<_, _>>()
            );
            prop_assert_eq!(state.last_seq, model.last_seq);
            for (who, stays) in &model.stays {
                for seq in 0..=state.last_seq {
                    let sees = |stay: &(u64, Option<u64>)| stay.0 < seq && stay.1.is_none_or(|left| seq <= left);
                    prop_assert_eq!(state.sees(*who, seq), stays.iter().any(sees), "{:?} of {}", who, seq);
                }
            }
        }
        Ok(())
    });
}

/// Bob's: he leaves and is added again so often, and each time alice `speaks` in between or not.
fn comes_and_goes(times: u64, speaks: bool) -> State {
    let mut state = State::default();
    let step = 2 + u64::from(speaks);
    Conversation::evolve(&mut state, &started(&[ALICE, BOB]));
    for time in 0..times {
        let (seq, begins) = (2 + time * step, if time == 0 { 0 } else { time * step });
        let said = || sent(seq + 1, ALICE);
        let events =
            [Some(left(seq, BOB, BOB, begins)), speaks.then(said), Some(joined(seq + step - 1, &[BOB], ALICE))];
        events.iter().flatten().for_each(|event| Conversation::evolve(&mut state, event));
    }
    state
}

#[test]
fn of_who_comes_and_goes_for_ever_the_latest_stays_are_kept() {
    let kept = limit::STAYS_KEPT as u64;
    let all = comes_and_goes(kept, true);
    assert_eq!(all.past[&BOB].len() as u64, kept);
    assert!(all.sees(BOB, 1) && all.sees(BOB, 2) && !all.sees(BOB, 3) && all.sees(BOB, 4));
    let more = comes_and_goes(kept + 3, true);
    assert_eq!(more.past[&BOB].len() as u64, kept);
    assert_eq!(more.past[&BOB].last(), Some(&Stay { joined_seq: (kept + 2) * 3, left_seq: (kept + 2) * 3 + 2 }));
    // The three oldest are gone: up to the leaving of the third.
    assert!((1..=8).all(|seq| !more.sees(BOB, seq)) && more.sees(BOB, 10) && more.sees(BOB, 11) && !more.sees(BOB, 12));
    assert!(more.sees(BOB, more.last_seq) && more.knows(BOB));
    assert_eq!(comes_and_goes(10 * kept, false).past[&BOB].len(), 1, "where nothing is said in between it is one stay");
}

fn number(event: &Event) -> u64 {
    match event {
        Event::MessageSent { seq, .. } => *seq,
        event => SystemMessage::of(event).expect("it is a message").seq,
    }
}
