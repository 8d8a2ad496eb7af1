//! What is asked for, read into what proves that it can be.

use crate::http::problem::Problem;
use natter_client::wire::ConversationNew;
use natter_domain::{AccountId, GroupName, limit};
use uuid::Uuid;

/// A conversation to be.
pub enum New {
    Direct { with: AccountId },
    Group { name: GroupName, members: Vec<AccountId> },
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
            _ => Err(Problem::invalid("/kind", "must be direct or group")),
        }
    }
}

pub fn group_name(text: &str) -> Result<GroupName, Problem> {
    GroupName::parse(text).map_err(Problem::at("/name"))
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
        for kind in ["", "self", "channel", "Group"] {
            refused(ConversationNew { kind: kind.into(), ..NOTHING }, "/kind");
        }
        for bad in [String::new(), "a".repeat(101), "a\nb".into(), "a\u{202e}b".into()] {
            refused(ConversationNew { name: Some(bad), members: members.clone(), ..group.clone() }, "/name");
        }
        let crowd = Some(vec![Uuid::nil(); 1_001]);
        refused(ConversationNew { name, members: crowd, ..group }, "/members");
    }
}
