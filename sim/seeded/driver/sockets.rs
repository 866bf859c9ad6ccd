//! Functions of the C library that name sockets: the program sees [ports](super::ports) of its
//! own.

use std::ffi::{c_int, c_uint, c_void};

use super::fault_files;
use super::fault_packets;
use super::flags;
use super::input::{read, wait_for_message};
use super::kernel::{me, with};
use super::packets::Packet;
use super::ports::{Address, Binding};
use super::sys::{self, Message, answer, number};
use super::weak::weak;

weak! {
    "bind" retake_seeded_bind,
    "connect" retake_seeded_connect,
    "getsockname" retake_seeded_getsockname,
    "getpeername" retake_seeded_getpeername,
    "sendmsg" retake_seeded_sendmsg,
    "recvmsg" retake_seeded_recvmsg,
    "sendmmsg" retake_seeded_sendmmsg,
    "recvmmsg" retake_seeded_recvmmsg,
    "shutdown" retake_seeded_shutdown,
    "close" retake_seeded_close,
}

/// The address for the system of one that the program has named; none if it is the same one.
///
/// # Safety
/// The place is null, or has this length.
pub(super) unsafe fn to_system(place: *const c_void, length: usize) -> Option<Address> {
    me()?;
    // SAFETY: as the caller promises.
    let address = unsafe { Address::read(place, length) }?;
    let port = with(|kernel| kernel.ports.to_system(address.port()));
    Some(address.with_port(port))
}

/// Have the program see its own port in an address that the system has written.
///
/// # Safety
/// Each place is null or valid, and that of the address has the length that is in the other.
pub(super) unsafe fn to_program(place: *mut c_void, length: *const u32) {
    if me().is_none() || place.is_null() || length.is_null() {
        return;
    }
    // SAFETY: as the caller promises.
    let address = unsafe { Address::read(place, *length as usize) };
    if let Some(address) = address.filter(|address| address.port() != 0) {
        let port = with(|kernel| kernel.ports.to_program(address.port()));
        // SAFETY: an address has its port behind its family.
        unsafe { place.cast::<[u8; 2]>().add(1).write_unaligned(port.to_be_bytes()) };
    }
}

/// Wait until what this socket has sent is there.
pub(super) fn settle(file: c_int) {
    if me().is_some() {
        with(|kernel| kernel.ports.settle(file));
    }
}

/// Write or send, with what faults say of it. `packet` is what is sent, if it is.
pub(super) fn write(
    file: c_int,
    size: usize,
    packet: impl Fn() -> Packet,
    mut call: impl FnMut(usize) -> isize,
) -> isize {
    let result = match flags::has_file_faults() {
        true => fault_files::write(file, size, packet, call),
        false => call(size),
    };
    settle(file);
    answer(result) as isize
}

/// A socket that listens has accepted this one.
pub(super) fn accepted(listens: c_int, file: c_int) {
    if me().is_some() {
        with(|kernel| {
            if kernel.ports.is_local(listens) {
                kernel.ports.add(file);
            }
        });
    }
}

/// This socket has its other ends on this machine.
pub(super) fn is_local(file: c_int) {
    if me().is_some() {
        with(|kernel| kernel.ports.add(file));
    }
}

/// The port that the system has given a socket.
fn system_port(file: c_int) -> Option<u16> {
    let mut bytes = [0_u8; 28];
    let mut length = bytes.len() as u32;
    let place = bytes.as_mut_ptr();
    let length_place = &mut length as *mut u32 as usize;
    let arguments = [file as usize, place as usize, length_place, 0, 0, 0];
    // SAFETY: the places are valid, and the first one has the length that is in the second one.
    let address = unsafe {
        sys::call(number::GETSOCKNAME, arguments);
        Address::read(place.cast(), length as usize)
    };
    address.map(|address| address.port())
}

