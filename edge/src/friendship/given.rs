//! What is said of friends, read into what proves that it can be.

use crate::http::problem::Problem;
use natter_client::wire;
use natter_domain::{Label, account::Change, friendship::FriendChange, limit};
use std::collections::BTreeSet;

pub fn label(text: &str, pointer: &str) -> Result<Label, Problem> {
    Label::parse(text).map_err(Problem::at(pointer))
}

pub fn flag(word: &str, pointer: &str) -> Result<bool, Problem> {
    word.parse().map_err(|_| Problem::invalid(pointer, "must be true or false"))
}

pub fn change(given: &wire::FriendChange) -> Result<FriendChange<Label>, Problem> {
    Ok(FriendChange {
        remark: text(given.remark.as_ref(), "/remark")?,
        folder: text(given.folder.as_ref(), "/folder")?,
        starred: given.starred.map(Option::unwrap_or_default),
    })
}

fn text(given: Option<&Option<String>>, pointer: &str) -> Result<Change<Label>, Problem> {
    match given {
        None => Ok(Change::Keep),
        Some(None) => Ok(Change::Clear),
        Some(Some(text)) => label(text, pointer).map(Change::Set),
    }
}

pub fn order(names: &[String]) -> Result<Vec<Label>, Problem> {
    if names.len() > limit::FRIEND_FOLDERS_MAX {
        return Err(Problem::invalid("/names", "must have at most 100 names"));
    }
    let mut seen = BTreeSet::new();
    let read = |(index, name): (usize, &String)| {
        let pointer = format!("/names/{index}");
        let name = label(name, &pointer)?;
        if seen.insert(name.clone()) { Ok(name) } else { Err(Problem::invalid(pointer, "is named twice")) }
    };
    names.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_absent_null_or_said() {
        let given: wire::FriendChange = serde_json::from_str(r#"{"remark": null, "folder": "Work"}"#).unwrap();
        let change = change(&given).unwrap();
        assert_eq!((change.remark, change.starred), (Change::Clear, None));
        assert_eq!(change.folder, Change::Set(Label::parse("Work").unwrap()));
        let unstarred = super::change(&serde_json::from_str(r#"{"starred": null}"#).unwrap()).unwrap();
        assert_eq!((unstarred.remark, unstarred.starred), (Change::Keep, Some(false)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            order(&names).unwrap_err().errors[0].pointer.clone()
        };
        assert_eq!(named(&["Work", ""]), "/names/1");
        assert_eq!(named(&["Work", "Home", "Work"]), "/names/2");
        assert_eq!(named(&["x"; limit::FRIEND_FOLDERS_MAX + 1]), "/names");
        let long = "x".repeat(65);
        let given: wire::FriendChange = serde_json::from_str(&format!(r#"{{"remark": "{long}"}}"#)).unwrap();
        assert_eq!(change(&given).unwrap_err().errors[0].pointer, "/remark");
    }
}
