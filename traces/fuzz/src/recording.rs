//! Looks for a recording of a live process on which the reader or the replay panics, hangs
//! or is wrong.
//!
//! How inputs are made and changed, and what is done with them, is shared with tests:
//! `sim/testkit`.
#![no_main]

use std::sync::LazyLock;

use retake_testkit::traces::hostile::{change, write_input};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    // In memory where there is such a place: an input is written and read many times.
    let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
    folder.expect("a folder to write to")
});

fuzz_target!(|input: &[u8]| {
    let path = FOLDER.path().join("input.retake");
    if write_input(input, &path) {
        retake_testkit::followed::drive(&path);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    change(data, size, max_size, seed, libfuzzer_sys::fuzzer_mutate)
});
