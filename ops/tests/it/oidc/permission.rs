//! Things for the rows of who may what: sign-ins that are right when they are shown, and an identity that is linked.

use super::{FINISH, LINK, SignIn, id_of};
use natter_testkit::{
    Node, PASSWORD, Person,
    oidc::{Forger, variables},
};
use serde_json::json;

/// The provider of the scene.
pub struct Elsewhere(Forger);

impl Elsewhere {
    pub async fn start() -> Self {
        Self(Forger::start().await)
    }

    /// For the node's options.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        variables(&[self.0.settings()])
    }

    /// Fills in what it knows: for each role another person of the provider.
    pub async fn filled(&self, node: &Node, people: &[Person], role: usize, text: String) -> String {
        let mut text = text;
        if text.contains("{oidc_finish}") {
            text = SignIn::of(node, &format!("finish.{role}")).await.shown(&json!({}));
        }
        if text.contains("{oidc_link}") {
            text = SignIn::of(node, &format!("link.{role}")).await.shown(&json!({"password": PASSWORD}));
        }
        if text.contains("{oidc_password}") {
            let person = format!("password.{role}");
            node.raw().post(FINISH, SignIn::of(node, &person).await.shown(&json!({}))).await.ok(201);
            text = SignIn::of(node, &person).await.shown(&json!({"new_password": PASSWORD}));
        }
        if text.contains("{identity}") {
            let owner = people.last().expect("somebody owns the group").raw().await;
            let shown = SignIn::of(node, &format!("owner.{role}")).await.shown(&json!({"password": PASSWORD}));
            let linked = owner.post(LINK, shown).await;
            assert_eq!(linked.status, 204, "{}", linked.text());
            text = text.replace("{identity}", &id_of(&owner.with("natter-position", &linked.position())).await);
        }
        text
    }
}
