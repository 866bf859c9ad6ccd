//! The scenarios: what can be run by name, one file each.

mod bad_edges;
mod canary;
mod chaos;
mod one_action;
mod steady_state;
mod worker_crash;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use retake_sim::isolate::Workers;
use retake_sim::{did_you_mean, explore};
use retake_system::{Signal, System, SystemConfig, Verdict};

use crate::load::{Answer, Client};
use crate::report::Report;
use crate::{program, zoo};

/// Something that can be run by name.
pub struct Scenario {
    /// Its name, for example `stress/steady_state`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// How much virtual time it takes, roughly.
    pub virtual_time: Duration,
    run: Arc<Code>,
}

type Body<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a scenario does.
enum Code {
    /// It measures something.
    Reports(fn() -> Body<Report>),
    /// It passes or fails.
    Checks(Box<dyn Fn() -> Body<()> + Send + Sync>),
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// All scenarios of this program.
pub fn all() -> &'static [Scenario] {
    program::this().scenarios()
}

/// Those of the `retake` command: of the system, canaries, and the programs of the zoo.
pub(crate) fn brought_along() -> Vec<Scenario> {
    let reports = |name, about, virtual_time, run| Scenario {
        name,
        about,
        virtual_time,
        run: Arc::new(Code::Reports(run)),
    };
    let mut all = vec![
        reports(
            "recovery/one_action",
            "an action whose worker is killed, then one more",
            one_action::VIRTUAL_TIME,
            || Box::pin(one_action::run()),
        ),
        reports(
            "recovery/worker_crash",
            "20 clients for 10 s while workers are killed",
            worker_crash::VIRTUAL_TIME,
            || Box::pin(worker_crash::run()),
        ),
        reports(
            "stress/steady_state",
            "20 closed-loop clients for 60 s",
            steady_state::VIRTUAL_TIME,
            || Box::pin(steady_state::run()),
        ),
    ];
    all.push(Scenario {
        name: "recovery/chaos",
        about: "a small load under faults, and what comes after",
        virtual_time: chaos::VIRTUAL_TIME,
        run: Arc::new(Code::Checks(Box::new(|| Box::pin(chaos::run())))),
    });
    all.push(Scenario {
        name: "recovery/bad_edges",
        about: "HTTP, network and disk fail as drawn",
        virtual_time: bad_edges::VIRTUAL_TIME,
        run: Arc::new(Code::Checks(Box::new(|| Box::pin(bad_edges::run())))),
    });
    let canary = |name, about, run: fn() -> Body<()>| Scenario {
        name,
        about,
        virtual_time: Duration::from_millis(1),
        run: Arc::new(Code::Checks(Box::new(run))),
    };
    all.extend([
        canary(
            "canary/abort",
            "ends the process in one seed of ten",
            || Box::pin(canary::abort()),
        ),
        canary("canary/hang", "never ends in one seed of ten", || {
            Box::pin(canary::hang())
        }),
        canary(
            "canary/memory",
            "eats all memory in one seed of ten",
            || Box::pin(canary::memory()),
        ),
        canary("canary/nondeterminism", "differs from run to run", || {
            Box::pin(canary::nondeterminism())
        }),
        canary(
            "canary/history",
            "depends on what its process has run before",
            || Box::pin(canary::history()),
        ),
        canary("canary/lazy", "draws a value once in each process", || {
            Box::pin(canary::lazy())
        }),
        canary("canary/leases", "ends actors in the order of a map", || {
            Box::pin(canary::leases())
        }),
        canary(
            "canary/arrival",
            "fails in the order of arrival alone",
            || Box::pin(canary::arrival()),
        ),
        canary(
            "canary/print",
            "prints, and panics in one seed of ten",
            || Box::pin(canary::print()),
        ),
        canary("canary/panic", "panics in one seed of ten", || {
            Box::pin(canary::panic())
        }),
    ]);
    all.extend(zoo::PROGRAMS.iter().flat_map(|program| {
        program.variants().map(|variant| Scenario {
            name: variant.name,
            about: program.about,
            virtual_time: Duration::from_secs(1),
            run: Arc::new(Code::Checks(Box::new(variant.run))),
        })
    }));
    all.extend(zoo::CONTROLS.iter().map(|control| Scenario {
        name: control.name,
        about: "without a bug, for `explore --exhaustive`",
        virtual_time: Duration::from_millis(1),
        run: Arc::new(Code::Checks(Box::new(control.run))),
    }));
    all
}

/// The scenario of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scenario> {
    all().iter().find(|scenario| scenario.name == name)
}

