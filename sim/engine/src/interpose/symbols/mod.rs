//! Functions of the C library, defined in the program.
//!
//! `library` finds the library's own behind them. `entropy` has random bytes, `clocks`
//! time. What needs glibc, or its calling convention for functions with a variable
//! number of arguments, is in `glibc`.
#![allow(
    unsafe_code,
    reason = "defining symbols of the C library takes the C ABI and raw pointers"
)]

mod clocks;
mod entropy;
#[cfg(all(
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod glibc;
mod library;

use super::ACTIVE;

/// True on a simulation's thread.
#[inline]
fn is_simulated() -> bool {
    ACTIVE.try_with(std::cell::Cell::get).unwrap_or(false)
}

/// A run begins on this thread.
pub(super) fn start() {
    clocks::keep();
    entropy::keep();
    #[cfg(all(
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    glibc::start();
}

/// Find the library's functions, once for this process and those that are forked from it.
pub(super) fn prepare() {
    library::look_up_all();
}

/// A heap for the run that begins on this thread: that of the C library if all others are in use.
pub(super) fn take_heap() -> u8 {
    #[cfg(all(
        target_env = "gnu",
        feature = "heap",
        not(target_feature = "crt-static"),
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return glibc::heaps::take();
    #[allow(unreachable_code, reason = "where the line above is not")]
    super::heap::LIBRARY
}

/// The run that had this heap is over.
pub(super) fn give_heap_back(number: u8) {
    #[cfg(all(
        target_env = "gnu",
        feature = "heap",
        not(target_feature = "crt-static"),
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    glibc::heaps::give_back(number);
    let _ = number;
}

/// Give an error as functions of the C library do.
fn fail(error: libc::c_int) -> libc::c_int {
    // SAFETY: the place of this thread's `errno` is always valid.
    unsafe { *libc::__errno_location() = error };
    -1
}
