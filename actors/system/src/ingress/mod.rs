//! The way in: HTTP, with receipts for what is taken and for what is refused.
//!
//! | request | answers |
//! |---|---|
//! | `GET /health` | 200 when the governance and ledger supervisors answer, else 503 |
//! | `POST /pubsub` | a signal in a Pub/Sub envelope: 200 with its receipt; 400; 403 when the tenant is not entitled |
//! | `POST /marketplace` | an action, or a change of an entitlement, signed: 200 with its receipt; 400; 401; 403; 409 when the entitlement does not allow the change |
//! | `GET /metrics` | figures in the Prometheus text format |
//!
//! `/pubsub` and `/metrics` take anybody's requests, unless [`IngressConfig::push_token`] and
//! [`IngressConfig::metrics_token`] say who may: then those without
//! `Authorization: Bearer TOKEN` get 401.
//!
//! Everywhere: 413 for a body above the limit, 408 for one that comes too slowly,
//! 429 for a tenant with too many requests at once, 503 when too many are there
//! altogether (`overloaded`) or too much of their bodies (`large_bodies`), when the work
//! takes too long or when a part does not answer. A second Pub/Sub message of a tenant
//! with one id gives the first one's receipt and changes nothing, also when the first was
//! refused; one whose tenant cannot be read is known by its id alone. A flood of refusals
//! shares receipts, see [`LedgerRef::refuse`](crate::LedgerRef::refuse).
//!
//! A signature is the HMAC-SHA-256, in hexadecimal digits, over the body without its
//! `signature`, see [`Order::signed_text`]. A signed order counts once: the same one again
//! gives the first one's receipt. One that was never seen has to be young
//! ([`IngressConfig::order_age_max`], else 403 `untimely_order`) and has to name the tenant's
//! entitlement (else 403 `other_entitlement`); a change has to be younger than the last one
//! (else 409 `out_of_order`), so one that was kept back cannot undo a later one.
//!
//! 200 is sent once the receipt is as durable as the ledger's mode says. A request
//! whose client has waited [`IngressConfig::request_timeout`] is not begun any more.
//!
//! The server reads time and spawns tasks through the facade only, and takes any
//! listener, so it runs in a simulation on simulated sockets.
//!
//! ```
//! use retake_system::ingress::{Ingress, IngressConfig};
//! use retake_system::{System, SystemConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::start(SystemConfig::default()).await?;
//! let ingress = Ingress::new(&system, IngressConfig::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let stop = async { retake::sleep(std::time::Duration::from_millis(10)).await };
//! let served = ingress.serve(listener, stop).await;
//! assert_eq!(served.connections, 0);
//! system.stop().await;
//! # Ok(())
//! # }
//! ```

mod asked;
mod envelope;
mod http;
mod limits;
mod metrics;
mod order;
mod orders;
mod secret;
mod server;
mod timed;

use std::sync::Arc;
use std::time::Duration;

pub use envelope::check_name;
pub use envelope::{Envelope, EnvelopeError};
pub use order::{Order, OrderError, Wanted};
pub use secret::{Secret, Token, WeakKey, check_key};
pub use server::Served;

use crate::service_time::ServiceTime;
use crate::system::System;
use limits::Limits;
use metrics::Metrics;

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
    /// What a request costs beside its work, where that is simulated.
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

/// An HTTP front of a system. Clones share its limits and figures.
#[derive(Clone, Debug)]
pub struct Ingress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    system: System,
    config: IngressConfig,
    limits: Limits,
    metrics: Metrics,
}

impl Ingress {
    /// In front of this system.
    #[must_use]
    pub fn new(system: &System, config: IngressConfig) -> Self {
        Self(Arc::new(Shared {
            system: system.clone(),
            limits: Limits::new(
                config.requests_max,
                config.requests_per_tenant_max,
                config.bodies_max,
            ),
            metrics: Metrics::new(),
            config,
        }))
    }

    /// The figures in the Prometheus text format.
    pub async fn metrics(&self) -> String {
        self.0.figures().await
    }

    /// Requests that are worked on now, and the most that ever were.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        self.0.limits.depth()
    }
}

impl Shared {
    async fn figures(&self) -> String {
        // A pool that is being restarted has no figures.
        let pool = self.system.pool().status().await.ok();
        self.metrics
            .encode(&self.limits, pool.as_ref(), &self.system)
    }
}
