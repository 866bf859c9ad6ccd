//! Fault plans: faults as data, explicit ones and those that a swarm draws.
//!
//! A swarm draws for each run which kinds of faults are active in it, and how many
//! strike when: runs differ more from one another than if everything could happen in
//! all of them (Groce and others, "Swarm Testing", ISSTA 2012). Faults strike in the
//! first two thirds of a run, with quiet times between them. Then the system is healed:
//! what lasts ends, no further fault is injected, and it has to come to its end; a scenario
//! waits for that with [`retake::healed`], and `liveness` bounds it. One run in eight has no
//! fault at all.
//!
//! Only actors with a supervisor are chosen, no more often than the budget says, and not
//! if their supervisor could not stand it, where it tells what it can stand with
//! [`retake::restart_intensity`].
//!
//! In a file (TOML):
//!
//! ```toml
//! faults = ["kill pool/worker-3 @1.5s", "panic ledger @step 120"]
//!
//! [swarm]
//! kinds = ["kill", "panic", "delay", "buggify"]
//! budget = 3
//! quiet_steps = 20
//! liveness = "30s"
//! beyond_intensity = false
//! ```

use std::io;
use std::path::Path;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use retake_traces::file::{FileError, read_text};
use retake_traces::record::StepKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fault::{CHILD, Fault, FaultAction, FaultError, NEXT, SUPERVISED, Skew, parse_duration};
use crate::near::did_you_mean;
use crate::rng::{below, stream};

/// The faults of a run: see the module documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Faults that are injected in every run.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What is drawn for each run.
    pub swarm: Option<Swarm>,
}

/// A kind of fault that a swarm draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwarmKind {
    /// Kill a supervised actor.
    Kill,
    /// Kill one while it awaits something.
    KillAwaiting,
    /// Kill one and some of its siblings.
    Siblings,
    /// Let a callback of one panic.
    Panic,
    /// Let a callback of one return an error.
    Fail,
    /// Tell one to stop, whatever it still has to do.
    Stop,
    /// Let one crash while it is restarted, or take long for it.
    Restart,
    /// Take the name of one when it has ended. Not among the usual ones: a supervisor that
    /// tries again at once exceeds its intensity by it.
    Squat,
    /// Keep one from running for a while of virtual time.
    Delay,
    /// Let each step of one take time.
    Slow,
    /// Stop tasks one by one, and resume them in another order.
    Swizzle,
    /// Stop everything for a while.
    Pause,
    /// Let timers be late, or fire together.
    Timers,
    /// Let the wall clock be wrong.
    Clock,
    /// Make more load.
    Load,
    /// Let places marked with `retake::buggify!` misbehave.
    Buggify,
    /// Drop a message of one unhandled. Not among the usual ones: messages within a
    /// process are not lost.
    Lose,
}

/// What may be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Swarm {
    /// Kinds of which each run has some.
    pub kinds: Vec<SwarmKind>,
    /// The most faults of a run.
    pub budget: u32,
    /// Steps without a fault after each.
    pub quiet_steps: u64,
    /// After the last fault the scenario has to return within this time.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_time",
        deserialize_with = "read_time"
    )]
    pub liveness: Option<Duration>,
    /// Strike children also where their supervisor cannot stand it.
    pub beyond_intensity: bool,
}

fn write_time<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{}ns", time.unwrap_or_default().as_nanos()))
}

fn read_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let time = parse_duration(&text).map_err(serde::de::Error::custom)?;
    Ok(Some(time))
}

impl Default for Swarm {
    /// Every kind that a system has to stand, 3 faults, 20 steps.
    fn default() -> Self {
        use SwarmKind::{
            Buggify, Clock, Delay, Fail, Kill, KillAwaiting, Load, Panic, Pause, Restart, Siblings,
            Slow, Stop, Swizzle, Timers,
        };
        Self {
            kinds: vec![
                Kill,
                KillAwaiting,
                Siblings,
                Panic,
                Fail,
                Stop,
                Restart,
                Delay,
                Slow,
                Swizzle,
                Pause,
                Timers,
                Clock,
                Load,
                Buggify,
            ],
            budget: 3,
            quiet_steps: 20,
            liveness: None,
            beyond_intensity: false,
        }
    }
}

