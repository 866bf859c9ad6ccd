use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::packet::{Link, PacketChange};
use retake_core::service::Share;
use serde::Serialize;

use super::Kind;
use crate::fault::words::{Tail, Words};

/// The next packet of a link becomes a reset of its connection, which both ends hear.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Reset {
    /// The link, one way or both ways.
    pub link: Link,
}

impl Kind for Reset {
    const VERB: &'static str = "reset";
    const FORM: &'static str = "reset LINK @WHEN";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let link = Link::parse(words.take_rest())?;
        Ok(Self { link })
    }

    fn tail(&self) -> Tail {
        Tail::new(format!(" {}", self.link))
    }

    fn moment(&self) -> Moment {
        Moment::Packet
    }

    fn effect(&self) -> Effect {
        Effect::ChangePackets {
            link: Some(self.link.clone()),
            change: PacketChange::Reset,
            share: Share::ALL,
            until_ns: None,
        }
    }

    fn describe(&self) -> String {
        format!("a connection of {} is reset", self.link)
    }
}
