//! Where texts come in: every field of every request that can hold one, with what is done about it. What others will read
//! goes through the gate ([`crate::content`]); `ops/tests/it/content/everywhere.rs` tries each of those.

use crate::{description, socket::frame::Op};
use serde_json::Value;
use std::collections::BTreeSet;

/// Looked at by the gate: others will read it.
const LOOKED_AT: &[&str] = &[
    "PATCH /api/v1/accounts/me /custom/*",
    "PATCH /api/v1/accounts/me /gender",
    "PATCH /api/v1/accounts/me /nickname",
    "PATCH /api/v1/accounts/me /region",
    "PATCH /api/v1/accounts/me /signature",
    "PATCH /api/v1/conversations/{id} /description",
    "PATCH /api/v1/conversations/{id} /name",
    "PATCH /api/v1/conversations/{id}/members/{account_id} /nickname",
    "POST /api/v1/auth/oidc/finish /nickname",
    "POST /api/v1/auth/oidc/finish /username",
    "POST /api/v1/auth/qr /device/name",
    "POST /api/v1/auth/qr /device/platform",
    "POST /api/v1/auth/register /nickname",
    "POST /api/v1/auth/register /username",
    "POST /api/v1/conversations /name",
    "POST /api/v1/conversations/{id}/join /message",
    "POST /api/v1/friends/requests /message",
    "PUT /api/v1/conversations/{id}/announcement /text",
    "PUT /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji} emoji",
];

/// Likewise, of a message's body: by `within` in `edge/src/content/texts.rs`, which goes into merged ones too.
const OF_BODIES: &[&str] = &[
    "/body/address",
    "/body/algorithm",
    "/body/caption",
    "/body/description",
    "/body/email",
    "/body/emoji",
    "/body/image_url",
    "/body/name",
    "/body/pack_id",
    "/body/phone",
    "/body/site_name",
    "/body/sticker_id",
    "/body/text",
    "/body/title",
    "/body/url",
];

/// Nobody else ever reads it, by the end of its name.
const OF_THE_OWNER: &[&str] = &[
    "/inbox /draft",
    "/inbox /folder",
    "/friends/{account_id} /remark",
    "/friends/{account_id} /folder",
    "/friends/folders /names/*",
    // Where somebody is signed in; where a device shows itself to others it is looked at.
    "/auth/login /device/name",
    "/auth/login /device/platform",
    "/auth/oidc/finish /device/name",
    "/auth/oidc/finish /device/platform",
    "/auth/register /device/name",
    "/auth/register /device/platform",
    // Who translates, or has a page, reads these.
    "/translate /language",
    "/link-previews /url",
];

/// No text at all, by the end of its name: secrets, names that must exist, one of a few words, times, what only the server
/// writes.
const NO_TEXTS: &[&str] = &[
    "password",
    "code",
    "token",
    "secret",
    "state",
    "login",
    "challenge",
    "/iss",
    "/provider",
    "/redirect_url",
    "/target",
    "/channel",
    "/purpose",
    "/email",
    "/phone",
    "/birthday",
    "/kind",
    "/role",
    "_until",
    "/send_at",
    "_from",
    "/locale",
    "/source",
    "/settings/join_policy",
    "/settings/permissions/invite",
    "/settings/permissions/post",
    "/settings/permissions/pin",
    "/settings/permissions/mention_all",
    "/settings/permissions/edit_card",
    "/visible/birthday",
    "/visible/gender",
    "/visible/region",
    "/body/ciphertext",
    "/body/media_type",
    "/body/type",
    "/mentions/*",
    // Of messages that only the server writes.
    "/sent_at",
    "/body/code",
    "POST /api/v1/auth/login/second /challenge",
    " account_id",
];

/// Ops with texts, and those without.
const OPS: &[(&str, bool)] = &[
    ("message.send", true),
    ("message.edit", true),
    ("message.react", true),
    ("message.list", false),
    ("conversation.read", false),
    ("auth", false),
    ("ping", false),
    ("message.delivered", false),
    ("typing", false),
    ("presence.subscribe", false),
    ("presence.unsubscribe", false),
    ("presence.set", false),
    ("message.recall", false),
    ("message.unreact", false),
    ("message.pin", false),
    ("message.unpin", false),
    ("message.star", false),
    ("message.unstar", false),
    ("message.listen", false),
    ("message.delete", false),
    ("sync", false),
];

/// `PATCH /api/v1/accounts/me /nickname`, of everything that can be a text.
fn fields() -> BTreeSet<String> {
    let api = serde_json::to_value(description()).unwrap();
    let mut found = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            if ["get", "delete"].contains(&method.as_str()) {
                continue;
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "path" && is_text(&parameter["schema"]) {
                    found.insert(format!("{name} {}", parameter["name"].as_str().unwrap()));
                }
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let mut pointers = BTreeSet::new();
            collect(&api, schema, "", &mut Vec::new(), &mut pointers);
            found.extend(pointers.iter().map(|pointer| format!("{name} {pointer}")));
        }
    }
    found
}

fn is_text(schema: &Value) -> bool {
    let is_string =
        schema["type"] == "string" || schema["type"].as_array().is_some_and(|all| all.contains(&"string".into()));
    is_string && schema["format"] != "uuid" && schema["enum"].is_null() && schema["const"].is_null()
}

/// `inside`: the names of the schemas that this one is a part of; one lies in itself.
fn collect(api: &Value, schema: &Value, at: &str, inside: &mut Vec<String>, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        if !inside.iter().any(|name| name == reference) {
            inside.push(reference.to_owned());
            let schema = api.pointer(reference.trim_start_matches('#')).expect("it is there");
            collect(api, schema, at, inside, found);
            inside.pop();
        }
        return;
    }
    if is_text(schema) {
        found.insert(at.to_owned());
    }
    for choice in ["oneOf", "anyOf", "allOf"].iter().flat_map(|choice| schema[choice].as_array().into_iter().flatten())
    {
        collect(api, choice, at, inside, found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(api, property, &format!("{at}/{name}"), inside, found);
    }
    for each in ["items", "additionalProperties"] {
        if schema[each].is_object() {
            collect(api, &schema[each], &format!("{at}/*"), inside, found);
        }
    }
}

#[test]
fn every_text_that_others_will_read_goes_through_the_gate() {
    let fields = fields();
    let is_known = |field: &&String| {
        let ends = |ends: &[&str]| ends.iter().any(|end| field.ends_with(end));
        LOOKED_AT.contains(&field.as_str()) || ends(OF_BODIES) || ends(OF_THE_OWNER) || ends(NO_TEXTS)
    };
    let unknown: Vec<&String> = fields.iter().filter(|field| !is_known(field)).collect();
    assert!(unknown.is_empty(), "who reads this, and who looks at it before? {unknown:#?}");
    let gone: Vec<&&str> = LOOKED_AT.iter().filter(|field| !fields.contains(**field)).collect();
    assert!(gone.is_empty(), "there is no such field: {gone:#?}");
    for ends in OF_BODIES.iter().chain(OF_THE_OWNER).chain(NO_TEXTS) {
        assert!(fields.iter().any(|field| field.ends_with(ends)), "{ends} is nowhere");
    }
}

#[test]
fn every_frame_with_a_text_is_known() {
    let ops: BTreeSet<&str> = OPS.iter().map(|(op, _)| *op).collect();
    assert_eq!(ops, Op::NAMES.into_iter().collect::<BTreeSet<_>>());
    // What can be said by a frame can be said by a request: those three are looked at there.
    assert_eq!(OPS.iter().filter(|(_, has_text)| *has_text).count(), 3);
}
