//! What is forgotten soon, and that there is an end to it: strangers write there.

use crate::support::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use natter_streams::{bucket::Bucket, bus::Bus, subject};
use natter_testkit::Stack;
use std::time::Duration;

const LIFETIME: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_bucket_has_a_bound_also_where_a_release_before_gave_it_none() {
    let stack = Stack::new().await;
    let (bus, context) = (Bus::connect(stack.nats_url()).await.unwrap(), jetstream(&stack).await);
    let unbounded = |name: &str, all: &str| Config {
        name: name.to_owned(),
        subjects: vec![all.to_owned()],
        max_messages_per_subject: 1,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        allow_message_ttl: true,
        description: Some("an operator's word".to_owned()),
        ..Default::default()
    };
    context.create_stream(unbounded(subject::LIMITS, subject::LIMITS_ALL)).await.unwrap();
    context.create_stream(unbounded(subject::NONCES, subject::NONCES_ALL)).await.unwrap();
    for (name, bucket, beyond) in [
        (subject::CODES, Bucket::codes(&bus), DiscardPolicy::Old),
        (subject::LIMITS, Bucket::limits(&bus), DiscardPolicy::Old),
        (subject::NONCES, Bucket::nonces(&bus), DiscardPolicy::New),
    ] {
        assert_eq!(bucket.get("a").await.unwrap().version, 0, "{name}");
        assert!(bucket.put("a", 0, b"1".to_vec(), LIFETIME).await.unwrap(), "{name}");
        assert_eq!(bucket.get("a").await.unwrap().value.as_deref(), Some(&b"1"[..]), "{name}");
        let stream = context.get_stream(name).await.unwrap();
        let config = &stream.cached_info().config;
        assert_eq!((config.max_messages, config.discard), (500_000, beyond), "{name}");
        assert_eq!(config.description.is_some(), name != subject::CODES, "{name}: what else was set stays");
    }
}
