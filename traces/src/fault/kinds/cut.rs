use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::packet::{Link, PacketChange};
use retake_core::service::Share;
use retake_core::time::nanos;
use serde::Serialize;

use super::{Kind, and_until};
use crate::fault::swarm::Recipe;
use crate::fault::text::{Tail, Words};

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
    const RECIPES: &'static [Recipe] = super::packets::RECIPES;

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
