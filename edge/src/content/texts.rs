//! What of a request others will read. Whatever takes texts from people says here which they are; the gate looks at them
//! one by one and may change them, and so may the operator's hook, which gets them by their pointers.

use natter_client::wire::{self, Body};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One of them.
pub struct Text<'a> {
    /// Where it stands in the request.
    pub pointer: &'a str,
    pub text: &'a mut String,
    /// It is a name that something goes by: changed it would be another.
    pub is_exact: bool,
}

pub trait Texts: Clone {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>));

    /// As the hook is shown it.
    fn shown(&self) -> Value {
        let mut texts = Map::new();
        self.clone().each(&mut |text| drop(texts.insert(text.pointer.to_owned(), json!(text.text))));
        json!({"texts": texts})
    }

    /// With what the hook makes of it. `None`: it names what there is not, or changes what cannot be.
    fn rewritten(&self, body: Value) -> Option<Self> {
        let Value::Object(mut body) = body else { return None };
        let texts: BTreeMap<String, String> = serde_json::from_value(body.remove("texts")?).ok()?;
        let (mut changed, mut left, mut fits) = (self.clone(), texts.clone(), body.is_empty());
        changed.each(&mut |text| {
            if let Some(other) = left.remove(text.pointer) {
                fits &= !text.is_exact || other == *text.text;
                *text.text = other;
            }
        });
        (fits && left.is_empty()).then_some(changed)
    }

    fn has_any(&self) -> bool {
        let mut any = false;
        self.clone().each(&mut |_| any = true);
        any
    }
}

fn free(visit: &mut dyn FnMut(Text<'_>), pointer: &str, text: &mut String) {
    visit(Text { pointer, text, is_exact: false });
}

fn exact(visit: &mut dyn FnMut(Text<'_>), pointer: &str, text: &mut String) {
    visit(Text { pointer, text, is_exact: true });
}

/// Of a message. The hook is shown the whole of it.
impl Texts for Body {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        within(self, "/body", visit);
    }

    fn shown(&self) -> Value {
        // A body of plain fields is JSON.
        serde_json::to_value(self).unwrap_or_default()
    }

    fn rewritten(&self, body: Value) -> Option<Self> {
        serde_json::from_value(body).ok()
    }
}

/// What is said in a body, whatever kind it is. What leads somewhere, or stands for something, goes by what it says.
fn within(body: &mut Body, at: &str, visit: &mut dyn FnMut(Text<'_>)) {
    match body {
        Body::Text { text, .. } => free(visit, &format!("{at}/text"), text),
        Body::Image { name, caption, .. } | Body::Video { name, caption, .. } | Body::File { name, caption, .. } => {
            some(visit, at, [("name", name), ("caption", caption)]);
        }
        Body::Location { name, address, .. } => some(visit, at, [("name", name), ("address", address)]),
        Body::Contact { name, phone, email, .. } => {
            some(visit, at, [("name", name), ("phone", phone), ("email", email)]);
        }
        Body::Link { url, title, description, image_url, site_name } => {
            some(visit, at, [("title", title), ("description", description), ("site_name", site_name)]);
            exact(visit, &format!("{at}/url"), url);
            image_url.iter_mut().for_each(|url| exact(visit, &format!("{at}/image_url"), url));
        }
        Body::Sticker { sticker_id, pack_id, emoji, .. } => {
            exact(visit, &format!("{at}/sticker_id"), sticker_id);
            pack_id.iter_mut().for_each(|text| exact(visit, &format!("{at}/pack_id"), text));
            emoji.iter_mut().for_each(|text| exact(visit, &format!("{at}/emoji"), text));
        }
        Body::Custom { data, text, .. } => {
            some(visit, at, [("text", text)]);
            values(data, &format!("{at}/data"), visit);
        }
        Body::Merged { items } => {
            for (index, item) in items.iter_mut().enumerate() {
                within(&mut item.body, &format!("{at}/items/{index}/body"), visit);
            }
        }
        // What it was made with is said openly; the rest nobody here can read.
        Body::Opaque { algorithm, .. } => exact(visit, &format!("{at}/algorithm"), algorithm),
        // It says nothing; it is of our own making.
        Body::Voice { .. } | Body::System { .. } => {}
    }
}

fn some<const N: usize>(visit: &mut dyn FnMut(Text<'_>), at: &str, fields: [(&str, &mut Option<String>); N]) {
    for (name, field) in fields {
        field.iter_mut().for_each(|text| free(visit, &format!("{at}/{name}"), text));
    }
}

/// Every text of a JSON value, names of fields too.
fn values(value: &mut Value, at: &str, visit: &mut dyn FnMut(Text<'_>)) {
    match value {
        Value::String(text) => free(visit, at, text),
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| values(item, &format!("{at}/{index}"), visit));
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                exact(visit, &format!("{at}#{name}"), &mut name.clone());
                values(field, &format!("{at}/{name}"), visit);
            }
        }
        _ => {}
    }
}

impl Texts for wire::Register {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        exact(visit, "/username", &mut self.username);
        self.nickname.iter_mut().for_each(|text| free(visit, "/nickname", text));
    }
}

impl Texts for wire::OidcFinish {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        self.username.iter_mut().for_each(|text| exact(visit, "/username", text));
        self.nickname.iter_mut().for_each(|text| free(visit, "/nickname", text));
    }
}

