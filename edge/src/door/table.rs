//! Every rate there is. The table stands in `edge/PROTOCOL.md` too, and a test compares both.
//!
//! A row is a bucket for each of those it is counted by: full it holds `quota`, and an empty one is full again after
//! `window`, filled evenly. So `quota` is also what may come at once.

use std::time::Duration;

/// Whom a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Where a request comes from: an IPv4 address, or the /64 of an IPv6 one, of which everybody has as many as they like.
    Address,
    Account,
    Session,
}

/// One row.
#[derive(PartialEq, Eq, Debug)]
pub struct Limit {
    pub name: &'static str,
    pub by: By,
    pub quota: u32,
    /// Seconds.
    pub window: u32,
    /// All nodes count together. Costs a question to the bus, so: only where guessing or filling up is to be held off.
    pub shared: bool,
    /// Routes, ops, or one of [`REQUESTS`] and [`FRAMES`].
    pub covers: &'static [&'static str],
}

/// Every request over HTTP, those that no route takes too.
pub const REQUESTS: &str = "requests";
/// Every frame that asks for something.
pub const FRAMES: &str = "frames";

/// How a load balancer and the collector of metrics find out how we are: never counted, never shed.
pub const FREE: &[&str] = &["/healthz", "/readyz", "/metrics"];

use By::{Account, Address, Session};

