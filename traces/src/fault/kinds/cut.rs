use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::packet::{Link, PacketChange};
use retake_core::service::Share;
use retake_core::time::nanos;
use serde::Serialize;

use super::delay_packets::DelayPackets;
use super::duplicate_packets::DuplicatePackets;
use super::lose_packets::LosePackets;
use super::packets::Packets;
use super::reorder_packets::ReorderPackets;
use super::reset::Reset;
use super::{Action, Kind, and_until};
use crate::fault::recipe::{Dice, Recipe};
use crate::fault::words::{Tail, Words};
use crate::fault::{Fault, Target};

/// Packets of a link are lost.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Cut {
    /// The link, one way or both ways.
    pub link: Link,
    /// Until this time, in nanoseconds of virtual time since the start of the run; without
    /// it, to the end of the run.
    pub until_ns: Option<u64>,
}

impl Kind for Cut {
    const VERB: &'static str = "cut";
    const FORM: &'static str = "cut LINK @WHEN [until TIME]";
    // A network that fails, in runs that have one.
    const RECIPES: &'static [Recipe] = &[Recipe::of_network("network", draw)];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let until_ns = words.last("until").map(nanos);
        let link = Link::parse(words.take_rest())?;
        Ok(Self { link, until_ns })
    }

    fn tail(&self) -> Tail {
        Tail::new(format!(" {}", self.link)).maybe_until(self.until_ns)
    }

    fn moment(&self) -> Moment {
        Moment::Packet
    }

    fn effect(&self) -> Effect {
        Effect::ChangePackets {
            link: Some(self.link.clone()),
            change: PacketChange::Cut,
            share: Share::ALL,
            until_ns: self.until_ns,
        }
    }

    fn describe(&self) -> String {
        format!("{} is cut{}", self.link, and_until(self.until_ns))
    }
}

/// Let the network fail for a while. Its packets move between steps, so it has a time.
fn draw(dice: &mut Dice<'_>) -> Vec<Fault> {
    let any = |is_both_ways| Link {
        from: None,
        to: None,
        is_both_ways,
    };
    let at = dice.time();
    let until_ns = Some(nanos(at).saturating_add(2 * dice.until_ns));
    let (by_ns, is_both_ways) = (64 * dice.by_ns, dice.coin);
    let kind = dice.below(6);
    let packets = Packets {
        share: dice.share(),
        link: None,
        until_ns,
    };
    let link = any(is_both_ways);
    let action: Action = match kind {
        0 => Cut { link, until_ns }.into(),
        1 => LosePackets(packets).into(),
        2 => DelayPackets { by_ns, packets }.into(),
        3 => DuplicatePackets(packets).into(),
        4 => ReorderPackets(packets).into(),
        _ => Reset { link }.into(),
    };
    vec![Fault::new(Target::Run, action).at(at)]
}
