//! The bytes of a trace file.
//!
//! ```text
//! "RETAKE" version:u16                       8 bytes
//! frame…                                     one 'H', any number of 'B', one 'F'
//! footer offset:u64 crc32:u32 "RETAKEND"     20 bytes
//!
//! frame    kind:u8 length:u32 crc32:u32 payload[length]
//!          (the checksum covers kind, length and payload)
//! 'H'      the header
//! 'B'      steps before:u64 time before:u64 tasks:u32 records:u32, then the records
//! 'F'      the footer: counts, hashes and the index of blocks
//! ```
//!
//! Fixed-size integers are little-endian; everything else is as `codec` has it.

use bincode::{Decode, Encode};

pub(crate) const MAGIC: [u8; 6] = *b"RETAKE";
/// The version of the format that is read and written. The next one has to differ in two bits,
/// so that the flip of one does not make a file of another.
pub const VERSION: u16 = 11;
pub(crate) const END_MAGIC: [u8; 8] = *b"RETAKEND";

/// Longest payload of a frame, in bytes.
pub(crate) const FRAME_MAX: u32 = 4 << 20;
/// A block is closed when it is this long.
pub(crate) const BLOCK_TARGET: usize = 64 << 10;
/// Longer texts are cut when they are recorded.
pub const TEXT_MAX: usize = 64 << 10;
/// A longer index is thinned out by half.
pub(crate) const INDEX_MAX: usize = 1 << 16;

pub(crate) const FRAME_HEAD: usize = 9;
pub(crate) const BLOCK_HEAD: usize = 24;
pub(crate) const TRAILER: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Header = b'H' as isize,
    Block = b'B' as isize,
    Footer = b'F' as isize,
}

impl FrameKind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Header, Self::Block, Self::Footer]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

pub(crate) fn frame_checksum(kind: u8, length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// The first nine bytes of a frame.
pub(crate) fn frame_head(kind: FrameKind, payload: &[u8]) -> [u8; FRAME_HEAD] {
    let length = payload.len() as u32;
    let mut head = [0; FRAME_HEAD];
    head[0] = kind as u8;
    head[1..5].copy_from_slice(&length.to_le_bytes());
    head[5..9].copy_from_slice(&frame_checksum(kind as u8, length, payload).to_le_bytes());
    head
}

/// The fixed part at the start of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockHead {
    /// Steps in all blocks before this one.
    pub(crate) steps_before: u64,
    /// Virtual time of the last record before this block.
    pub(crate) ns_before: u64,
    /// Records in this block that name tasks.
    pub(crate) tasks: u32,
    pub(crate) records: u32,
}

impl BlockHead {
    pub(crate) fn to_bytes(self) -> [u8; BLOCK_HEAD] {
        let mut bytes = [0; BLOCK_HEAD];
        bytes[..8].copy_from_slice(&self.steps_before.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.ns_before.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.tasks.to_le_bytes());
        bytes[20..].copy_from_slice(&self.records.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            steps_before: u64_at(bytes, 0)?,
            ns_before: u64_at(bytes, 8)?,
            tasks: u32_at(bytes, 16)?,
            records: u32_at(bytes, 20)?,
        })
    }
}

pub(crate) fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(place..place + 8)?.try_into().ok()?,
    ))
}

pub(crate) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(place..place + 4)?.try_into().ok()?,
    ))
}

/// Where a block begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct BlockPlace {
    pub(crate) offset: u64,
    pub(crate) steps_before: u64,
    /// The block, or one that the index leaves out after it, names tasks.
    pub(crate) has_tasks: bool,
}

/// The last frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Footer {
    pub(crate) steps: u64,
    pub(crate) records: u64,
    /// Over the encoding of all records of the schedule layer.
    pub(crate) event_hash: u64,
    /// Over the payloads of all blocks.
    pub(crate) content_hash: u64,
    pub(crate) index: Vec<BlockPlace>,
}

pub(crate) fn trailer(footer_offset: u64) -> [u8; TRAILER] {
    let mut bytes = [0; TRAILER];
    bytes[..8].copy_from_slice(&footer_offset.to_le_bytes());
    bytes[8..12].copy_from_slice(&crc32fast::hash(&footer_offset.to_le_bytes()).to_le_bytes());
    bytes[12..].copy_from_slice(&END_MAGIC);
    bytes
}

/// The index of blocks, thinned out when it grows long: memory stays bounded.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) places: Vec<BlockPlace>,
    /// Every how many blocks one is kept.
    stride: u64,
    blocks: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            stride: 1,
            blocks: 0,
        }
    }
}

impl Index {
    pub(crate) fn add(&mut self, offset: u64, head: BlockHead) {
        let has_tasks = head.tasks > 0;
        if self.blocks.is_multiple_of(self.stride) {
            if self.places.len() == INDEX_MAX {
                self.thin_out();
            }
            self.places.push(BlockPlace {
                offset,
                steps_before: head.steps_before,
                has_tasks,
            });
        } else if let Some(last) = self.places.last_mut() {
            last.has_tasks |= has_tasks;
        }
        self.blocks += 1;
    }

    fn thin_out(&mut self) {
        self.stride *= 2;
        self.places = self
            .places
            .chunks(2)
            .map(|pair| BlockPlace {
                has_tasks: pair.iter().any(|place| place.has_tasks),
                ..pair[0]
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_index_is_thinned_out_and_forgets_no_tasks() {
        let mut index = Index::default();
        let blocks = 5 * INDEX_MAX as u64;
        for block in 0..blocks {
            let tasks = u32::from(block == 12_345);
            index.add(
                block * 100,
                BlockHead {
                    steps_before: block,
                    tasks,
                    ..BlockHead::default()
                },
            );
        }
        assert!(index.places.len() <= INDEX_MAX);
        let with_tasks: Vec<_> = index
            .places
            .iter()
            .filter(|place| place.has_tasks)
            .collect();
        assert_eq!(with_tasks.len(), 1);
        assert!(
            with_tasks[0].steps_before <= 12_345
                && with_tasks[0].steps_before + index.stride > 12_345
        );
    }
}
