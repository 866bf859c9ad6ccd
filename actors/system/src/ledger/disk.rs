//! The one seam between the ledger and a disk.
//!
//! A disk has a log, which is appended to, and a **mark**: how many bytes of the
//! log are known to be durable. The mark is what tells a log that was cut or emptied from
//! one that was never longer. It is written after each sync and not synced itself, so it
//! survives the end of the process; after a loss of power it may be an older one, but it is
//! never ahead of the log.
//!
//! [`FileDisk`] is two files. [`SimulatedDisk`](super::SimulatedDisk) is a disk on which any
//! operation can go wrong; when its power is cut, what was not synced is lost, in part or
//! altogether.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use retake::record::{Value, outside};

/// What a disk's operation gives.
pub type DiskResult<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// What a disk holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The log.
    pub bytes: Vec<u8>,
    /// Bytes of the log that were durable at least, by the mark; 0 without a mark.
    pub durable_min: u64,
}

impl Contents {
    /// Read a log of the system and its mark, and leave them as they are.
    ///
    /// # Errors
    /// If the log cannot be read, or is no regular file.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        open_regular(path, OpenOptions::new().read(true))?.read_to_end(&mut bytes)?;
        let mark = open_regular(&mark_path(path), OpenOptions::new().read(true));
        let durable_min = match mark {
            Ok(mut mark) => read_mark(&mut mark)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self { bytes, durable_min })
    }
}

impl Value for Contents {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.durable_min.to_le_bytes(), &self.bytes[..]].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (durable_min, bytes) = bytes.split_first_chunk()?;
        Some(Self {
            bytes: bytes.to_vec(),
            durable_min: u64::from_le_bytes(*durable_min),
        })
    }
}

/// An append-only log, with a mark of how much of it is durable.
pub trait Disk: fmt::Debug + Send + Sync {
    /// The whole content.
    fn read(&self) -> DiskResult<'_, Contents>;
    /// Write at the end of the log. What is written survives a loss of power only after
    /// [`Disk::sync`].
    fn append(&self, bytes: Vec<u8>) -> DiskResult<'_, ()>;
    /// Make durable what was appended, and set the mark to `length`, the length of the log.
    fn sync(&self, length: u64) -> DiskResult<'_, ()>;
    /// Cut to this length, durably.
    fn truncate(&self, length: u64) -> DiskResult<'_, ()>;
}

/// What a [`FileDisk`] needs of a file: one that can be read, and appended to, and
/// forced to the disk.
pub trait DiskFile: Read + Write + Seek + fmt::Debug + Send + 'static {
    /// Make its content durable.
    ///
    /// # Errors
    /// If the system fails to, or the file was deleted.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Cut to this length, durably.
    ///
    /// # Errors
    /// If the system fails to.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl DiskFile for File {
    fn sync_data(&mut self) -> io::Result<()> {
        Self::sync_data(self)?;
        check_linked(self)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

/// A file without a name is gone when its process ends: what is synced to it is not durable.
fn check_linked(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the log was deleted or replaced while it was in use, so nothing that is \
                 written to it lasts: restore the data folder from a copy",
            ));
        }
    }
    Ok(())
}

/// A log in a file, and its mark in another one: files of the system, or what behaves like
/// them. Operations run on tokio's blocking threads, and at once in a simulation, which has
/// no threads.
#[derive(Debug)]
pub struct FileDisk<F = File>(Arc<Mutex<Files<F>>>);

#[derive(Debug)]
struct Files<F> {
    log: F,
    mark: Option<F>,
}

impl<F> Clone for FileDisk<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl FileDisk {
    /// Open a log of the system, or make it, with its mark next to it: of `ledger.log` that
    /// is `ledger.mark`. Only their owner may read them. In a simulation they would survive
    /// what is simulated: use a [`SimulatedDisk`](super::SimulatedDisk), or
    /// [`FileDisk::over`] simulated files.
    ///
    /// Two disks over one file damage it: a [`DataFolder`](super::DataFolder) has one owner.
    ///
    /// # Errors
    /// If the system does not open them, or one of them is no regular file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let log = open_private(path, OpenOptions::new().append(true))?;
        let mark = open_private(&mark_path(path), OpenOptions::new().write(true))?;
        // A new name lasts only when its folder is synced.
        if let Some(folder) = path.parent()
            && !folder.as_os_str().is_empty()
        {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self::over(log).with_mark(mark))
    }

    /// Lock the log for as long as this disk lives.
    pub(super) fn try_lock(&self) -> Result<(), TryLockError> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.log.try_lock()
    }
}

/// Where the mark of this log is.
pub(super) fn mark_path(log: &Path) -> PathBuf {
    log.with_extension("mark")
}

