//! Cursors of lists are opaque here; what cannot be one is refused before anybody tries to read it.

use super::problem::Problem;

const MAX_BYTES: usize = 512;

pub fn check(cursor: String) -> Result<String, Problem> {
    let fits = (1..=MAX_BYTES).contains(&cursor.len()) && cursor.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(cursor) } else { Err(Problem::invalid("/cursor", "is no cursor of this list")) }
}
