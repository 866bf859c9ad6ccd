use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::packet::PacketChange;
use serde::Serialize;

use super::packets::Packets;
use super::{Kind, and_until};
use crate::fault::words::{Tail, Words};

/// A share of the packets comes twice.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct DuplicatePackets(
    /// Which ones.
    pub Packets,
);

impl Kind for DuplicatePackets {
    const VERB: &'static str = "duplicate packets";
    const FORM: &'static str = "duplicate packets 5% [on LINK] @WHEN [until TIME]";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        Packets::parse_share(words).map(Self)
    }

    fn tail(&self) -> Tail {
        self.0.tail(&format!(" {}", self.0.share))
    }

    fn moment(&self) -> Moment {
        Moment::Packet
    }

    fn effect(&self) -> Effect {
        self.0.effect(PacketChange::Twice)
    }

    fn describe(&self) -> String {
        format!("{} come twice{}", self.0, and_until(self.0.until_ns))
    }
}
