//! The one seam between the ledger and a disk.
//!
//! [`FileDisk`] is a file. [`SimulatedDisk`] is a disk whose power can be cut at
//! any operation: what was not synced is then lost, in part or altogether.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_distr::Distribution as _;

/// What a disk's operation gives.
pub type DiskResult<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// An append-only file.
pub trait Disk: fmt::Debug + Send + Sync {
    /// All that is there.
    fn read(&self) -> DiskResult<'_, Vec<u8>>;
    /// Write at the end. What is written survives a loss of power only after [`Disk::sync`].
    fn append(&self, bytes: Vec<u8>) -> DiskResult<'_, ()>;
    /// Make durable what was appended.
    fn sync(&self) -> DiskResult<'_, ()>;
    /// Cut to this length, durably.
    fn truncate(&self, length: u64) -> DiskResult<'_, ()>;
}

/// A file of the system. Its operations run on tokio's blocking threads, so it is
/// for live runs only.
#[derive(Clone, Debug)]
pub struct FileDisk(Arc<Mutex<File>>);

impl FileDisk {
    /// Open a file, or make it.
    ///
    /// # Errors
    /// If the system does not open it.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(&path)?;
        // A new name lasts only when its folder is synced.
        if let Some(folder) = path.as_ref().parent()
            && !folder.as_os_str().is_empty()
        {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut File) -> io::Result<T> + Send + 'static,
    ) -> DiskResult<'_, T> {
        let file = Arc::clone(&self.0);
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || {
                work(&mut file.lock().unwrap_or_else(PoisonError::into_inner))
            });
            done.await.map_err(io::Error::other)?
        })
    }
}

impl Disk for FileDisk {
    fn read(&self) -> DiskResult<'_, Vec<u8>> {
        self.work(|file| {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    fn append(&self, bytes: Vec<u8>) -> DiskResult<'_, ()> {
        self.work(move |file| file.write_all(&bytes))
    }

    fn sync(&self) -> DiskResult<'_, ()> {
        self.work(|file| file.sync_data())
    }

    fn truncate(&self, length: u64) -> DiskResult<'_, ()> {
        self.work(move |file| {
            file.set_len(length)?;
            file.sync_all()
        })
    }
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    /// As programs see it.
    bytes: Vec<u8>,
    /// What is durable of that.
    synced: usize,
    /// Writes, syncs and truncations so far.
    operations: u64,
    /// The power goes during the operation of this number, from 1.
    power_cut_at: Option<u64>,
    is_off: bool,
    sync_time: Duration,
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let platter = self.platter();
        let (bytes, synced) = (platter.bytes.len(), platter.synced);
        write!(f, "SimulatedDisk({bytes} bytes, {synced} synced)")
    }
}

impl SimulatedDisk {
    /// An empty disk that syncs at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let each sync take this long.
    #[must_use]
    pub fn sync_time(self, time: Duration) -> Self {
        self.platter().sync_time = time;
        self
    }

    /// Cut the power during the operation of this number, from 1: it fails, and so
    /// does everything after it. Writes, syncs and truncations count.
    pub fn cut_power_at(&self, operation: u64) {
        self.platter().power_cut_at = Some(operation);
    }

    /// Writes, syncs and truncations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.platter().operations
    }

    /// Turn the power on again. Of what was not synced a part survives, from none
    /// to all, drawn from the simulation's random stream; the rest of it is zeros
    /// or gone.
    pub fn power_on(&self) {
        let mut platter = self.platter();
        let unsynced = platter.bytes.len() - platter.synced;
        let survives = draw(unsynced);
        let (synced, length) = (platter.synced, platter.bytes.len());
        if draw(1) == 0 {
            platter.bytes.truncate(synced + survives);
        } else {
            // The length was recorded before the content.
            platter.bytes[synced + survives..length].fill(0);
        }
        platter.synced = platter.bytes.len();
        platter.power_cut_at = None;
        platter.is_off = false;
    }

    /// Bytes that it takes in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.platter().bytes.capacity()
    }

    /// What is there, to look at or damage in tests.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.platter().bytes.clone()
    }

    /// Change what is there, as decay does.
    pub fn corrupt(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut platter = self.platter();
        change(&mut platter.bytes);
        platter.synced = platter.bytes.len();
    }

    /// Count an operation; an error if the power goes or is gone.
    fn operate(&self) -> (MutexGuard<'_, Platter>, io::Result<()>) {
        let mut platter = self.platter();
        platter.operations += 1;
        platter.is_off |= platter.power_cut_at == Some(platter.operations);
        let result = if platter.is_off {
            Err(io::Error::other("the disk has no power"))
        } else {
            Ok(())
        };
        (platter, result)
    }
}

/// A whole number from 0 to `most`.
fn draw(most: usize) -> usize {
    rand_distr::Uniform::new_inclusive(0, most)
        .map_or(0, |uniform| uniform.sample(&mut retake::rng()))
}

impl Disk for SimulatedDisk {
    fn read(&self) -> DiskResult<'_, Vec<u8>> {
        Box::pin(async { Ok(self.bytes()) })
    }

    fn append(&self, bytes: Vec<u8>) -> DiskResult<'_, ()> {
        Box::pin(async move {
            let (mut platter, result) = self.operate();
            // A write that is interrupted may have got through in part.
            platter.bytes.extend(bytes);
            result
        })
    }

    fn sync(&self) -> DiskResult<'_, ()> {
        Box::pin(async move {
            let time = self.platter().sync_time;
            if !time.is_zero() {
                retake::sleep(time).await;
            }
            let (mut platter, result) = self.operate();
            if result.is_ok() {
                platter.synced = platter.bytes.len();
            }
            result
        })
    }

    fn truncate(&self, length: u64) -> DiskResult<'_, ()> {
        Box::pin(async move {
            let (mut platter, result) = self.operate();
            if result.is_ok() {
                platter
                    .bytes
                    .truncate(usize::try_from(length).unwrap_or(usize::MAX));
                platter.synced = platter.bytes.len();
            }
            result
        })
    }
}
