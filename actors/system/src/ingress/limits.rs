//! How many requests are worked on at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts requests, in total and by tenant.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    counts: Arc<Mutex<Counts>>,
    max: usize,
    per_tenant_max: usize,
    bodies_max: usize,
}

/// Bytes of a body that are not counted: small bodies are still taken when large ones have
/// used up the budget.
const FREE_BYTES: usize = 16 * 1024;

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    most: usize,
    /// Bytes of bodies that are being read.
    body_bytes: usize,
    /// Tenants without requests are not kept.
    by_tenant: BTreeMap<String, usize>,
}

/// Held while a request is worked on.
#[derive(Debug)]
pub(super) struct Admission {
    limits: Limits,
    tenant: Option<String>,
}

impl Limits {
    pub(super) fn new(max: usize, per_tenant_max: usize, bodies_max: usize) -> Self {
        Self {
            counts: Arc::default(),
            max,
            per_tenant_max,
            bodies_max,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take a request on, unless there are too many.
    pub(super) fn admit(&self) -> Option<Admission> {
        let mut counts = self.counts();
        if counts.all >= self.max {
            return None;
        }
        counts.all += 1;
        counts.most = counts.most.max(counts.all);
        drop(counts);
        Some(Admission {
            limits: self.clone(),
            tenant: None,
        })
    }

    /// Count the bytes of a body that is read.
    pub(super) fn reserve(&self) -> Reservation<'_> {
        Reservation {
            limits: self,
            bytes: 0,
        }
    }

    pub(super) fn depth(&self) -> (usize, usize) {
        let counts = self.counts();
        (counts.all, counts.most)
    }
}

/// Bytes of a body, counted while it is read.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    limits: &'a Limits,
    bytes: usize,
}

impl Reservation<'_> {
    /// The body has so many bytes now; false if all bodies together have too many.
    pub(super) fn grow_to(&mut self, bytes: usize) -> bool {
        let bytes = bytes.saturating_sub(FREE_BYTES);
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }
        let mut counts = self.limits.counts();
        if counts.body_bytes + more > self.limits.bodies_max {
            return false;
        }
        counts.body_bytes += more;
        self.bytes = bytes;
        true
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.limits.counts().body_bytes -= self.bytes;
        }
    }
}

impl Admission {
    /// Count it for a tenant as well; false if the tenant has too many.
    pub(super) fn of_tenant(&mut self, tenant: &str) -> bool {
        let mut counts = self.limits.counts();
        let count = counts.by_tenant.entry(tenant.to_owned()).or_default();
        if *count >= self.limits.per_tenant_max {
            return false;
        }
        *count += 1;
        self.tenant = Some(tenant.to_owned());
        true
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut counts = self.limits.counts();
        counts.all -= 1;
        if let Some(tenant) = self.tenant.take()
            && let Some(count) = counts.by_tenant.get_mut(&tenant)
        {
            *count -= 1;
            if *count == 0 {
                counts.by_tenant.remove(&tenant);
            }
        }
    }
}
