//! Entropy and clocks of user code, on Linux.
//!
//! `HashMap`'s random state, the `rand` crate's system generator, `SystemTime`
//! and `Instant` all end in the C library's `getrandom` and `clock_gettime`. The
//! feature `interpose` defines these symbols in the program, which then come
//! before the library's: on a simulation's thread they answer from the run, on
//! every other thread they make the system call.

use std::cell::{Cell, RefCell};

use rand_chacha::ChaCha8Rng;

/// Other clocks at the start of every run, in seconds: not 0, so that code may
/// subtract from an `Instant`.
#[cfg(all(feature = "interpose", target_os = "linux"))]
const MONOTONIC_START_S: i64 = 1_000_000;

thread_local! {
    static ENTROPY: RefCell<Option<ChaCha8Rng>> = const { RefCell::new(None) };
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
    /// By how much the wall clock is ahead.
    static WALL_OFFSET_NS: Cell<i64> = const { Cell::new(0) };
}

/// True in a program whose entropy and clocks are interposed.
#[must_use]
pub fn is_active() -> bool {
    cfg!(all(feature = "interpose", target_os = "linux"))
}

/// Takes this thread's entropy and clocks over until it is dropped.
#[derive(Debug)]
pub(crate) struct Interposed(());

impl Interposed {
    pub(crate) fn start(seed: u64) -> Self {
        NOW_NS.set(0);
        WALL_OFFSET_NS.set(0);
        ENTROPY.set(Some(crate::rng::stream(seed, "entropy")));
        #[cfg(all(feature = "interpose", target_os = "linux"))]
        symbols::keep();
        Self(())
    }
}

impl Drop for Interposed {
    fn drop(&mut self) {
        ENTROPY.set(None);
    }
}

/// Virtual time has moved.
pub(crate) fn set_now_ns(now_ns: u64) {
    NOW_NS.set(now_ns);
}

/// The wall clock is ahead by so much, or behind.
pub(crate) fn set_wall_offset_ns(offset_ns: i64) {
    WALL_OFFSET_NS.set(offset_ns);
}

#[cfg(all(feature = "interpose", target_os = "linux"))]
#[allow(
    unsafe_code,
    reason = "defining symbols of the C library takes the C ABI and raw pointers"
)]
mod symbols {
    use std::ptr;

    use rand_core::Rng;

    use super::{ENTROPY, MONOTONIC_START_S, NOW_NS, WALL_OFFSET_NS};

    /// Keeps the linker from dropping the symbols.
    pub(super) fn keep() {
        std::hint::black_box((getrandom as *const (), clock_gettime as *const ()));
    }

    /// # Safety
    /// As for getrandom(2): `buffer` is valid for writes of `length` bytes.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn getrandom(
        buffer: *mut libc::c_void,
        length: usize,
        flags: libc::c_uint,
    ) -> isize {
        // `try_with` and `try_borrow_mut`: this may be called while the thread ends
        // or from within itself, and must not panic across the C ABI.
        let filled = ENTROPY.try_with(|entropy| {
            let mut entropy = entropy.try_borrow_mut().ok()?;
            let rng = entropy.as_mut()?;
            let mut chunk = [0; 64];
            let mut written = 0;
            while written < length && !buffer.is_null() {
                let part = (length - written).min(chunk.len());
                rng.fill_bytes(&mut chunk[..part]);
                // SAFETY: the caller promises `length` writable bytes, and
                // `written + part` does not exceed it.
                unsafe {
                    let target = buffer.cast::<u8>().add(written);
                    ptr::copy_nonoverlapping(chunk.as_ptr(), target, part);
                }
                written += part;
            }
            Some(())
        });
        if let Ok(Some(())) = filled {
            return length as isize;
        }
        // SAFETY: the arguments are the caller's own, for the system call of that name.
        unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize }
    }

    /// # Safety
    /// As for `clock_gettime(2)`: `time` is valid for a write.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn clock_gettime(
        clock: libc::clockid_t,
        time: *mut libc::timespec,
    ) -> libc::c_int {
        let is_wall = matches!(
            clock,
            libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI
        );
        let start_s = match clock {
            _ if is_wall => Some(retake::SIMULATED_UNIX_START.as_secs().cast_signed()),
            libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_BOOTTIME => Some(MONOTONIC_START_S),
            // Time used by the processor is not the simulation's business.
            _ => None,
        };
        let simulated = ENTROPY
            .try_with(|entropy| entropy.try_borrow().is_ok_and(|entropy| entropy.is_some()))
            .unwrap_or(false);
        if let (true, Some(start_s), false) = (simulated, start_s, time.is_null()) {
            let mut now_ns = NOW_NS.try_with(std::cell::Cell::get).unwrap_or(0);
            let mut start_s = start_s;
            if is_wall {
                let offset_ns = WALL_OFFSET_NS.try_with(std::cell::Cell::get).unwrap_or(0);
                // In whole seconds and the rest, so that the rest is never below zero.
                let (seconds, rest) = (
                    offset_ns.div_euclid(1_000_000_000),
                    offset_ns.rem_euclid(1_000_000_000),
                );
                start_s = start_s.saturating_add(seconds);
                now_ns = now_ns.saturating_add(rest.cast_unsigned());
            }
            let value = libc::timespec {
                tv_sec: start_s + (now_ns / 1_000_000_000).cast_signed(),
                tv_nsec: (now_ns % 1_000_000_000).cast_signed(),
            };
            // SAFETY: not null, and the caller promises that it is valid for a write.
            unsafe { time.write(value) };
            return 0;
        }
        // SAFETY: the arguments are the caller's own, for the system call of that name.
        unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as libc::c_int }
    }
}
