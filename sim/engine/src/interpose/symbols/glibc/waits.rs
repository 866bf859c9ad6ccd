//! What blocks a thread: sleeps, and waits with a deadline.
//!
//! A step that blocks keeps everything waiting, as it would keep its thread. Virtual time
//! moves to the end of the wait at once, and nothing waits for real: nobody could end the
//! wait sooner, because a simulation has one thread. Where threads are allowed and one was
//! started, the wait is a real one as well.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_uint};
use std::time::Duration;

use libc::{clockid_t, timespec};

use super::super::{clocks, entropy, fail, is_simulated};
use super::host;
use crate::interpose::seeded;
use crate::interpose::{HAS_THREADS, asked};

const NS_PER_S: i64 = 1_000_000_000;

/// Keeps the linker from dropping the symbols.
pub(super) fn keep() {
    std::hint::black_box([
        nanosleep as *const (),
        clock_nanosleep as *const (),
        usleep as *const (),
        sleep as *const (),
        syscall as *const (),
    ]);
}

/// Nanoseconds of a valid time.
fn nanoseconds(time: &timespec) -> Option<u64> {
    let is_valid = time.tv_sec >= 0 && (0..NS_PER_S).contains(&time.tv_nsec);
    let nanoseconds = time
        .tv_sec
        .saturating_mul(NS_PER_S)
        .saturating_add(time.tv_nsec);
    is_valid.then_some(nanoseconds.cast_unsigned())
}

/// From what this clock shows now to `end`.
fn until(clock: clockid_t, end: u64) -> Option<u64> {
    let now = clocks::simulated(clock)?;
    Some(end.saturating_sub(nanoseconds(&now)?))
}

fn has_threads() -> bool {
    HAS_THREADS.try_with(Cell::get).unwrap_or(false)
}

/// The step sleeps.
fn sleep_for(nanoseconds: u64) {
    if has_threads() {
        let time = time_of(nanoseconds);
        let nothing = std::ptr::null_mut::<timespec>();
        // SAFETY: the time is valid for a read, and nothing is written.
        unsafe {
            raw(
                libc::SYS_nanosleep,
                [(&raw const time) as usize, nothing as usize, 0, 0, 0, 0],
            )
        };
    }
    // No sleep is over at once.
    block(nanoseconds.max(1));
}

/// The step blocks its thread for so long.
fn block(nanoseconds: u64) {
    if let Some(asked) = asked() {
        (asked.block)(nanoseconds);
    }
}

