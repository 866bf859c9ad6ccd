//! Faults of the network, about the link of a packet.

use super::{Action, Cut, DelayPackets, DuplicatePackets, LosePackets, ReorderPackets, Reset};

impl Action {
    /// The same fault of the network, about the link that a packet takes.
    #[must_use]
    pub fn on_link_of(&self, from: &str, to: &str) -> Self {
        let mut action = self.clone();
        match &mut action {
            Self::Cut(Cut { link, .. }) | Self::Reset(Reset { link }) => {
                *link = link.named(from, to);
            }
            Self::LosePackets(LosePackets(packets))
            | Self::DuplicatePackets(DuplicatePackets(packets))
            | Self::ReorderPackets(ReorderPackets(packets))
            | Self::DelayPackets(DelayPackets { packets, .. }) => {
                packets.link = packets.link.take().map(|link| link.named(from, to));
            }
            _ => {}
        }
        action
    }
}
