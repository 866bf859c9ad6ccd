use bincode::{Decode, Encode};
use retake_core::disk::{DiskFailureKind, DiskOperation};
use retake_core::fault::{Effect, Moment};
use retake_core::service::Share;
use retake_core::time::nanos;
use serde::Serialize;

use super::{Kind, and_until, disks};
use crate::fault::words::{Tail, Words};

/// There is no room on a disk: writes fail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct FillDisk {
    /// The name of the disk; none means all disks.
    pub disk: Option<String>,
    /// Until this time, in nanoseconds of virtual time since the start of the run; without
    /// it, to the end of the run.
    pub until_ns: Option<u64>,
}

impl Kind for FillDisk {
    const VERB: &'static str = "fill disk";
    const FORM: &'static str = "fill disk [NAME] @WHEN [until TIME]";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let until_ns = words.last("until").map(nanos);
        let disk = disks::name_of(words.take_rest());
        Ok(Self { disk, until_ns })
    }

    fn tail(&self) -> Tail {
        Tail::new(disks::of(&self.disk)).maybe_until(self.until_ns)
    }

    fn moment(&self) -> Moment {
        Moment::Request
    }

    fn effect(&self) -> Effect {
        Effect::BreakDisk {
            disk: self.disk.clone(),
            operation: Some(DiskOperation::Write),
            failure: DiskFailureKind::Full,
            share: Share::ALL,
            until_ns: self.until_ns,
        }
    }

    fn describe(&self) -> String {
        let until = and_until(self.until_ns);
        format!("{}: there is no room{until}", disks::disk(&self.disk))
    }
}
