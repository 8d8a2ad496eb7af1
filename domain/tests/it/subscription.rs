//! Subscription: SUB-1 and SUB-2.

use crate::{
    channel::{banned, state},
    laws::{Answer, HERE, Lawful, THERE, counts, laws, people},
    scenario::{self, ALICE, BOB, min},
};
use natter_domain::{
    AccountId, Code, Decider, Noun, Refusal as _, conversation,
    subscription::{Command, Event, Refusal, State, Subscription, address},
};
use proptest::{option, prelude::*, sample::select};

fn given(history: impl IntoIterator<Item = Event>) -> scenario::Given<Subscription> {
    scenario::given(history).within(state([]))
}

fn of(history: impl IntoIterator<Item = Event>, host: conversation::State) -> scenario::Given<Subscription> {
    scenario::given(history).within(host)
}

const BEGIN: Command = Command::Begin { channel: HERE };
const END: Command = Command::End { channel: HERE, account: BOB };

const fn begun(last_seq: u64) -> Event {
    Event::Begun { conversation_id: HERE, account_id: BOB, last_seq }
}

const fn ended(last_seq: u64) -> Event {
    Event::Ended { conversation_id: HERE, account_id: BOB, last_seq }
}

fn dissolved() -> conversation::Event {
    conversation::Event::Dissolved { seq: 2, by: ALICE, ends_at: min(10) }
}

#[test]
fn whoever_takes_part_subscribes_once() {
    given([]).when(BEGIN).by(BOB).then([begun(1)]);
    given([begun(1)]).when(BEGIN).by(BOB).silent();
    given([begun(1), ended(1)]).when(BEGIN).by(BOB).then([begun(1)]);
    given([]).when(BEGIN).refused(Refusal::NotFound);
}

#[test]
fn who_is_banned_does_not_subscribe() {
    of([], state([banned(BOB)])).when(BEGIN).by(BOB).refused(Refusal::Banned);
    // Nor is it so already.
    of([begun(1)], state([banned(BOB)])).when(BEGIN).by(BOB).refused(Refusal::Banned);
}

#[test]
fn to_what_is_over_nobody_subscribes() {
    of([], state([dissolved()])).when(BEGIN).by(BOB).refused(Refusal::Closed);
    of([begun(1)], state([dissolved()])).when(BEGIN).by(BOB).silent();
    let gone = || state([dissolved(), conversation::Event::Ended {}]);
    of([], gone()).when(BEGIN).by(BOB).refused(Refusal::NotFound);
    of([begun(1)], gone()).when(END).by(BOB).then([ended(2)]);
}

#[test]
fn only_channels_are_subscribed_to() {
    let mut talk = conversation::State::default();
    of([], talk.clone()).when(BEGIN).by(BOB).refused(Refusal::NotFound);
    conversation::Conversation::evolve(&mut talk, &conversation::Event::started_direct([ALICE, BOB]));
    of([], talk.clone()).when(BEGIN).by(BOB).refused(Refusal::NotAChannel);
    of([], talk).when(BEGIN).by(AccountId(uuid::Uuid::from_u128(9))).refused(Refusal::NotFound);
    let codes = [Refusal::NotFound, Refusal::NotAChannel, Refusal::Closed, Refusal::Banned].map(|it| it.code());
    assert_eq!(codes, [Code::NotFound, Code::Forbidden, Code::ConversationClosed, Code::Banned]);
}

#[test]
fn everybody_ends_their_own_and_natter_those_of_who_are_banned() {
    given([begun(1)]).when(END).by(BOB).then([ended(1)]);
    given([begun(1)]).when(END).by(ALICE).refused(Refusal::NotFound);
    of([begun(1)], state([banned(BOB)])).when(END).then([ended(0)]);
    given([begun(1)]).when(END).silent();
    given([]).when(END).by(BOB).silent();
    given([begun(1), ended(1)]).when(END).by(BOB).silent();
}

#[test]
fn it_lives_in_the_lane_of_its_channel() {
    let place = address(HERE, BOB);
    assert_eq!((place.noun, place.route), (Noun::Subscription, HERE.0));
    assert_ne!(place.id, address(HERE, ALICE).id);
    assert_ne!(place.id, address(THERE, BOB).id);
    assert_eq!(Subscription::host(place), conversation::address(HERE));
}

laws!(Subscription);

impl Lawful for Subscription {
    fn within() -> conversation::State {
        state([])
    }

    fn asks() -> BoxedStrategy<(Option<AccountId>, Command)> {
        let channel = || select(vec![HERE, THERE]);
        let begin = channel().prop_map(|channel| Command::Begin { channel });
        let end = (channel(), people()).prop_map(|(channel, account)| Command::End { channel, account });
        (option::of(people()), prop_oneof![begin, end]).boxed()
    }

    fn events() -> BoxedStrategy<Event> {
        let parts = (select(vec![HERE, THERE]), people(), counts(), any::<bool>());
        parts
            .prop_map(|(conversation_id, account_id, last_seq, holds)| match holds {
                true => Event::Begun { conversation_id, account_id, last_seq },
                false => Event::Ended { conversation_id, account_id, last_seq },
            })
            .boxed()
    }

    fn again(_: &Command, _: &[Event]) -> Answer<Self> {
        Ok(vec![])
    }
}

#[test]
fn what_is_remembered_is_whether_it_holds() {
    let mut state = State::default();
    for (event, holds) in [(begun(1), true), (ended(5), false), (begun(5), true)] {
        Subscription::evolve(&mut state, &event);
        assert_eq!(state, State { holds });
    }
}
