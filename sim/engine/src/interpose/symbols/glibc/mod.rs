//! What needs glibc, on processors whose functions with a variable number of arguments
//! take them as others do.
//!
//! `memory` has what allocates, `heaps` where; `devices` has the files that give random bytes,
//! `waits` what blocks a thread, `host` the processors and the names of process and machine,
//! `threads` what starts a thread, and `place` who did.

mod devices;
#[cfg(all(feature = "heap", not(target_feature = "crt-static")))]
pub(super) mod heaps;
mod host;
#[cfg(all(feature = "heap", not(target_feature = "crt-static")))]
mod memory;
mod place;
mod threads;
mod waits;

/// A run begins on this thread.
pub(super) fn start() {
    devices::keep();
    #[cfg(all(feature = "heap", not(target_feature = "crt-static")))]
    memory::keep();
    threads::keep();
    waits::keep();
    host::start();
}
