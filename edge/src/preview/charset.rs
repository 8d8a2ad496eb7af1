//! The text of a page, in whatever encoding it is written: as a browser finds out (a mark at its beginning, what the server
//! says, what the page says of itself), and UTF-8 where nobody says. What cannot be read becomes `\u{fffd}`.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// So far a page may say it.
const SAID_WITHIN: usize = 1_024;

pub fn text(content_type: &str, page: &[u8]) -> String {
    // A mark of the page itself goes before the encoding that is found here.
    encoding(content_type, page).decode(page).0.into_owned()
}

fn encoding(content_type: &str, page: &[u8]) -> &'static Encoding {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let said = charsets.next().and_then(|(_, label)| Encoding::for_label(label.trim().trim_matches('"').as_bytes()));
    said.or_else(|| said_by(page)).unwrap_or_else(|| guessed(page))
}

fn said_by(page: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&page[..page.len().min(SAID_WITHIN)]).to_ascii_lowercase();
    let (_, label) = head.split_once("charset")?;
    let label = label.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let is_label = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
    let end = label.find(|c| !is_label(c)).unwrap_or(label.len());
    let said = Encoding::for_label(&label.as_bytes()[..end])?;
    // It could not have been read if it were.
    if [UTF_16BE, UTF_16LE].contains(&said) { Some(UTF_8) } else { Some(said) }
}

fn guessed(page: &[u8]) -> &'static Encoding {
    match std::str::from_utf8(page) {
        // It may have been cut within a character.
        Err(wrong) if wrong.error_len().is_some() => WINDOWS_1252,
        _ => UTF_8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_in_its_encoding() {
        let (gbk, ..) = encoding_rs::GBK.encode("<meta charset=\"GBK\"><title>中文</title>");
        for (content_type, page, expected) in [
            ("text/html", "é".as_bytes(), "é"),
            ("text/html; charset=ISO-8859-1", b"\xe9", "é"),
            ("text/html; Charset=\"utf-8\"", b"\xe9", "\u{fffd}"),
            ("text/html", b"\xe9 and", "é and"),
            ("text/html", &"é".as_bytes()[..1], "\u{fffd}"),
            ("text/html; charset=nonsense", "é".as_bytes(), "é"),
            ("text/html; charset=iso-8859-1", b"\xef\xbb\xbf\xc3\xa9", "é"),
            ("text/html", b"\xff\xfe<\0", "<"),
            ("text/html", &gbk, "<meta charset=\"GBK\"><title>中文</title>"),
            (
                "text/html",
                b"<meta content='text/html; charset = x-sjis'>\x83J",
                "<meta content='text/html; charset = x-sjis'>カ",
            ),
            ("text/html", b"<meta charset=utf-16>\xc3\xa9", "<meta charset=utf-16>é"),
        ] {
            assert_eq!(text(content_type, page), expected, "{content_type} {page:?}");
        }
    }
}
