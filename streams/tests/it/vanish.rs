//! Servers that vanish without a word: no connection ends, nothing is refused, nothing is answered. What does not need
//! them goes on, and what does finds them again when they come back.

use crate::{
    lease_support::{Member, QUICK, shares},
    support::{LANE, LANES, eventually},
};
use futures::future::{join, join_all};
use natter_streams::{
    Lane, Log, Node, Placement,
    bus::Bus,
    lease::{Directory, Share},
};
use natter_testkit::{BOUND, Proxy, Stack, within};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

/// At least as many as each pool has connections.
const MANY: usize = 12;

/// Changes of an owner: far too many to be seen within a bound by looks that wait for a server that has vanished.
const TIMES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_vanished_and_came_back_finds_every_connection_free() {
    let stack = Stack::new().await;
    let proxy = Proxy::before(stack.database_url()).await;
    let log = Log::connect(&proxy.url, Some(LANES)).await.unwrap();
    let (ownership, head) = log.take_over(LANE, "owner").await.unwrap();
    // So that each connection is made and in use when the server vanishes.
    let asked = async || {
        let owns = join_all((0..MANY).map(|_| log.still_owns(&ownership, 0)));
        let read = join_all((0..MANY).map(|_| log.read(&head.link, 1)));
        let (owns, read) = join(owns, read).await;
        owns.iter().filter(|owns| owns.is_ok()).count() + read.iter().filter(|read| read.is_ok()).count()
    };
    let all_answer = async |what: &str| {
        eventually(what, async || match asked().await {
            all if all == 2 * MANY => Ok(()),
            some => Err(format!("{some} are answered")),
        })
        .await;
    };
    all_answer("every connection is made").await;
    proxy.silent();
    assert_eq!(within("all of it is given up", 3 * BOUND, asked()).await, 0);
    proxy.forget();
    // For all of them, and soon: no connection waits for an answer of the server that was.
    all_answer("the server that came back is asked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_lanes_whose_server_vanished_changes_hands_all_the_same() {
    let proxy = Proxy::before(&Stack::another_database().await).await;
    let stack = Stack::new().await.placed(&format!("00-07={}", proxy.url));
    let a = Member::start(&stack, 16, Share::Reader("reader"), QUICK, "a").await;
    let b = Member::start(&stack, 16, Share::Reader("reader"), QUICK, "b").await;
    shares(&[&a, &b], &[8, 8]).await;
    proxy.silent();
    a.die().await;
    b.holds(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_hears_of_lanes_whose_server_lives_however_many_have_vanished() {
    let stack = Stack::new().await;
    let first = Proxy::before(stack.database_url()).await;
    let mut vanishing = vec![first];
    for _ in 0..4 {
        vanishing.push(Proxy::before(&Stack::another_database().await).await);
    }
    let healthy = Stack::another_database().await;
    let others = vanishing.iter().enumerate().skip(1).map(|(lane, proxy)| format!("{lane:02}={},", proxy.url));
    let lane_stores = others.collect::<String>() + &format!("05={healthy}");
    let log = Log::open(&Placement::parse(&vanishing[0].url, &lane_stores).unwrap(), Some(6)).await.unwrap();
    let (bus, stop) = (Bus::connect(stack.nats_url()).await.unwrap(), CancellationToken::new());
    let directory = Directory::start(&log, &bus, &stop).await.unwrap();
    for proxy in &vanishing {
        proxy.silent();
    }
    let mut connection = PgConnection::connect(&healthy).await.unwrap();
    // Each look but the first begins while that one still waits for those who vanished: five seconds, should the others
    // have to wait for it.
    let changes = async {
        for number in 0..TIMES {
            let owner = Node::new(&number.to_string());
            let take = sqlx::query("UPDATE lanes SET owner = $1 WHERE lane = 5").bind(owner.to_string());
            take.execute(&mut connection).await.unwrap();
            directory.refresh();
            eventually("the owner is known", async || match directory.owner(Lane::new(5)) {
                Some(known) if known == owner => Ok(()),
                other => Err(format!("{other:?}")),
            })
            .await;
        }
    };
    within("the directory hears of each change at once", BOUND, changes).await;
    stop.cancel();
}

/// It reaches PostgreSQL, and could renew for ever what nobody can use.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_nats_has_lost_hands_over_and_takes_its_part_when_it_is_back() {
    let stack = Stack::new().await;
    let proxy = Proxy::before(stack.nats_url()).await;
    let behind = Stack::on(stack.database_url(), &proxy.url, stack.dir());
    for share in [Share::Lanes, Share::Reader("reader")] {
        let a = Member::start(&behind, 16, share, QUICK, "a").await;
        let b = Member::start(&stack, 16, share, QUICK, "b").await;
        shares(&[&a, &b], &[8, 8]).await;
        proxy.gone();
        b.holds(16).await;
        assert_eq!(a.lanes(), []);
        proxy.heal();
        shares(&[&a, &b], &[8, 8]).await;
        a.stop().await;
        b.stop().await;
    }
}
