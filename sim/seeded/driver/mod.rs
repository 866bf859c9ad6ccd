//! A simulation of the process that this tokio is a part of, added to it by `cargo retake`.
//!
//! With `RETAKE_SEED` in the environment, one thread of the process runs at a time, time is
//! virtual, and what runs next is a function of the seed: tasks of tokio's runtimes and threads
//! alike. Without it, nothing here does anything, and this tokio is as it was.
//!
//! - `symbols`, `files`, `sockets`: the functions of the C library by which threads, waits, clocks,
//!   entropy and descriptors are reached; `input` what reads wait for, `ports` the ports of sockets,
//!   `packets` what they have sent and faults hold up.
//! - `threads` who has the turn, `tasks` what tokio's scheduler calls, `kernel` the choice, `strategy`
//!   what makes it, `state` what it is made from.
//! - `process` the start, `ends` how a run is ended, `look` what waits then.
//! - `children` other programs that are started, `spins` threads that loop without waiting.
//! - `faults` and the modules whose names begin with `fault_`: what goes wrong on purpose.
//! - `record` what is recorded for the process that started this one, `program` what other crates of
//!   Retake in the program call.
//! - `core` the core of Retake, from which strategies come.
//!
//! On other systems than Linux with glibc, `stub` takes the place of all this: nothing is simulated.

#![allow(warnings)]

pub(crate) mod core;

macro_rules! where_simulated {
    ($($item:item)*) => {
        $(#[cfg(all(
            target_os = "linux",
            target_env = "gnu",
            any(target_arch = "x86_64", target_arch = "aarch64"),
            not(retake_stub),
        ))]
        $item)*
    };
}

macro_rules! elsewhere {
    ($($item:item)*) => {
        $(#[cfg(not(all(
            target_os = "linux",
            target_env = "gnu",
            any(target_arch = "x86_64", target_arch = "aarch64"),
            not(retake_stub),
        )))]
        $item)*
    };
}

where_simulated! {
    mod children;
    mod ends;
    mod fault_files;
    mod fault_gates;
    mod fault_labels;
    mod fault_packets;
    mod fault_run;
    mod fault_state;
    mod fault_tasks;
    mod faults;
    mod files;
    mod flags;
    mod inbox;
    mod input;
    mod kernel;
    mod local_sets;
    mod look;
    mod messages;
    mod packets;
    mod ports;
    mod process;
    mod program;
    mod progress;
    mod record;
    mod settings;
    mod sockets;
    mod spins;
    mod state;
    mod strategy;
    mod symbols;
    mod sys;
    mod tasks;
    mod threads;
    mod waits;
    mod weak;

    pub(crate) use fault_tasks::{cancels, panics};
    pub(crate) use inbox::Inbox;
    pub(crate) use kernel::{is_on, is_simulated};
    pub(crate) use local_sets::*;
    pub(crate) use messages::*;
    pub(crate) use spins::{is_vain, leaf};
    pub(crate) use state::Slot;
    pub(crate) use tasks::*;
    pub(crate) use waits::{Use, joins, look_waker, looks};
}

elsewhere! {
    mod stub;

    pub(crate) use stub::*;
}
