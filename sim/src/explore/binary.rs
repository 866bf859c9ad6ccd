//! The tests of this test binary, and whose saved cases are whose.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::Case;

/// The folder of the crate in which failures are kept.
pub(super) const CASES: &str = "retake-cases";

/// The test binary that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binary {
    /// The folder of the crate.
    pub(super) crate_folder: &'static Path,
    /// The name of the target, with which the paths of its modules begin.
    pub(super) target: &'static str,
}

/// The names of all tests of this binary, as Rust's test harness lists them; none if it is
/// another harness.
fn tests() -> Option<&'static BTreeSet<String>> {
    static TESTS: OnceLock<Option<BTreeSet<String>>> = OnceLock::new();
    let list = || {
        let program = std::env::current_exe().ok()?;
        let output = Command::new(program)
            .args(["--list", "--format", "terse"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        (output.status.success() && !names.is_empty()).then_some(names)
    };
    TESTS.get_or_init(list).as_ref()
}

impl Binary {
    /// The folder of a test's cases has this name.
    fn folder_name(self, test: &str) -> String {
        format!("{}::{test}", self.target).replace("::", "-")
    }

    /// Folders with saved cases of tests that this binary does not have.
    pub(super) fn orphans(self) -> Vec<PathBuf> {
        let prefix = format!("{}-", self.target);
        let entries = std::fs::read_dir(self.crate_folder.join(CASES));
        let mut folders: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .map(|entry| entry.path())
            .filter(|path| Case::load_all(path).is_ok_and(|cases| !cases.is_empty()))
            .collect();
        folders.sort_unstable();
        if folders.is_empty() {
            return folders;
        }
        let Some(tests) = tests() else {
            return Vec::new();
        };
        let known: BTreeSet<String> = tests.iter().map(|test| self.folder_name(test)).collect();
        folders.retain(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            !known.contains(&*name)
        });
        folders
    }

    /// Whether some test can run a case that is to be replayed.
    ///
    /// # Errors
    /// If it is of this binary, and no test of it has its name.
    pub(super) fn check_owner(self, file: &Path, case: &Case) -> Result<(), String> {
        let Some(tests) = tests() else {
            return Ok(());
        };
        let name = &case.scenario;
        let folder = file.parent();
        let is_kept = folder
            .and_then(Path::parent)
            .is_some_and(|it| it.ends_with(CASES));
        let is_of_this_target = folder.and_then(Path::file_name).is_some_and(|folder| {
            let folder = folder.to_string_lossy();
            folder.starts_with(&format!("{}-", self.target))
        });
        let is_of_another = is_kept && !is_of_this_target;
        if tests.contains(name) || is_of_another {
            return Ok(());
        }
        Err(format!(
            "RETAKE_REPLAY={} is a case of `{name}`, and this test binary (`{}`) has no test \
             of this name, so nobody runs it. If the test was renamed, rename `scenario` in the \
             file, and the folder of the file. If it is of another binary, run that one alone: \
             cargo test -p CRATE {name} -- --exact",
            file.display(),
            self.target
        ))
    }
}
