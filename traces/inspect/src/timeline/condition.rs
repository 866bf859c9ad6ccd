//! Steps at which to stop: by actor, message and state.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use super::{Direction, Timeline};
use retake_traces::error::TraceError;
use retake_traces::event::WholeEvent;
use retake_traces::record::StepKind;

/// What must hold of a step; parses from `actor=NAME message=TEXT state=TEXT`, of which
/// one or two may be missing. A value extends to the next of these words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The label of the task, or all incarnations of this name.
    pub actor: Option<String>,
    /// The text of the message that the step begins to handle has this in it.
    pub message: Option<String>,
    /// The callback that the step begins changes the state to one with this in its text.
    pub state: Option<String>,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: String| {
            format!("{what}: write a condition such as `actor=ledger message=Append state=None`")
        };
        let mut parts: Vec<(&str, String)> = Vec::new();
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((key @ ("actor" | "message" | "state"), value)) => {
                    if parts.iter().any(|(known, _)| *known == key) {
                        return Err(wrong(format!("`{key}` is given twice")));
                    }
                    parts.push((key, value.to_owned()));
                }
                _ => match parts.last_mut() {
                    Some((_, value)) => {
                        value.push(' ');
                        value.push_str(word);
                    }
                    None => return Err(wrong(format!("`{word}` is no condition"))),
                },
            }
        }
        if parts.is_empty() {
            return Err(wrong("the condition is empty".to_owned()));
        }
        if let Some((key, _)) = parts.iter().find(|(_, value)| value.is_empty()) {
            return Err(wrong(format!("`{key}=` has no value")));
        }
        let mut take = |key: &str| {
            let place = parts.iter().position(|(known, _)| *known == key)?;
            Some(parts.swap_remove(place).1)
        };
        Ok(Self {
            actor: take("actor"),
            message: take("message"),
            state: take("state"),
        })
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("actor", &self.actor),
            ("message", &self.message),
            ("state", &self.state),
        ];
        let mut gap = "";
        for (key, value) in parts {
            if let Some(value) = value {
                write!(f, "{gap}{key}={value}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

impl Condition {
    /// Whether it holds of an event, the state aside.
    fn fits(&self, event: &WholeEvent) -> bool {
        let Some(step) = event.as_step() else {
            return false;
        };
        let by_actor = self.actor.as_ref().is_none_or(|name| event.is_about(name));
        let by_message = self.message.as_ref().is_none_or(|message| {
            let text = event.detail.as_ref();
            text.is_some_and(|text| text.contains(message))
        });
        let by_state = self.state.is_none() || step.kind != StepKind::Resume;
        by_actor && by_message && by_state
    }
}

impl Timeline {
    /// The nearest step after or before this one at which a condition holds.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn find_hit(
        &mut self,
        step: u64,
        direction: Direction,
        condition: &Condition,
    ) -> Result<Option<u64>, TraceError> {
        let parts = self.parts();
        // The part with the first step to look at.
        let first = match direction {
            Direction::Forward => self.segments.of_step(step + 1),
            Direction::Backward => self.segments.of_step(step.min(self.steps())),
        };
        let first = parts.partition_point(|part| part.end <= first);
        let parts: Vec<Range<usize>> = match direction {
            Direction::Forward => parts[first.min(parts.len())..].to_vec(),
            Direction::Backward => parts.into_iter().take(first + 1).rev().collect(),
        };
        for part in parts {
            let hits = self.hits_in(part, condition)?;
            let found = match direction {
                Direction::Forward => hits.into_iter().find(|hit| *hit > step),
                Direction::Backward => hits.into_iter().rfind(|hit| *hit < step),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The segments from each checkpoint to the next.
    fn parts(&self) -> Vec<Range<usize>> {
        let places = self.places();
        let start = |step: u64| places.partition_point(|place| place.steps < step);
        let mut starts: Vec<usize> = self.checkpoints.steps().map(start).collect();
        starts.push(places.len());
        let parts = starts.windows(2).map(|pair| pair[0]..pair[1]);
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// The steps of one part at which a condition holds.
    fn hits_in(
        &mut self,
        part: Range<usize>,
        condition: &Condition,
    ) -> Result<Vec<u64>, TraceError> {
        let end = self.segments.get(part.end.saturating_sub(1))?;
        let last = end.events.last().map_or(0, |event| event.step);
        let mut hits = Vec::new();
        // From the end to the beginning: the callback after a step tells what became of
        // the state.
        let mut next: BTreeMap<u32, bool> = BTreeMap::new();
        for number in part.rev() {
            let segment = self.segments.get(number)?;
            for event in segment.events.iter().rev() {
                let Some(step) = event.as_step() else {
                    continue;
                };
                if condition.fits(event) {
                    let holds = match &condition.state {
                        None => true,
                        Some(text) => match next.get(&step.task) {
                            Some(becomes) => *becomes,
                            None => self.becomes(step.task, last, text)?,
                        },
                    };
                    if holds {
                        hits.push(event.step);
                    }
                }
                if let Some(text) = &condition.state
                    && step.kind != StepKind::Resume
                {
                    let found = event.state.as_ref();
                    let becomes = found.is_some_and(|state| state.contains(text));
                    next.insert(step.task, becomes);
                }
            }
        }
        hits.reverse();
        Ok(hits)
    }

    /// Whether the first state of a task that is recorded by its next callback after a
    /// step, or at the end, has this text.
    fn becomes(&mut self, task: u32, step: u64, text: &str) -> Result<bool, TraceError> {
        let found = match self.next_callback(task, step)? {
            (0, _) => match self.tasks.get(task as usize).and_then(|it| it.end_state) {
                Some(offset) => self.state_at_end(task, offset)?,
                None => None,
            },
            (_, false) => None,
            (next, true) => self.recorded_state(task, next)?,
        };
        Ok(found.is_some_and(|found| found.contains(text)))
    }
}
