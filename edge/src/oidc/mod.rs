//! Single sign-on: whoever a provider says they are (OpenID Connect, by discovery; the code flow with PKCE). A provider is
//! never waited for longer than [`provider::WHOLE`], and left alone for a while where it does not answer: nothing else
//! depends on it.
//!
//! The way: an app asks where to send its person's browser, and keeps the secret that it is told with it; the provider
//! sends the browser back to the app; the app shows what the browser brought, and its secret, for a session, a link or a
//! new password. So an address that was seen on the way is worth nothing, and whoever was lured to one signs in nowhere.
//! No cookie is needed. What is kept meanwhile is `commands/src/oidc`'s.

pub mod http;
mod id_token;
mod provider;

use provider::Provider;
use reqwest::Url;
use std::{fmt, net::IpAddr, sync::Arc};

/// One provider, as the operator has it from there.
#[derive(Clone)]
pub struct Settings {
    /// What it is called in requests.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// As the provider writes it.
    pub issuer: String,
    pub client_id: String,
    /// `None`: the provider knows us by PKCE alone.
    pub client_secret: Option<String>,
}

/// Without the secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.issuer)
    }
}

/// The providers that this installation knows, and where browsers come back to.
#[derive(Clone, Default, Debug)]
pub struct Providers(Arc<Known>);

#[derive(Default, Debug)]
struct Known {
    providers: Vec<Provider>,
    redirect_urls: Vec<String>,
}

const NAME_MAX: usize = 32;

impl Providers {
    /// What is wrong with the settings, in words for who wrote them. Nobody is asked yet.
    pub fn new(settings: Vec<Settings>, redirect_urls: Vec<String>) -> Result<Self, String> {
        let mut providers: Vec<Provider> = Vec::new();
        for settings in settings {
            let name = &settings.name;
            let is_made_of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_made_of) {
                return Err(format!("{name:?} is no name of a provider: 1 to {NAME_MAX} of a-z, 0-9 and -"));
            }
            if providers.iter().any(|known| known.settings.name == *name) {
                return Err(format!("two providers are called {name}"));
            }
            providers.push(Provider::new(settings)?);
        }
        if let Some(wrong) = redirect_urls.iter().find(|url| !is_redirect(url)) {
            return Err(format!(
                "browsers cannot be sent back to {wrong:?}: https, http on this machine, or an app's own scheme"
            ));
        }
        if !providers.is_empty() && redirect_urls.is_empty() {
            return Err("it is not said where providers are to send browsers back to".to_owned());
        }
        Ok(Self(Arc::new(Known { providers, redirect_urls })))
    }

    fn get(&self, name: &str) -> Option<&Provider> {
        self.0.providers.iter().find(|provider| provider.settings.name == name)
    }

    fn all(&self) -> &[Provider] {
        &self.0.providers
    }

    /// What a provider with this issuer is called.
    fn name_of(&self, issuer: &str) -> Option<&str> {
        let found = self.0.providers.iter().find(|provider| provider.settings.issuer == issuer);
        found.map(|provider| &*provider.settings.name)
    }

    /// The one that was asked for, if it is one of ours; the first where none was.
    fn redirect_url(&self, wanted: Option<&str>) -> Option<&str> {
        match wanted {
            Some(wanted) => self.0.redirect_urls.iter().find(|url| *url == wanted).map(String::as_str),
            None => self.0.redirect_urls.first().map(String::as_str),
        }
    }
}

/// Nobody reads it on the way: https, or http that stays on this machine.
fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_local(url)
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    url.scheme() == "http" && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

/// Where a page takes over, or an app by a scheme of its own, which has a dot (RFC 8252, 7.1).
fn is_redirect(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    url.fragment().is_none() && (is_private(&url) || url.scheme().contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, issuer: &str) -> Settings {
        let [name, issuer] = [name, issuer].map(str::to_owned);
        Settings { title: name.clone(), name, issuer, client_id: "natter".into(), client_secret: Some("secret".into()) }
    }

    fn told(all: &[(&str, &str)], redirect_urls: &[&str]) -> Result<Providers, String> {
        let redirect_urls = redirect_urls.iter().map(|url| (*url).to_owned()).collect();
        Providers::new(all.iter().map(|(name, issuer)| settings(name, issuer)).collect(), redirect_urls)
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let (good, back) = ("https://id.example", "https://app.example/sso");
        assert!(told(&[], &[]).is_ok());
        let more = [back, "http://localhost:3000/", "com.example.app:/sso"];
        assert!(told(&[("a", good), ("b-2", "http://127.0.0.1:9/tenant")], &more).is_ok());
        for (all, urls, word) in [
            (vec![("", good)], vec![back], "no name"),
            (vec![("A", good)], vec![back], "no name"),
            (vec![("a", good), ("a", "https://other.example")], vec![back], "two providers"),
            (vec![("a", "http://id.example")], vec![back], "issuer"),
            (vec![("a", "http://[2001:db8::1]")], vec![back], "issuer"),
            (vec![("a", "ftp://id.example")], vec![back], "issuer"),
            (vec![("a", "https://id.example?a=b")], vec![back], "issuer"),
            (vec![("a", "id.example")], vec![back], "issuer"),
            (vec![("a", good)], vec![], "sent back"),
            (vec![("a", good)], vec!["http://app.example/"], "sent back"),
            (vec![("a", good)], vec!["javascript:alert(1)"], "sent back"),
            (vec![("a", good)], vec!["https://app.example/#a"], "sent back"),
        ] {
            let told = told(&all, &urls).unwrap_err();
            assert!(told.replace("send browsers back", "sent back").contains(word), "{told}");
        }
    }

    #[test]
    fn browsers_go_back_only_to_where_the_operator_says() {
        let providers = told(&[("a", "https://id.example")], &["https://app.example/sso", "com.example:/"]).unwrap();
        assert_eq!(providers.redirect_url(None), Some("https://app.example/sso"));
        assert_eq!(providers.redirect_url(Some("com.example:/")), Some("com.example:/"));
        for other in ["https://app.example/sso/", "https://app.example/sso?a", "https://evil.example/sso", ""] {
            assert_eq!(providers.redirect_url(Some(other)), None, "{other}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let providers = told(&[("a", "https://id.example")], &["https://app.example/sso"]).unwrap();
        let shown = format!("{providers:?} {:?}", settings("b", "https://id.example"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
