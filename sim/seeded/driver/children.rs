//! Other programs that this one starts. They live in real time, so what waits for them is no
//! function of the seed: it is noted.

use std::ffi::{c_char, c_int, c_void};

use super::kernel::{self, me, with};
use super::sys::{self, Library};
use super::weak::weak;

weak! {
    "posix_spawn" retake_seeded_posix_spawn,
    "posix_spawnp" retake_seeded_posix_spawnp,
    "fork" retake_seeded_fork,
}

fn note() {
    if me().is_some() {
        with(|kernel| {
            if !std::mem::replace(&mut kernel.starts_programs, true) {
                kernel.note("it starts other programs");
            }
        });
    }
}

type Spawn = unsafe extern "C" fn(
    *mut c_int,
    *const c_char,
    *const c_void,
    *const c_void,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

macro_rules! spawns {
    ($($function:ident $name:literal)*) => {
        $(#[no_mangle]
        unsafe extern "C" fn $function(
            process: *mut c_int,
            program: *const c_char,
            actions: *const c_void,
            attributes: *const c_void,
            arguments: *const *mut c_char,
            environment: *const *mut c_char,
        ) -> c_int {
            static SPAWN: Library = Library::new(concat!($name, "\0").as_bytes());
            note();
            let spawn = SPAWN.address();
            if spawn.is_null() {
                return sys::EAGAIN;
            }
            // SAFETY: the library declares the function of this name with this type, and the
            // arguments are the caller's own.
            unsafe {
                let spawn = std::mem::transmute::<*mut c_void, Spawn>(spawn);
                spawn(process, program, actions, attributes, arguments, environment)
            }
        })*
    };
}

spawns! {
    retake_seeded_posix_spawn "posix_spawn"
    retake_seeded_posix_spawnp "posix_spawnp"
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_fork() -> c_int {
    type Fork = unsafe extern "C" fn() -> c_int;
    static FORK: Library = Library::new(b"fork\0");
    note();
    let fork = FORK.address();
    if fork.is_null() {
        return sys::fail(sys::EAGAIN);
    }
    let is_simulated = me().is_some();
    // SAFETY: the library declares the function of this name with this type.
    let process = unsafe { std::mem::transmute::<*mut c_void, Fork>(fork)() };
    if process == 0 && is_simulated {
        // What it does is no part of the run, which this process still records.
        kernel::turn_off();
    }
    process
}
