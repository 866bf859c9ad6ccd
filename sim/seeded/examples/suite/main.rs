//! `suite 1.43 1.54`: makes a tokio of each of these minor versions, compiles the programs of
//! `sim/seeded/suite` with it, and runs them. The sources of tokio come from cargo's registry.
//! With `--in FOLDER` what is made stays in the folder, so that the next time is faster.

mod expected;
mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use retake_core::outcome::OutcomeKind;
use retake_core::planned::PlannedFault;
use retake_seeded::child::{self, Event, Request};

use crate::expected::{EXPECTED, Expectation};

/// A port that a program of the suite asks for, while this process has it.
const TAKEN: u16 = 45_671;
const SEEDS: u64 = 8;
/// One for each seed.
const STRATEGIES: [&str; 8] = [
    "random", "pct", "fifo", "pos", "starve", "delays", "defer", "inbox",
];

type Result<T> = std::result::Result<T, String>;

fn main() {
    let mut versions: Vec<String> = std::env::args().skip(1).collect();
    let kept = match versions.first().map(String::as_str) {
        Some("--in") if versions.len() > 1 => versions.drain(..2).nth(1).map(PathBuf::from),
        _ => None,
    };
    if versions.is_empty() {
        eprintln!("usage: suite [--in FOLDER] MINOR_VERSION...");
        std::process::exit(2);
    }
    // In the programs it is free all the same.
    let taken = std::net::TcpListener::bind(("127.0.0.1", TAKEN));
    for (number, version) in versions.iter().enumerate() {
        let is_last = number + 1 == versions.len();
        let tried = match &kept {
            Some(folder) => try_in(version, &folder.join(version), is_last),
            None => try_version(version, is_last),
        };
        if let Err(problem) = tried {
            eprintln!("error: tokio {version}: {problem}");
            std::process::exit(1);
        }
    }
    drop(taken);
}

fn try_version(version: &str, is_last: bool) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("retake-seeded-suite-{}", std::process::id()));
    let removed = fs::remove_dir_all(&folder);
    drop(removed);
    let result = try_in(version, &folder, is_last);
    let removed = fs::remove_dir_all(&folder);
    result?;
    removed.map_err(|error| format!("{}: {error}", folder.display()))
}

/// With the last version, the newest one, faults and unusual builds are tried as well.
fn try_in(version: &str, folder: &Path, is_last: bool) -> Result<()> {
    let (tokio, project) = (folder.join("tokio"), folder.join("suite"));
    make_project(version, &project)?;
    let locked = locked_tokio(&project)?;
    if tokio.exists() {
        fs::remove_dir_all(&tokio).map_err(|error| format!("{}: {error}", tokio.display()))?;
    }
    retake_seeded::generate(&locked, &tokio).map_err(|error| error.to_string())?;
    let program = build(&project, &tokio, Build::Usual)?;
    let (mut runs, mut said) = (0, String::new());
    for (name, expected) in EXPECTED {
        let tried = match expected {
            Expectation::Says(outcome) => says(&program, folder, name, *outcome, &mut said),
            _ => try_program(&program, folder, name, *expected),
        };
        runs += tried.map_err(|problem| format!("{name}: {problem}"))?;
    }
    compare(&said)?;
    if is_last {
        runs += faults::try_all(&program, folder)?;
        has_names(&build(&project, &tokio, Build::Unstable)?, folder)?;
        is_as_without_a_seed(&build(&project, &tokio, Build::Elsewhere)?)?;
    }
    let name = locked.file_name().unwrap_or_default().display().to_string();
    println!(
        "{name}: {} programs as expected in {runs} runs",
        EXPECTED.len()
    );
    Ok(())
}

fn make_project(version: &str, project: &Path) -> Result<()> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite");
    let source = project.join("src");
    fs::create_dir_all(&source).map_err(|error| error.to_string())?;
    for file in ["lib.rs", "deadlocks.rs", "faults.rs"] {
        let copied = fs::copy(suite.join("src").join(file), source.join(file));
        copied.map_err(|error| error.to_string())?;
    }
    let mut manifest =
        fs::read_to_string(suite.join("Cargo.toml")).map_err(|error| error.to_string())?;
    manifest.push_str(&format!(
        "\n[dependencies]\ntokio = {{ version = \"~{version}\", features = [\"full\", \"test-util\"] }}\n\
         [features]\ntracing = [\"tokio/tracing\"]\n"
    ));
    fs::write(project.join("Cargo.toml"), manifest).map_err(|error| error.to_string())
}

fn cargo(project: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(project)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "cargo {arguments:?}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The text between a key and the next quotation mark, each time it is there.
fn values<'a>(json: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    json.split(key)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
}

