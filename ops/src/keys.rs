//! `natter keys`: keys with which other servers sign their requests. No secret is kept: each is made from the installation's
//! key and the key's id, so what stands in PostgreSQL is only who has one.

use crate::streams::Stores;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use natter_streams::{id, keyring::Keyring};
use sqlx::PgPool;
use std::{collections::HashSet, path::PathBuf, process::ExitCode};
use uuid::Uuid;

#[derive(Args, Clone, Debug)]
pub struct KeysArgs {
    #[command(flatten)]
    stores: Stores,
    /// The file with the installation's key [default: in the data directory]
    #[arg(long, env = "NATTER_KEY_FILE")]
    key_file: Option<PathBuf>,
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum KeysCommand {
    /// Make a key for a server, and show its secret
    Create {
        /// Whose it is
        name: String,
        #[arg(long, env = "USER", default_value = "unknown")]
        by: String,
    },
    /// Every key there is and was
    List,
    /// Have nothing more believed that is signed with it
    Revoke {
        id: Uuid,
        #[arg(long, env = "USER", default_value = "unknown")]
        by: String,
    },
}

pub async fn keys(args: KeysArgs) -> Result<ExitCode> {
    use KeysCommand::{Create, List, Revoke};
    let log = args.stores.open().await?;
    let pool = log.pool();
    match args.command {
        Create { name, by } => {
            let keyring = Keyring::new(&args.stores.installation_key(args.key_file.as_deref())?);
            log.check_key(&keyring).await?;
            let key = id::new();
            let sql = "INSERT INTO server_keys (id, name, made_by) VALUES ($1, $2, $3)";
            sqlx::query(sql).bind(key).bind(&name).bind(&by).execute(pool).await.context("write the key down")?;
            println!("key    {key}\nsecret {}", hex(&keyring.server_key(key)));
        }
        List => lines(pool).await?.iter().for_each(|line| println!("{line}")),
        Revoke { id, by } => {
            let sql = "UPDATE server_keys SET revoked_at = now(), revoked_by = $2 WHERE id = $1 AND revoked_at IS NULL";
            let revoked = sqlx::query(sql).bind(id).bind(&by).execute(pool).await.context("revoke the key")?;
            if revoked.rows_affected() == 0 {
                bail!("there is no such key, or it is revoked");
            }
            println!("{id} is revoked");
        }
    }
    crate::door::tell(&args.stores).await;
    Ok(ExitCode::SUCCESS)
}

/// Those that are good now.
pub async fn good(pool: &PgPool) -> Result<HashSet<Uuid>> {
    let sql = "SELECT id FROM server_keys WHERE revoked_at IS NULL";
    let ids: Vec<Uuid> = sqlx::query_scalar(sql).fetch_all(pool).await.context("read the keys")?;
    Ok(ids.into_iter().collect())
}

async fn lines(pool: &PgPool) -> Result<Vec<String>> {
    let sql = "SELECT id || ' ' || name || ' made by ' || made_by || coalesce(' revoked by ' || revoked_by, '')
        FROM server_keys ORDER BY made_at";
    sqlx::query_scalar(sql).fetch_all(pool).await.context("read the keys")
}

fn hex(secret: &[u8]) -> String {
    secret.iter().map(|byte| format!("{byte:02x}")).collect()
}
