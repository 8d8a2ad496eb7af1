//! Pages of lists, newest first. A cursor names the last thing that was given out, so pages neither repeat nor skip
//! what did not move meanwhile. Opaque to clients; it grants nothing, since every page is read for its viewer.

use crate::Error;
use natter_domain::{Timestamp, limit};
use sqlx::types::time::OffsetDateTime;
use uuid::Uuid;

/// What part of a list is asked for.
#[derive(Clone, Default, Debug)]
pub struct Page {
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Items at most; never more than 200 are given.
    pub limit: u32,
}

/// Lists are sorted by a time, then by an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    pub(crate) time: Timestamp,
    pub(crate) id: Uuid,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, Error> {
        let (time, id) = text.split_once('.').ok_or(Error::BadCursor)?;
        let time = time.parse().map(Timestamp::from_millis).map_err(|_| Error::BadCursor)?;
        Ok(Self { time, id: id.parse().map_err(|_| Error::BadCursor)? })
    }

    fn text(self) -> String {
        format!("{}.{}", self.time.as_millis(), self.id)
    }
}

impl Page {
    /// The cursor as the two parameters of a query: null where the list is read from its begin.
    pub(crate) fn after(&self) -> Result<(Option<OffsetDateTime>, Option<Uuid>), Error> {
        let cursor = self.cursor.as_deref().map(Cursor::parse).transpose()?;
        Ok((cursor.map(|cursor| cursor.time.into()), cursor.map(|cursor| cursor.id)))
    }

    fn limit(&self) -> usize {
        self.limit.clamp(1, limit::PAGE_MAX) as usize
    }

    /// Items to give.
    pub(crate) fn items(&self) -> u32 {
        self.limit.clamp(1, limit::PAGE_MAX)
    }

    /// The cursor of a list that goes by a number, a seq or a position.
    pub(crate) fn number(&self) -> Result<Option<u64>, Error> {
        let seq = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        self.cursor.as_deref().map(|text| seq(text).ok_or(Error::BadCursor)).transpose()
    }

    /// Rows to read: one more than asked for, to know whether there is a next page.
    pub(crate) fn rows(&self) -> i64 {
        self.limit() as i64 + 1
    }

    /// Cuts what was read to the page, and says where the next one begins.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Option<String> {
        let more = rows.len() > self.limit();
        rows.truncate(self.limit());
        rows.last().filter(|_| more).map(|last| cursor(last).text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(number: &u128) -> Cursor {
        Cursor { time: Timestamp::from_millis(*number as i64), id: Uuid::from_u128(*number) }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let mut rows = vec![3, 2, 1];
        let next = Page { cursor: None, limit: 2 }.cut(&mut rows, cursor).unwrap();
        assert_eq!(rows, [3, 2]);
        assert_eq!(Cursor::parse(&next).unwrap(), cursor(&2));
    }

    #[test]
    fn the_last_page_names_no_next() {
        assert_eq!(Page { cursor: None, limit: 3 }.cut(&mut vec![3, 2, 1], cursor), None);
        assert_eq!(Page { cursor: None, limit: 3 }.cut(&mut vec![], cursor), None);
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for bad in ["", "1", "x.y", "1.2", ".", "00000000-0000-0000-0000-000000000001"] {
            let page = Page { cursor: Some(bad.to_owned()), limit: 1 };
            assert!(matches!(page.after(), Err(Error::BadCursor)), "{bad}");
        }
    }
}
