//! What is asked for, read into what proves that it can be.

use crate::{http::problem::Problem, inbox::folder};
use natter_client::wire::{self, ConversationNew};
use natter_commands::{CardChange, MemberChange};
use natter_domain::{
    AccountId, Description, GroupName, Nickname, Timestamp,
    conversation::{JoinPolicy, PermissionsChange, Role},
    limit,
};
use natter_projections::conversation::Shown;
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;
use uuid::Uuid;

/// A conversation to be.
pub enum New {
    Direct {
        with: AccountId,
    },
    Group {
        name: GroupName,
        members: Vec<AccountId>,
    },
    Channel {
        name: GroupName,
    },
    /// With oneself.
    Own,
}

impl TryFrom<ConversationNew> for New {
    type Error = Problem;

    fn try_from(given: ConversationNew) -> Result<Self, Problem> {
        let ConversationNew { kind, with, name, members } = given;
        match kind.as_str() {
            "direct" => {
                absent("/name", name.as_ref())?;
                absent("/members", members.as_ref())?;
                Ok(Self::Direct { with: AccountId(with.ok_or_else(|| missing("/with"))?) })
            }
            "group" => {
                absent("/with", with.as_ref())?;
                let name = group_name(&name.ok_or_else(|| missing("/name"))?)?;
                let members = accounts("/members", &members.ok_or_else(|| missing("/members"))?)?;
                Ok(Self::Group { name, members })
            }
            "channel" => {
                absent("/with", with.as_ref())?;
                absent("/members", members.as_ref())?;
                Ok(Self::Channel { name: group_name(&name.ok_or_else(|| missing("/name"))?)? })
            }
            "self" => {
                absent("/with", with.as_ref())?;
                absent("/name", name.as_ref())?;
                absent("/members", members.as_ref())?;
                Ok(Self::Own)
            }
            _ => Err(Problem::invalid("/kind", "must be direct, group, channel or self")),
        }
    }
}

/// Which conversations are listed. Taken as texts, so that each error names its parameter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those that are pinned, or that are not.
    #[param(value_type = Option<bool>)]
    pinned: Option<String>,
    /// Only those that are archived, or that are not.
    #[param(value_type = Option<bool>)]
    archived: Option<String>,
    /// Only those that are hidden.
    #[param(value_type = Option<bool>, default = false)]
    hidden: Option<String>,
    /// Only those in this folder.
    #[param(min_length = 1, max_length = 64)]
    folder: Option<String>,
}

impl Which {
    pub fn shown(self) -> Result<Shown, Problem> {
        let folder = self.folder.map(|text| folder(&text).map_err(Problem::at("/folder")));
        Ok(Shown {
            hidden: flag(self.hidden.as_deref(), "/hidden")?.unwrap_or(false),
            pinned: flag(self.pinned.as_deref(), "/pinned")?,
            archived: flag(self.archived.as_deref(), "/archived")?,
            folder: folder.transpose()?,
        })
    }
}

pub fn flag(text: Option<&str>, pointer: &str) -> Result<Option<bool>, Problem> {
    text.map(|text| text.parse().map_err(|_| Problem::invalid(pointer, "must be true or false"))).transpose()
}

pub fn group_name(text: &str) -> Result<GroupName, Problem> {
    GroupName::parse(text).map_err(Problem::at("/name"))
}

/// What is to be so of a group.
pub fn card(given: wire::ConversationChange) -> Result<CardChange, Problem> {
    let wire::ConversationChange { name, avatar, description, settings } = given;
    let (join_policy, settings) = match settings {
        Some(settings) => (join_policy(settings.join_policy.as_deref())?, settings),
        None => (None, wire::GroupSettingsChange::default()),
    };
    if settings.slow_mode.is_some_and(|seconds| seconds > limit::SLOW_MODE_MAX) {
        return Err(Problem::invalid("/settings/slow_mode", "must be 0 to 86400"));
    }
    Ok(CardChange {
        name: name.as_deref().map(group_name).transpose()?,
        avatar,
        description: nullable(description, |text| Description::parse(text).map_err(Problem::at("/description")))?,
        join_policy,
        shares_history: settings.shares_history,
        is_muted: settings.muted,
        slow_mode: settings.slow_mode,
        permissions: settings.permissions.map(permissions).transpose()?,
    })
}

