//! The same functions of a tokio that `cargo retake` has made (`sim/seeded/driver`), if this
//! program was built with one.
//!
//! There they simulate the whole process. Their names in C are weak, so those of this crate
//! come first: on threads that run no simulation of this crate, these hand calls on to them.
#![allow(unsafe_code, reason = "calls functions of C by their address")]

#[cfg(all(feature = "interpose", target_os = "linux"))]
use std::ffi::{c_int, c_long, c_void};

#[cfg(all(feature = "interpose", target_os = "linux"))]
use libc::{clockid_t, cpu_set_t, pid_t, pthread_attr_t, pthread_t, timespec, timeval};

retake::linked_functions! {
    fn is_simulated = "retake_seeded_is_simulated" as extern "C" fn() -> bool;
    fn set_aside = "retake_seeded_set_aside" as extern "C" fn(bool);
}

#[cfg(all(feature = "interpose", target_os = "linux"))]
retake::linked_functions! {
    pub(super) fn clock_gettime = "retake_seeded_clock_gettime"
        as unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
    pub(super) fn clock_nanosleep = "retake_seeded_clock_nanosleep"
        as unsafe extern "C" fn(clockid_t, c_int, *const timespec, *mut timespec) -> c_int;
    pub(super) fn gettimeofday = "retake_seeded_gettimeofday"
        as unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int;
    pub(super) fn nanosleep = "retake_seeded_nanosleep"
        as unsafe extern "C" fn(*const timespec, *mut timespec) -> c_int;
    pub(super) fn pthread_create = "retake_seeded_pthread_create"
        as unsafe extern "C" fn(
            *mut pthread_t,
            *const pthread_attr_t,
            extern "C" fn(*mut c_void) -> *mut c_void,
            *mut c_void,
        ) -> c_int;
    pub(super) fn sched_getaffinity = "retake_seeded_sched_getaffinity"
        as unsafe extern "C" fn(pid_t, usize, *mut cpu_set_t) -> c_int;
    pub(super) fn syscall = "retake_seeded_syscall"
        as unsafe extern "C" fn(c_long, usize, usize, usize, usize, usize, usize) -> c_long;
}

/// Whether the whole process is simulated and this thread is a part of that.
pub(crate) fn simulates_thread() -> bool {
    is_simulated().is_some_and(|is_simulated| is_simulated())
}

/// Take this thread out of the simulation of the process, or back in. All others wait.
pub(super) fn set_thread_aside(on: bool) {
    if let Some(set_aside) = set_aside() {
        set_aside(on);
    }
}
