//! What a child process needs of the operating system: the only unsafe code of this crate.

#![allow(unsafe_code, reason = "code between fork and exec, and personality(2)")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

/// Asks for the present personality, without a change.
const ASK: libc::c_ulong = 0xffff_ffff;

fn personality(persona: libc::c_ulong) -> libc::c_int {
    // SAFETY: it takes a number, and changes no memory.
    unsafe { libc::personality(persona) }
}

/// Whether children can have the same addresses each time: a container may refuse it.
pub(crate) fn can_fix_addresses() -> bool {
    let Ok(present) = libc::c_ulong::try_from(personality(ASK)) else {
        return false;
    };
    let fixed = present | libc::ADDR_NO_RANDOMIZE as libc::c_ulong;
    let is_allowed = personality(fixed) >= 0;
    personality(present);
    is_allowed
}

/// Have the program start in a process group of its own, with the same addresses each time,
/// and end with the thread that starts it. It leaves no core files, and has so many bytes of memory
/// for data.
pub(crate) fn prepare(command: &mut Command, memory_max: u64) {
    command.process_group(0);
    let prepare = move || -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        setrlimit(Resource::Core, none)?;
        let limit = Rlimit {
            current: Some(memory_max),
            maximum: Some(memory_max),
        };
        // One that is lower already stays.
        let _ = setrlimit(Resource::Data, limit);
        if let Ok(present) = libc::c_ulong::try_from(personality(ASK)) {
            personality(present | libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
        }
        Ok(())
    };
    // SAFETY: `prepare` makes system calls and neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}
