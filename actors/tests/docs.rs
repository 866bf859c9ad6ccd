//! The page about the actors says what is so.
#![allow(missing_docs)]

use std::path::Path;

use retake_actors::entitlement::Entitlement;
use retake_actors::governor::Governor;
use retake_actors::statem::StateMachine as _;
use retake_actors::{System, SystemConfig};
use retake_sim::Sim;

const PAGE: &str = include_str!("../../docs/actors.md");

/// The block behind this mark, without its fences.
fn block(mark: &str) -> &'static str {
    let mark = format!("<!-- {mark} -->\n```");
    let behind = PAGE.split(mark.as_str()).nth(1).expect("the mark is there");
    let (_, behind) = behind.split_once('\n').expect("the fence is a line");
    behind
        .split("```")
        .next()
        .expect("the first part of a split")
}

#[test]
fn the_page_shows_the_tables_of_governor_and_entitlement() {
    assert_eq!(block("governor"), Governor::table().to_mermaid());
    assert_eq!(block("entitlement"), Entitlement::table().to_mermaid());
}

#[test]
fn the_page_shows_the_tree_of_the_system() {
    let run = Sim::new().run(|| async {
        let system = System::start(SystemConfig::default()).await.unwrap();
        system.root().tree().await.unwrap().to_string()
    });
    assert_eq!(block("tree"), run.expect_passed());
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let mut tests = String::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for folder in [folder.join("conformance"), folder] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "rs") {
                tests.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let rows = PAGE.lines().filter(|line| line.starts_with("| "));
    let named: Vec<&str> = rows
        .filter_map(|row| row.rsplit(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 80, "{}", named.len());
    for name in named {
        assert!(tests.contains(&format!("fn {name}(")), "no test `{name}`");
    }
}
