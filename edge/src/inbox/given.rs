//! What somebody wants their view of a conversation to be, checked field by field.

use crate::http::problem::Problem;
use natter_client::wire;
use natter_domain::{GivenText, Nickname, Timestamp, account::Change, inbox::ViewChange};

/// A field of a patch: absent, null, or a value.
type Given<T> = Option<Option<T>>;

pub fn change(given: wire::ViewChange) -> Result<ViewChange<String>, Problem> {
    Ok(ViewChange {
        pinned: flag(given.pinned),
        quiet_until: quiet(given.quiet_until)?,
        archived: flag(given.archived),
        hidden: flag(given.hidden),
        folder: text(given.folder, "/folder", |text| folder(&text))?,
        draft: text(given.draft.map(|it| it.filter(|text| !text.is_empty())), "/draft", draft)?,
        marked_unread: flag(given.marked_unread),
    })
}

/// The name of a folder: what may be the name of a person.
pub fn folder(text: &str) -> Result<String, &'static str> {
    Nickname::parse(text).map(|name| name.as_str().to_owned())
}

fn draft(text: String) -> Result<String, &'static str> {
    GivenText::parse(&text)?;
    Ok(text)
}

/// Null: no.
fn flag(given: Given<bool>) -> Option<bool> {
    given.map(|value| value.unwrap_or(false))
}

/// That it lies in the future, the inbox itself looks at.
fn quiet(given: Given<String>) -> Result<Change<Timestamp>, Problem> {
    let Some(Some(text)) = given else { return Ok(given.map_or(Change::Keep, |_| Change::Clear)) };
    // As it will be written: an offset can lead beyond the last year that there is.
    let moment = Timestamp::parse(&text).and_then(|moment| Timestamp::parse(&moment.to_string()));
    moment.map(Change::Set).ok_or_else(|| Problem::invalid("/quiet_until", "must be an RFC 3339 time"))
}

fn text(
    given: Given<String>,
    pointer: &str,
    parse: impl Fn(String) -> Result<String, &'static str>,
) -> Result<Change<String>, Problem> {
    match given {
        None => Ok(Change::Keep),
        Some(None) => Ok(Change::Clear),
        Some(Some(text)) => parse(text).map(Change::Set).map_err(Problem::at(pointer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: wire::ViewChange = wire::ViewChange {
        pinned: None,
        quiet_until: None,
        archived: None,
        hidden: None,
        folder: None,
        draft: None,
        marked_unread: None,
    };

    #[track_caller]
    fn refused(given: wire::ViewChange, pointer: &str) {
        let told = format!("{given:?}");
        let Err(problem) = change(given) else { panic!("{told} was taken") };
        assert_eq!(problem.errors[0].pointer, pointer, "{told}");
    }

    #[test]
    fn what_is_absent_stays_and_what_is_null_goes() {
        assert_eq!(change(NOTHING).unwrap(), ViewChange::default());
        let null = wire::ViewChange {
            pinned: Some(None),
            quiet_until: Some(None),
            folder: Some(None),
            draft: Some(None),
            ..NOTHING
        };
        let cleared = change(null).unwrap();
        assert_eq!((cleared.pinned, cleared.archived, cleared.quiet_until), (Some(false), None, Change::Clear));
        assert_eq!((cleared.folder, cleared.draft), (Change::Clear, Change::Clear));
        let empty = wire::ViewChange { draft: Some(Some(String::new())), ..NOTHING };
        assert_eq!(change(empty).unwrap().draft, Change::Clear, "an empty draft is none");
    }

    #[test]
    fn each_field_is_checked() {
        let quiet = |text: &str| wire::ViewChange { quiet_until: Some(Some(text.into())), ..NOTHING };
        for bad in ["", "tomorrow", "2030-01-01", "2030-13-01T00:00:00Z", "10000-01-01T00:00:00Z"] {
            refused(quiet(bad), "/quiet_until");
        }
        let day = Timestamp::from_millis(1_893_456_000_000);
        assert_eq!(change(quiet("2030-01-01T01:00:00+01:00")).unwrap().quiet_until, Change::Set(day));
        for bad in [String::new(), " ".into(), "a".repeat(65), "a\nb".into(), "a\u{202e}".into()] {
            refused(wire::ViewChange { folder: Some(Some(bad)), ..NOTHING }, "/folder");
        }
        for bad in ["a\0".to_owned(), "a".repeat(16_385)] {
            refused(wire::ViewChange { draft: Some(Some(bad)), ..NOTHING }, "/draft");
        }
        let long = wire::ViewChange { draft: Some(Some("a".repeat(16_384))), ..NOTHING };
        assert_eq!(change(long).unwrap().draft, Change::Set("a".repeat(16_384)));
    }
}
