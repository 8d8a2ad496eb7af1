//! The one place that reads the wall clock.

use natter_domain::Timestamp;

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now() -> Timestamp {
    time::OffsetDateTime::now_utc().into()
}
