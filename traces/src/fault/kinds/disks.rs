//! Which operations of which disk a fault is about.

use bincode::{Decode, Encode};
use retake_core::disk::{DiskFailureKind, DiskOperation};
use retake_core::fault::Effect;
use retake_core::service::Share;
use retake_core::time::nanos;
use serde::Serialize;

use super::and_until;
use crate::fault::words::{Tail, Words};
use crate::near::did_you_mean;

/// Some operations of one kind on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Operations {
    /// The name of the disk; none means all disks.
    pub disk: Option<String>,
    /// Which operations.
    pub operation: DiskOperation,
    /// How many of them; which ones, the seed draws.
    pub share: Share,
    /// Until this time, in nanoseconds of virtual time since the start of the run; without
    /// it, to the end of the run.
    pub until_ns: Option<u64>,
}

impl Operations {
    /// Of a text that says which of these operations it is about.
    pub(super) fn parse(words: &mut Words<'_>, may_be: &[DiskOperation]) -> Result<Self, String> {
        let until_ns = words.last("until").map(nanos);
        let share = words.rate()?;
        let rest = words.take_rest();
        let (disk, word) = rest.rsplit_once(' ').unwrap_or(("", rest));
        let operation = DiskOperation::of_word(word).filter(|it| may_be.contains(it));
        let operation = operation.ok_or_else(|| unknown(word, may_be))?;
        Ok(Self {
            disk: name_of(disk),
            operation,
            share,
            until_ns,
        })
    }

    pub(super) fn tail(&self) -> Tail {
        Tail::new(format!("{} {}", of(&self.disk), self.operation.word()))
            .rate(self.share)
            .maybe_until(self.until_ns)
    }

    pub(super) fn effect(&self, failure: DiskFailureKind) -> Effect {
        Effect::BreakDisk {
            disk: self.disk.clone(),
            operation: Some(self.operation),
            failure,
            share: self.share,
            until_ns: self.until_ns,
        }
    }

    /// What happens to them, for a person.
    pub(super) fn describe(&self, what: &str) -> String {
        let operations = match self.share {
            share if share.is_all() => self.operation.word().to_owned(),
            share => format!("{share} of the {}", self.operation.word()),
        };
        let until = and_until(self.until_ns);
        format!("{}: {operations} {what}{until}", disk(&self.disk))
    }
}

fn unknown(word: &str, may_be: &[DiskOperation]) -> String {
    if word.ends_with('%') {
        return "a share comes after `rate`, as in `rate 5%`".to_owned();
    }
    let words: Vec<&str> = may_be.iter().map(|it| it.word()).collect();
    let near = did_you_mean(word, words.iter().copied());
    let words = words.join(" or ");
    match &*near {
        "" => format!(
            "which operations is missing: write {words}, after the name of the disk if it has one"
        ),
        near => format!("`{word}` is no kind of operation{near}"),
    }
}

/// The name of a disk, if there is one in a text.
pub(super) fn name_of(text: &str) -> Option<String> {
    let name = text.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// A name with a space before it, in a text.
pub(super) fn of(disk: &Option<String>) -> String {
    disk.as_ref()
        .map_or_else(String::new, |name| format!(" {name}"))
}

/// A disk, for a person.
pub(super) fn disk(disk: &Option<String>) -> String {
    match disk {
        Some(name) => format!("disk {name}"),
        None => "disks".to_owned(),
    }
}
