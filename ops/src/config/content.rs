//! What people may say, and other servers that are asked about it.

use super::door::network;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use natter_edge::{
    content::{self, Watched, hook},
    door::IpNet,
    outside::{self, Place},
    preview::{self, Reach},
    translation,
};
use std::{path::PathBuf, time::Duration};
use uuid::Uuid;

/// Asked of a process with the role `edge`. `ops/CONTENT.md` says what it is for.
#[derive(Args, Clone, Debug)]
pub struct ContentArgs {
    /// The file with the rules on texts: a JSON object a line. Read again when it changes.
    #[arg(long, env = "NATTER_RULES")]
    pub rules: Option<PathBuf>,
    /// Who is asked before a text is taken: `http(s)://...`, or `nats:<subject>`.
    #[arg(long, env = "NATTER_HOOK", default_value = "", hide_env_values = true)]
    pub hook: String,
    /// Milliseconds that it has for an answer, 10 to 10000.
    #[arg(long, env = "NATTER_HOOK_TIMEOUT_MS", default_value = "1000", value_parser = patience)]
    pub hook_timeout: Duration,
    /// What becomes of a text when it gives none: `open`, it is taken; `closed`, it is `unavailable`.
    #[arg(long, env = "NATTER_HOOK_FAIL", default_value = "open", value_parser = ["open", "closed"])]
    pub hook_fail: String,
    /// The id of a key of `natter keys`: with it is signed what the hook and the translator are asked.
    #[arg(long, env = "NATTER_HOOK_KEY", default_value = "")]
    pub hook_key: String,
    /// Whether pages are looked at for previews of links.
    #[arg(long, env = "NATTER_LINK_PREVIEWS", default_value = "off", value_parser = ["off", "on"])]
    pub link_previews: String,
    /// Addresses and networks that are nobody's but ours and may be looked at nevertheless, on whichever port, comma
    /// separated: an intranet's.
    #[arg(long, env = "NATTER_LINK_PREVIEWS_ALLOW", default_value = "")]
    pub link_previews_allow: String,
    /// Addresses and networks that are not looked at, whatever else is said of them, comma separated: our own with addresses
    /// of the open internet.
    #[arg(long, env = "NATTER_LINK_PREVIEWS_DENY", default_value = "")]
    pub link_previews_deny: String,
    /// Who translates messages: `http(s)://...`, or `nats:<subject>`.
    #[arg(long, env = "NATTER_TRANSLATE", default_value = "", hide_env_values = true)]
    pub translate: String,
    /// Milliseconds that it has for an answer, 10 to 30000.
    #[arg(long, env = "NATTER_TRANSLATE_TIMEOUT_MS", default_value = "5000", value_parser = long_patience)]
    pub translate_timeout: Duration,
}

impl Default for ContentArgs {
    fn default() -> Self {
        Self {
            rules: None,
            hook: String::new(),
            hook_timeout: Duration::from_secs(1),
            hook_fail: "open".to_owned(),
            hook_key: String::new(),
            link_previews: "off".to_owned(),
            link_previews_allow: String::new(),
            link_previews_deny: String::new(),
            translate: String::new(),
            translate_timeout: Duration::from_secs(5),
        }
    }
}

fn patience(text: &str) -> Result<Duration> {
    within(text, 10_000)
}

fn long_patience(text: &str) -> Result<Duration> {
    within(text, 30_000)
}

fn within(text: &str, most: u64) -> Result<Duration> {
    match text.parse() {
        Ok(millis) if (10..=most).contains(&millis) => Ok(Duration::from_millis(millis)),
        _ => bail!("10 to {most}"),
    }
}

/// What the doors are told.
#[derive(Clone, Default, Debug)]
pub struct Content {
    pub content: content::Settings,
    pub previews: preview::Settings,
    pub translation: translation::Settings,
    pub signing: Option<Uuid>,
}

