//! Who may what: every route of the API description and every frame has a row, and each cell is tried on a thing that
//! exists. The first four columns come before the others, so that who is refused is refused what is really there.

use crate::{content::permission::Others, oidc::permission::Elsewhere, second::permission::Factors};
use natter_testkit::{BOUND, Letters, Node, Options, Person, Raw, Stack, client, client::wire, eventually};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Nobody, a session that was ended, a member who was suspended, a stranger, a friend of the owner's who is not in the
/// group, who is in it, who owns it and wrote the message.
const ROLES: [&str; 7] = ["anonymous", "revoked", "suspended", "other", "friend", "member", "owner"];

/// Who is suspended gets what a session that was ended gets, but for these.
const SUSPENDED: &[(&str, u16)] = &[("POST /api/v1/auth/login", 403)];

/// Of the roles those before this one are no people of the scene that can be asked to do anything.
const PEOPLE: usize = 3;

/// A route, its body, and the status that each role gets: all but those who are suspended.
pub type Row = (&'static str, Option<&'static str>, [u16; 6]);

const SEES: [u16; 6] = [401, 401, 200, 200, 200, 200];
const MEMBERS_READ: [u16; 6] = [401, 401, 404, 404, 200, 200];
const MEMBERS_DO: [u16; 6] = [401, 401, 404, 404, 204, 204];
const ADMINS_READ: [u16; 6] = [401, 401, 404, 404, 403, 200];
const ADMINS_DO: [u16; 6] = [401, 401, 404, 404, 403, 204];
const OWNERS: [u16; 6] = [401, 401, 404, 404, 404, 200];
const RECEIVER: [u16; 6] = [401, 401, 404, 404, 404, 200];

