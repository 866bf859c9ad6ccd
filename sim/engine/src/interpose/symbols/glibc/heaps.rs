//! The heaps of runs: each has a range of addresses of its own, which is the same in every
//! process, so memory is freed where it belongs, whichever thread frees it.
//!
//! Within a range allocation follows D. Lea, "A memory allocator", 1996, as the crate
//! `dlmalloc` has it: the addresses that it gives are a function of the calls.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dlmalloc::{Allocator, Dlmalloc};

use crate::interpose::heap::LIBRARY;

/// Runs at a time in one process that have a heap of their own.
const HEAPS: usize = 16;

/// Where the first heap begins: far from where Linux puts programs, libraries and stacks.
const START: usize = 0x1000_0000_0000;

/// Addresses that each heap may use, as a power of two: 256 GB.
const RANGE_BITS: u32 = 38;

/// Memory that a heap takes from the system at once.
const PIECE: usize = 1 << 20;

/// How much of a heap's first piece is given memory in a single system call, because every
/// run uses it.
const FIRST: usize = 64 << 10;

/// The addresses of one heap.
pub(super) struct Range {
    start: usize,
    used: AtomicUsize,
}

// SAFETY: each piece is fresh memory of the system, within addresses that no other heap has.
unsafe impl Allocator for Range {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let none = (ptr::null_mut(), 0, 0);
        let used = self.used.load(Ordering::Relaxed);
        let Some(size) = size.checked_next_multiple_of(PIECE) else {
            return none;
        };
        if size > (1 << RANGE_BITS) - used {
            return none;
        }
        let start = (self.start + used) as *mut c_void;
        // SAFETY: new memory at an address that is not in use.
        let piece = unsafe {
            libc::mmap(
                start,
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE
                    | libc::MAP_ANONYMOUS
                    | libc::MAP_NORESERVE
                    | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        if piece != start {
            if piece != libc::MAP_FAILED {
                // SAFETY: a system that does not know the flag has put it somewhere else.
                unsafe { libc::munmap(piece, size) };
            }
            return none;
        }
        if used == 0 {
            // SAFETY: it is memory of the piece. A system that does not know this advice
            // gives memory page by page.
            unsafe { libc::madvise(piece, FIRST, libc::MADV_POPULATE_WRITE) };
        }
        self.used.store(used + size, Ordering::Relaxed);
        (piece.cast(), size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

pub(super) struct Heap {
    is_taken: AtomicBool,
    memory: Mutex<Dlmalloc<Range>>,
}

impl Heap {
    pub(super) fn memory(&self) -> MutexGuard<'_, Dlmalloc<Range>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static ALL: [Heap; HEAPS] = {
    let mut index = 0;
    let mut all = [const {
        Heap {
            is_taken: AtomicBool::new(false),
            memory: Mutex::new(Dlmalloc::new_with_allocator(Range {
                start: 0,
                used: AtomicUsize::new(0),
            })),
        }
    }; HEAPS];
    while index < HEAPS {
        all[index].memory = Mutex::new(Dlmalloc::new_with_allocator(Range {
            start: START + (index << RANGE_BITS),
            used: AtomicUsize::new(0),
        }));
        index += 1;
    }
    all
};

/// Take a heap that no run uses: a number from 1, or that of the C library if all are in use.
pub(in crate::interpose::symbols) fn take() -> u8 {
    let free = ALL
        .iter()
        .position(|heap| !heap.is_taken.swap(true, Ordering::AcqRel));
    free.and_then(|index| u8::try_from(index + 1).ok())
        .unwrap_or(LIBRARY)
}

/// A run is over. What it has left on its heap stays.
pub(in crate::interpose::symbols) fn give_back(number: u8) {
    if let Some(heap) = of_number(number) {
        heap.is_taken.store(false, Ordering::Release);
    }
}

pub(super) fn of_number(number: u8) -> Option<&'static Heap> {
    ALL.get(usize::from(number).checked_sub(1)?)
}

/// The heap to which this memory belongs, if it is not that of the C library.
#[inline]
pub(super) fn of_memory(memory: *mut c_void) -> Option<&'static Heap> {
    ALL.get(memory.addr().checked_sub(START)? >> RANGE_BITS)
}

/// # Safety
/// `memory` is on one of the heaps here.
pub(super) unsafe fn usable(memory: *mut c_void) -> usize {
    /// The lowest bits of a chunk's size are flags.
    const FLAGS: usize = 7;
    // SAFETY: the size of a chunk is before its memory, and is followed by the next one's.
    unsafe { (memory.cast::<usize>().sub(1).read() & !FLAGS) - size_of::<usize>() }
}
