//! Who is found by what.

use super::wants;
use natter_testkit::{Person, Stack};
use serde_json::{Value, json};

async fn page(viewer: &Person, query: &str, more: &str) -> (Vec<String>, Value) {
    let path = format!("/api/v1/accounts?query={query}{more}");
    let found = viewer.raw().await.get(&path).await.ok(200);
    let items = found["items"].as_array().expect("items");
    (
        items.iter().map(|item| item["username"].as_str().expect("a name").to_owned()).collect(),
        found["next_cursor"].clone(),
    )
}

async fn names(viewer: &Person, query: &str) -> Vec<String> {
    let (names, next) = page(viewer, query, "").await;
    assert_eq!(next, json!(null));
    names
}

#[tokio::test]
async fn people_are_found_by_the_beginning_of_their_name() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let alicia = stack.person("Alicia").await;
    let (bob, alice) = (stack.person("bob").await, stack.person("alice").await);
    for (query, expected) in [
        ("ali", vec!["Alicia", "alice"]),
        ("ALIC", vec!["Alicia", "alice"]),
        ("alici", vec!["Alicia"]),
        ("alice", vec!["alice"]),
        ("%EF%BC%A1lice", vec!["alice"]), // a full-width A
        ("bob", vec!["bob"]),
        ("alicea", vec![]),
        ("lic", vec![]),
        ("alice@example.org", vec![]),
        ("%2B491234567", vec![]),
        ("al%25", vec![]),
        ("ali_", vec![]),
    ] {
        assert_eq!(names(&bob, query).await, expected, "{query}");
    }
    let raw = bob.raw().await;
    for bad in ["?query=al", "?query=", "", "?limit=5", &format!("?query={}", "a".repeat(255))] {
        raw.get(&format!("/api/v1/accounts{bad}")).await.invalid("/query");
    }
    raw.get("/api/v1/accounts?query=ali&limit=0").await.invalid("/limit");
    raw.get("/api/v1/accounts?query=ali&cursor=x").await.invalid("/cursor");
    let _ = (alicia, alice);
}

#[tokio::test]
async fn who_does_not_want_to_be_found_is_not() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    alice.befriends(&bob).await;
    let hide = wants(&alice, json!({"find_by": {"username": false}})).await;
    let hidden = async |query: &str| {
        let raw = bob.raw().await.with("natter-position", &hide);
        raw.get(&format!("/api/v1/accounts?query={query}")).await.ok(200)["items"].clone()
    };
    assert_eq!((hidden("ali").await, hidden("alice").await), (json!([]), json!([])));
    let raw = bob.raw().await;
    raw.get(&format!("/api/v1/accounts/{}", alice.id())).await.ok(200);
    wants(&alice, json!({"find_by": {"username": true}})).await;
    assert_eq!(names(&bob, "ali").await, ["alice"]);
}

#[tokio::test]
async fn what_is_found_comes_in_pages_the_very_name_first() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let mut people = Vec::new();
    for name in ["sam.a", "sam.b", "sam.c", "sam", "sam.d"] {
        people.push(stack.person(name).await);
    }
    for limit in 1..=6 {
        let (mut found, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let more = cursor.as_str().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let (names, next) = page(&people[0], "sam", &format!("&limit={limit}{more}")).await;
            assert!(names.len() <= limit && !names.is_empty(), "{limit}: {names:?}");
            found.extend(names);
            if next.is_null() {
                break;
            }
            cursor = next;
        }
        assert_eq!(found, ["sam", "sam.a", "sam.b", "sam.c", "sam.d"], "by pages of {limit}");
    }
}
