//! Receipts on a disk: an append-only log of batches.
//!
//! ```text
//! log = "RTKLEDG2", frame…
//! ```
//!
//! A [frame](super::frame) is a batch of receipts, one after another in bincode, or the end
//! mark of a ledger that was stopped in order.
//!
//! Where recovery meets a frame that is not whole, it has to tell what was torn, which was
//! never acknowledged, from what has decayed. It has decayed if the place was durable, and
//! two sources say so: the disk's mark, and each later frame, which names how much was
//! durable when it was written. Recovery then fails and names the place. Otherwise what is
//! there was never acknowledged, and it is cut off. A log that is shorter than its mark has
//! been cut, and is refused as well.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::disk::{Contents, Disk};
use super::frame::{self, Frame, FrameKind};
use super::receipt::{Hash, Receipt};

const MAGIC: &[u8; 8] = b"RTKLEDG2";
/// Of ledgers whose idempotency keys are ambiguous.
const MAGIC_1: &[u8; 8] = b"RTKLEDG1";
/// Largest receipt, in bytes: a damaged length is not believed.
pub(super) const RECEIPT_MAX: usize = 1 << 20;

/// Why a log cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk says so.
    #[error("the ledger's disk: {0}")]
    Disk(#[from] io::Error),
    /// It is something else.
    #[error(
        "this is no ledger log: it does not begin with {}",
        String::from_utf8_lossy(MAGIC)
    )]
    NoLog,
    /// It was written by an earlier version.
    #[error(
        "this ledger log has format 1, and this program reads format 2: serve this folder with \
         the version that wrote it, or start with an empty folder; the log is left as it is"
    )]
    Version1,
    /// Receipts that were acknowledged are damaged.
    #[error(
        "the ledger log is damaged at byte {at}: {problem}; what was there was durable, so \
         restore it from a copy"
    )]
    Damaged {
        /// Where.
        at: u64,
        /// What is wrong there.
        problem: String,
    },
    /// Receipts that were acknowledged are missing.
    #[error(
        "the ledger log has {length} bytes, and at least {durable_min} were durable: it was cut \
         or emptied. Restore it from a copy; to go on without what is missing, remove the mark \
         (ledger.mark)"
    )]
    Cut {
        /// Bytes that are there.
        length: u64,
        /// Bytes that were there.
        durable_min: u64,
    },
}

impl LogError {
    /// True if there is no room: later there may be.
    pub(super) fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match self {
            Self::Disk(error) => [StorageFull, QuotaExceeded, FileTooLarge].contains(&error.kind()),
            _ => false,
        }
    }
}

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Receipts that are there.
    pub receipts: usize,
    /// Bytes at the end that were cut off: a batch that was never acknowledged.
    pub cut_off: u64,
}

/// The log of a ledger.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    length: u64,
    durable: u64,
    /// Nothing was written behind the last end mark, or ever.
    is_ended: bool,
}

impl Log {
    /// Read the receipts that are there, and cut off what was never acknowledged.
    pub(super) async fn recover(
        disk: Arc<dyn Disk>,
    ) -> Result<(Self, Vec<Receipt>, RecoveryReport), LogError> {
        let Contents { bytes, durable_min } = disk.read().await?;
        let length = bytes.len() as u64;
        let is_torn_beginning = is_torn_beginning(&bytes);
        if !is_torn_beginning {
            check_magic(&bytes)?;
        }
        // A log without receipts has nothing to lose.
        if length < durable_min && durable_min > MAGIC.len() as u64 {
            return Err(LogError::Cut {
                length,
                durable_min,
            });
        }
        let mut log = Self {
            disk,
            length: 0,
            durable: 0,
            is_ended: true,
        };
        if is_torn_beginning {
            if !bytes.is_empty() {
                log.disk.truncate(0).await?;
            }
            log.write(MAGIC.to_vec()).await?;
            log.sync().await?;
            let found = RecoveryReport {
                receipts: 0,
                cut_off: length,
            };
            return Ok((log, Vec::new(), found));
        }
        let LogContent {
            receipts,
            end,
            is_ended,
        } = read(&bytes, durable_min)?;
        let cut_off = length - end;
        if cut_off > 0 {
            log.disk.truncate(end).await?;
        }
        // What an earlier process wrote and did not sync is about to be built upon.
        log.disk.sync(end).await?;
        log.length = end;
        log.durable = end;
        log.is_ended = is_ended;
        let found = RecoveryReport {
            receipts: receipts.len(),
            cut_off,
        };
        Ok((log, receipts, found))
    }

