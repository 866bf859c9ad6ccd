//! Figures for Prometheus.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::limits::Limits;
use crate::stages::Stage;
use crate::system::System;
use retake_otp::pool::PoolStatus;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    endpoint: &'static str,
}

/// The figures of one ingress.
pub(super) struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<AnswerLabels, Counter>,
    seconds: Family<Endpoint, Histogram>,
    in_flight: Gauge,
    in_flight_max: Gauge,
    connections: Gauge,
    leased: Gauge,
    waiting: Gauge,
    receipts: Gauge,
    receipt_bytes: Gauge,
    alerts: Gauge,
    stages: Family<StageLabels, Gauge<f64, AtomicU64>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Upper bounds of the histogram, in seconds: the catalogue's limits are among them.
const BUCKETS: [f64; 13] = [
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 10.0,
];

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("retake");
        let requests = Family::default();
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let seconds = Family::new_with_constructor(histogram);
        let (in_flight, in_flight_max, connections) =
            (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "request_duration",
            "From the request's head to its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests worked on",
            in_flight.clone(),
        );
        registry.register(
            "requests_in_flight_max",
            "The most requests that were worked on at once",
            in_flight_max.clone(),
        );
        registry.register("connections", "Open connections", connections.clone());
        let (leased, waiting, receipts) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("pool_leased", "Workers that are leased", leased.clone());
        registry.register(
            "pool_waiting",
            "Clients that wait for a worker",
            waiting.clone(),
        );
        registry.register("receipts", "Receipts in the ledger", receipts.clone());
        let stages = Family::default();
        registry.register_with_unit(
            "stage",
            "Time that requests and actions spent in a stage since the start",
            Unit::Seconds,
            stages.clone(),
        );
        let receipt_bytes = Gauge::default();
        registry.register(
            "receipts_bytes",
            "What the receipts take in memory, roughly",
            receipt_bytes.clone(),
        );
        let alerts = Gauge::default();
        registry.register(
            "windows_with_alerts",
            "Windows of 10 s that raised alerts since the start",
            alerts.clone(),
        );
        Self {
            registry: Mutex::new(registry),
            alerts,
            leased,
            waiting,
            receipts,
            receipt_bytes,
            stages,
            requests,
            seconds,
            in_flight,
            in_flight_max,
            connections,
        }
    }

    pub(super) fn answered(&self, endpoint: &'static str, status: u16, time: Duration) {
        let answered = AnswerLabels { endpoint, status };
        self.requests.get_or_create(&answered).inc();
        let seconds = self.seconds.get_or_create(&Endpoint { endpoint });
        seconds.observe(time.as_secs_f64());
    }

    pub(super) fn connected(&self) {
        self.connections.inc();
    }

    pub(super) fn disconnected(&self) {
        self.connections.dec();
    }

    pub(super) fn encode(
        &self,
        limits: &Limits,
        pool: Option<&PoolStatus>,
        system: &System,
    ) -> String {
        let store = system.store();
        for stage in Stage::ALL {
            let seconds = system.stages().total(stage).as_secs_f64();
            let stage = StageLabels {
                stage: stage.word(),
            };
            self.stages.get_or_create(&stage).set(seconds);
        }
        let set = |gauge: &Gauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        let (now, most) = limits.depth();
        set(&self.in_flight, now);
        set(&self.in_flight_max, most);
        set(&self.leased, pool.map_or(0, |pool| pool.leased));
        set(&self.waiting, pool.map_or(0, |pool| pool.waiting));
        set(&self.receipts, store.len());
        set(&self.receipt_bytes, store.bytes());
        let alerts = system.observations().windows_with_alerts();
        set(&self.alerts, usize::try_from(alerts).unwrap_or(usize::MAX));
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
