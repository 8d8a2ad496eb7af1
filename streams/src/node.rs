//! A process of this installation, as rows and subjects name it: what it is called, and which start of it this is.
//!
//! A name is unique among the processes that live (host and port of a listener that is bound before anything is
//! owned), so another start under the same name is the end of the earlier one. A start is new each time the process
//! begins, so what an earlier one left behind is never taken for our own.

use crate::id;
use std::{fmt, sync::Arc};
use uuid::Uuid;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Node {
    /// Has no slash.
    pub name: Arc<str>,
    pub start: Uuid,
}

impl Node {
    /// A new start under this name.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), start: id::new() }
    }

    /// Reads what `Display` writes; `None` for anything else, also for "nobody", which is empty.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, start) = text.split_once('/')?;
        let start = start.parse().ok()?;
        (!name.is_empty()).then(|| Self { name: name.into(), start })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let node = Node::new("host:4711");
        assert_eq!(Node::parse(&node.to_string()), Some(node.clone()));
        assert_ne!(Node::new("host:4711"), node, "each start is another");
        for other in ["", "host", "host/", "/018f0000-0000-7000-8000-000000000000", "host/old"] {
            assert_eq!(Node::parse(other), None, "{other}");
        }
    }
}
