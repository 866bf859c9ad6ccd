//! Secrets and tokens in files.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use retake_system::ingress::check_key;

/// Longest file of a key, in bytes.
const FILE_MAX: u64 = 4096;

/// The key in a file, without the space around it.
///
/// # Errors
/// In words, if it cannot be read or is too weak, and what to do.
pub(super) fn read_key(file: &Path) -> Result<Vec<u8>, String> {
    // Before it is opened: a FIFO waits for its writer.
    let found = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut text = Vec::new();
    File::open(file)
        .and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut text))
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE_MAX {
        return Err(format!("it has more than {FILE_MAX} bytes"));
    }
    let key = text.trim_ascii();
    check_key(key).map_err(|error| error.to_string())?;
    Ok(key.to_vec())
}

/// The permissions of a file that others than its owner may read or change.
pub(super) fn open_to_others(file: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    None
}
