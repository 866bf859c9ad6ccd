use bincode::{Decode, Encode};
use retake_core::disk::{DiskFailureKind, DiskOperation};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use super::disks::Operations;
use crate::fault::words::{Tail, Words};

/// Operations on a disk fail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct FailDisk(
    /// Which ones.
    pub Operations,
);

impl Kind for FailDisk {
    const VERB: &'static str = "fail disk";
    const FORM: &'static str = "fail disk [NAME] reads|writes|syncs [rate 5%] @WHEN [until TIME]";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        use DiskOperation::{Read, Sync, Write};
        Operations::parse(words, &[Read, Sync, Write]).map(Self)
    }

    fn tail(&self) -> Tail {
        self.0.tail()
    }

    fn moment(&self) -> Moment {
        Moment::Request
    }

    fn effect(&self) -> Effect {
        self.0.effect(DiskFailureKind::Error)
    }

    fn describe(&self) -> String {
        self.0.describe("fail")
    }
}
