//! Random bytes.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;

use rand_core::Rng;

use super::{fail, is_simulated};
use crate::interpose::ENTROPY;

/// The most that `getentropy` gives at once.
const GETENTROPY_MAX: usize = 256;

/// Keeps the linker from dropping the symbols.
pub(super) fn keep() {
    std::hint::black_box([
        getrandom as *const (),
        getentropy as *const (),
        arc4random as *const (),
        arc4random_buf as *const (),
        arc4random_uniform as *const (),
    ]);
}

/// Fill from the run's stream; false if this thread has none.
///
/// # Safety
/// `buffer` is valid for writes of `length` bytes, or null.
pub(super) unsafe fn fill(buffer: *mut c_void, length: usize) -> bool {
    if !is_simulated() {
        return false;
    }
    // `try_with` and `try_borrow_mut`: this may be called from within itself, and must not
    // panic across the C ABI.
    let filled = ENTROPY.try_with(|entropy| {
        let mut entropy = entropy.try_borrow_mut().ok()?;
        let rng = entropy.as_mut()?;
        let mut chunk = [0; 64];
        let mut written = 0;
        while written < length && !buffer.is_null() {
            let part = (length - written).min(chunk.len());
            rng.fill_bytes(&mut chunk[..part]);
            // SAFETY: the caller promises `length` writable bytes, and `written + part`
            // does not exceed it.
            unsafe {
                let target = buffer.cast::<u8>().add(written);
                ptr::copy_nonoverlapping(chunk.as_ptr(), target, part);
            }
            written += part;
        }
        Some(())
    });
    matches!(filled, Ok(Some(())))
}

/// Fill from the run, or else from the system, whatever it takes.
///
/// # Safety
/// As for [`fill`].
pub(super) unsafe fn fill_or_wait(buffer: *mut c_void, length: usize) {
    // SAFETY: as the caller promises.
    if unsafe { fill(buffer, length) } {
        return;
    }
    let mut written = 0;
    while written < length && !buffer.is_null() {
        // SAFETY: `written` is below `length`, up to which the buffer is valid.
        let got = unsafe {
            let rest = buffer.cast::<u8>().add(written);
            libc::syscall(libc::SYS_getrandom, rest, length - written, 0)
        };
        // An interrupted call is made again; nothing else can go wrong with these arguments.
        written += usize::try_from(got).unwrap_or(0);
    }
}

/// # Safety
/// As for getrandom(2): `buffer` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    // SAFETY: as the caller promises.
    if unsafe { fill(buffer, length) } {
        return length.cast_signed();
    }
    // SAFETY: the arguments are the caller's own, for the system call of that name.
    unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize }
}

/// # Safety
/// As for getentropy(3): `buffer` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    if length > GETENTROPY_MAX {
        return fail(libc::EIO);
    }
    // SAFETY: as the caller promises.
    unsafe { fill_or_wait(buffer, length) };
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn arc4random() -> u32 {
    let mut number = 0_u32;
    // SAFETY: the number is as long as it says.
    unsafe { fill_or_wait((&raw mut number).cast(), size_of::<u32>()) };
    number
}

/// # Safety
/// As for `arc4random_buf(3)`: `buffer` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn arc4random_buf(buffer: *mut c_void, length: usize) {
    // SAFETY: as the caller promises.
    unsafe { fill_or_wait(buffer, length) };
}

/// A number below `bound`, each equally likely.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn arc4random_uniform(bound: u32) -> u32 {
    if bound < 2 {
        return 0;
    }
    // The numbers below this would make the lowest remainders likelier.
    let uneven = bound.wrapping_neg() % bound;
    loop {
        let number = arc4random();
        if number >= uneven {
            return number % bound;
        }
    }
}
