//! The description that a node serves, held against what it answers: Schemathesis (`ops/fetch` gets it) makes requests from
//! `/openapi.json`, right ones and wrong ones, as somebody who has friends, a group and messages. No answer may be a 5xx or
//! one that is not described (status, type, body), and every operation has succeeded at least once.
//!
//! What a good request of each operation is, [`crate::good`] knows.

use crate::{good, permission::Scene};
use natter_testkit::{PASSWORD, Stack, within};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tokio::process::Command;

/// The same requests each time, as far as the answers are the same.
const SEED: &str = "1";
const EXAMPLES: &str = "30";
/// Ten times what it takes.
const BOUND: Duration = Duration::from_secs(1_200);
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,unsupported_method";

/// No success is asked of it here: an upgrade is none of HTTP's. The tests of `bad_input` and `contract` open it.
const UPGRADE: &str = "GET /ws";
/// Fields of requests that hold ids of people.
const PEOPLE_FIELDS: [&str; 5] = ["to", "with", "members", "account_ids", "ids"];

type Seen = BTreeMap<String, BTreeMap<String, Vec<String>>>;

#[tokio::test]
async fn every_answer_is_as_described_and_every_operation_succeeds() {
    let stack = Stack::new().await;
    let scene = Scene::new(&stack).await;
    let seen = stack.dir().join("seen.json");
    let told = told(&scene, &seen).await;
    let path = stack.dir().join("scene.json");
    std::fs::write(&path, told.to_string()).expect("write what is told");
    println!("seed {SEED}, {EXAMPLES} examples of each operation");
    let output = within("Schemathesis", BOUND, schemathesis(&scene, stack.dir(), &path)).await;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    let seen: Seen = serde_json::from_slice(&std::fs::read(&seen).expect("it has noted what it saw")).expect("JSON");
    let failed: Vec<String> = good::operations().iter().filter_map(|operation| failure(&seen, operation)).collect();
    assert!(failed.is_empty(), "never answered 2xx:\n{}", failed.join("\n"));
    assert!(output.status.success(), "answers that are not as described: see above");
    assert_eq!(scene.node.raw().get("/readyz").await.status, 200, "the node serves on");
}

/// As the hooks read it.
async fn told(scene: &Scene, seen: &Path) -> Value {
    let mut good = Map::new();
    for request in good::requests(scene).await {
        let mut body = request.body.clone();
        if let (Some(body), Some(secret)) = (&mut body, &request.app_secret) {
            // The code of the moment is reckoned when it is asked.
            body["code"] = json!({"secret": secret});
        }
        let told = json!({
            "path": request.path_parameters(),
            "query": request.query(),
            "body": body,
            "token": request.token,
            "leaver": request.leaver,
        });
        good.insert(request.operation, told);
    }
    let people: Vec<String> = scene.people.iter().map(|person| person.id().to_string()).collect();
    json!({
        "base_url": scene.node.base_url(),
        "password": PASSWORD,
        "people": people,
        "fields": PEOPLE_FIELDS,
        "good": good,
        "seen": seen,
    })
}

/// Why this operation has not shown that it works.
fn failure(seen: &Seen, operation: &str) -> Option<String> {
    let statuses = seen.get(operation).cloned().unwrap_or_default();
    let has_succeeded = statuses.keys().any(|status| status.starts_with('2'));
    (!has_succeeded && operation != UPGRADE).then(|| format!("{operation}: {statuses:?}"))
}

async fn schemathesis(scene: &Scene, dir: &Path, told: &Path) -> Output {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let modules = std::env::join_paths([library(), hooks]).expect("paths without colons");
    let mut command = Command::new("python3");
    command
        .args(["-m", "schemathesis.cli", "--no-color", "run", &format!("{}/openapi.json", scene.node.base_url())])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--seed", SEED, "--max-examples", EXAMPLES])
        .args(["--continue-on-failure", "--no-shrink", "--suppress-health-check", "all", "--request-timeout", "60"])
        .env("PYTHONPATH", modules)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .env("SCHEMATHESIS_HOOKS", "schema_hooks")
        .env("NATTER_SCHEMA_SCENE", told)
        // It keeps what it has found where it stands.
        .current_dir(dir)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.output().await.expect("run python3")
}

/// Where `./ops/test` has put it, or has once put it.
fn library() -> PathBuf {
    let named = std::env::var_os("NATTER_TEST_SCHEMATHESIS").map(PathBuf::from);
    let cache = || {
        let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
        let version =
            include_str!("../../schemathesis.txt").lines().find_map(|line| line.strip_prefix("schemathesis=="));
        let version = version.and_then(|rest| rest.split(' ').next()).expect("the list names it");
        home.unwrap_or_default().join(format!("natter/schemathesis-{version}"))
    };
    let library = named.unwrap_or_else(cache);
    assert!(library.join("natter.fetched").exists(), "no Schemathesis in {}: run ./ops/test", library.display());
    library
}

#[test]
fn an_operation_that_never_succeeded_is_a_failure() {
    let seen = Seen::from([
        ("GET /good".to_owned(), BTreeMap::from([("200".to_owned(), vec![]), ("404".to_owned(), vec![])])),
        ("GET /bad".to_owned(), BTreeMap::from([("404".to_owned(), vec!["why".to_owned()])])),
    ]);
    assert_eq!(failure(&seen, "GET /good"), None);
    assert_eq!(failure(&seen, "GET /bad").unwrap(), "GET /bad: {\"404\": [\"why\"]}");
    assert_eq!(failure(&seen, "GET /never").unwrap(), "GET /never: {}");
}
