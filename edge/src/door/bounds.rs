//! How long a client may take for what, and how much there may be at once. Times and the number of requests always
//! hold; what one address or one account may have at once is a limit, and `NATTER_LIMITS=off` lifts it.

use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// For the head of a request once it has begun, a TLS handshake included; and for a connection's first sign of life.
    pub head: Duration,
    /// Between two requests of a connection. Longer than proxies keep idle connections (60 s): whoever closes first must
    /// not be the one that is about to be sent a request.
    pub idle: Duration,
    /// For a request's body.
    pub body: Duration,
    /// From a request's head to its answer, body included.
    pub request: Duration,
    /// Without taking a single byte of what we have to say. Longer than a WebSocket's two heartbeats, which know better why.
    pub stall: Duration,
    /// Requests under way in this process; what is more is refused at once.
    pub requests: usize,
    /// Connections from one address that is no proxy of ours.
    pub connections_of_address: usize,
    pub sockets_of_address: usize,
    pub sockets_of_account: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            request: Duration::from_secs(60),
            stall: Duration::from_secs(90),
            requests: 4_096,
            connections_of_address: 2_000,
            sockets_of_address: 1_000,
            sockets_of_account: 50,
        }
    }
}
