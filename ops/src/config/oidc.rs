//! By whom people can sign in. Read once, at the start.

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use natter_edge::oidc::{Providers, Settings};
use serde::Deserialize;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Asked of a process with the role `edge`.
#[derive(Args, Clone, Default)]
pub struct OidcArgs {
    /// OpenID providers, as a JSON array: `[{"name", "issuer", "client_id", "client_secret" or "client_secret_file",
    /// "title"?}, ...]`.
    #[arg(long, env = "NATTER_OIDC", default_value = "", hide_env_values = true)]
    pub oidc: String,
    /// The same, in a file.
    #[arg(long, env = "NATTER_OIDC_FILE")]
    pub oidc_file: Option<PathBuf>,
    /// Where providers may send browsers back to, comma separated: pages or schemes of the apps. The first one is usual.
    #[arg(long, env = "NATTER_OIDC_REDIRECTS", default_value = "")]
    pub oidc_redirects: String,
}

/// Without secrets.
impl fmt::Debug for OidcArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OidcArgs({:?}, {:?})", self.oidc_file, self.oidc_redirects)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    name: String,
    title: Option<String>,
    issuer: String,
    client_id: String,
    client_secret: Option<String>,
    client_secret_file: Option<PathBuf>,
}

impl OidcArgs {
    /// Refuses what cannot be meant. Nobody is asked yet.
    pub fn providers(&self) -> Result<Providers> {
        let file = self.oidc_file.as_deref().filter(|path| !path.as_os_str().is_empty());
        let (text, variable) = match (file, self.oidc.trim()) {
            (Some(_), said) if !said.is_empty() => bail!("NATTER_OIDC and NATTER_OIDC_FILE are both set"),
            (Some(file), _) => (read(file)?, "NATTER_OIDC_FILE"),
            (None, "") => ("[]".to_owned(), "NATTER_OIDC"),
            (None, said) => (said.to_owned(), "NATTER_OIDC"),
        };
        let given: Vec<Provider> = serde_json::from_str(&text).map_err(|error| {
            // Not the error's own words: they may quote a secret.
            anyhow!("{variable}: no JSON array of providers, at line {}, column {}", error.line(), error.column())
        })?;
        let settings = given.into_iter().map(Provider::settings).collect::<Result<_>>().context(variable)?;
        let redirects = self.oidc_redirects.split(',').map(str::trim).filter(|url| !url.is_empty());
        let opened = Providers::new(settings, redirects.map(str::to_owned).collect());
        opened.map_err(|wrong| anyhow!("{variable}, NATTER_OIDC_REDIRECTS: {wrong}"))
    }
}

impl Provider {
    fn settings(self) -> Result<Settings> {
        let Self { name, title, issuer, client_id, client_secret, client_secret_file } = self;
        let client_secret = match (client_secret, client_secret_file) {
            (Some(_), Some(_)) => bail!("{name}: client_secret and client_secret_file are both given"),
            (None, Some(file)) => Some(read(&file)?.trim().to_owned()),
            (secret, None) => secret,
        };
        if client_id.is_empty() || client_secret.as_ref().is_some_and(String::is_empty) {
            bail!("{name}: client_id or client_secret is empty");
        }
        Ok(Settings { title: title.unwrap_or_else(|| name.clone()), name, issuer, client_id, client_secret })
    }
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACK: &str = "https://app.example/sso";

    fn args(oidc: &str) -> OidcArgs {
        OidcArgs { oidc: oidc.to_owned(), oidc_file: None, oidc_redirects: BACK.to_owned() }
    }

    #[test]
    fn providers_are_read_from_the_variable_or_a_file_with_secrets_in_files_of_their_own() {
        assert_eq!(
            format!("{:?}", OidcArgs::default().providers().unwrap()),
            "Providers(Known { providers: [], redirect_urls: [] })"
        );
        let folder = std::env::temp_dir().join(format!("natter-oidc-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, secret) = (folder.join("oidc.json"), folder.join("secret"));
        std::fs::write(&secret, "hidden, as it is: = \"\n").unwrap();
        let corp = r#"{"name": "corp", "title": "Corp", "issuer": "https://id.example", "client_id": "natter""#;
        let text = format!(r#"[{corp}, "client_secret_file": {:?}}}]"#, secret.display().to_string());
        std::fs::write(&file, &text).unwrap();
        let from_file = OidcArgs { oidc: String::new(), oidc_file: Some(file.clone()), ..args("") };
        for args in [args(&text), from_file.clone()] {
            let shown = format!("{:?} {args:?}", args.providers().unwrap());
            assert!(shown.contains("corp at https://id.example") && !shown.contains("hidden"), "{shown}");
        }
        let both = OidcArgs { oidc: text.clone(), ..from_file };
        assert!(both.providers().unwrap_err().to_string().contains("both"));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(args(&text).providers().is_err(), "its secret is gone");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_telling_secrets() {
        let corp = r#""name": "corp", "issuer": "https://id.example", "client_id": "natter""#;
        for (text, word) in [
            ("corp=https://id.example".to_owned(), "no JSON"),
            (format!(r#"[{{{corp}, "client_secret": "hidden", "scope": "email"}}]"#), "no JSON"),
            (format!(r#"[{{{corp}, "client_secret": {{"hidden": 1}}}}]"#), "no JSON"),
            (format!(r#"[{{{corp}, "client_secret": "hidden", "client_secret_file": "/"}}]"#), "both"),
            (format!(r#"[{{{corp}, "client_secret": ""}}]"#), "empty"),
            (format!(r#"[{{{corp}, "client_secret_file": "/nowhere/secret"}}]"#), "/nowhere/secret"),
            (r#"[{"name": "a b", "issuer": "https://id.example", "client_id": "natter"}]"#.to_owned(), "a b"),
        ] {
            let told = format!("{:#}", args(&text).providers().unwrap_err());
            assert!(told.contains(word) && !told.contains("hidden"), "{told}");
        }
        let nowhere = OidcArgs { oidc_redirects: String::new(), ..args(&format!("[{{{corp}}}]")) };
        assert!(nowhere.providers().unwrap_err().to_string().contains("NATTER_OIDC_REDIRECTS"));
    }
}
