//! Operations on files and sockets that go wrong on purpose.
//!
//! Files are those below the folder in which the process was started and below `TMPDIR`: what the
//! program has there is its own. Packets are in `fault_packets`.

use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};

use super::core::disk::{DiskFailure, DiskFailureKind, DiskOperation};
use super::core::fault::Effect;
use super::core::random::Random;
use super::fault_packets::{self, Fate};
use super::kernel::{Kernel, me, outside, with};
use super::packets::Packet;
use super::sys;

/// What happens instead of an operation.
pub(super) enum Wrong {
    /// It ends with this error.
    Error(c_int),
    /// It is about so many bytes.
    Part(usize),
    /// What was read has a wrong bit.
    Bit(DiskFailure),
    /// What is sent comes so often, at this time if not at once.
    Packet { copies: usize, due_ns: Option<u64> },
}

impl Wrong {
    fn of_packet(fate: Fate) -> Self {
        match fate {
            Fate::Reset => Self::Error(sys::ECONNRESET),
            Fate::Comes { copies, due_ns } => Self::Packet { copies, due_ns },
        }
    }
}

/// What is behind a descriptor.
enum Kind {
    File(PathBuf),
    Stream,
    Datagrams,
    Other,
}

impl Kind {
    fn of(file: c_int) -> Self {
        const TYPE: u32 = 0o170_000;
        const REGULAR: u32 = 0o100_000;
        const SOCKET: u32 = 0o140_000;
        const OUTPUT: std::ops::RangeInclusive<c_int> = 0..=2;
        if OUTPUT.contains(&file) {
            return Self::Other;
        }
        match sys::mode(file) & TYPE {
            REGULAR => {
                let link = std::fs::read_link(format!("/proc/self/fd/{file}"));
                link.map_or(Self::Other, Self::File)
            }
            SOCKET if sys::is_of_network(file) => match sys::socket_type(file) {
                sys::STREAM => Self::Stream,
                sys::DATAGRAM => Self::Datagrams,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// What happens instead of this operation on so many bytes, if a fault says so.
#[cold]
pub(super) fn wrong(file: c_int, operation: DiskOperation, length: usize) -> Option<Wrong> {
    me()?;
    match outside(|| Kind::of(file)) {
        Kind::File(path) => with(|kernel| kernel.wrong_on_disk(&path, operation, length)),
        Kind::Stream if operation == DiskOperation::Read => {
            let is_reset = with(|kernel| kernel.resets(file));
            is_reset.then_some(Wrong::Error(sys::ECONNRESET))
        }
        Kind::Stream => with(|kernel| kernel.wrong_packet(file, true)).map(Wrong::of_packet),
        Kind::Datagrams if operation == DiskOperation::Write => {
            with(|kernel| kernel.wrong_packet(file, false)).map(Wrong::of_packet)
        }
        Kind::Datagrams | Kind::Other => None,
    }
}

/// Read, with what faults say of it, by a call for so many bytes at most.
///
/// # Safety
/// The memory is valid for `size` bytes.
pub(super) unsafe fn read(
    file: c_int,
    memory: *mut c_void,
    size: usize,
    call: impl FnOnce(usize) -> isize,
) -> isize {
    match wrong(file, DiskOperation::Read, size) {
        None | Some(Wrong::Packet { .. }) => call(size),
        Some(Wrong::Error(error)) => -(error as isize),
        Some(Wrong::Part(part)) => call(part),
        Some(Wrong::Bit(failure)) => {
            let result = call(size);
            if let Ok(length) = usize::try_from(result) {
                // SAFETY: so many bytes were read into the memory.
                let bytes = unsafe { std::slice::from_raw_parts_mut(memory.cast::<u8>(), length) };
                failure.flip_bit(bytes);
            }
            result
        }
    }
}

/// Write, or send, with what faults say of it, by a call for so many bytes at most. `packet` is what is
/// sent, if it is.
pub(super) fn write(
    file: c_int,
    size: usize,
    packet: impl Fn() -> Packet,
    mut call: impl FnMut(usize) -> isize,
) -> isize {
    match wrong(file, DiskOperation::Write, size) {
        None | Some(Wrong::Bit(_)) => call(size),
        Some(Wrong::Error(error)) => -(error as isize),
        Some(Wrong::Part(part)) => call(part),
        Some(Wrong::Packet { copies, due_ns }) => {
            let mut result = size as isize;
            for _ in 0..copies {
                let hold = |due_ns| fault_packets::hold(file, due_ns, packet());
                if !due_ns.is_some_and(hold) {
                    result = call(size);
                }
            }
            result
        }
    }
}

impl Kernel {
    fn wrong_on_disk(
        &mut self,
        path: &Path,
        asked: DiskOperation,
        length: usize,
    ) -> Option<Wrong> {
        if !self.faults.folders.have(path) {
            return None;
        }
        let number = self.next_request(asked.word());
        let (place, mut draws, failure) = self.find_fault(|place, effect| {
            let Effect::BreakDisk {
                disk,
                operation,
                failure,
                share,
                until_ns,
            } = effect
            else {
                return None;
            };
            let is_meant = disk.as_ref().is_none_or(|name| path.ends_with(name));
            let of_full = *failure == DiskFailureKind::Full && asked == DiskOperation::Write;
            let is_asked = operation.map_or(of_full, |it| it == asked);
            if !is_meant || !is_asked || !self.is_in_force(place, *until_ns) {
                return None;
            }
            let purpose = format!("disk {} {}", asked.word(), failure.word());
            let draws = self.drawn(*share, &purpose, number)?;
            Some((place, draws, *failure))
        })?;
        self.note_first(place, "");
        let drawn = DiskFailure::new(failure, draws.next_u64());
        match failure {
            DiskFailureKind::Full => Some(Wrong::Error(sys::ENOSPC)),
            DiskFailureKind::Short => Some(Wrong::Part(drawn.part_of(length))),
            DiskFailureKind::Corrupt => Some(Wrong::Bit(drawn)),
            DiskFailureKind::Error | DiskFailureKind::Crash => Some(Wrong::Error(sys::EIO)),
        }
    }
}