impl ContentArgs {
    /// Refuses what cannot be meant, rules that cannot be used too. Nobody is asked yet.
    pub async fn open(&self) -> Result<Content> {
        let file = self.rules.as_deref().filter(|path| !path.as_os_str().is_empty());
        let rules = match file {
            Some(path) => Some(Watched::read(path).await.context("NATTER_RULES")?),
            None => None,
        };
        let hook = place("NATTER_HOOK", &self.hook)?.map(|place| hook::Settings {
            outside: outside::Settings { place, timeout: self.hook_timeout },
            fails_open: self.hook_fail != "closed",
        });
        let translator = place("NATTER_TRANSLATE", &self.translate)?;
        let outside = translator.map(|place| outside::Settings { place, timeout: self.translate_timeout });
        Ok(Content {
            content: content::Settings { rules, hook },
            previews: preview::Settings { reach: self.reach()? },
            translation: translation::Settings { outside },
            signing: self.key()?,
        })
    }

    fn reach(&self) -> Result<Option<Reach>> {
        let added = networks("NATTER_LINK_PREVIEWS_ALLOW", &self.link_previews_allow)?;
        let denied = networks("NATTER_LINK_PREVIEWS_DENY", &self.link_previews_deny)?;
        Ok((self.link_previews == "on").then_some(Reach { denied, added }))
    }

    fn key(&self) -> Result<Option<Uuid>> {
        let text = self.hook_key.trim();
        let wrong = || anyhow!("NATTER_HOOK_KEY: {text:?} is no id of a key");
        (!text.is_empty()).then(|| text.parse().map_err(|_| wrong())).transpose()
    }
}

fn networks(variable: &'static str, text: &str) -> Result<Vec<IpNet>> {
    let listed = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    listed.map(network).collect::<Result<_>>().context(variable)
}

/// Not the place itself in what is told: it may hold a secret.
fn place(variable: &str, text: &str) -> Result<Option<Place>> {
    let text = text.trim();
    (!text.is_empty()).then(|| Place::parse(text).map_err(|wrong| anyhow!("{variable}: {wrong}"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_meant_is_refused() {
        let refused = async |args: ContentArgs| format!("{:#}", args.open().await.unwrap_err());
        let usual = ContentArgs::default;
        let nothing = usual().open().await.unwrap();
        assert!(nothing.content.rules.is_none() && nothing.content.hook.is_none() && nothing.previews.reach.is_none());
        let rules = std::env::temp_dir().join(format!("natter-rules-{}.jsonl", std::process::id()));
        std::fs::write(&rules, "\n{\"name\": \"a\"}\n").unwrap();
        for (args, words) in [
            (ContentArgs { rules: Some("/nowhere/rules".into()), ..usual() }, "/nowhere/rules"),
            (ContentArgs { rules: Some(rules.clone()), ..usual() }, "line 2: "),
            (ContentArgs { hook: "hook.example".to_owned(), ..usual() }, "NATTER_HOOK"),
            (ContentArgs { translate: "nats:natter.x".to_owned(), ..usual() }, "NATTER_TRANSLATE"),
            (ContentArgs { link_previews_allow: "intranet".to_owned(), ..usual() }, "NATTER_LINK_PREVIEWS_ALLOW"),
            (ContentArgs { link_previews_deny: "10.0.0.0/33".to_owned(), ..usual() }, "NATTER_LINK_PREVIEWS_DENY"),
            (ContentArgs { hook_key: "secret".to_owned(), ..usual() }, "NATTER_HOOK_KEY"),
        ] {
            let told = refused(args).await;
            assert!(told.contains(words), "{told}");
        }
        std::fs::remove_file(&rules).unwrap();
    }

    #[tokio::test]
    async fn settings_are_read() {
        let args = ContentArgs {
            hook: "nats:moderation".to_owned(),
            hook_fail: "closed".to_owned(),
            link_previews: "on".to_owned(),
            link_previews_allow: "10.1.0.0/16, 127.0.0.2".to_owned(),
            link_previews_deny: "10.1.2.3,".to_owned(),
            translate: "http://127.0.0.1:9/translate".to_owned(),
            ..ContentArgs::default()
        };
        let opened = args.open().await.unwrap();
        assert!(opened.content.hook.is_some_and(|hook| !hook.fails_open));
        let reach = opened.previews.reach.unwrap();
        assert_eq!((reach.added.len(), reach.denied.len()), (2, 1));
        assert!(opened.translation.outside.is_some());
        assert_eq!(
            [within("9", 100).is_ok(), within("10", 100).is_ok(), within("101", 100).is_ok()],
            [false, true, false]
        );
    }
}
