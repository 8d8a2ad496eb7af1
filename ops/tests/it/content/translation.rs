//! Translations of messages by another server.

use super::{Scene, message, patch, text};
use natter_testkit::{
    Outside, Reply, Stack,
    client::new_id,
    outside::{Asked, Does},
};
use serde_json::json;
use uuid::Uuid;

async fn translator() -> Outside {
    Outside::start(async |asked: Asked| {
        let question = asked.json();
        match question["text"].as_str().unwrap_or_default() {
            "fail" => Does::status(500),
            "hang" => Does::Hangs,
            "nothing" => Does::json(&json!({"text": ""})),
            "long" => Does::json(&json!({"text": "x".repeat(70_000)})),
            "other" => Does::json(&json!({"translation": "x"})),
            said => {
                Does::json(&json!({"text": format!("{said} ({})", question["language"].as_str().unwrap_or_default())}))
            }
        }
    })
    .await
}

async fn scene(translator: &Outside) -> Scene {
    let more = vec![("NATTER_TRANSLATE", translator.url("/")), ("NATTER_TRANSLATE_TIMEOUT_MS", "1000".to_owned())];
    Scene::new(Stack::new().await, more).await
}

async fn says(scene: &Scene, said: &str) -> Uuid {
    let id = new_id();
    scene.alice.raw().await.post(&scene.path("/messages"), message(id, said).to_string()).await.ok(201);
    id
}

async fn translated(scene: &Scene, id: Uuid, language: &str) -> Reply {
    let path = scene.path(&format!("/messages/{id}/translate"));
    scene.bob.raw().await.post(&path, json!({"language": language}).to_string()).await
}

#[tokio::test]
async fn a_message_is_translated_for_who_sees_it() {
    let translator = translator().await;
    let scene = scene(&translator).await;
    let id = says(&scene, "hello").await;
    let expected = json!({"language": "fr", "text": "hello (fr)"});
    assert_eq!(translated(&scene, id, "fr").await.ok(200), expected);
    assert_eq!(translated(&scene, id, "FR").await.ok(200), expected);
    assert_eq!(translator.asked().len(), 1, "it is kept");
    assert_eq!(translator.asked()[0].json(), json!({"text": "hello", "language": "fr"}), "and nothing of who said it");
    translated(&scene, id, "zh-Hant").await.ok(200);
    let path = scene.path(&format!("/messages/{id}"));
    patch(&scene.alice.raw().await, &path, &json!({"body": text("bye")})).await.ok(200);
    let typed = scene.bob.client().translate(scene.conversation, id, "fr").await.expect("it is translated");
    assert_eq!(typed.text, "bye (fr)", "what was edited is another text");
    for language in ["", "e", "french please", "en\n", "fr_FR"] {
        translated(&scene, id, language).await.invalid("/language");
    }
    let carol = scene.node.register("carol").await.raw().await;
    let path = scene.path(&format!("/messages/{id}/translate"));
    carol.post(&path, json!({"language": "fr"}).to_string()).await.refused(404, "not_found");
    translated(&scene, new_id(), "fr").await.refused(404, "not_found");
    scene.alice.client().recall(scene.conversation, id).await.expect("recall");
    translated(&scene, id, "fr").await.refused(409, "recalled");
}

#[tokio::test]
async fn who_cannot_translate_is_unavailable_and_asked_again() {
    let translator = translator().await;
    let scene = scene(&translator).await;
    for said in ["fail", "hang", "nothing", "long", "other"] {
        let id = says(&scene, said).await;
        for _ in 0..2 {
            translated(&scene, id, "fr").await.refused(503, "unavailable");
        }
    }
    assert_eq!(translator.asked().len(), 10, "a failure is not kept");
    assert!(!scene.node.output().contains("\"hang\""), "what was said stands in no log");
}

#[tokio::test]
async fn there_are_none_unless_somebody_translates() {
    let scene = Scene::new(Stack::new().await, vec![]).await;
    let id = says(&scene, "hello").await;
    translated(&scene, id, "fr").await.refused(403, "forbidden");
}
