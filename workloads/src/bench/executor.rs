//! Actions on the worker pool: 10 workers, 5 more on demand, 5 s in the queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use retake_otp::{PoolConfig, PoolRef, PoolStatus};
use retake_system::alerts::Figures;
use retake_system::worker::{Work, WorkerArguments, WorkerMessage};
use retake_system::{Action, ActionKind, ActionWorker, Failures, Service, ServiceTime};

use super::context::{Context, LEASED, SETTLE};
use super::measure::{Measurement, Series};
use super::target::{Target, Unit};
use super::{Benchmark, benchmarks};
use crate::load::Latencies;
use crate::load::open::arrive;

pub(super) const BENCHMARKS: &[Benchmark] = benchmarks![
    "executor/action_execution", "1,000 actions", action_execution;
    "executor/pool_throughput", "5,000 actions", pool_throughput;
    "executor/pool_concurrent", "20 clients x 500 actions", pool_concurrent;
    "executor/worker_utilization", "2,000 actions at 163/s", worker_utilization;
    "executor/queue_latency", "5 bursts x 1,000 actions over 10 s each", queue_latency;
    "executor/action_types", "scale, rollback, throttle", action_types;
];

const WORKERS: u32 = 10;
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
const MS: Duration = Duration::from_millis(1);
/// The work of an action on average, where nothing else is said.
const WORK: Duration = Duration::from_millis(3);

/// A pool of workers whose work takes this long.
struct Stage {
    pool: PoolRef<WorkerMessage>,
    failures: Failures,
    watch: Arc<Mutex<PoolFigures>>,
}

/// What became of an action, how long it waited for its worker, and how long both took.
struct Done {
    wait: Duration,
    total: Duration,
    worked: bool,
}

/// The pool's figures over time.
#[derive(Default)]
struct PoolFigures {
    points: Vec<(Duration, PoolStatus)>,
    is_over: bool,
}

/// Time between looks at the pool.
const LOOK: Duration = Duration::from_millis(100);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch(pool: PoolRef<WorkerMessage>, watched: Arc<Mutex<PoolFigures>>) {
    let start = retake::now();
    while !locked(&watched).is_over {
        if let Ok(status) = pool.status().await {
            locked(&watched).points.push((start.elapsed(), status));
        }
        retake::sleep(LOOK).await;
    }
}

fn pool_config() -> PoolConfig {
    PoolConfig {
        size: WORKERS,
        max_overflow: 5,
        ..PoolConfig::default()
    }
}

impl Stage {
    async fn start(context: &Context, service_time: ServiceTime) -> Result<Self, String> {
        let name = context.system(ServiceTime::None).names.of("pool");
        let failures = context.failures();
        let arguments = WorkerArguments {
            service_time: context.slept(service_time),
            failures: failures.clone(),
        };
        let make = move |_| (ActionWorker, arguments.clone());
        let pool = PoolRef::start(&name, pool_config(), make).await;
        let pool = pool.map_err(|error| format!("the pool does not start: {error}"))?;
        let watched = Arc::default();
        retake::spawn_named("watch", watch(pool.clone(), Arc::clone(&watched)));
        Ok(Self {
            pool,
            failures,
            watch: watched,
        })
    }

    fn client(&self) -> Client {
        Client {
            pool: self.pool.clone(),
            failures: self.failures.clone(),
        }
    }

    /// Actions that begin at these times, whatever became of those before.
    async fn arrive(&self, times: &[Duration]) -> Result<Vec<Done>, String> {
        arrive(times, |_, intended| {
            let client = self.client();
            async move { client.act(ActionKind::Scale, intended).await }
        })
        .await
    }

