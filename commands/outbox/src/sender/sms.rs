//! A gateway for text messages: a POST with JSON.

use super::{Failure, PATIENCE, Sender, Sending, is_this_machine};
use crate::{error::Error, letter::Letter};
use reqwest::{Client, StatusCode, Url};
use serde_json::json;
use uuid::Uuid;

pub(super) struct Gateway {
    http: Client,
    url: Url,
}

impl Gateway {
    pub fn new(url: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Setting { setting: "NATTER_SMS_URL", why };
        let url: Url = url.parse().map_err(|_| wrong("not a url".to_owned()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("neither http nor https".to_owned()));
        }
        if url.scheme() == "http" && !is_this_machine(url.host_str()) {
            return Err(wrong("http is for this machine only: codes would be read on the way".to_owned()));
        }
        // A gateway has one address: what sends us elsewhere is not it.
        let builder = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        let http = builder.build().map_err(|_| wrong("an HTTP client cannot be made".to_owned()))?;
        Ok(Self { http, url })
    }
}

impl Sender for Gateway {
    fn send<'a>(&'a self, id: Uuid, letter: &'a Letter) -> Sending<'a> {
        Box::pin(async move {
            let body = json!({"to": letter.to, "text": letter.text});
            let request = self.http.post(self.url.clone()).header("idempotency-key", id.to_string()).json(&body);
            let answer = request.send().await.map_err(|_| Failure::Away("no_answer"))?;
            judge(answer.status())
        })
    }
}

fn judge(status: StatusCode) -> Result<(), Failure> {
    match status {
        status if status.is_success() => Ok(()),
        // The gateway's state, or our settings, and not this letter's fault.
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN => Err(Failure::Away("put_off")),
        status if status.is_client_error() => Err(Failure::Final("refused")),
        _ => Err(Failure::Away("gateway_failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_says_decides_whether_it_is_tried_again() {
        assert_eq!(judge(StatusCode::ACCEPTED), Ok(()));
        assert_eq!(judge(StatusCode::BAD_REQUEST), Err(Failure::Final("refused")));
        for passing in
            [StatusCode::TOO_MANY_REQUESTS, StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY, StatusCode::FOUND]
        {
            assert!(matches!(judge(passing), Err(Failure::Away(_))), "{passing}");
        }
    }
}
