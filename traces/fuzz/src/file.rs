//! Looks for a file on which something that reads traces panics, hangs or is wrong.
//!
//! What is done with a file, and how inputs are changed, is shared with the crate's tests:
//! `sim/testkit/src/traces/hostile.rs`.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use retake_testkit::traces::hostile::{change, drive, good_file};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use tempfile::TempDir;

static FOLDER: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    // In memory where there is such a place: an input is written and read many times.
    let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
    let folder = folder.expect("a folder to write to");
    let good = good_file(folder.path());
    (folder, good)
});

fuzz_target!(|input: &[u8]| {
    let (folder, good) = &*FOLDER;
    drive(input, folder.path(), good);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    change(data, size, max_size, seed, libfuzzer_sys::fuzzer_mutate)
});
