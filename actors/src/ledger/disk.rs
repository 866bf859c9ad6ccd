//! The one seam between the ledger and a disk.
//!
//! [`FileDisk`] is a file. [`SimulatedDisk`] is a disk on which any operation can go
//! wrong; when its power is cut, what was not synced is lost, in part or altogether.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_distr::Distribution as _;
use retake::record::{Value, outside};

use crate::service_time::ServiceTime;

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

/// What a [`FileDisk`] needs of a file: one that can be read, and appended to, and
/// forced to the disk.
pub trait DiskFile: Read + Write + Seek + fmt::Debug + Send + 'static {
    /// Make its content durable.
    ///
    /// # Errors
    /// If the system fails to.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Cut to this length, durably.
    ///
    /// # Errors
    /// If the system fails to.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl DiskFile for File {
    fn sync_data(&mut self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

/// A file: one of the system, or one that behaves like it. Its operations run on
/// tokio's blocking threads, and at once in a simulation, which has no threads.
#[derive(Debug)]
pub struct FileDisk<F = File>(Arc<Mutex<F>>);

impl<F> Clone for FileDisk<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl FileDisk {
    /// Open a file of the system, or make it. In a simulation it would survive what
    /// is simulated: use a [`SimulatedDisk`], or [`FileDisk::over`] a simulated file.
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
        Ok(Self::over(file))
    }
}

impl<F: DiskFile> FileDisk<F> {
    /// Over a file that is open to be read and appended to.
    pub fn over(file: F) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    fn work<T: Value + Send + 'static>(
        &self,
        work: impl FnOnce(&mut F) -> io::Result<T> + Send + 'static,
    ) -> DiskResult<'_, T> {
        let file = Arc::clone(&self.0);
        let work = move || work(&mut file.lock().unwrap_or_else(PoisonError::into_inner));
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
        self.work(DiskFile::sync_data)
    }

    fn truncate(&self, length: u64) -> DiskResult<'_, ()> {
        self.work(move |file| file.truncate(length))
    }
}

/// The name of a disk's results in a recording.
const DISK: &str = "disk";

/// The disk of a recorded process, in a replay: each operation gives what it gave there, and
/// does nothing. Elsewhere it never answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayedDisk;

impl Disk for ReplayedDisk {
    fn read(&self) -> DiskResult<'_, Vec<u8>> {
        Box::pin(outside(DISK, std::future::pending()))
    }

    fn append(&self, _: Vec<u8>) -> DiskResult<'_, ()> {
        Box::pin(outside(DISK, std::future::pending()))
    }

    fn sync(&self) -> DiskResult<'_, ()> {
        Box::pin(outside(DISK, std::future::pending()))
    }

    fn truncate(&self, _: u64) -> DiskResult<'_, ()> {
        Box::pin(outside(DISK, std::future::pending()))
    }
}

