//! Faults: what goes wrong on purpose.
//!
//! A fault is data. Each one that is injected is a record of the trace; one that
//! never found its target is listed in the run's warnings.
//!
//! | class | how it is written |
//! |---|---|
//! | lifecycle | `kill`, `kill … in await`, `panic` and `fail` in any callback, `stop` (with its backlog), `drain`; `with 2 siblings` for several at once |
//! | restart | `panic`, `fail`, `slow` `in pre_start`: a crash during the restart, a slow one; `squat`: the name is not free yet |
//! | schedule | `delay` (starve, hang), several of them (a swizzle), the strategies |
//! | RPC | `delay` and `slow` of who answers (late replies, a race with the timeout), `lose` (no reply at all), `kill … in await` of who asks (a reply to the dead) |
//! | timers | `late`, `coalesce`, `pause` (a backlog of ticks), `kill` before one fires |
//! | clock | `clock`: a step, a drift, a wave of the wall clock |
//! | load | `load` (bursts), `slow` (slow consumers), `delay` (growing mailboxes) |
//! | named points | `point`: what only code inside can do, see [`retake::buggify!`] |
//! | end of chaos | `heal`: nothing goes wrong any more |

mod parse;
mod print;

use std::time::Duration;

use retake_traces::record::StepKind;
use serde::{Deserialize, Serialize};

pub use parse::{FaultError, parse_duration};

/// A fault asked for: what, to whom, when.
///
/// Parses from and prints as a line of text. NAME is a label as traces show it; without
/// an incarnation number it means the one that is alive. `pool/*` means all whose label
/// begins so; `*` the task that has been ready to run for the longest time; `*supervised`
/// the first of these that is an actor with a supervisor, now or at a step after it, whose
/// supervisor can still stand it (see [`retake::restart_intensity`]); `*child` the same
/// whatever its supervisor can stand.
///
/// | text | what |
/// |---|---|
/// | `kill NAME [in await] @WHEN` | kill it, what it does is dropped at its await; `in await`: as soon as it awaits something |
/// | `panic NAME [in PART] @WHEN` | its next callback panics: `handle`, or `pre_start` (of its next incarnation), `post_start`, `supervision`, `post_stop` |
/// | `fail NAME [in PART] @WHEN` | its next callback returns an error |
/// | `stop NAME @WHEN`, `drain NAME @WHEN` | it stops after its present message; after all it has |
/// | `lose NAME @WHEN` | its next message is dropped unhandled, with its reply port |
/// | `delay NAME @WHEN until TIME` | it does not run before this time |
/// | `slow NAME by 5ms @WHEN until TIME` | each step of it is delayed by this |
/// | `slow NAME in pre_start by 5ms @WHEN` | its next incarnation takes so long to start |
/// | `squat NAME @WHEN until TIME` | its name stays taken after its death |
/// | `pause @WHEN until TIME` | nothing runs, while time moves |
/// | `late by 5ms @WHEN until TIME` | timers of `retake` fire up to this late |
/// | `coalesce by 10ms @WHEN until TIME` | they fire at multiples of this time only |
/// | `clock +5s @WHEN`, `clock drift +10ms @WHEN`, `clock wave 2s per 60s @WHEN` | the wall clock is wrong: by this; by this more each second; back and forth. Optionally `until TIME` |
/// | `load x4 @WHEN` | `retake::workload` gives four times as much |
/// | `point SITE @WHEN` | the named place misbehaves the next time |
/// | `buggify @WHEN` | marked places misbehave now and then from there on, which and when the seed draws |
/// | `heal @WHEN [within TIME]` | lasting faults end, and no further one is injected; `within`: the scenario has to return within this time |
///
/// WHEN is `step 120`, or a virtual time since the start such as `1.5s`. In files a
/// fault is its text.
///
/// ```
/// use retake_sim::Fault;
/// let fault: Fault = "kill pool/worker-3 @1.5s".parse()?;
/// assert_eq!(fault.to_string(), "kill pool/worker-3 @1500ms");
/// # Ok::<(), retake_sim::FaultError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fault {
    /// The label of the task that it affects, or the name of a point; empty where the
    /// fault is about the whole run.
    pub target: String,
    /// What is done.
    pub action: FaultAction,
    /// When.
    pub when: When,
    /// The number of other children of the same supervisor that it affects as well.
    pub siblings: u32,
}

/// The target that is the next supervised actor whose supervisor can stand it.
pub(crate) const SUPERVISED: &str = "*supervised";
/// The target that is the next supervised actor.
pub(crate) const CHILD: &str = "*child";
/// The target that is the next task.
pub(crate) const NEXT: &str = "*";

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// Kill the actor: what it is doing is dropped at its await point.
    Kill {
        /// Only when it awaits something inside a callback.
        awaiting: bool,
    },
    /// The actor's next callback of this kind panics.
    Panic(StepKind),
    /// The actor's next callback of this kind returns an error.
    Fail(StepKind),
    /// The actor stops after the message that it handles.
    Stop,
    /// The actor stops after the messages that it has.
    Drain,
    /// The actor's next message is dropped unhandled.
    Lose,
    /// The task is not scheduled before this virtual time since the start.
    Delay {
        /// Virtual time since the start of the run.
        until: Duration,
    },
    /// Each step of the task comes later than it could.
    Slow {
        /// By how much.
        by: Duration,
        /// Virtual time since the start of the run.
        until: Duration,
    },
    /// The actor's next incarnation takes longer to start.
    SlowStart {
        /// By how much.
        by: Duration,
    },
    /// The actor's name is taken as soon as it is free.
    Squat {
        /// Virtual time since the start of the run.
        until: Duration,
    },
    /// Nothing runs.
    Pause {
        /// Virtual time since the start of the run.
        until: Duration,
    },
    /// Timers fire late.
    Late {
        /// By at most this, drawn for each.
        by: Duration,
        /// Virtual time since the start of the run.
        until: Duration,
    },
    /// Timers fire at multiples of a time.
    Coalesce {
        /// That time.
        to: Duration,
        /// Virtual time since the start of the run.
        until: Duration,
    },
    /// The wall clock is wrong; monotonic time never is.
    Clock {
        /// How.
        skew: Skew,
        /// Virtual time since the start of the run; without it, to the end of the run.
        until: Option<Duration>,
    },
    /// `retake::workload` gives so many times as much.
    Load {
        /// How many times.
        times: u32,
    },
    /// The marked place of the target's name misbehaves the next time.
    Point,
    /// Marked places misbehave now and then.
    Buggify,
    /// Nothing goes wrong from now on.
    Heal {
        /// The scenario has to return within this time.
        within: Option<Duration>,
    },
}

