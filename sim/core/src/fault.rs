//! What a fault does to a run, and when. A simulator needs to know no more of it.
//!
//! The kinds of faults with the words for them are in `retake-traces`. A simulator executes
//! [`Effect`]s, each of them at a [`Moment`].

use std::fmt;
use std::time::Duration;

use crate::disk::{DiskFailureKind, DiskOperation};
use crate::packet::{Link, PacketChange};
use crate::service::{ServiceFailure, Share};
use crate::step::StepKind;

/// What a fault affects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
pub enum Target {
    /// The whole run.
    Run,
    /// The task of this label; without a number of the incarnation, the one that is alive.
    Named(String),
    /// All tasks whose labels begin so.
    All(String),
    /// The task that has been ready to run for the longest time.
    Next,
    /// The first of these that is an actor with a supervisor.
    Child,
    /// The same, whose supervisor survives it.
    Supervised,
}

impl Target {
    /// Whether it is found among the tasks that are ready to run.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        matches!(self, Self::Next | Self::Child | Self::Supervised)
    }
}

impl From<&str> for Target {
    /// From its form in a fault's text; nothing means the whole run.
    fn from(text: &str) -> Self {
        match text {
            "" => Self::Run,
            "*" => Self::Next,
            "*child" => Self::Child,
            "*supervised" => Self::Supervised,
            _ => match text.strip_suffix('*') {
                Some(prefix) => Self::All(prefix.to_owned()),
                None => Self::Named(text.to_owned()),
            },
        }
    }
}

impl From<String> for Target {
    fn from(text: String) -> Self {
        Self::from(&*text)
    }
}

impl From<&String> for Target {
    fn from(text: &String) -> Self {
        Self::from(&**text)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => Ok(()),
            Self::Named(name) => f.write_str(name),
            Self::All(prefix) => write!(f, "{prefix}*"),
            Self::Next => f.write_str("*"),
            Self::Child => f.write_str("*child"),
            Self::Supervised => f.write_str("*supervised"),
        }
    }
}

/// When a fault is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
pub enum When {
    /// Just before the step of this number (from 1) is chosen.
    Step(u64),
    /// At this virtual time since the start of the run.
    At(Duration),
}

/// What is to happen before a fault has its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing, and the whole run is affected.
    Run,
    /// Nothing, and a task is affected.
    Task,
    /// The actor awaits something within a callback.
    Await,
    /// A callback of this kind of the actor is about to run: the effect comes instead.
    Callback(StepKind),
    /// The next incarnation of the actor is about to start: the effect comes instead.
    Start,
    /// The run reaches the marked place of this fault.
    Place,
    /// The run makes a request that is affected: of a service, or of a disk.
    Request,
    /// A packet that is affected goes from one host to another.
    Packet,
}

/// What a fault does. Times are nanoseconds of virtual time; those that end something are
/// counted from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Kill the actor: what it does is dropped at its await.
    Kill,
    /// The actor stops after its present message.
    Stop,
    /// The actor stops after the messages that it has.
    Drain,
    /// The callback panics.
    Panic,
    /// The callback returns an error.
    Fail,
    /// The message is dropped unhandled, with its reply port.
    Lose,
    /// The message is sent to the actor once more before it is handled.
    Duplicate,
    /// The task does not run before this time.
    Delay {
        /// That time.
        until_ns: u64,
    },
    /// Each step of the task comes later than it could.
    Slow {
        /// By how much.
        by_ns: u64,
        /// Until this time.
        until_ns: u64,
    },
    /// The actor takes longer to start.
    StartLate {
        /// By how much.
        by_ns: u64,
    },
    /// The actor's name is taken as soon as it is free.
    TakeName {
        /// Until this time.
        until_ns: u64,
    },
    /// Nothing runs, while time moves.
    Pause {
        /// Until this time.
        until_ns: u64,
    },
    /// Timers fire late.
    LateTimers {
        /// By at most this, drawn for each.
        by_ns: u64,
        /// Until this time.
        until_ns: u64,
    },
    /// Timers fire at multiples of a time only.
    CoalescedTimers {
        /// That time.
        to_ns: u64,
        /// Until this time.
        until_ns: u64,
    },
    /// The wall clock is wrong; monotonic time never is.
    WallClock {
        /// How.
        skew: Skew,
        /// Until this time; without it, to the end of the run.
        until_ns: Option<u64>,
    },
    /// Loads are so many times as large.
    Load {
        /// How many times.
        times: u32,
    },
    /// Loads are no larger than this.
    LimitLoad {
        /// The largest.
        most: u32,
    },
    /// The marked place of this name misbehaves.
    Misbehave {
        /// The name.
        place: String,
    },
    /// Marked places misbehave now and then; which and when the seed draws.
    Buggify,
    /// Requests of a service fail.
    BreakService {
        /// Its name; none means the first one that is asked.
        service: Option<String>,
        /// How they fail.
        failure: ServiceFailure,
        /// How many of them; which ones, the seed draws.
        share: Share,
        /// Until this time; without it, to the end of the run.
        until_ns: Option<u64>,
    },
    /// Something becomes of packets between hosts.
    ChangePackets {
        /// Of those of this link; none means all links.
        link: Option<Link>,
        /// What happens to them.
        change: PacketChange,
        /// How many of them; which ones, the seed draws.
        share: Share,
        /// Until this time; without it, to the end of the run.
        until_ns: Option<u64>,
    },
    /// Operations on a disk go wrong.
    BreakDisk {
        /// Its name; none means all disks.
        disk: Option<String>,
        /// Which operations; none means the next one, once for each disk.
        operation: Option<DiskOperation>,
        /// What happens to them.
        failure: DiskFailureKind,
        /// How many of them; which ones, the seed draws.
        share: Share,
        /// Until this time; without it, to the end of the run.
        until_ns: Option<u64>,
    },
    /// Lasting effects end, and no further fault has one.
    Heal {
        /// The scenario has to return within this time.
        within_ns: Option<u64>,
    },
}

