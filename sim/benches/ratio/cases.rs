//! The rows of the table.

use std::time::Duration;

use retake_sim::{HORIZON_MAX, Isolation, Sim};
use retake_traces::header::Header;
use retake_traces::writer::TraceWriter;

use crate::bare::workloads as plain;
use crate::gated::workloads as gated;
use crate::measure::{Case, Goal, Scale, Unit, bare, defer, micros, per_second, random, simulated};
use crate::memory::retained;

const HOUR: Duration = Duration::from_secs(3600);
const MESSAGES: Unit = Unit::PerSecond("msg/s");

/// Every case, in the order of the table.
pub(crate) fn all(scale: &Scale) -> Vec<Case> {
    let messages = 200_000 / scale.divisor;
    vec![
        pass_through(messages),
        ping_pong(messages),
        ring(
            "ring of 1,000",
            1_000,
            100,
            300_000 / scale.divisor,
            [Goal::Ratio(0.55), Goal::Ratio(0.7)],
        ),
        ring(
            "full ring of 1,000",
            1_000,
            1_000,
            300_000 / scale.divisor,
            [Goal::Open; 2],
        ),
        ring(
            "ring of 100,000",
            100_000,
            10_000,
            400_000 / scale.divisor,
            [Goal::Open; 2],
        ),
        fan_in(300_000 / scale.divisor),
        queue(20_000 / scale.divisor),
        schedules(400 / scale.divisor),
        start_up(1_000 / scale.divisor),
        start_up_on_thread(200 / scale.divisor),
        idle_hour(1_000 / scale.divisor),
        memory(100_000),
    ]
}

fn pass_through(messages: u64) -> Case {
    Case::new(MESSAGES, move || {
        per_second(|| bare(false, || plain::ping_pong::run(messages)))
    })
    .row("gates, not simulated", Goal::Open, move || {
        per_second(|| bare(false, || gated::ping_pong::run(messages)))
    })
}

fn ping_pong(messages: u64) -> Case {
    let simulate =
        move |sim: Sim| per_second(|| simulated(sim, move || gated::ping_pong::run(messages)));
    Case::new(MESSAGES, move || {
        per_second(|| bare(false, || plain::ping_pong::run(messages)))
    })
    .row("ping-pong, random", Goal::Ratio(0.85), move || {
        simulate(random())
    })
    .row("ping-pong, defer", Goal::Ratio(0.95), move || {
        simulate(defer())
    })
    .row("ping-pong, trace file", Goal::Open, move || {
        let folder = tempfile::tempdir().unwrap();
        let writer = TraceWriter::create(folder.path().join("trace"), &Header::default()).unwrap();
        simulate(random().trace(writer))
    })
    .row("ping-pong, causality", Goal::Open, move || {
        simulate(random().causality(true))
    })
}

fn ring(name: &str, members: usize, tokens: usize, messages: u64, goals: [Goal; 2]) -> Case {
    let simulate = move |sim: Sim| {
        per_second(|| simulated(sim, move || gated::ring::run(members, tokens, messages)))
    };
    Case::new(MESSAGES, move || {
        per_second(|| bare(false, || plain::ring::run(members, tokens, messages)))
    })
    .row(format!("{name}, random"), goals[0], move || {
        simulate(random())
    })
    .row(
        format!("{name}, defer"),
        goals[1],
        move || simulate(defer()),
    )
}

fn fan_in(messages: u64) -> Case {
    let simulate =
        move |sim: Sim| per_second(|| simulated(sim, move || gated::fan_in::run(messages)));
    Case::new(MESSAGES, move || {
        per_second(|| bare(false, || plain::fan_in::run(messages)))
    })
    .row("fan-in, random", Goal::Ratio(0.65), move || {
        simulate(random())
    })
    .row(
        "fan-in, defer",
        Goal::Ratio(0.85),
        move || simulate(defer()),
    )
}

fn queue(jobs: u64) -> Case {
    let simulate = move |sim: Sim| {
        per_second(|| simulated(sim.horizon(HORIZON_MAX), move || gated::queue::run(jobs)))
    };
    Case::new(Unit::PerSecond("jobs/s"), move || {
        per_second(|| bare(true, || plain::queue::run(jobs)))
    })
    .row("M/M/10 queue, random", Goal::Ratio(1.5), move || {
        simulate(random())
    })
    .row("M/M/10 queue, defer", Goal::Open, move || simulate(defer()))
}

fn schedules(runs: u64) -> Case {
    let simulate = move |sim: fn() -> Sim| {
        per_second(|| {
            for seed in 0..runs {
                simulated(sim().seed(seed), gated::pool::run);
            }
            runs
        })
    };
    Case::new(Unit::PerSecond("runs/s"), move || {
        per_second(|| {
            for _ in 0..runs {
                bare(true, plain::pool::run);
            }
            runs
        })
    })
    .row("pool bug, random", Goal::Ratio(0.75), move || {
        simulate(random)
    })
    .row("pool bug, defer", Goal::Open, move || simulate(defer))
}

fn start_up(runs: u64) -> Case {
    Case::new(Unit::Micros, move || {
        micros(runs, |_| bare(true, plain::still::start_one))
    })
    .row("start-up", Goal::AtMost(4.0), move || {
        micros(runs, |seed| {
            simulated(random().seed(seed), gated::still::start_one);
        })
    })
}

fn start_up_on_thread(runs: u64) -> Case {
    Case::new(Unit::Micros, move || {
        micros(runs, |_| {
            std::thread::spawn(|| bare(true, plain::still::start_one))
                .join()
                .unwrap();
        })
    })
    .row("start-up, fresh thread", Goal::AtMost(50.0), move || {
        micros(runs, |seed| {
            let run = random()
                .seed(seed)
                .isolation(Isolation::Thread)
                .run(gated::still::start_one);
            run.expect_passed();
        })
    })
}

/// The sleep alone: a run's own start is `start_up`'s.
fn idle_hour(times: u64) -> Case {
    async fn hours(times: u64, sleep: impl AsyncFn()) {
        for _ in 0..times {
            sleep().await;
        }
    }
    // Clocks that the simulation reads are its own.
    let micros_an_hour = move |all: &dyn Fn()| micros(1, |_| all()) / times as f64;
    Case::new(Unit::Micros, move || {
        micros_an_hour(&|| {
            bare(true, move || {
                hours(times, async || tokio::time::sleep(HOUR).await)
            });
        })
    })
    .row("idle hour", Goal::AtMost(10.0), move || {
        micros_an_hour(&|| {
            simulated(random().horizon(HORIZON_MAX), move || {
                hours(times, async || retake::sleep(HOUR).await)
            });
        })
    })
}

fn memory(actors: usize) -> Case {
    Case::new(Unit::Bytes, move || {
        bare(true, move || retained(plain::still::start(actors))) / actors as f64
    })
    .row("memory of an actor", Goal::OnTop(200.0), move || {
        simulated(random(), move || retained(gated::still::start(actors))) / actors as f64
    })
}
