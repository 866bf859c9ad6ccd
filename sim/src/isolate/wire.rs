//! Requests and answers as bytes: a kind, a length, and so many bytes.

use std::io::{self, Read, Write};

/// The kind and the length of what follows.
pub(super) const HEADER: usize = 5;
/// The largest payload. A case with a million ordering constraints has some 50 MB.
pub(super) const PAYLOAD_MAX: usize = 256 << 20;
/// To a worker: run this in a new child.
pub(super) const FRESH: u8 = b'F';
/// To a worker: run this in your own process.
pub(super) const SHARED: u8 = b'S';
/// From a worker: ready. With one byte, see [`RANDOMIZED`].
pub(super) const READY: u8 = b'R';
/// From a worker: it cannot serve. With the reason as text.
pub(super) const REFUSAL: u8 = b'X';
/// From a worker: the run has been started.
pub(super) const STARTED: u8 = b'B';
/// From a child: a part of what comes before the answer.
pub(super) const PART: u8 = b'P';
/// From a child: the answer, its last word.
pub(super) const ANSWER: u8 = b'A';

/// From a process that aborts: why, as one byte.
pub(super) const ABORTS: u8 = b'C';
/// It got no memory.
pub(super) const NO_MEMORY: u8 = 1;
/// A stack overflowed.
pub(super) const STACK_OVERFLOW: u8 = 2;

/// The exit code of a child that has answered.
pub(super) const ANSWERED: i32 = 88;

/// Whether addresses of the worker differ from those of the next one, as one byte.
pub(super) const RANDOMIZED: u8 = 1;

pub(super) fn header(kind: u8, length: usize) -> [u8; HEADER] {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [kind, length[0], length[1], length[2], length[3]]
}

/// The kind and the length that a header tells.
///
/// # Errors
/// If the length is above the limit.
pub(super) fn parse(header: [u8; HEADER]) -> io::Result<(u8, usize)> {
    let [kind, length @ ..] = header;
    let length = u32::from_le_bytes(length) as usize;
    if length > PAYLOAD_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of {length} bytes is above the limit of {PAYLOAD_MAX}"),
        ));
    }
    Ok((kind, length))
}

/// Send one message.
pub(super) fn send(mut stream: impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    if payload.len() > PAYLOAD_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} bytes are too many", payload.len()),
        ));
    }
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&header(kind, payload.len()));
    bytes.extend_from_slice(payload);
    stream.write_all(&bytes)
}

/// Read the next header; none at the end.
pub(super) fn next(mut stream: impl Read) -> io::Result<Option<(u8, usize)>> {
    let mut header = [0; HEADER];
    match stream.read_exact(&mut header) {
        Ok(()) => parse(header).map(Some),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The limits of a run, at the front of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// The process ends itself after this many seconds, in case nobody else ends it.
    pub(super) alarm_s: u32,
    /// The largest address space, in megabytes; 0 for no limit.
    pub(super) memory_mb: u32,
    pub(super) prints: bool,
}

impl Prefix {
    pub(super) const LENGTH: usize = 9;

    pub(super) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [u8::from(self.prints); Self::LENGTH];
        bytes[1..5].copy_from_slice(&self.alarm_s.to_le_bytes());
        bytes[5..].copy_from_slice(&self.memory_mb.to_le_bytes());
        bytes
    }

    /// The limits at the front of a request, and the rest of it.
    pub(super) fn split(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (bytes, rest) = payload.split_first_chunk::<{ Self::LENGTH }>()?;
        let [prints, a, b, c, d, memory @ ..] = *bytes;
        let prefix = Self {
            alarm_s: u32::from_le_bytes([a, b, c, d]),
            memory_mb: u32::from_le_bytes(memory),
            prints: prints == 1,
        };
        Some((prefix, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_survive_the_way() {
        for prints in [true, false] {
            let prefix = Prefix {
                alarm_s: 70_000,
                memory_mb: 4096,
                prints,
            };
            let bytes = [&prefix.to_bytes()[..], b"rest"].concat();
            assert_eq!(Prefix::split(&bytes), Some((prefix, &b"rest"[..])));
        }
        assert_eq!(Prefix::split(b"short"), None);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_memory_is_reserved() {
        let forged = [header(ANSWER, PAYLOAD_MAX + 1), header(ANSWER, usize::MAX)];
        for header in forged {
            assert!(next(&header[..]).is_err());
        }
        assert_eq!(next(&header(PART, 3)[..]).unwrap(), Some((PART, 3)));
        assert_eq!(next(&b"PP"[..]).unwrap(), None);
    }
}
