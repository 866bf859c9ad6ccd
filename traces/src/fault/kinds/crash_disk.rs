use bincode::{Decode, Encode};
use retake_core::disk::{DiskFailureKind, DiskOperation};
use retake_core::fault::{Effect, Moment};
use retake_core::service::Share;
use serde::Serialize;

use super::disks::{self, Operations};
use super::fail_disk::FailDisk;
use super::fill_disk::FillDisk;
use super::shorten_disk::ShortenDisk;
use super::{Action, Kind};
use crate::fault::recipe::{Dice, Recipe};
use crate::fault::words::{Tail, Words};
use crate::fault::{Fault, Target};

/// The machine of a disk loses its power: what was not synced is lost.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CrashDisk {
    /// The name of the disk; none means all disks, each of them once.
    pub disk: Option<String>,
}

impl Kind for CrashDisk {
    const VERB: &'static str = "crash disk";
    const FORM: &'static str = "crash disk [NAME] @WHEN";
    // Whether anything starts again after a crash is for the scenario to say.
    const RECIPES: &'static [Recipe] = &[Recipe::unusual("disk", draw)];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let disk = disks::name_of(words.take_rest());
        Ok(Self { disk })
    }

    fn tail(&self) -> Tail {
        Tail::new(disks::of(&self.disk))
    }

    fn moment(&self) -> Moment {
        Moment::Request
    }

    fn effect(&self) -> Effect {
        Effect::BreakDisk {
            disk: self.disk.clone(),
            operation: None,
            failure: DiskFailureKind::Crash,
            share: Share::ALL,
            until_ns: None,
        }
    }

    fn describe(&self) -> String {
        format!("{}: power is lost", disks::disk(&self.disk))
    }
}

/// Let a disk fail, until the heal.
fn draw(dice: &mut Dice<'_>) -> Vec<Fault> {
    let (disk, until_ns) = (None, None);
    let kind = dice.below(6);
    let operation = [
        DiskOperation::Read,
        DiskOperation::Write,
        DiskOperation::Sync,
    ][dice.below(3)];
    let operations = Operations {
        disk: disk.clone(),
        operation,
        share: dice.share(),
        until_ns,
    };
    let action: Action = match kind {
        0 | 1 => CrashDisk { disk }.into(),
        2 => FillDisk { disk, until_ns }.into(),
        3 if operation != DiskOperation::Sync => ShortenDisk(operations).into(),
        _ => FailDisk(operations).into(),
    };
    vec![Fault::new(Target::Run, action).at_step(dice.at)]
}
