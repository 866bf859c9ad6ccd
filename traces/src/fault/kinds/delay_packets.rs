use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::packet::PacketChange;
use retake_core::time::{Exact, Seconds, nanos};
use serde::Serialize;

use super::packets::Packets;
use super::{Kind, and_until};
use crate::fault::words::{Tail, Words};

/// Packets take longer. Those of one link keep their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct DelayPackets {
    /// By so many nanoseconds of virtual time.
    pub by_ns: u64,
    /// Which ones.
    pub packets: Packets,
}

impl Kind for DelayPackets {
    const VERB: &'static str = "delay packets";
    const FORM: &'static str = "delay packets by TIME [rate 10%] [on LINK] @WHEN [until TIME]";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let packets = Packets::parse_rate(words)?;
        let by_ns = nanos(words.by()?);
        Ok(Self { by_ns, packets })
    }

    fn tail(&self) -> Tail {
        let by = format!(" by {}", Exact(self.by_ns));
        let Packets { share, .. } = self.packets;
        if share.is_all() {
            self.packets.tail(&by)
        } else {
            self.packets.tail(&format!("{by} rate {share}"))
        }
    }

    fn moment(&self) -> Moment {
        Moment::Packet
    }

    fn effect(&self) -> Effect {
        let by_ns = self.by_ns;
        self.packets.effect(PacketChange::Late { by_ns })
    }

    fn describe(&self) -> String {
        let (packets, by) = (&self.packets, Seconds(self.by_ns));
        format!("{packets} are {by} s late{}", and_until(packets.until_ns))
    }
}
