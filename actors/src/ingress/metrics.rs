//! Figures for Prometheus.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::limits::Limits;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    endpoint: &'static str,
}

/// The figures of one ingress.
pub(super) struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<Answered, Counter>,
    seconds: Family<Endpoint, Histogram>,
    in_flight: Gauge,
    in_flight_max: Gauge,
    connections: Gauge,
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
        Self {
            registry: Mutex::new(registry),
            requests,
            seconds,
            in_flight,
            in_flight_max,
            connections,
        }
    }

    pub(super) fn answered(&self, endpoint: &'static str, status: u16, time: Duration) {
        let answered = Answered { endpoint, status };
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

    pub(super) fn encode(&self, limits: &Limits) -> String {
        let (now, most) = limits.depth();
        self.in_flight.set(i64::try_from(now).unwrap_or(i64::MAX));
        self.in_flight_max
            .set(i64::try_from(most).unwrap_or(i64::MAX));
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
