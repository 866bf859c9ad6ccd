//! Faults in whole-program mode: which kinds there are, and which of them a run has injected.

use std::collections::BTreeSet;

use retake_sim::plan::FaultPlan;
use retake_sim::{Fault, Target};
use retake_traces::fault::swarm::SwarmKind;
use retake_traces::fault::{DiskFailureKind, Effect, Moment};
use retake_traces::one_of;

use crate::answer::Answer;
use crate::error::Error;

/// Faults that one run may have: they are passed on in its environment.
const FAULTS_MAX: usize = 500;

/// Kinds that a swarm draws unless a plan says otherwise: what every program has to survive. It
/// need not survive that any of its tasks is killed or panics.
const USUAL: &[&str] = &[
    "delay", "swizzle", "slow", "pause", "timers", "clock", "load", "buggify",
];
/// Kinds that it draws if a plan asks for them.
const ON_REQUEST: &[&str] = &[
    "kill",
    "kill_awaiting",
    "panic",
    "service",
    "disk",
    "network",
];

/// One fault of a command line.
///
/// # Errors
/// In words, if it is no fault, or none of whole programs.
pub(crate) fn parse(text: &str) -> Result<Fault, String> {
    let fault: Fault = text.parse().map_err(|error| format!("{error}"))?;
    check(&fault).map(|()| fault)
}

/// The plan of this name, `none`, `swarm` or a file, with more faults.
///
/// # Errors
/// If it cannot be read, or has something that there is not in whole programs.
pub(crate) fn plan(name: &str, more: &[Fault]) -> Result<FaultPlan, Error> {
    let refused = |problem: String| Error::Project(problem);
    let mut plan = FaultPlan::named(name).map_err(|error| refused(error.to_string()))?;
    for fault in &plan.faults {
        check(fault).map_err(|problem| refused(format!("{name}: {problem}")))?;
    }
    plan.faults.splice(0..0, more.iter().cloned());
    if plan.faults.len() > FAULTS_MAX {
        return Err(refused(format!(
            "{} faults are planned: a run may have {FAULTS_MAX}",
            plan.faults.len()
        )));
    }
    if let Some(swarm) = &mut plan.swarm {
        swarm.whole_program = true;
        if name == "swarm" {
            swarm.kinds = USUAL.iter().filter_map(|kind| kind.parse().ok()).collect();
        }
        let is_known =
            |kind: &&SwarmKind| USUAL.contains(&kind.name()) || ON_REQUEST.contains(&kind.name());
        if let Some(other) = swarm.kinds.iter().find(|kind| !is_known(kind)) {
            let known = [USUAL, ON_REQUEST].concat().join(", ");
            return Err(refused(format!(
                "{name}: a swarm draws no `{}` for a whole program; it draws {known}",
                other.name()
            )));
        }
    }
    Ok(plan)
}

/// Refuse what cannot be done to a whole program.
///
/// # Errors
/// In words: what, why, and what to do.
pub(crate) fn check(fault: &Fault) -> Result<(), String> {
    why_not(fault).map_or(Ok(()), |why| Err(format!("fault `{fault}`: {why}")))
}

fn why_not(fault: &Fault) -> Option<&'static str> {
    const SUPERVISORS: &str = "who supervises whom is not known in a whole program: write the \
                               label of a task, `PREFIX*` for several, or `*`";
    const NAMES: &str = "names and starts of actors are not Retake's there: for this fault there is \
                         `#[retake_sim::test]`";
    const HOSTS: &str = "a whole program has no hosts: write `* - *`, or leave the link out";
    const CRASH: &str = "files are real ones, which lose nothing: there are `fail disk`, \
                         `fill disk`, `shorten disk` and `corrupt disk`; for a crash there is \
                         `retake_sim::fs`, in a `#[retake_sim::test]`";
    if fault.siblings > 0 || matches!(fault.target, Target::Child | Target::Supervised) {
        return Some(SUPERVISORS);
    }
    match fault.action.effect() {
        Effect::ChangePackets { link, .. } => {
            let has_host = link.is_some_and(|link| link.hosts().next().is_some());
            has_host.then_some(HOSTS)
        }
        Effect::BreakDisk { failure, .. } => (failure == DiskFailureKind::Crash).then_some(CRASH),
        Effect::StartLate { .. } | Effect::TakeName { .. } => Some(NAMES),
        _ => None,
    }
}

/// The faults that a run has not injected, each with the reason. The heal comes when it comes.
pub(crate) fn not_injected(faults: &[Fault], answer: &Answer) -> Vec<(Fault, String)> {
    let missed = faults.iter().enumerate();
    let missed = missed.filter(|(place, fault)| !answer.injected.contains(place) && !fault.heals());
    missed
        .map(|(_, fault)| (fault.clone(), why_missed(fault, answer)))
        .collect()
}