fn locked_tokio(project: &Path) -> Result<PathBuf> {
    let metadata = cargo(project, &["metadata", "--format-version", "1"])?;
    let mut manifests = values(&metadata, "\"manifest_path\":\"");
    let manifest = manifests.find(|path| path.contains("/tokio-1."));
    let folder = manifest.and_then(|path| Path::new(path).parent());
    folder
        .map(Path::to_owned)
        .ok_or_else(|| "cargo names no tokio".to_owned())
}

/// How the programs are built.
#[derive(Clone, Copy)]
enum Build {
    Usual,
    /// With what is unstable in tokio.
    Unstable,
    /// As on a system on which nothing is simulated.
    Elsewhere,
}

fn build(project: &Path, tokio: &Path, build: Build) -> Result<PathBuf> {
    let paths = format!("paths=[{:?}]", tokio.display().to_string());
    let (target, features, flags) = match build {
        Build::Usual => ("target", "", "[]"),
        Build::Unstable => ("target/unstable", "tracing", "['--cfg','tokio_unstable']"),
        Build::Elsewhere => ("target/elsewhere", "", "['--cfg','retake_stub']"),
    };
    let flags = format!("build.rustflags={flags}");
    // Places of awaits are looked at in the usual build alone.
    let debug = match build {
        Build::Usual => "profile.dev.debug='line-tables-only'",
        Build::Unstable | Build::Elsewhere => "profile.dev.debug=false",
    };
    let target = project.join(target).display().to_string();
    let messages = cargo(
        project,
        &[
            "--config",
            &paths,
            "--config",
            &flags,
            "--config",
            debug,
            "test",
            "--no-run",
            "--quiet",
            "--features",
            features,
            "--message-format=json",
            "--target-dir",
            &target,
        ],
    )?;
    let program = values(&messages, "\"executable\":\"").last();
    program
        .map(PathBuf::from)
        .ok_or_else(|| "cargo names no program".to_owned())
}

fn try_program(program: &Path, folder: &Path, name: &str, expected: Expectation) -> Result<u32> {
    if expected == Expectation::FailsForInbox {
        return fails_for_inbox(program, folder, name);
    }
    // Some take an hour, or twenty seconds, of real time.
    let is_slow = ["an_hour_takes_no_time", "tasks_block_their_threads"].contains(&name);
    if matches!(expected, Expectation::Passes | Expectation::Varies) && !is_slow {
        let stock = start(program, name)
            .output()
            .map_err(|error| error.to_string())?;
        if !stock.status.success() {
            return Err(format!("it fails without a seed:\n{}", text(&stock)));
        }
    }
    let (mut shown, mut codes, mut runs) = (BTreeSet::new(), BTreeMap::new(), 0);
    for seed in 0..SEEDS {
        let strategy = STRATEGIES[seed as usize % STRATEGIES.len()];
        let (first, events) = run(program, folder, name, seed, strategy)?;
        runs += 1;
        if seed < 3 {
            let (_, again) = run(program, folder, name, seed, strategy)?;
            runs += 1;
            if events != again {
                return Err(format!("two runs of seed {seed} differ"));
            }
        }
        let ended = events.iter().find_map(|event| match event {
            Event::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        });
        if let Expectation::Ends(wanted) = expected
            && ended != Some(wanted)
        {
            return Err(format!("seed {seed} ends as {ended:?}:\n{}", text(&first)));
        }
        if matches!(expected, Expectation::Passes | Expectation::Varies) && !first.status.success()
        {
            return Err(format!("seed {seed} fails:\n{}", text(&first)));
        }
        // The test harness begins the line.
        let printed = text(&first);
        let printed = printed.lines().filter_map(|line| line.split_once("shows "));
        shown.extend(printed.map(|(_, what)| what.to_owned()));
        *codes.entry(first.status.code()).or_insert(0) += 1;
    }
    match expected {
        Expectation::Varies if shown.len() < 2 => Err(format!("{SEEDS} seeds show {shown:?}")),
        Expectation::FailsSometimes if codes.len() != 2 => {
            Err(format!("{SEEDS} seeds end with {codes:?}"))
        }
        _ => Ok(runs),
    }
}

fn start(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    // As cargo does: in the folder of the package.
    let folder = program.ancestors().find(|it| it.ends_with("suite"));
    command
        .current_dir(folder.unwrap_or(Path::new(".")))
        .args(["--exact", name, "--nocapture"])
        .env("RUST_TEST_THREADS", "1");
    command
}

