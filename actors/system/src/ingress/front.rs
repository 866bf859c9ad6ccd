//! What all requests share.

use std::sync::Arc;

use super::config::IngressConfig;
use super::limits::Limits;
use super::metrics::Metrics;
use crate::system::System;

/// An HTTP front of a system. Clones share its limits and figures.
#[derive(Clone, Debug)]
pub struct Ingress(pub(super) Arc<FrontState>);

#[derive(Debug)]
pub(super) struct FrontState {
    pub(super) system: System,
    pub(super) config: IngressConfig,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
}

impl Ingress {
    /// In front of this system.
    #[must_use]
    pub fn new(system: &System, config: IngressConfig) -> Self {
        Self(Arc::new(FrontState {
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

impl FrontState {
    pub(super) async fn figures(&self) -> String {
        // A pool that is being restarted has no figures.
        let pool = self.system.pool().status().await.ok();
        self.metrics
            .encode(&self.limits, pool.as_ref(), &self.system)
    }
}