/// Whether several sockets may have its port at once, as those of a group do.
fn is_shared(file: c_int) -> bool {
    const REUSE_ADDRESS: c_int = 2;
    sys::socket_type(file) == sys::DATAGRAM && sys::socket_option(file, REUSE_ADDRESS) != 0
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_bind(
    file: c_int,
    address: *const c_void,
    length: c_uint,
) -> c_int {
    let call = |[place, length]: [usize; 2]| {
        // SAFETY: as the caller promises.
        unsafe { sys::call(number::BIND, [file as usize, place, length, 0, 0, 0]) }
    };
    let as_it_is = [address as usize, length as usize];
    let named = me().and_then(|_| {
        // SAFETY: as the caller promises.
        unsafe { Address::read(address, length as usize) }
    });
    let Some(named) = named else {
        return answer(call(as_it_is)) as c_int;
    };
    let wanted = named.port();
    is_local(file);
    if (1..super::ports::UNPRIVILEGED).contains(&wanted) || wanted != 0 && is_shared(file) {
        with(|kernel| kernel.ports.pair(wanted, wanted));
        return answer(call(as_it_is)) as c_int;
    }
    let known = with(|kernel| kernel.ports.known(wanted)).filter(|_| wanted != 0);
    let named = named.with_port(known.unwrap_or(0));
    let result = call(named.arguments());
    if let (0, Some(of_system)) = (result, system_port(file)) {
        let bound = Binding {
            address: named.with_port(of_system),
            kind: sys::socket_type(file),
        };
        with(|kernel| {
            let ports = &mut kernel.ports;
            let port = match (wanted, known) {
                (0, _) => ports.give(of_system),
                (wanted, Some(_)) => wanted,
                (wanted, None) => {
                    ports.pair(wanted, of_system);
                    wanted
                }
            };
            ports.bind(file, port, bound);
        });
    }
    answer(result) as c_int
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_connect(
    file: c_int,
    address: *const c_void,
    length: c_uint,
) -> c_int {
    if flags::has_file_faults() && fault_packets::is_cut(file) {
        return sys::fail(sys::EHOSTUNREACH);
    }
    // SAFETY: as the caller promises.
    let of_system = unsafe { to_system(address, length as usize) };
    let [place, size] = match &of_system {
        Some(of_system) => of_system.arguments(),
        None => [address as usize, length as usize],
    };
    // SAFETY: as the caller promises.
    let result = unsafe { sys::call(number::CONNECT, [file as usize, place, size, 0, 0, 0]) };
    if of_system.is_some() {
        is_local(file);
        settle(file);
    }
    answer(result) as c_int
}

/// An end of a socket, as the program sees it: by the call of this number.
///
/// # Safety
/// As for the call.
unsafe fn end_of(call: i64, file: c_int, address: *mut c_void, length: *mut u32) -> c_int {
    let arguments = [file as usize, address as usize, length as usize, 0, 0, 0];
    // SAFETY: as the caller promises.
    unsafe {
        let result = sys::call(call, arguments);
        if result == 0 {
            to_program(address, length);
        }
        answer(result) as c_int
    }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_getsockname(
    file: c_int,
    address: *mut c_void,
    length: *mut u32,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { end_of(number::GETSOCKNAME, file, address, length) }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_getpeername(
    file: c_int,
    address: *mut c_void,
    length: *mut u32,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { end_of(number::GETPEERNAME, file, address, length) }
}

/// One of several.
#[repr(C)]
struct Of {
    message: Message,
    length: c_uint,
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_sendmsg(
    file: c_int,
    message: *const Message,
    flags: c_int,
) -> isize {
    let send = |message: *const Message| {
        let arguments = [file as usize, message as usize, flags as usize, 0, 0, 0];
        // SAFETY: as the caller promises.
        let packet = || unsafe { Packet::of_message(&*message) };
        let size = match flags::has_file_faults() && !message.is_null() {
            // SAFETY: as the caller promises.
            true => unsafe { (*message).parts() }.iter().map(|[_, length]| length).sum(),
            false => 0,
        };
        // SAFETY: as the caller promises.
        write(file, size, packet, |_| unsafe { sys::call(number::SENDMSG, arguments) })
    };
    if me().is_none() || message.is_null() {
        return send(message);
    }
    // SAFETY: not null, and as the caller promises.
    let mut copy = unsafe { *message };
    // SAFETY: as the caller promises.
    let of_system = unsafe { to_system(copy.name, copy.name_length as usize) };
    let Some(of_system) = of_system else {
        return send(message);
    };
    is_local(file);
    copy.name = of_system.arguments()[0] as *mut c_void;
    send(&copy)
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_sendmmsg(
    file: c_int,
    messages: *mut Of,
    count: c_uint,
    flags: c_int,
) -> c_int {
    if me().is_none() {
        let arguments = [file as usize, messages as usize, count as usize, flags as usize, 0, 0];
        // SAFETY: as the caller promises.
        return answer(unsafe { sys::call(number::SENDMMSG, arguments) }) as c_int;
    }
    for number in 0..count {
        // SAFETY: the caller promises so many.
        let it = unsafe { &mut *messages.add(number as usize) };
        // SAFETY: as the caller promises.
        let sent = unsafe { retake_seeded_sendmsg(file, &it.message, flags) };
        match c_uint::try_from(sent) {
            Ok(sent) => it.length = sent,
            Err(_) if number == 0 => return -1,
            Err(_) => return number as c_int,
        }
    }
    count as c_int
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_recvmsg(
    file: c_int,
    message: *mut Message,
    flags: c_int,
) -> isize {
    let arguments = [file as usize, message as usize, flags as usize, 0, 0, 0];
    wait_for_message(file, flags);
    // SAFETY: as the caller promises.
    unsafe {
        let result = sys::call(number::RECVMSG, arguments);
        if result >= 0 {
            to_program((*message).name, &(*message).name_length);
        }
        read(result)
    }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_recvmmsg(
    file: c_int,
    messages: *mut Of,
    count: c_uint,
    flags: c_int,
    time: *mut c_void,
) -> c_int {
    let arguments = [
        file as usize,
        messages as usize,
        count as usize,
        flags as usize,
        time as usize,
        0,
    ];
    wait_for_message(file, flags);
    // SAFETY: as the caller promises.
    unsafe {
        let result = sys::call(number::RECVMMSG, arguments);
        for number in 0..result.max(0) {
            let message = &(*messages.offset(number)).message;
            to_program(message.name, &message.name_length);
        }
        read(result) as c_int
    }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_shutdown(file: c_int, how: c_int) -> c_int {
    const READS: c_int = 0;
    const WRITES: c_int = 1;
    let is_held = how != READS && flags::has_file_faults() && fault_packets::holds_end(file);
    let how = match (is_held, how) {
        (true, WRITES) => return 0,
        (true, _) => READS,
        (false, how) => how,
    };
    let arguments = [file as usize, how as usize, 0, 0, 0, 0];
    // SAFETY: the call reads and writes no memory.
    let result = unsafe { sys::call(number::SHUTDOWN, arguments) };
    settle(file);
    answer(result) as c_int
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_close(file: c_int) -> c_int {
    // SAFETY: the call reads and writes no memory.
    let result = unsafe { sys::call(number::CLOSE, [file as usize, 0, 0, 0, 0, 0]) };
    if me().is_some() {
        with(|kernel| {
            kernel.ports.settle(file);
            kernel.ports.remove(file);
        });
    }
    answer(result) as c_int
}
