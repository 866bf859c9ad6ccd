//! Looks for a file on which something that reads traces panics, hangs or is wrong.
//!
//! What is done with a file, and how inputs are changed, is shared with the crate's tests:
//! `traces/tests/common/hostile.rs`.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::path::PathBuf;
use std::sync::LazyLock;

use common::hostile::{Numbers, drive, good_file, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
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
    let mut numbers = Numbers(u64::from(seed));
    if numbers.below(4) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut input = data[..size].to_vec();
    mutate(&mut input, &mut numbers);
    let size = input.len().min(max_size);
    data[..size].copy_from_slice(&input[..size]);
    size
});