    /// Tell how the pool stood during the load, and close it.
    async fn stop(self, measured: &mut Measurement) {
        if let Ok(status) = self.pool.status().await {
            let most = status.waiting_max as f64;
            measured.report("most clients in the queue", most, Unit::Count);
            measured.alert(&Figures {
                queue_depth: Some(status.waiting_max as u64),
                ..Figures::default()
            });
        }
        let points = std::mem::take(&mut locked(&self.watch).points);
        let mut add = |name: &str, unit: Unit, pick: fn(&PoolStatus) -> f64| {
            let points = points.iter();
            let points = points.map(|(at, status)| (at.as_secs_f64(), pick(status)));
            measured.series.push(Series {
                name: name.to_owned(),
                unit,
                points: points.collect(),
            });
        };
        add("queue depth", Unit::Count, |it| it.waiting as f64);
        add("utilisation of the ten", Unit::Percent, |it| {
            100.0 * it.leased as f64 / f64::from(WORKERS)
        });
        self.close(measured).await;
    }

    /// Check that every worker has come back, and stop the pool.
    async fn close(self, measured: &mut Measurement) {
        locked(&self.watch).is_over = true;
        // The last check-ins may be on their way.
        let mut leased = 0;
        for _ in 0..SETTLE.0 {
            let Ok(status) = self.pool.status().await else {
                break;
            };
            measured.violations(&retake_system::invariants::pool(&pool_config(), &status));
            leased = status.leased;
            if leased == 0 || !measured.errors.is_empty() {
                break;
            }
            retake::sleep(SETTLE.1).await;
        }
        measured.require(LEASED, leased == 0);
        self.pool.stop().await;
    }
}

/// Who has actions done.
#[derive(Clone)]
struct Client {
    pool: PoolRef<WorkerMessage>,
    failures: Failures,
}

impl Client {
    async fn act(&self, kind: ActionKind, since: retake::Instant) -> Done {
        let action = Action {
            attempt: 0,
            tenant: "acme".to_owned(),
            kind,
        };
        let lease = self.pool.checkout(QUEUE_TIMEOUT).await;
        let wait = since.elapsed();
        let worked = match lease {
            Ok(worker) => {
                let run = |reply| WorkerMessage::Run(action, reply);
                let work = retake_otp::call(&worker, run, None).await;
                if self.failures.injected(Service::CheckIn).is_some() {
                    // As an executor whose check-in is lost.
                    drop(worker.into_worker());
                }
                work == Ok(Work::Done)
            }
            Err(_) => false,
        };
        Done {
            wait,
            total: since.elapsed(),
            worked,
        }
    }
}

/// What became of many actions.
#[derive(Clone, Default)]
struct Tally {
    totals: Latencies,
    waits: Latencies,
    waited: Duration,
    took: Duration,
    count: u64,
    worked: u64,
}

impl Tally {
    fn add(&mut self, done: &Done) {
        self.totals.record(done.total);
        self.waits.record(done.wait);
        self.waited += done.wait;
        self.took += done.total;
        self.count += 1;
        self.worked += u64::from(done.worked);
    }

    fn join(&mut self, other: &Self) {
        self.totals.add(&other.totals);
        self.waits.add(&other.waits);
        self.waited += other.waited;
        self.took += other.took;
        self.count += other.count;
        self.worked += other.worked;
    }

    /// Where the time went.
    fn describe(&self, measured: &mut Measurement) {
        measured.stage("wait for a worker", self.waited, self.count);
        let work = self.took.saturating_sub(self.waited);
        measured.stage("work", work, self.count);
    }

    fn require_all(&self, measured: &mut Measurement) {
        let what = format!(
            "{} of {} actions are not done",
            self.count - self.worked,
            self.count
        );
        measured.require(&what, self.worked == self.count);
    }
}

impl FromIterator<Done> for Tally {
    fn from_iter<I: IntoIterator<Item = Done>>(done: I) -> Self {
        let mut tally = Self::default();
        for done in done {
            tally.add(&done);
        }
        tally
    }
}

fn exponential(mean: Duration) -> ServiceTime {
    ServiceTime::Exponential(mean)
}

async fn measured(
    measure: impl AsyncFnOnce(&mut Measurement) -> Result<(), String>,
) -> Measurement {
    let mut measured = Measurement::new();
    if let Err(error) = measure(&mut measured).await {
        measured.errors.push(error);
    }
    measured
}