/// What was drawn for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// The faults.
    pub faults: Vec<Fault>,
    /// Whether marked places misbehave.
    pub buggify: bool,
}

/// Among the faults of a trace, this line says that marked places misbehave from the start.
const BUGGIFY_LINE: &str = "buggify";

impl Drawn {
    /// These faults as lines of a trace's header.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let buggify = self.buggify.then(|| BUGGIFY_LINE.to_owned());
        let faults = self.faults.iter().map(ToString::to_string);
        buggify.into_iter().chain(faults).collect()
    }

    /// The faults that a trace's header lists.
    ///
    /// # Errors
    /// If a line is no fault.
    pub fn from_lines(lines: &[String]) -> Result<Self, FaultError> {
        let (buggify, faults): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| **line == BUGGIFY_LINE);
        let faults: Result<Vec<Fault>, _> = faults.iter().map(|line| line.parse()).collect();
        Ok(Self {
            faults: faults?,
            buggify: !buggify.is_empty(),
        })
    }
}

/// The largest file of a plan, in bytes.
const PLAN_BYTES_MAX: u64 = 1 << 20;

/// Why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("the fault plan: {0}")]
    Read(#[from] FileError),
    /// It is neither a word for one nor a file.
    #[error(
        "cannot read the fault plan `{0}`: there is no such file{1}; write none, swarm or the name \
         of a TOML file"
    )]
    Unknown(String, String),
    /// It is something else.
    #[error("{0} is no fault plan: {1}")]
    Malformed(String, String),
}

impl FaultPlan {
    /// The usual swarm.
    #[must_use]
    pub fn swarm() -> Self {
        Self {
            faults: Vec::new(),
            swarm: Some(Swarm::default()),
        }
    }

    /// `none`, `swarm`, or the name of a file.
    ///
    /// # Errors
    /// If the file cannot be read, or is no plan.
    pub fn named(name: &str) -> Result<Self, PlanError> {
        match name {
            "none" => Ok(Self::default()),
            "swarm" => Ok(Self::swarm()),
            file => Self::read(Path::new(file)).map_err(|error| match error {
                PlanError::Read(error) if error.source.kind() == io::ErrorKind::NotFound => {
                    PlanError::Unknown(file.to_owned(), did_you_mean(file, ["none", "swarm"]))
                }
                error => error,
            }),
        }
    }

    /// Read a plan from a TOML file.
    ///
    /// # Errors
    /// If it cannot be read, or is no plan.
    pub fn read(file: &Path) -> Result<Self, PlanError> {
        let name = file.display().to_string();
        let text = read_text(file, PLAN_BYTES_MAX)?;
        toml::from_str(&text)
            .map_err(|error: toml::de::Error| PlanError::Malformed(name, error.to_string()))
    }

    /// The faults of the run of this seed, which takes about so many steps. One run in
    /// eight of a swarm has none.
    #[must_use]
    pub fn draw(&self, seed: u64, steps: u64) -> Drawn {
        let mut drawn = Drawn {
            faults: self.faults.clone(),
            buggify: false,
        };
        let Some(swarm) = &self.swarm else {
            return drawn;
        };
        let rng = &mut stream(seed, "swarm");
        if below(rng, 8) == 0 {
            return drawn;
        }
        let active: Vec<SwarmKind> = swarm
            .kinds
            .iter()
            .copied()
            .filter(|_| below(rng, 2) == 0)
            .collect();
        drawn.buggify = active.contains(&SwarmKind::Buggify);
        let others: Vec<SwarmKind> = active
            .into_iter()
            .filter(|kind| *kind != SwarmKind::Buggify)
            .collect();
        let heal = Fault::new(
            "",
            FaultAction::Heal {
                within: swarm.liveness,
            },
        );
        if others.is_empty() || swarm.budget == 0 {
            if drawn.buggify {
                drawn.faults.push(heal.at_step((steps * 2 / 3).max(1)));
            }
            return drawn;
        }
        let count = 1 + below(rng, swarm.budget as usize);
        let chaos = (steps * 2 / 3).max(1);
        let mut at: Vec<u64> = (0..count).map(|_| 1 + draw_below(rng, chaos)).collect();
        at.sort_unstable();
        let mut earliest = 0;
        for at in at {
            let at = at.max(earliest);
            let kind = others[below(rng, others.len())];
            let last = swarm.draw(kind, at, rng, &mut drawn.faults);
            earliest = last + swarm.quiet_steps;
        }
        drawn.faults.push(heal.at_step(chaos.max(earliest)));
        drawn
    }
}