/// The scenario of this name.
///
/// # Errors
/// That it does not exist, and what to do.
pub fn named(name: &str) -> Result<&'static Scenario, String> {
    find(name).ok_or_else(|| {
        if name == crate::served::SCENARIO {
            return "this is the trace of a replayed recording, which only the recording \
                brings about again: `retake replay` it. What led to a step, the trace knows: \
                `retake debug FILE --at STEP --print why`"
                .to_owned();
        }
        let program = program::this().name();
        let near = did_you_mean(name, all().iter().map(|it| it.name));
        if !near.is_empty() {
            return format!("this program has no scenario `{name}`{near} See `{program} list`");
        }
        format!(
            "this program has no scenario `{name}`; see `{program} list`. Of a test of your own \
             only `cargo test` can run it again, with RETAKE_REPLAY=CASE (docs/own.md tells \
             how to make a command of yours); its trace is for \
             `{program} debug`, `show`, `view`, `export` and `diff`"
        )
    })
}

/// Where a run leaves its report, also when a check fails.
#[derive(Clone, Debug, Default)]
pub struct ReportSlot(Arc<Mutex<Option<Report>>>);

impl ReportSlot {
    fn put(&self, report: Report) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    fn peek(&self) -> Option<Report> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The report, if the run got so far.
    #[must_use]
    pub fn take(&self) -> Option<Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Scenario {
    /// One that passes or fails.
    pub(crate) fn new<F, Fut>(name: &'static str, about: &'static str, run: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            about,
            virtual_time: Duration::from_secs(1),
            run: Arc::new(Code::Checks(Box::new(move || Box::pin(run())))),
        }
    }

    /// The scenario for campaigns, whose runs take place in processes of this pool.
    pub(crate) fn isolated(&self, workers: Arc<Workers>) -> explore::Scenario {
        self.to_explore().isolated(workers)
    }

    /// The scenario for campaigns. Its report is compared as well when it is run twice, and
    /// given to an execution also where a check fails.
    pub(crate) fn to_explore(&self) -> explore::Scenario {
        let code = Arc::clone(&self.run);
        // That of the run which was started last.
        let last = Arc::new(Mutex::new(ReportSlot::default()));
        let taken = Arc::clone(&last);
        let scenario = explore::Scenario::from(move || {
            let (code, last) = (Arc::clone(&code), Arc::clone(&last));
            async move {
                let slot = ReportSlot::default();
                *last.lock().unwrap_or_else(PoisonError::into_inner) = slot.clone();
                code.run(slot.clone()).await;
                let report = slot.peek();
                let text = report.map(|report| serde_json::to_string(&report));
                text.transpose()
            }
        });
        scenario.reports(move || {
            let slot = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
            serde_json::to_string(&slot.take()?).ok()
        })
    }

    /// The scenario's code, which leaves its report in `slot` and panics when a
    /// check fails, so that the trace ends with what was wrong.
    pub async fn run(&self, slot: ReportSlot) {
        Arc::clone(&self.run).run(slot).await;
    }
}

impl Code {
    async fn run(self: Arc<Self>, slot: ReportSlot) {
        let report = match &*self {
            Self::Reports(run) => run().await,
            Self::Checks(run) => return run().await,
        };
        let failed: Vec<String> = report
            .failed_checks()
            .iter()
            .map(|check| format!("check failed: {}: {}", check.name, check.found))
            .collect();
        slot.put(report);
        assert!(failed.is_empty(), "{}", failed.join("; "));
    }
}

const TENANTS: u32 = 10;

/// A running system with all tenants entitled.
async fn start(config: SystemConfig) -> System {
    let system = match System::start(config).await {
        Ok(system) => system,
        Err(error) => panic!("the system does not start: {error}"),
    };
    for tenant in 0..TENANTS {
        if let Err(error) = system.entitle(&tenant_name(tenant), true).await {
            panic!("tenant {tenant} cannot be entitled: {error}");
        }
    }
    system
}

fn tenant_name(tenant: u32) -> String {
    format!("tenant-{tenant}")
}

/// One request: a signal of a random value for a random tenant.
async fn send_signal(system: System, mut client: Client) -> (Client, Answer) {
    let signal = Signal {
        id: None,
        tenant: tenant_name(client.rng.random_range(0..TENANTS)),
        metric: ["cpu", "errors", "requests"][client.rng.random_range(0..3)].to_owned(),
        value: client.rng.random_range(0.0..100.0),
        ..Signal::default()
    };
    let answer = match system.signal(signal).await {
        Ok(Verdict::Stable) => Ok("stable"),
        Ok(Verdict::Warning) => Ok("warning"),
        Ok(Verdict::Acting(_)) => Ok("acting"),
        Ok(Verdict::Refused(_)) => Ok("refused"),
        Ok(Verdict::Duplicate(_)) => Ok("duplicate"),
        Err(error) => Err(error.to_string()),
    };
    (client, answer)
}

/// Long enough for every action to have ended, one way or the other.
const SETTLE: Duration = Duration::from_secs(36);

/// Wait until nothing is in flight. It costs no time when time is virtual.
async fn settle() {
    retake::sleep(SETTLE).await;
}
