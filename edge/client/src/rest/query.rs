//! Which part of a list is wanted.

use serde::Serialize;
use uuid::Uuid;

/// Which page of a list.
#[derive(Clone, Default, Debug)]
pub struct Page {
    /// From the page before.
    pub cursor: Option<String>,
    /// 1 to 200; the server's default is 50.
    pub limit: Option<u32>,
}

/// Which conversations; what is `None` does not matter, but that hidden ones are left out.
#[derive(Clone, Default, Debug)]
pub struct Shown {
    pub pinned: Option<bool>,
    pub archived: Option<bool>,
    pub hidden: Option<bool>,
    pub folder: Option<String>,
}

/// Which messages of a conversation; both bounds exclusive. Bounds or a middle, not both.
#[derive(Clone, Copy, Default, Debug, Serialize)]
pub struct Range {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_seq: Option<u64>,
    /// With it: oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// In the middle of the page, which is oldest first then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub around_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Which messages a conversation is looked through for; all of it together.
#[derive(Clone, Default, Debug)]
pub struct Filter {
    pub sender: Option<Uuid>,
    /// `text`, `image`, ...
    pub kind: Option<String>,
    /// Then or later.
    pub since: Option<String>,
    pub until: Option<String>,
    /// `file` or `link`.
    pub has: Option<String>,
    /// Only those that mention the caller.
    pub mentions_me: bool,
}

impl Filter {
    pub(super) fn query(&self, page: &Page) -> Query {
        let sender = self.sender.map(|sender| sender.to_string());
        page.query()
            .with("sender", sender.as_deref())
            .with("kind", self.kind.as_deref())
            .with("since", self.since.as_deref())
            .with("until", self.until.as_deref())
            .with("has", self.has.as_deref())
            .with("mentions", self.mentions_me.then_some("me"))
    }
}

impl Page {
    pub(super) fn query(&self) -> Query {
        let limit = self.limit.map(|limit| limit.to_string());
        Query::default().with("cursor", self.cursor.as_deref()).with("limit", limit.as_deref())
    }
}

#[derive(Default)]
pub(super) struct Query(String);

impl Query {
    pub(super) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let sign = if self.0.is_empty() { '?' } else { '&' };
            self.0.push(sign);
            self.0.push_str(name);
            self.0.push('=');
            self.0.extend(value.bytes().map(escape));
        }
        self
    }

    pub(super) fn on(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

fn escape(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn what_is_opaque_travels_whole_in_a_query() {
        let query = Query::default().with("cursor", Some("a+b/c=&")).with("status", None).with("limit", Some("2"));
        assert_eq!(query.on("/friends"), "/friends?cursor=a%2Bb%2Fc%3D%26&limit=2");
    }
}