    /// Append a batch and make it durable. After an error that [`LogError::is_full`] the log
    /// is as it was before; after another one nobody knows what the disk holds.
    pub(super) async fn commit(&mut self, receipts: &[Receipt]) -> Result<(), LogError> {
        let mut body = Vec::new();
        for receipt in receipts {
            let config = bincode::config::standard();
            let encoded = bincode::encode_into_std_write(receipt, &mut body, config);
            // A receipt has no case that fails, and neither has memory.
            debug_assert!(encoded.is_ok(), "{encoded:?}");
        }
        self.is_ended = false;
        self.write_frame(FrameKind::Batch, &body).await
    }

    /// Write the end mark, if anything was written since the last one.
    pub(super) async fn end(&mut self) -> Result<(), LogError> {
        if self.is_ended {
            return Ok(());
        }
        self.write_frame(FrameKind::End, &[]).await?;
        self.is_ended = true;
        Ok(())
    }

    async fn write_frame(&mut self, kind: FrameKind, body: &[u8]) -> Result<(), LogError> {
        let written = self.write(frame::encode(kind, self.durable, body)).await;
        match written {
            Ok(()) => self.sync().await,
            Err(error) if error.is_full() => {
                // A part of it may be there.
                self.take_back().await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), LogError> {
        let length = bytes.len() as u64;
        self.disk.append(bytes).await?;
        self.length += length;
        Ok(())
    }

    /// Make durable what was appended. What could not be synced is taken away: systems
    /// may keep it readable, call it synced the next time, and lose it with the power
    /// all the same, so nothing may be built upon it.
    async fn sync(&mut self) -> Result<(), LogError> {
        if let Err(error) = self.disk.sync(self.length).await {
            self.take_back().await?;
            self.length = self.durable;
            return Err(error.into());
        }
        self.durable = self.length;
        Ok(())
    }

    /// Cut off what is not durable. An error of this is never [`LogError::is_full`], even
    /// where the disk has no room to cut a file: the log is then not as it was before.
    async fn take_back(&self) -> Result<(), LogError> {
        let cut = self.disk.truncate(self.durable).await;
        cut.map_err(|error| {
            let what = format!("what was not acknowledged cannot be cut off: {error}");
            LogError::Disk(io::Error::other(what))
        })
    }
}

/// Nothing is written behind the beginning of a log before that is durable, so a
/// torn one has nothing in it: it is cut, or its end is zeros.
fn is_torn_beginning(bytes: &[u8]) -> bool {
    let written = bytes.iter().rposition(|byte| *byte != 0);
    let written = &bytes[..written.map_or(0, |last| last + 1)];
    bytes.len() <= MAGIC.len() && written.len() < MAGIC.len() && MAGIC.starts_with(written)
}

/// What a log has in it.
struct LogContent {
    receipts: Vec<Receipt>,
    /// Where the last whole frame ends.
    end: u64,
    is_ended: bool,
}

fn check_magic(bytes: &[u8]) -> Result<(), LogError> {
    if bytes.starts_with(MAGIC_1) {
        return Err(LogError::Version1);
    }
    if !bytes.starts_with(MAGIC) {
        return Err(LogError::NoLog);
    }
    Ok(())
}

fn read(bytes: &[u8], durable_min: u64) -> Result<LogContent, LogError> {
    let mut receipts = Vec::new();
    let mut chains = Chains::default();
    let mut is_ended = true;
    let mut at = MAGIC.len();
    while at < bytes.len() {
        let damaged = |problem: String| LogError::Damaged {
            at: at as u64,
            problem,
        };
        match frame::read(bytes, at) {
            Ok(Frame {
                kind, body, length, ..
            }) => {
                let batch = read_batch(&body).map_err(damaged)?;
                for receipt in batch {
                    chains.add(&receipt).map_err(damaged)?;
                    receipts.push(receipt);
                }
                is_ended = kind == FrameKind::End;
                at += length;
            }
            Err(problem) if was_durable(bytes, at, durable_min) => {
                return Err(damaged(problem.to_owned()));
            }
            Err(_) => break,
        }
    }
    Ok(LogContent {
        receipts,
        end: at as u64,
        is_ended,
    })
}

/// The receipts of a body that matched its checksum.
fn read_batch(mut body: &[u8]) -> Result<Vec<Receipt>, String> {
    let config = bincode::config::standard().with_limit::<RECEIPT_MAX>();
    let mut receipts = Vec::new();
    while !body.is_empty() {
        let (receipt, read) = bincode::decode_from_slice(body, config)
            .map_err(|error| format!("a receipt cannot be decoded: {error}"))?;
        receipts.push(receipt);
        body = body.get(read..).unwrap_or_default();
    }
    Ok(receipts)
}

/// True if what lies at `at` was durable, as the mark or a whole frame behind it says.
fn was_durable(bytes: &[u8], at: usize, durable_min: u64) -> bool {
    durable_min > at as u64
        || frame::starts_behind(bytes, at)
            .filter_map(|start| frame::read(bytes, start).ok())
            .any(|frame| frame.durable > at as u64)
}

/// The receipts of a log are numbered without gaps, and their chains are whole.
#[derive(Default)]
struct Chains {
    receipts: u64,
    last: BTreeMap<String, Hash>,
}

impl Chains {
    fn add(&mut self, receipt: &Receipt) -> Result<(), String> {
        let previous = self.last.get(&receipt.tenant).copied();
        self.receipts += 1;
        let is_whole = receipt.id == self.receipts
            && receipt.previous == previous.unwrap_or(Hash::GENESIS)
            && receipt.hash == receipt.expected_hash();
        if !is_whole {
            return Err(format!(
                "receipt {} does not continue its chain",
                receipt.id
            ));
        }
        match self.last.get_mut(&receipt.tenant) {
            Some(last) => *last = receipt.hash,
            None => drop(self.last.insert(receipt.tenant.clone(), receipt.hash)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::DiskResult;
    use super::*;

    /// A log of one batch with this body.
    fn log(body: &[u8]) -> Vec<u8> {
        let frame = frame::encode(FrameKind::Batch, 8, body);
        [MAGIC, &frame[..]].concat()
    }

    #[test]
    fn a_length_that_is_larger_than_the_log_is_an_error_and_takes_no_memory() {
        // A receipt of number 1 whose tenant has 2^40 bytes, with a good checksum.
        let mut body = vec![1, 253];
        body.extend((1_u64 << 40).to_le_bytes());
        let error = read(&log(&body), 0).err().unwrap().to_string();
        assert!(error.contains("cannot be decoded"), "{error}");
        // A frame that says that it has 4 GB.
        let mut bytes = log(&[]);
        bytes[10..14].fill(0x7F);
        assert_eq!(read(&bytes, 0).ok().unwrap().end, 8, "it was torn");
        let error = read(&bytes, bytes.len() as u64).err().unwrap().to_string();
        assert!(error.contains("at byte 8: a batch is cut"), "{error}");
    }

    /// Without room for anything, and without room to take back what was written in part.
    #[derive(Debug)]
    struct FullDisk;

    impl Disk for FullDisk {
        fn read(&self) -> DiskResult<'_, Contents> {
            Box::pin(std::future::ready(Ok(Contents::default())))
        }

        fn append(&self, _: Vec<u8>) -> DiskResult<'_, ()> {
            Box::pin(std::future::ready(Err(io::ErrorKind::StorageFull.into())))
        }

        fn sync(&self, _: u64) -> DiskResult<'_, ()> {
            Box::pin(std::future::ready(Err(io::ErrorKind::StorageFull.into())))
        }

        fn truncate(&self, _: u64) -> DiskResult<'_, ()> {
            Box::pin(std::future::ready(Err(io::ErrorKind::StorageFull.into())))
        }
    }

    #[test]
    fn a_full_disk_that_cannot_take_back_a_part_is_an_error_and_not_waited_for() {
        let run = retake_sim::Sim::new().run(|| async {
            let mut log = Log {
                disk: Arc::new(FullDisk),
                length: 8,
                durable: 8,
                is_ended: true,
            };
            let written = log.commit(&[]).await.unwrap_err();
            let synced = log.sync().await.unwrap_err();
            [written, synced].map(|error| (error.is_full(), error.to_string()))
        });
        for (is_full, error) in run.expect_passed() {
            assert!(!is_full && error.contains("cannot be cut off"), "{error}");
        }
    }

    #[test]
    fn a_log_of_an_earlier_version_is_refused_with_what_to_do() {
        let error = check_magic(b"RTKLEDG1BTCH").unwrap_err().to_string();
        assert!(error.contains("has format 1") && error.contains("left as it is"));
    }

    #[test]
    fn more_receipts_than_one_limit_are_read() {
        let receipt = Receipt::new(
            1,
            crate::ledger::Draft {
                tenant: "x".repeat(RECEIPT_MAX / 3),
                kind: crate::ledger::ReceiptKind::Signal {
                    verdict: String::new(),
                },
                payload: String::new(),
                signal: None,
                key: None,
            },
            0,
            Hash::GENESIS,
        );
        let mut body = Vec::new();
        for _ in 0..5 {
            let config = bincode::config::standard();
            bincode::encode_into_std_write(&receipt, &mut body, config).unwrap();
        }
        assert_eq!(read_batch(&body).unwrap().len(), 5);
    }
}
