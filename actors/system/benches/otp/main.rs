//! What the actors do live, compared with what OTP does.
//!
//! ```text
//! cargo bench -p retake-system             # everything
//! cargo bench -p retake-system -- pool     # rows whose name contains `pool`
//! ```
//!
//! Each row runs on a current-thread runtime and on two worker threads of a
//! multi-thread one, and then, if Erlang and poolboy are installed (Debian:
//! `erlang-base erlang-crypto erlang-poolboy`), what `otp.erl` does of it runs on one
//! scheduler and on two. The last column says how many times as good our better
//! figure is as OTP's better one. Without Erlang the column `OTP` has figures of OTP 25
//! with its JIT on two shared cores of another machine, for orientation. Of
//! several rounds the best counts on both sides.
#![allow(
    clippy::disallowed_methods,
    missing_docs,
    reason = "measures real time"
)]

mod erlang;
mod figure;
mod governor;
mod ledger;
mod memory;
mod pool;
mod statem;
mod supervisor;

use std::future::Future;
use std::pin::Pin;

use retake_sim::memory::CountingAllocator;

use crate::erlang::Erlang;
use crate::figure::{Figure, Score};
use crate::pool::Dies;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

type Round = Pin<Box<dyn Future<Output = Figure> + Send>>;

struct Row {
    name: &'static str,
    /// OTP's figure from another machine.
    otp: &'static str,
    round: fn() -> Round,
}

macro_rules! rows {
    ($($name:literal, $otp:literal, $round:expr;)*) => {
        [$(Row { name: $name, otp: $otp, round: || Box::pin($round) }),*]
    };
}

const ROUNDS: usize = 5;

fn main() {
    // A test run builds this, so that it stays correct, and measures nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    retake_sim::memory::enable();
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let rows = rows![
        "governor call", "576 k/s", governor::calls(false);
        "governor call with receipt", "136 k/s", governor::calls(true);
        "governor call with receipt, latency", "6.2 / 11.6 µs", governor::call_times();
        "100 governors with receipts", "192 k/s", governor::many_calls();
        "signal with receipt through the system", "", governor::signals();
        "pool checkout + check-in, 1 client", "489 k/s", pool::lend(1, false);
        "pool checkout + check-in, 20 clients", "470 k/s", pool::lend(20, false);
        "pool checkout + check-in, 100 clients", "410 k/s", pool::lend(100, false);
        "pool transaction with a call, 1 client", "174 k/s", pool::lend(1, true);
        "pool transaction with a call, 20 clients", "249 k/s", pool::lend(20, true);
        "pool transaction with a call, 100 clients", "269 k/s", pool::lend(100, true);
        "pool: death of a worker to waiter served", "39 / 61 µs", pool::replace(Dies::Worker);
        "pool: death of a client to waiter served", "10 / 37 µs", pool::replace(Dies::Client);
        "pool: 1,000 waiters die", "4600 µs", pool::give_up();
        "pool: burst of 5 x 1,000, work 1 ms, wait", "69 / 137 ms", pool::burst(1_000);
        "pool: burst of 5 x 1,000, work 0.1 ms, wait", "", pool::burst(100);
        "supervisor: kill to restarted", "16.6 / 39 µs", supervisor::restart();
        "ledger write, direct", "218 k/s", ledger::write_directly();
        "ledger write, direct, latency", "- / 8.8 µs", ledger::write_times_directly();
        "ledger write through the actor", "154 k/s", ledger::write(false);
        "ledger write through the actor, latency", "- / 12 µs", ledger::write_times();
        "ledger write, group commit, 100 writers", "", ledger::write(true);
        "ledger batch of 100", "220 k/s", ledger::write_batches();
        "ledger read by id", "743 k/s", ledger::read();
        "ledger read by id, latency", "- / 2.6 µs", ledger::read_times();
        "ledger: memory of a receipt", "820 B", memory::receipt_memory();
        "postpone and retry 1,000 events", "21277 k/s", statem::postpone(1_000);
        "postpone and retry 10,000 events", "16129 k/s", statem::postpone(10_000);
        "postpone and retry 100,000 events", "12821 k/s", statem::postpone(100_000);
        "memory of an actor", "2700 B", memory::actor_memory();
        "memory of a governor", "", memory::governor_memory();
    ];
    let erlang = Erlang::find();
    print!("{:<44}{:>18}{:>18}", "", "current thread", "two workers");
    match &erlang {
        Some(_) => println!("{:>18}{:>18}{:>8}", "OTP +S 1", "OTP +S 2", "ours"),
        None => println!("{:>18}", "OTP (elsewhere)"),
    }
    for row in rows {
        if wanted.is_empty() || wanted.iter().any(|part| row.name.contains(part.as_str())) {
            print_row(&row, erlang.as_ref());
        }
    }
    println!("k/s: thousands a second; µs and ms: p50 / p99; the best of {ROUNDS} rounds");
    if let Some(erlang) = erlang {
        let release = erlang.release();
        println!("OTP {release}; ours: how many times as good our better figure is");
    }
}

fn print_row(row: &Row, erlang: Option<&Erlang>) {
    let one = measure(row, None);
    // Memory is counted for each thread by itself.
    let two = match one {
        Figure::Bytes(_) => None,
        _ => Some(measure(row, Some(2))),
    };
    let two_text = two.as_ref().map(ToString::to_string).unwrap_or_default();
    print!("{:<44}{one:>18}{two_text:>18}", row.name);
    let Some(erlang) = erlang else {
        println!("{:>18}", row.otp);
        return;
    };
    let theirs: Vec<(String, Score)> = [1, 2]
        .into_iter()
        .filter_map(|schedulers| erlang.measure(row.name, schedulers))
        .collect();
    for (text, _) in &theirs {
        print!("{text:>18}");
    }
    let ours = std::iter::once(one.score()).chain(two.map(|two| two.score()));
    let best = |scores: Vec<Score>| {
        let better = |a: Score, b: Score| if a.times_as_good_as(b) >= 1.0 { a } else { b };
        scores.into_iter().reduce(better)
    };
    let theirs = best(theirs.into_iter().map(|(_, score)| score).collect());
    match (best(ours.collect()), theirs) {
        (Some(ours), Some(theirs)) => println!("{:>7.2}x", ours.times_as_good_as(theirs)),
        _ => println!(),
    }
}

fn measure(row: &Row, workers: Option<usize>) -> Figure {
    let rounds = (0..ROUNDS).map(|_| {
        let mut builder = match workers {
            None => tokio::runtime::Builder::new_current_thread(),
            Some(_) => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = builder
            .worker_threads(workers.unwrap_or(1))
            .enable_time()
            .build()
            .unwrap();
        let round = runtime.spawn((row.round)());
        runtime.block_on(round).unwrap()
    });
    rounds.reduce(Figure::better).unwrap()
}
