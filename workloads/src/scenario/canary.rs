//! Canaries: programs that are broken on purpose, by which a campaign is tested. In about
//! one seed of ten each does what it is called.

use std::time::Duration;

use rand::RngExt as _;

fn is_chosen() -> bool {
    retake::rng().random_bool(0.1)
}

/// A step that never ends.
pub(super) async fn hang() {
    retake::sleep(Duration::from_millis(1)).await;
    if is_chosen() {
        loop {
            std::hint::spin_loop();
        }
    }
}

/// The end of the process.
pub(super) async fn abort() {
    if is_chosen() {
        std::process::abort();
    }
}

/// Memory without bound.
pub(super) async fn memory() {
    let mut hoard = Vec::new();
    if is_chosen() {
        loop {
            hoard.push(vec![1_u8; 1 << 24]);
        }
    }
    drop(hoard);
}

/// A panic that nobody observes.
pub(super) async fn panic() {
    assert!(!is_chosen(), "the canary panics");
}

/// What differs from run to run: a count that outlives them.
pub(super) async fn nondeterminism() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static RUNS: AtomicU64 = AtomicU64::new(0);
    for _ in 0..RUNS.fetch_add(1, Ordering::Relaxed) % 3 {
        retake::sleep(Duration::from_millis(1)).await;
    }
}