#[rustfmt::skip]
pub const LIMITS: &[Limit] = &[
    Limit { name: "address", by: Address, quota: 3_000, window: 60, shared: false, covers: &[REQUESTS] },
    Limit { name: "socket", by: Address, quota: 600, window: 60, shared: false, covers: &["GET /ws", "auth"] },
    Limit { name: "register", by: Address, quota: 60, window: 3_600, shared: true, covers: &["POST /api/v1/auth/register"] },
    Limit { name: "login", by: Address, quota: 60, window: 300, shared: true, covers: &[
        "POST /api/v1/auth/login", "POST /api/v1/auth/login/second", "POST /api/v1/auth/oidc/finish",
    ] },
    Limit { name: "qr", by: Address, quota: 60, window: 300, shared: true, covers: &["POST /api/v1/auth/qr"] },
    Limit { name: "oidc", by: Address, quota: 60, window: 300, shared: true, covers: &["POST /api/v1/auth/oidc/start"] },
    Limit { name: "codes", by: Address, quota: 60, window: 3_600, shared: true, covers: &["POST /api/v1/auth/codes"] },
    Limit { name: "reset", by: Address, quota: 30, window: 3_600, shared: true, covers: &[
        "POST /api/v1/auth/password/reset", "POST /api/v1/auth/oidc/password",
    ] },
    Limit { name: "refresh", by: Address, quota: 300, window: 60, shared: false, covers: &["POST /api/v1/auth/refresh"] },
    Limit { name: "account", by: Account, quota: 1_200, window: 60, shared: false, covers: &[REQUESTS] },
    Limit { name: "session", by: Session, quota: 600, window: 60, shared: false, covers: &[REQUESTS] },
    Limit { name: "frames", by: Session, quota: 1_200, window: 60, shared: false, covers: &[FRAMES] },
    Limit { name: "send", by: Account, quota: 100, window: 20, shared: false, covers: &[
        "POST /api/v1/conversations/{id}/messages", "message.send",
    ] },
    Limit { name: "schedule", by: Account, quota: 100, window: 60, shared: false, covers: &[
        "POST /api/v1/conversations/{id}/scheduled", "PATCH /api/v1/scheduled/{conversation_id}/{message_id}",
        "DELETE /api/v1/scheduled/{conversation_id}/{message_id}",
    ] },
    // Each may carry thirty.
    Limit { name: "forward", by: Account, quota: 15, window: 60, shared: false, covers: &[
        "POST /api/v1/conversations/{id}/messages/forward",
    ] },
    Limit { name: "filter", by: Account, quota: 60, window: 60, shared: false, covers: &[
        "GET /api/v1/conversations/{id}/messages/filter",
        "GET /api/v1/conversations/{id}/messages/{message_id}/edits",
        "GET /api/v1/conversations/{id}/messages/{message_id}/reactions",
        "GET /api/v1/stars", "GET /api/v1/threads",
    ] },
    Limit { name: "change", by: Account, quota: 120, window: 60, shared: false, covers: &[
        "PATCH /api/v1/conversations/{id}/messages/{message_id}", "message.edit",
        "DELETE /api/v1/conversations/{id}/messages/{message_id}", "message.recall",
        "PUT /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}", "message.react",
        "DELETE /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}", "message.unreact",
        "PUT /api/v1/conversations/{id}/messages/{message_id}/pin", "message.pin",
        "DELETE /api/v1/conversations/{id}/messages/{message_id}/pin", "message.unpin",
        "PUT /api/v1/conversations/{id}/messages/{message_id}/thread/follow",
        "DELETE /api/v1/conversations/{id}/messages/{message_id}/thread/follow",
        "PUT /api/v1/conversations/{id}/messages/{message_id}/thread/read",
    ] },
    Limit { name: "inbox", by: Account, quota: 240, window: 60, shared: false, covers: &[
        "PATCH /api/v1/conversations/{id}/inbox", "DELETE /api/v1/conversations/{id}/inbox",
        "PATCH /api/v1/conversations/{id}/messages/{message_id}/inbox", "message.star", "message.unstar",
        "message.listen",
        "DELETE /api/v1/conversations/{id}/messages/{message_id}/inbox", "message.delete",
    ] },
    Limit { name: "presence", by: Account, quota: 240, window: 60, shared: false, covers: &[
        "POST /api/v1/presence/lookup", "presence.subscribe", "presence.unsubscribe", "presence.set",
    ] },
    // What is over it is dropped, and nobody told.
    Limit { name: "typing", by: Account, quota: 120, window: 60, shared: false, covers: &["typing"] },
    Limit { name: "sync", by: Session, quota: 120, window: 60, shared: false, covers: &["GET /api/v1/sync", "sync"] },
    Limit { name: "preview", by: Account, quota: 30, window: 60, shared: false, covers: &["POST /api/v1/link-previews"] },
    Limit { name: "translate", by: Account, quota: 60, window: 60, shared: false, covers: &[
        "POST /api/v1/conversations/{id}/messages/{message_id}/translate",
    ] },
    Limit { name: "search", by: Account, quota: 30, window: 60, shared: false, covers: &["GET /api/v1/accounts"] },
    Limit { name: "befriend", by: Account, quota: 60, window: 3_600, shared: true, covers: &["POST /api/v1/friends/requests"] },
    Limit { name: "relate", by: Account, quota: 120, window: 600, shared: false, covers: &[
        "POST /api/v1/friends/requests/{id}/accept", "POST /api/v1/friends/requests/{id}/reject",
        "POST /api/v1/friends/requests/{id}/cancel", "POST /api/v1/friends/requests/{id}/ignore",
        "PATCH /api/v1/friends/{account_id}", "DELETE /api/v1/friends/{account_id}", "PUT /api/v1/friends/folders",
        "PUT /api/v1/blocks/{account_id}", "DELETE /api/v1/blocks/{account_id}",
    ] },
    Limit { name: "gather", by: Account, quota: 120, window: 600, shared: false, covers: &[
        "POST /api/v1/conversations", "POST /api/v1/conversations/{id}/members", "POST /api/v1/conversations/{id}/links",
    ] },
    // A link's token is looked for in vain by whoever guesses.
    Limit { name: "join", by: Account, quota: 60, window: 600, shared: false, covers: &[
        "POST /api/v1/conversations/{id}/join", "GET /api/v1/links/{token}", "POST /api/v1/links/{token}/join",
    ] },
    Limit { name: "lead", by: Account, quota: 120, window: 60, shared: false, covers: &[
        "PATCH /api/v1/conversations/{id}", "PATCH /api/v1/conversations/{id}/members/{account_id}",
        "PUT /api/v1/conversations/{id}/announcement", "DELETE /api/v1/conversations/{id}/announcement",
    ] },
    Limit { name: "password", by: Session, quota: 30, window: 3_600, shared: true, covers: &[
        "POST /api/v1/auth/password/change", "POST /api/v1/accounts/me/email/change", "POST /api/v1/accounts/me/phone/change",
        "POST /api/v1/auth/oidc/link", "DELETE /api/v1/auth/identities/{id}", "POST /api/v1/auth/second",
        "DELETE /api/v1/auth/second", "POST /api/v1/auth/second/recovery", "DELETE /api/v1/accounts/me",
    ] },
    // A stolen session makes others by QR codes. Wide enough that it hardly holds up its owner's.
    Limit { name: "passwords", by: Account, quota: 120, window: 3_600, shared: true, covers: &[
        "POST /api/v1/auth/password/change", "POST /api/v1/accounts/me/email/change", "POST /api/v1/accounts/me/phone/change",
        "POST /api/v1/auth/oidc/link", "DELETE /api/v1/auth/identities/{id}", "POST /api/v1/auth/second",
        "DELETE /api/v1/auth/second", "POST /api/v1/auth/second/recovery", "DELETE /api/v1/accounts/me",
    ] },
];

impl Limit {
    /// How long one of the quota takes to come back.
    pub fn gap(&self) -> Duration {
        self.window() / self.quota
    }

    pub fn window(&self) -> Duration {
        Duration::from_secs(self.window.into())
    }
}

impl By {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
            Self::Session => "session",
        }
    }
}

/// The limits that count a request, those of one address (`by`) or one caller. `route`: its pattern. `HEAD` costs what
/// `GET` costs, and tells as much by its length.
pub fn of_request(method: &str, route: Option<&str>, by: &[By]) -> Vec<&'static Limit> {
    let method = if method == "HEAD" { "GET" } else { method };
    let is_route =
        |covered: &&str| covered.split_once(' ').is_some_and(|(theirs, path)| theirs == method && Some(path) == route);
    let covers = |limit: &&Limit| limit.covers.iter().any(|covered| *covered == REQUESTS || is_route(covered));
    LIMITS.iter().filter(|limit| by.contains(&limit.by)).filter(covers).collect()
}