impl Swarm {
    /// Add a fault of this kind at this step, or several; gives the step of the last.
    fn draw(&self, kind: SwarmKind, at: u64, rng: &mut ChaCha8Rng, to: &mut Vec<Fault>) -> u64 {
        let child = if self.beyond_intensity {
            CHILD
        } else {
            SUPERVISED
        };
        // From 1 ms to 2 s.
        let until = Duration::from_millis(1 << below(rng, 12));
        let by = Duration::from_micros(1 << below(rng, 15));
        let coin = below(rng, 2) == 0;
        let sign = if coin { -1 } else { 1 };
        let action = match kind {
            SwarmKind::Kill | SwarmKind::Siblings => FaultAction::Kill { awaiting: false },
            SwarmKind::KillAwaiting => FaultAction::Kill { awaiting: true },
            SwarmKind::Panic => FaultAction::Panic(part(rng)),
            SwarmKind::Fail => FaultAction::Fail(part(rng)),
            SwarmKind::Stop => FaultAction::Stop,
            SwarmKind::Lose => FaultAction::Lose,
            SwarmKind::Restart => {
                // It has to end first.
                to.push(Fault::kill(child).at_step(at));
                match below(rng, 3) {
                    0 => FaultAction::Panic(StepKind::PreStart),
                    1 => FaultAction::Fail(StepKind::PreStart),
                    _ => FaultAction::SlowStart { by: 16 * by },
                }
            }
            SwarmKind::Squat => {
                to.push(Fault::new(child, FaultAction::Squat { until }).at_step(at));
                FaultAction::Kill { awaiting: false }
            }
            SwarmKind::Delay => FaultAction::Delay { until },
            SwarmKind::Slow => FaultAction::Slow { by, until },
            SwarmKind::Swizzle => {
                let count = 2 + draw_below(rng, 3);
                for number in 0..count {
                    let until = Duration::from_micros(1 + draw_below(rng, 10_000));
                    to.push(Fault::delay(NEXT, until).at_step(at + number));
                }
                return at + count;
            }
            SwarmKind::Pause => FaultAction::Pause { until },
            SwarmKind::Timers if coin => FaultAction::Late { by, until },
            SwarmKind::Timers => FaultAction::Coalesce { to: by, until },
            SwarmKind::Clock => FaultAction::Clock {
                skew: match below(rng, 3) {
                    0 => Skew::Step(sign * 1_000_000_000 * (1 << below(rng, 12))),
                    1 => Skew::Drift(sign * 1_000_000 * (1 << below(rng, 9))),
                    _ => Skew::Wave {
                        by: until,
                        period: 4 * until,
                    },
                },
                until: None,
            },
            SwarmKind::Load => FaultAction::Load {
                times: 2 + below(rng, 3) as u32,
            },
            SwarmKind::Buggify => return at,
        };
        let target = if action.is_about_the_run() { "" } else { child };
        let siblings = match kind {
            SwarmKind::Siblings => 1 + below(rng, 2) as u32,
            _ => 0,
        };
        // A load is made when the scenario begins.
        let step = if kind == SwarmKind::Load { 1 } else { at };
        let fault = Fault::new(target, action).at_step(step);
        to.push(fault.with_siblings(siblings));
        at
    }
}

