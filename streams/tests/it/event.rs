//! What an event may weigh.

use crate::support::message;
use natter_domain::{ConversationId, conversation};
use natter_streams::{Draft, Error, clock, event::MAX_BYTES, id};

fn encode(bytes: usize) -> Result<Draft, Error> {
    let address = conversation::address(ConversationId(id::new()));
    Draft::encode(&message(0, bytes), address, 1, "{}".into(), clock::now())
}

#[test]
fn an_event_too_large_to_be_published_is_refused_before_it_is_decided() {
    let (mut fits, mut refused) = (0, MAX_BYTES);
    while refused - fits > 1 {
        let middle = usize::midpoint(fits, refused);
        if encode(middle).is_ok() { fits = middle } else { refused = middle }
    }
    assert!(encode(fits).unwrap().payload.len() > MAX_BYTES * 9 / 10, "the bound is used");
    assert!(encode(fits).unwrap().payload.len() < MAX_BYTES);
    assert!(matches!(encode(refused), Err(Error::Oversized { event_type: "message_sent", .. })));
}