fn join_policy(given: Option<&str>) -> Result<Option<JoinPolicy>, Problem> {
    let unknown = || Problem::invalid("/settings/join_policy", "must be open, approval, invitation or closed");
    given.map(|text| JoinPolicy::parse(text).ok_or_else(unknown)).transpose()
}

fn permissions(given: wire::PermissionsChange) -> Result<PermissionsChange, Problem> {
    let least = |text: Option<String>, name: &str| {
        let pointer = format!("/settings/permissions/{name}");
        text.map(|text| role(&text, &pointer)).transpose()
    };
    Ok(PermissionsChange {
        invite: least(given.invite, "invite")?,
        post: least(given.post, "post")?,
        pin: least(given.pin, "pin")?,
        mention_all: least(given.mention_all, "mention_all")?,
        edit_card: least(given.edit_card, "edit_card")?,
    })
}

pub fn role(text: &str, pointer: &str) -> Result<Role, Problem> {
    Role::parse(text).ok_or_else(|| Problem::invalid(pointer, "must be owner, admin or member"))
}

/// What is to be so of a member.
pub fn member(given: wire::MemberChange) -> Result<MemberChange, Problem> {
    let wrong = || Problem::invalid("/muted_until", "must be a time such as 2030-12-31T23:59:59Z");
    let until = |text: &str| Timestamp::parse(text).ok_or_else(wrong);
    Ok(MemberChange {
        role: given.role.map(|text| role(&text, "/role")).transpose()?,
        nickname: nullable(given.nickname, |text| Nickname::parse(text).map_err(Problem::at("/nickname")))?,
        muted_until: nullable(given.muted_until, until)?,
    })
}

/// How long a link is good, and for how many.
pub fn link(given: &wire::LinkNew) -> Result<(Option<Duration>, Option<u32>), Problem> {
    const SECONDS: std::ops::RangeInclusive<u64> = 60..=365 * 24 * 60 * 60;
    if given.expires_in.is_some_and(|seconds| !SECONDS.contains(&seconds)) {
        return Err(Problem::invalid("/expires_in", "must be 60 to 31536000"));
    }
    if given.max_uses.is_some_and(|uses| !(1..=limit::LINK_USES_MAX).contains(&uses)) {
        return Err(Problem::invalid("/max_uses", "must be 1 to 100000"));
    }
    Ok((given.expires_in.map(Duration::from_secs), given.max_uses))
}

