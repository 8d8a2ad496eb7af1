//! Traditional and simplified Chinese as one. The table is made from OpenCC's (its head says how); it tells which
//! characters are folded together, not how to write Chinese: where a character has several simple forms, the choice does
//! not matter, since words and texts are folded alike.

use std::sync::LazyLock;

/// The first of each group is what the others become.
const GROUPS: &str = include_str!("simplified.txt");

/// Below it there is nothing Chinese.
const FIRST: char = '\u{3400}';

static TABLE: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let lines = GROUPS.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.flat_map(str::split_whitespace).flat_map(|group| {
        let mut characters = group.chars();
        let simple = characters.next();
        characters.filter_map(move |other| Some((other, simple?)))
    });
    let mut table: Vec<(char, char)> = pairs.collect();
    table.sort_unstable();
    table
});

pub fn simplified(character: char) -> char {
    if character < FIRST {
        return character;
    }
    let found = TABLE.binary_search_by_key(&character, |(other, _)| *other);
    found.map_or(character, |index| TABLE[index].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traditional_characters_become_simple_ones_and_those_stay() {
        for (other, simple) in [('賭', '赌'), ('騙', '骗'), ('發', '发'), ('髮', '发'), ('裏', '里'), ('裡', '里')]
        {
            assert_eq!((simplified(other), simplified(simple)), (simple, simple), "{other}");
        }
        for same in ['a', 'é', '中', 'か', '한', '\u{1f600}'] {
            assert_eq!(simplified(same), same);
        }
    }

    #[test]
    fn what_a_character_becomes_becomes_nothing_else() {
        assert!(TABLE.len() > 4_000, "{}", TABLE.len());
        for window in TABLE.windows(2) {
            assert_ne!(window[0].0, window[1].0, "in two groups");
        }
        for (other, simple) in TABLE.iter() {
            assert_eq!(simplified(*simple), *simple, "{other}");
        }
    }
}
