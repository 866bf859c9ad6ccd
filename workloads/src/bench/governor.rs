//! The governor's state machine.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use retake_system::governor::GovernorEventKind;
use retake_system::ledger::ReceiptKind;
use retake_system::stages::Stage;
use retake_system::{GovernorState, ServiceTime, Signal, System, Verdict, invariants};

use super::context::Context;
use super::measure::Measurement;
use super::target::{Target, Unit};
use super::{Benchmark, benchmarks};
use crate::load::Latencies;

pub(super) const BENCHMARKS: &[Benchmark] = benchmarks![
    "governor/state_transitions", "1,000 cycles boot, stable, warning, intervening, stable", state_transitions;
    "governor/signal_processing", "5,000 signals", signal_processing;
    "governor/concurrent", "100 governors x 100 signals", concurrent;
    "governor/entitlement_checks", "10,000 checks", entitlement_checks;
    "governor/action_tracking", "1,000 actions, one in flight for a tenant", action_tracking;
    "governor/event_postponement", "1,000 events while intervening", event_postponement;
];

fn tenant(number: u64) -> String {
    format!("tenant-{number}")
}

fn signal(tenant: String, value: f64) -> Signal {
    Signal {
        tenant,
        metric: "cpu".to_owned(),
        value,
        ..Signal::default()
    }
}

/// A benchmark on a system with so many tenants.
async fn on_system(
    context: &Context,
    action_time: ServiceTime,
    tenants: u64,
    measure: impl AsyncFnOnce(&System, &mut Measurement) -> Result<(), String>,
) -> Measurement {
    let mut measured = Measurement::new();
    let config = context.system(context.slept(action_time));
    match context.start(config, (0..tenants).map(tenant)).await {
        Ok(system) => {
            if let Err(error) = measure(&system, &mut measured).await {
                measured.errors.push(error);
            }
            measured.violations(&invariants::ledger(system.store()));
            describe_stages(&system, &mut measured);
            system.stop().await;
        }
        Err(error) => measured.errors.push(error),
    }
    measured
}

/// Where the time of signals went.
fn describe_stages(system: &System, measured: &mut Measurement) {
    let spent = |stage| system.stages().total(stage);
    let (governor, ledger) = (spent(Stage::Governor), spent(Stage::Ledger));
    if governor.is_zero() {
        return;
    }
    let signals = measured.distributions.iter().map(|it| it.summary.count);
    let signals = signals.max().unwrap_or(1);
    // Governors write down transitions and attempts behind their verdicts.
    let ledger = ledger.min(governor);
    measured.stage("governor and its queue", governor - ledger, signals);
    measured.stage("ledger", ledger, signals);
}

/// Hand a signal in and note how long the verdict took.
async fn ask(system: &System, signal: Signal, times: &mut Latencies) -> Result<Verdict, String> {
    let start = retake::now();
    let verdict = system.signal(signal).await;
    times.record(start.elapsed());
    verdict.map_err(|error| error.to_string())
}

