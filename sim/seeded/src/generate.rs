//! A copy of a tokio with the driver in it.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use retake_core::sources::SOURCES;

use crate::edits::{APPENDED, EDITS};
use crate::source::Source;

/// Minor versions of tokio 1 that were tried.
pub const VERSIONS: RangeInclusive<u32> = 43..=54;

const DRIVER_FILES: &[(&str, &str)] = &[
    ("children.rs", include_str!("../driver/children.rs")),
    ("ends.rs", include_str!("../driver/ends.rs")),
    ("fault_files.rs", include_str!("../driver/fault_files.rs")),
    ("fault_gates.rs", include_str!("../driver/fault_gates.rs")),
    ("fault_labels.rs", include_str!("../driver/fault_labels.rs")),
    ("fault_state.rs", include_str!("../driver/fault_state.rs")),
    (
        "fault_packets.rs",
        include_str!("../driver/fault_packets.rs"),
    ),
    ("fault_run.rs", include_str!("../driver/fault_run.rs")),
    ("packets.rs", include_str!("../driver/packets.rs")),
    ("fault_tasks.rs", include_str!("../driver/fault_tasks.rs")),
    ("faults.rs", include_str!("../driver/faults.rs")),
    ("files.rs", include_str!("../driver/files.rs")),
    ("flags.rs", include_str!("../driver/flags.rs")),
    ("input.rs", include_str!("../driver/input.rs")),
    ("inbox.rs", include_str!("../driver/inbox.rs")),
    ("kernel.rs", include_str!("../driver/kernel.rs")),
    ("local_sets.rs", include_str!("../driver/local_sets.rs")),
    ("look.rs", include_str!("../driver/look.rs")),
    ("messages.rs", include_str!("../driver/messages.rs")),
    ("mod.rs", include_str!("../driver/mod.rs")),
    ("ports.rs", include_str!("../driver/ports.rs")),
    ("process.rs", include_str!("../driver/process.rs")),
    ("progress.rs", include_str!("../driver/progress.rs")),
    ("program.rs", include_str!("../driver/program.rs")),
    ("record.rs", include_str!("../driver/record.rs")),
    ("settings.rs", include_str!("../driver/settings.rs")),
    ("sockets.rs", include_str!("../driver/sockets.rs")),
    ("spins.rs", include_str!("../driver/spins.rs")),
    ("state.rs", include_str!("../driver/state.rs")),
    ("strategy.rs", include_str!("../driver/strategy.rs")),
    ("stub.rs", include_str!("../driver/stub.rs")),
    ("symbols.rs", include_str!("../driver/symbols.rs")),
    ("sys.rs", include_str!("../driver/sys.rs")),
    ("tasks.rs", include_str!("../driver/tasks.rs")),
    ("threads.rs", include_str!("../driver/threads.rs")),
    ("waits.rs", include_str!("../driver/waits.rs")),
    ("weak.rs", include_str!("../driver/weak.rs")),
];

/// A hash over the driver and the edits: generated copies of different ones differ.
pub const DRIVER: u64 = hash_of_all();

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// A place in tokio's sources was not found.
    #[error(
        "{path}: {problem}: this tokio is not supported; tokio 1.{} to 1.{} are",
        VERSIONS.start(),
        VERSIONS.end()
    )]
    Unknown {
        /// The file of tokio.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
}

