//! Every metric of the write side.

use metrics::counter;

/// A command waited longer than its caller.
pub(crate) fn expired() {
    counter!("natter_commands_expired_total").increment(1);
}

/// A lane's inbox was full.
pub(crate) fn shed() {
    counter!("natter_commands_shed_total").increment(1);
}
