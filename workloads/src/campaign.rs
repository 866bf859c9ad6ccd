//! A campaign over worker processes: a seed that hangs, aborts or eats all memory is a
//! recorded failure, and the campaign goes on.
//!
//! A worker runs the same program, `retake explore-worker`. It reads seeds, one a line,
//! and answers each with a line of JSON, a [`SeedRun`]. Whatever ends it, the seed that
//! it had not answered is to blame.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use retake_sim::explore::{Campaign, Case, Explorer, SeedRun};

/// How a campaign is run.
#[derive(Debug)]
pub struct Jobs {
    /// Worker processes.
    pub jobs: usize,
    /// A seed that takes longer is given up.
    pub seed_timeout: Duration,
    /// No seed is begun later than this after the start.
    pub time_limit: Option<Duration>,
    /// Run all seeds, whatever fails.
    pub keep_going: bool,
    /// The arguments of a worker.
    pub worker_arguments: Vec<String>,
}

/// How far a campaign is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Far {
    /// Seeds done.
    pub seeds: u64,
    /// Steps of these.
    pub steps: u64,
    /// Of them failed.
    pub failures: u64,
    /// Goals that were seen.
    pub goals: u64,
    /// Of them were reached.
    pub goals_reached: u64,
}

/// Seeds that a worker is given ahead, so that it does not wait for the next.
const AHEAD: usize = 8;

struct Shared<S> {
    seeds: S,
    /// No seed above this one is begun.
    last: u64,
    runs: Vec<SeedRun>,
    far: Far,
    /// Goals that were seen, and whether they were reached.
    goals: BTreeMap<String, bool>,
    /// Seeds that a lost worker had not begun.
    returned: VecDeque<u64>,
}

/// Run these seeds, in this order. `progress` is told now and then.
///
/// # Errors
/// If workers cannot be started.
pub fn run(
    explorer: &Explorer,
    jobs: &Jobs,
    seeds: impl Iterator<Item = u64> + Send,
    progress: impl Fn(Far) + Sync,
) -> io::Result<Campaign> {
    #[allow(
        clippy::disallowed_methods,
        reason = "a time limit of the command, outside any simulation"
    )]
    let start = Instant::now();
    let shared = Mutex::new(Shared {
        seeds,
        last: u64::MAX,
        runs: Vec::new(),
        far: Far::default(),
        goals: BTreeMap::new(),
        returned: VecDeque::new(),
    });
    let next = || {
        let mut shared = lock(&shared);
        if jobs
            .time_limit
            .is_some_and(|limit| start.elapsed() >= limit)
        {
            return None;
        }
        let seed = shared.returned.pop_front();
        let seed = seed.or_else(|| shared.seeds.next())?;
        (seed <= shared.last).then_some(seed)
    };
    let record = |run: SeedRun| {
        let mut shared = lock(&shared);
        shared.far.seeds += 1;
        shared.far.steps += run.steps;
        if run.case.is_some() {
            shared.far.failures += 1;
            if !jobs.keep_going {
                shared.last = shared.last.min(run.seed);
            }
        }
        for (goal, reached) in &run.goals {
            match shared.goals.get_mut(goal) {
                Some(known) => *known |= reached,
                None => drop(shared.goals.insert(goal.clone(), *reached)),
            }
        }
        shared.far.goals = shared.goals.len() as u64;
        shared.far.goals_reached = shared.goals.values().filter(|it| **it).count() as u64;
        shared.runs.push(run);
        progress(shared.far);
    };
    let give_back = |seeds: &mut VecDeque<u64>| lock(&shared).returned.extend(seeds.drain(..));
    let results: Vec<io::Result<()>> = std::thread::scope(|scope| {
        let work = || work(explorer, jobs, &next, &record, &give_back);
        let workers: Vec<_> = (0..jobs.jobs).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Ok(())))
            .collect()
    });
    results.into_iter().collect::<io::Result<()>>()?;
    let mut shared = lock(&shared);
    let mut runs = std::mem::take(&mut shared.runs);
    runs.sort_by_key(|run| run.seed);
    // Later ones that were under way do not count: how many depends on the machine.
    runs.retain(|run| run.seed <= shared.last);
    let mut campaign = Campaign::default();
    for run in runs {
        campaign.add(run);
    }
    Ok(campaign)
}

/// Keep one worker busy, and start another when it is lost.
fn work(
    explorer: &Explorer,
    jobs: &Jobs,
    next: &impl Fn() -> Option<u64>,
    record: &impl Fn(SeedRun),
    give_back: &impl Fn(&mut VecDeque<u64>),
) -> io::Result<()> {
    loop {
        let mut worker = Worker::start(jobs)?;
        let mut waiting = VecDeque::new();
        loop {
            while waiting.len() < AHEAD {
                let Some(seed) = next() else { break };
                waiting.push_back(seed);
                // One that is lost is noticed below.
                let _ = worker.ask(seed);
            }
            let Some(seed) = waiting.front().copied() else {
                return Ok(());
            };
            match worker.answer(jobs.seed_timeout) {
                Ok(run) => {
                    waiting.pop_front();
                    record(run);
                }
                Err(what) => {
                    waiting.pop_front();
                    record(lost(explorer, seed, &what));
                    give_back(&mut waiting);
                    break;
                }
            }
        }
    }
}

fn lost(explorer: &Explorer, seed: u64, what: &str) -> SeedRun {
    SeedRun {
        seed,
        case: Some(Case::of_lost_process(explorer, seed, what)),
        ..SeedRun::default()
    }
}

/// A worker process; killed when it is dropped.
struct Worker {
    process: Child,
    answers: Receiver<String>,
}

impl Worker {
    fn start(jobs: &Jobs) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("explore-worker")
            .args(&jobs.worker_arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (tell, answers) = mpsc::channel();
        if let Some(stdout) = process.stdout.take() {
            #[allow(
                clippy::disallowed_methods,
                reason = "a reader of another process's output, outside any simulation"
            )]
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    let Ok(line) = line else { break };
                    if tell.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { process, answers })
    }

    fn ask(&mut self, seed: u64) -> io::Result<()> {
        match &mut self.process.stdin {
            Some(stdin) => writeln!(stdin, "{seed}"),
            None => Ok(()),
        }
    }

    /// The next answer, or what happened instead.
    fn answer(&mut self, timeout: Duration) -> Result<SeedRun, String> {
        match self.answers.recv_timeout(timeout) {
            Ok(line) => serde_json::from_str(&line)
                .map_err(|error| format!("its process answered `{line}`: {error}")),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("it did not end within {timeout:?}: it hangs"))
            }
            Err(RecvTimeoutError::Disconnected) => Err(match self.process.wait() {
                Ok(status) => format!("its process ended: {}", ending(status)),
                Err(error) => format!("its process ended: {error}"),
            }),
        }
    }
}

/// How a process ended, in words.
fn ending(status: std::process::ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        match status.signal() {
            Some(6) => {
                return "it aborted (SIGABRT): memory above its limit, or `abort`".to_owned();
            }
            Some(9) => return "it was killed (SIGKILL)".to_owned(),
            Some(11) => return "it overflowed its stack or memory (SIGSEGV)".to_owned(),
            _ => {}
        }
    }
    status.to_string()
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
