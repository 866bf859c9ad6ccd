//! What a replay needs of a trace: who ran at each step.

use bincode::{Decode, Encode};

use crate::error::TraceError;
use crate::record::{Choice, Record};

/// The choices of a run, in four bytes a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Schedule {
    /// By step: the task, with the highest bit set when it ran eagerly.
    steps: Vec<u32>,
    /// (step, task), where the choice was not that of first in, first out.
    deviations: Vec<(u64, u32)>,
}

/// One choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Number of the task.
    pub task: u32,
    /// It ran at once, before the system was quiescent.
    pub eager: bool,
}

const EAGER: u32 = 1 << 31;

impl Schedule {
    /// The schedule of these records, a [`TraceReader`](crate::TraceReader)'s for example.
    ///
    /// # Errors
    /// The first error among the records.
    pub fn read(
        records: impl IntoIterator<Item = Result<Record, TraceError>>,
    ) -> Result<Self, TraceError> {
        let mut schedule = Self::default();
        for record in records {
            schedule.add(&record?);
        }
        Ok(schedule)
    }

    fn add(&mut self, record: &Record) {
        let Record::Step(step) = record else { return };
        let eager = if step.choice == Choice::Eager {
            EAGER
        } else {
            0
        };
        self.steps.push(step.task & !EAGER | eager);
        if step.choice == Choice::Deviation {
            self.deviations.push((self.steps.len() as u64, step.task));
        }
    }

    /// The choice at step number `step` (from 1).
    #[must_use]
    #[inline]
    pub fn get(&self, step: u64) -> Option<Pick> {
        let place = usize::try_from(step).ok()?.checked_sub(1)?;
        self.steps.get(place).map(|step| Pick {
            task: step & !EAGER,
            eager: step & EAGER != 0,
        })
    }

    /// The first task from step number `step` on that was chosen at quiescence.
    #[must_use]
    pub fn next_picked(&self, step: u64) -> Option<u32> {
        let place = usize::try_from(step).ok()?.checked_sub(1)?;
        self.steps
            .get(place..)?
            .iter()
            .copied()
            .find(|step| step & EAGER == 0)
    }

    /// Number of steps.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.steps.len() as u64
    }

    /// True when there is no step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// (step, task) of each choice that first in, first out would not have made.
    #[must_use]
    pub fn deviations(&self) -> &[(u64, u32)] {
        &self.deviations
    }
}
