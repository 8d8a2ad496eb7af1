//! Things for the rows of who may what: a page that can be looked at, and somebody who translates.

use natter_testkit::{Outside, outside::Does};
use serde_json::json;

/// The other servers of the scene.
pub struct Others {
    page: Outside,
    translator: Outside,
}

impl Others {
    pub async fn start() -> Self {
        let page = Outside::at("127.0.0.2", async |_| Does::page("<title>A page</title>")).await;
        let translator = Outside::start(async |_| Does::json(&json!({"text": "bonjour"}))).await;
        Self { page, translator }
    }

    /// For the node's options.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("NATTER_LINK_PREVIEWS", "on".to_owned()),
            ("NATTER_LINK_PREVIEWS_ALLOW", "127.0.0.2".to_owned()),
            ("NATTER_TRANSLATE", self.translator.url("/")),
        ]
    }

    pub fn page(&self) -> String {
        self.page.url("/page")
    }
}
