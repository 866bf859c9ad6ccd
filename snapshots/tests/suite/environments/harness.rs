//! Runs the program of a test in two environments.
//!
//! A test starts its own binary again with its own name, once for each environment, and
//! there runs the program under two seeds and prints what came out.

use std::fmt::Write as _;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use retake_sim::Sim;

/// Names the environment to a process that runs the program.
const CHILD: &str = "RETAKE_ENVIRONMENT";
/// The second of the wall clock at which the other environment must not run.
const NOT_IN_SECOND: &str = "RETAKE_NOT_IN_SECOND";
const SEEDS: [u64; 2] = [1, 2];

/// The name of the test that it is in, as the test harness has it.
macro_rules! here {
    () => {{
        fn here() {}
        let path = std::any::type_name_of_val(&here);
        let path = path.strip_suffix("::here").unwrap();
        path.split_once("::").unwrap().1
    }};
}
pub(crate) use here;

/// What a seed gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) hash: String,
    pub(crate) outcome: String,
    pub(crate) output: String,
    pub(crate) warnings: String,
}

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Memory is where it always is.
    pub(crate) fixed_addresses: bool,
    /// One processor, a large environment, another folder, another second of the day.
    pub(crate) elsewhere: bool,
}

/// Two environments that have nothing in common.
pub(crate) const ANYWHERE: [Place; 2] = [
    Place {
        fixed_addresses: false,
        elsewhere: false,
    },
    Place {
        fixed_addresses: true,
        elsewhere: true,
    },
];

/// Two in which memory is where it always is, as in a campaign's workers.
pub(crate) const WORKERS: [Place; 2] = [
    Place {
        fixed_addresses: true,
        elsewhere: false,
    },
    Place {
        fixed_addresses: true,
        elsewhere: true,
    },
];

/// The program is the same in both environments, and passes.
pub(crate) fn is_the_same<F, Fut>(test: &str, program: F)
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
    if let Some(reports) = in_two(test, Sim::new, program) {
        assert_same(&reports);
    }
}

/// The program is the same in both environments, and each seed makes another one of it.
pub(crate) fn is_of_the_seed<F, Fut>(test: &str, program: F)
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
    if let Some(reports) = in_two(test, Sim::new, program) {
        assert_same(&reports);
        let [one, other] = &reports[0];
        assert_ne!(one.output, other.output, "seeds explore it");
    }
}

/// The first run of the program ends with an outcome that has these words.
pub(crate) fn fails_with<F, Fut>(test: &str, words: &[&str], program: F)
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
    for [first, _] in in_two(test, Sim::new, program).iter().flatten() {
        for word in words {
            assert!(first.outcome.contains(word), "{word}: {}", first.outcome);
        }
    }
}

fn assert_same(reports: &[[Report; 2]; 2]) {
    let [here, elsewhere] = reports;
    assert_eq!(here, elsewhere);
    for report in here {
        assert_eq!(report.outcome, "passed");
    }
}

/// Run the program here and elsewhere. None in a process that ran it.
pub(crate) fn in_two<F, Fut>(
    test: &str,
    sim: impl Fn() -> Sim,
    program: F,
) -> Option<[[Report; 2]; 2]>
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
    in_places(test, ANYWHERE, sim, program)
}

pub(crate) fn in_places<F, Fut>(
    test: &str,
    places: [Place; 2],
    sim: impl Fn() -> Sim,
    program: F,
) -> Option<[[Report; 2]; 2]>
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
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
fn run_here<F, Fut>(sim: &impl Fn() -> Sim, program: &F)
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
    let not_in = std::env::var(NOT_IN_SECOND).ok();
    while not_in == Some(seconds().to_string()) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let mut text = String::new();
    for seed in SEEDS {
        let run = sim().seed(seed).run(program.clone());
        writeln!(
            text,
            "report: {:016x}\t{:?}\t{:?}\t{:?}",
            run.event_hash,
            run.outcome.to_string(),
            run.output.unwrap_or_default(),
            run.warnings.join("\n"),
        )
        .unwrap();
    }
    println!("second: {}\n{text}", seconds());
}

/// Run the program in a process of its own.
fn start(test: &str, place: Place) -> [Report; 2] {
    static SECOND: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
    let mut command = command(test, place);
    command.env(CHILD, test);
    if place.elsewhere {
        command.env(NOT_IN_SECOND, SECOND.lock().unwrap().to_string());
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let line = |prefix: &'static str| text.lines().filter_map(move |it| it.split_once(prefix));
    if let Some((_, second)) = line("second: ").next() {
        *SECOND.lock().unwrap() = second.parse().unwrap();
    }
    let reports: Vec<Report> = line("report: ").map(|(_, it)| parse(it)).collect();
    reports
        .try_into()
        .unwrap_or_else(|_| panic!("`{test}` in a process of its own:\n{text}\n{errors}"))
}

/// Starts one test of this binary there.
pub(crate) fn command(test: &str, place: Place) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    if place.elsewhere {
        command.current_dir("/");
        for number in 0..100 {
            command.env(format!("FILLER_{number}"), "x".repeat(number));
        }
    }
    let one_processor = place.elsewhere.then(last_processor);
    #[allow(
        unsafe_code,
        reason = "both are single system calls, as is allowed between fork and exec"
    )]
    // SAFETY: as above; `one_processor` is a plain value.
    unsafe {
        command.pre_exec(move || prepare(one_processor, place.fixed_addresses));
    }
    command
}

fn parse(line: &str) -> Report {
    let mut parts = line.split('\t').map(str::to_owned);
    let mut next = || parts.next().unwrap();
    let text = |debug: String| serde_json::from_str(&debug).unwrap_or(debug);
    Report {
        hash: next(),
        outcome: text(next()),
        output: text(next()),
        warnings: text(next()),
    }
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
