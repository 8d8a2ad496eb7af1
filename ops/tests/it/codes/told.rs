//! Who owns an account is told what changes who gets in, wherever they are reached.

use super::{PASSWORD, Site};
use crate::second::app::{SECOND, delete};
use natter_testkit::Authenticator;
use serde_json::json;

const ALICE: &str = "alice@example.org";

#[tokio::test]
async fn another_password_and_a_second_factor_are_told() {
    let site = Site::new().await;
    let (_, alice) = site.register("alice", ALICE).await;
    let told = async |number: usize, subject: &str| {
        let letter = site.letters.letter(ALICE, 1 + number).await;
        assert_eq!(letter["subject"], subject, "{letter}");
    };

    let change = |old: &str| json!({"old_password": old, "new_password": "another password"}).to_string();
    alice.post("/api/v1/auth/password/change", change("not the password")).await.refused(401, "wrong_credentials");
    assert_eq!(alice.post("/api/v1/auth/password/change", change(PASSWORD)).await.status, 204);
    told(1, "Your password was changed").await;

    let offered = alice.post(SECOND, json!({"password": "another password"}).to_string()).await.ok(200);
    let app = Authenticator::scan(offered["uri"].as_str().expect("a text for its QR code"));
    let confirm = |code: String| json!({"code": code}).to_string();
    let path = format!("{SECOND}/confirm");
    alice.post(&path, confirm(app.wrong_code(0))).await.refused(422, "code_wrong");
    let made = alice.post(&path, confirm(app.code(0))).await.ok(200);
    told(2, "A second factor to sign in").await;

    let recovery = &made["recovery_codes"][0];
    let off = |code: &serde_json::Value| json!({"password": "another password", "code": code});
    delete(&alice, off(&json!("000000"))).await.refused(422, "code_wrong");
    let chinese = alice.with("accept-language", "zh");
    assert_eq!(delete(&chinese, off(recovery)).await.status, 204);
    told(3, "两步验证已关闭").await;

    assert_eq!(delete(&alice, off(recovery)).await.status, 204, "it is off");
    site.all_is_sent().await;
    assert_eq!(site.letters.to(ALICE).len(), 1 + 3, "what was refused, or was so already, is no news");
}
