//! What starts a thread.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

use libc::{pthread_attr_t, pthread_t};

use super::super::is_simulated;
use super::super::library::library;
use super::place;
use crate::interpose::seeded;
use crate::interpose::{ALLOWS_THREADS, HAS_THREADS, asked, outside};

type Routine = extern "C" fn(*mut c_void) -> *mut c_void;

/// Keeps the linker from dropping the symbol.
pub(super) fn keep() {
    std::hint::black_box(pthread_create as *const ());
}

/// True if the thread is one of the runtime's pool, which is refused by its stack, and
/// reported by the panic that follows.
///
/// # Safety
/// `attributes` is null or valid.
unsafe fn is_of_blocking_pool(attributes: *const pthread_attr_t) -> bool {
    if attributes.is_null() {
        return false;
    }
    let mut size = MaybeUninit::<usize>::zeroed();
    // SAFETY: not null, and the caller promises that they are valid. Zero is a size.
    unsafe {
        libc::pthread_attr_getstacksize(attributes, size.as_mut_ptr());
        size.assume_init() >= crate::limits::NO_STACK
    }
}

/// # Safety
/// As for `pthread_create(3)`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    routine: Routine,
    argument: *mut c_void,
) -> c_int {
    type PthreadCreate =
        unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, Routine, *mut c_void) -> c_int;
    if is_simulated() {
        // SAFETY: as the caller promises.
        if unsafe { is_of_blocking_pool(attributes) } {
            return libc::EAGAIN;
        }
        let is_allowed = ALLOWS_THREADS.try_with(Cell::get).unwrap_or(false);
        // Nothing may unwind from here into C.
        let _ = std::panic::catch_unwind(|| {
            let place = || outside(|| place::of_caller_of("pthread_create"));
            if let Some(asked) = asked() {
                (asked.starts_thread)(is_allowed, &place);
            }
        });
        if !is_allowed {
            return libc::EAGAIN;
        }
        let _ = HAS_THREADS.try_with(|has| has.set(true));
    }
    let library = if is_simulated() {
        None
    } else {
        seeded::pthread_create()
    };
    match library.or_else(|| library!(PTHREAD_CREATE as PthreadCreate)) {
        // SAFETY: the arguments are the caller's own, for the function of that name.
        Some(create) => unsafe { create(thread, attributes, routine, argument) },
        None => libc::EAGAIN,
    }
}
