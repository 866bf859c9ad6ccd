//! Memory that is allocated: on the heap of a run while it is simulated, else on that of the
//! C library.
//!
//! Each heap has a range of addresses of its own, which is the same in every process, so
//! memory is freed where it belongs, whichever thread frees it. Within a range allocation
//! follows D. Lea, "A memory allocator", 1996, as the crate `dlmalloc` has it: the addresses
//! that it gives are a function of the calls.
//!
//! A program may replace these functions: see "Replacing malloc" in the manual of glibc, which
//! lists them.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dlmalloc::{Allocator, Dlmalloc};

use super::super::library::library;
use crate::interpose::heap::{HEAP, LIBRARY};

/// Runs at a time in one process that have a heap of their own.
const HEAPS: usize = 16;

/// Where the first heap begins: far from where Linux puts programs, libraries and stacks.
const START: usize = 0x1000_0000_0000;

/// Addresses that each heap may use, as a power of two: 256 GB.
const RANGE_BITS: u32 = 38;

/// What every allocation is aligned to.
const ALIGNMENT: usize = 16;

/// Memory that a heap takes from the system at once.
const PIECE: usize = 1 << 20;

/// How much of a heap's first piece is given memory in a single system call, because every
/// run uses it.
const FIRST: usize = 128 << 10;

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(memory: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(memory: *mut c_void);
}

/// Keeps the linker from dropping the symbols.
pub(super) fn keep() {
    std::hint::black_box([
        malloc as *const (),
        calloc as *const (),
        realloc as *const (),
        reallocarray as *const (),
        free as *const (),
        memalign as *const (),
        aligned_alloc as *const (),
        posix_memalign as *const (),
        valloc as *const (),
        pvalloc as *const (),
        malloc_usable_size as *const (),
    ]);
}

/// The addresses of one heap.
struct Range {
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
        // SAFETY: new memory at an address where there is none.
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

struct Heap {
    is_taken: AtomicBool,
    memory: Mutex<Dlmalloc<Range>>,
}

impl Heap {
    fn memory(&self) -> MutexGuard<'_, Dlmalloc<Range>> {
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

/// Take a heap that no run uses: a number from 1, or that of the C library if there is none.
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

fn of_number(number: u8) -> Option<&'static Heap> {
    ALL.get(usize::from(number).checked_sub(1)?)
}

/// The heap of this thread, if it is not that of the C library.
#[inline]
fn present() -> Option<&'static Heap> {
    match HEAP.try_with(std::cell::Cell::get) {
        Ok(LIBRARY) | Err(_) => None,
        Ok(number) => of_number(number),
    }
}

/// The heap to which this memory belongs, if it is not that of the C library.
#[inline]
fn of_memory(memory: *mut c_void) -> Option<&'static Heap> {
    ALL.get(memory.addr().checked_sub(START)? >> RANGE_BITS)
}

/// # Safety
/// `memory` is on one of the heaps here.
unsafe fn usable(memory: *mut c_void) -> usize {
    /// The lowest bits of a chunk's size are flags.
    const FLAGS: usize = 7;
    // SAFETY: the size of a chunk stands before its memory, and is followed by the next one's.
    unsafe { (memory.cast::<usize>().sub(1).read() & !FLAGS) - size_of::<usize>() }
}

fn fail_null() -> *mut c_void {
    super::super::fail(libc::ENOMEM);
    ptr::null_mut()
}

fn checked(memory: *mut u8) -> *mut c_void {
    if memory.is_null() {
        return fail_null();
    }
    memory.cast()
}

/// # Safety
/// As for `malloc(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    match present() {
        // SAFETY: any size is valid.
        Some(heap) => checked(unsafe { heap.memory().c_malloc(size) }),
        // SAFETY: the argument is the caller's own.
        None => unsafe { __libc_malloc(size) },
    }
}

/// # Safety
/// As for `calloc(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    match present() {
        Some(heap) => match count.checked_mul(size) {
            // SAFETY: any size is valid.
            Some(size) => checked(unsafe { heap.memory().calloc(size, ALIGNMENT) }),
            None => fail_null(),
        },
        // SAFETY: the arguments are the caller's own.
        None => unsafe { __libc_calloc(count, size) },
    }
}

/// # Safety
/// As for `realloc(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
    if memory.is_null() {
        // SAFETY: any size is valid.
        return unsafe { malloc(size) };
    }
    match of_memory(memory) {
        Some(_) if size == 0 => {
            // SAFETY: the caller promises that it is allocated.
            unsafe { free(memory) };
            ptr::null_mut()
        }
        // SAFETY: the caller promises that it is allocated, which was done by this heap.
        Some(heap) => checked(unsafe { heap.memory().c_realloc(memory.cast(), size) }),
        // SAFETY: the arguments are the caller's own.
        None => unsafe { __libc_realloc(memory, size) },
    }
}

/// # Safety
/// As for `reallocarray(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn reallocarray(memory: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: as the caller promises.
        Some(size) => unsafe { realloc(memory, size) },
        None => fail_null(),
    }
}

/// # Safety
/// As for `free(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(memory: *mut c_void) {
    match of_memory(memory) {
        // SAFETY: the caller promises that it is allocated, which was done by this heap.
        Some(heap) => unsafe { heap.memory().c_free(memory.cast()) },
        // SAFETY: the argument is the caller's own.
        None => unsafe { __libc_free(memory) },
    }
}

