//! A mail server, by SMTP. A connection for each mail: they are few, and none is found dead.

use super::{Failure, PATIENCE, Sender, Sending, is_this_machine};
use crate::{error::Error, letter::Letter};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart, header::ContentType},
    transport::smtp,
};
use tokio::time::timeout;
use uuid::Uuid;

pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    pub fn new(url: &str, from: Option<&str>) -> Result<Self, Error> {
        let wrong = |setting| move |why: &str| Error::Setting { setting, why: why.to_owned() };
        let (wrong_url, wrong_from) = (wrong("NATTER_SMTP_URL"), wrong("NATTER_SMTP_FROM"));
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        // The library's words may quote the url, which may hold a password.
        let builder = builder.map_err(|_| wrong_url("not a url like smtp://user:password@host:587?tls=required"))?;
        if !is_private(url) {
            return Err(wrong_url("needs smtps:// or ?tls=required: codes and the password would be read on the way"));
        }
        let from = from.ok_or_else(|| wrong_from("needed with NATTER_SMTP_URL"))?;
        let from = from.parse().map_err(|_| wrong_from("neither an address nor `Name <address>`"))?;
        Ok(Self { transport: builder.timeout(Some(PATIENCE)).build(), from })
    }

    fn mail(&self, id: Uuid, letter: &Letter) -> Option<Message> {
        let builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, letter.to.parse().ok()?))
            .subject(letter.subject.clone().unwrap_or_default())
            // Sent twice, it is still one.
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())));
        let text = letter.text.clone();
        match &letter.html {
            Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, html.clone())),
            None => builder.header(ContentType::TEXT_PLAIN).body(text),
        }
        .ok()
    }
}

/// Whether the connection is encrypted for sure, or leaves this machine never.
fn is_private(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let demanded = url.query_pairs().any(|(name, value)| name == "tls" && value == "required");
    url.scheme() == "smtps" || demanded || is_this_machine(url.host_str())
}

impl Sender for Smtp {
    fn send<'a>(&'a self, id: Uuid, letter: &'a Letter) -> Sending<'a> {
        Box::pin(async move {
            let mail = self.mail(id, letter).ok_or(Failure::Final("no_address"))?;
            match timeout(PATIENCE, self.transport.send(mail)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(judge(&error)),
                Err(_) => Err(Failure::Away("no_answer")),
            }
        })
    }
}

fn judge(error: &smtp::Error) -> Failure {
    if error.is_permanent() {
        // 535 and its like speak of our settings, not of this mail.
        let ours = error.status().is_some_and(|code| u16::from(code) / 10 == 53);
        return if ours { Failure::Away("not_let_in") } else { Failure::Final("refused") };
    }
    if error.is_transient() { Failure::Later("put_off") } else { Failure::Away("no_answer") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mail_leaves_this_machine_in_clear() {
        for (url, private) in [
            ("smtps://user:secret@mail.example.org", true),
            ("smtp://mail.example.org:587?tls=required", true),
            ("smtp://127.0.0.1:2525", true),
            ("smtp://[::1]:2525", true),
            ("smtp://mail.example.org:587", false),
            ("smtp://mail.example.org:587?tls=opportunistic", false),
            ("smtp://127.0.0.1.example.org", false),
        ] {
            assert_eq!(is_private(url), private, "{url}");
        }
    }
}
