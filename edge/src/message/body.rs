//! What clients may say, kind by kind: shapes are the wire types', bounds the table of limits. A body that passes is kept as
//! it came, byte for byte as far as JSON says the same.

use crate::http::problem::Problem;
use natter_client::wire::{Body, Format};
use natter_commands::GivenBody;
use natter_domain::{GivenText, conversation::BodyKind, limit};
use serde_json::Value;

/// A body that may be sent, as the write side takes it.
pub fn checked(body: &Body) -> Result<GivenBody, Problem> {
    let kind = kind(body)?;
    check(body)?;
    let json = serde_json::to_string(body).map_err(Problem::internal)?;
    let texts = texts(body);
    let size = texts.iter().map(|text| text.len()).sum::<usize>() as u32;
    let has_link = kind == BodyKind::Link || texts.iter().any(|text| has_link(text));
    Ok(GivenBody { json, kind, size, has_link, given: None })
}

/// What was sent before, sent again elsewhere: it was checked then. What is put together has bounds of its own.
pub fn passed_on(body: &Body, pointer: &str) -> Result<GivenBody, Problem> {
    let Body::Merged { .. } = body else { return checked(body) };
    is(depth(body) <= limit::MERGED_DEPTH_MAX, pointer, "must not lie in each other deeper than 3")?;
    let json = serde_json::to_string(body).map_err(Problem::internal)?;
    is(json.len() <= limit::MERGED_MAX_BYTES, pointer, "must have at most 65536 bytes together")?;
    let size = json.len() as u32;
    Ok(GivenBody { json, kind: BodyKind::Merged, size, has_link: false, given: None })
}

/// How many of those that are put together lie in each other.
fn depth(body: &Body) -> usize {
    let Body::Merged { items } = body else { return 0 };
    1 + items.iter().map(|item| depth(&item.body)).max().unwrap_or(0)
}

/// What the write side calls it.
pub fn kind(body: &Body) -> Result<BodyKind, Problem> {
    Ok(match body {
        Body::Text { .. } => BodyKind::Text,
        Body::Image { .. } => BodyKind::Image,
        Body::Voice { .. } => BodyKind::Voice,
        Body::Video { .. } => BodyKind::Video,
        Body::File { .. } => BodyKind::File,
        Body::Location { .. } => BodyKind::Location,
        Body::Contact { .. } => BodyKind::Contact,
        Body::Link { .. } => BodyKind::Link,
        Body::Sticker { .. } => BodyKind::Sticker,
        Body::Custom { .. } => BodyKind::Custom,
        Body::Opaque { .. } => BodyKind::Opaque,
        Body::Merged { .. } | Body::System { .. } => {
            return Err(Problem::invalid("/body/kind", "only the server writes messages of this kind"));
        }
    })
}

fn check(body: &Body) -> Result<(), Problem> {
    match body {
        Body::Text { text, format } => text_of(text, *format),
        Body::Image { name, media_type, size, width, height, caption, .. } => {
            named(name, media_type, *size)?;
            pixels("/body/width", *width)?;
            pixels("/body/height", *height)?;
            said("/body/caption", caption.as_deref())
        }
        Body::Voice { duration_ms, waveform, media_type, size, .. } => {
            named(&None, media_type, *size)?;
            lasts(Some(*duration_ms))?;
            is(waveform.len() <= limit::WAVEFORM_MAX, "/body/waveform", "must have at most 256 values")
        }
        Body::Video { name, media_type, size, width, height, duration_ms, caption, .. } => {
            named(name, media_type, *size)?;
            pixels("/body/width", *width)?;
            pixels("/body/height", *height)?;
            lasts(*duration_ms)?;
            said("/body/caption", caption.as_deref())
        }
        Body::File { name, media_type, size, caption, .. } => {
            named(name, media_type, *size)?;
            said("/body/caption", caption.as_deref())
        }
        Body::Location { latitude, longitude, name, address } => {
            is((-90.0..=90.0).contains(latitude), "/body/latitude", "must be -90 to 90")?;
            is((-180.0..=180.0).contains(longitude), "/body/longitude", "must be -180 to 180")?;
            line("/body/name", name.as_deref(), limit::THING_NAME_MAX)?;
            line("/body/address", address.as_deref(), limit::LINE_MAX)
        }
        Body::Contact { account_id, name, phone, email } => {
            is(account_id.is_some() || name.is_some(), "/body/name", "a card names an account or a person")?;
            line("/body/name", name.as_deref(), limit::THING_NAME_MAX)?;
            line("/body/phone", phone.as_deref(), limit::LABEL_MAX)?;
            line("/body/email", email.as_deref(), limit::QUERY_MAX)
        }
        Body::Link { url, title, description, image_url, site_name } => {
            web("/body/url", Some(url))?;
            web("/body/image_url", image_url.as_deref())?;
            line("/body/title", title.as_deref(), limit::LINE_MAX)?;
            line("/body/description", description.as_deref(), limit::LINK_DESCRIPTION_MAX)?;
            line("/body/site_name", site_name.as_deref(), limit::THING_NAME_MAX)
        }
        Body::Sticker { sticker_id, pack_id, emoji, .. } => {
            line("/body/sticker_id", Some(sticker_id), limit::STICKER_ID_MAX)?;
            line("/body/pack_id", pack_id.as_deref(), limit::STICKER_ID_MAX)?;
            let short = emoji.as_deref().is_none_or(|it| natter_domain::Emoji::parse(it).is_ok());
            is(short, "/body/emoji", "must have 1 to 32 bytes without control characters")
        }
        Body::Custom { r#type, data, text } => custom(r#type, data, text.as_deref()),
        Body::Opaque { algorithm, ciphertext } => opaque(algorithm, ciphertext),
        Body::Merged { .. } | Body::System { .. } => Ok(()),
    }
}

fn text_of(text: &str, format: Option<Format>) -> Result<(), Problem> {
    GivenText::parse(text).map_err(Problem::at("/body/text"))?;
    let flat = format != Some(Format::Markdown) || markdown_depth(text) <= limit::MARKDOWN_DEPTH_MAX;
    is(flat, "/body/text", "must not nest deeper than 32")
}

/// How deep a reader of Markdown would have to go for quotes and lists, which stand at the beginning of a line, and for
/// brackets, which go on to the end of the paragraph. Nothing is parsed.
fn markdown_depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0, 0);
    for line in text.lines() {
        if line.trim().is_empty() {
            open = 0;
        }
        let within = bracketed(line, &mut open);
        deepest = deepest.max(quoted(line)).max(within);
    }
    deepest
}

