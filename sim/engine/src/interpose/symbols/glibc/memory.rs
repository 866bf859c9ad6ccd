//! Memory that is allocated: on the heap of a run while it is simulated, else on that of the
//! C library.
//!
//! A program may replace these functions: see "Replacing malloc" in the manual of glibc, which
//! lists them.

use std::ffi::{c_int, c_void};
use std::ptr;

use super::super::library::library;
use super::heaps::{Heap, of_memory, of_number, usable};
use crate::interpose::heap::{HEAP, LIBRARY};

/// What every allocation is aligned to.
const ALIGNMENT: usize = 16;

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

/// The heap of this thread, if it is not that of the C library.
#[inline]
fn present() -> Option<&'static Heap> {
    match HEAP.try_with(std::cell::Cell::get) {
        Ok(LIBRARY) | Err(_) => None,
        Ok(number) => of_number(number),
    }
}

fn fail_null() -> *mut c_void {
    crate::interpose::heap::note_lack();
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
                // It stays on its heap when another thread or the engine makes it larger.
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
    #[allow(clippy::disallowed_methods, reason = "no simulation runs")]
    fn other_threads_may_free_what_a_run_has_allocated() {
        let heap = RunHeap::start();
        let strings: Vec<String> = (0..1000).map(|it| format!("{it:100}")).collect();
        assert!(of_memory(strings.as_ptr().cast_mut().cast()).is_some());
        drop(heap);
        let length = std::thread::spawn(move || strings.len()).join();
        assert_eq!(length.unwrap(), 1000);
    }
}