/// The limits that count a frame.
pub fn of_frame(op: &str, by: &[By]) -> impl Iterator<Item = &'static Limit> {
    // A stranger may ask for nothing but `auth`, which `socket` counts.
    let covers = move |limit: &&Limit| {
        limit.covers.iter().any(|covered| *covered == op || (*covered == FRAMES && !["auth", "ping"].contains(&op)))
    };
    LIMITS.iter().filter(move |limit| by.contains(&limit.by)).filter(covers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What the contract says, row by row.
    fn page() -> Vec<String> {
        let page = include_str!("../../PROTOCOL.md");
        let section = page.split("### Rates").nth(1).expect("the page has rates").split("\n## ").next().unwrap();
        section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect()
    }

    fn row(limit: &Limit) -> String {
        let covers: Vec<String> = limit.covers.iter().map(|covered| covered.replace("/api/v1", "")).collect();
        let what = match covers.as_slice() {
            [all] if *all == REQUESTS => "every request".to_owned(),
            [all] if *all == FRAMES => "every frame but `auth` and `ping`".to_owned(),
            some => some.iter().map(|covered| format!("`{covered}`")).collect::<Vec<_>>().join(", "),
        };
        let nodes = if limit.shared { "together" } else { "each" };
        format!(
            "| `{}` | {} | {what} | {} | {} s | {nodes} |",
            limit.name,
            limit.by.as_str(),
            limit.quota,
            limit.window
        )
    }

    #[test]
    fn a_head_is_counted_as_what_it_is_the_head_of() {
        let gets = LIMITS.iter().flat_map(|limit| limit.covers).filter_map(|covered| covered.strip_prefix("GET "));
        let mut routes = 0;
        for route in gets {
            let names = |method| {
                let limits = of_request(method, Some(route), &[By::Address, By::Account, By::Session]);
                limits.iter().map(|limit| limit.name).collect::<Vec<_>>()
            };
            assert_eq!(names("HEAD"), names("GET"), "{route}");
            routes += 1;
        }
        assert!(routes > 1);
    }

    #[test]
    fn the_page_and_the_table_are_the_same() {
        assert_eq!(page(), LIMITS.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_covered_is_there() {
        let api = serde_json::to_value(crate::description()).unwrap();
        let mut known: BTreeSet<String> = crate::ops().iter().map(|op| (*op).to_owned()).collect();
        for (path, item) in api["paths"].as_object().unwrap() {
            known.extend(item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
        }
        for covered in LIMITS.iter().flat_map(|limit| limit.covers) {
            assert!([REQUESTS, FRAMES].contains(covered) || known.contains(*covered), "{covered} is nowhere");
        }
    }

    #[test]
    fn names_are_told_apart_and_quotas_can_be_counted() {
        let names: BTreeSet<&str> = LIMITS.iter().map(|limit| limit.name).collect();
        assert_eq!(names.len(), LIMITS.len());
        for limit in LIMITS {
            assert!(limit.quota > 0 && limit.gap().as_micros() > 0, "{}", limit.name);
            let frames = limit.covers.iter().any(|covered| *covered == FRAMES || crate::ops().contains(covered));
            assert!(!(limit.shared && frames), "{}: a frame never waits to be counted", limit.name);
        }
    }

    #[test]
    fn what_the_gate_lets_nobody_into_is_counted_by_address_alone() {
        let gated = ["/change", "/link", "/auth/second", "/auth/second/recovery"];
        let before =
            |line: &str| line.starts_with("POST /api/v1/auth/") && !gated.iter().any(|end| line.ends_with(end));
        for limit in LIMITS.iter().filter(|limit| limit.covers.iter().any(|line| before(line))) {
            assert_eq!(limit.by, Address, "{}: nobody is known there", limit.name);
        }
    }

    #[test]
    fn a_request_is_counted_by_its_own_limits() {
        let names = |limits: Vec<&Limit>| limits.iter().map(|limit| limit.name).collect::<Vec<_>>();
        let login = Some("/api/v1/auth/login");
        assert_eq!(names(of_request("POST", login, &[Address])), ["address", "login"]);
        assert_eq!(names(of_request("GET", login, &[Address])), ["address"]);
        assert_eq!(names(of_request("GET", None, &[Address])), ["address"]);
        let send = Some("/api/v1/conversations/{id}/messages");
        assert_eq!(names(of_request("POST", send, &[Account, Session])), ["account", "session", "send"]);
        assert_eq!(names(of_frame("message.send", &[Account, Session]).collect()), ["frames", "send"]);
        assert_eq!(names(of_frame("auth", &[Address]).collect()), ["socket"]);
        assert_eq!(of_frame("ping", &[Address, Account, Session]).count(), 0);
    }
}
