//! The bounds of an ingress.

use std::time::Duration;

use super::secret::{Secret, Token};
use crate::service_time::ServiceTime;

/// The bounds of an ingress.
#[derive(Clone, Debug)]
pub struct IngressConfig {
    /// Largest body, in bytes; a larger one is answered with 413.
    pub body_max: usize,
    /// Bytes of bodies that are read at once, beyond the first 16 KB of each; a body that
    /// would exceed it is answered with 503.
    pub bodies_max: usize,
    /// A body must have come, and the work be done, within this time each.
    pub request_timeout: Duration,
    /// A client must have taken its answers within this time, or the connection is closed.
    pub write_timeout: Duration,
    /// Requests worked on at once; one more is answered with 503.
    pub requests_max: usize,
    /// Requests of one tenant worked on at once; one more is answered with 429.
    pub requests_per_tenant_max: usize,
    /// Connections; one more waits to be accepted.
    pub connections_max: usize,
    /// On shutdown, accepted requests have this time to be finished.
    pub shutdown_timeout: Duration,
    /// What marketplace orders are signed with; without it each one is refused.
    pub secret: Option<Secret>,
    /// An order that comes for the first time is at most so old.
    pub order_age_max: Duration,
    /// An order is at most so far ahead of this machine's clock.
    pub order_ahead_max: Duration,
    /// What pushes have to bring; anybody may push without it.
    pub push_token: Option<Token>,
    /// What requests for figures have to bring; anybody may ask without it.
    pub metrics_token: Option<Token>,
    /// What a request costs in addition to its work, where that is simulated.
    pub request_time: ServiceTime,
}

impl Default for IngressConfig {
    /// Bodies of 2 MB, and of 256 MB together, 10 s for a request and for taking its answer,
    /// 512 requests at once and 128 of one tenant, 16,384 connections, 10 s to shut down.
    /// Orders are at most 5 min old and 1 min ahead; there is no secret and no token.
    fn default() -> Self {
        Self {
            body_max: 2 * 1024 * 1024,
            bodies_max: 256 * 1024 * 1024,
            request_timeout: Duration::from_secs(10),
            requests_max: 512,
            requests_per_tenant_max: 128,
            connections_max: 16_384,
            shutdown_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            secret: None,
            order_age_max: Duration::from_secs(5 * 60),
            order_ahead_max: Duration::from_secs(60),
            push_token: None,
            metrics_token: None,
            request_time: ServiceTime::None,
        }
    }
}
