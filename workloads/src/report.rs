//! What a run of the governed system measured, and whether that is right.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use retake_system::alerts::{self, Figures, Limits};
use retake_system::invariants::{self, Violation};
use retake_system::ledger::ReceiptKind;
use retake_system::{GovernorState, System};
use retake_traces::counted;
use serde::{Deserialize, Serialize};

use crate::load::{Latencies, LatencySummary, LoadResult};

/// The measurements of one run. All of it is the same whenever the run is repeated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Requests made by clients.
    pub requests: u64,
    /// Requests answered, in percent.
    pub success_percent: f64,
    /// Requests in a second of virtual time.
    pub requests_per_s: f64,
    /// From request to answer.
    pub latency: LatencySummary,
    /// How many requests ended how.
    pub answers: BTreeMap<String, u64>,
    /// How many requests failed, by reason.
    pub failures: BTreeMap<String, u64>,
    /// How many actions ended how.
    pub actions: BTreeMap<String, u64>,
    /// From attempt to result of an action.
    pub action_time: LatencySummary,
    /// Longest queue of the worker pool.
    pub pool_queue_max: usize,
    /// Receipts in the ledger.
    pub receipts: usize,
    /// What somebody should look at.
    pub alerts: Vec<String>,
    /// What must hold.
    pub checks: Vec<Check>,
}

/// Something that must hold after a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What must hold.
    pub name: String,
    /// Whether it does.
    pub passed: bool,
    /// The measurement, or what is wrong.
    pub found: String,
}

impl Report {
    /// Measure a system after its load has ended.
    pub async fn of(load: &LoadResult, system: &System) -> Self {
        let requests = load.requests();
        let percent = 100.0 * load.successes() as f64 / requests.max(1) as f64;
        let status = system.pool().status().await;
        let mut report = Self {
            requests,
            success_percent: round(percent),
            requests_per_s: round(
                requests as f64 / load.elapsed.as_secs_f64().max(f64::MIN_POSITIVE),
            ),
            latency: load.latencies.summary(),
            answers: load
                .answers
                .iter()
                .map(|(kind, count)| ((*kind).to_owned(), *count))
                .collect(),
            failures: load.failures.clone(),
            pool_queue_max: status.map_or(0, |status| status.waiting_max),
            ..Self::default()
        };
        report.raise_alerts();
        report.check_receipts(system);
        report.check_governors(system).await;
        report.check(
            "all workers are back in the pool",
            status.is_ok_and(|status| {
                status.leased == 0 && status.overflow == 0 && status.waiting == 0
            }),
            match status {
                Ok(status) => format!("{} idle, {} leased", status.idle, status.leased),
                Err(error) => error.to_string(),
            },
        );
        report
    }

    fn raise_alerts(&mut self) {
        let measured = self.requests > 0;
        let figures = Figures {
            p99: measured.then(|| Duration::from_nanos(self.latency.p99_ns)),
            success: measured.then_some(self.success_percent / 100.0),
            queue_depth: Some(self.pool_queue_max as u64),
            memory_growth: None,
        };
        let alerts = alerts::evaluate(&figures, &Limits::default());
        self.alerts = alerts.iter().map(ToString::to_string).collect();
    }

    fn check_receipts(&mut self, system: &System) {
        let receipts = system.store().all();
        let mut times = Latencies::default();
        let mut attempts = 0_u64;
        for receipt in &receipts {
            match &receipt.kind {
                ReceiptKind::Attempt { .. } => attempts += 1,
                ReceiptKind::Result {
                    outcome,
                    duration_ns,
                    ..
                } => {
                    *self.actions.entry(outcome.clone()).or_default() += 1;
                    times.record(Duration::from_nanos(*duration_ns));
                }
                _ => {}
            }
        }
        self.receipts = receipts.len();
        self.action_time = times.summary();
        self.check_invariants(
            "every accepted action has exactly one result",
            &invariants::governors(&receipts, Duration::MAX),
            counted(attempts, "action"),
        );
        self.check_invariants(
            "the chains of all tenants verify",
            &invariants::ledger(system.store()),
            counted(receipts.len(), "receipt"),
        );
    }

    fn check_invariants(&mut self, name: &str, violations: &[Violation], found: String) {
        let found = match violations {
            [] => found,
            [first, rest @ ..] => match rest.len() {
                0 => first.to_string(),
                more => format!("{first}, and {more} more"),
            },
        };
        self.check(name, violations.is_empty(), found);
    }

    async fn check_governors(&mut self, system: &System) {
        let tenants = system.tenants().await.unwrap_or_default();
        let mut unsettled = Vec::new();
        for tenant in &tenants {
            match system.governor_state(tenant).await {
                Ok(GovernorState::Stable | GovernorState::Warning) => {}
                Ok(state) => unsettled.push(format!("{tenant} is {state}")),
                Err(error) => unsettled.push(format!("{tenant}: {error}")),
            }
        }
        let found = match unsettled.is_empty() {
            true => counted(tenants.len(), "governor"),
            false => unsettled.join(", "),
        };
        self.check(
            "no governor is left intervening",
            unsettled.is_empty() && !tenants.is_empty(),
            found,
        );
    }

    /// Add something that must hold.
    pub fn check(&mut self, name: impl Into<String>, passed: bool, found: impl Into<String>) {
        self.checks.push(Check {
            name: name.into(),
            passed,
            found: found.into(),
        });
    }

    /// The checks that do not hold, a sentence each.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|check| !check.passed);
        failed
            .map(|check| format!("check failed: {}: {}", check.name, check.found))
            .collect()
    }
}

/// To three decimals: more would pretend to a precision that is not there.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Nanoseconds in the unit that suits them.
#[must_use]
pub fn human_ns(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let list: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if list.is_empty() {
        "none".to_owned()
    } else {
        list.join(", ")
    }
}

impl fmt::Display for LatencySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {}, p90 {}, p99 {}, max {}",
            human_ns(self.p50_ns),
            human_ns(self.p90_ns),
            human_ns(self.p99_ns),
            human_ns(self.max_ns)
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requests > 0 {
            writeln!(
                f,
                "requests     {} ({:.1} per s), {:.2} % answered",
                self.requests, self.requests_per_s, self.success_percent
            )?;
            writeln!(f, "answers      {}", counts(&self.answers))?;
            for (reason, count) in &self.failures {
                writeln!(f, "failed       {count} {reason}")?;
            }
            writeln!(f, "latency      {}", self.latency)?;
        }
        writeln!(f, "actions      {}", counts(&self.actions))?;
        writeln!(f, "action time  {}", self.action_time)?;
        writeln!(f, "pool queue   at most {}", self.pool_queue_max)?;
        write!(f, "receipts     {}", self.receipts)?;
        for alert in &self.alerts {
            write!(f, "\n{alert}")?;
        }
        for check in &self.checks {
            let mark = if check.passed { "PASS" } else { "FAIL" };
            write!(f, "\n{mark}         {}: {}", check.name, check.found)?;
        }
        Ok(())
    }
}
