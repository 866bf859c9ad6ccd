//! Which packets a fault of the network is about.

use std::fmt;

use bincode::{Decode, Encode};
use retake_core::fault::Effect;
use retake_core::packet::{Link, PacketChange};
use retake_core::service::Share;
use retake_core::time::nanos;
use serde::Serialize;

use crate::fault::words::{Tail, Words};

/// Some of the packets between hosts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Packets {
    /// How many; which ones, the seed draws.
    pub share: Share,
    /// Those of this link; none means all links.
    pub link: Option<Link>,
    /// Until this time, in nanoseconds of virtual time since the start of the run; without
    /// it, to the end of the run.
    pub until_ns: Option<u64>,
}

impl Packets {
    /// Of a text whose share is what it is about.
    pub(super) fn parse_share(words: &mut Words<'_>) -> Result<Self, String> {
        let (link, until_ns) = Self::parse_link(words)?;
        let share = words.take_rest();
        let share = Share::parse(share).map_err(|error| match share {
            "" => "how many is missing, such as `5%`".to_owned(),
            _ => error,
        })?;
        Ok(Self {
            share,
            link,
            until_ns,
        })
    }

    /// Of a text that may have a rate.
    pub(super) fn parse_rate(words: &mut Words<'_>) -> Result<Self, String> {
        let (link, until_ns) = Self::parse_link(words)?;
        let share = words.rate()?;
        Ok(Self {
            share,
            link,
            until_ns,
        })
    }

    fn parse_link(words: &mut Words<'_>) -> Result<(Option<Link>, Option<u64>), String> {
        let until_ns = words.last("until").map(nanos);
        let link = words.after(" on ").map(Link::parse).transpose()?;
        Ok((link, until_ns))
    }

    pub(super) fn tail(&self, words: &str) -> Tail {
        let link = &self.link;
        let link = link.as_ref().map(|link| format!(" on {link}"));
        Tail::new(format!("{words}{}", link.unwrap_or_default())).maybe_until(self.until_ns)
    }

    pub(super) fn effect(&self, change: PacketChange) -> Effect {
        Effect::ChangePackets {
            link: self.link.clone(),
            change,
            share: self.share,
            until_ns: self.until_ns,
        }
    }
}

impl fmt::Display for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.share {
            share if share.is_all() => f.write_str("packets")?,
            share => write!(f, "{share} of the packets")?,
        }
        match &self.link {
            Some(link) => write!(f, " of {link}"),
            None => Ok(()),
        }
    }
}