/// A sign of a list has a space behind it, and a number's dot a digit before it: a rule, a row of dots and a table's border
/// nest nothing.
fn quoted(line: &str) -> usize {
    let signs: Vec<char> =
        line.chars().take_while(|c| c.is_whitespace() || c.is_ascii_digit() || ">-*+.)".contains(*c)).collect();
    let (mut depth, mut moved_in) = (0, 0);
    for (index, c) in signs.iter().enumerate() {
        let is_set_off = signs.get(index + 1).is_none_or(|next| next.is_whitespace());
        let is_number = index > 0 && signs[index - 1].is_ascii_digit();
        match c {
            '>' => depth += 1,
            '-' | '*' | '+' if is_set_off => depth += 1,
            '.' | ')' if is_set_off && is_number => depth += 1,
            '\t' => moved_in += 4,
            ' ' => moved_in += 1,
            _ => {}
        }
    }
    let is_rule = !line.contains('>') && line.chars().all(|c| c.is_whitespace() || "-*".contains(c));
    // A list within lists is as deep as it is moved in.
    if is_rule || depth == 0 { 0 } else { depth.max(moved_in / 2) }
}

fn bracketed(line: &str, open: &mut usize) -> usize {
    let mut deepest = *open;
    for c in line.chars() {
        match c {
            '[' | '(' | '<' => *open += 1,
            ']' | ')' | '>' => *open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(*open);
    }
    deepest
}

fn named(name: &Option<String>, media_type: &Option<String>, size: Option<u64>) -> Result<(), Problem> {
    line("/body/name", name.as_deref(), limit::THING_NAME_MAX)?;
    let is_media = |text: &str| {
        let token = |part: &str| {
            !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c))
        };
        text.len() <= limit::MEDIA_TYPE_MAX && text.split_once('/').is_some_and(|(one, two)| token(one) && token(two))
    };
    is(media_type.as_deref().is_none_or(is_media), "/body/media_type", "must be a media type, image/png say")?;
    is(size.is_none_or(|size| size <= limit::FILE_SIZE_MAX), "/body/size", "must be at most 2^50")
}

fn pixels(pointer: &str, count: Option<u32>) -> Result<(), Problem> {
    is(count.is_none_or(|count| (1..=limit::PIXELS_MAX).contains(&count)), pointer, "must be 1 to 65535")
}

fn lasts(duration_ms: Option<u64>) -> Result<(), Problem> {
    let within = |millis: u64| (1..=limit::MEDIA_DURATION_MAX_MS).contains(&millis);
    is(duration_ms.is_none_or(within), "/body/duration_ms", "must be 1 to 86400000")
}

/// Words that belong to something: as a message's text, but shorter.
fn said(pointer: &str, text: Option<&str>) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    is((1..=limit::CAPTION_MAX_BYTES).contains(&text.len()), pointer, "must have 1 to 4096 bytes")?;
    is(!text.contains('\0'), pointer, "must not hold the character NUL")
}

/// A short text without control characters and without characters that turn the direction of others.
fn line(pointer: &str, text: Option<&str>, max: usize) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    let length = text.chars().take(max + 1).count();
    is((1..=max).contains(&length), pointer, format!("must have 1 to {max} characters"))?;
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is(!text.chars().any(|c| c.is_control() || turns(c)), pointer, "must not hold control characters")
}

