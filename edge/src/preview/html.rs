//! What a page says of itself, out of HTML that nobody has checked: `og:*` and `twitter:*`, the title, the description.
//! Tolerant and bounded: any text is read, once from front to end, and never again. No tree is made.

/// Characters that are kept.
const TITLE_MAX: usize = 300;
const DESCRIPTION_MAX: usize = 1_000;
const SITE_MAX: usize = 100;
const URL_MAX: usize = 2_048;

/// As it is told, the better source first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Said {
    pub title: Option<String>,
    pub description: Option<String>,
    /// As it stands there, perhaps relative.
    pub image: Option<String>,
    pub site_name: Option<String>,
}

/// What was found, by how much it is worth: the lowest number wins.
#[derive(Default)]
struct Best(Option<(usize, String)>);

impl Best {
    fn offer(&mut self, worth: usize, text: &str, most: usize) {
        if self.0.as_ref().is_some_and(|(held, _)| *held <= worth) {
            return;
        }
        let text = tidy(&unescaped(text, most), most);
        if !text.is_empty() {
            self.0 = Some((worth, text));
        }
    }

    fn take(self) -> Option<String> {
        self.0.map(|(_, text)| text)
    }
}

#[derive(Default)]
struct Reading {
    title: Best,
    description: Best,
    image: Best,
    site_name: Best,
}

pub fn read(html: &str) -> Said {
    let mut reading = Reading::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = behind(comment, "-->");
            continue;
        }
        let tag = Tag::read(rest);
        rest = tag.rest;
        match tag.name.to_ascii_lowercase().as_str() {
            "meta" => reading.meta(&tag),
            "title" => {
                let (text, after) = until_end(rest, "title");
                reading.title.offer(2, text, TITLE_MAX);
                rest = after;
            }
            name @ ("script" | "style" | "noscript" | "template" | "textarea" | "svg") => {
                rest = until_end(rest, name).1;
            }
            // What a page says of itself stands before it.
            "body" => break,
            _ => {}
        }
    }
    let Reading { title, description, image, site_name } = reading;
    Said { title: title.take(), description: description.take(), image: image.take(), site_name: site_name.take() }
}

impl Reading {
    fn meta(&mut self, tag: &Tag<'_>) {
        let name = tag.value("property").or_else(|| tag.value("name"));
        let (Some(name), Some(content)) = (name, tag.value("content")) else { return };
        match name.trim().to_ascii_lowercase().as_str() {
            "og:title" => self.title.offer(0, content, TITLE_MAX),
            "twitter:title" => self.title.offer(1, content, TITLE_MAX),
            "og:description" => self.description.offer(0, content, DESCRIPTION_MAX),
            "twitter:description" => self.description.offer(1, content, DESCRIPTION_MAX),
            "description" => self.description.offer(2, content, DESCRIPTION_MAX),
            // One that is cut leads elsewhere.
            "og:image" | "og:image:url" | "og:image:secure_url" if content.len() <= URL_MAX => {
                self.image.offer(0, content, URL_MAX);
            }
            "twitter:image" | "twitter:image:src" if content.len() <= URL_MAX => self.image.offer(1, content, URL_MAX),
            "og:site_name" => self.site_name.offer(0, content, SITE_MAX),
            "application-name" => self.site_name.offer(1, content, SITE_MAX),
            _ => {}
        }
    }
}

/// A tag, its attributes as they stand there, and what comes behind it.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    rest: &'a str,
}

/// More attributes of one tag are not looked at.
const ATTRIBUTES_MAX: usize = 32;

impl<'a> Tag<'a> {
    /// Behind its `<`.
    fn read(text: &'a str) -> Self {
        let (name, mut rest) = split(text, |byte| is_space(byte) || matches!(byte, b'>' | b'/' | b'<'));
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c == '/' || c.is_ascii_whitespace());
            if rest.is_empty() || rest.starts_with('<') {
                break;
            }
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let (attribute, value, after) = attribute(rest);
            if attributes.len() < ATTRIBUTES_MAX {
                attributes.push((attribute, value));
            }
            rest = after;
        }
        Self { name, attributes, rest }
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        let found = self.attributes.iter().find(|(attribute, _)| attribute.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }
}

/// Of a text that is not empty and begins with neither space nor `>`: at least a character is taken.
fn attribute(text: &str) -> (&str, &str, &str) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let (more, rest) = split(&text[first..], |byte| is_space(byte) || matches!(byte, b'=' | b'>' | b'/'));
    let name = &text[..first + more.len()];
    let Some(value) = rest.trim_ascii_start().strip_prefix('=') else { return (name, "", rest) };
    let value = value.trim_ascii_start();
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            let (value, rest) = quoted.split_once(quote).unwrap_or((quoted, ""));
            return (name, value, rest);
        }
    }
    let (value, rest) = split(value, |byte| is_space(byte) || byte == b'>');
    (name, value, rest)
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// Before and from the first byte that ends it.
fn split(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let at = text.bytes().position(ends).unwrap_or(text.len());
    text.split_at(at)
}

fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// What stands before the end tag of that name, and what stands behind it. Without one it goes to the end.
fn until_end<'a>(text: &'a str, name: &str) -> (&'a str, &'a str) {
    let mut from = 0;
    while let Some(at) = text[from..].find("</").map(|at| from + at) {
        let after = &text.as_bytes()[at + 2..];
        if after.len() >= name.len() && after[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
            return (&text[..at], behind(&text[at..], ">"));
        }
        from = at + 2;
    }
    (text, "")
}

/// With the characters that are written as references. Not more than what may be kept is looked at.
fn unescaped(text: &str, most: usize) -> String {
    // A character is at most so many bytes of a reference.
    let text = &text[..text.floor_char_boundary(most * REFERENCE_MAX)];
    let mut plain = String::with_capacity(text.len().min(most * 4));
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.as_bytes().iter().take(REFERENCE_MAX).position(|byte| *byte == b';');
        match end.and_then(|end| Some((reference(&rest[..end])?, end))) {
            Some((character, end)) => {
                plain.push(character);
                rest = &rest[end + 1..];
            }
            None => plain.push('&'),
        }
    }
    plain.push_str(rest);
    plain
}

const REFERENCE_MAX: usize = 12;

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']).map(|hex| u32::from_str_radix(hex, 16));
        let number = hex.unwrap_or_else(|| number.parse()).ok()?;
        return Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    const NAMED: &[(&str, char)] = &[
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("ndash", '\u{2013}'),
        ("mdash", '\u{2014}'),
        ("hellip", '\u{2026}'),
        ("laquo", '\u{ab}'),
        ("raquo", '\u{bb}'),
        ("lsquo", '\u{2018}'),
        ("rsquo", '\u{2019}'),
        ("ldquo", '\u{201c}'),
        ("rdquo", '\u{201d}'),
        ("middot", '\u{b7}'),
        ("bull", '\u{2022}'),
        ("copy", '\u{a9}'),
        ("reg", '\u{ae}'),
        ("trade", '\u{2122}'),
    ];
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| *character)
}

/// One line, nothing that turns or hides text, and no longer than it may be.
fn tidy(text: &str, most: usize) -> String {
    let is_shown = |c: char| {
        !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().filter(|c| is_shown(*c)).take(most).collect();
    cut.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_page_is_read_the_better_source_first() {
        let page = r#"<!DOCTYPE html><html><head prefix="og: http://ogp.me/ns#">
            <!-- <title>no</title> --><script>"<title>no</title>"</script>
            <TITLE
             >A &amp; B &#8211; &#x1F600;</Title>
            <meta name=description content='plain'>
            <meta content="from  twitter" name="twitter:title"/>
            <meta property="og:title" content="&quot;Graph&quot;
                &lt;b&gt;">
            <meta property="og:image" content="/a.png?x=1&amp;y=2"><meta property='og:site_name' content=Site>
            </head><body><meta property="og:description" content="too late"></body>"#;
        let expected = Said {
            title: some("\"Graph\" <b>"),
            description: some("plain"),
            image: some("/a.png?x=1&y=2"),
            site_name: some("Site"),
        };
        assert_eq!(read(page), expected);
        assert_eq!(
            read("<title>A &amp; B &#8211; &#x1F600; &nope; &</title>").title,
            some("A & B \u{2013} \u{1f600} &nope; &")
        );
    }

    #[test]
    fn what_is_broken_is_read_as_far_as_it_goes() {
        for (page, title) in [
            ("", None),
            ("<", None),
            ("<title", None),
            ("<title>", None),
            ("<title>open", some("open")),
            ("<title>a</titl>b</title>", some("a</titl>b")),
            ("<meta property=og:title content=x", some("x")),
            ("<meta property='og:title content=x>", None),
            ("<meta property=\"og:title\" content=\"x", some("x")),
            ("<meta content=y property = \"og:title\" >", some("y")),
            ("<meta <title>t</title>", some("t")),
            ("<!-- never ends <title>no</title>", None),
            ("<script>never ends <title>no</title>", None),
            ("</title><title>\u{202e}evil\u{202c}\u{0}</title>", some("evil")),
            ("<title> \n\t </title>", None),
            ("<meta property=og:title content='&#0;&#xD800;&#99999999999;'>", some("\u{fffd}&#99999999999;")),
        ] {
            assert_eq!(read(page).title, title, "{page:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut_and_read_in_a_moment() {
        let long = "x".repeat(10 * 1024 * 1024);
        assert_eq!(read(&format!("<title>{long}</title>")).title.unwrap().chars().count(), TITLE_MAX);
        let image = format!("<meta property=og:image content='https://a/{}'>", "x".repeat(URL_MAX));
        assert_eq!(read(&image).image, None);
        let begun = std::time::Instant::now();
        for piece in ["<", "<!--", "<meta ", "<script>", "</", "<title>", "&", "<a b=\"", "&#x", "<a '"] {
            read(&piece.repeat(512 * 1024 / piece.len()));
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn anything_is_read() {
        proptest::proptest!(|(page in "(<|</|>|=|\"|'|&|;|#|!--|--|title|meta|script|content|property|og:title| |é|\u{1f600}){0,60}")| {
            let said = read(&page);
            proptest::prop_assert!(said.title.is_none_or(|title| title.chars().count() <= TITLE_MAX));
        });
    }
}
