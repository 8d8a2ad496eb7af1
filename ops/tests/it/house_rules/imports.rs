//! Which crate may import which: dependencies point down only, and what is foreign has one owner.

use super::{assert_none, cargo};

/// For the tests of every crate: the harness, and the tables to test on.
const FOR_TESTS: &[&str] = &["natter-testkit", "natter-migrations"];

/// Crate of ours, and what of ours it may import.
const OURS: &[(&str, &[&str])] = &[
    ("natter-domain", &[]),
    ("natter-migrations", &[]),
    ("natter-client", &[]),
    ("natter-streams", &["natter-domain"]),
    ("natter-outbox", &["natter-domain", "natter-streams"]),
    // The outbox, since a code is a letter, durable before its answer.
    ("natter-commands", &["natter-domain", "natter-streams", "natter-outbox"]),
    // Never commands: a decision based on a lagging view is a fault that only shows under load.
    // The wire types of the client, since delivery encodes frames: one definition of each shape.
    // The tables, since whoever has a cluster's driver must shape its keyspace.
    ("natter-projections", &["natter-domain", "natter-streams", "natter-client", "natter-migrations"]),
    ("natter-edge", &["natter-domain", "natter-streams", "natter-commands", "natter-projections", "natter-client"]),
    ("natter-ops", ALL),
    ("natter-testkit", ALL),
];
const ALL: &[&str] = &[
    "natter-domain",
    "natter-migrations",
    "natter-client",
    "natter-streams",
    "natter-outbox",
    "natter-commands",
    "natter-projections",
    "natter-edge",
    "natter-ops",
    "natter-testkit",
];

/// Foreign crate, and who may import it: replacing it means reading one crate.
const FOREIGN: &[(&str, &[&str])] = &[
    ("async-nats", &["natter-streams", "natter-testkit"]),
    ("postgres-es", &["natter-streams"]),
    ("cqrs-es", &["natter-commands"]),
    ("lettre", &["natter-outbox"]),
    ("scylla", &["natter-projections"]),
    ("axum", &["natter-edge"]),
    ("jsonwebtoken", &["natter-edge"]),
    ("tokio-rustls", &["natter-edge", "natter-client"]),
    ("ipnet", &["natter-edge"]),
    ("tokio-tungstenite", &["natter-client"]),
    ("clap", &["natter-ops", "natter-testkit"]),
    // An error type for people: crates that others call name their errors.
    ("anyhow", &["natter-ops", "natter-testkit"]),
];

#[derive(Debug, PartialEq, Eq)]
struct Import {
    by: String,
    of: String,
    /// For tests only.
    dev: bool,
}

#[test]
fn crates_import_only_what_the_table_says() {
    let imports = imports(&cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]));
    assert!(imports.len() > 20, "the workspace has imports: {imports:?}");
    assert_none("the import table (ops/tests/it/house_rules/imports.rs, ARCHITECTURE.md):", &faults(&imports));
}

fn imports(metadata: &str) -> Vec<Import> {
    let metadata: serde_json::Value = serde_json::from_str(metadata).expect("cargo metadata writes json");
    let packages = metadata["packages"].as_array().expect("packages");
    let of_package = |package: &serde_json::Value| {
        let by = package["name"].as_str().expect("name").to_owned();
        let dependencies = package["dependencies"].as_array().expect("dependencies").clone();
        dependencies.into_iter().map(move |dependency| Import {
            by: by.clone(),
            of: dependency["name"].as_str().expect("name").to_owned(),
            dev: dependency["kind"] == "dev",
        })
    };
    packages.iter().flat_map(of_package).collect()
}

fn faults(imports: &[Import]) -> Vec<String> {
    imports.iter().filter_map(fault).collect()
}

fn fault(import: &Import) -> Option<String> {
    let Import { by, of, dev } = import;
    let Some((_, allowed)) = OURS.iter().find(|(name, _)| name == by) else {
        return Some(format!("{by} is not in the table: say what it may import"));
    };
    if of.starts_with("natter-") {
        let for_tests = *dev && FOR_TESTS.contains(&of.as_str());
        return (!for_tests && !allowed.contains(&of.as_str())).then(|| format!("{by} must not import {of}"));
    }
    let (_, owners) = FOREIGN.iter().find(|(name, _)| name == of)?;
    (!dev && !owners.contains(&by.as_str()))
        .then(|| format!("{by} must not import {of}: it belongs to {}", owners.join(", ")))
}

#[test]
fn the_rule_sees_what_points_up_and_what_is_not_owned() {
    let sample = r#"{"packages": [
        {"name": "natter-domain", "dependencies": [{"name": "natter-testkit", "kind": "dev"}, {"name": "serde", "kind": null}]},
        {"name": "natter-projections", "dependencies": [{"name": "natter-commands", "kind": null}, {"name": "anyhow", "kind": "dev"}]},
        {"name": "natter-edge", "dependencies": [{"name": "async-nats", "kind": null}, {"name": "natter-ops", "kind": "dev"}]},
        {"name": "natter-new", "dependencies": [{"name": "serde", "kind": null}]}]}"#;
    assert_eq!(
        faults(&imports(sample)),
        [
            "natter-projections must not import natter-commands",
            "natter-edge must not import async-nats: it belongs to natter-streams, natter-testkit",
            "natter-edge must not import natter-ops",
            "natter-new is not in the table: say what it may import",
        ]
    );
}
