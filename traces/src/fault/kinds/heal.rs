use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::time::{Seconds, nanos};
use serde::Serialize;

use super::Kind;
use crate::fault::words::{Tail, Words};

/// Lasting faults end, and no further one is injected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Heal {
    /// The scenario has to return within so many nanoseconds of virtual time.
    pub within_ns: Option<u64>,
}

// A swarm ends with one.
impl Kind for Heal {
    const VERB: &'static str = "heal";
    const FORM: &'static str = "heal @WHEN [within TIME]";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let within_ns = words.last("within").map(nanos);
        Ok(Self { within_ns })
    }

    fn tail(&self) -> Tail {
        match self.within_ns {
            Some(within_ns) => Tail::new("").within(within_ns),
            None => Tail::default(),
        }
    }

    fn moment(&self) -> Moment {
        Moment::Run
    }

    fn effect(&self) -> Effect {
        let within_ns = self.within_ns;
        Effect::Heal { within_ns }
    }

    fn describe(&self) -> String {
        match self.within_ns {
            Some(ns) => format!("no more of them; to end within {} s", Seconds(ns)),
            None => "no more of them".to_owned(),
        }
    }
}
