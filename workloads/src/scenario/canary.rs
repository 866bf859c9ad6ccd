//! Canaries: programs that are broken on purpose, by which a campaign is tested. In about
//! one seed of ten each does what it is called.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use rand::RngExt as _;

use retake_cli::Scenario;

/// The canaries.
pub(super) fn all() -> impl Iterator<Item = Scenario> {
    let all = [
        Scenario::new("canary/abort", "ends the process in one seed of ten", abort),
        Scenario::new("canary/hang", "never ends in one seed of ten", hang),
        Scenario::new(
            "canary/memory",
            "eats all memory in one seed of ten",
            memory,
        ),
        Scenario::new(
            "canary/nondeterminism",
            "differs from run to run",
            nondeterminism,
        ),
        Scenario::new(
            "canary/history",
            "depends on what its process has run before",
            history,
        ),
        Scenario::new("canary/lazy", "draws a value once in each process", lazy),
        Scenario::new("canary/leases", "ends actors in the order of a map", leases),
        Scenario::new(
            "canary/arrival",
            "fails in the order of arrival alone",
            arrival,
        ),
        Scenario::new(
            "canary/print",
            "prints, and panics in one seed of ten",
            print,
        ),
        Scenario::new("canary/panic", "panics in one seed of ten", panic),
    ];
    let virtual_time = Duration::from_millis(1);
    all.into_iter().map(move |it| it.virtual_time(virtual_time))
}

fn is_chosen() -> bool {
    retake::rng().random_bool(0.1)
}

/// A step that never ends.
async fn hang() {
    retake::sleep(Duration::from_millis(1)).await;
    if is_chosen() {
        loop {
            std::hint::spin_loop();
        }
    }
}

/// The end of the process.
async fn abort() {
    if is_chosen() {
        std::process::abort();
    }
}

/// Memory without bound.
async fn memory() {
    let mut hoard = Vec::new();
    if is_chosen() {
        loop {
            hoard.push(vec![1_u8; 1 << 24]);
        }
    }
    drop(hoard);
}

/// A panic that nobody observes.
async fn panic() {
    assert!(!is_chosen(), "the canary panics");
}

/// What differs from run to run, also where each has a process of its own.
async fn nondeterminism() {
    // The number of the process, past what is simulated.
    let process = std::fs::read_link("/proc/self").unwrap_or_default();
    let number: u32 = process.to_string_lossy().parse().unwrap_or(0);
    for _ in 0..number % 3 {
        retake::sleep(Duration::from_millis(1)).await;
    }
}

/// What differs only where runs share a process: a count that outlives them.
async fn history() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static RUNS: AtomicU64 = AtomicU64::new(0);
    for _ in 0..RUNS.fetch_add(1, Ordering::Relaxed) % 7 {
        retake::sleep(Duration::from_millis(1)).await;
    }
}

/// What prints.
#[allow(clippy::print_stdout, reason = "what a scenario prints is tested")]
async fn print() {
    for line in 0..3 {
        println!("line {line} of the canary");
    }
    assert!(!is_chosen(), "the canary panics");
}

/// A value that the process computes once, from the system's randomness: in one process of
/// seven it is wrong.
#[allow(clippy::disallowed_types, reason = "what is drawn once is tested")]
async fn lazy() {
    use std::hash::{BuildHasher as _, RandomState};
    use std::sync::OnceLock;
    static LAZY: OnceLock<u64> = OnceLock::new();
    let value = LAZY.get_or_init(|| RandomState::new().hash_one("lazy"));
    assert!(!value.is_multiple_of(7), "the value that is drawn once");
}

/// Tells a log that it ends.
struct Lease(u32, ActorRef<Vec<u32>>);

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = self.1.cast(vec![self.0]);
    }
}

struct Holder;

#[retake::simulated]
impl Actor for Holder {
    type Msg = ();
    type State = Lease;
    type Arguments = Lease;

    async fn pre_start(&self, _: ActorRef<()>, lease: Lease) -> Result<Lease, ActorProcessingErr> {
        Ok(lease)
    }
}

struct Log;

#[retake::simulated]
impl Actor for Log {
    type Msg = Vec<u32>;
    type State = Vec<u32>;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<Vec<u32>>,
        (): (),
    ) -> Result<Vec<u32>, ActorProcessingErr> {
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Vec<u32>>,
        ended: Vec<u32>,
        order: &mut Vec<u32>,
    ) -> Result<(), ActorProcessingErr> {
        order.extend(ended);
        let place = |child: u32| order.iter().position(|it| *it == child);
        let is_late = place(4).is_some() && place(1).is_none();
        retake::always!(!is_late, "the last child ends before the first");
        Ok(())
    }
}

/// Children of a parent that is killed: ractor ends them in the order of a map whose keys are
/// numbers of the process.
async fn leases() {
    let Ok((log, _)) = Actor::spawn(None, Log, ()).await else {
        return;
    };
    let Ok((parent, _)) = Actor::spawn(None, Holder, Lease(0, log.clone())).await else {
        return;
    };
    for number in 1..=4 {
        let lease = Lease(number, log.clone());
        let _ = Actor::spawn_linked(None, Holder, lease, parent.get_cell()).await;
    }
    retake::sleep(Duration::from_millis(1)).await;
    parent.kill();
    retake::sleep(Duration::from_millis(1)).await;
}

/// What fails in the order of arrival alone.
async fn arrival() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let arrived = std::sync::Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..12_u32)
        .map(|number| {
            let arrived = arrived.clone();
            retake::spawn_named("guest", async move {
                if arrived.load(Ordering::Relaxed) == number {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        let _ = task.await;
    }
    assert!(
        arrived.load(Ordering::Relaxed) < 12,
        "all come in their order"
    );
}
