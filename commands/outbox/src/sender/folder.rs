//! A directory: each letter becomes one JSON file, readable by its owner only. For tests, and for whoever sends by other means.

use super::{Failure, Sender, Sending};
use crate::letter::Letter;
use std::path::{Path, PathBuf};
use tokio::{fs, io::AsyncWriteExt};
use uuid::Uuid;

pub(super) struct Folder(PathBuf);

impl Folder {
    pub fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// Written beside and renamed: whoever watches the directory sees whole files only.
    async fn write(&self, id: Uuid, letter: &Letter) -> std::io::Result<()> {
        fs::create_dir_all(&self.0).await?;
        let fresh = self.0.join(format!(".{id}.new"));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).await?;
        file.write_all(&serde_json::to_vec_pretty(letter)?).await?;
        file.sync_all().await?;
        fs::rename(&fresh, self.0.join(format!("{id}.json"))).await?;
        fs::File::open(&self.0).await?.sync_all().await
    }
}

impl Sender for Folder {
    fn send<'a>(&'a self, id: Uuid, letter: &'a Letter) -> Sending<'a> {
        Box::pin(async move {
            self.write(id, letter).await.map_err(|error| {
                tracing::warn!(%error, "write a letter into NATTER_OUTBOX_DIR");
                Failure::Away("not_written")
            })
        })
    }
}
