//! The user's project, as cargo describes it: where it is, and which tokio it has locked.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::cargo_arguments::CargoArgs;
use crate::error::Error;

/// A project with its locked packages.
#[derive(Debug)]
pub(crate) struct Project {
    /// The folder of its workspace.
    pub(crate) root: PathBuf,
    /// Where everything of Retake's is built.
    pub(crate) folder: PathBuf,
    packages: Vec<Package>,
    pub(crate) tokio: Tokio,
}

/// The tokio that the project has locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokio {
    pub(crate) version: String,
    /// Its unpacked package.
    pub(crate) folder: PathBuf,
}

/// What `cargo metadata` prints, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    version: String,
    /// None for a folder of this machine.
    source: Option<String>,
    pub(crate) manifest_path: PathBuf,
}

impl Package {
    /// Whether this target has Rust's harness of tests: `cargo metadata` does not say it.
    pub(crate) fn has_harness(&self, kind: &str, target: &str) -> bool {
        let text = fs::read_to_string(&self.manifest_path).unwrap_or_default();
        let manifest: toml::Table = text.parse().unwrap_or_default();
        let is_without = |it: &toml::Value| it.get("harness") == Some(&false.into());
        match manifest.get(kind) {
            Some(toml::Value::Array(targets)) => !targets.iter().any(|it| {
                let is_named = it
                    .get("name")
                    .is_some_and(|name| name.as_str() == Some(target));
                is_named && is_without(it)
            }),
            Some(library) => !is_without(library),
            None => true,
        }
    }
}

/// cargo, as it has started this program.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

impl Project {
    /// Ask cargo for the project in the present folder, or where the arguments say.
    ///
    /// # Errors
    /// If there is no project, or its tokio cannot be replaced by a seeded one.
    pub(crate) fn find(args: &CargoArgs) -> Result<Self, Error> {
        // This does not look at the lock file.
        let about = metadata(args, &["--no-deps"], None)?;
        let lock = about.workspace_root.join("Cargo.lock");
        let has_lock = lock.exists();
        if !has_lock {
            if args.locked || args.frozen {
                return Err(Error::Project(format!(
                    "there is no {}: cargo would create it, and --locked or --frozen does not let it",
                    lock.display()
                )));
            }
            eprintln!(
                "note: there is no {}: cargo creates it, as for `cargo test`",
                lock.display()
            );
        }
        let locked: &[&str] = if has_lock { &["--locked"] } else { &[] };
        let target = args.target_dir.clone().unwrap_or(about.target_directory);
        let target = std::path::absolute(&target).map_err(Error::of("find", &target))?;
        let folder = target.join("retake");
        let metadata = metadata(args, locked, Some(&folder))?;
        Ok(Self {
            root: about.workspace_root,
            folder,
            tokio: tokio(&metadata.packages)?,
            packages: metadata.packages,
        })
    }

    /// The package of this identity in cargo's messages.
    pub(crate) fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }
}