fn note_work(measured: &mut Measurement, work: &ServiceTime) {
    measured
        .notes
        .push(format!("the work of an action: {work:?}"));
}

/// Actions one after another; gives their times and how long all took.
async fn one_by_one(
    context: &Context,
    work: ServiceTime,
    kind: ActionKind,
    count: u64,
    measured: &mut Measurement,
) -> Result<(Tally, Duration), String> {
    let stage = Stage::start(context, work).await?;
    let client = stage.client();
    let mut tally = Tally::default();
    let start = retake::now();
    for _ in 0..count {
        tally.add(&client.act(kind, retake::now()).await);
    }
    let elapsed = start.elapsed();
    tally.require_all(measured);
    stage.close(measured).await;
    Ok((tally, elapsed))
}

async fn action_execution(context: Context) -> Measurement {
    measured(async |measured| {
        let (work, count) = (exponential(WORK), context.count(1_000));
        let acted = one_by_one(&context, work.clone(), ActionKind::Scale, count, measured);
        let (tally, elapsed) = acted.await?;
        measured.p99("action", &tally.totals, 100 * MS);
        measured.rate("actions", count, elapsed, 50.0);
        tally.describe(measured);
        note_work(measured, &work);
        Ok(())
    })
    .await
}

/// Clients that act one after another.
async fn by_clients(stage: &Stage, clients: u64, each: u64) -> Result<Tally, String> {
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let client = stage.client();
            retake::spawn(async move {
                let mut tally = Tally::default();
                for _ in 0..each {
                    tally.add(&client.act(ActionKind::Scale, retake::now()).await);
                }
                tally
            })
        })
        .collect();
    let mut tally = Tally::default();
    for client in clients {
        tally.join(&client.await.map_err(|error| error.to_string())?);
    }
    Ok(tally)
}

async fn pool_throughput(context: Context) -> Measurement {
    measured(async |measured| {
        const CLIENTS: u64 = 10;
        let stage = Stage::start(&context, exponential(WORK)).await?;
        let each = context.count(5_000 / CLIENTS);
        let start = retake::now();
        let tally = by_clients(&stage, CLIENTS, each).await?;
        let p95 = tally.totals.histogram().value_at_quantile(0.95) as f64;
        let target = Target::AtMost(50e6);
        measured.judge("action p95", p95, Unit::Nanoseconds, target);
        let rate = tally.worked as f64 / start.elapsed().as_secs_f64();
        measured.report("actions", rate, Unit::PerSecond);
        measured.distribution("action", &tally.totals);
        tally.require_all(measured);
        tally.describe(measured);
        note_work(measured, &exponential(WORK));
        stage.stop(measured).await;
        Ok(())
    })
    .await
}

async fn pool_concurrent(context: Context) -> Measurement {
    measured(async |measured| {
        const CLIENTS: u64 = 20;
        let stage = Stage::start(&context, exponential(WORK)).await?;
        let each = context.count(500);
        let start = retake::now();
        let tally = by_clients(&stage, CLIENTS, each).await?;
        measured.rate("actions", tally.worked, start.elapsed(), 100.0);
        let success = 100.0 * tally.worked as f64 / tally.count as f64;
        measured.judge("success", success, Unit::Percent, Target::AtLeast(99.0));
        measured.distribution("action", &tally.totals);
        measured.distribution("wait for a worker", &tally.waits);
        tally.describe(measured);
        note_work(measured, &exponential(WORK));
        stage.stop(measured).await;
        Ok(())
    })
    .await
}

/// Times of arrival of Poisson traffic, of which it is known how many came.
fn arrivals(count: u64, time: Duration) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| time.mul_f64(retake::rng().random_range(0.0..1.0)))
        .collect();
    times.sort_unstable();
    times
}

