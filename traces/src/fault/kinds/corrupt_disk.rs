use bincode::{Decode, Encode};
use retake_core::disk::{DiskFailureKind, DiskOperation};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use super::disks::Operations;
use crate::fault::words::{Tail, Words};

/// A bit of what is read from a disk is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CorruptDisk(
    /// Which ones.
    pub Operations,
);

impl Kind for CorruptDisk {
    const VERB: &'static str = "corrupt disk";
    const FORM: &'static str = "corrupt disk [NAME] reads [rate 5%] @WHEN [until TIME]";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        Operations::parse(words, &[DiskOperation::Read]).map(Self)
    }

    fn tail(&self) -> Tail {
        self.0.tail()
    }

    fn moment(&self) -> Moment {
        Moment::Request
    }

    fn effect(&self) -> Effect {
        self.0.effect(DiskFailureKind::Corrupt)
    }

    fn describe(&self) -> String {
        self.0.describe("have a wrong bit")
    }
}
