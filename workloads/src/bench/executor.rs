//! Actions on the worker pool: 10 workers, 5 more on demand, 5 s in the queue.

use std::time::Duration;

use rand::RngExt as _;
use retake_actors::alerts::Figures;
use retake_actors::worker::{Work, WorkerArguments, WorkerMessage};
use retake_actors::{Action, ActionKind, ActionWorker, PoolConfig, PoolRef, ServiceTime};

use super::context::{Context, LENT, SETTLE};
use super::measure::Measured;
use super::target::{Target, Unit};
use super::{Benchmark, benchmarks};
use crate::load::Latencies;

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
}

/// What became of an action, how long it waited for its worker, and how long both took.
struct Done {
    wait: Duration,
    total: Duration,
    worked: bool,
}

impl Stage {
    async fn start(context: &Context, service_time: ServiceTime) -> Result<Self, String> {
        let name = context.system(ServiceTime::None).names.of("pool");
        let config = PoolConfig {
            size: WORKERS,
            max_overflow: 5,
            ..PoolConfig::default()
        };
        let arguments = WorkerArguments {
            service_time,
            ..WorkerArguments::default()
        };
        let pool = PoolRef::start(&name, config, move |_| (ActionWorker, arguments.clone())).await;
        let pool = pool.map_err(|error| format!("the pool does not start: {error}"))?;
        Ok(Self { pool })
    }