/// Write a copy of the package of a tokio into a folder, which is made: with the driver.
///
/// # Errors
/// If a file cannot be read or written, or a place for an edit is not found exactly once.
pub fn generate(tokio: &Path, into: &Path) -> Result<(), GenerateError> {
    copy(tokio, into)?;
    for (paths_of, edit) in EDITS {
        let mut paths = paths_of.split(' ').map(|path| into.join(path));
        let path = paths.find(|path| path.exists());
        let Some(path) = path else {
            return Err(GenerateError::Unknown {
                path: into.to_owned(),
                problem: format!("none of the files {paths_of} is there"),
            });
        };
        let unknown = |problem| GenerateError::Unknown {
            path: path.clone(),
            problem,
        };
        let text = fs::read_to_string(&path).map_err(|error| at(&path, error))?;
        let mut source = Source::parse(text).map_err(unknown)?;
        edit(&mut source).map_err(unknown)?;
        write(&path, &source.edited())?;
    }
    let driver = into.join("src/retake");
    for (path, text) in DRIVER_FILES {
        write(&driver.join(path), text)?;
    }
    for (path, text) in SOURCES {
        let path = driver.join("core").join(path);
        let text = as_module(text).map_err(|problem| GenerateError::Unknown {
            path: path.clone(),
            problem,
        })?;
        write(&path, &text)?;
    }
    write(&driver.join("core/mod.rs"), &core_root())
}

/// A source of the core as a part of tokio: without its tests, and with its paths from there.
fn as_module(text: &str) -> Result<String, String> {
    let source = Source::parse(text.to_owned())?.without_features();
    let mut text = source.replace("crate::", "crate::retake::core::");
    // Macros are for tokio itself, and not for its users.
    let macros = source.split("#[macro_export]").skip(1);
    let names: Vec<&str> = macros
        .filter_map(|rest| rest.split("macro_rules! ").nth(1)?.split(' ').next())
        .collect();
    text = text.replace("#[macro_export]", "");
    for name in names {
        text.push_str(&format!("pub(crate) use {name};\n"));
    }
    Ok(text)
}

fn core_root() -> String {
    let mut root = "//! The core of Retake.\n".to_owned();
    for (path, _) in SOURCES {
        let module = path.strip_suffix(".rs").unwrap_or(path);
        match module.split_once('/') {
            None => root.push_str(&format!("pub(crate) mod {module};\n")),
            Some((folder, "mod")) => root.push_str(&format!("pub(crate) mod {folder};\n")),
            Some(_) => {}
        }
    }
    root
}

fn at(path: &Path, error: io::Error) -> GenerateError {
    GenerateError::File {
        path: path.to_owned(),
        error,
    }
}

fn write(path: &Path, text: &str) -> Result<(), GenerateError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
    }
    fs::write(path, text).map_err(|error| at(path, error))
}

/// Copy a folder with all that is in it.
fn copy(from: &Path, into: &Path) -> Result<(), GenerateError> {
    fs::create_dir_all(into).map_err(|error| at(into, error))?;
    for entry in fs::read_dir(from).map_err(|error| at(from, error))? {
        let entry = entry.map_err(|error| at(from, error))?;
        let (path, target) = (entry.path(), into.join(entry.file_name()));
        let kind = entry.file_type().map_err(|error| at(&path, error))?;
        if kind.is_dir() {
            copy(&path, &target)?;
        } else {
            let text = fs::read(&path).map_err(|error| at(&path, error))?;
            // Not a copy of the file: vendored packages may be read-only.
            fs::write(&target, text).map_err(|error| at(&target, error))?;
        }
    }
    Ok(())
}

/// FNV-1a, because it is computed while this is compiled: Fowler, Noll, Vo, 1991.
const fn hash(mut hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut place = 0;
    while place < bytes.len() {
        hash = (hash ^ bytes[place] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        place += 1;
    }
    hash
}

const fn hash_of_all() -> u64 {
    let mut of_all = 0xcbf2_9ce4_8422_2325;
    let mut place = 0;
    while place < DRIVER_FILES.len() {
        of_all = hash(of_all, DRIVER_FILES[place].1);
        place += 1;
    }
    let mut place = 0;
    while place < SOURCES.len() {
        of_all = hash(of_all, SOURCES[place].1);
        place += 1;
    }
    of_all = hash(of_all, include_str!("edits.rs"));
    of_all = hash(of_all, include_str!("source.rs"));
    of_all = hash(of_all, include_str!("visitors.rs"));
    of_all = hash(of_all, include_str!("generate.rs"));
    let mut place = 0;
    while place < APPENDED.len() {
        of_all = hash(of_all, APPENDED[place]);
        place += 1;
    }
    of_all
}
