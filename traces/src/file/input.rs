//! Reading regular files, and no more than a limit.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::{FileError, kind_of};

/// Open a regular file to read it.
///
/// A FIFO without a writer would be waited for, and a device may never end: both are
/// refused, as folders are.
///
/// # Errors
/// If the file cannot be opened, or is no regular file.
pub fn open_regular(path: &Path) -> Result<File, FileError> {
    // Before it is opened: opening a FIFO waits.
    let found = fs::metadata(path).map_err(FileError::of("open", path))?;
    if !found.is_file() {
        let what = match kind_of(found.file_type()) {
            "a folder" => "it is a folder: name a file in it".to_owned(),
            kind => format!("it is {kind}, not a regular file: copy its content to a file first"),
        };
        return Err(FileError::refused("open", path, what));
    }
    File::open(path).map_err(FileError::of("open", path))
}

/// Read a regular file that holds text, of at most so many bytes.
///
/// # Errors
/// If the file cannot be read, is no regular file, is larger or is not UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, FileError> {
    let mut text = String::new();
    let file = open_regular(path)?;
    // One more, to know of it. Some files do not say how long they are.
    let read = file.take(bytes_max.saturating_add(1));
    let length = { read }
        .read_to_string(&mut text)
        .map_err(FileError::of("read", path))?;
    if length as u64 > bytes_max {
        let what = format!(
            "it is larger than {}: check that it is the right file",
            size(bytes_max)
        );
        return Err(FileError::refused("read", path, what));
    }
    Ok(text)
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        let error = read_text(&path, 4).unwrap_err().to_string();
        assert!(error.contains("larger than 4 bytes"), "{error}");
        // A sparse one, larger than what is allowed by far, and within the limits of file sizes that
        // test runners set.
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(4 << 30)
            .unwrap();
        let error = read_text(&path, 1 << 20).unwrap_err().to_string();
        assert!(error.contains("larger than 1 MiB"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn folders_fifos_and_devices_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        for (path, what) in [
            (folder.path(), "it is a folder"),
            (&*fifo, "it is a FIFO"),
            (Path::new("/dev/zero"), "it is a device"),
        ] {
            let error = read_text(path, 1 << 20).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
