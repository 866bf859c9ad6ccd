//! Files that are written: whole or not at all, and never where they do harm.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::is_refused;
use retake_testkit::Folder;
use retake_testkit::traces::small::end;
use retake_traces::file::{FileError, OutputFile, check_folder, refuse_input};
use retake_traces::{Header, Sink as _, TraceWriter, verify};

type Write = fn(&Path) -> Result<(), FileError>;

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

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_file_that_is_given_up_leaves_the_old_one_whole() {
    let folder = Folder::new();
    let path = folder.write("a", "old");
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert_eq!(folder.text("a"), "old");
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_full_disk_leaves_the_old_file_whole_and_says_what_to_do() {
    // A file system of its own that has no room.
    let full = Path::new("/dev/full");
    for write in WAYS {
        is_refused(write(full), &["`/dev/full`", "make room"]);
        let kind = fs::metadata(full).unwrap().file_type();
        assert!(kind.is_char_device(), "it is still a device");
    }
}

#[test]
fn a_link_is_written_through_and_stays_a_link() {
    let folder = Folder::new();
    let elsewhere = Folder::new();
    let (one, two) = (folder.at("one"), folder.at("two"));
    for write in WAYS {
        let target = elsewhere.write("far", "old");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&target, &one).unwrap();
        symlink("one", &two).unwrap();
        write(&two).unwrap();
        assert_eq!(elsewhere.text("far"), "new");
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&two).unwrap().is_symlink());
        // One that leads to no file yet.
        fs::remove_file(&target).unwrap();
        write(&two).unwrap();
        assert_eq!(elsewhere.text("far"), "new");
        fs::remove_file(&one).unwrap();
        // And one that leads to itself.
        symlink("two", &one).unwrap();
        assert!(write(&two).is_err());
        fs::remove_file(&one).unwrap();
        fs::remove_file(&two).unwrap();
        assert_eq!(elsewhere.names(), ["far"]);
    }
}

#[test]
fn a_device_and_a_fifo_are_written_into_and_stay() {
    let folder = Folder::new();
    for write in WAYS {
        let null = Path::new("/dev/null");
        write(null).unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
        let link = folder.at("null");
        symlink(null, &link).unwrap();
        write(&link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_file(&link).unwrap();

        let fifo = folder.at("fifo");
        mkfifo(&fifo);
        let mut reader = Command::new("cat");
        let reader = reader.arg(&fifo).stdout(Stdio::piped()).spawn();
        write(&fifo).unwrap();
        let read = reader.unwrap().wait_with_output().unwrap();
        assert_eq!(read.stdout, b"new");
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
        fs::remove_file(&fifo).unwrap();
    }
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn a_trace_into_a_device_is_no_file() {
    let mut writer = TraceWriter::create("/dev/null", &Header::default()).unwrap();
    writer.record(&end(0, 0)).unwrap();
    writer.finish().unwrap();
    let what = "it is a device, not a regular file";
    is_refused(verify("/dev/null"), &[what]);
}

#[test]
fn a_planted_partial_is_neither_followed_nor_waited_for() {
    let folder = Folder::new();
    let (path, partial) = (folder.at("a"), folder.at("a.partial"));
    let victim = folder.write("victim", "keep");
    symlink(&victim, &partial).unwrap();
    is_refused(as_partial(&path), &["a.partial", "remove it"]);
    fs::remove_file(&partial).unwrap();
    mkfifo(&partial);
    assert!(as_partial(&path).is_err());
    fs::remove_file(&partial).unwrap();
    // A hard link to a file of others: the name goes, the file stays.
    fs::hard_link(&victim, &partial).unwrap();
    as_partial(&path).unwrap();
    assert_eq!(folder.text("victim"), "keep");
    assert_eq!(folder.names(), ["a", "victim"]);
}

#[test]
fn two_writers_of_one_partial_do_not_meet() {
    let folder = Folder::new();
    let path = folder.at("a");
    let mut first = OutputFile::create_partial(&path).unwrap();
    first.write_all(b"first").unwrap();
    let second = OutputFile::create_partial(&path);
    is_refused(second, &["another process is writing to it"]);
    first.finish().unwrap();
    assert_eq!(folder.text("a"), "first");
}

#[test]
fn a_recording_keeps_what_killed_processes_left() {
    let folder = Folder::new();
    let path = folder.at("a");
    for left in ["one", "two"] {
        let mut file = OutputFile::create_recording(&path).unwrap();
        file.write_all(left.as_bytes()).unwrap();
        file.flush().unwrap();
        let partial = fs::metadata(folder.at("a.partial")).unwrap();
        assert_eq!(partial.mode() & 0o777, 0o600);
        drop(file);
    }
    let last = OutputFile::create_recording(&path).unwrap();
    last.finish().unwrap();
    for (name, text) in [("a.crash-1", "one"), ("a.crash-2", "two"), ("a", "")] {
        assert_eq!(folder.text(name), text, "{name}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_found_at_once() {
    let folder = Folder::new();
    let at = |name: &str| folder.at(name);
    fs::create_dir(at("folder")).unwrap();
    folder.write("file", "");
    for (path, what) in [
        (at("no/such/file"), "there is no folder"),
        (at("folder"), "it is a folder"),
        (at("new/"), "it is a folder"),
        (at("file/a"), "Not a directory"),
        (PathBuf::new(), "it is a folder"),
    ] {
        for create in [OutputFile::create, OutputFile::create_partial] {
            is_refused(create(&path), &[what]);
        }
    }
    assert!(check_folder(&at("file")).is_err());
    assert!(check_folder(&at("file/below")).is_err());
    check_folder(&at("made/later")).unwrap();
    check_folder(&at("folder")).unwrap();
    check_folder(Path::new("made-later")).unwrap();
    assert_eq!(folder.names(), ["file", "folder"]);
    assert!(fs::read_dir(at("folder")).unwrap().next().is_none());
}

#[test]
fn an_input_is_never_written_over() {
    let folder = Folder::new();
    let at = |name: &str| folder.at(name);
    folder.write("a", "input");
    fs::hard_link(at("a"), at("hard")).unwrap();
    symlink(at("a"), at("soft")).unwrap();
    folder.write("b.partial", "left by a killed process");
    for row in ["a a", "hard a", "soft hard", "a soft", "b b.partial"] {
        let (out, input) = row.split_once(' ').unwrap();
        let refused = refuse_input(&at(out), [&*at(input)]);
        is_refused(refused, &["is read: write to another place"]);
    }
    refuse_input(&at("new"), [&*at("a")]).unwrap();
    refuse_input(Path::new("/dev/null"), [Path::new("/dev/null")]).unwrap();
}