/// # Safety
/// As for `memalign(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    match present() {
        // SAFETY: it is a power of two, and any size is valid.
        Some(heap) => match alignment.checked_next_power_of_two() {
            Some(alignment) => checked(unsafe { heap.memory().c_memalign(alignment, size) }),
            None => fail_null(),
        },
        // SAFETY: the arguments are the caller's own.
        None => unsafe { __libc_memalign(alignment, size) },
    }
}

/// # Safety
/// As for `aligned_alloc(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    if !alignment.is_power_of_two() {
        super::super::fail(libc::EINVAL);
        return ptr::null_mut();
    }
    // SAFETY: as the caller promises.
    unsafe { memalign(alignment, size) }
}

/// # Safety
/// As for `posix_memalign(3)`: `place` is valid for the write of a pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(
    place: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<*mut c_void>()) {
        return libc::EINVAL;
    }
    // SAFETY: as the caller promises.
    unsafe {
        let memory = memalign(alignment, size);
        if memory.is_null() {
            return libc::ENOMEM;
        }
        place.write(memory);
    }
    0
}

/// # Safety
/// As for `valloc(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn valloc(size: usize) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { memalign(page_size(), size) }
}

/// # Safety
/// As for `pvalloc(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pvalloc(size: usize) -> *mut c_void {
    match size.checked_next_multiple_of(page_size()) {
        // SAFETY: as the caller promises.
        Some(size) => unsafe { memalign(page_size(), size) },
        None => fail_null(),
    }
}

fn page_size() -> usize {
    // SAFETY: it asks for a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// # Safety
/// As for `malloc_usable_size(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn malloc_usable_size(memory: *mut c_void) -> usize {
    type UsableSize = unsafe extern "C" fn(*mut c_void) -> usize;
    match of_memory(memory) {
        // SAFETY: the caller promises that it is allocated, which was done by a heap here.
        Some(_) => unsafe { usable(memory) },
        None => match library!(MALLOC_USABLE_SIZE as UsableSize) {
            // SAFETY: the argument is the caller's own.
            Some(usable_size) => unsafe { usable_size(memory) },
            None => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpose::{RunHeap, heap::LibraryHeap};

    /// What each allocation is asked for: a size, and an alignment.
    const ASKED: [(usize, usize); 8] = [
        (0, 1),
        (1, 8),
        (24, 16),
        (100, 64),
        (4096, 4096),
        (300_000, 16),
        (5 << 20, 1 << 16),
        (7, 2),
    ];

    #[test]
    fn memory_of_a_run_is_on_its_heap_and_holds_what_it_says() {
        // SAFETY: each piece of memory is used within the size that it says, and freed once.
        unsafe {
            let mut all = Vec::with_capacity(ASKED.len());
            let heap = RunHeap::start();
            for (size, alignment) in ASKED {
                let memory = memalign(alignment, size);
                assert!(of_memory(memory).is_some(), "{size}");
                assert_eq!(memory.addr() % alignment.max(ALIGNMENT), 0, "{size}");
                assert!(malloc_usable_size(memory) >= size);
                memory
                    .cast::<u8>()
                    .write_bytes(7, malloc_usable_size(memory));
                let _library = LibraryHeap::enter();
                all.push((memory, size));
            }
            drop(heap);
            for (memory, size) in all {
                // It stays on its heap, whoever makes it larger.
                let larger = realloc(memory, size + 1000);
                assert!(of_memory(larger).is_some());
                let bytes = std::slice::from_raw_parts(larger.cast::<u8>(), size);
                assert!(bytes.iter().all(|it| *it == 7));
                free(larger);
            }
        }
    }

    #[test]
    fn memory_is_zero_where_it_is_asked_for_and_too_much_is_refused() {
        // SAFETY: the memory is read within its size, and freed once.
        unsafe {
            let _heap = RunHeap::start();
            let dirty = malloc(1000);
            dirty.cast::<u8>().write_bytes(7, 1000);
            free(dirty);
            let clean = calloc(10, 100);
            let bytes = std::slice::from_raw_parts(clean.cast::<u8>(), 1000);
            assert!(bytes.iter().all(|it| *it == 0));
            free(clean);
            for refused in [
                calloc(usize::MAX, 2),
                reallocarray(ptr::null_mut(), usize::MAX, 2),
                malloc(usize::MAX),
                malloc(1 << 40),
                pvalloc(usize::MAX),
                aligned_alloc(3, 8),
            ] {
                assert!(refused.is_null());
            }
            let mut place = ptr::null_mut();
            assert_eq!(posix_memalign(&raw mut place, 24, 8), libc::EINVAL);
            assert_eq!(posix_memalign(&raw mut place, 64, 8), 0);
            assert_eq!(place.addr() % 64, 0);
            free(place);
        }
    }

    #[test]
    fn other_threads_may_free_what_a_run_has_allocated() {
        let heap = RunHeap::start();
        let strings: Vec<String> = (0..1000).map(|it| format!("{it:100}")).collect();
        assert!(of_memory(strings.as_ptr().cast_mut().cast()).is_some());
        drop(heap);
        let length = std::thread::spawn(move || strings.len()).join();
        assert_eq!(length.unwrap(), 1000);
    }
}
