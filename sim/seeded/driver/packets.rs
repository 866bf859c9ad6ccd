//! Packets that faults hold up: the system gets them when their time has come.

use std::collections::VecDeque;
use std::ffi::c_int;

use super::ports::Address;
use super::sys::{self, Message, number};

/// What a socket has sent.
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    /// None along a connection.
    pub(super) address: Option<Address>,
    /// What goes with it, in the form of `sendmsg`.
    pub(super) control: Vec<u8>,
}

enum Outgoing {
    Packet(Packet),
    /// Nothing more comes.
    End,
}

struct Late {
    due_ns: u64,
    sent: Outgoing,
}

/// What one socket has sent and others have not received.
struct Way {
    /// The number of the socket: it may have several descriptors.
    socket: u64,
    /// A descriptor of our own, so that the program may close its ones.
    own: c_int,
    is_stream: bool,
    late: VecDeque<Late>,
}

/// Whether a packet is held up.
pub(super) enum HoldAnswer {
    /// It is the first one of its socket, of which this is our descriptor.
    First(c_int),
    /// Others are as well.
    More,
    /// There can be no further descriptor.
    Not,
}

/// All packets that are held up.
#[derive(Default)]
pub(super) struct Ways(Vec<Way>);

impl Ways {
    /// When the next one is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let next = |way: &Way| match way.is_stream {
            true => way.late.front().map(|late| late.due_ns),
            false => way.late.iter().map(|late| late.due_ns).min(),
        };
        self.0.iter().filter_map(next).min()
    }

    /// When the last one is due that this connection has sent, if there are any. Others come after it.
    pub(super) fn last_ns(&self, socket: u64) -> Option<u64> {
        let way = self.0.iter().find(|way| way.socket == socket && way.is_stream)?;
        way.late.back().map(|late| late.due_ns)
    }

    /// Hold this up until then.
    pub(super) fn hold(
        &mut self,
        file: c_int,
        is_stream: bool,
        due_ns: u64,
        packet: Packet,
    ) -> HoldAnswer {
        let socket = sys::inode(file);
        let late = Late {
            due_ns,
            sent: Outgoing::Packet(packet),
        };
        if let Some(way) = self.0.iter_mut().find(|way| way.socket == socket) {
            way.late.push_back(late);
            return HoldAnswer::More;
        }
        let Some(own) = sys::duplicate(file) else {
            return HoldAnswer::Not;
        };
        self.0.push(Way {
            socket,
            own,
            is_stream,
            late: VecDeque::from([late]),
        });
        HoldAnswer::First(own)
    }

    /// The connection ends behind what it has sent. False if nothing of that is held up.
    pub(super) fn end(&mut self, socket: u64) -> bool {
        let mut ways = self.0.iter_mut();
        let Some(way) = ways.find(|way| way.socket == socket && way.is_stream) else {
            return false;
        };
        let due_ns = way.late.back().map_or(0, |late| late.due_ns);
        way.late.push_back(Late {
            due_ns,
            sent: Outgoing::End,
        });
        true
    }

    /// What this socket has sent never comes. Gives our descriptor, which is closed.
    pub(super) fn forget(&mut self, socket: u64) -> Option<c_int> {
        let place = self.0.iter().position(|way| way.socket == socket)?;
        let way = self.0.swap_remove(place);
        sys::close(way.own);
        Some(way.own)
    }

    /// All of them are due now.
    pub(super) fn release(&mut self) {
        let late = self.0.iter_mut().flat_map(|way| &mut way.late);
        late.for_each(|late| late.due_ns = 0);
    }

    /// Send what is due. Gives our descriptors by which something was sent, and those that are
    /// closed because nothing is left.
    pub(super) fn deliver(&mut self, now_ns: u64) -> (Vec<c_int>, Vec<c_int>) {
        let (mut sent, mut closed) = (Vec::new(), Vec::new());
        self.0.retain_mut(|way| {
            if way.deliver(now_ns) {
                sent.push(way.own);
            }
            if way.late.is_empty() {
                closed.push(way.own);
            }
            !way.late.is_empty()
        });
        (sent, closed)
    }
}

impl Way {
    fn deliver(&mut self, now_ns: u64) -> bool {
        /// A receiver without room is tried again after this.
        const AGAIN_NS: u64 = 1_000_000;
        let mut has_sent = false;
        while let Some(place) = self.next_due(now_ns) {
            let Some(mut late) = self.late.remove(place) else { break };
            has_sent = true;
            let Outgoing::Packet(packet) = &mut late.sent else {
                sys::shutdown_writes(self.own);
                continue;
            };
            let result = packet.send(self.own);
            let length = usize::try_from(result).unwrap_or(0);
            let is_full = result == -(sys::EAGAIN as isize);
            if self.is_stream && (is_full || (1..packet.bytes.len()).contains(&length)) {
                packet.bytes.drain(..length);
                late.due_ns = now_ns.saturating_add(AGAIN_NS);
                self.late.push_front(late);
                break;
            }
        }
        has_sent
    }

    /// The place of the packet that is sent next, if it is due.
    fn next_due(&self, now_ns: u64) -> Option<usize> {
        let mut places = 0..self.late.len().min(if self.is_stream { 1 } else { usize::MAX });
        let first = places.next()?;
        let due = |place: &usize| (self.late[*place].due_ns, *place);
        let place = places.fold(first, |one, other| match due(&other) < due(&one) {
            true => other,
            false => one,
        });
        (self.late[place].due_ns <= now_ns).then_some(place)
    }
}

impl Packet {
    /// The bytes of these parts, each with its place and its length, along a connection.
    ///
    /// # Safety
    /// Each place is valid for so many bytes.
    pub(super) unsafe fn of_parts(parts: &[[usize; 2]]) -> Self {
        let mut bytes = Vec::new();
        for [place, length] in parts.iter().filter(|[_, length]| *length > 0) {
            // SAFETY: as the caller promises.
            let part = unsafe { std::slice::from_raw_parts(*place as *const u8, *length) };
            bytes.extend_from_slice(part);
        }
        Self {
            bytes,
            address: None,
            control: Vec::new(),
        }
    }

    /// What a message has.
    ///
    /// # Safety
    /// All of it is valid.
    pub(super) unsafe fn of_message(message: &Message) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let control = [message.control as usize, message.control_length];
            Self {
                address: Address::copy(message.name, message.name_length as usize),
                control: Self::of_parts(&[control]).bytes,
                ..Self::of_parts(message.parts())
            }
        }
    }

    fn send(&self, file: c_int) -> isize {
        const DONT_WAIT: usize = 0x40;
        const NO_SIGNAL: usize = 0x4000;
        let [name, name_length] = match &self.address {
            Some(address) => address.arguments(),
            None => [0, 0],
        };
        let part = [self.bytes.as_ptr() as usize, self.bytes.len()];
        let control = match self.control.len() {
            0 => 0,
            _ => self.control.as_ptr() as usize,
        };
        let message = Message {
            name: name as *mut _,
            name_length: name_length as u32,
            parts: part.as_ptr() as *mut _,
            parts_count: 1,
            control: control as *mut _,
            control_length: self.control.len(),
            flags: 0,
        };
        let place: *const Message = &message;
        let arguments = [file as usize, place as usize, DONT_WAIT | NO_SIGNAL, 0, 0, 0];
        // SAFETY: the message and all of its parts are valid, and have these lengths.
        unsafe { sys::call(number::SENDMSG, arguments) }
    }
}
