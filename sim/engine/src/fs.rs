//! A simulated file system: files whose unsynced content a crash takes away.
//!
//! The files are those of the crate `turmoil-fs`; this module gives them the run's
//! virtual time and seed, and makes handles that were open at a crash fail, as they
//! do when their process has died.
//!
//! ```
//! use std::io::{Read, Write};
//! use retake_sim::{Sim, fs};
//!
//! let run = Sim::new().run(|| async {
//!     let disk = fs::FileSystem::new(fs::FsConfig::default());
//!     disk.create_dir("/data").unwrap();
//!     let mut file = disk.open("/data/log").unwrap();
//!     file.write_all(b"kept").unwrap();
//!     file.sync_data().unwrap();
//!     file.write_all(b", lost").unwrap();
//!     disk.crash();
//!     assert!(file.write_all(b"too late").is_err());
//!     let mut text = String::new();
//!     disk.open("/data/log").unwrap().read_to_string(&mut text).unwrap();
//!     text
//! });
//! assert_eq!(run.expect_passed(), "kept");
//! ```
//!
//! What [`FsConfig`] can do, in each run: tear what is written at block boundaries when the disk
//! crashes, sync at random, run out of space, fail reads and writes, flip bits of what is read.
//!
//! Faults of a run are `crash disk @2s`, `fill disk`, `fail disk syncs rate 5%`, `shorten disk
//! writes` and `corrupt disk reads`, see [`Fault`](crate::Fault): they are recorded and can be
//! left out one by one. A crash comes at the next operation on the disk, which is when anybody
//! can see it. Of files, reads, writes, syncs and changes of length can fail; making folders and
//! opening files cannot. What was not synced because a sync failed is still there to be synced:
//! some systems lose it.
//!
//! What `turmoil-fs` 0.1 does not do: tear at a crash where no [`FsConfig::block_size`] was set
//! at the start, misdirect or repeat a write.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand_core::Rng as _;
use retake::{DiskFailure, DiskFailureKind, DiskOperation};
use turmoil_fs::Fs;
use turmoil_fs::shim::std::fs as shim;

pub use turmoil_fs::FsConfig;

use crate::rng::stream;

/// A file system. Clones are the same one.
#[derive(Clone)]
pub struct FileSystem {
    fs: Fs,
    /// As faults call it.
    name: Arc<str>,
    /// Crashes so far.
    crashes: Arc<AtomicU64>,
}

impl fmt::Debug for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let crashes = self.crashes.load(Ordering::Relaxed);
        write!(f, "FileSystem({crashes} crashes)")
    }
}

impl FileSystem {
    /// An empty one. Its faults are drawn by the seed of the simulation that runs on
    /// this thread, or by 0 outside.
    #[must_use]
    pub fn new(config: FsConfig) -> Self {
        let seed = crate::sim::current_seed().unwrap_or_default();
        let seed = stream(seed, "disk").next_u64();
        Self {
            fs: Fs::builder().config(config).seed(seed).build(),
            name: Arc::from("disk"),
            crashes: Arc::default(),
        }
    }

