//! Gives the program its code identity: a hash over the sources that decide how a
//! run goes, and the versions of the libraries that do. Build settings do not
//! enter, so a debug and a release build write the same traces.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

const CRATES: [&str; 4] = ["traces", "sim", "actors", "workloads"];
const LIBRARIES: [&str; 4] = ["ractor", "tokio", "rand_chacha", "rand_distr"];

fn main() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = package.join("..");
    let is_in_repository = CRATES.iter().all(|name| repository.join(name).is_dir());
    let mut files = Vec::new();
    let mut hasher = Xxh3Default::new();
    let workspace = if is_in_repository {
        for name in CRATES {
            collect(&repository.join(name), &mut files);
        }
        repository
    } else {
        // A package of a registry has the other crates in exactly its own version, whose sources
        // do not change.
        collect(package, &mut files);
        hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
        package.to_owned()
    };
    files.sort();
    for file in &files {
        let name = file
            .strip_prefix(&workspace)
            .unwrap_or(file)
            .to_string_lossy()
            .replace('\\', "/");
        hasher.update(name.as_bytes());
        hasher.update(&fs::read(file).unwrap_or_default());
    }
    // A package brings the one with which `cargo install --locked` builds it.
    let lock = workspace.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let lock = fs::read_to_string(lock).unwrap_or_default();
    let versions: Vec<String> = LIBRARIES
        .iter()
        .map(|name| format!("{name}={}", version(&lock, name)))
        .collect();
    println!("cargo::rustc-env=RETAKE_CODE={:016x}", hasher.digest());
    println!("cargo::rustc-env=RETAKE_VERSIONS={}", versions.join(","));
}

/// The sources that a run is made of: not tests, their helpers, benches or examples.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            let is_other = [
                "tests",
                "testkit",
                "benches",
                "examples",
                "target",
                "node_modules",
            ]
            .iter()
            .any(|other| name == *other);
            if name == "src" {
                println!("cargo::rerun-if-changed={}", path.display());
            }
            if !is_other {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The version of a package in a lock file.
fn version<'a>(lock: &'a str, package: &str) -> &'a str {
    let name = format!("name = \"{package}\"\nversion = \"");
    lock.split_once(&name)
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("unknown")
}
