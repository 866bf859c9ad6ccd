//! The page about the actors says what is so.

use std::path::{Path, PathBuf};

use retake_otp::statem::StateMachine as _;
use retake_sim::Sim;
use retake_system::entitlement::Entitlement;
use retake_system::governor::Governor;
use retake_system::{System, SystemConfig};

const PAGE: &str = include_str!("../../../../docs/actors.md");

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
    assert_eq!(Governor::table().check(), Ok(()));
}

#[test]
fn the_page_shows_the_tree_of_the_system() {
    let run = Sim::new().run(|| async {
        let system = System::start(SystemConfig::default()).await.unwrap();
        system.root().tree().await.unwrap().to_string()
    });
    assert_eq!(block("tree"), run.expect_passed());
}

/// The code of a page's blocks that begin with this fence, without indentation.
fn code<'a>(page: &'a str, fence: &str) -> Vec<Vec<&'a str>> {
    let fence = format!("\n{fence}\n");
    let blocks = page.split(fence.as_str()).skip(1);
    let blocks = blocks.map(|it| it.split("\n```").next().unwrap_or_default());
    blocks.map(|block| lines(block).collect()).collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[test]
fn code_on_the_pages_is_code_that_is_tested() {
    let own = include_str!("../../../../docs/own.md");
    for (page, fence, source, at_least) in [
        (
            PAGE,
            "```rust",
            include_str!("../../../otp/tests/suite/kit.rs"),
            9,
        ),
        (own, "```rust", include_str!("own.rs"), 3),
        (own, "```toml", include_str!("../../../../clippy.toml"), 2),
    ] {
        let source: Vec<&str> = lines(source).collect();
        let blocks = code(page, fence);
        assert!(blocks.len() >= at_least, "{}", blocks.len());
        for block in blocks {
            let is_there = source.windows(block.len()).any(|part| part == block);
            assert!(is_there || block[0] == "[dependencies]", "{block:#?}");
        }
    }
}

/// All sources below these folders.
fn sources(folders: impl IntoIterator<Item = PathBuf>) -> String {
    let mut folders: Vec<_> = folders.into_iter().filter(|it| it.exists()).collect();
    let mut sources = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// The text of all tests of the workspace.
fn tests() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let packages = [
        "actors/otp",
        "actors/system",
        "sim",
        "sim/retake",
        "sim/macros",
        "sim/live",
        "sim/seeded/suite",
        "sim/cargo-retake",
        "snapshots",
        "traces",
        "workloads",
    ];
    let folders = packages.map(|it| ["src", "tests"].map(|part| root.join(it).join(part)));
    sources(folders.into_iter().flatten())
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let tests = tests();
    for (page, at_least) in [
        (PAGE, 80),
        (include_str!("../../../../docs/faults.md"), 60),
        (include_str!("../../../../docs/determinism.md"), 20),
    ] {
        let rows = page.lines().filter(|line| line.starts_with("| "));
        let named: Vec<&str> = rows
            .filter_map(|row| row.rsplit(" | ").next())
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            // The last column of some tables is about something else.
            .filter(|name| name.contains('_') && !name.contains([' ', ':', '.']))
            .collect();
        assert!(named.len() >= at_least, "{}", named.len());
        for name in named {
            assert!(tests.contains(&format!("fn {name}(")), "no test `{name}`");
        }
    }
}

#[test]
fn the_page_about_faults_has_every_invariant_and_every_marked_place() {
    let page = include_str!("../../../../docs/faults.md");
    for number in 1..=39 {
        let row = format!("\n| {number} | ");
        assert!(page.contains(&row), "invariant {number}");
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(["src", "../otp/src"].map(|it| own.join(it)));
    let places = sources.split("buggify!(\"").skip(1);
    let names: Vec<_> = places.filter_map(|it| it.split('"').next()).collect();
    for name in &names {
        assert!(page.contains(&format!("\n| `{name}` | ")), "`{name}`");
    }
    assert_eq!(names.len(), 12);
}
