//! Which packets a fault of the network is about.

use std::fmt;

use bincode::{Decode, Encode};
use retake_core::fault::Effect;
use retake_core::packet::{Link, PacketChange};
use retake_core::service::Share;
use retake_core::time::nanos;
use serde::Serialize;

use super::Action;
use super::cut::Cut;
use super::delay_packets::DelayPackets;
use super::duplicate_packets::DuplicatePackets;
use super::lose_packets::LosePackets;
use super::reorder_packets::ReorderPackets;
use super::reset::Reset;
use crate::fault::swarm::{Dice, Recipe};
use crate::fault::text::{Tail, Words};
use crate::fault::{Fault, Target};

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
    pub(super) fn parse_share(words: &mut Words<'_>, form: &str) -> Result<Self, String> {
        let (link, until_ns) = Self::parse_link(words)?;
        let share = words.take_rest();
        let share = Share::parse(share).map_err(|error| match share {
            "" => format!("how many is missing: write `{form}`"),
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

/// A network that fails, in runs that have one.
pub(super) const RECIPES: &[Recipe] = &[Recipe::of_network("network", draw)];

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
