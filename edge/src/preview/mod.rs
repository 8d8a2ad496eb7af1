//! Link previews: what a page says of itself, for whoever writes a message with a link in it. Off unless the operator turns
//! it on. What is found is kept for a while in this process, and so is that nothing was found, for a shorter one; a url is
//! fetched once at a time.
//!
//! Whoever asks learns nothing of why there is no preview: this server stands where they do not, and "refused", "closed" and
//! "takes long" would tell them what is there.

mod address;
mod charset;
mod fetch;
mod html;
pub mod http;

pub use address::Reach;

use crate::{
    http::problem::Problem,
    metrics,
    outside::kept::{Keep, Kept},
};
use fetch::{Failure, Fetcher, Page};
use futures::FutureExt;
use natter_client::wire::LinkPreview;
use natter_domain::Code;
use reqwest::Url;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

const KEPT_FOR: Duration = Duration::from_secs(60 * 60);
const NOTHING_KEPT_FOR: Duration = Duration::from_secs(60);
const ROOM_BYTES: usize = 16 * 1024 * 1024;
/// Pages under way in this process.
const AT_ONCE: usize = 32;
const URL_MAX_BYTES: usize = 2_048;

/// What an operator chooses; `None`: there are none.
#[derive(Clone, Default, Debug)]
pub struct Settings {
    pub reach: Option<Reach>,
}

/// `None`: there are none. A cheap handle.
#[derive(Clone, Default)]
pub struct Previews(Option<Arc<Inner>>);

struct Inner {
    fetcher: Fetcher,
    kept: Kept<Result<LinkPreview, Miss>>,
    room: Arc<Semaphore>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Miss {
    Nothing,
    Busy,
}

impl Previews {
    pub fn new(settings: &Settings) -> Result<Self, reqwest::Error> {
        let Some(reach) = settings.reach.clone() else { return Ok(Self(None)) };
        let fetcher = Fetcher::new(reach, &address::lookup())?;
        Ok(Self(Some(Arc::new(Inner {
            fetcher,
            kept: Kept::new(ROOM_BYTES),
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }))))
    }

    pub async fn of(&self, url: &str) -> Result<LinkPreview, Problem> {
        let Some(inner) = self.0.clone() else {
            return Err(Problem::new(Code::Forbidden, "there are no link previews here"));
        };
        let page = parsed(url)?;
        let key = page.as_str().to_owned();
        let ask = move || async move { inner.look(page).await }.boxed();
        let Some(inner) = &self.0 else { return Err(Problem::unavailable()) };
        match inner.kept.get(&key, ask).await {
            Some(Ok(preview)) => Ok(LinkPreview { url: url.to_owned(), ..preview }),
            Some(Err(Miss::Nothing)) => Err(Problem::new(Code::NotFound, "there is no preview of this page")),
            Some(Err(Miss::Busy)) | None => Err(Problem::unavailable()),
        }
    }
}

impl Inner {
    async fn look(self: Arc<Self>, url: Url) -> Keep<Result<LinkPreview, Miss>> {
        let Ok(_place) = self.room.try_acquire() else {
            metrics::preview("busy");
            return Keep { value: Err(Miss::Busy), size: 0, lasts: Duration::ZERO };
        };
        match self.fetcher.page(url).await.and_then(|page| shown(&page)) {
            Ok(preview) => {
                metrics::preview("shown");
                Keep { size: size(&preview), value: Ok(preview), lasts: KEPT_FOR }
            }
            Err(failure) => {
                metrics::preview(failure.as_str());
                Keep { value: Err(Miss::Nothing), size: 0, lasts: NOTHING_KEPT_FOR }
            }
        }
    }
}

/// A url that a page can be at, without what is the browser's alone.
pub fn parsed(url: &str) -> Result<Url, Problem> {
    let wrong = || Problem::invalid("/url", "must be an http or https url of at most 2,048 bytes, without a user");
    // The parser leaves out line feeds and tabs; who writes them means something else than they show.
    if url.len() > URL_MAX_BYTES || url.chars().any(|one| one.is_control() || one.is_whitespace()) {
        return Err(wrong());
    }
    let mut url = Url::parse(url).ok().filter(|url| fetch::port(url).is_some()).ok_or_else(wrong)?;
    url.set_fragment(None);
    Ok(url)
}

fn shown(page: &Page) -> Result<LinkPreview, Failure> {
    let html::Said { title, description, image, site_name } = html::read(&page.html);
    let image = image.and_then(|image| page.url.join(&image).ok()).filter(|image| fetch::port(image).is_some());
    let image_url = image.map(String::from).filter(|image| image.len() <= URL_MAX_BYTES);
    if title.is_none() && description.is_none() && image_url.is_none() {
        return Err(Failure::Empty);
    }
    Ok(LinkPreview { url: String::new(), title, description, image_url, site_name })
}

fn size(preview: &LinkPreview) -> usize {
    let LinkPreview { title, description, image_url, site_name, .. } = preview;
    [title, description, image_url, site_name].into_iter().flatten().map(String::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_strictly() {
        for good in ["http://a.example", "HTTPS://a.example:8443/b?c=d#e", "http://2130706433/", "http://例え.example/"]
        {
            assert!(parsed(good).is_ok(), "{good}");
        }
        assert_eq!(parsed("http://a.example/b#c").unwrap().as_str(), "http://a.example/b");
        let long = format!("http://a.example/{}", "x".repeat(URL_MAX_BYTES));
        for bad in [
            "",
            "a.example",
            "file:///etc/passwd",
            "gopher://127.0.0.1:6379/_INFO",
            "ftp://a.example",
            "javascript:alert(1)",
            "data:text/html,a",
            "http://",
            "http://user@a.example",
            "http://user:password@a.example",
            "http://a.example/\r\nHost: b",
            "http://a.example/%0d%0a b",
            " http://a.example",
            "http://a.example/\u{0}",
            "http://[::1",
            "http://a.example:99999",
            &long,
        ] {
            assert_eq!(parsed(bad).unwrap_err().errors[0].pointer, "/url", "{bad:?}");
        }
    }

    #[test]
    fn a_picture_has_an_address_of_its_own() {
        let preview =
            |html: &str| shown(&Page { url: Url::parse("https://a.example/b/c").unwrap(), html: html.to_owned() });
        let picture = |src: &str| {
            preview(&format!("<title>t</title><meta property=og:image content='{src}'>")).unwrap().image_url
        };
        assert_eq!(picture("d.png").as_deref(), Some("https://a.example/b/d.png"));
        assert_eq!(picture("//b.example/d.png").as_deref(), Some("https://b.example/d.png"));
        for bad in ["javascript:alert(1)", "data:image/png;base64,x", "file:///etc/passwd", "http://u@b.example/"] {
            assert_eq!(picture(bad), None, "{bad}");
        }
        assert_eq!(preview("<p>nothing</p>"), Err(Failure::Empty));
    }
}
