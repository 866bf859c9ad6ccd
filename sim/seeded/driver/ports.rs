//! Ports of the sockets that a process has on its own machine.
//!
//! The system chooses ports that differ from run to run, and another process may have the one
//! that a program asks for. So the program sees ports of its own: those that it asks for, and
//! otherwise the next one. Each has one of the system's behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_int, c_void};

use super::sys::{self, number};

/// The first port that is given to a socket that asks for none.
const FIRST: u16 = 40_000;
/// So many are given before one is given once more.
const COUNT: u16 = 20_000;
/// Ports below this are the system's in the program as well.
pub(super) const UNPRIVILEGED: u16 = 1_024;
/// Of the type of a socket: no program that is started has it.
const CLOSE_ON_EXEC: usize = 0o2_000_000;

#[derive(Default)]
pub(super) struct Ports {
    /// The system's, by those that the program sees.
    of_system: BTreeMap<u16, u16>,
    /// Those that the program sees, by the system's.
    seen: BTreeMap<u16, u16>,
    given: u16,
    /// Descriptors of sockets that have such a port.
    sockets: BTreeSet<c_int>,
    /// Those that the program has given a port: the one that it sees, and the system's.
    bound: BTreeMap<c_int, (u16, Binding)>,
    echo: Option<Echo>,
}

impl Ports {
    /// The system's port for one that the program has named. It is the same one if it is that of
    /// another process.
    pub(super) fn to_system(&mut self, port: u16) -> u16 {
        if port < UNPRIVILEGED {
            return port;
        }
        match self.of_system.get(&port) {
            Some(of_system) => *of_system,
            None => {
                self.seen.entry(port).or_insert(port);
                port
            }
        }
    }

    /// The system's port for one that a socket is to have, if it had one before.
    pub(super) fn known(&self, port: u16) -> Option<u16> {
        self.of_system.get(&port).copied()
    }

    /// What the program sees of a port of the system.
    pub(super) fn to_program(&mut self, of_system: u16) -> u16 {
        if of_system < UNPRIVILEGED {
            return of_system;
        }
        match self.seen.get(&of_system) {
            Some(port) => *port,
            None => self.give(of_system),
        }
    }

    /// The next port, for one of the system.
    pub(super) fn give(&mut self, of_system: u16) -> u16 {
        let mut port = self.next();
        // Where all are given, those that were first are given once more.
        for _ in 1..COUNT {
            if !self.of_system.contains_key(&port) {
                break;
            }
            port = self.next();
        }
        self.pair(port, of_system);
        port
    }

    fn next(&mut self) -> u16 {
        let port = FIRST + self.given;
        self.given = (self.given + 1) % COUNT;
        port
    }

    /// From now on the program sees this port in the place of the system's.
    pub(super) fn pair(&mut self, port: u16, of_system: u16) {
        if let Some(before) = self.seen.insert(of_system, port).filter(|it| *it != port) {
            self.of_system.remove(&before);
        }
        let before = self.of_system.insert(port, of_system);
        if let Some(before) = before.filter(|it| *it != of_system) {
            self.seen.remove(&before);
        }
    }

    /// This is a socket whose packets stay on the machine.
    pub(super) fn add(&mut self, file: c_int) {
        self.sockets.insert(file);
    }

    pub(super) fn is_local(&self, file: c_int) -> bool {
        self.sockets.contains(&file)
    }

    /// The program has given it this port.
    pub(super) fn bind(&mut self, file: c_int, port: u16, bound: Binding) {
        self.bound.insert(file, (port, bound));
    }

    /// It is closed. If nothing else has its port, that may be another process's from now on: a program
    /// may have looked for a free one, for a server that it starts.
    pub(super) fn remove(&mut self, file: c_int) {
        self.sockets.remove(&file);
        if let Some((port, bound)) = self.bound.remove(&file) {
            if !bound.is_in_use() {
                self.of_system.remove(&port);
            }
        }
    }

    /// Wait until what this socket has sent is there, if it is one of this machine: the system
    /// delivers it at once, but for where it is busy.
    pub(super) fn settle(&mut self, file: c_int) {
        if !self.sockets.contains(&file) {
            return;
        }
        let echo = self.echo.get_or_insert_with(Echo::new);
        // The first one has passed all packets, the second one the answers to them.
        for _ in 0..2 {
            echo.hear();
        }
    }
}

/// How a socket was bound.
pub(super) struct Binding {
    /// With the system's port.
    pub(super) address: Address,
    /// The type of the socket.
    pub(super) kind: c_int,
}