fn why_missed(fault: &Fault, answer: &Answer) -> String {
    let labels = || answer.tasks.iter().map(|task| task.label.as_str());
    let base = |label: &'_ str| retake_traces::label::parts(label).0.to_owned();
    let is_named = |is: &dyn Fn(&str) -> bool| labels().any(is);
    match &fault.target {
        Target::Named(name) if !is_named(&|label| label == name || base(label) == *name) => {
            let names: BTreeSet<String> = labels().map(base).collect();
            let near = one_of(&base(name), names.iter().map(String::as_str));
            format!("the run has no task of this name{near}")
        }
        Target::All(prefix) if !is_named(&|label| label.starts_with(prefix)) => {
            let names: BTreeSet<String> = labels().map(base).collect();
            let near = one_of(prefix, names.iter().map(String::as_str));
            format!("the run has no task whose name begins so{near}")
        }
        _ => match fault.action.moment() {
            Moment::Await => "it awaited nothing from then on".to_owned(),
            Moment::Callback(_) | Moment::Start => {
                "no such callback ran from then on: those of actors have `#[retake::simulated]`"
                    .to_owned()
            }
            Moment::Place => "that place was not reached from then on".to_owned(),
            Moment::Request | Moment::Packet => {
                "it affected no request, file or socket from then on".to_owned()
            }
            _ if fault.action.ends_an_actor() => {
                "no such task was alive then; threads cannot be killed, and actors only be stopped \
                 that have `#[retake::simulated]`"
                    .to_owned()
            }
            Moment::Run => "the run ended before".to_owned(),
            _ => "no such task was alive then".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_to_a_whole_program_is_refused_with_what_to_do() {
        for text in [
            "kill pay @1s",
            "kill pool/* in await @step 3",
            "panic * @1s",
            "delay pay#2 @1s until 2s",
            "clock -60s @1s",
            "heal @2s within 5s",
            "break ledger quota rate 5% @1s until 2s",
            "fail disk log writes rate 5% @1s",
            "fill disk @1s until 2s",
            "reset * - * @1s",
            "stop ledger @1s",
            "panic ledger in post_stop @1s",
            "lose packets 5% @1s",
            "cut * - * @1s until 2s",
            "delay packets by 5ms @1s",
            "reorder packets 5% @1s",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
        for (text, expected) in [
            ("kill *supervised @1s", "write the label of a task"),
            ("kill pay with 2 siblings @1s", "`PREFIX*` for several"),
            (
                "slow pay in pre_start by 5ms @1s",
                "names and starts of actors",
            ),
            ("squat pay @1s until 2s", "`#[retake_sim::test]`"),
            ("cut client - server @1s", "has no hosts"),
            ("reset client - * @1s", "has no hosts"),
            ("crash disk @1s", "`retake_sim::fs`"),
            ("kil pay @1s", "did you mean `kill`?"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_swarm_of_whole_programs_draws_what_there_is_and_aims_at_any_task() {
        let swarm = plan("swarm", &[]).unwrap();
        let plain = retake_sim::plan::PlainRun {
            steps: 300,
            ..Default::default()
        };
        let mut verbs = BTreeSet::new();
        for seed in 0..300 {
            for fault in swarm.draw(seed, plain) {
                assert_eq!(check(&fault), Ok(()), "{fault}");
                verbs.insert(fault.action.verb());
            }
        }
        let verbs: Vec<&str> = verbs.into_iter().collect();
        let expected = "buggify clock coalesce delay heal late load pause slow";
        assert_eq!(verbs.join(" "), expected);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk.toml");
        std::fs::write(
            &file,
            "[swarm]\nkinds = [\"disk\", \"kill\", \"network\"]\n",
        )
        .unwrap();
        let asked = plan(&file.display().to_string(), &[]).unwrap();
        let drawn = (0..300).flat_map(|seed| asked.draw(seed, plain));
        let verbs: BTreeSet<&str> = drawn
            .inspect(|fault| assert_eq!(check(fault), Ok(()), "{fault}"))
            .map(|fault| fault.action.verb())
            .collect();
        for verb in ["fill disk", "kill", "cut", "delay packets", "reset"] {
            assert!(verbs.contains(verb), "{verbs:?}");
        }
        let file = folder.path().join("plan.toml");
        let name = file.display().to_string();
        for (text, expected) in [
            (
                "[swarm]\nkinds = [\"squat\"]\n",
                "draws no `squat` for a whole program; it draws",
            ),
            ("faults = [\"crash disk @1s\"]\n", "`retake_sim::fs`"),
            (
                "faults = [\"stop a\"]\n",
                "`@` with a step or time is missing",
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = plan(&name, &[]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let fault = parse("kill a @1s").unwrap();
        let error = plan("none", &vec![fault; 501]).unwrap_err().to_string();
        assert_eq!(error, "501 faults are planned: a run may have 500");
        assert!(
            plan("swrm", &[])
                .unwrap_err()
                .to_string()
                .contains("did you mean `swarm`")
        );
    }
}
