//! Fault plans: faults as data, explicit ones and those that a swarm draws, see [`Swarm`].
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

use retake_traces::did_you_mean;
use retake_traces::fault::Fault;
pub use retake_traces::fault::swarm::PlainRun;
use retake_traces::fault::swarm::Swarm;
use retake_traces::file::{FileError, read_text};
use serde::{Deserialize, Serialize};

use retake_engine::rng::{below, stream};

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
        let malformed =
            |error: &dyn ToString| PlanError::Malformed(name.clone(), error.to_string());
        let plan: Self = toml::from_str(&text).map_err(|error| malformed(&error))?;
        for fault in &plan.faults {
            fault.check().map_err(|error| malformed(&error))?;
        }
        Ok(plan)
    }

    /// The faults of the run of this seed, which takes about as long as the plain one. One run
    /// in eight of a swarm has none of the swarm.
    #[must_use]
    pub fn draw(&self, seed: u64, plain: PlainRun) -> Vec<Fault> {
        let mut faults = self.faults.clone();
        if let Some(swarm) = &self.swarm {
            let rng = &mut stream(seed, "swarm");
            faults.extend(swarm.draw(plain, &mut |bound| below(rng, bound.max(1))));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use retake_traces::fault::When;
    use retake_traces::fault::kinds::Heal;

    use super::*;

    const PLAIN: PlainRun = PlainRun {
        steps: 300,
        time: std::time::Duration::from_secs(9),
        packets: 0,
    };

    #[test]
    fn a_swarm_draws_faults_of_the_network_where_there_is_one_and_no_others_there() {
        let plan: FaultPlan = toml::from_str("[swarm]\nkinds = [\"network\"]\n").unwrap();
        let mut verbs = std::collections::BTreeSet::new();
        for seed in 0..1000 {
            assert_eq!(plan.draw(seed, PLAIN), []);
            let usual = FaultPlan::swarm().draw(seed, PLAIN);
            assert!(
                usual
                    .iter()
                    .all(|fault| !fault.to_string().contains("packets"))
            );
            let plain = PlainRun {
                packets: 7,
                ..PLAIN
            };
            for fault in plan.draw(seed, plain) {
                assert_eq!(fault.to_string().parse(), Ok(fault.clone()));
                verbs.insert(fault.action.verb());
                if let When::At(time) = fault.when {
                    assert!(time < std::time::Duration::from_secs(6), "{fault}");
                }
            }
        }
        let verbs: Vec<&str> = verbs.into_iter().collect();
        let expected =
            "cut delay packets duplicate packets heal lose packets reorder packets reset";
        assert_eq!(verbs.join(" "), expected);
    }

    #[test]
    fn a_swarm_breaks_services_and_disks_where_it_is_asked_to() {
        let text = "[swarm]\nkinds = [\"service\", \"disk\"]\n";
        let plan: FaultPlan = toml::from_str(text).unwrap();
        let mut verbs = std::collections::BTreeSet::new();
        for seed in 0..1000 {
            for fault in plan.draw(seed, PLAIN) {
                assert_eq!(fault.to_string().parse(), Ok(fault.clone()));
                verbs.insert(fault.action.verb());
            }
        }
        let verbs: Vec<&str> = verbs.into_iter().collect();
        let expected = "break crash disk fail disk fill disk heal shorten disk";
        assert_eq!(verbs.join(" "), expected);
    }

    #[test]
    fn a_plan_in_a_file_is_read_and_a_wrong_one_refused() {
        let text = "faults = [\"kill a @1s\"]\n[swarm]\nkinds = [\"kill\"]\nbudget = 1\n";
        let plan: FaultPlan = toml::from_str(text).unwrap();
        assert_eq!(
            plan.faults,
            [Fault::kill("a").at(std::time::Duration::from_secs(1))]
        );
        assert_eq!(plan.swarm.unwrap().kinds[0].name(), "kill");
        for (text, what) in [
            (
                "faults = [\"kill a\"]",
                "`@` with a step or time is missing",
            ),
            ("faulst = []", "unknown field `faulst`"),
            (
                "[swarm]\nkinds = [\"explode\"]",
                "a swarm draws no `explode`",
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
            let drawn = plan.draw(seed, PLAIN);
            assert_eq!(drawn, plan.draw(seed, PLAIN));
            quiet += u32::from(drawn.is_empty());
            let step = |fault: &Fault| match fault.when {
                When::Step(at) => at,
                When::At(_) => 0,
            };
            let Some((heal, faults)) = drawn.split_last() else {
                continue;
            };
            assert_eq!(heal.action, Heal { within_ns: None }.into());
            // Kinds that need two faults or more are injected in a row.
            let at: Vec<u64> = faults.iter().map(step).filter(|at| *at > 1).collect();
            assert!(
                at.windows(2)
                    .all(|two| two[1] < two[0] + 4 || two[1] >= two[0] + 20)
            );
            assert!(at.iter().all(|at| *at <= step(heal)), "{drawn:?}");
            for fault in &drawn {
                assert_eq!(fault.to_string().parse(), Ok(fault.clone()));
                verbs.insert(fault.action.verb());
            }
        }
        assert!((100..200).contains(&quiet), "{quiet}");
        let verbs: Vec<&str> = verbs.into_iter().collect();
        let expected =
            "buggify clock coalesce delay fail heal kill late load panic pause slow stop";
        assert_eq!(verbs.join(" "), expected);
    }

    #[test]
    fn a_swarm_is_drawn_from_its_kinds_within_its_budget() {
        let text = "[swarm]\nkinds = [\"kill\"]\nbudget = 2\nliveness = \"30s\"\n\
                    beyond_intensity = true\n";
        let plan: FaultPlan = toml::from_str(text).unwrap();
        for seed in 0..100 {
            let faults = plan.draw(seed, PLAIN);
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
