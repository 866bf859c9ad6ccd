//! Builds the user's targets against the seeded tokio, and finds their programs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::binary::{Binary, BuildKind, contains};
use crate::cargo_arguments::CargoArgs;
use crate::doctests::{self, Doctests};
use crate::environment::{self, RUNNER, toml_text};
use crate::error::Error;
use crate::process::Program;
use crate::project::{Project, cargo};

/// A message of cargo's, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Profile {
    test: bool,
}

/// A program, before it is known how cargo starts it.
#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    id: String,
    package: PathBuf,
    has_harness: bool,
    executable: PathBuf,
}

/// Build, and find what was built.
///
/// # Errors
/// If it does not compile, or a program was built without the seeded tokio.
pub(crate) fn build(
    project: &Project,
    copy: &Path,
    args: &CargoArgs,
    built: BuildKind,
) -> Result<Vec<Binary>, Error> {
    let builder = Builder {
        project,
        copy,
        args,
        built,
    };
    let artifacts = builder.compile()?;
    builder.with_environment(artifacts)
}

/// Have rustdoc build the examples of documentation, and find them. `filter` is what Rust's
/// harness takes to choose some.
///
/// # Errors
/// If cargo cannot do it.
pub(crate) fn build_doctests(
    project: &Project,
    copy: &Path,
    args: &CargoArgs,
    filter: &[String],
) -> Result<Doctests, Error> {
    let builder = Builder {
        project,
        copy,
        args,
        built: BuildKind::Doctests,
    };
    let folder = tempfile::tempdir().map_err(Error::of("create", Path::new("a folder")))?;
    let runner = environment::runner(&builder.triple()?, doctests::KEEPER, folder.path())?;
    let mut command = builder.command("test", &[runner]);
    command.args(args.verbosity()).args(builder.targets());
    // Those of all packages, although each fails.
    command.arg("--no-fail-fast").arg("--").args(filter);
    doctests::build(command, folder)
}

struct Builder<'a> {
    project: &'a Project,
    copy: &'a Path,
    args: &'a CargoArgs,
    built: BuildKind,
}

impl Builder<'_> {
    fn name(&self) -> &'static str {
        match self.built {
            BuildKind::Tests | BuildKind::Doctests => "test",
            BuildKind::Binary => "run",
        }
    }

    /// A command of cargo's over the targets, with these of its settings. They come first: cargo
    /// forgets settings before a command if there are others behind it.
    fn command(&self, name: &str, settings: &[String]) -> Command {
        let mut command = Command::new(cargo());
        let copy = toml_text(&self.copy.to_string_lossy());
        command.arg("--config").arg(format!("paths=[{copy}]"));
        for setting in settings {
            command.arg("--config").arg(setting);
        }
        command.args(self.args.global());
        command.args([name, "--locked", "--target-dir"]);
        command.arg(&self.project.folder);
        command.args(self.args.resolution());
        command.args(self.args.features());
        command.args(self.args.profile());
        command.stdin(Stdio::null());
        command
    }

    fn targets(&self) -> Vec<OsString> {
        match self.built {
            BuildKind::Tests => self.args.tested(),
            BuildKind::Doctests => self.args.documented(),
            BuildKind::Binary => self.args.run(),
        }
    }

    /// What is built for.
    fn triple(&self) -> Result<String, Error> {
        self.args.target.clone().map_or_else(host, Ok)
    }

    /// Have cargo build; it says itself how far it is, and what does not compile.
    fn compile(&self) -> Result<Vec<Artifact>, Error> {
        let (name, more) = match self.built {
            BuildKind::Tests | BuildKind::Doctests => ("test", ["--no-run"].as_slice()),
            BuildKind::Binary => ("build", [].as_slice()),
        };
        let targets = match self.built {
            BuildKind::Tests => self.args.built_for_tests(),
            BuildKind::Doctests | BuildKind::Binary => self.targets(),
        };
        let mut command = self.command(name, &[]);
        command
            .args(more)
            .args(["--message-format", "json-render-diagnostics"])
            .args(self.args.verbosity())
            .args(targets);
        let shown = format!("cargo {name}");
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| Error::Project(format!("cannot run {shown}: {error}")))?;
        if !output.status.success() {
            return Err(Error::Cargo {
                command: shown,
                hint: " with the seeded tokio in the place of the project's own".to_owned(),
            });
        }
        let mut artifacts = self.artifacts(&String::from_utf8_lossy(&output.stdout))?;
        // cargo names them as they are ready.
        artifacts.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(artifacts)
    }

    fn artifacts(&self, messages: &str) -> Result<Vec<Artifact>, Error> {
        let mut artifacts = Vec::new();
        for line in messages.lines().filter(|line| line.starts_with('{')) {
            let message: Message = serde_json::from_str(line).map_err(|error| Error::Output {
                command: format!("cargo {}", self.name()),
                what: error.to_string(),
            })?;
            artifacts.extend(self.artifact(message));
        }
        Ok(artifacts)
    }

    /// The program that a message is about, if it is one.
    fn artifact(&self, message: Message) -> Option<Artifact> {
        let is_test = message.profile?.test;
        if message.reason != "compiler-artifact" || is_test != (self.built == BuildKind::Tests) {
            return None;
        }
        let (target, executable) = (message.target?, message.executable?);
        let package = self.project.package(&message.package_id)?;
        Some(Artifact {
            id: id(&package.name, &target),
            has_harness: package.has_harness(target.kind(), &target.name),
            package: package.manifest_path.parent()?.to_owned(),
            executable,
        })
    }

    /// Add how cargo starts each. Of several binaries, `cargo run` starts one.
    /// What has insta find a workspace without starting cargo, and write nothing into it: a
    /// snapshot that differs under some seed is a failure of that seed.
    fn of_snapshots(&self) -> [(&'static str, OsString); 2] {
        let root = self.project.root.clone().into_os_string();
        [
            ("INSTA_WORKSPACE_ROOT", root),
            ("INSTA_UPDATE", "no".into()),
        ]
    }

    fn with_environment(&self, mut artifacts: Vec<Artifact>) -> Result<Vec<Binary>, Error> {
        let folder = tempfile::tempdir().map_err(Error::of("create", Path::new("a folder")))?;
        let runner = environment::runner(&self.triple()?, RUNNER, folder.path())?;
        let mut command = self.command(self.name(), &[runner]);
        command.arg("--quiet").args(self.targets());
        let output = command
            .output()
            .map_err(|error| Error::Project(format!("cannot run cargo: {error}")))?;
        let noted = environment::read(folder.path())?;
        if self.built == BuildKind::Binary && !noted.is_empty() {
            artifacts.retain(|it| noted.iter().any(|noted| noted.is_of(&it.executable)));
        }
        artifacts
            .into_iter()
            .map(|artifact| {
                let known = noted.iter().find(|it| it.is_of(&artifact.executable));
                let known = known.ok_or_else(|| {
                    let said = String::from_utf8_lossy(&output.stderr);
                    let executable = artifact.executable.display();
                    Error::Cargo {
                        command: format!("cargo {}", self.name()),
                        hint: format!(": it does not start {executable}\n{}", said.trim()),
                    }
                })?;
                Ok(Binary {
                    id: artifact.id,
                    package: artifact.package,
                    has_harness: artifact.has_harness,
                    program: Program {
                        executable: artifact.executable,
                        arguments: Vec::new(),
                        folder: known.folder.clone(),
                        environment: known.variables_with(&self.of_snapshots()),
                    },
                })
            })
            .collect()
    }
}