    async fn act(pool: &PoolRef<WorkerMessage>, kind: ActionKind, since: retake::Instant) -> Done {
        let action = Action {
            attempt: 0,
            tenant: "acme".to_owned(),
            kind,
        };
        let lease = pool.checkout(QUEUE_TIMEOUT).await;
        let wait = since.elapsed();
        let worked = match lease {
            Ok(worker) => {
                let run = |reply| WorkerMessage::Run(action, reply);
                let work = retake_actors::call(&worker, run, None).await;
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

    /// Actions that begin at these times, whatever became of those before.
    async fn arrive(&self, times: &[Duration]) -> Result<Vec<Done>, String> {
        let start = retake::now();
        let mut actions = Vec::with_capacity(times.len());
        for at in times {
            let intended = start + *at;
            retake::sleep_until(intended).await;
            let pool = self.pool.clone();
            actions.push(retake::spawn_named("action", async move {
                Self::act(&pool, ActionKind::Scale, intended).await
            }));
        }
        let mut done = Vec::with_capacity(actions.len());
        for action in actions {
            done.push(action.await.map_err(|error| error.to_string())?);
        }
        Ok(done)
    }

    async fn stop(self, measured: &mut Measured) {
        if let Ok(status) = self.pool.status().await {
            let most = status.waiting_max as f64;
            measured.report("most clients in the queue", most, Unit::Count);
            measured.alert(&Figures {
                queue_depth: Some(status.waiting_max as u64),
                ..Figures::default()
            });
            let config = PoolConfig {
                size: WORKERS,
                max_overflow: 5,
                ..PoolConfig::default()
            };
            // The last check-ins may be on their way.
            let mut lent = 0;
            for _ in 0..SETTLE.0 {
                retake::sleep(SETTLE.1).await;
                let Ok(status) = self.pool.status().await else {
                    break;
                };
                measured.violations(&retake_actors::invariants::pool(&config, &status));
                lent = status.leased;
                if lent == 0 || !measured.errors.is_empty() {
                    break;
                }
            }
            measured.require(LENT, lent == 0);
        }
        self.pool.stop().await;
    }
}

fn exponential(mean: Duration) -> ServiceTime {
    ServiceTime::Exponential(mean)
}

async fn measured(measure: impl AsyncFnOnce(&mut Measured) -> Result<(), String>) -> Measured {
    let mut measured = Measured::new();
    if let Err(error) = measure(&mut measured).await {
        measured.errors.push(error);
    }
    measured
}

fn note_work(measured: &mut Measured, work: ServiceTime) {
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
    measured: &mut Measured,
) -> Result<(Latencies, Duration), String> {
    let stage = Stage::start(context, work).await?;
    let mut times = Latencies::default();
    let start = retake::now();
    for _ in 0..count {
        let done = Stage::act(&stage.pool, kind, retake::now()).await;
        measured.require("every action is done", done.worked);
        times.record(done.total);
    }
    let elapsed = start.elapsed();
    stage.pool.stop().await;
    Ok((times, elapsed))
}

async fn action_execution(context: Context) -> Measured {
    measured(async |measured| {
        let (work, count) = (exponential(WORK), context.count(1_000));
        let acted = one_by_one(&context, work, ActionKind::Scale, count, measured);
        let (times, elapsed) = acted.await?;
        measured.p99("action", &times, 100 * MS);
        measured.rate("actions", count, elapsed, 50.0);
        note_work(measured, work);
        Ok(())
    })
    .await
}

/// Clients that act one after another; gives their times and how many were done.
async fn by_clients(
    stage: &Stage,
    clients: u64,
    each: u64,
) -> Result<(Latencies, Latencies, u64), String> {
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let pool = stage.pool.clone();
            retake::spawn(async move {
                let (mut totals, mut waits) = (Latencies::default(), Latencies::default());
                let mut worked = 0;
                for _ in 0..each {
                    let done = Stage::act(&pool, ActionKind::Scale, retake::now()).await;
                    totals.record(done.total);
                    waits.record(done.wait);
                    worked += u64::from(done.worked);
                }
                (totals, waits, worked)
            })
        })
        .collect();
    let (mut totals, mut waits) = (Latencies::default(), Latencies::default());
    let mut worked = 0;
    for client in clients {
        let (of_client, waits_of_client, done) = client.await.map_err(|it| it.to_string())?;
        totals.add(&of_client);
        waits.add(&waits_of_client);
        worked += done;
    }
    Ok((totals, waits, worked))
}

async fn pool_throughput(context: Context) -> Measured {
    measured(async |measured| {
        const CLIENTS: u64 = 10;
        let stage = Stage::start(&context, exponential(WORK)).await?;
        let each = context.count(5_000 / CLIENTS);
        let start = retake::now();
        let (totals, _, worked) = by_clients(&stage, CLIENTS, each).await?;
        let p95 = totals.histogram().value_at_quantile(0.95) as f64;
        let target = Target::AtMost(50e6);
        measured.judge("action p95", p95, Unit::Nanoseconds, target);
        let rate = worked as f64 / start.elapsed().as_secs_f64();
        measured.report("actions", rate, Unit::PerSecond);
        measured.distribution("action", &totals);
        note_work(measured, exponential(WORK));
        stage.stop(measured).await;
        Ok(())
    })
    .await
}

async fn pool_concurrent(context: Context) -> Measured {
    measured(async |measured| {
        const CLIENTS: u64 = 20;
        let stage = Stage::start(&context, exponential(WORK)).await?;
        let each = context.count(500);
        let start = retake::now();
        let (totals, waits, worked) = by_clients(&stage, CLIENTS, each).await?;
        measured.rate("actions", worked, start.elapsed(), 100.0);
        let success = 100.0 * worked as f64 / (CLIENTS * each) as f64;
        measured.judge("success", success, Unit::Percent, Target::AtLeast(99.0));
        measured.distribution("action", &totals);
        measured.distribution("wait for a worker", &waits);
        note_work(measured, exponential(WORK));
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

async fn worker_utilization(context: Context) -> Measured {
    measured(async |measured| {
        const RATE: f64 = 163.0;
        // Long enough that the coarseness of real timers does not count.
        let work = ServiceTime::Fixed(50 * MS);
        let stage = Stage::start(&context, work).await?;
        let count = context.count(2_000).max(1000);
        let time = Duration::from_secs_f64(count as f64 / RATE);
        let start = retake::now();
        let done = stage.arrive(&arrivals(count, time)).await?;
        let elapsed = start.elapsed().as_secs_f64();
        let busy: f64 = done
            .iter()
            .map(|done| (done.total - done.wait).as_secs_f64())
            .sum();
        let utilisation = 100.0 * busy / (f64::from(WORKERS) * elapsed);
        let target = Target::Within(75.0, 85.0);
        measured.judge("utilisation", utilisation, Unit::Percent, target);
        // What the ten do not work, of the time of the fifteen that there may be.
        let idle = 100.0 - utilisation;
        measured.judge("idle", idle, Unit::Percent, Target::Within(10.0, 20.0));
        let longest = done.iter().map(|done| done.wait).max().unwrap_or_default();
        let starved = done.iter().filter(|done| !done.worked).count() as f64;
        measured.judge("starved clients", starved, Unit::Count, Target::AtMost(0.0));
        measured.report("longest wait", longest.as_nanos() as f64, Unit::Nanoseconds);
        measured
            .notes
            .push(format!("{RATE} arrivals a second, as Poisson traffic"));
        note_work(measured, work);
        stage.stop(measured).await;
        Ok(())
    })
    .await
}

async fn queue_latency(context: Context) -> Measured {
    measured(async |measured| {
        let count = context.count(1_000);
        let window = context.time(Duration::from_secs(10));
        // A spike of 150 at the start of each window, the others spread over it.
        let spike = count * 15 / 100;
        let stage = Stage::start(&context, exponential(WORK)).await?;
        let mut waits = Latencies::default();
        for _ in 0..5 {
            let mut times = vec![Duration::ZERO; spike as usize];
            times.extend(arrivals(count - spike, window));
            for done in stage.arrive(&times).await? {
                waits.record(done.wait);
                measured.require("every action is done", done.worked);
            }
        }
        measured.p99("queue wait", &waits, 50 * MS);
        note_work(measured, exponential(WORK));
        measured.notes.push(format!(
            "{spike} at the start of each burst, the others over {} s",
            window.as_secs_f64()
        ));
        stage.stop(measured).await;
        // All at once, as a function of the work.
        for work in [MS / 10, MS, 3 * MS] {
            let stage = Stage::start(&context, ServiceTime::Fixed(work)).await?;
            let mut waits = Latencies::default();
            for done in stage.arrive(&vec![Duration::ZERO; count as usize]).await? {
                waits.record(done.wait);
            }
            let name = format!("wait p99, {count} at once, work {work:?}");
            let p99 = waits.summary().p99_ns as f64;
            measured.report(&name, p99, Unit::Nanoseconds);
            stage.pool.stop().await;
        }
        Ok(())
    })
    .await
}

async fn action_types(context: Context) -> Measured {
    measured(async |measured| {
        for (kind, mean, most, rate) in [
            (ActionKind::Scale, 2 * MS, 20 * MS, 200.0),
            (ActionKind::Rollback, 5 * MS, 30 * MS, 100.0),
            (ActionKind::Throttle, MS, 15 * MS, 300.0),
        ] {
            let count = context.count(500);
            let acted = one_by_one(&context, exponential(mean), kind, count, measured);
            let (times, elapsed) = acted.await?;
            measured.p99(&kind.to_string(), &times, most);
            measured.rate(&format!("{kind} actions"), count, elapsed, rate);
            measured
                .notes
                .push(format!("{kind}: {:?}", exponential(mean)));
        }
        Ok(())
    })
    .await
}
