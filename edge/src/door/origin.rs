//! Pages of other origins: which may use the API from a browser (CORS), and which may open a WebSocket, where browsers ask
//! for no leave. No origin is ever given credentials of the browser's: there are none that count.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

/// What a page may read of an answer beside its body.
const READABLE: HeaderValue =
    HeaderValue::from_static("natter-position, ratelimit, ratelimit-policy, retry-after, x-request-id");
/// What a page may send.
const SENDABLE: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, natter-position, x-request-id");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Seconds for which a browser need not ask again.
const ASKED_AGAIN_AFTER: HeaderValue = HeaderValue::from_static("600");

/// Origins that are let in beside our own.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Origins {
    #[default]
    None,
    /// `scheme://host[:port]`, lower case.
    Some(Vec<String>),
    Any,
}

impl Origins {
    /// `*`, or origins, comma separated. What is no origin is given back.
    pub fn parse(text: &str) -> Result<Self, String> {
        let listed: Vec<&str> = text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).collect();
        match listed.as_slice() {
            [] => Ok(Self::None),
            ["*"] => Ok(Self::Any),
            some => some.iter().map(|origin| plain(origin)).collect::<Result<_, _>>().map(Self::Some),
        }
    }

    fn lists(&self, origin: &str) -> bool {
        match self {
            Self::None => false,
            Self::Some(origins) => origins.iter().any(|listed| listed.eq_ignore_ascii_case(origin)),
            Self::Any => true,
        }
    }

    /// Whether a WebSocket may be opened: no browser asks, or a page of ours, or of an origin that is listed.
    pub fn open(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = given.next() else { return true };
        let (Ok(origin), None) = (origin.to_str(), given.next()) else { return false };
        self.lists(origin) || is_own(origin, headers)
    }

    /// The answer to a browser that asks what a page may send; `None` where it does not ask, or may not be told.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let asks = *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let origin = asks.then(|| self.named(headers)).flatten()?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        let mut set = |name: HeaderName, value| response.headers_mut().insert(name, value);
        set(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, SENDABLE);
        set(header::ACCESS_CONTROL_MAX_AGE, ASKED_AGAIN_AFTER);
        self.mark(Some(origin), &mut response);
        Some(response)
    }

    /// How the origin of this request is to be named in its answer.
    pub fn named(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            _ => origin.to_str().is_ok_and(|origin| self.lists(origin)).then(|| origin.clone()),
        }
    }

    /// Lets the page read the answer. `named`: see [`Self::named`].
    pub fn mark(&self, named: Option<HeaderValue>, response: &mut Response) {
        if matches!(self, Self::Some(_)) {
            // Whoever keeps answers must not give one origin's to another.
            response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = named {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
        }
    }
}

/// The page came from where it asks. Which scheme we are reached by only a proxy knows.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let Some((scheme, theirs)) = origin.split_once("://") else { return false };
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let bare = |authority: &str| authority.strip_suffix(usual).unwrap_or(authority).to_ascii_lowercase();
    !host.is_empty() && bare(host) == bare(theirs)
}

/// Lower case, and nothing behind host and port.
fn plain(origin: &str) -> Result<String, String> {
    let rest = origin.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map(|(_, rest)| rest);
    let fits = |rest: &str| !rest.is_empty() && !rest.contains(['/', '*', '?', '#', '@', ' ']) && rest.is_ascii();
    if rest.is_some_and(fits) { Ok(origin.to_ascii_lowercase()) } else { Err(origin.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn opens(origins: &Origins, origin: &'static str) -> bool {
        origins.open(&headers(&[("host", "chat.example:8443"), ("origin", origin)]))
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for bad in ["chat.example", "https://", "https://chat.example/", "https://*.example", "://a", "https://a b"] {
            assert_eq!(Origins::parse(bad), Err(bad.to_owned()));
        }
        assert_eq!(Origins::parse(" "), Ok(Origins::None));
        assert_eq!(Origins::parse("*"), Ok(Origins::Any));
        let two = vec!["https://app.example".to_owned(), "capacitor://localhost".to_owned()];
        assert_eq!(Origins::parse("https://App.example, capacitor://localhost"), Ok(Origins::Some(two)));
    }

    #[test]
    fn a_websocket_is_opened_by_our_pages_those_listed_and_what_is_no_browser() {
        let listed = Origins::parse("https://app.example").unwrap();
        assert!(Origins::None.open(&headers(&[("host", "chat.example")])));
        for origins in [&Origins::None, &listed] {
            assert!(opens(origins, "https://chat.example:8443"));
            assert!(opens(origins, "http://CHAT.example:8443"));
            for foreign in [
                "null",
                "",
                "https://chat.example",
                "https://chat.example:8443.evil.example",
                "https://evil.example",
                "https://app.example.evil.example",
                "https://app.example:444",
                "http://app.example",
                "file://chat.example:8443",
            ] {
                assert!(!opens(origins, foreign), "{foreign}");
            }
        }
        assert!(opens(&listed, "https://app.example"));
        assert!(opens(&Origins::Any, "https://evil.example"));
        let usual = headers(&[("host", "chat.example"), ("origin", "https://chat.example:443")]);
        assert!(Origins::None.open(&usual));
        let mut twice = headers(&[("host", "chat.example"), ("origin", "https://chat.example")]);
        twice.append(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
        assert!(!Origins::None.open(&twice));
    }
}
