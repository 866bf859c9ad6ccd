//! Packets of sockets that are lost, late, or come twice on purpose, and connections that are reset.
//!
//! There are no hosts: all packets of the program are meant. What a connection has lost is sent
//! again, as TCP does, so that it comes late, and what it has sent later waits for it.

use std::ffi::c_int;

use super::core::fault::Effect;
use super::core::packet::PacketChange;
use super::core::random::below;
use super::kernel::{Kernel, me, with};
use super::packets::{HoldAnswer, Packet};
use super::sys;

/// What a connection has lost is sent again after this time: the least that Linux waits.
const RESENT_NS: u64 = 200_000_000;
/// A packet that others may overtake is late by up to this.
const OVERTAKEN_NS: usize = 10_000_000;
/// In the place of a time that never comes.
const NEVER: u64 = u64::MAX;

/// How a packet fares.
pub(super) enum Fate {
    /// It meets a connection that is reset.
    Reset,
    /// It comes so often, at this time if not at once.
    Comes { copies: usize, due_ns: Option<u64> },
}

impl Kernel {
    /// How a packet of this socket fares; none if nothing goes wrong with it.
    pub(super) fn wrong_packet(&mut self, file: c_int, is_stream: bool) -> Option<Fate> {
        let number = self.next_request("packets");
        let (mut copies, mut late_ns, mut uncut_ns) = (1, 0_u64, 0);
        for place in 0..self.faults.planned.len() {
            let Some((change, until_ns, draw)) = self.change_of(place, number) else {
                continue;
            };
            match (change, is_stream) {
                (PacketChange::Reset, true) => {
                    self.note_first(place, "");
                    self.reset(file);
                    return Some(Fate::Reset);
                }
                // There is nothing to reset, and what a connection gets twice it drops.
                (PacketChange::Reset, false) | (PacketChange::Twice, true) => continue,
                (PacketChange::Twice, false) => copies *= 2,
                (PacketChange::Cut | PacketChange::Lost, false) => copies = 0,
                (PacketChange::Cut, true) => uncut_ns = uncut_ns.max(until_ns.unwrap_or(NEVER)),
                (PacketChange::Lost, true) => late_ns = late_ns.saturating_add(RESENT_NS),
                (PacketChange::Late { by_ns }, _) => late_ns = late_ns.saturating_add(by_ns),
                (PacketChange::Overtaken, _) => late_ns = late_ns.saturating_add(draw),
            }
            self.note_first(place, "");
        }
        let mut due_ns = uncut_ns.max(self.now_ns).saturating_add(late_ns);
        if is_stream {
            let before_ns = self.faults.ways.last_ns(sys::inode(file));
            due_ns = due_ns.max(before_ns.unwrap_or(0));
            // What is held up may be due now, and has not been sent.
            if before_ns.is_some() {
                due_ns = due_ns.max(self.now_ns.saturating_add(1));
            }
        }
        let due_ns = (due_ns > self.now_ns).then_some(due_ns);
        let is_usual = copies == 1 && due_ns.is_none();
        (!is_usual).then_some(Fate::Comes { copies, due_ns })
    }

    /// Whether a connection is reset now that is read. Other changes are about what is sent.
    pub(super) fn resets(&mut self, file: c_int) -> bool {
        let is_reset = self.meets(PacketChange::Reset);
        if is_reset {
            self.reset(file);
        }
        is_reset
    }

    /// Whether this happens to the next packet, which is noted.
    fn meets(&mut self, wanted: PacketChange) -> bool {
        let number = self.next_request("packets");
        let mut places = 0..self.faults.planned.len();
        let found = places.find(|place| {
            let change = self.change_of(*place, number);
            change.is_some_and(|(change, ..)| change == wanted)
        });
        if let Some(place) = found {
            self.note_first(place, "");
        }
        found.is_some()
    }

    fn reset(&mut self, file: c_int) {
        if let Some(own) = self.faults.ways.forget(sys::inode(file)) {
            self.ports.remove(own);
        }
        sys::reset(file);
    }

    /// What the fault in this place does to the packet of this number, until when, and how much it is
    /// overtaken.
    fn change_of(&self, place: usize, number: u64) -> Option<(PacketChange, Option<u64>, u64)> {
        let Effect::ChangePackets {
            change,
            share,
            until_ns,
            ..
        } = &self.faults.planned[place].fault.effect
        else {
            return None;
        };
        let is_over = change.is_once() && self.faults.planned[place].lasts;
        if is_over || !self.is_in_force(place, *until_ns) {
            return None;
        }
        let mut draws = self.drawn(*share, change.word(), number)?;
        let draw = 1 + below(&mut draws, OVERTAKEN_NS) as u64;
        Some((*change, *until_ns, draw))
    }

    /// Send what is due.
    pub(super) fn deliver_packets(&mut self) {
        let (sent, closed) = self.faults.ways.deliver(self.now_ns);
        for own in sent {
            self.ports.settle(own);
        }
        for own in closed {
            sys::close(own);
            self.ports.settle(own);
            self.ports.remove(own);
        }
    }
}

/// Hold up what this socket sends until then. False if that cannot be done.
pub(super) fn hold(file: c_int, due_ns: u64, packet: Packet) -> bool {
    with(|kernel| {
        let is_stream = sys::socket_type(file) == sys::STREAM;
        let held = kernel.faults.ways.hold(file, is_stream, due_ns, packet);
        kernel.faults.plan_next();
        match held {
            HoldAnswer::First(own) if kernel.ports.is_local(file) => kernel.ports.add(own),
            HoldAnswer::First(_) | HoldAnswer::More => {}
            HoldAnswer::Not => return false,
        }
        true
    })
}

/// Whether a connection cannot be made now, because all packets are lost.
#[cold]
pub(super) fn is_cut(file: c_int) -> bool {
    let is_connection = sys::is_of_network(file) && sys::socket_type(file) == sys::STREAM;
    me().is_some() && is_connection && with(|kernel| kernel.meets(PacketChange::Cut))
}

/// Whether the end of what this socket sends is held up behind it.
#[cold]
pub(super) fn holds_end(file: c_int) -> bool {
    me().is_some() && with(|kernel| kernel.faults.ways.end(sys::inode(file)))
}
