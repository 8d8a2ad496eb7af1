//! What the installation allows groups.

use super::days;
use anyhow::{Result, bail};
use clap::Args;
use natter_commands::Groups;
use natter_domain::limit;
use std::time::Duration;

#[derive(Args, Clone, Debug)]
pub struct GroupArgs {
    /// People in one group at one time, up to 100000.
    #[arg(long, env = "NATTER_GROUP_MEMBERS_MAX", default_value = "500", value_parser = members)]
    pub group_members_max: usize,
    /// Groups that one person owns, up to 10000.
    #[arg(long, env = "NATTER_OWN_GROUPS_MAX", default_value = "200", value_parser = own)]
    pub own_groups_max: usize,
    /// Days that a dissolved group can be read, 0 to 365.
    #[arg(long, env = "NATTER_DISSOLVED_DAYS", default_value = "30", value_parser = days)]
    pub dissolved_for: Duration,
    /// Members of a group up to which they are told who has read a message, up to 100000.
    #[arg(long, env = "NATTER_READERS_MAX", default_value = "500", value_parser = members)]
    pub readers_max: usize,
    /// In groups of more members nobody is told that somebody types; 0: in none.
    #[arg(long, env = "NATTER_TYPING_MAX", default_value_t = limit::TYPING_MEMBERS_MAX)]
    pub typing_max: u64,
}

impl Default for GroupArgs {
    fn default() -> Self {
        let Groups { members_max, own_max, kept_for } = Groups::default();
        let readers_max = natter_edge::Settings::default().readers_max as usize;
        let typing_max = limit::TYPING_MEMBERS_MAX;
        let (group_members_max, own_groups_max, dissolved_for) = (members_max, own_max, kept_for);
        Self { group_members_max, own_groups_max, dissolved_for, readers_max, typing_max }
    }
}

impl GroupArgs {
    pub fn settings(&self) -> Groups {
        Groups { members_max: self.group_members_max, own_max: self.own_groups_max, kept_for: self.dissolved_for }
    }
}

fn members(text: &str) -> Result<usize> {
    within(text, limit::GROUP_MEMBERS_MAX)
}

fn own(text: &str) -> Result<usize> {
    within(text, limit::OWN_GROUPS_MAX)
}

fn within(text: &str, most: usize) -> Result<usize> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => bail!("1 to {most}"),
    }
}
