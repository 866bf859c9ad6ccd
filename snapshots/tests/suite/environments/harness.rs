//! Runs the program of a test in two environments.
//!
//! A test starts its own binary again with its own name, once for each environment, and
//! there runs the program under two seeds and prints what came out.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use retake_sim::Sim;

use crate::common::{Program, another_process};

/// Names the environment to a process that runs the program.
const CHILD: &str = "RETAKE_ENVIRONMENT";
/// The second of the wall clock at which the other environment must not run.
const NOT_IN_SECOND: &str = "RETAKE_NOT_IN_SECOND";
const SEEDS: [u64; 3] = [1, 2, 1];

/// What a seed gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) hash: String,
    pub(crate) outcome: String,
    pub(crate) output: String,
    pub(crate) warnings: String,
}

/// What each of the seeds gave.
pub(crate) type Reports = [Report; SEEDS.len()];

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Here,
    /// Memory is where it always is.
    AtFixedAddresses,
    /// The same with one processor, a large environment, another folder, another second of
    /// the day.
    Elsewhere,
}

/// Two environments that have nothing in common.
pub(crate) const ANYWHERE: [Place; 2] = [Place::Here, Place::Elsewhere];

/// Two in which memory is where it always is, as in a campaign's workers.
pub(crate) const WORKERS: [Place; 2] = [Place::AtFixedAddresses, Place::Elsewhere];

/// The program is the same in both environments, and passes.
pub(crate) fn is_the_same(test: &str, program: impl Program) -> Option<Reports> {
    let [here, elsewhere] = in_two(test, ANYWHERE, Sim::new, program)?;
    assert_eq!(here, elsewhere);
    for report in &here {
        assert_eq!(report.outcome, "passed");
    }
    Some(here)
}

/// The same, and each seed makes another one of it.
pub(crate) fn is_of_the_seed_and_the_runs_before(
    test: &str,
    program: impl Program,
) -> Option<Reports> {
    let reports = is_the_same(test, program)?;
    assert_ne!(reports[0].output, reports[1].output, "seeds explore it");
    Some(reports)
}

/// The same, and a seed is the same a second time.
pub(crate) fn is_of_the_seed(test: &str, program: impl Program) {
    let reports = is_of_the_seed_and_the_runs_before(test, program);
    if let Some([first, _, again]) = reports {
        assert_eq!(first, again);
    }
}

/// The first run of the program ends with an outcome that has these words.
pub(crate) fn fails_with(test: &str, words: &[&str], program: impl Program) {
    for [first, ..] in in_two(test, ANYWHERE, Sim::new, program).iter().flatten() {
        for word in words {
            assert!(first.outcome.contains(word), "{word}: {}", first.outcome);
        }
    }
}

/// Run the program in both places. None in a process that ran it.
pub(crate) fn in_two(
    test: &str,
    places: [Place; 2],
    sim: impl Fn() -> Sim,
    program: impl Program,
) -> Option<[Reports; 2]> {
    if std::env::var_os(CHILD).is_some() {
        run_here(&sim, &program);
        return None;
    }
    Some(places.map(|place| start(test, place)))
}

fn seconds() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    since.as_secs()
}

/// The part of the process that runs the program.
fn run_here(sim: &impl Fn() -> Sim, program: &impl Program) {
    let not_in = std::env::var(NOT_IN_SECOND).ok();
    while not_in == Some(seconds().to_string()) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let reports = SEEDS.map(|seed| {
        let run = sim().seed(seed).run(program.clone());
        let (hash, outcome) = (format!("{:016x}", run.event_hash), run.outcome.to_string());
        let output = run.output.unwrap_or_default();
        [hash, outcome, output, run.warnings.join("\n")]
    });
    println!("second: {}", seconds());
    println!("reports: {}", serde_json::json!(reports));
}

/// Run the program in a process of its own.
fn start(test: &str, place: Place) -> Reports {
    static SECOND: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
    let mut command = command(test, place);
    command.env(CHILD, test);
    if place == Place::Elsewhere {
        command.env(NOT_IN_SECOND, SECOND.lock().unwrap().to_string());
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let part = |prefix: &str| {
        let mut lines = text.lines();
        let part = lines.find_map(|line| Some(line.split_once(prefix)?.1));
        part.unwrap_or_else(|| panic!("`{test}` in a process of its own: {output:?}"))
    };
    *SECOND.lock().unwrap() = part("second: ").parse().unwrap();
    let reports: [[String; 4]; SEEDS.len()] = serde_json::from_str(part("reports: ")).unwrap();
    reports.map(|[hash, outcome, output, warnings]| Report {
        hash,
        outcome,
        output,
        warnings,
    })
}

/// Starts one test of this binary there.
pub(crate) fn command(test: &str, place: Place) -> Command {
    let mut command = another_process(test);
    if place == Place::Elsewhere {
        command.current_dir("/");
        for number in 0..100 {
            command.env(format!("FILLER_{number}"), "x".repeat(number));
        }
    }
    let one_processor = (place == Place::Elsewhere).then(last_processor);
    #[allow(
        unsafe_code,
        reason = "both are single system calls, as is allowed between fork and exec"
    )]
    // SAFETY: as above; `one_processor` is a plain value.
    unsafe {
        command.pre_exec(move || prepare(one_processor, place != Place::Here));
    }
    command
}

#[allow(
    unsafe_code,
    reason = "the processors of a thread are asked of the system"
)]
fn last_processor() -> usize {
    // SAFETY: the set is plain memory, valid for a write of its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&set), &raw mut set);
        let is_in = |number: &usize| libc::CPU_ISSET(*number, &set);
        (0..libc::CPU_SETSIZE as usize).rfind(is_in).unwrap_or(0)
    }
}

/// Called in the new process before its program.
#[allow(unsafe_code, reason = "system calls")]
fn prepare(processor: Option<usize>, fixed_addresses: bool) -> io::Result<()> {
    // SAFETY: the set is plain memory, and the system reads it.
    unsafe {
        if let Some(processor) = processor {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(processor, &mut set);
            if libc::sched_setaffinity(0, size_of_val(&set), &raw const set) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let personality = if fixed_addresses {
            libc::ADDR_NO_RANDOMIZE
        } else {
            0
        };
        if libc::personality(personality as libc::c_ulong) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