/// What goes wrong with one operation of a [`SimulatedDisk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// The power goes: it fails, and so does everything after it.
    PowerCut,
    /// It fails with an error; of a write nothing gets through.
    Error,
    /// Of a write a part gets through, and then it fails.
    ShortWrite,
    /// Of a write nothing gets through: the disk is full.
    OutOfSpace,
    /// A sync fails, and what it should have made durable stays readable, is called
    /// synced by the next one, and is lost with the power nevertheless: see `fsync(2)`
    /// and "Can Applications Recover from fsync Failures?" (Rebello and others, 2020).
    LostSync,
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
    /// What goes wrong during the operation of which number, from 1.
    fault: Option<(u64, DiskFault)>,
    /// What is readable from here on goes with the power, synced or not.
    doomed: Option<usize>,
    is_off: bool,
    sync_time: ServiceTime,
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
    pub fn sync_time(self, time: ServiceTime) -> Self {
        self.platter().sync_time = time;
        self
    }

    /// Cut the power during the operation of this number, from 1: it fails, and so
    /// does everything after it. Writes, syncs and truncations count.
    pub fn cut_power_at(&self, operation: u64) {
        self.fail_at(operation, DiskFault::PowerCut);
    }

    /// Let the operation of this number, from 1, go wrong. Faults that concern a write
    /// or a sync strike the first one from this number on.
    pub fn fail_at(&self, operation: u64, fault: DiskFault) {
        self.platter().fault = Some((operation, fault));
    }

    /// Let nothing go wrong that has not yet.
    pub fn heal(&self) {
        self.platter().fault = None;
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
        if let Some(doomed) = platter.doomed.take() {
            platter.bytes.truncate(doomed);
            platter.synced = platter.synced.min(doomed);
        }
        let unsynced = platter.bytes.len() - platter.synced;
        let survives = draw(unsynced);
        retake::event!("disk: has power again, with {survives} of {unsynced} unsynced bytes");
        let (synced, length) = (platter.synced, platter.bytes.len());
        if draw(1) == 0 {
            platter.bytes.truncate(synced + survives);
        } else {
            // The length was recorded before the content.
            platter.bytes[synced + survives..length].fill(0);
        }
        platter.synced = platter.bytes.len();
        platter.fault = None;
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

    /// Count an operation; an error if it goes wrong, and how.
    fn operate(&self, what: Operation) -> (MutexGuard<'_, Platter>, Result<(), DiskFault>) {
        let mut platter = self.platter();
        platter.operations += 1;
        let due = platter
            .fault
            .filter(|(at, fault)| *at <= platter.operations && fault.strikes(what));
        let result = match due {
            _ if platter.is_off => Err(DiskFault::PowerCut),
            None => Ok(()),
            Some((_, fault)) => {
                let number = platter.operations;
                retake::event!("disk: {fault:?} at operation {number}, {what:?}");
                platter.fault = None;
                platter.is_off = fault == DiskFault::PowerCut;
                Err(fault)
            }
        };
        (platter, result)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Append,
    Sync,
    Truncate,
}

impl DiskFault {
    fn strikes(self, what: Operation) -> bool {
        match self {
            Self::PowerCut | Self::Error => true,
            Self::ShortWrite | Self::OutOfSpace => what == Operation::Append,
            Self::LostSync => what == Operation::Sync,
        }
    }
}

impl From<DiskFault> for io::Error {
    fn from(fault: DiskFault) -> Self {
        match fault {
            DiskFault::PowerCut => Self::other("the disk has no power"),
            DiskFault::Error | DiskFault::LostSync => Self::other("input/output error"),
            DiskFault::ShortWrite => io::ErrorKind::WriteZero.into(),
            DiskFault::OutOfSpace => io::ErrorKind::StorageFull.into(),
        }
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

    fn append(&self, mut bytes: Vec<u8>) -> DiskResult<'_, ()> {
        Box::pin(async move {
            let (mut platter, result) = self.operate(Operation::Append);
            match result {
                // A write that is interrupted may have got through in part: with
                // the power, what survives is drawn when it comes back.
                Ok(()) | Err(DiskFault::PowerCut) => {}
                Err(DiskFault::ShortWrite) => bytes.truncate(draw(bytes.len())),
                Err(_) => bytes.clear(),
            }
            platter.bytes.extend(bytes);
            Ok(result?)
        })
    }

    fn sync(&self) -> DiskResult<'_, ()> {
        Box::pin(async move {
            let time = self.platter().sync_time.clone();
            time.spend().await;
            let (mut platter, result) = self.operate(Operation::Sync);
            match result {
                Ok(()) => platter.synced = platter.bytes.len(),
                Err(DiskFault::LostSync) => platter.doomed = Some(platter.synced),
                Err(_) => {}
            }
            Ok(result?)
        })
    }

    fn truncate(&self, length: u64) -> DiskResult<'_, ()> {
        Box::pin(async move {
            let (mut platter, result) = self.operate(Operation::Truncate);
            if result.is_ok() {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                platter.bytes.truncate(length);
                platter.synced = platter.bytes.len();
                // What is written anew behind it is written to the disk again.
                if platter.doomed.is_some_and(|doomed| doomed >= length) {
                    platter.doomed = None;
                }
            }
            Ok(result?)
        })
    }
}