/// Open what is a regular file, if it is there: a FIFO or a device can wait for ever.
fn open_regular(path: &Path, options: &OpenOptions) -> io::Result<File> {
    if let Ok(found) = std::fs::metadata(path)
        && !found.is_file()
    {
        let what = format!("`{}` is no regular file", path.display());
        return Err(io::Error::other(what));
    }
    options.open(path)
}

/// Open a regular file, or make it, to be read and changed by its owner alone.
pub(super) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.read(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = open_regular(path, options)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = file.metadata()?.permissions();
        if permissions.mode() & 0o077 != 0 {
            let private = std::fs::Permissions::from_mode(0o600);
            file.set_permissions(private)?;
        }
    }
    Ok(file)
}

impl<F: DiskFile> FileDisk<F> {
    /// Over a log that is open to be read and appended to, without a mark.
    pub fn over(log: F) -> Self {
        Self(Arc::new(Mutex::new(Files { log, mark: None })))
    }

    /// This disk, with its mark in a file that is open to be read and written.
    #[must_use]
    pub fn with_mark(self, mark: F) -> Self {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mark = Some(mark);
        self
    }

    fn work<T: Value + Send + 'static>(
        &self,
        work: impl FnOnce(&mut Files<F>) -> io::Result<T> + Send + 'static,
    ) -> DiskResult<'_, T> {
        let files = Arc::clone(&self.0);
        let work = move || work(&mut files.lock().unwrap_or_else(PoisonError::into_inner));
        let done = async move {
            if retake::is_simulated() {
                return work();
            }
            #[allow(clippy::disallowed_methods, reason = "not in a simulation")]
            let done = tokio::task::spawn_blocking(work);
            done.await.map_err(io::Error::other)?
        };
        Box::pin(outside(DISK, done))
    }
}

impl<F: DiskFile> Disk for FileDisk<F> {
    fn read(&self) -> DiskResult<'_, Contents> {
        self.work(|files| {
            let mut bytes = Vec::new();
            files.log.seek(SeekFrom::Start(0))?;
            files.log.read_to_end(&mut bytes)?;
            let durable_min = match &mut files.mark {
                Some(mark) => read_mark(mark)?,
                None => 0,
            };
            Ok(Contents { bytes, durable_min })
        })
    }

    fn append(&self, bytes: Vec<u8>) -> DiskResult<'_, ()> {
        self.work(move |files| files.log.write_all(&bytes))
    }

    fn sync(&self, length: u64) -> DiskResult<'_, ()> {
        self.work(move |files| {
            files.log.sync_data()?;
            let Some(mark) = &mut files.mark else {
                return Ok(());
            };
            mark.seek(SeekFrom::Start(0))?;
            mark.write_all(mark_text(length).as_bytes())
        })
    }

    fn truncate(&self, length: u64) -> DiskResult<'_, ()> {
        self.work(move |files| files.log.truncate(length))
    }
}

/// A mark is always as long, so it is written over the one before.
fn mark_text(length: u64) -> String {
    let checksum = crc32fast::hash(&length.to_le_bytes());
    format!("durable {length:020} {checksum:08x}\n")
}

/// Gives 0 for a mark that is empty or damaged: the log is then checked by itself.
fn read_mark(mark: &mut (impl Read + Seek)) -> io::Result<u64> {
    let whole = mark_text(0).len();
    let mut text = String::new();
    mark.seek(SeekFrom::Start(0))?;
    let read = mark.take(2 * whole as u64).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
        _ => {}
    }
    let length = text.get("durable ".len()..whole - 10);
    let length = length.and_then(|digits| digits.parse().ok());
    match length.filter(|length| mark_text(*length) == text) {
        Some(length) => Ok(length),
        None => {
            if !text.is_empty() {
                tracing::warn!("the ledger's mark is damaged: a log that was cut is not noticed");
            }
            Ok(0)
        }
    }
}

/// The name of a disk's results in a recording.
const DISK: &str = "disk";

/// The disk of a recorded process, in a replay: each operation gives what it gave there, and
/// does nothing. Elsewhere it never answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayedDisk;

impl Disk for ReplayedDisk {
    fn read(&self) -> DiskResult<'_, Contents> {
        Box::pin(outside(DISK, std::future::pending()))
    }

    fn append(&self, _: Vec<u8>) -> DiskResult<'_, ()> {
        Box::pin(outside(DISK, std::future::pending()))
    }

    fn sync(&self, _: u64) -> DiskResult<'_, ()> {
        Box::pin(outside(DISK, std::future::pending()))
    }

    fn truncate(&self, _: u64) -> DiskResult<'_, ()> {
        Box::pin(outside(DISK, std::future::pending()))
    }
}