fn nullable<T>(
    given: Option<Option<String>>,
    parse: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Option<Option<T>>, Problem> {
    match given {
        Some(Some(text)) => parse(&text).map(|value| Some(Some(value))),
        Some(None) => Ok(Some(None)),
        None => Ok(None),
    }
}

/// Those of one call.
pub fn accounts(pointer: &str, ids: &[Uuid]) -> Result<Vec<AccountId>, Problem> {
    if ids.len() > limit::MEMBERS_PER_CALL_MAX {
        return Err(Problem::invalid(pointer, "must have at most 1000 ids"));
    }
    Ok(ids.iter().copied().map(AccountId).collect())
}

fn absent<T>(pointer: &str, field: Option<&T>) -> Result<(), Problem> {
    match field {
        Some(_) => Err(Problem::invalid(pointer, "has no place in a conversation of this kind")),
        None => Ok(()),
    }
}

fn missing(pointer: &str) -> Problem {
    Problem::invalid(pointer, "is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: ConversationNew = ConversationNew { kind: String::new(), with: None, name: None, members: None };

    #[track_caller]
    fn refused(given: ConversationNew, pointer: &str) {
        let told = format!("{given:?}");
        let Err(problem) = New::try_from(given) else { panic!("{told} was taken") };
        assert_eq!(problem.errors[0].pointer, pointer, "{told}");
    }

    #[test]
    fn each_kind_has_its_fields_and_no_others() {
        let (with, name, members) = (Some(Uuid::nil()), Some("name".to_owned()), Some(vec![Uuid::nil()]));
        let direct = ConversationNew { kind: "direct".into(), ..NOTHING };
        refused(direct.clone(), "/with");
        refused(ConversationNew { with, name: name.clone(), ..direct.clone() }, "/name");
        refused(ConversationNew { with, members: members.clone(), ..direct.clone() }, "/members");
        assert!(New::try_from(ConversationNew { with, ..direct }).is_ok());
        let group = ConversationNew { kind: "group".into(), ..NOTHING };
        refused(ConversationNew { members: members.clone(), ..group.clone() }, "/name");
        refused(ConversationNew { name: name.clone(), ..group.clone() }, "/members");
        refused(ConversationNew { with, name: name.clone(), members: members.clone(), ..group.clone() }, "/with");
        assert!(New::try_from(ConversationNew { name: name.clone(), members: Some(vec![]), ..group.clone() }).is_ok());
        let own = ConversationNew { kind: "self".into(), ..NOTHING };
        refused(ConversationNew { with, ..own.clone() }, "/with");
        refused(ConversationNew { name: name.clone(), ..own.clone() }, "/name");
        refused(ConversationNew { members: members.clone(), ..own.clone() }, "/members");
        assert!(New::try_from(own).is_ok());
        let channel = ConversationNew { kind: "channel".into(), ..NOTHING };
        refused(channel.clone(), "/name");
        refused(ConversationNew { with, name: name.clone(), ..channel.clone() }, "/with");
        refused(ConversationNew { name: name.clone(), members: members.clone(), ..channel.clone() }, "/members");
        assert!(New::try_from(ConversationNew { name: name.clone(), ..channel }).is_ok());
        for kind in ["", "own", "Channel", "Group"] {
            refused(ConversationNew { kind: kind.into(), ..NOTHING }, "/kind");
        }
        for bad in [String::new(), "a".repeat(101), "a\nb".into(), "a\u{202e}b".into()] {
            refused(ConversationNew { name: Some(bad), members: members.clone(), ..group.clone() }, "/name");
        }
        let crowd = Some(vec![Uuid::nil(); 1_001]);
        refused(ConversationNew { name, members: crowd, ..group }, "/members");
    }

    #[test]
    fn what_is_listed_is_said_with_true_false_and_a_name() {
        let nothing = || Which { pinned: None, archived: None, hidden: None, folder: None };
        let all = nothing().shown().unwrap();
        assert_eq!((all.hidden, all.pinned, all.archived, all.folder), (false, None, None, None));
        let some = Which { pinned: Some("false".into()), hidden: Some("true".into()), ..nothing() }.shown().unwrap();
        assert_eq!((some.hidden, some.pinned), (true, Some(false)));
        for bad in ["", "1", "True", "yes"] {
            for (which, pointer) in [
                (Which { pinned: Some(bad.into()), ..nothing() }, "/pinned"),
                (Which { archived: Some(bad.into()), ..nothing() }, "/archived"),
                (Which { hidden: Some(bad.into()), ..nothing() }, "/hidden"),
            ] {
                assert_eq!(which.shown().unwrap_err().errors[0].pointer, pointer, "{bad}");
            }
        }
        for bad in [String::new(), "a".repeat(65), "a\nb".into()] {
            let which = Which { folder: Some(bad), ..nothing() };
            assert_eq!(which.shown().unwrap_err().errors[0].pointer, "/folder");
        }
    }
}