/// How a wall clock is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// By so many nanoseconds.
    Step(i64),
    /// By so many nanoseconds more each second.
    Drift(i64),
    /// Back and forth.
    Wave {
        /// By at most this.
        by: Duration,
        /// Forth and back takes this long.
        period: Duration,
    },
}

impl Skew {
    /// Nanoseconds by which the clock is ahead, so long after it went wrong.
    #[must_use]
    pub fn offset_ns(self, after_ns: u64) -> i64 {
        let offset = match self {
            Self::Step(by) => i128::from(by),
            Self::Drift(by) => i128::from(by) * i128::from(after_ns) / 1_000_000_000,
            Self::Wave { by, period } => {
                // A triangle: 0, up to `by`, through 0 to `-by`, to 0.
                let (by, period) = (by.as_nanos() as i128, period.as_nanos().max(4) as i128);
                let place = (i128::from(after_ns) + period / 4) % period;
                let up = (2 * place).min(2 * (period - place));
                by * (2 * up - period) / period
            }
        };
        i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX })
    }
}

/// When a fault is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Just before the step of this number (from 1) is chosen.
    Step(u64),
    /// At this virtual time since the start of the run.
    At(Duration),
}

impl Fault {
    /// Kill the actor of this label, by default at the start.
    #[must_use]
    pub fn kill(target: impl Into<String>) -> Self {
        Self::new(target, FaultAction::Kill { awaiting: false })
    }

    /// Make the next message handler of the actor of this label panic.
    #[must_use]
    pub fn panic(target: impl Into<String>) -> Self {
        Self::new(target, FaultAction::Panic(StepKind::Handle))
    }

    /// Keep the task of this label from running until a virtual time since the start.
    #[must_use]
    pub fn delay(target: impl Into<String>, until: Duration) -> Self {
        Self::new(target, FaultAction::Delay { until })
    }

    /// This action; the target is empty where the action is about the whole run.
    #[must_use]
    pub fn new(target: impl Into<String>, action: FaultAction) -> Self {
        Self {
            target: target.into(),
            action,
            when: When::Step(1),
            siblings: 0,
        }
    }

    /// Whether it does no harm, but ends the harm that others do.
    #[must_use]
    pub fn heals(&self) -> bool {
        matches!(self.action, FaultAction::Heal { .. })
    }

    /// Strike just before this step (from 1) is chosen.
    #[must_use]
    pub fn at_step(self, step: u64) -> Self {
        Self {
            when: When::Step(step),
            ..self
        }
    }

    /// Strike at this virtual time since the start of the run.
    #[must_use]
    pub fn at(self, time: Duration) -> Self {
        Self {
            when: When::At(time),
            ..self
        }
    }

    /// Strike so many other children of the same supervisor along with the target.
    #[must_use]
    pub fn with_siblings(self, siblings: u32) -> Self {
        Self { siblings, ..self }
    }
}

impl FaultAction {
    /// True where the whole run is the target.
    #[must_use]
    pub fn is_about_the_run(&self) -> bool {
        matches!(
            self,
            Self::Pause { .. }
                | Self::Late { .. }
                | Self::Coalesce { .. }
                | Self::Clock { .. }
                | Self::Load { .. }
                | Self::Buggify
                | Self::Heal { .. }
        )
    }

    /// True where it waits for an actor to start.
    pub(crate) fn is_of_a_start(&self) -> bool {
        matches!(
            self,
            Self::SlowStart { .. }
                | Self::Panic(StepKind::PreStart)
                | Self::Fail(StepKind::PreStart)
        )
    }

    /// True where an actor may end by it.
    pub(crate) fn ends_an_actor(&self) -> bool {
        matches!(
            self,
            Self::Kill { .. } | Self::Panic(_) | Self::Fail(_) | Self::Stop | Self::Drain
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_as_it_is_told() {
        let second = 1_000_000_000;
        assert_eq!(Skew::Step(-5).offset_ns(7), -5);
        assert_eq!(Skew::Drift(10).offset_ns(3 * second), 30);
        let wave = Skew::Wave {
            by: Duration::from_secs(2),
            period: Duration::from_secs(8),
        };
        let offsets: Vec<i64> = (0..9).map(|it| wave.offset_ns(it * second)).collect();
        let expected = [0, 1, 2, 1, 0, -1, -2, -1, 0].map(|it| it * second as i64);
        assert_eq!(offsets, expected);
        assert_eq!(Skew::Drift(i64::MAX).offset_ns(u64::MAX), i64::MAX);
    }
}
