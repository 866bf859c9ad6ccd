//! Receipts on a disk: an append-only log of batches.
//!
//! ```text
//! log    = "RTKLEDG1", batch…
//! batch  = "BTCH", length of the body (u32), durable (u64), CRC-32 (u32), body
//! body   = receipts, bincode
//! ```
//!
//! Numbers are little-endian; the CRC is over the length, `durable` and the body.
//! `durable` is the length of the log that was known to be durable when the batch
//! was written. So, where recovery meets a batch that is not whole, it can tell
//! what was torn from what has decayed: if any later batch says that this place
//! was durable, receipts that were acknowledged are damaged, and recovery fails
//! and names the place. Otherwise nothing after it was acknowledged, and it is cut
//! off. Damage to the very last batch looks like a torn write, so the number of
//! bytes cut off is always reported.

use std::io;
use std::sync::Arc;

use super::disk::Disk;
use super::receipt::{Hash, Receipt};

const MAGIC: &[u8; 8] = b"RTKLEDG1";
const BATCH: &[u8; 4] = b"BTCH";
/// Before the body of a batch.
const HEADER: usize = 4 + 4 + 8 + 4;

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
    /// Receipts that were acknowledged are damaged.
    #[error(
        "the ledger log is damaged at byte {at}: {problem}; what lies behind it was durable, so \
         restore it from a copy"
    )]
    Damaged {
        /// Where.
        at: u64,
        /// What is wrong there.
        problem: String,
    },
}

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
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
}

impl Log {
    /// Read the receipts that are there, and cut off what was never acknowledged.
    pub(super) async fn recover(
        disk: Arc<dyn Disk>,
    ) -> Result<(Self, Vec<Receipt>, Recovered), LogError> {
        let bytes = disk.read().await?;
        let mut log = Self {
            disk,
            length: 0,
            durable: 0,
        };
        if is_torn_beginning(&bytes) {
            if !bytes.is_empty() {
                log.disk.truncate(0).await?;
            }
            log.write(MAGIC.to_vec()).await?;
            log.sync().await?;
            let found = Recovered {
                receipts: 0,
                cut_off: bytes.len() as u64,
            };
            return Ok((log, Vec::new(), found));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(LogError::NoLog);
        }
        let mut receipts = Vec::new();
        let mut at = MAGIC.len();
        while at < bytes.len() {
            match read_batch(&bytes[at..]) {
                Ok((batch, length)) => {
                    receipts.extend(batch);
                    at += length;
                }
                Err(_) if !was_durable(&bytes, at) => break,
                Err(problem) => {
                    let at = at as u64;
                    return Err(LogError::Damaged { at, problem });
                }
            }
        }
        check_chain(&receipts)?;
        let cut_off = (bytes.len() - at) as u64;
        if cut_off > 0 {
            log.disk.truncate(at as u64).await?;
        }
        // What an earlier process wrote and did not sync is about to be built upon.
        log.disk.sync().await?;
        log.length = at as u64;
        log.durable = log.length;
        let found = Recovered {
            receipts: receipts.len(),
            cut_off,
        };
        Ok((log, receipts, found))
    }

    /// Append a batch. It is durable after [`Log::sync`].
    pub(super) async fn append(&mut self, receipts: &[Receipt]) -> Result<(), LogError> {
        let bytes = batch(receipts, self.durable);
        self.write(bytes).await
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
    pub(super) async fn sync(&mut self) -> Result<(), LogError> {
        if let Err(error) = self.disk.sync().await {
            self.disk.truncate(self.durable).await?;
            return Err(error.into());
        }
        self.durable = self.length;
        Ok(())
    }
}

/// Nothing is written behind the beginning of a log before that is durable, so a
/// torn one has nothing in it: it is cut, or its end is zeros.
fn is_torn_beginning(bytes: &[u8]) -> bool {
    let written = bytes.iter().rposition(|byte| *byte != 0);
    let written = &bytes[..written.map_or(0, |last| last + 1)];
    bytes.len() <= MAGIC.len() && written.len() < MAGIC.len() && MAGIC.starts_with(written)
}

fn batch(receipts: &[Receipt], durable: u64) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let encoded = bincode::encode_into_std_write(receipts, &mut bytes, bincode::config::standard());
    // A receipt has no case that fails, and neither has memory.
    debug_assert!(encoded.is_ok(), "{encoded:?}");
    let length = u32::try_from(bytes.len() - HEADER).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(BATCH);
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes[8..16].copy_from_slice(&durable.to_le_bytes());
    let checksum = checksum(&bytes[4..16], &bytes[HEADER..]);
    bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(body);
    hasher.finalize()
}

/// The body of the batch at the front, what it says was durable, and its length.
fn whole_batch(bytes: &[u8]) -> Result<(&[u8], u64, usize), String> {
    let Some(header) = bytes.get(..HEADER) else {
        return Err("the header of a batch is cut".to_owned());
    };
    if !header.starts_with(BATCH) {
        return Err("a batch does not begin where it should".to_owned());
    }
    let number = |range: std::ops::Range<usize>| {
        let bytes = header[range].iter().rev();
        bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let length = HEADER + number(4..8) as usize;
    let Some(body) = bytes.get(HEADER..length) else {
        return Err("a batch is cut".to_owned());
    };
    if u64::from(checksum(&header[4..16], body)) != number(16..20) {
        return Err("a batch does not match its checksum".to_owned());
    }
    Ok((body, number(8..16), length))
}

fn read_batch(bytes: &[u8]) -> Result<(Vec<Receipt>, usize), String> {
    let (body, _, length) = whole_batch(bytes)?;
    let config = bincode::config::standard();
    let (receipts, read) = bincode::decode_from_slice(body, config)
        .map_err(|error| format!("a batch cannot be decoded: {error}"))?;
    if read != body.len() {
        return Err("a batch has more in it than receipts".to_owned());
    }
    Ok((receipts, length))
}

/// True if a whole batch behind `at` says that what lies at `at` was durable.
fn was_durable(bytes: &[u8], at: usize) -> bool {
    (at + 1..bytes.len())
        .filter(|start| bytes[*start..].starts_with(BATCH))
        .filter_map(|start| whole_batch(&bytes[start..]).ok())
        .any(|(_, durable, _)| durable > at as u64)
}

/// The receipts of a log are numbered without gaps, and their chains are whole.
fn check_chain(receipts: &[Receipt]) -> Result<(), LogError> {
    let mut last: std::collections::BTreeMap<&str, Hash> = std::collections::BTreeMap::new();
    for (place, receipt) in receipts.iter().enumerate() {
        let previous = last.insert(&receipt.tenant, receipt.hash);
        let is_whole = receipt.id == place as u64 + 1
            && receipt.previous == previous.unwrap_or(Hash::GENESIS)
            && receipt.hash == receipt.expected_hash();
        if !is_whole {
            let problem = format!("receipt {} does not continue its chain", receipt.id);
            return Err(LogError::Damaged { at: 0, problem });
        }
    }
    Ok(())
}
