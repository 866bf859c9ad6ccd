//! What the parts of a system are called: the names that faults, for example, aim at.
//!
//! [`Names::of`](retake_otp::Names::of) makes the registered name from one of these.

/// The supervisor of the whole system.
pub const ROOT: &str = "root";
/// The ledger.
pub const LEDGER: &str = "ledger";
/// The ledger's supervisor.
pub const LEDGER_SUPERVISOR: &str = "ledger-supervisor";
/// The pool of workers.
pub const POOL: &str = "pool";
/// The executor.
pub const EXECUTOR: &str = "executor";
/// The supervisor of pool and executor.
pub const EXECUTOR_SUPERVISOR: &str = "executor-supervisor";
/// The observer.
pub const OBSERVER: &str = "observer";
/// The observer's supervisor.
pub const OBSERVABILITY_SUPERVISOR: &str = "observability-supervisor";
/// Governance.
pub const GOVERNANCE: &str = "governance";
/// Governance's supervisor.
pub const GOVERNANCE_SUPERVISOR: &str = "governance-supervisor";

/// A tenant's governor.
#[must_use]
pub fn governor(tenant: &str) -> String {
    format!("governor/{tenant}")
}

/// A tenant's entitlement.
#[must_use]
pub fn entitlement(tenant: &str) -> String {
    format!("entitlement/{tenant}")
}
