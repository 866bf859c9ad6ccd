//! The table of sources of nondeterminism in `docs/determinism.md` names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

const SECTION: &str = "## Sources of difference, one by one";
/// Folders without sources of tests.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The rows of the table, each with its cells.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let section = page.split_once(SECTION).expect("the page has the table").1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    // Without the heading.
    rows.skip(1)
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_source_of_nondeterminism_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/determinism.md")).unwrap();
    let mut files = Vec::new();
    sources(root, &mut files);
    let files = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let code: String = files.collect();
    let rows = rows(&page);
    assert!(rows.len() > 30, "the table has been found");
    for row in rows {
        let [source, with, without, tests] = row[..] else {
            panic!("a row has four cells: {row:?}");
        };
        assert!(!with.is_empty() && !without.is_empty(), "{source}");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "`{source}` names no test");
        for name in names {
            let is_test = code.contains(&format!("fn {name}()"));
            assert!(is_test, "`{source}` names no test: {name}");
        }
    }
}