/// How a wall clock is wrong, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Skew {
    /// By a constant.
    Step(i64),
    /// By as much more each second.
    Drift(i64),
    /// Back and forth.
    Wave {
        /// By at most this.
        by_ns: u64,
        /// Forth and back takes this long.
        period_ns: u64,
    },
}

impl Skew {
    /// By how much the clock is ahead, so long after it went wrong.
    #[must_use]
    pub fn offset_ns(self, after_ns: u64) -> i64 {
        let offset = match self {
            Self::Step(by) => i128::from(by),
            Self::Drift(by) => i128::from(by) * i128::from(after_ns) / 1_000_000_000,
            Self::Wave { by_ns, period_ns } => {
                // A triangle: 0, up to `by`, through 0 to `-by`, to 0.
                let (by, period) = (i128::from(by_ns), i128::from(period_ns.max(4)));
                let place = (i128::from(after_ns) + period / 4) % period;
                let up = (2 * place).min(2 * (period - place));
                by * (2 * up - period) / period
            }
        };
        i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX })
    }
}

/// What happens instead of a callback that begins. What simulates a process gives it to the gates in
/// that process as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Nothing: it runs.
    Nothing,
    /// It panics.
    Panic,
    /// It returns an error.
    Fail,
    /// It returns at once, so that its message is lost.
    Lose,
}

impl Instead {
    const ALL: [Self; 4] = [Self::Nothing, Self::Panic, Self::Fail, Self::Lose];

    /// What has this number, which is that of `as u32`.
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// How a fault ends an actor. It is given to the gates as its number, as [`Instead`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// It is killed.
    Kill,
    /// It stops after the message that it handles.
    Stop,
    /// It stops after all messages that it has.
    Drain,
}

impl Termination {
    const ALL: [Self; 3] = [Self::Kill, Self::Stop, Self::Drain];

    /// What has this number, which is that of `as u32`.
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_to_gates_is_found_by_its_number() {
        for instead in Instead::ALL {
            assert_eq!(Instead::of_number(instead as u32), Some(instead));
        }
        for end in Termination::ALL {
            assert_eq!(Termination::of_number(end as u32), Some(end));
        }
        assert_eq!(
            (Instead::of_number(4), Termination::of_number(3)),
            (None, None)
        );
    }

    #[test]
    fn a_clock_is_wrong_by_a_step_a_drift_or_a_wave() {
        let second = 1_000_000_000;
        assert_eq!(Skew::Step(-5).offset_ns(7), -5);
        assert_eq!(Skew::Drift(10).offset_ns(3 * second), 30);
        let wave = Skew::Wave {
            by_ns: 2 * second,
            period_ns: 8 * second,
        };
        let offsets: Vec<i64> = (0..9).map(|it| wave.offset_ns(it * second)).collect();
        let expected = [0, 1, 2, 1, 0, -1, -2, -1, 0].map(|it| it * second as i64);
        assert_eq!(offsets, expected);
        assert_eq!(Skew::Drift(i64::MAX).offset_ns(u64::MAX), i64::MAX);
    }
}