/// What a device says of itself, to whoever scans what it shows.
impl Texts for wire::QrNew {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        let Some(wire::Device { name, platform }) = &mut self.device else { return };
        some(visit, "/device", [("name", name), ("platform", platform)]);
    }
}

impl Texts for wire::AccountChange {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        let Self { nickname, signature, gender, region, custom, .. } = self;
        for (pointer, field) in
            [("/nickname", nickname), ("/signature", signature), ("/gender", gender), ("/region", region)]
        {
            field.iter_mut().flatten().for_each(|text| free(visit, pointer, text));
        }
        for (name, text) in custom.iter_mut().flatten().flatten() {
            let field = name.replace('~', "~0").replace('/', "~1");
            // No pointer, since none leads to a name.
            exact(visit, &format!("/custom#{field}"), &mut name.clone());
            free(visit, &format!("/custom/{field}"), text);
        }
    }
}

impl Texts for wire::FriendRequestNew {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        self.message.iter_mut().for_each(|text| free(visit, "/message", text));
    }
}

impl Texts for wire::JoinNew {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        self.message.iter_mut().for_each(|text| free(visit, "/message", text));
    }
}

impl Texts for wire::ConversationNew {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        self.name.iter_mut().for_each(|text| free(visit, "/name", text));
    }
}

impl Texts for wire::ConversationChange {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        self.name.iter_mut().for_each(|text| free(visit, "/name", text));
        self.description.iter_mut().flatten().for_each(|text| free(visit, "/description", text));
    }
}

impl Texts for wire::AnnouncementNew {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        free(visit, "/text", &mut self.text);
    }
}

impl Texts for wire::MemberChange {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        self.nickname.iter_mut().flatten().for_each(|text| free(visit, "/nickname", text));
    }
}

/// Something that goes by what it says: an emoji that somebody reacts with.
#[derive(Clone)]
pub struct Exactly(pub &'static str, pub String);

impl Texts for Exactly {
    fn each(&mut self, visit: &mut dyn FnMut(Text<'_>)) {
        exact(visit, self.0, &mut self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(json: Value) -> wire::AccountChange {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_hook_is_shown_texts_by_their_pointers_and_changes_those() {
        let given =
            profile(json!({"nickname": "Al", "signature": null, "custom": {"a/b": "c"}, "birthday": "2000-01-01"}));
        let texts = json!({"/nickname": "Al", "/custom/a~1b": "c", "/custom#a~1b": "a/b"});
        assert_eq!(given.shown(), json!({"texts": texts}));
        let changed = given.rewritten(json!({"texts": {"/custom/a~1b": "d"}})).unwrap();
        let expected =
            profile(json!({"nickname": "Al", "signature": null, "custom": {"a/b": "d"}, "birthday": "2000-01-01"}));
        assert_eq!(changed, expected);
        for bad in [
            json!({"texts": {"/gender": "x"}}),
            json!({"texts": {"/nickname": 1}}),
            json!({"texts": {"/custom#a~1b": "d"}}),
            json!({"texts": {}, "more": 1}),
            json!({}),
            json!(["texts"]),
        ] {
            assert_eq!(given.rewritten(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn a_body_is_shown_and_taken_whole() {
        let body = Body::text("hi");
        assert_eq!(body.shown(), json!({"kind": "text", "text": "hi"}));
        let other = Body::text("ho");
        assert_eq!(body.rewritten(json!({"kind": "text", "text": "ho"})), Some(other));
        for bad in [json!({"kind": "text"}), json!({"kind": "text", "text": "ho", "more": 1}), json!("ho"), json!(null)]
        {
            assert_eq!(body.rewritten(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn every_kind_of_body_shows_what_it_says() {
        let file = uuid::Uuid::nil();
        for (body, expected) in [
            (json!({"kind": "image", "file_id": file, "name": "X", "caption": "X"}), 2),
            (json!({"kind": "video", "file_id": file, "name": "X", "caption": "X"}), 2),
            (json!({"kind": "file", "file_id": file, "name": "X", "caption": "X"}), 2),
            (json!({"kind": "voice", "file_id": file, "duration_ms": 1}), 0),
            (json!({"kind": "location", "latitude": 0.0, "longitude": 0.0, "name": "X", "address": "X"}), 2),
            (json!({"kind": "contact", "name": "X", "phone": "X", "email": "X"}), 3),
            (
                json!({"kind": "link", "url": "X", "title": "X", "description": "X", "image_url": "X", "site_name": "X"}),
                5,
            ),
            (json!({"kind": "sticker", "sticker_id": "X", "pack_id": "X", "emoji": "X"}), 3),
            (json!({"kind": "custom", "type": "a.b", "data": {"X": ["X", {"X": "X"}, 1]}, "text": "X"}), 5),
            (json!({"kind": "opaque", "algorithm": "X", "ciphertext": "X"}), 1),
            (json!({"kind": "system", "code": "c", "text": "X"}), 0),
            (
                json!({"kind": "merged", "items": [{"sender": null, "sent_at": "", "body": {"kind": "text", "text": "X"}}]}),
                1,
            ),
        ] {
            let mut read: Body = serde_json::from_value(body.clone()).unwrap();
            let mut seen = 0;
            read.each(&mut |text| seen += usize::from(*text.text == "X"));
            assert_eq!(seen, expected, "{body}");
        }
    }

    #[test]
    fn what_has_no_texts_says_so() {
        assert!(!profile(json!({"birthday": "2000-01-01", "nickname": null})).has_any());
        assert!(profile(json!({"nickname": "Al"})).has_any());
    }
}