/// Wait until the tenant's action is over.
async fn until_stable(system: &System, tenant: &str) -> Result<(), String> {
    for _ in 0..10_000 {
        match system.governor_state(tenant).await {
            Ok(GovernorState::Intervening) => retake::sleep(Duration::from_micros(100)).await,
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("the governor of {tenant} stays intervening"))
}

async fn state_transitions(context: Context) -> Measurement {
    let cycles = context.count(1_000);
    on_system(
        &context,
        ServiceTime::None,
        cycles,
        async |system, measured| {
            let mut times = Latencies::default();
            let start = retake::now();
            for number in 0..cycles {
                let tenant = tenant(number);
                for value in [10.0, 70.0, 90.0] {
                    ask(system, signal(tenant.clone(), value), &mut times).await?;
                }
                let back = retake::now();
                until_stable(system, &tenant).await?;
                times.record(back.elapsed());
            }
            measured.p99("transition", &times, Duration::from_millis(10));
            measured.rate("cycles", cycles, start.elapsed(), 100.0);
            let transitions = system.store().all();
            let transitions = transitions
                .iter()
                .filter(|receipt| matches!(receipt.kind, ReceiptKind::Transition { .. }))
                .count() as u64;
            measured.require("each cycle has four transitions", transitions == 4 * cycles);
            Ok(())
        },
    )
    .await
}

async fn signal_processing(context: Context) -> Measurement {
    let signals = context.count(5_000);
    on_system(&context, ServiceTime::None, 1, async |system, measured| {
        let mut times = Latencies::default();
        let start = retake::now();
        for number in 0..signals {
            let value = if number % 2 == 0 { 10.0 } else { 70.0 };
            ask(system, signal(tenant(0), value), &mut times).await?;
        }
        measured.p99("signal", &times, Duration::from_millis(1));
        measured.rate("signals", signals, start.elapsed(), 1_000.0);
        Ok(())
    })
    .await
}

async fn concurrent(context: Context) -> Measurement {
    const GOVERNORS: u64 = 100;
    let signals = context.count(100);
    on_system(
        &context,
        ServiceTime::None,
        GOVERNORS,
        async |system, measured| {
            let start = retake::now();
            let clients: Vec<_> = (0..GOVERNORS)
                .map(|number| {
                    let system = system.clone();
                    retake::spawn(async move {
                        let mut times = Latencies::default();
                        let start = retake::now();
                        for number_of_signal in 0..signals {
                            let value = if number_of_signal % 2 == 0 {
                                10.0
                            } else {
                                70.0
                            };
                            ask(&system, signal(tenant(number), value), &mut times).await?;
                        }
                        Ok::<_, String>((times, start.elapsed()))
                    })
                })
                .collect();
            let mut times = Latencies::default();
            let mut took = Vec::new();
            for client in clients {
                let (of_client, elapsed) = client.await.map_err(|error| error.to_string())??;
                times.add(&of_client);
                took.push(elapsed);
            }
            let elapsed = start.elapsed();
            took.sort_unstable();
            measured.rate("signals", GOVERNORS * signals, elapsed, 10_000.0);
            let median = took[took.len() / 2].as_secs_f64();
            let slowest = took.last().map_or(0.0, Duration::as_secs_f64);
            let ratio = slowest / median.max(1e-9);
            measured.judge(
                "slowest over median governor",
                ratio,
                Unit::Ratio,
                Target::AtMost(5.0),
            );
            measured.distribution("signal", &times);
            Ok(())
        },
    )
    .await
}

async fn entitlement_checks(context: Context) -> Measurement {
    let checks = context.count(10_000);
    on_system(&context, ServiceTime::None, 10, async |system, measured| {
        let mut times = Latencies::default();
        let mut entitled = 0;
        let read_time = context.read_time();
        for number in 0..checks {
            // Half of them are of tenants that are not.
            let tenant = tenant(number % 20);
            let start = retake::now();
            read_time.spend().await;
            entitled += u64::from(system.entitlements().is_entitled(&tenant));
            times.record(start.elapsed());
        }
        measured.p99("check", &times, Duration::from_millis(5));
        measured.require(
            "half of the tenants are entitled",
            entitled.abs_diff(checks / 2) <= 10,
        );
        Ok(())
    })
    .await
}

async fn action_tracking(context: Context) -> Measurement {
    const TENANTS: u64 = 10;
    let actions = context.count(1_000);
    let work = ServiceTime::Fixed(Duration::from_millis(1));
    on_system(&context, work, TENANTS, async |system, measured| {
        let mut times = Latencies::default();
        for number in 0..actions {
            let tenant = tenant(number % TENANTS);
            until_stable(system, &tenant).await?;
            let verdict = ask(system, signal(tenant, 90.0), &mut times).await?;
            if !matches!(verdict, Verdict::Acting(_)) {
                return Err(format!("instead of an action: {verdict:?}"));
            }
        }
        for number in 0..TENANTS {
            until_stable(system, &tenant(number)).await?;
        }
        measured.p99("action accepted", &times, Duration::from_millis(10));
        let receipts = system.store().all();
        measured.violations(&invariants::governors(&receipts, Duration::from_secs(30)));
        Ok(())
    })
    .await
}

async fn event_postponement(context: Context) -> Measurement {
    let events = context.count(1_000);
    let work = ServiceTime::Fixed(Duration::from_millis(500));
    on_system(&context, work, 1, async |system, measured| {
        ask(system, signal(tenant(0), 90.0), &mut Latencies::default()).await?;
        let mut waiting = Vec::new();
        for number in 0..events {
            let mut asked = Box::pin(ask_at(system.clone(), event(number)));
            // Sent from here, so that they come in this order; awaited each by itself.
            let sent = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
            measured.require("no event has its verdict at once", sent.is_pending());
            if sent.is_pending() {
                waiting.push(retake::spawn(asked));
            }
        }
        let mut ends = Vec::new();
        for waiting in waiting {
            ends.push(waiting.await.map_err(|error| error.to_string())??);
        }
        ends.sort_unstable();
        // From one verdict to the next: what each event took once it was retried.
        let mut times = Latencies::default();
        for pair in ends.windows(2) {
            times.record(pair[1] - pair[0]);
        }
        measured.p99("retried event", &times, Duration::from_millis(10));
        let receipts = system.store().of_tenant(&tenant(0));
        let handled = receipts.iter().filter_map(|receipt| match receipt.kind {
            ReceiptKind::Signal { .. } => receipt.signal.clone(),
            _ => None,
        });
        let sent = (0..events).filter_map(|number| event(number).id);
        let in_order = handled.eq(sent);
        measured.require("each event is handled exactly once, in order", in_order);
        let met = system.inspect_governor(&tenant(0)).await;
        let met = met.map_err(|error| error.to_string())?.met;
        let postponed = met
            .get(&(GovernorState::Intervening, GovernorEventKind::Signal))
            .copied();
        let postponed = postponed.unwrap_or(0) as f64;
        let all = Target::AtLeast(events as f64);
        measured.judge("events postponed", postponed, Unit::Count, all);
        Ok(())
    })
    .await
}

fn event(number: u64) -> Signal {
    Signal {
        id: Some(format!("{number:06}")),
        ..signal(tenant(0), 10.0)
    }
}

/// When a signal had its verdict.
async fn ask_at(system: System, signal: Signal) -> Result<retake::Instant, String> {
    let verdict = system.signal(signal).await;
    verdict.map_err(|error| error.to_string())?;
    Ok(retake::now())
}
