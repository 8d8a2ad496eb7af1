//! Who takes letters: a mail server, a gateway for text messages, or a directory. What none of them is set for waits
//! until its time is over.

mod folder;
mod sms;
mod smtp;

use crate::{
    error::Error,
    letter::{Channel, Letter},
};
use std::{net::IpAddr, path::PathBuf, pin::Pin, sync::Arc, time::Duration};
use uuid::Uuid;

/// For one letter, from the connection to the last answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Why a letter was not taken. A word for the table and the metrics, never what the other side wrote: that may quote an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// Nobody there who takes any.
    Away(&'static str),
    /// This one may well be taken later.
    Later(&'static str),
    /// It never will.
    Final(&'static str),
}

impl Failure {
    pub fn why(self) -> &'static str {
        let (Self::Away(why) | Self::Later(why) | Self::Final(why)) = self;
        why
    }
}

pub(crate) type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

pub(crate) trait Sender: Send + Sync {
    /// `id` is the letter's own, however often it is sent.
    fn send<'a>(&'a self, id: Uuid, letter: &'a Letter) -> Sending<'a>;
}

/// Whether nobody can listen on the way.
fn is_this_machine(host: Option<&str>) -> bool {
    let address = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.is_some_and(|host| host == "localhost" || address(host).is_ok_and(|address| address.is_loopback()))
}

/// Where letters go.
#[derive(Clone, Default)]
pub struct Settings {
    /// `smtp://` (with `?tls=required` STARTTLS) or `smtps://`, with user and password where they are needed.
    pub smtp_url: Option<String>,
    /// The sender of mails: an address, or `Name <address>`.
    pub smtp_from: Option<String>,
    /// Gets a POST with `{"to", "text"}` for each text message.
    pub sms_url: Option<String>,
    /// Where each letter of a channel that has no url becomes a file.
    pub dir: Option<PathBuf>,
}

#[derive(Clone)]
pub struct Senders {
    email: Option<Arc<dyn Sender>>,
    sms: Option<Arc<dyn Sender>>,
}

impl Senders {
    /// Checks the settings; nobody is asked yet.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let Settings { smtp_url, smtp_from, sms_url, dir } = settings;
        let folder = dir.as_ref().map(|dir| Arc::new(folder::Folder::new(dir)) as Arc<dyn Sender>);
        let email = match smtp_url {
            Some(url) => Some(Arc::new(smtp::Smtp::new(url, smtp_from.as_deref())?) as Arc<dyn Sender>),
            None => folder.clone(),
        };
        let sms = match sms_url {
            Some(url) => Some(Arc::new(sms::Gateway::new(url)?) as Arc<dyn Sender>),
            None => folder,
        };
        Ok(Self { email, sms })
    }

    pub(crate) fn of(&self, channel: Channel) -> Option<&Arc<dyn Sender>> {
        match channel {
            Channel::Email => self.email.as_ref(),
            Channel::Sms => self.sms.as_ref(),
        }
    }
}
