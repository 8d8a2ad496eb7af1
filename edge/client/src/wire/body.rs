//! What a message says: one shape for each kind. Lengths are those of the table "Limits" in `edge/PROTOCOL.md`; the server
//! refuses what does not keep to them, and gives back what does as it came.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Body {
    /// 1-16,384 bytes of UTF-8.
    Text {
        text: String,
        /// Left out: `plain`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<Format>,
    },
    Image {
        file_id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thumbnail_id: Option<Uuid>,
        /// 1-255 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// `image/png`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        /// Bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// Pixels, 1-65,535.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u32>,
        /// 1-4,096 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    Voice {
        file_id: Uuid,
        /// 1 to 86,400,000.
        duration_ms: u64,
        /// Loudness over time, at most 256 values of 0-255.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waveform: Vec<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    Video {
        file_id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thumbnail_id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    File {
        file_id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    Location {
        /// Degrees, -90 to 90.
        latitude: f64,
        /// Degrees, -180 to 180.
        longitude: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// 1-512 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Somebody: an account of this installation, or a name with what they are reached by.
    Contact {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account_id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// 1-64 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phone: Option<String>,
        /// 1-254 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
    },
    /// A page of the web as a card.
    Link {
        /// `http://` or `https://`, 1-2,048 bytes.
        url: String,
        /// 1-512 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// 1-2,048 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_url: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        site_name: Option<String>,
    },
    Sticker {
        /// 1-64 characters, as is the pack's.
        sticker_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pack_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_id: Option<Uuid>,
        /// What it stands for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emoji: Option<String>,
    },
    /// Messages from elsewhere in one; only the server makes these (`POST .../messages/forward`).
    Merged {
        /// Oldest first, 1-100.
        #[cfg_attr(feature = "openapi", schema(no_recursion))]
        items: Vec<MergedItem>,
    },
    /// What an application means by it.
    Custom {
        /// With its namespace: `com.example.poll`; 3-128 characters of a-z, 0-9, `.`, `_`, `-`, at least one dot.
        r#type: String,
        /// JSON of at most 16,384 bytes.
        data: serde_json::Value,
        /// For who does not know the type: 1-4,096 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Encrypted by clients for each other: the server does not look inside.
    Opaque {
        /// How; 1-64 characters.
        algorithm: String,
        /// Base64, at most 65,536 characters.
        ciphertext: String,
    },
    /// What happened to the conversation; only the server writes these.
    System {
        /// `group.created`, `member.joined`, `member.left`: stable, what programs switch on.
        code: String,
        /// A plain rendering without names.
        text: String,
        /// Whom it concerns.
        #[serde(default)]
        account_ids: Vec<Uuid>,
        /// Who did it.
        #[serde(default)]
        by: Option<Uuid>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Plain,
    /// Shown by clients as they know it (CommonMark); nothing nested deeper than 32.
    Markdown,
}

/// One of the messages that were put together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MergedItem {
    pub sender: Option<Uuid>,
    pub sent_at: String,
    pub body: Body,
}

impl Body {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), format: None }
    }

    /// What it says in words, if it does.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } | Self::System { text, .. } => Some(text),
            _ => None,
        }
    }
}