impl Target {
    fn kind(&self) -> &str {
        self.kind.first().map_or("lib", String::as_str)
    }
}

/// The name of a target among those of a project.
fn id(package: &str, target: &Target) -> String {
    let name = &target.name;
    let kind = target.kind();
    match kind {
        "test" => format!("{package}::{name}"),
        "bin" | "example" | "bench" => format!("{package}::{kind}/{name}"),
        _ => package.to_owned(),
    }
}

/// The target that cargo builds for by itself.
fn host() -> Result<String, Error> {
    let output = Command::new(cargo())
        .arg("-vV")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Project(format!("cannot run cargo: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::Output {
        command: "cargo -vV".to_owned(),
        what: "it does not name a host".to_owned(),
    })
}

/// Which tokio a program was linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkedTokio {
    /// The seeded copy.
    Seeded,
    /// Another one of its version.
    Stock,
    /// None, or nothing that was found.
    None,
}

/// Look into a program for the places of tokio's sources, which its panics name.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn linked(executable: &Path, copy: &Path, stock: &Path) -> Result<LinkedTokio, Error> {
    let bytes = fs::read(executable).map_err(Error::of("read", executable))?;
    let has = |folder: &Path| {
        let name = folder.file_name().unwrap_or_default().as_encoded_bytes();
        contains(&bytes, &[name, b"/src/runtime/"].concat())
    };
    Ok(if has(copy) {
        LinkedTokio::Seeded
    } else if has(stock) {
        LinkedTokio::Stock
    } else {
        LinkedTokio::None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_name_of_its_own() {
        let of = |kind: &str| {
            let target = Target {
                kind: vec![kind.to_owned()],
                name: "till".to_owned(),
            };
            id("shop", &target)
        };
        assert_eq!(of("lib"), "shop");
        assert_eq!(of("proc-macro"), "shop");
        assert_eq!(of("test"), "shop::till");
        assert_eq!(of("bin"), "shop::bin/till");
        assert_eq!(of("example"), "shop::example/till");
    }

    #[test]
    fn a_program_shows_which_tokio_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let copy = Path::new("/project/target/retake/tokio-1.2.3-0123");
        let stock = Path::new("/registry/tokio-1.2.3");
        let of = |text: &str| {
            fs::write(&program, text).unwrap();
            linked(&program, copy, stock).unwrap()
        };
        assert_eq!(
            of("…/tokio-1.2.3-0123/src/runtime/a.rs…"),
            LinkedTokio::Seeded
        );
        assert_eq!(
            of("/registry/tokio-1.2.3/src/runtime/a.rs"),
            LinkedTokio::Stock
        );
        assert_eq!(
            of("/registry/tokio-util-1.2.3/src/runtime/a.rs"),
            LinkedTokio::None
        );
        assert_eq!(of(""), LinkedTokio::None);
    }
}
