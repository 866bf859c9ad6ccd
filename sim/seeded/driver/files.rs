//! Functions of the C library that read and write, or wait for a descriptor.

use std::ffi::{c_int, c_void};

use super::core::disk::DiskOperation;
use super::fault_files::{self, Wrong};
use super::flags;
use super::kernel::{me, with};
use super::state::Wait;
use super::input::{read, wait_for_input, wait_for_message};
use super::packets::Packet;
use super::ports::Address;
use super::sockets;
use super::sys::{self, answer, number};
use super::threads;
use super::weak::weak;

weak! {
    "epoll_wait" retake_seeded_epoll_wait,
    "write" retake_seeded_write,
    "send" retake_seeded_send,
    "sendto" retake_seeded_sendto,
    "writev" retake_seeded_writev,
    "pread" retake_seeded_pread64,
    "pread64" retake_seeded_pread64,
    "pwrite" retake_seeded_pwrite64,
    "pwrite64" retake_seeded_pwrite64,
    "fsync" retake_seeded_fsync,
    "fdatasync" retake_seeded_fdatasync,
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

#[no_mangle]
unsafe extern "C" fn retake_seeded_read(file: c_int, memory: *mut c_void, size: usize) -> isize {
    wait_for_input(file);
    let call = |size: usize| {
        let arguments = [file as usize, memory as usize, size, 0, 0, 0];
        // SAFETY: as the caller promises.
        unsafe { sys::call(number::READ, arguments) }
    };
    read(match flags::has_file_faults() {
        // SAFETY: as the caller promises.
        true => unsafe { fault_files::read(file, memory, size, call) },
        false => call(size),
    })
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_write(file: c_int, memory: *const c_void, size: usize) -> isize {
    flags::writes_once_more();
    // SAFETY: as the caller promises.
    let packet = || unsafe { Packet::of_parts(&[[memory as usize, size]]) };
    sockets::write(file, size, packet, |size| {
        let arguments = [file as usize, memory as usize, size, 0, 0, 0];
        // SAFETY: as the caller promises.
        unsafe { sys::call(number::WRITE, arguments) }
    })
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_send(
    file: c_int,
    memory: *const c_void,
    size: usize,
    flags: c_int,
) -> isize {
    // SAFETY: as the caller promises.
    unsafe { retake_seeded_sendto(file, memory, size, flags, std::ptr::null(), 0) }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_sendto(
    file: c_int,
    memory: *const c_void,
    size: usize,
    flags: c_int,
    address: *const c_void,
    length: u32,
) -> isize {
    // SAFETY: as the caller promises.
    let of_system = unsafe { sockets::to_system(address, length as usize) };
    let [address, length] = match &of_system {
        Some(of_system) => of_system.arguments(),
        None => [address as usize, length as usize],
    };
    if of_system.is_some() {
        sockets::is_local(file);
    }
    let packet = || {
        // SAFETY: as the caller promises.
        let bytes = unsafe { Packet::of_parts(&[[memory as usize, size]]) };
        // SAFETY: as the caller promises.
        let address = unsafe { Address::copy(address as *const c_void, length) };
        Packet { address, ..bytes }
    };
    sockets::write(file, size, packet, |size| {
        let arguments = [file as usize, memory as usize, size, flags as usize, address, length];
        // SAFETY: as the caller promises.
        unsafe { sys::call(number::SENDTO, arguments) }
    })
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_writev(
    file: c_int,
    parts: *const [usize; 2],
    count: c_int,
) -> isize {
    flags::writes_once_more();
    let parts_of = || {
        // SAFETY: the caller promises that there are so many.
        unsafe { std::slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) }
    };
    let size = match flags::has_file_faults() {
        true => parts_of().iter().map(|[_, length]| length).sum(),
        false => 0,
    };
    // SAFETY: as the caller promises.
    let packet = || unsafe { Packet::of_parts(parts_of()) };
    sockets::write(file, size, packet, |part| {
        let first = || parts_of().iter().find(|[_, length]| *length > 0);
        match first().filter(|_| part < size) {
            // A part of them is a part of the first one.
            Some([memory, length]) => {
                let arguments = [file as usize, *memory, part.min(*length), 0, 0, 0];
                // SAFETY: as the caller promises.
                unsafe { sys::call(number::WRITE, arguments) }
            }
            None => {
                let arguments = [file as usize, parts as usize, count as usize, 0, 0, 0];
                // SAFETY: as the caller promises.
                unsafe { sys::call(number::WRITEV, arguments) }
            }
        }
    })
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_pread64(
    file: c_int,
    memory: *mut c_void,
    size: usize,
    offset: i64,
) -> isize {
    let call = |size: usize| {
        let arguments = [file as usize, memory as usize, size, offset as usize, 0, 0];
        // SAFETY: as the caller promises.
        unsafe { sys::call(number::PREAD64, arguments) }
    };
    answer(match flags::has_file_faults() {
        // SAFETY: as the caller promises.
        true => unsafe { fault_files::read(file, memory, size, call) },
        false => call(size),
    }) as isize
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_pwrite64(
    file: c_int,
    memory: *const c_void,
    size: usize,
    offset: i64,
) -> isize {
    // SAFETY: as the caller promises.
    let packet = || unsafe { Packet::of_parts(&[[memory as usize, size]]) };
    sockets::write(file, size, packet, |size| {
        let arguments = [file as usize, memory as usize, size, offset as usize, 0, 0];
        // SAFETY: as the caller promises.
        unsafe { sys::call(number::PWRITE64, arguments) }
    })
}

/// Make what was written durable, with what faults say of it.
fn sync(file: c_int, number: i64) -> c_int {
    if flags::has_file_faults() {
        if let Some(Wrong::Error(error)) = fault_files::wrong(file, DiskOperation::Sync, 0) {
            return sys::fail(error);
        }
    }
    // SAFETY: the call reads and writes no memory.
    answer(unsafe { sys::call(number, [file as usize, 0, 0, 0, 0, 0]) }) as c_int
}

#[no_mangle]
extern "C" fn retake_seeded_fsync(file: c_int) -> c_int {
    sync(file, number::FSYNC)
}

#[no_mangle]
extern "C" fn retake_seeded_fdatasync(file: c_int) -> c_int {
    sync(file, number::FDATASYNC)
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
    wait_for_message(file, flags);
    let arguments = [
        file as usize,
        memory as usize,
        size,
        flags as usize,
        address as usize,
        length as usize,
    ];
    if flags::has_file_faults() {
        if let Some(Wrong::Error(error)) = fault_files::wrong(file, DiskOperation::Read, size) {
            return sys::fail(error) as isize;
        }
    }
    // SAFETY: as the caller promises.
    unsafe {
        let result = sys::call(number::RECVFROM, arguments);
        if result >= 0 {
            sockets::to_program(address, length.cast());
        }
        read(result)
    }
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
    unsafe {
        let result = sys::call(number::ACCEPT4, arguments);
        if result >= 0 {
            sockets::accepted(file, result as c_int);
            sockets::to_program(address, length.cast());
        }
        answer(result) as c_int
    }
}
