//! What other servers say: of pages, and of messages in other languages.

use serde::{Deserialize, Serialize};

request! {
    LinkPreviewNew {
        /// `http` or `https`, at most 2,048 bytes, without a user.
        url: String,
    }
}
answer! {
    /// What a page says of itself; at least one of title, description and picture.
    LinkPreview {
        /// As it was asked for.
        url: String,
        /// At most 300 characters.
        title: Option<String>,
        /// At most 1,000 characters.
        description: Option<String>,
        /// Nobody has looked at what is there.
        image_url: Option<String>,
        /// At most 100 characters.
        site_name: Option<String>,
    }
}
request! {
    TranslationNew {
        /// A tag such as `en` or `zh-Hant`.
        language: String,
    }
}
answer! {
    Translated {
        /// As it was asked for, in lower case.
        language: String,
        text: String,
    }
}
