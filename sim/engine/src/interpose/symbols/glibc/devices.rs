//! Files of the system that give random bytes, or say what the machine is like.
//!
//! On a simulation's thread the random devices are files in memory that hold bytes of the
//! run's stream. They end after [`DEVICE_BYTES`]: a read by the file's descriptor has no
//! cost, as it would have if `read` had to know descriptors that never end.
//! Limits of the control group and the processor's description are not there.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::ptr;

use libc::{FILE, mode_t};

use super::super::library::library;
use super::super::{entropy, fail, is_simulated};
use crate::interpose::DEVICE_BYTES;

/// Keeps the linker from dropping the symbols.
pub(super) fn keep() {
    std::hint::black_box([
        open as *const (),
        open64 as *const (),
        openat as *const (),
        openat64 as *const (),
        fopen as *const (),
        fopen64 as *const (),
    ]);
}

/// What replaces a file of the system in a simulation.
enum Instead {
    /// Random bytes.
    Entropy,
    /// A random identifier as text.
    Uuid,
    /// No such file.
    Nothing,
}

/// # Safety
/// `path` is null or a string of C.
unsafe fn instead(path: *const c_char) -> Option<Instead> {
    if path.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller promises that it is a string.
    match unsafe { CStr::from_ptr(path) }.to_bytes() {
        b"/dev/urandom" | b"/dev/random" => Some(Instead::Entropy),
        b"/proc/sys/kernel/random/uuid" => Some(Instead::Uuid),
        b"/proc/self/cgroup" | b"/proc/cpuinfo" => Some(Instead::Nothing),
        _ => None,
    }
}

/// A file in memory with these contents; below 0 with an error.
fn file_of(flags: c_int, contents: &[u8]) -> c_int {
    let close = if flags & libc::O_CLOEXEC == 0 {
        0
    } else {
        libc::MFD_CLOEXEC
    };
    // SAFETY: the name is a string, and the descriptor is ours until it is given away.
    unsafe {
        let file = libc::memfd_create(c"random".as_ptr(), close);
        if file < 0 {
            return file;
        }
        let written = libc::pwrite(file, contents.as_ptr().cast(), contents.len(), 0);
        if usize::try_from(written) != Ok(contents.len()) {
            libc::close(file);
            return fail(libc::EIO);
        }
        file
    }
}

fn open_instead(instead: &Instead, flags: c_int) -> c_int {
    match instead {
        Instead::Nothing => fail(libc::ENOENT),
        Instead::Entropy => {
            // Not on the stack, where it would be touched for the other files as well.
            let mut bytes = vec![0; DEVICE_BYTES];
            // SAFETY: the buffer is as long as it says.
            unsafe { entropy::fill_or_wait(bytes.as_mut_ptr().cast(), bytes.len()) };
            file_of(flags, &bytes)
        }
        Instead::Uuid => {
            let mut bytes = [0; 16];
            // SAFETY: the buffer is as long as it says.
            unsafe { entropy::fill_or_wait(bytes.as_mut_ptr().cast(), bytes.len()) };
            file_of(flags, &uuid(bytes))
        }
    }
}

/// A random UUID, version 4, with a newline.
fn uuid(mut bytes: [u8; 16]) -> [u8; 37] {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half & 0x0f)];
    let mut text = [b'-'; 37];
    let mut place = 0;
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            place += 1;
        }
        text[place] = digit(byte >> 4);
        text[place + 1] = digit(byte);
        place += 2;
    }
    text[36] = b'\n';
    text
}

/// # Safety
/// As for openat(2).
unsafe fn open_in(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    if is_simulated() {
        // SAFETY: as the caller promises.
        if let Some(instead) = unsafe { instead(path) } {
            return open_instead(&instead, flags);
        }
    }
    // SAFETY: the arguments are the caller's own, for the system call of that name.
    unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, mode as c_uint) as c_int }
}

/// # Safety
/// As for open(2).
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { open_in(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As for open(2).
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { open_in(libc::AT_FDCWD, path, flags | libc::O_LARGEFILE, mode) }
}

/// # Safety
/// As for openat(2).
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn openat(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { open_in(folder, path, flags, mode) }
}

/// # Safety
/// As for openat(2).
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn openat64(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { open_in(folder, path, flags | libc::O_LARGEFILE, mode) }
}

type Fopen = unsafe extern "C" fn(*const c_char, *const c_char) -> *mut FILE;

/// # Safety
/// As for fopen(3).
unsafe fn fopen_instead(path: *const c_char, mode: *const c_char) -> Option<*mut FILE> {
    if !is_simulated() {
        return None;
    }
    // SAFETY: as the caller promises.
    let instead = unsafe { instead(path) }?;
    let file = open_instead(&instead, 0);
    if file < 0 {
        return Some(ptr::null_mut());
    }
    // SAFETY: the descriptor is open, and the mode the caller's own.
    Some(unsafe { libc::fdopen(file, mode) })
}

/// # Safety
/// As for fopen(3).
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE {
    let library = library!(FOPEN as Fopen);
    // SAFETY: the arguments are the caller's own, for the function of that name.
    unsafe {
        match (fopen_instead(path, mode), library) {
            (Some(file), _) => file,
            (None, Some(fopen)) => fopen(path, mode),
            (None, None) => ptr::null_mut(),
        }
    }
}

/// # Safety
/// As for fopen(3).
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE {
    let library = library!(FOPEN64 as Fopen);
    // SAFETY: the arguments are the caller's own, for the function of that name.
    unsafe {
        match (fopen_instead(path, mode), library) {
            (Some(file), _) => file,
            (None, Some(fopen64)) => fopen64(path, mode),
            (None, None) => ptr::null_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn a_uuid_has_its_usual_form() {
        let text = uuid([0xff; 16]);
        assert_eq!(
            std::str::from_utf8(&text).unwrap(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff\n"
        );
    }
}
