//! The API description: committed as it is served, and complete.

use super::*;
use crate::description;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

fn api() -> Value {
    serde_json::to_value(description()).unwrap()
}

fn operations(api: &Value) -> Vec<(String, Value)> {
    let paths = api["paths"].as_object().unwrap().iter();
    let of = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, operation)| (format!("{method} {path}"), operation.clone())).collect::<Vec<_>>()
    };
    paths.flat_map(of).collect()
}

#[test]
fn the_committed_description_is_the_one_that_is_served() {
    let served = format!("{}\n", serde_json::to_string_pretty(&api()).unwrap());
    if std::env::var_os("NATTER_WRITE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &served).unwrap();
    }
    let committed = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(
        committed == served,
        "edge/openapi.json is not what the code says: NATTER_WRITE_GOLDEN=1 cargo test -p natter-edge description"
    );
}

#[tokio::test]
async fn it_is_served_and_so_is_its_page() {
    let (_, router) = doors();
    assert_eq!(call(&router, request("GET /openapi.json", None, "")).await.json(), api());
    let page = call(&router, request("GET /docs/", None, "")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    assert!(!page.body.contains("https://"), "the page must work offline");
    let script = call(&router, request("GET /docs/swagger-initializer.js", None, "")).await;
    assert!(script.body.contains("/openapi.json"), "{}", script.body);
    assert_eq!(call(&router, request("GET /docs/nothing.js", None, "")).await.code(), "not_found");
}

#[test]
fn every_route_documents_its_errors() {
    for (line, operation) in operations(&api()) {
        let responses = operation["responses"].as_object().unwrap();
        let gated = operation.get("security").is_some();
        let needed: &[&str] = if gated { &["400", "401", "429", "500", "503"] } else { &[] };
        for status in needed {
            assert!(responses.contains_key(*status), "{line} does not document {status}");
        }
        if operation.get("requestBody").is_some() {
            for status in ["400", "413", "415", "422"] {
                assert!(responses.contains_key(status), "{line} does not document {status}");
            }
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{line} {status}");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let api = api();
    let mut names: Vec<_> =
        operations(&api).into_iter().map(|(_, operation)| operation["operationId"].to_string()).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn what_the_description_refers_to_is_there() {
    let api = api();
    let text = api.to_string();
    for reference in text.split("\"#/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(api.pointer(&format!("/{reference}")).is_some(), "{reference}");
    }
}