/// What cargo says of a project. To know its dependencies, cargo asks rustc, and keeps the answer
/// in a folder for what it builds: in `target`, if that is named.
fn metadata(args: &CargoArgs, more: &[&str], target: Option<&Path>) -> Result<Metadata, Error> {
    let mut command = Command::new(cargo());
    if let Some(target) = target {
        command.env("CARGO_TARGET_DIR", target);
    }
    command
        .args(args.global())
        .args(["metadata", "--format-version", "1"])
        .args(args.resolution())
        .args(args.features())
        .args(more);
    let name = format!("cargo metadata {}", more.join(" "));
    let name = name.trim_end();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Project(format!("cannot run {name}: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().strip_prefix("error: ").unwrap_or(said.trim());
        let hint = if said.contains("--locked") {
            ". Bring the lock file up to date with `cargo update --workspace` or `cargo build`: \
             `cargo retake` does not change it"
        } else {
            ""
        };
        return Err(Error::Cargo {
            command: name.to_owned(),
            hint: format!("{hint}: {said}"),
        });
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Error::Output {
        command: name.to_owned(),
        what: error.to_string(),
    })
}

/// The one tokio 1 of these packages.
fn tokio(packages: &[Package]) -> Result<Tokio, Error> {
    let all: Vec<&Package> = packages.iter().filter(|it| it.name == "tokio").collect();
    let ours: Vec<&&Package> = all
        .iter()
        .filter(|it| it.version.starts_with("1."))
        .collect();
    match ours[..] {
        [] => {
            let others: Vec<&str> = all.iter().map(|it| &*it.version).collect();
            Err(Error::Project(if others.is_empty() {
                "the project does not depend on tokio, with these features: only tasks of tokio \
                 are put in order by a seed"
                    .to_owned()
            } else {
                format!(
                    "the project depends on tokio {}: tokio 1 is supported",
                    others.join(" and ")
                )
            }))
        }
        [package] => one(package),
        _ => {
            let versions: Vec<String> = ours.iter().map(|it| in_words(it)).collect();
            Err(Error::Project(format!(
                "the project depends on several packages of tokio 1: {}. Tasks of one would not \
                 be put in order with those of the other: `cargo tree --invert tokio` shows who \
                 needs which",
                versions.join(" and ")
            )))
        }
    }
}

fn one(package: &Package) -> Result<Tokio, Error> {
    let path = &package.manifest_path;
    let manifest = fs::read_to_string(path).map_err(Error::of("read", path))?;
    let manifest: toml::Table = manifest.parse().map_err(|error| Error::Output {
        command: path.display().to_string(),
        what: format!("{error}"),
    })?;
    if let Some(what) = needs_its_place(&manifest) {
        return Err(Error::Project(format!(
            "{} has {what} in its manifest: a copy elsewhere would not have it, so that the seeded \
             one cannot take its place. A tokio of a registry, or one that was packaged by `cargo \
             package`, has no such thing",
            in_words(package)
        )));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(Tokio {
        version: package.version.clone(),
        folder: folder.to_owned(),
    })
}

/// What a manifest takes from folders around it, if it does: packages of registries do not.
fn needs_its_place(manifest: &toml::Table) -> Option<String> {
    manifest.iter().find_map(|(name, value)| match value {
        toml::Value::Table(table) => {
            let is_of_workspace = table.get("workspace") == Some(&true.into());
            let is_dependency =
                table.contains_key("path") && !["lib", "package"].contains(&&**name);
            match (is_of_workspace, is_dependency) {
                (true, _) => Some(format!("`{name}.workspace`")),
                (false, true) => Some(format!("the path of `{name}`")),
                (false, false) => needs_its_place(table),
            }
        }
        _ => None,
    })
}

fn in_words(package: &Package) -> String {
    let version = &package.version;
    match &package.source {
        Some(source) if source.starts_with("git+") => format!("tokio {version} ({source})"),
        Some(_) => format!("tokio {version}"),
        None => format!("tokio {version} ({})", package.manifest_path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn package(name: &str, version: &str, source: Option<&str>) -> Package {
        Package {
            id: format!("{name} {version}"),
            name: name.to_owned(),
            version: version.to_owned(),
            source: source.map(str::to_owned),
            manifest_path: format!("/packages/{name}-{version}/Cargo.toml").into(),
        }
    }

    const REGISTRY: Option<&str> = Some("registry+https://registry.example/index");

    fn manifest(folder: &TempDir, text: &str, source: Option<&str>) -> Package {
        let path = folder.path().join("Cargo.toml");
        fs::write(&path, text).unwrap();
        Package {
            manifest_path: path,
            ..package("tokio", "1.47.0", source)
        }
    }

    #[test]
    fn a_target_without_a_harness_is_known_by_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[test]]\nname = \"whole\"\nharness = false\n[[test]]\nname = \"it\"";
        let package = manifest(&folder, text, None);
        assert!(!package.has_harness("test", "whole"));
        assert!(package.has_harness("test", "it") && package.has_harness("test", "other"));
        assert!(package.has_harness("bin", "whole") && package.has_harness("lib", "shop"));
    }

    #[test]
    fn the_locked_tokio_is_found_among_the_packages() {
        let folder = tempfile::tempdir().unwrap();
        let packages = [
            package("tokio-util", "0.7.1", REGISTRY),
            package("tokio", "0.2.25", REGISTRY),
            manifest(&folder, "[lib]\npath = \"src/lib.rs\"", REGISTRY),
        ];
        let found = tokio(&packages).unwrap();
        assert_eq!(found.version, "1.47.0");
        assert_eq!(found.folder, folder.path());
    }

    #[test]
    fn a_tokio_that_cannot_be_replaced_is_refused_by_name() {
        let registry = package("tokio", "1.47.0", REGISTRY);
        let git = package(
            "tokio",
            "1.48.0",
            Some("git+https://example.org/tokio#1234"),
        );
        let old = package("tokio", "0.2.25", REGISTRY);
        let refused = |packages: &[&Package], expected: &str| {
            let packages: Vec<Package> = packages.iter().map(|it| (*it).clone()).collect();
            let text = tokio(&packages).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        };
        refused(&[], "does not depend on tokio");
        refused(&[&old], "tokio 0.2.25: tokio 1 is supported");
        refused(
            &[&registry, &git],
            "several packages of tokio 1: tokio 1.47.0 and tokio 1.48.0 (git+https://example.org",
        );
        let folder = tempfile::tempdir().unwrap();
        let member = manifest(&folder, "[lints]\nworkspace = true", None);
        refused(
            &[&member],
            "Cargo.toml) has `lints.workspace` in its manifest",
        );
        let text = "[dependencies.tokio-macros]\nversion = \"2\"\npath = \"../tokio-macros\"";
        let member = manifest(&folder, text, None);
        refused(&[&member], "has the path of `tokio-macros` in its manifest");
    }
}