/// A callback that goes wrong: mostly a handler.
fn part(rng: &mut ChaCha8Rng) -> StepKind {
    match below(rng, 8) {
        0 => StepKind::PostStart,
        1 => StepKind::Supervision,
        2 => StepKind::PostStop,
        _ => StepKind::Handle,
    }
}

fn draw_below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    below(rng, usize::try_from(bound).unwrap_or(usize::MAX).max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_in_a_file_is_read_and_a_wrong_one_refused() {
        let text = "faults = [\"kill a @1s\"]\n[swarm]\nkinds = [\"kill\"]\nbudget = 1\n";
        let plan: FaultPlan = toml::from_str(text).unwrap();
        assert_eq!(plan.faults, [Fault::kill("a").at(Duration::from_secs(1))]);
        assert_eq!(plan.swarm.unwrap().kinds, [SwarmKind::Kill]);
        for (text, what) in [
            (
                "faults = [\"kill a\"]",
                "`@` with a step or time is missing",
            ),
            ("faulst = []", "unknown field `faulst`"),
            (
                "[swarm]\nkinds = [\"explode\"]",
                "unknown variant `explode`",
            ),
        ] {
            let error = toml::from_str::<FaultPlan>(text).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        assert!(FaultPlan::named("/nowhere.toml").is_err());
        assert_eq!(FaultPlan::named("none").unwrap(), FaultPlan::default());
    }

    #[test]
    fn a_swarm_keeps_its_quiet_times_and_heals_and_some_runs_have_no_fault() {
        let plan = FaultPlan::swarm();
        let mut quiet = 0;
        let mut verbs = std::collections::BTreeSet::new();
        for seed in 0..1000 {
            let drawn = plan.draw(seed, 300);
            assert_eq!(drawn, plan.draw(seed, 300));
            quiet += u32::from(drawn == Drawn::default());
            let step = |fault: &Fault| match fault.when {
                crate::When::Step(at) => at,
                crate::When::At(_) => 0,
            };
            let Some((heal, faults)) = drawn.faults.split_last() else {
                continue;
            };
            assert!(matches!(heal.action, FaultAction::Heal { within: None }));
            // Kinds that need two faults or more strike in a row.
            let at: Vec<u64> = faults.iter().map(step).filter(|at| *at > 1).collect();
            assert!(
                at.windows(2)
                    .all(|two| two[1] < two[0] + 4 || two[1] >= two[0] + 20)
            );
            assert!(at.iter().all(|at| *at <= step(heal)), "{drawn:?}");
            for fault in &drawn.faults {
                let text = fault.to_string();
                assert_eq!(text.parse(), Ok(fault.clone()));
                verbs.insert(text.split(' ').next().unwrap_or_default().to_owned());
            }
        }
        assert!((100..200).contains(&quiet), "{quiet}");
        let verbs: Vec<&str> = verbs.iter().map(String::as_str).collect();
        let expected = "clock coalesce delay fail heal kill late load panic pause slow stop";
        assert_eq!(verbs.join(" "), expected);
    }

    #[test]
    fn a_swarm_is_drawn_from_its_kinds_within_its_budget() {
        let text = "[swarm]\nkinds = [\"kill\"]\nbudget = 2\nliveness = \"30s\"\n\
                    beyond_intensity = true\n";
        let plan: FaultPlan = toml::from_str(text).unwrap();
        for seed in 0..100 {
            let faults = plan.draw(seed, 300).faults;
            assert!(faults.len() <= 3);
            let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
            if let Some((heal, kills)) = text.split_last() {
                assert!(heal.ends_with(" within 30s"), "{heal}");
                assert!(kills.iter().all(|it| it.starts_with("kill *child @step")));
            }
        }
        let text = serde_json::to_string(&plan).unwrap();
        let again: FaultPlan = serde_json::from_str(&text).unwrap();
        assert_eq!(again, plan);
    }
}
