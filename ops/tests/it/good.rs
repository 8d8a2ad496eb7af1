//! A good request of every operation, as the rows of who may what have it for the owner: what tests of bad ones begin with.

use crate::{
    permission::{CLOSING, ROUTES, Scene, shape},
    second::app::{App, offer, turn_on},
};
use natter_testkit::{PASSWORD, Person};
use serde_json::{Map, Value, json};

/// Among the roles of who may what.
const OWNER: usize = 6;
/// They end sessions, so each is somebody's of whom nothing else is asked.
const ENDING: [&str; 4] =
    ["POST /api/v1/auth/logout", "DELETE /api/v1/auth/sessions", "POST /api/v1/auth/password/change", CLOSING];
/// Who does it sees nothing any more of what was said.
const CLEARING: &str = "DELETE /api/v1/conversations/{id}/inbox";

pub struct Good {
    /// As the description calls it: `GET /api/v1/accounts/{id}`.
    pub operation: String,
    /// With its query.
    pub path: String,
    pub body: Option<Value>,
    /// Whose token to use.
    pub token: String,
    /// Who signs in anew each time that it is asked: it ends the session.
    pub leaver: Option<String>,
    /// What a code in the body is made from, where it changes by the minute.
    pub app_secret: Option<Value>,
}

impl Good {
    pub fn method(&self) -> &str {
        self.operation.split(' ').next().unwrap_or_default()
    }

    /// What stands in the path where its operation has names.
    pub fn path_parameters(&self) -> Map<String, Value> {
        let (path, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let pairs = self.operation.split('/').skip(1).zip(path.split('/').skip(1));
        let name = |part: &str| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')).map(str::to_owned);
        pairs.filter_map(|(part, value)| Some((name(part)?, value.into()))).collect()
    }

    pub fn query(&self) -> Map<String, Value> {
        let (_, query) = self.path.split_once('?').unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}

/// One of each.
pub async fn requests(scene: &Scene) -> Vec<Good> {
    let mut requests = Vec::new();
    for (line, body, _) in ROUTES {
        let operation = operation(line);
        let good = match of_somebody(scene, &operation).await {
            Some(good) => good,
            None => of_owner(scene, operation, line, *body).await,
        };
        requests.push(good);
    }
    requests
}

async fn token(person: &Person) -> String {
    person.client().tokens().await.access_token
}

/// A row as a request of the owner's, on a message of its own: some of them change what others need.
async fn of_owner(scene: &Scene, operation: String, line: &str, body: Option<&str>) -> Good {
    let message = scene.owner_says("something").await.to_string();
    let scheduled = if line.contains("{scheduled}") { scene.owner_schedules().await } else { String::new() };
    let fill = async |text: &str| {
        scene.filled(&text.replace("{message}", &message).replace("{scheduled}", &scheduled), OWNER).await
    };
    let (_, path) = line.split_once(' ').expect("a method and a path");
    let path = fill(path).await;
    let body = match body {
        Some(body) => Some(serde_json::from_str(&fill(body).await).expect("JSON")),
        None => None,
    };
    let mut good = Good { operation, path, body, token: token(scene.owner()).await, leaver: None, app_secret: None };
    if let Some(number) = ENDING.iter().position(|ending| *ending == good.operation) {
        let leaver = scene.node.register(&format!("leaver.{number}")).await;
        (good.token, good.leaver) = (token(&leaver).await, Some(leaver.name.clone()));
    }
    if good.operation == CLEARING {
        good.token = token(scene.member()).await;
    }
    good
}

/// What turns a second factor on or off somebody else does: each would stand in another's way.
async fn of_somebody(scene: &Scene, operation: &str) -> Option<Good> {
    let (person, code, app_secret) = match operation {
        "DELETE /api/v1/auth/second" => {
            let person = scene.node.register("app.off").await;
            let code = turn_on(&person).await.1.swap_remove(0);
            (person, code, None)
        }
        "POST /api/v1/auth/second/recovery" => {
            let person = scene.node.register("app.new").await;
            let code = turn_on(&person).await.1.swap_remove(0);
            (person, code, None)
        }
        "POST /api/v1/auth/second/confirm" => {
            let person = scene.node.register("app.on").await;
            let offered = offer(&person, PASSWORD).await.ok(200);
            (person, App::scan(&offered).code(), Some(offered["secret"].clone()))
        }
        _ => return None,
    };
    let body = match app_secret {
        Some(_) => json!({"code": code}),
        None => json!({"password": PASSWORD, "code": code}),
    };
    let (_, path) = operation.split_once(' ').expect("a method and a path");
    let (operation, path) = (operation.to_owned(), path.to_owned());
    Some(Good { operation, path, body: Some(body), token: token(&person).await, leaver: None, app_secret })
}

/// As the description calls the row.
fn operation(line: &str) -> String {
    let found = operations().into_iter().find(|operation| shape(operation) == shape(line));
    found.unwrap_or_else(|| panic!("{line} is not described"))
}

/// All that are described.
pub fn operations() -> Vec<String> {
    let api = serde_json::to_value(natter_edge::description()).expect("it is JSON");
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("a path has methods").keys();
        methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    api["paths"].as_object().expect("paths").iter().flat_map(of_path).collect()
}
