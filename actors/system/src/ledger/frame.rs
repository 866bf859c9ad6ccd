//! Frames: what a log is divided into.
//!
//! ```text
//! frame = FF, escaped(kind (u8), length of the body (u32), durable (u64), CRC-32 (u32), body)
//! ```
//!
//! Numbers are little-endian; the CRC is over all else. In what is escaped, FF is written as
//! FE 01 and FE as FE 00, so an FF in a log is the start of a frame or damage: whatever text
//! a client has in a receipt, it never looks like a frame. UTF-8 has neither byte, so
//! escaping costs next to nothing.
//!
//! `durable` is the length of the log that was known to be durable when the frame was written.

/// The first byte of a frame, and of nothing else.
const START: u8 = 0xFF;
/// Before a byte that encodes another one.
const ESCAPE: u8 = 0xFE;
/// Of the unescaped parts before the body.
const HEAD: usize = 1 + 4 + 8 + 4;

/// What a frame has in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Receipts.
    Batch = 1,
    /// Nothing: the ledger was stopped in order, all before this is durable.
    End = 2,
}

/// A frame that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    pub(super) durable: u64,
    pub(super) body: Vec<u8>,
    /// Bytes that it takes in the log.
    pub(super) length: usize,
}

/// A frame as it is written.
pub(super) fn encode(kind: FrameKind, durable: u64, body: &[u8]) -> Vec<u8> {
    // A batch is bounded far below 4 GB: see `Log::append`.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut head = vec![kind as u8];
    head.extend(length.to_le_bytes());
    head.extend(durable.to_le_bytes());
    head.extend(checksum(&head, body).to_le_bytes());
    let mut bytes = Vec::with_capacity(1 + head.len() + body.len() + body.len() / 64);
    bytes.push(START);
    for part in [&head, body] {
        for byte in part {
            match *byte {
                START => bytes.extend([ESCAPE, 1]),
                ESCAPE => bytes.extend([ESCAPE, 0]),
                other => bytes.push(other),
            }
        }
    }
    bytes
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// The frame that begins at `at`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(bytes: &[u8], at: usize) -> Result<Frame, &'static str> {
    let mut bytes = Unescape { bytes, at };
    if bytes.bytes.get(at) != Some(&START) {
        return Err("a batch does not begin where it should");
    }
    bytes.at += 1;
    let mut head = [0; HEAD];
    for byte in &mut head {
        *byte = bytes.next().ok_or("the head of a batch is cut")?;
    }
    let number = |range: std::ops::Range<usize>| {
        let bytes = head[range].iter().rev();
        bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    // Not reserved before it is there: a length can be damaged.
    let mut body = Vec::new();
    for _ in 0..number(1..5) {
        body.push(bytes.next().ok_or("a batch is cut")?);
    }
    if u64::from(checksum(&head[..HEAD - 4], &body)) != number(HEAD - 4..HEAD) {
        return Err("a batch does not match its checksum");
    }
    let durable = number(5..13);
    if durable > at as u64 {
        return Err("a batch is older than what it says was durable");
    }
    let kind = match head[0] {
        1 => FrameKind::Batch,
        2 => FrameKind::End,
        _ => return Err("a batch is of an unknown kind"),
    };
    let length = bytes.at - at;
    Ok(Frame {
        kind,
        durable,
        body,
        length,
    })
}

/// Where frames begin behind `at`, if the log is whole there.
pub(super) fn starts_behind(bytes: &[u8], at: usize) -> impl Iterator<Item = usize> {
    (at + 1..bytes.len()).filter(|at| bytes[*at] == START)
}

/// The bytes of one frame, as they were before they were escaped.
struct Unescape<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Unescape<'_> {
    /// `None` where the frame ends too early, or is damaged.
    fn next(&mut self) -> Option<u8> {
        let (byte, length) = match self.bytes.get(self.at..)? {
            [ESCAPE, 0, ..] => (ESCAPE, 2),
            [ESCAPE, 1, ..] => (START, 2),
            [ESCAPE | START, ..] | [] => return None,
            [byte, ..] => (*byte, 1),
        };
        self.at += length;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_comes_back_whatever_is_behind_it(
            body in prop::collection::vec(prop_oneof![Just(START), Just(ESCAPE), any::<u8>()], 0..300),
            behind in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let bytes = encode(FrameKind::Batch, 0, &body);
            let length = bytes.len();
            prop_assert_eq!(starts_behind(&bytes, 0).count(), 0, "nothing in it looks like a frame");
            let read = read(&[bytes, behind].concat(), 0).unwrap();
            prop_assert_eq!(read, Frame { kind: FrameKind::Batch, durable: 0, body, length });
        }

        #[test]
        fn a_frame_that_is_cut_or_changed_anywhere_is_refused(
            body in prop::collection::vec(any::<u8>(), 0..100),
            change in 1_u8..,
        ) {
            let good = encode(FrameKind::End, 0, &body);
            for at in 0..good.len() {
                prop_assert!(read(&good[..at], 0).is_err());
                let mut bytes = good.clone();
                bytes[at] ^= change;
                prop_assert!(read(&bytes, 0).is_err(), "byte {}", at);
            }
        }
    }
}
