//! The copy of a tokio: of the one that this repository is locked to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use retake_seeded::{GenerateError, generate};
use tempfile::TempDir;

/// The folder of the locked tokio.
fn locked_tokio() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let manifests = metadata.split("\"manifest_path\":\"").skip(1);
    let mut manifests = manifests.filter_map(|rest| rest.split('"').next());
    let manifest = manifests.find(|path| path.contains("/tokio-1."));
    let manifest = Path::new(manifest.expect("this repository uses tokio"));
    manifest.parent().expect("it is in a folder").to_owned()
}

/// Files by their paths, with what is in them.
fn files(folder: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, into);
        } else {
            let bytes = fs::read(&path).expect("a file");
            into.push((path, bytes));
        }
    }
}

#[test]
fn a_copy_differs_in_the_edited_files_and_has_the_driver() {
    let (tokio, folder) = (locked_tokio(), TempDir::new().expect("a folder"));
    let mut before = Vec::new();
    files(&tokio, &mut before);
    let copy = folder.path().join("tokio");
    generate(&tokio, &copy).expect("it is supported");
    let changed = before.iter().filter(|(path, bytes)| {
        let path = copy.join(path.strip_prefix(&tokio).expect("it is in the folder"));
        fs::read(path).expect("it is copied") != *bytes
    });
    let mut changed: Vec<_> = changed
        .map(|(path, _)| {
            path.strip_prefix(&tokio)
                .expect("it is there")
                .display()
                .to_string()
        })
        .collect();
    changed.sort();
    assert_eq!(
        changed,
        [
            "src/lib.rs",
            "src/process/mod.rs",
            "src/runtime/blocking/pool.rs",
            "src/runtime/builder.rs",
            "src/runtime/handle.rs",
            "src/runtime/io/driver.rs",
            "src/runtime/io/scheduled_io.rs",
            "src/runtime/scheduler/block_in_place.rs",
            "src/runtime/scheduler/current_thread/mod.rs",
            "src/runtime/task/core.rs",
            "src/runtime/task/harness.rs",
            "src/runtime/task/join.rs",
            "src/runtime/task/mod.rs",
            "src/signal/unix.rs",
            "src/sync/batch_semaphore.rs",
            "src/sync/mpsc/chan.rs",
            "src/sync/notify.rs",
            "src/task/builder.rs",
            "src/task/coop/mod.rs",
            "src/task/join_set.rs",
            "src/task/local.rs",
            "src/task/spawn.rs",
        ]
    );
    let driver = fs::read_to_string(copy.join("src/retake/mod.rs")).expect("the driver");
    assert!(driver.contains("mod kernel;"));
    let mut after = Vec::new();
    files(&tokio, &mut after);
    assert_eq!(before, after, "the original is as it was");
}

#[test]
fn a_tokio_without_a_place_for_an_edit_is_refused_by_name() {
    let (tokio, folder) = (locked_tokio(), TempDir::new().expect("a folder"));
    for (path, text, other, problem) in [
        (
            "src/runtime/scheduler/current_thread/mod.rs",
            "fn wake_by_ref(",
            "fn wake_by_reference(",
            "the method `Handle::wake_by_ref` is missing",
        ),
        (
            "src/runtime/builder.rs",
            "Kind::MultiThread =>",
            "Kind::ManyThreads =>",
            "the arm `Kind::MultiThread` in `Builder::build` is missing",
        ),
        (
            "src/sync/mpsc/chan.rs",
            "pub(crate) fn recv_many(",
            "pub(crate) fn recv(",
            "the method `Rx::recv` is there 2 times",
        ),
    ] {
        let changed = folder.path().join("changed");
        generate(&tokio, &changed).expect("it is supported");
        let original = fs::read_to_string(tokio.join(path)).expect("a file of tokio");
        assert!(original.contains(text), "{path} has `{text}`");
        fs::write(changed.join(path), original.replace(text, other)).expect("it is written");
        for file in ["src/lib.rs", "src/task/local.rs", "src/runtime/task/mod.rs"] {
            fs::copy(tokio.join(file), changed.join(file)).expect("it is copied");
        }
        // All edited files but this one are those of tokio again.
        let copy = folder.path().join("copy");
        let refused = generate_from(&tokio, &changed, path, &copy);
        let text = refused.expect_err("a place is missing").to_string();
        let end = format!("{problem}: this tokio is not supported; tokio 1.43 to 1.54 are");
        assert!(text.ends_with(&end), "{text}");
        fs::remove_dir_all(&changed).expect("it is removed");
        fs::remove_dir_all(&copy).expect("it is removed");
    }
}

/// A copy of a tokio of which one file is taken from another folder.
fn generate_from(tokio: &Path, other: &Path, path: &str, copy: &Path) -> Result<(), GenerateError> {
    let mixed = other.join("mixed");
    let mut all = Vec::new();
    files(tokio, &mut all);
    for (file, bytes) in all {
        let file = mixed.join(file.strip_prefix(tokio).expect("it is in the folder"));
        fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a folder");
        fs::write(file, bytes).expect("it is written");
    }
    fs::copy(other.join(path), mixed.join(path)).expect("it is copied");
    generate(&mixed, copy)
}

#[test]
fn a_folder_without_a_tokio_is_an_error_that_names_the_file() {
    let folder = TempDir::new().expect("a folder");
    let (empty, copy) = (folder.path().join("empty"), folder.path().join("copy"));
    fs::create_dir(&empty).expect("a folder");
    let error = generate(&empty, &copy).expect_err("there is no tokio");
    assert!(error.to_string().contains("src/lib.rs"), "{error}");
    let error = generate(&folder.path().join("none"), &copy).expect_err("there is nothing");
    assert!(error.to_string().contains("none: No such file"), "{error}");
}