    /// The same one with a name for faults, where a run has several; else it is `disk`.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let name = Arc::from(name);
        Self { name, ..self }
    }

    /// How an operation fails, if it does. A crash is made here.
    fn ask(&self, operation: DiskOperation) -> Option<DiskFailure> {
        let failure = retake::disk(&self.name, operation)?;
        let what = match failure.kind() {
            DiskFailureKind::Crash => {
                self.crash();
                return None;
            }
            DiskFailureKind::Error => "fails",
            DiskFailureKind::Full => "finds no room",
            DiskFailureKind::Short => "is short",
            DiskFailureKind::Corrupt => "has a wrong bit",
        };
        retake::event!("{}: one of its {} {what}", self.name, operation.word());
        Some(failure)
    }

    /// Work on it, at the present time.
    fn work<T>(&self, work: impl FnOnce() -> T) -> T {
        if retake::is_simulated() {
            let since_start = retake::unix_time().saturating_sub(retake::SIMULATED_UNIX_START);
            self.fs.set_now(since_start);
        }
        let _entered = self.fs.enter();
        work()
    }

    /// Make a folder, and those above it, durably.
    ///
    /// # Errors
    /// If there is a file of that name.
    pub fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.ask(DiskOperation::Open);
        self.work(|| {
            shim::create_dir_all(&path)?;
            let parent = path.as_ref().parent();
            shim::sync_dir(parent.unwrap_or(Path::new("/")))
        })
    }

    /// Open a file to read it and to append to it, and make it if need be, durably.
    ///
    /// # Errors
    /// If its folder is not there.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.ask(DiskOperation::Open);
        let file = self.work(|| {
            let mut options = shim::OpenOptions::new();
            let file = options.read(true).append(true).create(true).open(&path)?;
            // Unlike a real one, this folder keeps a new name only after both.
            file.sync_all()?;
            shim::sync_dir(path.as_ref().parent().unwrap_or(Path::new("/")))?;
            Ok::<_, io::Error>(file)
        })?;
        Ok(File {
            file: Some(file),
            opened_at: self.crashes.load(Ordering::Relaxed),
            system: self.clone(),
        })
    }

    /// Lose what was not synced, in part where [`FsConfig::block_size`] says so. Files
    /// that are open fail from now on.
    pub fn crash(&self) {
        retake::event!("disk: crashes, and loses what was not synced");
        self.crashes.fetch_add(1, Ordering::Relaxed);
        self.fs.crash();
    }
}

/// How many of so many bytes are read or written.
fn part_of(failure: Option<DiskFailure>, length: usize) -> usize {
    failure.map_or(length, |failure| failure.part_of(length))
}

/// A file of a simulated file system.
#[derive(Debug)]
pub struct File {
    /// There until it is dropped.
    file: Option<shim::File>,
    opened_at: u64,
    system: FileSystem,
}

impl File {
    /// Work on it, unless the operation fails; what is short or corrupt is for the work.
    fn work<T>(
        &mut self,
        operation: DiskOperation,
        work: impl FnOnce(&mut shim::File, Option<DiskFailure>) -> io::Result<T>,
    ) -> io::Result<T> {
        let failure = self.system.ask(operation);
        if self.system.crashes.load(Ordering::Relaxed) != self.opened_at {
            return Err(io::Error::other("the machine has crashed"));
        }
        let Some(file) = &mut self.file else {
            return Err(io::ErrorKind::NotFound.into());
        };
        match failure.map(|failure| (failure, failure.kind())) {
            Some((failure, DiskFailureKind::Error | DiskFailureKind::Full)) => Err(failure.into()),
            _ => self.system.work(|| work(file, failure)),
        }
    }

    /// As [`std::fs::File::sync_data`].
    ///
    /// # Errors
    /// After a crash.
    pub fn sync_data(&mut self) -> io::Result<()> {
        self.work(DiskOperation::Sync, |file, _| file.sync_data())
    }

    /// As [`std::fs::File::sync_all`].
    ///
    /// # Errors
    /// After a crash.
    pub fn sync_all(&mut self) -> io::Result<()> {
        self.work(DiskOperation::Sync, |file, _| file.sync_all())
    }

    /// As [`std::fs::File::set_len`].
    ///
    /// # Errors
    /// After a crash.
    pub fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.work(DiskOperation::Write, |file, _| file.set_len(length))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let file = self.file.take();
        self.system.work(|| drop(file));
    }
}

impl Read for File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.work(DiskOperation::Read, |file, failure| {
            let is = |kind| failure.filter(|failure| failure.kind() == kind);
            let length = part_of(is(DiskFailureKind::Short), bytes.len());
            let read = file.read(&mut bytes[..length])?;
            if let Some(failure) = is(DiskFailureKind::Corrupt) {
                failure.flip_bit(&mut bytes[..read]);
            }
            Ok(read)
        })
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.work(DiskOperation::Write, |file, failure| {
            file.write(&bytes[..part_of(failure, bytes.len())])
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is buffered, so nothing is written.
        self.work(DiskOperation::Open, |file, _| file.flush())
    }
}

impl Seek for File {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.work(DiskOperation::Open, |file, _| file.seek(position))
    }
}