impl Binding {
    /// Whether a socket cannot be bound so, because another one is.
    fn is_in_use(&self) -> bool {
        let family = u16::from_ne_bytes([self.address.bytes[0], self.address.bytes[1]]);
        let [place, length] = self.address.arguments();
        // SAFETY: the address has this length.
        unsafe {
            let arguments = [family as usize, self.kind as usize | CLOSE_ON_EXEC, 0, 0, 0, 0];
            let file = sys::call(number::SOCKET, arguments);
            if file < 0 {
                return true;
            }
            // Connections that have ended, or were accepted, do not count.
            sys::reuse_address(file as c_int);
            let result = sys::call(number::BIND, [file as usize, place, length, 0, 0, 0]);
            sys::call(number::CLOSE, [file as usize, 0, 0, 0, 0, 0]);
            result != 0
        }
    }
}

/// A socket that sends to itself: packets within the machine arrive in their order.
struct Echo(Option<c_int>);

impl Echo {
    /// Where there can be none, it hears nothing.
    fn new() -> Self {
        const DATAGRAMS: usize = sys::DATAGRAM as usize | CLOSE_ON_EXEC;
        let mut address = [0_u8; 16];
        address[..8].copy_from_slice(&[2, 0, 0, 0, 127, 0, 0, 1]);
        let mut length = address.len() as u32;
        let place = address.as_mut_ptr() as usize;
        let length_place = &mut length as *mut u32 as usize;
        // SAFETY: the address has this length, and both places are valid.
        unsafe {
            let file = sys::call(number::SOCKET, [2, DATAGRAMS, 0, 0, 0, 0]);
            if file < 0 {
                return Self(None);
            }
            let mut it = file as usize;
            if let Some(high) = sys::duplicate(file as c_int) {
                sys::close(file as c_int);
                it = high as usize;
            }
            let is_made = sys::call(number::BIND, [it, place, 16, 0, 0, 0]) == 0
                && sys::call(number::GETSOCKNAME, [it, place, length_place, 0, 0, 0]) == 0
                && sys::call(number::CONNECT, [it, place, 16, 0, 0, 0]) == 0;
            Self(is_made.then_some(it as c_int))
        }
    }

    /// Send a byte, and wait for it.
    fn hear(&self) {
        const MILLISECONDS: u64 = 100;
        const DONT_WAIT: usize = 0x40;
        let Some(file) = self.0 else { return };
        let mut byte = 0_u8;
        let arguments = [file as usize, &mut byte as *mut u8 as usize, 1, DONT_WAIT, 0, 0];
        // SAFETY: the memory is one byte, as the calls expect.
        unsafe {
            if sys::call(number::SENDTO, arguments) == 1
                && sys::call(number::RECVFROM, arguments) != 1
                && sys::readable(&[file], MILLISECONDS)[0]
            {
                sys::call(number::RECVFROM, arguments);
            }
        }
    }
}

/// An address of a socket.
#[derive(Clone, Copy)]
pub(super) struct Address {
    bytes: [u8; 28],
    length: usize,
}

impl Address {
    /// What is at this place, if it is an address on this machine, or on any.
    ///
    /// # Safety
    /// The place is null, or has this length.
    pub(super) unsafe fn read(place: *const c_void, length: usize) -> Option<Self> {
        // SAFETY: as the caller promises.
        unsafe { Self::copy(place, length) }.filter(Self::is_local)
    }

    /// What is at this place; none of what is shorter than an address of the internet.
    ///
    /// # Safety
    /// The place is null, or has this length.
    pub(super) unsafe fn copy(place: *const c_void, length: usize) -> Option<Self> {
        let length = length.min(28);
        if place.is_null() || length < 16 {
            return None;
        }
        let mut bytes = [0; 28];
        // SAFETY: as the caller promises.
        unsafe { std::ptr::copy_nonoverlapping(place.cast(), bytes.as_mut_ptr(), length) };
        Some(Self { bytes, length })
    }

    fn is_local(&self) -> bool {
        const INET: u16 = 2;
        const INET6: u16 = 10;
        let is_local = |ip: &[u8]| ip[0] == 127 || ip == [0; 4];
        let bytes = &self.bytes;
        match u16::from_ne_bytes([bytes[0], bytes[1]]) {
            INET => is_local(&bytes[4..8]),
            INET6 if self.length >= 24 => {
                let ip = &bytes[8..24];
                let is_mapped = ip[..10] == [0; 10] && ip[10..12] == [0xff; 2];
                ip[..15] == [0; 15] && ip[15] < 2 || is_mapped && is_local(&ip[12..])
            }
            _ => false,
        }
    }

    pub(super) fn port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    /// The same with this port.
    pub(super) fn with_port(mut self, port: u16) -> Self {
        self.bytes[2..4].copy_from_slice(&port.to_be_bytes());
        self
    }

    /// The arguments of a system call: the address and its length.
    pub(super) fn arguments(&self) -> [usize; 2] {
        [self.bytes.as_ptr() as usize, self.length]
    }
}
