//! The project of `tests/fixture`, in a folder where it can be built and changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) const BUGGY: &str = "an_order_is_there_when_it_is_paid";

/// The project, as it is checked in. One test at a time has it; what was built is kept.
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

pub(crate) fn project() -> Project {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shop");
    for name in ["src", "tests", "till", "retake-cases"] {
        let _ = fs::remove_dir_all(folder.join(name));
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture");
    copy(&fixture, &folder);
    Project {
        folder,
        _alone: alone,
    }
}

pub(crate) fn copy(from: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), into.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else if fs::read(&target).ok() != Some(fs::read(&path).unwrap()) {
            // Others are older than what was built of them.
            fs::copy(&path, &target).unwrap();
        }
    }
}

impl Project {
    /// `cargo retake` in its folder, with a plain environment.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        self.command_with(&arguments.split(' ').collect::<Vec<_>>())
    }

    fn command_with(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-retake"));
        // As `cargo retake` starts it.
        command.arg("retake").args(arguments);
        command.current_dir(&self.folder);
        for name in ["CARGO_TARGET_DIR", "RUST_BACKTRACE", "RUST_TEST_THREADS"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn retake(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Its output, where it ends with this exit code.
    pub(crate) fn succeeds(&self, arguments: &str, code: i32) -> String {
        self.succeeds_with(&arguments.split(' ').collect::<Vec<_>>(), code)
    }

    /// The same with arguments that have blanks.
    pub(crate) fn succeeds_with(&self, arguments: &[&str], code: i32) -> String {
        let output = self.command_with(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{text}\n{error}");
        text
    }

    /// Replace a text of a file.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub(crate) fn refuses(&self, arguments: &str) -> String {
        self.refuses_with(&arguments.split(' ').collect::<Vec<_>>())
    }

    /// The same with arguments that have blanks.
    pub(crate) fn refuses_with(&self, arguments: &[&str]) -> String {
        let output = self.command_with(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        error
    }

    /// Every file with what is in it, without what Retake makes.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        read(&self.folder, &mut files);
        files
    }

    /// The one saved case.
    pub(crate) fn case(&self) -> PathBuf {
        let folder = self
            .folder
            .join("retake-cases")
            .join(format!("shop-orders-{BUGGY}"));
        let mut files = fs::read_dir(folder).unwrap();
        let case = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        case.strip_prefix(&self.folder).unwrap().to_owned()
    }
}

fn read(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_retakes = path.ends_with("target/retake") || path.ends_with("retake-cases");
        if path.is_dir() && !is_retakes {
            read(&path, files);
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
}
