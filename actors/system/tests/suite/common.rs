//! What the families of rules share.

pub(crate) use retake::ServiceFailure;
pub(crate) use retake_otp::{Names, PoolConfig};
pub(crate) use retake_sim::{Fault, Isolation, Sim, fs};
pub(crate) use retake_system::invariants::Violation;
pub(crate) use retake_system::ledger::{Draft, ReceiptKind};
pub(crate) use retake_system::{
    GovernorState, Receipt, Service, ServiceTime, Signal, Store, System, SystemConfig, Verdict,
};
pub(crate) use std::sync::Arc;
pub(crate) use std::time::Duration;
pub(crate) use tokio::task::JoinHandle;

use retake::Share;
use retake_sim::Target;
use retake_sim::kinds::BreakService;
use retake_system::ledger::{Disk, DiskFile, FileDisk};
use std::io;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// How long an action takes.
pub(crate) const WORK: Duration = Duration::from_millis(20);

pub(crate) fn simulate<F, Fut>(scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    under_seeds(1, scenario);
}

/// Runs a scenario under some seeds; it has to pass under each.
pub(crate) fn under_seeds<F, Fut>(seeds: u64, scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    for seed in 0..seeds {
        Sim::new().seed(seed).run(scenario.clone()).expect_passed();
    }
}

pub(crate) fn signal(tenant: &str, value: f64) -> Signal {
    Signal {
        tenant: tenant.to_owned(),
        metric: "cpu".to_owned(),
        value,
        timestamp_ms: 17,
        ..Signal::default()
    }
}

pub(crate) fn cpu(value: f64) -> Signal {
    signal("acme", value)
}

pub(crate) fn with_id(id: usize, signal: Signal) -> Signal {
    let id = Some(id.to_string());
    Signal { id, ..signal }
}

pub(crate) fn config() -> SystemConfig {
    SystemConfig {
        action_time: ServiceTime::Fixed(WORK),
        ..SystemConfig::default()
    }
}

/// A system in which `acme` is entitled.
pub(crate) async fn start(config: SystemConfig) -> System {
    let system = System::start(config).await.unwrap();
    system.entitle("acme", true).await.unwrap();
    system
}

pub(crate) async fn state(system: &System) -> GovernorState {
    system.governor_state("acme").await.unwrap()
}

/// The tenant's chain, one line each.
pub(crate) fn chain(system: &System, tenant: &str) -> Vec<String> {
    system.store().verify().unwrap();
    let chain = system.store().of_tenant(tenant);
    chain.iter().map(ToString::to_string).collect()
}

pub(crate) async fn kill(name: &str) {
    let actor = retake::where_is(name).expect(name);
    actor.kill_and_wait(None).await.unwrap();
    retake::sleep(MS).await;
}

/// What these tasks give, in their order.
pub(crate) async fn all<T>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    // All are started before the first is waited for.
    let tasks: Vec<_> = tasks.into_iter().collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// Breaks a service of the simulation on this thread for a time, from now on.
pub(crate) fn break_service(
    service: Service,
    failure: ServiceFailure,
    percent: u32,
    time: Duration,
) {
    let now = Duration::from_nanos(retake::now().as_nanos());
    let action = BreakService {
        service: Some(service.name().to_owned()),
        failure,
        share: Share::of_millionths(percent * 10_000).unwrap(),
        until_ns: Some(u64::try_from((now + time).as_nanos()).unwrap()),
    };
    retake_sim::inject(Fault::new(Target::Run, action).at(now));
}

pub(crate) fn numbers(violations: &[Violation]) -> Vec<u32> {
    violations.iter().map(|it| it.invariant).collect()
}

pub(crate) fn draft(kind: ReceiptKind) -> Draft {
    Draft {
        tenant: "acme".to_owned(),
        kind,
        payload: String::new(),
        signal: None,
        key: None,
    }
}

pub(crate) fn refusal() -> ReceiptKind {
    let reason = "not entitled".to_owned();
    ReceiptKind::Refusal { reason }
}

/// The path of the ledger's log in simulated file systems.
const LOG: &str = "/data/receipts.log";

/// The log on a simulated file system, as the ledger wants it.
pub(crate) fn log_on(system: &fs::FileSystem) -> Arc<dyn Disk> {
    let file = SimulatedFile(system.open(LOG).unwrap());
    Arc::new(FileDisk::over(file))
}

/// A simulated file system with a folder for the log.
pub(crate) fn file_system(config: fs::FsConfig) -> fs::FileSystem {
    let system = fs::FileSystem::new(config);
    system.create_dir("/data").unwrap();
    system
}

/// A file of a simulated file system, as the ledger wants it.
#[derive(Debug)]
struct SimulatedFile(fs::File);

impl io::Read for SimulatedFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl io::Write for SimulatedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl io::Seek for SimulatedFile {
    fn seek(&mut self, position: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(position)
    }
}

impl DiskFile for SimulatedFile {
    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        self.0.sync_all()
    }
}
