use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::Kind;
use crate::fault::words::{Tail, Words};

/// The marked place of this name misbehaves the next time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Point {
    /// Its name.
    pub place: String,
}

impl Kind for Point {
    const VERB: &'static str = "point";
    const FORM: &'static str = "point PLACE @WHEN";

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let place = words.take_rest().to_owned();
        if place.is_empty() {
            return Err("the name of the place is missing".to_owned());
        }
        Ok(Self { place })
    }

    fn tail(&self) -> Tail {
        Tail::new(format!(" {}", self.place))
    }

    fn moment(&self) -> Moment {
        Moment::Place
    }

    fn effect(&self) -> Effect {
        let place = self.place.clone();
        Effect::Misbehave { place }
    }

    fn describe(&self) -> String {
        format!("misbehaves at {}", self.place)
    }
}