pub const ROUTES: &[Row] = &[
    ("GET /.well-known/jwks.json", None, [200; 6]),
    ("GET /healthz", None, [200; 6]),
    ("GET /metrics", None, [200; 6]),
    ("GET /readyz", None, [200; 6]),
    // An upgrade without its headers; who may is asked of the frames below.
    ("GET /ws", None, [400, 401, 400, 400, 400, 400]),
    (
        "POST /api/v1/auth/codes",
        Some(r#"{"channel": "email", "target": "{role}@codes.example.org", "purpose": "register"}"#),
        [202; 6],
    ),
    ("POST /api/v1/auth/login", Some(r#"{"login": "{login}", "password": "{password}"}"#), [200; 6]),
    (
        "POST /api/v1/auth/password/reset",
        Some(
            r#"{"login": "{forgetful}", "code": "{code reset_password {forgetful}}", "new_password": "{password} {role}"}"#,
        ),
        [204; 6],
    ),
    ("POST /api/v1/auth/refresh", Some(r#"{"refresh_token": "{refresh}"}"#), [200, 401, 200, 200, 200, 200]),
    ("POST /api/v1/auth/register", Some(r#"{"username": "new.{role}", "password": "{password}"}"#), [201; 6]),
    ("POST /api/v1/auth/verify", Some(r#"{"token": "{token}"}"#), [200; 6]),
    ("GET /api/v1/accounts?query=owner", None, SEES),
    ("GET /api/v1/accounts/me", None, SEES),
    (
        "POST /api/v1/accounts/me/email/change",
        Some(
            r#"{"email": "{role}@new.example.org", "code": "{code change_email {role}@new.example.org}", "password": "{password}"}"#,
        ),
        SEES,
    ),
    (
        "POST /api/v1/accounts/me/phone/change",
        Some(
            r#"{"phone": "+491234567{column}", "code": "{code change_phone +491234567{column}}", "password": "{password}"}"#,
        ),
        SEES,
    ),
    ("GET /api/v1/accounts/{owner}", None, SEES),
    ("PATCH /api/v1/accounts/me", Some(r#"{"signature": "of {role}"}"#), SEES),
    ("POST /api/v1/accounts/lookup", Some(r#"{"ids": ["{owner}"]}"#), SEES),
    ("POST /api/v1/presence/lookup", Some(r#"{"ids": ["{owner}"]}"#), SEES),
    ("GET /api/v1/settings", None, SEES),
    ("PATCH /api/v1/settings", Some(r#"{"show_online": true}"#), SEES),
    ("GET /api/v1/friends", None, SEES),
    ("GET /api/v1/friends/requests", None, SEES),
    ("POST /api/v1/friends/requests", Some(r#"{"to": "{asked}"}"#), [401, 401, 201, 201, 201, 201]),
    ("POST /api/v1/friends/requests/{request}/accept", None, RECEIVER),
    ("POST /api/v1/friends/requests/{other_request}/reject", None, RECEIVER),
    ("POST /api/v1/friends/requests/{own_request}/cancel", None, RECEIVER),
    ("POST /api/v1/friends/requests/{ignored_request}/ignore", None, RECEIVER),
    ("GET /api/v1/friends/folders", None, SEES),
    ("PUT /api/v1/friends/folders", Some(r#"{"names": ["Work"]}"#), SEES),
    ("PATCH /api/v1/friends/{friend}", Some(r#"{"starred": true}"#), RECEIVER),
    ("DELETE /api/v1/friends/{spare}", None, [401, 401, 404, 404, 404, 204]),
    ("GET /api/v1/blocks", None, SEES),
    ("PUT /api/v1/blocks/{nuisance}", None, SEES),
    ("DELETE /api/v1/blocks/{nuisance}", None, [401, 401, 204, 204, 204, 204]),
    ("GET /api/v1/sync", None, SEES),
    ("GET /api/v1/conversations", None, SEES),
    ("GET /api/v1/channels", None, SEES),
    ("POST /api/v1/conversations", Some(r#"{"kind": "direct", "with": "{friend}"}"#), [401, 401, 403, 201, 403, 200]),
    ("GET /api/v1/conversations/{group}", None, MEMBERS_READ),
    ("PATCH /api/v1/conversations/{group}", Some(r#"{"name": "by {role}"}"#), MEMBERS_READ),
    // With what can be no name, so that nobody is looked for.
    ("GET /api/v1/conversations/{group}/members?query=1st", None, MEMBERS_READ),
    ("POST /api/v1/conversations/{group}/members", Some(r#"{"account_ids": ["{owner}"]}"#), MEMBERS_READ),
    ("GET /api/v1/conversations/{group}/messages", None, MEMBERS_READ),
    (
        "POST /api/v1/conversations/{group}/messages",
        Some(r#"{"message_id": "{new}", "body": {"kind": "text", "text": "by {role}"}}"#),
        [401, 401, 404, 404, 201, 201],
    ),
    (
        "POST /api/v1/conversations/{group}/messages/forward",
        Some(r#"{"from": "{group}", "messages": [{"message_id": "{new}", "source_id": "{message}"}]}"#),
        [401, 401, 404, 404, 201, 201],
    ),
    (
        "POST /api/v1/conversations/{group}/scheduled",
        Some(r#"{"message_id": "{new}", "body": {"kind": "text", "text": "later"}, "send_at": "{tomorrow}"}"#),
        [401, 401, 404, 404, 201, 201],
    ),
    ("GET /api/v1/scheduled", None, SEES),
    ("PATCH /api/v1/scheduled/{group}/{scheduled}", Some(r#"{"body": {"kind": "text", "text": "other"}}"#), OWNERS),
    ("DELETE /api/v1/scheduled/{group}/{scheduled}", None, [401, 401, 404, 404, 404, 204]),
    ("GET /api/v1/conversations/{group}/messages/filter", None, MEMBERS_READ),
    ("GET /api/v1/conversations/{group}/messages/{message}/thread", None, MEMBERS_READ),
    ("PUT /api/v1/conversations/{group}/messages/{message}/thread/follow", None, MEMBERS_DO),
    ("DELETE /api/v1/conversations/{group}/messages/{message}/thread/follow", None, MEMBERS_DO),
    ("PUT /api/v1/conversations/{group}/messages/{message}/thread/read", Some(r#"{"seq": 1}"#), MEMBERS_DO),
    ("GET /api/v1/threads", None, SEES),
    ("PATCH /api/v1/conversations/{group}/messages/{message}/inbox", Some(r#"{"starred": true}"#), MEMBERS_READ),
    ("GET /api/v1/stars", None, SEES),
    ("POST /api/v1/conversations/{group}/messages/lookup", Some(r#"{"ids": ["{message}"]}"#), MEMBERS_READ),
    ("GET /api/v1/conversations/{group}/messages/{message}", None, MEMBERS_READ),
    ("GET /api/v1/conversations/{group}/messages/{message}/readers", None, MEMBERS_READ),
    ("GET /api/v1/conversations/{group}/unread/explain", None, MEMBERS_READ),
    ("GET /api/v1/conversations/unread", None, SEES),
    ("GET /api/v1/conversations/{group}/messages/{message}/edits", None, MEMBERS_READ),
    ("GET /api/v1/conversations/{group}/messages/{message}/reactions", None, MEMBERS_READ),
    ("GET /api/v1/conversations/{group}/pins", None, MEMBERS_READ),
    (
        "PATCH /api/v1/conversations/{group}/messages/{message}",
        Some(r#"{"body": {"kind": "text", "text": "edited"}}"#),
        [401, 401, 404, 404, 403, 200],
    ),
    ("POST /api/v1/conversations/{group}/messages/{message}/translate", Some(r#"{"language": "fr"}"#), MEMBERS_READ),
    ("POST /api/v1/link-previews", Some(r#"{"url": "{page}"}"#), SEES),
    ("PUT /api/v1/conversations/{group}/messages/{message}/pin", None, MEMBERS_DO),
    ("DELETE /api/v1/conversations/{group}/messages/{message}/pin", None, MEMBERS_DO),
    ("PUT /api/v1/conversations/{group}/messages/{message}/reactions/a", None, MEMBERS_DO),
    ("DELETE /api/v1/conversations/{group}/messages/{message}/reactions/a", None, MEMBERS_DO),
    ("PUT /api/v1/conversations/{group}/read", Some(r#"{"seq": 1}"#), MEMBERS_READ),
    ("DELETE /api/v1/conversations/{group}/messages/{message}", None, [401, 401, 404, 404, 403, 204]),
    ("DELETE /api/v1/conversations/{group}/messages/{message}/inbox", None, MEMBERS_DO),
    ("GET /api/v1/invitations", None, SEES),
    ("POST /api/v1/conversations/{group}/join", Some("{}"), SEES),
    ("GET /api/v1/conversations/{group}/invitations", None, ADMINS_READ),
    ("DELETE /api/v1/conversations/{group}/invitations/{asked}", None, ADMINS_DO),
    ("GET /api/v1/conversations/{group}/requests", None, ADMINS_READ),
    // He is in.
    ("POST /api/v1/conversations/{group}/requests/{spare}/approve", None, ADMINS_DO),
    ("DELETE /api/v1/conversations/{group}/requests/{asked}", None, ADMINS_DO),
    ("GET /api/v1/conversations/{group}/links", None, MEMBERS_READ),
    ("POST /api/v1/conversations/{group}/links", Some("{}"), [401, 401, 404, 404, 201, 201]),
    ("DELETE /api/v1/conversations/{group}/links/{new}", None, MEMBERS_DO),
    ("GET /api/v1/links/{link}", None, SEES),
    ("POST /api/v1/links/{link}/join", None, SEES),
    ("GET /api/v1/conversations/{group}/bans", None, ADMINS_READ),
    ("PUT /api/v1/conversations/{group}/bans/{banned}", None, ADMINS_DO),
    ("DELETE /api/v1/conversations/{group}/bans/{banned}", None, ADMINS_DO),
    ("GET /api/v1/conversations/{group}/log", None, ADMINS_READ),
    ("PUT /api/v1/conversations/{group}/announcement", Some(r#"{"text": "by {role}"}"#), ADMINS_READ),
    ("PUT /api/v1/conversations/{group}/announcement/read", Some(r#"{"seq": 1}"#), MEMBERS_DO),
    ("DELETE /api/v1/conversations/{group}/announcement", None, ADMINS_DO),
    ("PATCH /api/v1/conversations/{group}/members/{spare}", Some(r#"{"nickname": "by {role}"}"#), ADMINS_READ),
    ("DELETE /api/v1/conversations/{doomed}", None, ADMINS_DO),
    ("DELETE /api/v1/conversations/{group}/members/{spare}", None, [401, 401, 404, 404, 403, 204]),
    ("PATCH /api/v1/conversations/{group}/inbox", Some(r#"{"pinned": true}"#), MEMBERS_READ),
    ("DELETE /api/v1/conversations/{group}/inbox", None, MEMBERS_DO),
    ("GET /api/v1/auth/sessions", None, SEES),
    ("DELETE /api/v1/auth/sessions/{session}", None, [401, 401, 404, 404, 404, 204]),
    ("DELETE /api/v1/auth/sessions", None, [401, 401, 204, 204, 204, 204]),
    (
        "POST /api/v1/auth/password/change",
        Some(r#"{"old_password": "{password}", "new_password": "{password}"}"#),
        [401, 401, 204, 204, 204, 204],
    ),
    ("GET /api/v1/auth/second", None, SEES),
    ("POST /api/v1/auth/second", Some(r#"{"password": "{password}"}"#), SEES),
    (
        "DELETE /api/v1/auth/second",
        Some(r#"{"password": "{password}", "code": "{recovery_code}"}"#),
        [401, 401, 204, 204, 204, 204],
    ),
    ("POST /api/v1/auth/second/confirm", Some(r#"{"code": "{offered_code}"}"#), SEES),
    ("POST /api/v1/auth/second/recovery", Some(r#"{"password": "{password}", "code": "{next_code}"}"#), SEES),
    ("POST /api/v1/auth/login/second", Some("{second_login}"), [200; 6]),
    ("POST /api/v1/auth/qr", Some("{}"), [201; 6]),
    ("POST /api/v1/auth/qr/{qr}", Some(r#"{"secret": "{qr_secret}"}"#), [200; 6]),
    ("POST /api/v1/auth/qr/{new_qr}/scan", None, SEES),
    ("POST /api/v1/auth/qr/{scanned_qr}/approve", None, [401, 401, 404, 404, 404, 204]),
    ("POST /api/v1/auth/qr/{scanned_qr}/refuse", None, [401, 401, 404, 404, 404, 204]),
    ("GET /api/v1/auth/oidc", None, [200; 6]),
    ("POST /api/v1/auth/oidc/start", Some(r#"{"provider": "forger"}"#), [200; 6]),
    ("POST /api/v1/auth/oidc/finish", Some("{oidc_finish}"), [201; 6]),
    ("POST /api/v1/auth/oidc/password", Some("{oidc_password}"), [204; 6]),
    ("POST /api/v1/auth/oidc/link", Some("{oidc_link}"), [401, 401, 204, 204, 204, 204]),
    ("GET /api/v1/auth/identities", None, SEES),
    // Of another's nothing is told; that nothing is done is tried in `oidc/link.rs`.
    ("DELETE /api/v1/auth/identities/{identity}", None, [401, 401, 204, 204, 204, 204]),
    ("POST /api/v1/auth/logout", None, [401, 401, 204, 204, 204, 204]),
    (CLOSING, Some(r#"{"password": "{password}"}"#), [401, 401, 200, 200, 200, 200]),
];

/// By somebody of their own: others are asked of these people afterwards.
pub const CLOSING: &str = "DELETE /api/v1/accounts/me";

/// A frame, its fields, and the code that a stranger, a friend, a member and the owner get; empty: `ok`.
type Frame = (&'static str, &'static str, [&'static str; 4]);

const MEMBERS_FRAME: [&str; 4] = ["not_found", "not_found", "", ""];
const AUTHORS_FRAME: [&str; 4] = ["not_found", "not_found", "not_your_message", ""];

const FRAMES: &[Frame] = &[
    ("ping", "{}", [""; 4]),
    ("sync", "{}", [""; 4]),
    ("auth", r#"{"token": "{token}"}"#, [""; 4]),
    ("message.list", r#"{"conversation_id": "{group}"}"#, MEMBERS_FRAME),
    (
        "message.send",
        r#"{"conversation_id": "{group}", "message_id": "{new}", "body": {"kind": "text", "text": "hi"}}"#,
        MEMBERS_FRAME,
    ),
    ("conversation.read", r#"{"conversation_id": "{group}", "seq": 1}"#, MEMBERS_FRAME),
    // A direct conversation's: the owner's and the friend's.
    ("message.delivered", r#"{"conversation_id": "{talk}", "seq": 0}"#, ["not_found", "", "not_found", ""]),
    ("message.react", r#"{"conversation_id": "{group}", "message_id": "{message}", "emoji": "a"}"#, MEMBERS_FRAME),
    ("message.unreact", r#"{"conversation_id": "{group}", "message_id": "{message}", "emoji": "a"}"#, MEMBERS_FRAME),
    ("message.pin", r#"{"conversation_id": "{group}", "message_id": "{message}"}"#, MEMBERS_FRAME),
    ("message.unpin", r#"{"conversation_id": "{group}", "message_id": "{message}"}"#, MEMBERS_FRAME),
    (
        "message.edit",
        r#"{"conversation_id": "{group}", "message_id": "{message}", "body": {"kind": "text", "text": "edited"}}"#,
        AUTHORS_FRAME,
    ),
    ("message.star", r#"{"conversation_id": "{group}", "message_id": "{message}"}"#, MEMBERS_FRAME),
    ("message.unstar", r#"{"conversation_id": "{group}", "message_id": "{message}"}"#, MEMBERS_FRAME),
    // It is a text.
    (
        "message.listen",
        r#"{"conversation_id": "{group}", "message_id": "{message}"}"#,
        ["not_found", "not_found", "invalid_input", "invalid_input"],
    ),
    ("message.recall", r#"{"conversation_id": "{group}", "message_id": "{message}"}"#, AUTHORS_FRAME),
    ("message.delete", r#"{"conversation_id": "{group}", "message_id": "{message}"}"#, MEMBERS_FRAME),
    // Nobody is answered; who hears of it is tried in `live/typing.rs`.
    ("typing", r#"{"conversation_id": "{group}"}"#, [SILENCE; 4]),
    ("presence.subscribe", r#"{"account_ids": ["{owner}"]}"#, [""; 4]),
    ("presence.unsubscribe", r#"{"account_ids": ["{owner}"]}"#, [""; 4]),
    ("presence.set", r#"{"state": "away"}"#, [""; 4]),
];

/// In place of a code: there is no answer.
const SILENCE: &str = "silence";

/// The status that a role is to get.
fn expected(line: &str, statuses: &[u16; 6], role: usize) -> u16 {
    match ROLES[role] {
        "suspended" => SUSPENDED.iter().find(|(of, _)| *of == line).map_or(statuses[1], |(_, status)| *status),
        _ if role < PEOPLE => statuses[role],
        _ => statuses[role - 1],
    }
}

/// `GET /api/v1/accounts/{}`: the ids and the query are no part of it.
pub fn shape(line: &str) -> String {
    let path = line.split('?').next().unwrap_or(line);
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/").replace("/reactions/a", "/reactions/{}")
}

#[test]
fn every_route_and_every_frame_has_its_row() {
    let api = serde_json::to_value(natter_edge::description()).expect("it is JSON");
    let lines = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("a path has methods").keys();
        methods.map(|method| shape(&format!("{} {path}", method.to_uppercase()))).collect::<Vec<_>>()
    };
    let described: BTreeSet<String> = api["paths"].as_object().expect("paths").iter().flat_map(lines).collect();
    let rows: BTreeSet<String> = ROUTES.iter().map(|(line, ..)| shape(line)).collect();
    assert_eq!(rows, described, "rows on the left, routes on the right");
    assert_eq!(rows.len(), ROUTES.len());
    for (line, _) in SUSPENDED {
        assert!(rows.contains(*line), "{line} is no row");
    }
    let ops: BTreeSet<&str> = natter_edge::ops().iter().copied().collect();
    assert_eq!(FRAMES.iter().map(|(op, ..)| *op).collect::<BTreeSet<_>>(), ops);
}

/// The people, and the things between them.
pub struct Scene {
    pub node: Node,
    letters: Letters,
    /// By their role, from `other` on.
    pub people: Vec<Person>,
    revoked: Lost,
    suspended: Lost,
    group: Uuid,
    things: BTreeMap<&'static str, String>,
    factors: Factors,
    elsewhere: Elsewhere,
    _servers: Others,
    _others: Vec<Person>,
}

/// A session that was good once.
struct Lost {
    raw: Raw,
    access_token: String,
    refresh_token: String,
}

impl Lost {
    /// Of somebody who is still signed in.
    async fn of(person: &Person) -> Self {
        let tokens = person.client().tokens().await;
        Self { raw: person.raw().await, access_token: tokens.access_token, refresh_token: tokens.refresh_token }
    }
}

impl Scene {
    pub async fn new(stack: &Stack) -> Self {
        let letters = Letters::new(stack.dir());
        let elsewhere = Elsewhere::start().await;
        let outside = Others::start().await;
        let more = [vec![letters.variable()], elsewhere.variables(), outside.variables()].concat();
        let node = stack.node_with(Options { more, ..Options::default() }).await;
        let mut people = Vec::new();
        for name in &ROLES[PEOPLE..] {
            people.push(stack.person(name).await);
        }
        let (asked, spare) = (stack.person("asked").await, stack.person("spare").await);
        let (erin, frank) = (stack.person("erin").await, stack.person("frank").await);
        let (grace, heidi) = (stack.person("grace").await, stack.person("heidi").await);
        let gone = stack.person("suspended").await;
        let [_, friend, member, owner] = &people[..] else { panic!("four") };
        for other in [friend, member, &spare, &gone] {
            owner.befriends(other).await;
        }
        let members = [member.id(), spare.id(), gone.id()];
        let group = owner.client().start_group("us", &members).await.expect("start a group");
        let group = group.conversation.id;
        let message = says(owner, group, "hello").await;
        let (doomed, link) = doors(owner, group, &members, &asked).await;
        let request = erin.client().request_friend(owner.id(), None).await.expect("ask").id;
        let other_request = frank.client().request_friend(owner.id(), None).await.expect("ask").id;
        let ignored_request = grace.client().request_friend(owner.id(), None).await.expect("ask").id;
        let own_request = owner.client().request_friend(heidi.id(), None).await.expect("ask").id;
        let nuisance = stack.person("nuisance").await;
        register_with_email(&node.raw(), &letters, FORGETFUL).await;
        let session = current_session(&owner.on_another_device().await).await;
        let lost = owner.on_another_device().await;
        let (revoked, suspended) = (Lost::of(&lost).await, Lost::of(&gone).await);
        lost.client().logout().await.expect("log out");
        suspend(&node, &gone).await;
        let things = BTreeMap::from([
            ("{owner}", owner.id().to_string()),
            ("{friend}", friend.id().to_string()),
            ("{asked}", asked.id().to_string()),
            ("{spare}", spare.id().to_string()),
            ("{group}", group.to_string()),
            ("{talk}", owner.conversation_with(friend).to_string()),
            ("{doomed}", doomed),
            ("{link}", link),
            ("{banned}", erin.id().to_string()),
            ("{message}", message.to_string()),
            ("{scheduled}", schedules(owner, group).await),
            ("{tomorrow}", tomorrow()),
            ("{session}", session),
            ("{request}", request.to_string()),
            ("{other_request}", other_request.to_string()),
            ("{ignored_request}", ignored_request.to_string()),
            ("{own_request}", own_request.to_string()),
            ("{nuisance}", nuisance.id().to_string()),
            ("{password}", natter_testkit::PASSWORD.to_owned()),
            ("{page}", outside.page()),
        ]);
        let factors = Factors::new(&node).await;
        let others = vec![asked, spare, erin, frank, grace, heidi, nuisance];
        Self {
            node,
            letters,
            people,
            revoked,
            suspended,
            factors,
            elsewhere,
            _servers: outside,
            group,
            things,
            _others: others,
        }
    }

    pub fn owner(&self) -> &Person {
        self.people.last().expect("somebody owns the group")
    }

    /// Of the group, and nothing more.
    pub fn member(&self) -> &Person {
        &self.people[self.people.len() - 2]
    }

    /// In the group; the message's id.
    pub async fn owner_says(&self, text: &str) -> Uuid {
        says(self.owner(), self.group, text).await
    }

    /// In the group; the message's id.
    pub async fn owner_schedules(&self) -> String {
        schedules(self.owner(), self.group).await
    }

    async fn raw(&self, role: usize, line: &str) -> Raw {
        if line == CLOSING && role >= PEOPLE {
            return self.node.register(&format!("closing.{role}")).await.raw().await;
        }
        match role {
            0 => self.node.raw(),
            1 => self.revoked.raw.clone(),
            2 => self.suspended.raw.clone(),
            role => self.people[role - PEOPLE].raw().await,
        }
    }

    async fn fresh_token(&self) -> String {
        let login = json!({"login": "owner", "password": natter_testkit::PASSWORD}).to_string();
        let signed_in = self.node.raw().post("/api/v1/auth/login", login).await.ok(200);
        signed_in["tokens"]["refresh_token"].as_str().expect("a token").to_owned()
    }

    /// Each use gets what can be used once.
    pub async fn filled(&self, text: &str, role: usize) -> String {
        let mut filled = text.replace("{role}", ROLES[role]).replace("{new}", &client::new_id().to_string());
        filled = filled.replace("{column}", &role.to_string()).replace("{forgetful}", FORGETFUL);
        if let Some((before, rest)) = filled.split_once("{code ") {
            let (asked, after) = rest.split_once('}').expect("a code ends");
            let (purpose, target) = asked.split_once(' ').expect("a purpose and a target");
            let code = self.letters.code(&self.node.raw(), target, purpose).await;
            filled = format!("{before}{code}{after}");
        }
        if filled.contains("{refresh}") {
            let token = match role {
                1 => self.revoked.refresh_token.clone(),
                2 => self.suspended.refresh_token.clone(),
                _ => self.fresh_token().await,
            };
            filled = filled.replace("{refresh}", &token);
        }
        if filled.contains("{token}") {
            let token = match role {
                1 => self.revoked.access_token.clone(),
                2 => self.suspended.access_token.clone(),
                role => self.people[role.max(PEOPLE) - PEOPLE].client().tokens().await.access_token,
            };
            filled = filled.replace("{token}", &token);
        }
        filled = filled.replace("{login}", if role == 2 { "suspended" } else { "owner" });
        let filled = self.factors.filled(&self.node, &self.people, role, filled).await;
        let filled = self.elsewhere.filled(&self.node, &self.people, role, filled).await;
        self.things.iter().fold(filled, |text, (name, thing)| text.replace(name, thing))
    }
}

/// Opens the group to those who ask, as one does. A group that is to end, and a link to a third one.
async fn doors(owner: &Person, group: Uuid, members: &[Uuid], asked: &Person) -> (String, String) {
    let (raw, asking) = (owner.raw().await, asked.raw().await);
    let set = json!({"settings": {"join_policy": "approval"}}).to_string().into_bytes();
    let typed = raw.with("content-type", "application/json");
    typed.call("PATCH", &format!("/api/v1/conversations/{group}"), Some(set)).await.ok(200);
    asking.post(&format!("/api/v1/conversations/{group}/join"), "{}").await.ok(200);
    let doomed = owner.client().start_group("doomed", members).await.expect("start a group").conversation.id;
    let third = owner.client().start_group("third", &[]).await.expect("start a group").conversation.id;
    let link = raw.post(&format!("/api/v1/conversations/{third}/links"), "{}").await.ok(201);
    (doomed.to_string(), link["token"].as_str().expect("a token").to_owned())
}

async fn says(person: &Person, conversation: Uuid, text: &str) -> Uuid {
    let message_id = client::new_id();
    let body = wire::Body::text(text);
    person.client().send(conversation, &wire::MessageNew::new(message_id, body)).await.expect("send");
    message_id
}

/// Something that is to be said tomorrow.
async fn schedules(person: &Person, conversation: Uuid) -> String {
    let id = client::new_id().to_string();
    let body = json!({"message_id": id, "body": {"kind": "text", "text": "later"}, "send_at": tomorrow()});
    let path = format!("/api/v1/conversations/{conversation}/scheduled");
    person.raw().await.post(&path, body.to_string()).await.ok(201);
    id
}

fn tomorrow() -> String {
    natter_testkit::in_seconds(24 * 60 * 60)
}

/// Who is to have a new password.
const FORGETFUL: &str = "forgetful@example.org";

async fn register_with_email(node: &Raw, letters: &Letters, email: &str) {
    let code = letters.code(node, email, "register").await;
    let body = json!({"username": "forgetful", "password": natter_testkit::PASSWORD, "email": email, "code": code});
    node.post("/api/v1/auth/register", body.to_string()).await.ok(201);
}

async fn suspend(node: &Node, person: &Person) {
    let id = person.id().to_string();
    let output = node.run(&["accounts", "suspend", &id, "--by", "root"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eventually("the session is refused", BOUND, async || match person.client().me().await {
        Err(error) if error.code() == Some("unauthenticated") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

async fn current_session(person: &Person) -> String {
    let listed = person.raw().await.get("/api/v1/auth/sessions").await.ok(200);
    let mut items = listed["items"].as_array().expect("sessions").iter();
    let current = items.find(|item| item["current"] == true).expect("the one that asks");
    current["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn who_may_what_over_rest() {
    let stack = Stack::new().await;
    let scene = Scene::new(&stack).await;
    let mut wrong = Vec::new();
    for (line, body, expected) in ROUTES {
        for (role, name) in ROLES.iter().enumerate() {
            let expected = self::expected(line, expected, role);
            let (method, path) = line.split_once(' ').expect("a method and a path");
            let path = scene.filled(path, role).await;
            let body = match body {
                Some(body) => Some(scene.filled(body, role).await.into_bytes()),
                None => None,
            };
            let raw = scene.raw(role, line).await;
            let raw = if body.is_some() { raw.with("content-type", "application/json") } else { raw };
            let got = raw.call(method, &path, body).await;
            if got.status != expected {
                wrong.push(format!("{line}, {name}: {} and not {expected}: {}", got.status, got.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn who_may_what_by_frames() {
    let stack = Stack::new().await;
    let scene = Scene::new(&stack).await;
    let mut wrong = Vec::new();
    for (role, person) in scene.people.iter().enumerate() {
        let mut socket = person.raw_socket().await;
        for (op, fields, expected) in FRAMES {
            let mut frame: Value = serde_json::from_str(&scene.filled(fields, role + PEOPLE).await).expect("JSON");
            (frame["op"], frame["id"]) = (json!(op), json!(op));
            if expected[role] == SILENCE {
                // What is answered under its id is the next frame.
                socket.send(frame.to_string()).await;
                socket.ok(json!({"id": op, "op": "ping"})).await;
                continue;
            }
            let answer = socket.ask(frame).await;
            let got = answer["error"]["code"].as_str().unwrap_or_default();
            if got != expected[role] || answer["ok"].is_object() != expected[role].is_empty() {
                wrong.push(format!("{op}, {}: {answer}", person.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for op in FRAMES.iter().filter(|(op, ..)| *op != "auth") {
        let mut nobody = scene.node.raw().socket().await;
        nobody.send(json!({"id": "1", "op": op.0}).to_string()).await;
        assert_eq!(nobody.closed().await.code, Some(4401), "{}", op.0);
    }
    for (lost, whose) in [(&scene.revoked, "that was ended"), (&scene.suspended, "of who is suspended")] {
        let refused = lost.raw.try_socket().await;
        assert!(refused.is_err(), "a session {whose} opens no connection");
    }
}
