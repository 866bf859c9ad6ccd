//! A disk in memory on which any operation can go wrong.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_distr::Distribution as _;
use retake::{DiskFailureKind, DiskOperation};

use super::disk::{Contents, Disk, DiskResult};
use crate::service_time::ServiceTime;

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
///
/// Faults of a simulation call it `ledger`: `crash disk ledger @2s` cuts its power at the next
/// operation, `fill disk`, `fail disk writes`, `fail disk syncs`, `shorten disk writes` and
/// `corrupt disk reads` do what [`DiskFault`]s do.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    /// As programs see it.
    bytes: Vec<u8>,
    /// What is durable of that.
    synced: usize,
    /// The mark as programs see it, and what is durable of it at least.
    mark: u64,
    mark_synced: u64,
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
        // The mark is not synced: an older one may come back.
        if draw(1) == 0 {
            platter.mark = platter.mark_synced;
        }
        platter.mark_synced = platter.mark;
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

    /// Set the mark, as if so many bytes had been durable.
    pub fn set_mark(&self, length: u64) {
        self.platter().mark = length;
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
        let injected = DiskFault::injected(what);
        let result = match due.map(|(_, fault)| fault).or(injected) {
            _ if platter.is_off => Err(DiskFault::PowerCut),
            None => Ok(()),
            Some(fault) => {
                let number = platter.operations;
                retake::event!("disk: {fault:?} at operation {number}, {what:?}");
                if due.is_some() {
                    platter.fault = None;
                }
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

/// What faults call a ledger's disk.
const NAME: &str = "ledger";

impl DiskFault {
    /// What a fault of the simulation makes of an operation.
    fn injected(what: Operation) -> Option<Self> {
        let asked = match what {
            Operation::Append | Operation::Truncate => DiskOperation::Write,
            Operation::Sync => DiskOperation::Sync,
        };
        let fault = match retake::disk(NAME, asked)?.kind() {
            DiskFailureKind::Crash => Self::PowerCut,
            DiskFailureKind::Error if what == Operation::Sync => Self::LostSync,
            DiskFailureKind::Full => Self::OutOfSpace,
            DiskFailureKind::Short => Self::ShortWrite,
            DiskFailureKind::Error | DiskFailureKind::Corrupt => Self::Error,
        };
        fault.strikes(what).then_some(fault)
    }

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
    fn read(&self) -> DiskResult<'_, Contents> {
        Box::pin(async {
            let mut platter = self.platter();
            let failure = retake::disk(NAME, DiskOperation::Read);
            let mut bytes = platter.bytes.clone();
            match failure.map(|failure| (failure, failure.kind())) {
                Some((_, DiskFailureKind::Crash)) => {
                    platter.is_off = true;
                    return Err(DiskFault::PowerCut.into());
                }
                Some((_, DiskFailureKind::Error)) => return Err(DiskFault::Error.into()),
                Some((failure, DiskFailureKind::Corrupt)) => failure.flip_bit(&mut bytes),
                // A reader of all of it asks again for what is missing.
                Some((_, DiskFailureKind::Short | DiskFailureKind::Full)) | None => {}
            }
            Ok(Contents {
                bytes,
                durable_min: platter.mark,
            })
        })
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

    fn sync(&self, length: u64) -> DiskResult<'_, ()> {
        Box::pin(async move {
            let time = self.platter().sync_time.clone();
            time.spend().await;
            let (mut platter, result) = self.operate(Operation::Sync);
            match result {
                Ok(()) => {
                    platter.synced = platter.bytes.len();
                    platter.mark = length;
                }
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
                // What is written after it is written to the disk again.
                if platter.doomed.is_some_and(|doomed| doomed >= length) {
                    platter.doomed = None;
                }
            }
            Ok(result?)
        })
    }
}
