//! The `retake` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: retake_sim::memory::CountingAllocator = retake_sim::memory::CountingAllocator;

fn main() -> ExitCode {
    retake_workloads::program().main()
}
