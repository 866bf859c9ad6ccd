//! Functions of the C library that wait for a descriptor.

use std::ffi::{c_int, c_void};

use super::flags;
use super::kernel::{me, with};
use super::state::Wait;
use super::spins;
use super::sys::{self, answer, number};
use super::threads;
use super::weak::weak;

weak! {
    "epoll_wait" retake_seeded_epoll_wait,
    "write" retake_seeded_write,
    "read" retake_seeded_read,
    "recv" retake_seeded_recv,
    "recvfrom" retake_seeded_recvfrom,
    "accept" retake_seeded_accept,
    "accept4" retake_seeded_accept4,
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_epoll_wait(
    file: c_int,
    events: *mut c_void,
    most: c_int,
    milliseconds: c_int,
) -> c_int {
    let wait = |milliseconds: c_int| {
        let arguments = [
            file as usize,
            events as usize,
            most as usize,
            milliseconds as usize,
            0,
            8,
        ];
        // SAFETY: as the caller promises.
        unsafe { sys::call(number::EPOLL_PWAIT, arguments) }
    };
    let Some(me) = me() else {
        return answer(wait(milliseconds)) as c_int;
    };
    // The events that a runtime waits for are known, but for those of a descriptor by which its
    // own threads wake each other.
    let wait = |milliseconds: c_int| {
        let has_none = with(|kernel| {
            let is_known = !kernel.has_events();
            let thread = &mut kernel.threads[me as usize];
            let has_written = std::mem::replace(&mut thread.writes_seen, flags::writes()) != flags::writes();
            is_known && !has_written && (thread.is_parked || thread.is_looking)
        });
        if has_none { 0 } else { wait(milliseconds) }
    };
    let mut result = wait(0);
    if result == 0 && milliseconds != 0 {
        let deadline = u64::try_from(milliseconds).ok().map(|milliseconds| {
            with(|kernel| kernel.now_ns).saturating_add(milliseconds * 1_000_000)
        });
        threads::block(me, Wait::File(file), deadline);
        result = wait(0);
    }
    answer(result) as c_int
}

/// Let others run until this descriptor can be read, if a read of it would block: what is read
/// may come from them.
fn wait_for_input(file: c_int) {
    let Some(me) = me() else { return };
    if sys::readable(&[file], 0)[0] || !sys::is_blocking(file) {
        return;
    }
    with(|kernel| kernel.use_event_source());
    threads::block(me, Wait::File(file), None);
}

/// The answer of a call that reads. At the end of a stream, and where nothing is there yet, a
/// thread may read again and again.
fn read(result: isize) -> isize {
    /// A read that gives nothing counts as so many polls.
    const POLLS: u32 = 16;
    if result == 0 || result == -(sys::EAGAIN as isize) {
        spins::is_vain(POLLS);
    }
    answer(result) as isize
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_read(file: c_int, memory: *mut c_void, size: usize) -> isize {
    wait_for_input(file);
    let arguments = [file as usize, memory as usize, size, 0, 0, 0];
    // SAFETY: as the caller promises.
    read(unsafe { sys::call(number::READ, arguments) })
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_write(file: c_int, memory: *const c_void, size: usize) -> isize {
    flags::writes_once_more();
    let arguments = [file as usize, memory as usize, size, 0, 0, 0];
    // SAFETY: as the caller promises.
    answer(unsafe { sys::call(number::WRITE, arguments) }) as isize
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_recv(
    file: c_int,
    memory: *mut c_void,
    size: usize,
    flags: c_int,
) -> isize {
    let nothing = std::ptr::null_mut();
    // SAFETY: as the caller promises.
    unsafe { retake_seeded_recvfrom(file, memory, size, flags, nothing, nothing) }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_recvfrom(
    file: c_int,
    memory: *mut c_void,
    size: usize,
    flags: c_int,
    address: *mut c_void,
    length: *mut c_void,
) -> isize {
    const MSG_DONTWAIT: c_int = 0x40;
    if flags & MSG_DONTWAIT == 0 {
        wait_for_input(file);
    }
    let arguments = [
        file as usize,
        memory as usize,
        size,
        flags as usize,
        address as usize,
        length as usize,
    ];
    // SAFETY: as the caller promises.
    read(unsafe { sys::call(number::RECVFROM, arguments) })
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_accept(
    file: c_int,
    address: *mut c_void,
    length: *mut c_void,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { retake_seeded_accept4(file, address, length, 0) }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_accept4(
    file: c_int,
    address: *mut c_void,
    length: *mut c_void,
    flags: c_int,
) -> c_int {
    wait_for_input(file);
    let arguments = [
        file as usize,
        address as usize,
        length as usize,
        flags as usize,
        0,
        0,
    ];
    // SAFETY: as the caller promises.
    answer(unsafe { sys::call(number::ACCEPT4, arguments) }) as c_int
}
