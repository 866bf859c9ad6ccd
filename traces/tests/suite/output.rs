//! Files that are written: whole or not at all, and never where they do harm.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use retake_traces::file::{FileError, OutputFile, check_folder, refuse_input};
use retake_traces::record::{End, OutcomeKind};
use retake_traces::{Header, Record, Sink as _, TraceWriter, verify};
use tempfile::TempDir;

type Write = fn(&Path) -> Result<(), FileError>;

fn end() -> Record {
    Record::End(End {
        outcome: OutcomeKind::Passed,
        detail: String::new(),
        steps: 0,
        now_ns: 0,
    })
}

fn in_one_go(path: &Path) -> Result<(), FileError> {
    OutputFile::write_all_to(path, "new")
}

fn as_partial(path: &Path) -> Result<(), FileError> {
    let mut file = OutputFile::create_partial(path)?;
    file.write_all(b"new")
        .map_err(FileError::of("write", path))?;
    file.finish()
}

/// Both ways of writing.
const WAYS: [Write; 2] = [in_one_go, as_partial];

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn mkfifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_file_that_is_given_up_leaves_the_old_one_whole() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "old").unwrap();
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(&folder), ["a"]);
}

#[test]
fn a_full_disk_leaves_the_old_file_whole_and_says_what_to_do() {
    // A file system of its own that has no room.
    let full = Path::new("/dev/full");
    for write in WAYS {
        let error = write(full).unwrap_err().to_string();
        assert!(
            error.contains("`/dev/full`") && error.contains("make room"),
            "{error}"
        );
        let kind = fs::metadata(full).unwrap().file_type();
        assert!(kind.is_char_device(), "it is still a device");
    }
}

#[test]
fn a_link_is_written_through_and_stays_a_link() {
    let folder = TempDir::new().unwrap();
    let (elsewhere, far) = (TempDir::new().unwrap(), "far");
    for write in WAYS {
        let target = elsewhere.path().join(far);
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        symlink(&target, &one).unwrap();
        symlink("one", &two).unwrap();
        write(&two).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&two).unwrap().is_symlink());
        // One that leads to no file yet.
        fs::remove_file(&target).unwrap();
        write(&two).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        fs::remove_file(&one).unwrap();
        // And one that leads to itself.
        symlink("two", &one).unwrap();
        assert!(write(&two).is_err());
        fs::remove_file(&one).unwrap();
        fs::remove_file(&two).unwrap();
        assert_eq!(names(&elsewhere), [far]);
    }
}

#[test]
fn a_device_and_a_fifo_are_written_into_and_stay() {
    let folder = TempDir::new().unwrap();
    for write in WAYS {
        let null = Path::new("/dev/null");
        write(null).unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
        let link = folder.path().join("null");
        symlink(null, &link).unwrap();
        write(&link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_file(&link).unwrap();

        let fifo = folder.path().join("fifo");
        mkfifo(&fifo);
        let reader = std::process::Command::new("cat")
            .arg(&fifo)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        write(&fifo).unwrap();
        let read = reader.wait_with_output().unwrap();
        assert_eq!(read.stdout, b"new");
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
        fs::remove_file(&fifo).unwrap();
    }
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
}

#[test]
fn a_trace_into_a_device_is_no_file() {
    let mut writer = TraceWriter::create("/dev/null", &Header::default()).unwrap();
    writer.record(&end()).unwrap();
    writer.finish().unwrap();
    let error = verify("/dev/null").unwrap_err().to_string();
    assert!(
        error.contains("it is a device, not a regular file"),
        "{error}"
    );
}

#[test]
fn a_planted_partial_is_neither_followed_nor_waited_for() {
    let folder = TempDir::new().unwrap();
    let (path, partial) = (folder.path().join("a"), folder.path().join("a.partial"));
    let victim = folder.path().join("victim");
    fs::write(&victim, "keep").unwrap();
    symlink(&victim, &partial).unwrap();
    let error = as_partial(&path).unwrap_err().to_string();
    assert!(
        error.contains("a.partial") && error.contains("remove it"),
        "{error}"
    );
    fs::remove_file(&partial).unwrap();
    mkfifo(&partial);
    assert!(as_partial(&path).is_err());
    fs::remove_file(&partial).unwrap();
    // A hard link to a file of others: the name goes, the file stays.
    fs::hard_link(&victim, &partial).unwrap();
    as_partial(&path).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"keep");
    assert_eq!(names(&folder), ["a", "victim"]);
}

#[test]
fn two_writers_of_one_partial_do_not_meet() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    let mut first = OutputFile::create_partial(&path).unwrap();
    first.write_all(b"first").unwrap();
    let error = OutputFile::create_partial(&path).unwrap_err().to_string();
    assert!(
        error.contains("another process is writing to it"),
        "{error}"
    );
    first.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"first");
}

#[test]
fn a_recording_keeps_what_killed_processes_left() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    for left in ["one", "two"] {
        let mut file = OutputFile::create_recording(&path).unwrap();
        file.write_all(left.as_bytes()).unwrap();
        file.flush().unwrap();
        let partial = fs::metadata(folder.path().join("a.partial")).unwrap();
        assert_eq!(partial.mode() & 0o777, 0o600);
        drop(file);
    }
    OutputFile::create_recording(&path)
        .unwrap()
        .finish()
        .unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!((&*read("a.crash-1"), &*read("a.crash-2")), ("one", "two"));
    assert_eq!(read("a"), "");
}

#[test]
fn a_place_that_cannot_be_written_is_found_at_once() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("file"), "").unwrap();
    let wrong: Vec<(PathBuf, &str)> = vec![
        (at("no/such/file"), "there is no folder"),
        (at("folder"), "it is a folder"),
        (at("new/"), "it is a folder"),
        (at("file/a"), "Not a directory"),
        (PathBuf::new(), "it is a folder"),
    ];
    for (path, what) in wrong {
        for create in [OutputFile::create, OutputFile::create_partial] {
            let error = create(&path).unwrap_err().to_string();
            assert!(error.contains(what), "{}: {error}", path.display());
        }
    }
    assert!(check_folder(&at("file")).is_err());
    assert!(check_folder(&at("file/below")).is_err());
    check_folder(&at("made/later")).unwrap();
    check_folder(&at("folder")).unwrap();
    check_folder(Path::new("made-later")).unwrap();
    assert_eq!(names(&folder), ["file", "folder"]);
    assert!(fs::read_dir(at("folder")).unwrap().next().is_none());
}

#[test]
fn an_input_is_never_written_over() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a"), "input").unwrap();
    fs::hard_link(at("a"), at("hard")).unwrap();
    symlink(at("a"), at("soft")).unwrap();
    fs::write(at("b.partial"), "left by a killed process").unwrap();
    for (out, input) in [
        ("a", "a"),
        ("hard", "a"),
        ("soft", "hard"),
        ("a", "soft"),
        ("b", "b.partial"),
    ] {
        let error = refuse_input(&at(out), [&*at(input)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("is read: write to another place"), "{error}");
    }
    refuse_input(&at("new"), [&*at("a")]).unwrap();
    refuse_input(Path::new("/dev/null"), [Path::new("/dev/null")]).unwrap();
}