/// Programs run as ever where nothing can be simulated, also with a seed.
fn is_as_without_a_seed(program: &Path) -> Result<()> {
    let output = Command::new(program)
        .args([
            "--exact",
            "tasks_take_turns_in_each_order",
            "tasks_of_a_local_set_take_turns_in_each_order",
            "select_takes_each_branch",
            "sockets_of_one_process_talk",
            "files_are_read_and_written",
            "threads_of_a_runtime_say_when_they_start_and_end",
        ])
        .env("RETAKE_SEED", "1")
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("where nothing is simulated:\n{}", text(&output))),
    }
}

/// Names of tasks are recorded: `task::Builder` is unstable in tokio.
fn has_names(program: &Path, folder: &Path) -> Result<()> {
    let (output, events) = run(program, folder, "tasks_have_names", 0, "random")?;
    let names = events.iter().filter_map(|event| match event {
        Event::Task { name, file, .. } if !file.is_empty() => Some(&**name),
        _ => None,
    });
    let names: Vec<&str> = names.collect();
    match names == ["pays", "sells", ""] && output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "tasks have the names {names:?}:\n{}",
            text(&output)
        )),
    }
}

/// What a program says at its end, with and without places of awaits.
fn says(
    program: &Path,
    folder: &Path,
    name: &str,
    outcome: OutcomeKind,
    said: &mut String,
) -> Result<u32> {
    for backtrace in ["0", "1"] {
        let program = Program {
            executable: program,
            backtrace,
            faults: Vec::new(),
        };
        let (first, events) = program.run(folder, name, 0, "fifo")?;
        let (_, again) = program.run(folder, name, 0, "fifo")?;
        if events != again {
            return Err("two runs of one seed differ".to_owned());
        }
        let ended = events.iter().rev().find_map(|event| match event {
            Event::Ended { outcome, text } => Some((*outcome, text)),
            _ => None,
        });
        let Some((ended, words)) = ended.filter(|(ended, _)| *ended == outcome) else {
            return Err(format!("it ends as {ended:?}:\n{}", text(&first)));
        };
        said.push_str(&format!(
            "{name}, RUST_BACKTRACE={backtrace}\n{ended}: {words}\n\n"
        ));
    }
    Ok(4)
}

/// Compare what programs have said with `suite/ends.txt`, or write it there if `SUITE_UPDATE` is set.
fn compare(said: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/ends.txt");
    if std::env::var_os("SUITE_UPDATE").is_some() {
        return fs::write(&path, said).map_err(|error| error.to_string());
    }
    let expected = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    match expected == said {
        true => Ok(()),
        false => Err(format!(
            "what programs say at their ends is not what {} has:\n{said}",
            path.display()
        )),
    }
}

fn fails_for_inbox(program: &Path, folder: &Path, name: &str) -> Result<u32> {
    let failures = |strategy: &str| -> Result<usize> {
        let runs = (0..SEEDS).map(|seed| run(program, folder, name, seed, strategy));
        let failed = |run: Result<(Output, Vec<Event>)>| run.map(|(it, _)| !it.status.success());
        let failed: Vec<bool> = runs.map(failed).collect::<Result<_>>()?;
        Ok(failed.into_iter().filter(|has_failed| *has_failed).count())
    };
    match (failures("inbox")?, failures("random")?) {
        (inbox, random) if inbox as u64 == SEEDS && random < 2 => Ok(2 * SEEDS as u32),
        (inbox, random) => Err(format!(
            "of {SEEDS} seeds {inbox} fail with `inbox`, and {random} with `random`"
        )),
    }
}

fn run(
    program: &Path,
    folder: &Path,
    name: &str,
    seed: u64,
    strategy: &str,
) -> Result<(Output, Vec<Event>)> {
    let program = Program {
        executable: program,
        backtrace: "0",
        faults: Vec::new(),
    };
    program.run(folder, name, seed, strategy)
}

struct Program<'a> {
    executable: &'a Path,
    /// The value of `RUST_BACKTRACE`.
    backtrace: &'a str,
    faults: Vec<PlannedFault>,
}

impl Program<'_> {
    fn run(
        &self,
        folder: &Path,
        name: &str,
        seed: u64,
        strategy: &str,
    ) -> Result<(Output, Vec<Event>)> {
        let request = Request {
            seed,
            strategy: strategy.to_owned(),
            step_limit: 100_000,
            faults: self.faults.clone(),
            records: true,
            answer: folder.join("answer"),
            ..Request::default()
        };
        let variables = request.variables().map_err(|error| error.to_string())?;
        let output = start(self.executable, name)
            .envs(variables)
            .env("SUITE_STRATEGY", strategy)
            .env("RUST_BACKTRACE", self.backtrace)
            .output();
        let output = output.map_err(|error| error.to_string())?;
        let events = child::read(&request.answer).map_err(|error| error.to_string())?;
        Ok((output, events))
    }
}

fn text(output: &Output) -> String {
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}{error}")
}
