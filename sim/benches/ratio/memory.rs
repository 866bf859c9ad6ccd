//! What a run leaves allocated.

use retake_sim::memory::{self, CountingAllocator};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Bytes that a future leaves allocated, its output included.
pub(crate) async fn retained<T>(future: impl Future<Output = T>) -> f64 {
    memory::enable();
    let before = memory::live_bytes();
    let output = future.await;
    let bytes = memory::live_bytes() - before;
    drop(output);
    bytes as f64
}
