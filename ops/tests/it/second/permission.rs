//! Things for the rows of who may what: codes that are right when they are shown, and QR codes at every stage.

use super::app::{App, challenge, offer, turn_on};
use natter_testkit::{Node, PASSWORD, Person};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

const QR: &str = "/api/v1/auth/qr";
/// Whoever is no person of the scene may show what they like.
const PEOPLE_FROM: usize = 3;

/// The app of each role, and a QR code that nobody scans.
pub struct Factors {
    apps: Mutex<BTreeMap<usize, App>>,
    waiting: Value,
}

async fn shown(node: &Node) -> Value {
    node.raw().post(QR, "{}").await.ok(201)
}

fn id(shown: &Value) -> &str {
    shown["id"].as_str().expect("an id")
}

impl Factors {
    pub async fn new(node: &Node) -> Self {
        Self { apps: Mutex::default(), waiting: shown(node).await }
    }

    /// Fills in what it knows.
    pub async fn filled(&self, node: &Node, people: &[Person], role: usize, text: String) -> String {
        let owner = people.last().expect("somebody owns the group");
        let person = role.checked_sub(PEOPLE_FROM).map(|index| &people[index]);
        let secret = self.waiting["secret"].as_str().expect("a secret");
        let mut text = text.replace("{qr}", id(&self.waiting)).replace("{qr_secret}", secret);
        if text.contains("{new_qr}") {
            text = text.replace("{new_qr}", id(&shown(node).await));
        }
        if text.contains("{scanned_qr}") {
            let shown = shown(node).await;
            owner.raw().await.post_nothing(&format!("{QR}/{}/scan", id(&shown))).await.ok(200);
            text = text.replace("{scanned_qr}", id(&shown));
        }
        if text.contains("{second_login}") {
            text = text.replace("{second_login}", &second_login(node, role).await);
        }
        for code in ["{recovery_code}", "{offered_code}", "{next_code}"] {
            if text.contains(code) {
                let right = match person {
                    Some(person) => self.code(code, person, role).await,
                    None => "123456".to_owned(),
                };
                text = text.replace(code, &right);
            }
        }
        text
    }

    async fn code(&self, kind: &str, person: &Person, role: usize) -> String {
        match kind {
            "{recovery_code}" => turn_on(person).await.1.swap_remove(0),
            "{offered_code}" => {
                let mut app = App::scan(&offer(person, PASSWORD).await.ok(200));
                let code = app.code();
                self.apps.lock().unwrap_or_else(PoisonError::into_inner).insert(role, app);
                code
            }
            _ => {
                let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
                apps.get_mut(&role).expect("it was offered one").soon()
            }
        }
    }
}

/// Somebody of their own, up to the point where a code is asked for.
async fn second_login(node: &Node, role: usize) -> String {
    let name = format!("second.{role}");
    let (_, codes) = turn_on(&node.register(&name).await).await;
    json!({"challenge": challenge(node, &name).await, "code": codes[0]}).to_string()
}
