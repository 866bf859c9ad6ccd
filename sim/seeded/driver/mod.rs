//! A simulation of the process that this tokio is a part of, added to it by `cargo retake`.
//!
//! With `RETAKE_SEED` in the environment, one thread of the process runs at a time, time is
//! virtual, and what runs next is a function of the seed: tasks of tokio's runtimes and threads
//! alike. Without it, nothing here does anything, and this tokio is as it was.
//!
//! `symbols` and `files` have the functions of the C library by which threads, waits, clocks, entropy
//! and descriptors are reached, `threads` who has the turn, `tasks` what tokio's scheduler calls, `kernel` the
//! choice, `state` what it is made from, `program` what other crates of Retake in the program call, `record` what is recorded for the process that started this one. `core`
//! is the core of Retake, from which strategies come.

#![allow(warnings)]

pub(crate) mod core;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod files;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod inbox;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod kernel;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod local_sets;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod look;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod messages;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod program;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod record;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod settings;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod state;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod symbols;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod sys;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tasks;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod threads;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod waits;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod weak;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod linux {
    use std::ffi::c_void;

    use super::kernel::{self, me, with};
    use super::record::Tag;
    use super::settings::Settings;
    use super::{files, program, symbols, sys, threads};

    pub(crate) use super::inbox::Inbox;
    pub(crate) use super::kernel::{is_on, is_simulated};
    pub(crate) use super::local_sets::*;
    pub(crate) use super::messages::*;
    pub(crate) use super::tasks::*;
    pub(crate) use super::waits::{Use, joins, leaf, look_waker, looks};

    /// The linker has it called before `main`.
    #[used]
    #[link_section = ".init_array"]
    static START: extern "C" fn() = start;

    extern "C" fn start() {
        symbols::keep();
        files::keep();
        program::keep();
        if let Some(settings) = Settings::take() {
            kernel::start(settings);
            // SAFETY: the function takes and returns nothing.
            unsafe { sys::atexit(at_exit) };
            record_panics();
        }
    }

    extern "C" fn at_exit() {
        if me().is_some() {
            with(|kernel| kernel.finish());
        }
    }

    fn record_panics() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if me().is_some() {
                let text = panic.payload();
                let text = text
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| text.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "a value that is no text".to_owned());
                let place = panic.location();
                with(|kernel| {
                    let serial = kernel.current;
                    kernel.record.event(Tag::Panic, |fields| {
                        fields.number(serial.into()).text(&text);
                        fields.text(place.map_or("", |place| place.file()));
                        fields.number(place.map_or(0, |place| place.line().into()));
                        fields.number(place.map_or(0, |place| place.column().into()));
                    });
                });
            }
            before(panic);
        }));
    }

    /// Have the simulation continue when this thread ends.
    pub(super) fn at_end_of_thread(thread: u32) {
        use std::sync::OnceLock;
        static KEY: OnceLock<u32> = OnceLock::new();
        unsafe extern "C" fn end(value: *mut c_void) {
            threads::end(value as usize as u32 - 1);
        }
        let key = *KEY.get_or_init(|| {
            let mut key = 0;
            // SAFETY: the place is valid, and the function is one of C.
            unsafe { sys::pthread_key_create(&mut key, Some(end)) };
            key
        });
        // SAFETY: the key exists.
        unsafe { sys::pthread_setspecific(key, (thread as usize + 1) as *const c_void) };
    }
}
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) use linux::*;