fn time_of(nanoseconds: u64) -> timespec {
    let time = Duration::from_nanos(nanoseconds);
    timespec {
        tv_sec: time.as_secs().cast_signed(),
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// # Safety
/// As for nanosleep(2).
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn nanosleep(time: *const timespec, rest: *mut timespec) -> c_int {
    if is_simulated() && !time.is_null() {
        // SAFETY: not null, and the caller promises that it is valid for a read.
        return match nanoseconds(unsafe { &*time }) {
            Some(nanoseconds) => {
                sleep_for(nanoseconds);
                0
            }
            None => fail(libc::EINVAL),
        };
    }
    if let Some(nanosleep) = seeded::nanosleep() {
        // SAFETY: the arguments are the caller's own, for the function of that name.
        return unsafe { nanosleep(time, rest) };
    }
    // SAFETY: the arguments are the caller's own, for the system call of that name.
    unsafe {
        system(
            libc::SYS_nanosleep,
            [time as usize, rest as usize, 0, 0, 0, 0],
        ) as c_int
    }
}

/// # Safety
/// As for `clock_nanosleep(2)`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    time: *const timespec,
    rest: *mut timespec,
) -> c_int {
    if is_simulated() && !time.is_null() && clocks::simulated(clock).is_some() {
        // SAFETY: not null, and the caller promises that it is valid for a read.
        let Some(mut nanoseconds) = nanoseconds(unsafe { &*time }) else {
            return libc::EINVAL;
        };
        if flags & libc::TIMER_ABSTIME != 0 {
            nanoseconds = until(clock, nanoseconds).unwrap_or(0);
        }
        sleep_for(nanoseconds);
        return 0;
    }
    if let Some(clock_nanosleep) = seeded::clock_nanosleep() {
        // SAFETY: the arguments are the caller's own, for the function of that name.
        return unsafe { clock_nanosleep(clock, flags, time, rest) };
    }
    let arguments = [
        clock as usize,
        flags as usize,
        time as usize,
        rest as usize,
        0,
        0,
    ];
    // SAFETY: the arguments are the caller's own, for the system call of that name, whose
    // error this function returns.
    -(unsafe { raw(libc::SYS_clock_nanosleep, arguments) } as c_int)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn usleep(microseconds: c_uint) -> c_int {
    let time = time_of(u64::from(microseconds) * 1_000);
    // SAFETY: the time is valid for a read.
    unsafe { nanosleep(&raw const time, std::ptr::null_mut()) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sleep(seconds: c_uint) -> c_uint {
    let mut rest = timespec {
        tv_sec: seconds.into(),
        tv_nsec: 0,
    };
    // SAFETY: the time is valid for a read and a write.
    match unsafe { nanosleep(&raw const rest, &raw mut rest) } {
        0 => 0,
        _ => c_uint::try_from(rest.tv_sec).unwrap_or(0),
    }
}

/// A wait on a futex by the thread of a simulation; its result, or None if the system is to
/// wait as it is asked.
///
/// # Safety
/// The arguments are those of futex(2).
unsafe fn wait_on_futex(arguments: [usize; 6]) -> Option<isize> {
    let [word, operation, expected, timeout, _, _] = arguments;
    let operation = operation as c_int;
    let command = operation & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    let waits = matches!(command, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET);
    if !waits || timeout == 0 || word == 0 {
        return None;
    }
    // SAFETY: the caller promises that it is a time.
    let time = nanoseconds(unsafe { &*(timeout as *const timespec) })?;
    let wait = if command == libc::FUTEX_WAIT {
        time
    } else if operation & libc::FUTEX_CLOCK_REALTIME == 0 {
        until(libc::CLOCK_MONOTONIC, time)?
    } else {
        until(libc::CLOCK_REALTIME, time)?
    };
    // With threads, one of them may end the wait. Without, the system is still asked, for
    // whether the word is as expected.
    let real = time_of(if has_threads() { wait } else { 0 });
    let private = operation & libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_WAIT;
    let real = (&raw const real) as usize;
    // SAFETY: the arguments are valid for a wait for some time.
    let result = unsafe {
        raw(
            libc::SYS_futex,
            [word, private as usize, expected, real, 0, 0],
        )
    };
    if result == -(libc::ETIMEDOUT as isize) {
        // A wait that is over at once is asked for again and again.
        block(wait.max(1));
    }
    Some(result)
}

/// A system call by its number. The C library's takes a variable number of arguments;
/// where this is compiled, the caller passes them as it would pass six.
///
/// # Safety
/// As for the system call of that number.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    let arguments = [a, b, c, d, e, f];
    if is_simulated() {
        // SAFETY: as the caller promises.
        if let Some(result) = unsafe { simulated(number, arguments) } {
            return answer(result);
        }
    }
    if let Some(syscall) = seeded::syscall() {
        // SAFETY: as the caller promises.
        return unsafe { syscall(number, a, b, c, d, e, f) };
    }
    // SAFETY: as the caller promises.
    unsafe { system(number, arguments) }
}

/// What a simulation answers to a system call; None if it is the system's business.
///
/// # Safety
/// As for the system call of that number.
unsafe fn simulated(number: c_long, arguments: [usize; 6]) -> Option<isize> {
    let [a, b, ..] = arguments;
    match number {
        libc::SYS_getrandom => {
            // SAFETY: as the caller promises.
            unsafe { entropy::fill(a as *mut _, b) }.then_some(b.cast_signed())
        }
        libc::SYS_clock_gettime => {
            let now = clocks::simulated(a as clockid_t).filter(|_| b != 0)?;
            // SAFETY: not null, and the caller promises that it is valid for a write.
            unsafe { (b as *mut timespec).write(now) };
            Some(0)
        }
        libc::SYS_getpid | libc::SYS_gettid => host::process_id().map(|id| id as isize),
        // SAFETY: as the caller promises.
        libc::SYS_futex => unsafe { wait_on_futex(arguments) },
        _ => None,
    }
}

/// The result of a system call as functions of the C library give it.
fn answer(result: isize) -> c_long {
    if (-4095..0).contains(&result) {
        fail(-result as c_int).into()
    } else {
        result as c_long
    }
}

/// # Safety
/// As for the system call of that number.
unsafe fn system(number: c_long, arguments: [usize; 6]) -> c_long {
    // SAFETY: as the caller promises.
    answer(unsafe { raw(number, arguments) })
}

/// # Safety
/// As for the system call of that number.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn raw(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    let result;
    // SAFETY: the system call changes these registers only, and memory as the caller expects.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            in("r9") f,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// # Safety
/// As for the system call of that number.
#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn raw(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    let result;
    // SAFETY: the system call changes these registers only, and memory as the caller expects.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a.cast_signed() => result,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            in("x5") f,
            options(nostack),
        );
    }
    result
}
