use bincode::{Decode, Encode};
use retake_core::disk::{DiskFailureKind, DiskOperation};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use super::disks::Operations;
use crate::fault::words::{Tail, Words};

/// A part of the bytes is read or written.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ShortenDisk(
    /// Which ones.
    pub Operations,
);

impl Kind for ShortenDisk {
    const VERB: &'static str = "shorten disk";
    const FORM: &'static str = "shorten disk [NAME] reads|writes [rate 5%] @WHEN [until TIME]";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        use DiskOperation::{Read, Write};
        Operations::parse(words, &[Read, Write]).map(Self)
    }

    fn tail(&self) -> Tail {
        self.0.tail()
    }

    fn moment(&self) -> Moment {
        Moment::Request
    }

    fn effect(&self) -> Effect {
        self.0.effect(DiskFailureKind::Short)
    }

    fn describe(&self) -> String {
        self.0.describe("have a part of their bytes")
    }
}
