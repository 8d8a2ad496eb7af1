//! What is sent, and by which way.

use crate::template::{self, Locale, Notice};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
    pub const ALL: [Self; 2] = [Self::Email, Self::Sms];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

/// A mail, or a text message, which has neither subject nor HTML. This is also its shape in a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub channel: Channel,
    /// An e-mail address, or a phone number as E.164 has it.
    pub to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// Nothing of it may reach a log line by accident.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({})", self.channel.as_str())
    }
}

impl Letter {
    pub fn new(channel: Channel, to: &str, notice: &Notice, locale: Locale) -> Self {
        let words = template::words(notice, locale);
        let to = to.to_owned();
        match channel {
            Channel::Email => {
                let html = Some(words.html());
                Self { channel, to, subject: Some(words.subject.to_owned()), text: words.text(), html }
            }
            Channel::Sms => Self { channel, to, subject: None, text: words.line(), html: None },
        }
    }
}

/// What a row holds, sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Content {
    pub letter: Letter,
    /// Nobody is to get it.
    pub void: bool,
}
