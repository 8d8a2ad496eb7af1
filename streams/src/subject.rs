//! Every NATS subject and stream name, from typed parts: server-made ids only, never text from outside.

use crate::{Lane, Record};
use natter_domain::AccountId;
use uuid::Uuid;

/// Users are spread over this many buckets, so that wildcard interest can be split later.
const BUCKETS: u8 = 64;

/// The stream of a lane.
pub fn stream(lane: Lane) -> String {
    format!("EVENTS_{lane}")
}

/// Everything a lane's stream holds.
pub fn lane_events(lane: Lane) -> String {
    format!("natter.events.{lane}.>")
}

/// One kind of event in one lane; no ids, so the number of subjects stays small.
pub fn event(record: &Record) -> String {
    format!("natter.events.{}.{}.{}", record.lane, record.noun, record.event_type)
}

/// The stream of a benchmark's probe.
pub fn probe_stream(lane: Lane) -> String {
    format!("PROBE_{lane}")
}

pub fn probe_events(lane: Lane) -> String {
    format!("natter.probe.{lane}.>")
}

pub fn probe_event(record: &Record) -> String {
    format!("natter.probe.{}.{}.{}", record.lane, record.noun, record.event_type)
}

/// The frames for one person's devices.
pub fn user(account: AccountId) -> String {
    let bucket = account.0.as_bytes()[15] % BUCKETS;
    format!("natter.users.{bucket:02x}.{account}")
}

/// The frames of crowds of a lane, for every edge.
pub fn crowds(lane: Lane) -> String {
    format!("natter.crowds.{lane}")
}

/// The frames of all crowds.
pub const CROWDS: &str = "natter.crowds.*";

/// Where one start of a node takes commands for the lanes it owns.
pub fn commands(start: Uuid) -> String {
    format!("natter.commands.{}", start.simple())
}

/// Where one start of a node hears what the owners of lanes answer.
pub fn replies(start: Uuid) -> String {
    format!("natter.replies.{}", start.simple())
}

/// The stream of codes that were sent: a key-value bucket, as other clients of NATS see it.
pub const CODES: &str = "KV_codes";

/// Everything in the bucket of codes.
pub const CODES_ALL: &str = "$KV.codes.>";

/// One key of the bucket of codes: hexadecimal digits, never a name.
pub fn code(hash: &str) -> String {
    format!("$KV.codes.{hash}")
}

/// The stream of what was counted, likewise.
pub const LIMITS: &str = "KV_limits";

/// Everything in the bucket of limits.
pub const LIMITS_ALL: &str = "$KV.limits.>";

/// One key of the bucket of limits: hexadecimal digits, never an address.
pub fn limit(hash: &str) -> String {
    format!("$KV.limits.{hash}")
}

/// The stream of nonces that were believed, likewise.
pub const NONCES: &str = "KV_nonces";

/// Everything in the bucket of nonces.
pub const NONCES_ALL: &str = "$KV.nonces.>";

/// One key of the bucket of nonces.
pub fn nonce(hash: &str) -> String {
    format!("$KV.nonces.{hash}")
}

/// Somebody has taken or released a lane, came or left; the message names the share.
pub const LEASES: &str = "natter.leases.changed";

/// What every edge must hear: sessions that ended.
pub const SESSIONS: &str = "natter.sessions.ended";

/// What every edge must hear: who is let in has changed.
pub const DOOR: &str = "natter.door.changed";

/// What every edge must hear: the log went back, and everybody has to read their state again.
pub const RESYNC: &str = "natter.resync";

/// What every node must hear: a key was destroyed. The message is its owner's id.
pub const KEY_DESTROYED: &str = "natter.keys.destroyed";

/// Who waits for a projection that runs elsewhere tells here what for.
pub const HURRY: &str = "natter.progress.hurry";

/// What every edge must hear: who may see somebody, or speak somewhere, may have changed.
pub const STANDING: &str = "natter.standing.changed";

/// Where edges tell each other who is online, and that they live.
pub const PRESENCE: &str = "natter.presence.told";

/// Where an edge asks others who is online there.
pub const PRESENCE_ASKED: &str = "natter.presence.asked";

/// Where one start of an edge hears what others answer to that.
pub fn presence_listed(start: Uuid) -> String {
    format!("natter.presence.listed.{}", start.simple())
}

/// Where an edge asks delivery to echo a mark on a fresh subscription.
pub const MARK: &str = "natter.delivery.mark";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_have_their_own_streams() {
        assert_eq!(stream(Lane::new(10)), "EVENTS_0a");
        assert_eq!(lane_events(Lane::new(10)), "natter.events.0a.>");
    }

    #[test]
    fn each_start_of_a_node_has_its_own_door() {
        assert_eq!(commands(Uuid::from_u128(0x47)), "natter.commands.00000000000000000000000000000047");
    }

    #[test]
    fn each_start_of_an_edge_hears_its_own_answers() {
        let subject = presence_listed(Uuid::from_u128(0x47));
        assert_eq!(subject, "natter.presence.listed.00000000000000000000000000000047");
    }

    #[test]
    fn crowds_share_a_subject_by_lane() {
        assert_eq!(crowds(Lane::new(10)), "natter.crowds.0a");
    }

    #[test]
    fn a_users_subject_holds_nothing_but_hexadecimal_digits() {
        let subject = user(AccountId(Uuid::from_u128(0x47)));
        assert_eq!(subject, "natter.users.07.00000000-0000-0000-0000-000000000047");
    }
}
