//! Time and randomness outside simulations: the monotonic clock, and the operating system's
//! generator. Application code uses [`now`](crate::now) and [`rng`](crate::rng), which a
//! simulation can take over.

use std::sync::OnceLock;
use std::time::Instant;

use rand_core::Rng as _;

#[allow(
    clippy::disallowed_methods,
    reason = "outside a simulation this is the clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// When time was first read in this process.
pub(crate) fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(now)
}

/// Nanoseconds since time was first read in this process.
#[must_use]
pub fn now_ns() -> u64 {
    let origin = origin();
    let since = now().saturating_duration_since(origin);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Fill with random numbers of the operating system.
#[allow(
    clippy::disallowed_methods,
    reason = "outside a simulation this is the source"
)]
pub fn random(bytes: &mut [u8]) {
    rand::rng().fill_bytes(bytes);
}
