use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::time::{Exact, Seconds, nanos};
use serde::Serialize;

use super::{Kind, until};
use crate::fault::words::{Tail, Words};

/// Timers fire at multiples of a time only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Coalesce {
    /// That time, in nanoseconds of virtual time.
    pub to_ns: u64,
    /// Until this time, in nanoseconds of virtual time since the start of the run.
    pub until_ns: u64,
}

// Drawn with timers that are late.
impl Kind for Coalesce {
    const VERB: &'static str = "coalesce";
    const FORM: &'static str = "coalesce by TIME @WHEN until TIME";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let (to_ns, until_ns) = (nanos(words.by()?), nanos(words.until()?));
        Ok(Self { to_ns, until_ns })
    }

    fn tail(&self) -> Tail {
        Tail::new(format!(" by {}", Exact(self.to_ns))).until(self.until_ns)
    }

    fn moment(&self) -> Moment {
        Moment::Run
    }

    fn effect(&self) -> Effect {
        let Self { to_ns, until_ns } = *self;
        Effect::CoalescedTimers { to_ns, until_ns }
    }

    fn describe(&self) -> String {
        let to = Seconds(self.to_ns);
        format!("timers fire every {to} s {}", until(self.until_ns))
    }
}
