use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::packet::PacketChange;
use serde::Serialize;

use super::packets::Packets;
use super::{Kind, and_until};
use crate::fault::words::{Tail, Words};

/// A share of the packets is lost.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LosePackets(
    /// Which ones.
    pub Packets,
);

impl Kind for LosePackets {
    const VERB: &'static str = "lose packets";
    const FORM: &'static str = "lose packets 5% [on LINK] @WHEN [until TIME]";

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
        self.0.effect(PacketChange::Lost)
    }

    fn describe(&self) -> String {
        format!("{} are lost{}", self.0, and_until(self.0.until_ns))
    }
}