async fn worker_utilization(context: Context) -> Measurement {
    measured(async |measured| {
        const RATE: f64 = 163.0;
        // Long enough that the coarseness of real timers does not count.
        let work = ServiceTime::Fixed(50 * MS);
        let stage = Stage::start(&context, work.clone()).await?;
        let count = context.count(2_000).max(1000);
        let time = Duration::from_secs_f64(count as f64 / RATE);
        let start = retake::now();
        let tally: Tally = stage
            .arrive(&arrivals(count, time))
            .await?
            .into_iter()
            .collect();
        let elapsed = start.elapsed().as_secs_f64();
        let busy = (tally.took - tally.waited).as_secs_f64();
        // Of the time of the ten; what overflow workers did counts as theirs.
        let utilisation = 100.0 * busy / (f64::from(WORKERS) * elapsed);
        let target = Target::Within(75.0, 85.0);
        measured.judge("utilisation", utilisation, Unit::Percent, target);
        let idle = 100.0 - utilisation;
        measured.judge("idle", idle, Unit::Percent, Target::Within(10.0, 20.0));
        let starved = (tally.count - tally.worked) as f64;
        measured.judge("starved clients", starved, Unit::Count, Target::AtMost(0.0));
        let longest = tally.waits.summary().max_ns as f64;
        measured.report("longest wait", longest, Unit::Nanoseconds);
        measured.distribution("wait for a worker", &tally.waits);
        tally.describe(measured);
        measured
            .notes
            .push(format!("{RATE} arrivals a second, as Poisson traffic"));
        note_work(measured, &work);
        stage.stop(measured).await;
        Ok(())
    })
    .await
}

async fn queue_latency(context: Context) -> Measurement {
    measured(async |measured| {
        let count = context.count(1_000);
        let window = context.time(Duration::from_secs(10));
        // A spike of 150 at the start of each window, the others spread over it.
        let spike = count * 15 / 100;
        let stage = Stage::start(&context, exponential(WORK)).await?;
        let mut tally = Tally::default();
        let start = retake::now();
        for burst in 1..=5 {
            let began = start.elapsed().as_secs_f64();
            measured.marks.push((began, format!("burst {burst}")));
            let mut times = vec![Duration::ZERO; spike as usize];
            times.extend(arrivals(count - spike, window));
            tally.join(&stage.arrive(&times).await?.into_iter().collect());
        }
        measured.p99("queue wait", &tally.waits, 50 * MS);
        tally.require_all(measured);
        tally.describe(measured);
        note_work(measured, &exponential(WORK));
        measured.notes.push(format!(
            "{spike} at the start of each burst, the others over {} s",
            window.as_secs_f64()
        ));
        stage.stop(measured).await;
        // All at once, as a function of the work.
        for work in [MS / 10, MS, 3 * MS] {
            let stage = Stage::start(&context, ServiceTime::Fixed(work)).await?;
            let at_once = vec![Duration::ZERO; count as usize];
            let tally: Tally = stage.arrive(&at_once).await?.into_iter().collect();
            let name = format!("wait p99, {count} at once, work {work:?}");
            let p99 = tally.waits.summary().p99_ns as f64;
            measured.report(&name, p99, Unit::Nanoseconds);
            stage.close(measured).await;
        }
        Ok(())
    })
    .await
}

async fn action_types(context: Context) -> Measurement {
    measured(async |measured| {
        let mut all = Tally::default();
        for (kind, mean, most, rate) in [
            (ActionKind::Scale, 2 * MS, 20 * MS, 200.0),
            (ActionKind::Rollback, 4 * MS, 30 * MS, 100.0),
            (ActionKind::Throttle, MS, 15 * MS, 300.0),
        ] {
            // At any scale: of fewer, the p99 would be the worst that was drawn.
            let count = 500;
            let acted = one_by_one(&context, exponential(mean), kind, count, measured);
            let (tally, elapsed) = acted.await?;
            measured.p99(&kind.to_string(), &tally.totals, most);
            measured.rate(&format!("{kind} actions"), count, elapsed, rate);
            measured
                .notes
                .push(format!("{kind}: {:?}", exponential(mean)));
            all.join(&tally);
        }
        all.describe(measured);
        Ok(())
    })
    .await
}
