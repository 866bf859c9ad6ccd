//! Clocks that are read.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};

use libc::{clockid_t, time_t, timespec, timeval};

use super::library::library;
use super::{fail, is_simulated};
use crate::interpose::{
    CLOCK_READS, MONOTONIC_START_S, NOW_NS, READS_WITHOUT_WAITING, WALL_OFFSET_NS, asked, seeded,
};

const NS_PER_S: u64 = 1_000_000_000;
const NS_PER_MS: u64 = 1_000_000;
/// How often reads are looked at: a power of two.
const READS_PER_LOOK: u32 = 1 << 10;
/// `TIME_UTC` of `timespec_get(3)`.
const TIME_UTC: c_int = 1;

/// Keeps the linker from dropping the symbols.
pub(super) fn keep() {
    std::hint::black_box([
        clock_gettime as *const (),
        clock_getres as *const (),
        gettimeofday as *const (),
        time as *const (),
        timespec_get as *const (),
        clock as *const (),
    ]);
}

/// What a clock shows on a simulation's thread. None for clocks that are not its own.
///
/// The clocks of the processor show the virtual time since the start, of which a run
/// has used all.
pub(super) fn simulated(clock: clockid_t) -> Option<timespec> {
    let is_wall = matches!(
        clock,
        libc::CLOCK_REALTIME
            | libc::CLOCK_REALTIME_COARSE
            | libc::CLOCK_REALTIME_ALARM
            | libc::CLOCK_TAI
    );
    let start_s = match clock {
        _ if is_wall => retake::SIMULATED_UNIX_START.as_secs().cast_signed(),
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_BOOTTIME
        | libc::CLOCK_BOOTTIME_ALARM => MONOTONIC_START_S,
        libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID => 0,
        _ => return None,
    };
    let mut now_ns = NOW_NS.try_with(Cell::get).unwrap_or(0);
    let mut start_s = start_s;
    if is_wall {
        let offset_ns = WALL_OFFSET_NS.try_with(Cell::get).unwrap_or(0);
        // In whole seconds and the rest, so that the rest is never below zero.
        start_s = start_s.saturating_add(offset_ns.div_euclid(NS_PER_S.cast_signed()));
        let rest = offset_ns.rem_euclid(NS_PER_S.cast_signed());
        now_ns = now_ns.saturating_add(rest.cast_unsigned());
    }
    Some(timespec {
        tv_sec: start_s.saturating_add((now_ns / NS_PER_S).cast_signed()),
        tv_nsec: (now_ns % NS_PER_S).cast_signed(),
    })
}

/// [`simulated`] for code that reads a clock. A step that does nothing else for long
/// waits for time to pass, so it does.
fn read(clock: clockid_t) -> Option<timespec> {
    let _ = CLOCK_READS.try_with(|reads| {
        let (count, step) = reads.get();
        let count = count.wrapping_add(1);
        reads.set((count, step));
        if count.is_multiple_of(READS_PER_LOOK) {
            look_at_reads(reads);
        }
    });
    simulated(clock)
}

#[cold]
fn look_at_reads(reads: &Cell<(u32, u64)>) {
    let (count, step) = reads.get();
    let Some(asked) = asked() else { return };
    let now = (asked.steps_taken)();
    if now != step {
        reads.set((0, now));
    } else if count >= READS_WITHOUT_WAITING {
        (asked.block)(NS_PER_MS);
        reads.set((count, step));
    }
}

/// # Safety
/// As for `clock_gettime(2)`: `time` is valid for a write.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    if is_simulated()
        && !time.is_null()
        && let Some(now) = read(clock)
    {
        // SAFETY: not null, and the caller promises that it is valid for a write.
        unsafe { time.write(now) };
        return 0;
    }
    type ClockGettime = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
    let library = seeded::clock_gettime().or_else(|| library!(CLOCK_GETTIME as ClockGettime));
    // SAFETY: the arguments are the caller's own, for the function of that name.
    unsafe {
        match library {
            Some(clock_gettime) => clock_gettime(clock, time),
            None => libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int,
        }
    }
}

/// # Safety
/// As for `clock_getres(2)`: `resolution` is null or valid for a write.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_getres(clock: clockid_t, resolution: *mut timespec) -> c_int {
    if is_simulated() && simulated(clock).is_some() {
        if !resolution.is_null() {
            // SAFETY: not null, and the caller promises that it is valid for a write.
            unsafe {
                resolution.write(timespec {
                    tv_sec: 0,
                    tv_nsec: 1,
                });
            }
        }
        return 0;
    }
    // SAFETY: the arguments are the caller's own, for the system call of that name.
    unsafe { libc::syscall(libc::SYS_clock_getres, clock, resolution) as c_int }
}

/// # Safety
/// As for gettimeofday(2): `now` is null or valid for a write.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn gettimeofday(now: *mut timeval, zone: *mut c_void) -> c_int {
    if is_simulated()
        && let Some(time) = read(libc::CLOCK_REALTIME)
    {
        if !now.is_null() {
            // SAFETY: not null, and the caller promises that it is valid for a write.
            unsafe {
                now.write(timeval {
                    tv_sec: time.tv_sec,
                    tv_usec: time.tv_nsec / 1_000,
                });
            }
        }
        return 0;
    }
    type Gettimeofday = unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int;
    let library = seeded::gettimeofday().or_else(|| library!(GETTIMEOFDAY as Gettimeofday));
    // SAFETY: the arguments are the caller's own, for the function of that name.
    unsafe {
        match library {
            Some(gettimeofday) => gettimeofday(now, zone),
            None => libc::syscall(libc::SYS_gettimeofday, now, zone) as c_int,
        }
    }
}

/// The wall clock of any thread, as the library has it.
fn wall_clock() -> timespec {
    let mut now = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is valid for a write.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now
}

/// # Safety
/// As for time(2): `place` is null or valid for a write.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn time(place: *mut time_t) -> time_t {
    let now = wall_clock().tv_sec;
    if !place.is_null() {
        // SAFETY: not null, and the caller promises that it is valid for a write.
        unsafe { place.write(now) };
    }
    now
}

/// # Safety
/// As for `timespec_get(3)`: `time` is valid for a write.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn timespec_get(time: *mut timespec, base: c_int) -> c_int {
    if base != TIME_UTC || time.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller promises that it is valid for a write.
    unsafe { time.write(wall_clock()) };
    base
}

/// Microseconds of the processor that the process has used.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn clock() -> c_long {
    let mut used = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is valid for a write.
    if unsafe { clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used) } != 0 {
        return fail(libc::EOVERFLOW).into();
    }
    used.tv_sec.saturating_mul(1_000_000) + used.tv_nsec / 1_000
}
