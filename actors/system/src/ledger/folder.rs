//! The folder that a ledger lives in, and its one owner.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::{FileDisk, open_private};

/// The name of a ledger's log in its folder.
const LOG: &str = "ledger.log";
/// The name of the file whose lock makes a process the owner.
const LOCK: &str = "lock";
/// Longest text in that file that is read, in bytes.
const OWNER_MAX: u64 = 200;

/// A data folder that this process owns, for as long as this value lives.
///
/// Two ledgers that append to one log damage it, so the folder is locked before anything in
/// it is read. The system releases the lock when the process ends, however it ends.
///
/// ```
/// use retake_system::ledger::{DataFolder, FolderError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temporary = tempfile::tempdir()?;
/// let path = temporary.path().join("data");
/// let folder = DataFolder::open(&path)?;
/// let disk = folder.ledger()?;
/// assert!(matches!(DataFolder::open(&path), Err(FolderError::InUse { .. })));
/// # drop((folder, disk));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Locked while it is open.
    _lock: File,
}

/// Who has a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Its process, if that is known.
    pub pid: Option<u32>,
    /// How long it has had the folder, if that is known.
    pub time: Option<Duration>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        match self.time {
            Some(time) => write!(f, ", for {} s", time.as_secs()),
            None => Ok(()),
        }
    }
}

/// Why a folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("`{}` is in use by {owner}: stop that process, or give another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who has it.
        owner: Owner,
    },
    /// The system says so.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DataFolder {
    /// Lock this folder. It is made if it is not there, for its owner alone, and its name is
    /// made durable. Nothing else in it is read or changed.
    ///
    /// # Errors
    /// If another process has it, or the system does not make or lock it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FolderError> {
        let path = path.as_ref().to_owned();
        create(&path).map_err(io_error("make", &path))?;
        let lock_path = path.join(LOCK);
        let lock = open_private(&lock_path, OpenOptions::new().write(true));
        let mut lock = lock.map_err(io_error("open", &lock_path))?;
        take(&mut lock, &path, &lock_path)?;
        let pid = std::process::id();
        let since = retake::unix_time().as_secs();
        let written = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| lock.write_all(format!("pid {pid} since {since}\n").as_bytes()));
        if let Err(error) = written {
            // The lock is what counts; a full disk keeps nobody from serving what is there.
            tracing::warn!(%error, "cannot write down who has the data folder");
        }
        Ok(Self { path, _lock: lock })
    }

    /// Look whether this folder can be had, without taking it.
    ///
    /// # Errors
    /// If another process has it, or the system does not say.
    pub fn look(path: impl AsRef<Path>) -> Result<(), FolderError> {
        let path = path.as_ref();
        let lock_path = path.join(LOCK);
        match File::open(&lock_path) {
            Ok(mut lock) => take(&mut lock, path, &lock_path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io_error("open", &lock_path)(error)),
        }
    }

    /// The disk of the ledger in this folder.
    ///
    /// # Errors
    /// If its files cannot be opened, or another process has them in spite of the lock.
    pub fn ledger(&self) -> Result<FileDisk, FolderError> {
        let path = self.log_path();
        let disk = FileDisk::open(&path).map_err(io_error("open", &path))?;
        // Somebody may have removed the file of the lock while its owner was running.
        match disk.try_lock() {
            Ok(()) => Ok(disk),
            Err(error) => Err(lock_error(error, Owner::default(), &self.path, &path)),
        }
    }

    /// Where the ledger's log is.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The permissions of the folder, if others than its owner have any.
    #[must_use]
    pub fn open_to_others(&self) -> Option<u32> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = self.path.metadata().ok()?.permissions().mode() & 0o777;
            (mode & 0o077 != 0).then_some(mode)
        }
        #[cfg(not(unix))]
        None
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io {
        doing,
        path,
        source,
    }
}

fn lock_error(error: TryLockError, owner: Owner, folder: &Path, file: &Path) -> FolderError {
    match error {
        TryLockError::WouldBlock => FolderError::InUse {
            path: folder.to_owned(),
            owner,
        },
        TryLockError::Error(source) => io_error("lock", file)(source),
    }
}

/// Lock an open file; an error names who has it.
fn take(lock: &mut File, folder: &Path, file: &Path) -> Result<(), FolderError> {
    lock.try_lock().map_err(|error| {
        let mut text = String::new();
        // Without a text nobody is named.
        let _ = lock.take(OWNER_MAX).read_to_string(&mut text);
        lock_error(error, owner(&text), folder, file)
    })
}

fn owner(text: &str) -> Owner {
    let words: Vec<&str> = text.split_whitespace().collect();
    let ["pid", pid, "since", since] = words[..] else {
        return Owner::default();
    };
    let since = since.parse().ok().map(Duration::from_secs);
    Owner {
        pid: pid.parse().ok(),
        time: since.map(|since| retake::unix_time().saturating_sub(since)),
    }
}

/// Make a folder and those that it lies in, durably.
fn create(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|it| !it.as_os_str().is_empty() && !it.exists())
        .collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)?;
    for made in missing {
        // A new name lasts only when the folder that has it is synced.
        let parent = match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_folder_is_read_from_its_lock_or_not_known() {
        assert_eq!(owner("pid 17 since 5\n").pid, Some(17));
        assert_eq!(owner("pid 17").to_string(), "another process");
        assert_eq!(owner("\0\u{1b}[31m").to_string(), "another process");
        let owner = Owner {
            pid: Some(17),
            time: Some(Duration::from_secs(90)),
        };
        assert_eq!(owner.to_string(), "process 17, for 90 s");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_and_its_files_are_for_their_owner_alone() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b/c");
        let log = path.join(LOG);
        let folder = DataFolder::open(&path).unwrap();
        assert_eq!(folder.open_to_others(), None);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        drop(folder.ledger().unwrap());
        assert_eq!((mode(&path), mode(&log)), (0o700, 0o600));
        assert_eq!(mode(&log.with_extension("mark")), 0o600);
        // One from an earlier time.
        std::fs::set_permissions(&log, Permissions::from_mode(0o644)).unwrap();
        drop(folder.ledger().unwrap());
        assert_eq!(mode(&log), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(folder.open_to_others(), Some(0o755));
    }

    #[test]
    fn a_folder_has_one_owner_even_without_the_file_of_its_lock() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(temporary.path()).unwrap();
        let disk = folder.ledger().unwrap();
        let error = DataFolder::look(temporary.path()).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            error.contains(&format!("in use by process {pid}")),
            "{error}"
        );
        std::fs::remove_file(temporary.path().join(LOCK)).unwrap();
        let second = DataFolder::open(temporary.path()).unwrap();
        assert!(matches!(second.ledger(), Err(FolderError::InUse { .. })));
        drop((folder, disk));
        second.ledger().unwrap();
    }
}
