//! The benchmarks: thirty loads on the real actors, each with its targets.
//!
//! Every benchmark is one definition that runs in two modes. **Live**: real sockets
//! (a server process of its own), clocks, threads and files. **Sim**: virtual time
//! under the seeded scheduler, where each operation costs what [`Costs`] states: a
//! queueing model of the same actors, the same to the byte whenever it is repeated.
//!
//! A new benchmark is an entry in its suite's list and a function that measures.
//!
//! The modules, in reading order: [`measure`] is what a benchmark fills in, [`target`]
//! what that is judged by, [`context`] what it is given, `wire` how it talks HTTP and
//! `traffic` how much; the suites are `http`, `governor`, `ledger`, `executor` and
//! `stress`; [`calibrate`] measures costs; [`runner`] runs them on a [`machine`]; [`analysis`] says
//! where their time went; [`table`], [`html`], [`baseline`] and [`ci`] tell what came out.

pub mod analysis;
pub mod baseline;
pub mod calibrate;
mod charts;
pub mod ci;
mod client;
pub mod context;
pub mod costs;
mod executor;
mod governor;
pub mod html;
mod http;
mod ledger;
pub mod machine;
pub mod measure;
pub mod runner;
mod stress;
pub mod table;
pub mod target;
mod traffic;
pub(crate) mod wire;

use std::fmt;
use std::pin::Pin;

pub use context::{Context, Mode};
pub use costs::Costs;
pub use measure::Measurement;

type MeasureFuture = Pin<Box<dyn Future<Output = Measurement> + Send>>;

/// One benchmark.
pub struct Benchmark {
    /// Suite and name, for example `ledger/write_latency`.
    pub id: &'static str,
    /// Its full load, in words.
    pub load: &'static str,
    run: fn(Context) -> MeasureFuture,
}

impl fmt::Debug for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Benchmark").field(&self.id).finish()
    }
}

impl Benchmark {
    /// The suite that it belongs to.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        self.id.split('/').next().unwrap_or(self.id)
    }
}

/// A list of benchmarks.
macro_rules! benchmarks {
    ($($id:literal, $load:literal, $run:path;)*) => {
        &[$($crate::bench::Benchmark {
            id: $id,
            load: $load,
            run: |context| Box::pin($run(context)),
        }),*]
    };
}
use benchmarks;

/// The suites, in the order in which they run.
pub const SUITES: [&str; 5] = ["http", "governor", "ledger", "executor", "stress"];

/// What `quick` runs: one or two of each suite, on a tenth of the load.
pub const QUICK: [&str; 8] = [
    "http/health",
    "http/pubsub",
    "governor/signal_processing",
    "governor/event_postponement",
    "ledger/write_latency",
    "ledger/read_performance",
    "executor/action_types",
    "stress/steady_state",
];

/// All benchmarks, by suite.
pub fn all() -> impl Iterator<Item = &'static Benchmark> {
    [
        http::BENCHMARKS,
        governor::BENCHMARKS,
        ledger::BENCHMARKS,
        executor::BENCHMARKS,
        stress::BENCHMARKS,
    ]
    .into_iter()
    .flatten()
}

/// The benchmarks of these names: ids, suites, `all` or `quick`. In the order of
/// the suites, each once.
///
/// # Errors
/// The name that is not known.
pub fn select(names: &[String]) -> Result<Vec<&'static Benchmark>, String> {
    let names: &[String] = if names.is_empty() {
        &["all".to_owned()]
    } else {
        names
    };
    let is_meant = |benchmark: &Benchmark, name: &str| match name {
        "all" => true,
        "quick" => QUICK.contains(&benchmark.id),
        name => benchmark.id == name || benchmark.suite() == name,
    };
    for name in names {
        if !all().any(|benchmark| is_meant(benchmark, name)) {
            return Err(name.clone());
        }
    }
    Ok(all()
        .filter(|benchmark| names.iter().any(|name| is_meant(benchmark, name)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_thirty_in_five_suites_of_six() {
        for suite in SUITES {
            assert_eq!(all().filter(|it| it.suite() == suite).count(), 6, "{suite}");
        }
        let ids: std::collections::BTreeSet<_> = all().map(|it| it.id).collect();
        assert_eq!(ids.len(), 30);
        assert_eq!(select(&["quick".to_owned()]).unwrap().len(), QUICK.len());
    }

    #[test]
    fn names_select_once_and_in_order() {
        let names = ["ledger", "http/health", "ledger/write_latency"].map(str::to_owned);
        let selected: Vec<_> = select(&names).unwrap().iter().map(|it| it.id).collect();
        assert_eq!(selected.len(), 7);
        assert_eq!(selected[0], "http/health");
        assert_eq!(select(&["nothing".to_owned()]).unwrap_err(), "nothing");
        assert_eq!(select(&[]).unwrap().len(), 30);
    }
}
