//! Where the records of a run go.

use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::codec::encode;
use crate::error::TraceError;
use crate::record::Record;

/// Takes the records of one run, in order.
pub trait Sink {
    /// Take the next record.
    ///
    /// # Errors
    /// If it cannot be kept. The run continues without its trace.
    fn record(&mut self, record: &Record) -> Result<(), TraceError>;

    /// The hash over the schedule layer of all records so far.
    fn event_hash(&self) -> u64;

    /// False if this sink needs none of the records, only their hash.
    fn keeps_records(&self) -> bool {
        true
    }

    /// No more records come.
    ///
    /// # Errors
    /// If the trace cannot be completed, or was compared and differs.
    fn finish(&mut self) -> Result<(), TraceError>;
}

/// The rolling hash (XXH3, 64 bits) over encoded records of the schedule layer.
#[derive(Clone, Default)]
#[doc(hidden)]
pub struct EventHash {
    /// Encoded and not hashed yet: the hash is faster in large pieces.
    pending: Vec<u8>,
    /// Of the pieces so far. Short runs, of which campaigns consist, have none.
    hasher: Option<Box<Xxh3Default>>,
}

impl EventHash {
    const PIECE: usize = 8 << 10;

    #[inline]
    #[doc(hidden)]
    pub fn add(&mut self, record: &Record) {
        if record.is_schedule() {
            encode(record, &mut self.pending);
            self.hash_full_piece();
        }
    }

    #[inline]
    pub(crate) fn add_encoded(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.hash_full_piece();
    }

    #[inline]
    fn hash_full_piece(&mut self) {
        if self.pending.len() >= Self::PIECE {
            self.hash_piece();
        }
    }

    #[cold]
    fn hash_piece(&mut self) {
        self.hasher.get_or_insert_default().update(&self.pending);
        self.pending.clear();
    }

    #[doc(hidden)]
    pub fn value(&self) -> u64 {
        match &self.hasher {
            None => xxh3_64(&self.pending),
            Some(hasher) => {
                let mut hasher = hasher.clone();
                hasher.update(&self.pending);
                hasher.digest()
            }
        }
    }
}

impl std::fmt::Debug for EventHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventHash({:016x})", self.value())
    }
}

/// Keeps nothing but the event hash.
#[derive(Debug)]
pub struct HashSink(EventHash);

impl Default for HashSink {
    fn default() -> Self {
        Self::new()
    }
}

impl HashSink {
    /// The hash of no records.
    #[must_use]
    pub fn new() -> Self {
        // Enough for a short run.
        Self(EventHash {
            pending: Vec::with_capacity(1 << 10),
            hasher: None,
        })
    }
}

impl Sink for HashSink {
    fn keeps_records(&self) -> bool {
        false
    }

    #[inline]
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        self.0.add(record);
        Ok(())
    }

    fn event_hash(&self) -> u64 {
        self.0.value()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        Ok(())
    }
}

/// Keeps all records in memory. Clones share them, so keep one and give the other away.
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    records: Arc<Mutex<Vec<Record>>>,
    hash: EventHash,
}

impl MemorySink {
    /// No records yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The records so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Sink for MemorySink {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        self.hash.add(record);
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record.clone());
        Ok(())
    }

    fn event_hash(&self) -> u64 {
        self.hash.value()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        Ok(())
    }
}
