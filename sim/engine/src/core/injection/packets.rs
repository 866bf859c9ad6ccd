//! Faults of the network: what happens to a packet.
//!
//! As those of requests they last, and are recorded at the first packet that they affect.

use rand_chacha::ChaCha8Rng;
use retake_traces::fault::{Effect, PacketChange};

use crate::core::Core;
use crate::inject::Network;

/// What faults make of a packet.
#[derive(Debug, Default)]
pub(crate) struct PacketFate {
    pub(crate) changes: Vec<PacketChange>,
    /// Of the changes that need to draw how much.
    pub(crate) draws: Vec<ChaCha8Rng>,
}

impl Core {
    /// The run has a network with these hosts, which sends again what is lost, or does not.
    /// Gives whether it has to.
    pub(crate) fn starts_network(&mut self, hosts: Vec<String>, resends: bool) -> bool {
        let pending = self.faults.pending.iter();
        let is_loss = |effect: &Effect| match effect {
            Effect::ChangePackets { change, .. } => change.loses(),
            _ => false,
        };
        let resends = resends || pending.into_iter().any(|it| is_loss(&it.effect));
        self.faults.network = Some(Network { hosts, resends });
        resends
    }

    /// What happens to a packet that goes from one host to another.
    pub(crate) fn packet(&mut self, from: &str, to: &str, is_tcp: bool) -> PacketFate {
        let number = self.stats.packets;
        self.stats.packets += 1;
        let mut fate = PacketFate::default();
        if !self.faults.has_packets {
            return fate;
        }
        let resends = self.faults.network.as_ref().is_some_and(|it| it.resends);
        for place in 0..self.faults.pending.len() {
            let Effect::ChangePackets {
                link,
                change,
                share,
                until_ns,
            } = &self.faults.pending[place].effect
            else {
                continue;
            };
            let (change, share, until_ns) = (*change, *share, *until_ns);
            let is_meant = link.as_ref().is_none_or(|link| link.has(from, to))
                && (resends || !change.loses())
                && (is_tcp || change != PacketChange::Reset)
                && !(change.is_once() && self.faults.lasting.contains(&place));
            if !is_meant || !self.is_in_force(place, until_ns) {
                continue;
            }
            let purpose = || format!("packets {}", change.word());
            let Some(draws) = self.drawn(share, number, purpose) else {
                continue;
            };
            let named = self.faults.pending[place].fault.action.on_link_of(from, to);
            self.note_first(place, 0, named);
            fate.changes.push(change);
            fate.draws.push(draws);
        }
        fate
    }
}