fn web(pointer: &str, url: Option<&str>) -> Result<(), Problem> {
    let Some(url) = url else { return Ok(()) };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_url = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && url.len() <= limit::URL_MAX_BYTES
        && !url.chars().any(|c| c.is_control() || c.is_whitespace());
    is(is_url, pointer, "must begin with http:// or https://, without spaces, and have at most 2048 bytes")
}

fn custom(kind: &str, data: &Value, text: Option<&str>) -> Result<(), Problem> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c);
    let is_name = (limit::CUSTOM_TYPE_MIN..=limit::CUSTOM_TYPE_MAX).contains(&kind.len())
        && kind.bytes().all(plain)
        && kind.contains('.')
        && kind.split('.').all(|part| !part.is_empty());
    is(is_name, "/body/type", "must be a name with its namespace, com.example.poll say")?;
    let size = serde_json::to_vec(data).map_err(Problem::internal)?.len();
    is(size <= limit::CUSTOM_DATA_MAX_BYTES, "/body/data", "must have at most 16384 bytes")?;
    is(!has_nul(data), "/body/data", "must not hold the character NUL")?;
    let flat = nesting(data) <= limit::CUSTOM_DATA_DEPTH_MAX;
    is(flat, "/body/data", "must not nest deeper than 32")?;
    said("/body/text", text)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// How deep lists and objects lie in each other: who reads answers reads with bounds.
fn nesting(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nesting).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(nesting).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn opaque(algorithm: &str, ciphertext: &str) -> Result<(), Problem> {
    line("/body/algorithm", Some(algorithm), limit::ALGORITHM_MAX)?;
    let is_base64 = |c: u8| c.is_ascii_alphanumeric() || b"+/-_=".contains(&c);
    let fits = (1..=limit::CIPHERTEXT_MAX).contains(&ciphertext.len()) && ciphertext.bytes().all(is_base64);
    is(fits, "/body/ciphertext", "must be Base64 of 1 to 65536 characters")
}

fn is(so: bool, pointer: &str, wrong: impl Into<String>) -> Result<(), Problem> {
    if so { Ok(()) } else { Err(Problem::invalid(pointer, wrong)) }
}

/// What people read of it; of what only clients can read nothing.
fn texts(body: &Body) -> Vec<&str> {
    match body {
        Body::Text { text, .. } => vec![text],
        Body::Image { caption, name, .. } | Body::Video { caption, name, .. } | Body::File { caption, name, .. } => {
            [caption, name].into_iter().flatten().map(String::as_str).collect()
        }
        Body::Location { name, address, .. } => [name, address].into_iter().flatten().map(String::as_str).collect(),
        Body::Contact { name, phone, email, .. } => {
            [name, phone, email].into_iter().flatten().map(String::as_str).collect()
        }
        Body::Link { url, title, description, site_name, .. } => {
            let more = [title, description, site_name].into_iter().flatten().map(String::as_str);
            std::iter::once(url.as_str()).chain(more).collect()
        }
        Body::Custom { text, .. } => text.iter().map(String::as_str).collect(),
        Body::Voice { .. } | Body::Sticker { .. } | Body::Opaque { .. } | Body::Merged { .. } | Body::System { .. } => {
            vec![]
        }
    }
}

fn has_link(text: &str) -> bool {
    let begins = |scheme: &str| {
        text.match_indices("://").any(|(at, _)| {
            text.get(at.saturating_sub(scheme.len())..at).is_some_and(|it| it.eq_ignore_ascii_case(scheme))
        })
    };
    begins("http") || begins("https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_link() {
        let with = ["http://a", "see https://a.b", "HTTPS://A", "xhttp://a"];
        assert!(with.iter().all(|text| has_link(text)), "{with:?}");
        let without = ["", "://", "http:/a", "ftp://a", "\u{1f600}://a", "http", "mailto:a@b"];
        assert!(!without.iter().any(|text| has_link(text)), "{without:?}");
    }

    #[test]
    fn markdown_is_as_deep_as_it_nests() {
        let depths = [
            ("plain", 0),
            ("> one\n> > two", 2),
            ("[a](b) [c](d)", 1),
            ("- - - x", 3),
            ("+------------------------------------+------+", 1),
            (".................................................", 0),
            ("(one\n(two\n\n(three", 2),
            ("------------------------------------------", 0),
            ("* * * * * * * * * * * * * * * * * * * * * * * * * * * * * * * * * *", 0),
            ("((((x))))", 4),
        ];
        for (text, depth) in depths {
            assert_eq!(markdown_depth(text), depth, "{text}");
        }
        assert!(markdown_depth(&"> ".repeat(1_000)) > limit::MARKDOWN_DEPTH_MAX);
        assert!(markdown_depth(&"[".repeat(16_384)) > limit::MARKDOWN_DEPTH_MAX);
        assert!(markdown_depth(&format!("{}- x", " ".repeat(200))) > limit::MARKDOWN_DEPTH_MAX, "a list in a list");
        assert!(markdown_depth(&format!("{}- x", "\t".repeat(20))) > limit::MARKDOWN_DEPTH_MAX);
        assert_eq!(markdown_depth(&format!("{}x", " ".repeat(200))), 0);
    }
}
