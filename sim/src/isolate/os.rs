//! What isolation needs of the operating system: the only unsafe code of it.

#![allow(
    unsafe_code,
    reason = "fork, code between fork and exec, an inherited descriptor, and system calls \
              without a safe wrapper"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, kill_process_group, setrlimit, waitpid,
};

use super::wire;

/// Where a worker keeps its socket: far from the numbers that user code gets for its own
/// files, which thus do not depend on it.
const SOCKET_MIN: RawFd = 900;

/// Start a program in a process group of its own, with the socket inherited and with
/// addresses that are the same each time, where the system allows that.
pub(super) fn start(command: &mut Command, socket: &OwnedFd) -> io::Result<Child> {
    let number = socket.as_raw_fd();
    command.process_group(0);
    let inherit = move || {
        // SAFETY: the descriptor stays open in the parent until `spawn` has returned, and the
        // child has a copy of it.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl_setfd(socket, FdFlags::empty())?;
        fix_addresses();
        Ok(())
    };
    // SAFETY: `inherit` makes two system calls and neither allocates nor takes a lock.
    unsafe { command.pre_exec(inherit) };
    command.spawn()
}

/// Asks for the present personality, without a change.
#[cfg(target_os = "linux")]
const ASK: libc::c_ulong = 0xffff_ffff;

#[cfg(target_os = "linux")]
fn personality(persona: libc::c_ulong) -> libc::c_int {
    // SAFETY: it takes a number, and changes no memory.
    unsafe { libc::personality(persona) }
}

#[cfg(target_os = "linux")]
fn fix_addresses() {
    let present = personality(ASK);
    if let Ok(present) = libc::c_ulong::try_from(present) {
        // A container may refuse it, which the worker reports.
        personality(present | libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
    }
}

#[cfg(not(target_os = "linux"))]
fn fix_addresses() {}

/// Whether addresses of this process differ from those of the next one.
pub(super) fn is_randomized() -> bool {
    #[cfg(target_os = "linux")]
    {
        personality(ASK) & libc::ADDR_NO_RANDOMIZE == 0
    }
    #[cfg(not(target_os = "linux"))]
    true
}

/// Take the socket with this number, which the parent has left open for this process.
///
/// # Errors
/// If there is no open descriptor of this number.
pub(super) fn take_socket(number: RawFd) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: nothing else in this process uses the number, which its parent chose for this.
    // A number that is not open is refused by the next call.
    let inherited = unsafe { BorrowedFd::borrow_raw(number) };
    let moved = fcntl_dupfd_cloexec(inherited, SOCKET_MIN)
        .or_else(|_| fcntl_dupfd_cloexec(inherited, 3))?;
    // SAFETY: the call above has shown that it is open, and nothing uses it from here on.
    drop(unsafe { OwnedFd::from_raw_fd(number) });
    Ok(moved)
}

/// Where a fork has led.
pub(super) enum Side {
    Child,
    Parent(Pid),
}

/// Fork this process. The caller has made sure by [`others_sleep`] that no other thread runs.
pub(super) fn split() -> io::Result<Side> {
    // SAFETY: the child continues as an ordinary program, which is sound if no other thread
    // held a lock that the child needs. Other threads of a worker are asleep in the system
    // while they wait for this one, see `others_sleep`. The C library repairs its
    // allocator in the child.
    match unsafe { libc::fork() } {
        0 => Ok(Side::Child),
        number => Pid::from_raw(number)
            .filter(|_| number > 0)
            .map(Side::Parent)
            .ok_or_else(io::Error::last_os_error),
    }
}

/// Have the C library give the thread of a run no arena of its own, which costs it four
/// system calls. Next to nothing else runs in a child.
pub(super) fn share_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes two numbers, and no other thread allocates meanwhile.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Wait until all other threads of this process sleep.
///
/// # Errors
/// If one still runs after `patience`.
#[cfg(target_os = "linux")]
#[allow(
    clippy::disallowed_methods,
    reason = "a worker waits for its own threads, outside any simulation"
)]
pub(super) fn others_sleep(patience: Duration) -> Result<(), String> {
    let myself = rustix::thread::gettid().to_string();
    let start = std::time::Instant::now();
    loop {
        let mut busy = None;
        for task in std::fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = task.file_name();
            if name.to_str() == Some(&*myself) {
                continue;
            }
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // The name, in parentheses, may hold spaces.
            let state = stat.rsplit(") ").next().unwrap_or_default();
            if !stat.is_empty() && !state.starts_with(['S', 'Z', 'X']) {
                busy = Some(stat);
            }
        }
        match busy {
            None => return Ok(()),
            Some(stat) if start.elapsed() > patience => {
                let name = stat.split(['(', ')']).nth(1).unwrap_or_default();
                return Err(format!("its thread `{name}` does not rest"));
            }
            Some(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Other systems do not show the threads of a process; libtest's main thread only waits.
#[cfg(not(target_os = "linux"))]
#[allow(
    clippy::disallowed_methods,
    reason = "a worker waits for its own threads, outside any simulation"
)]
pub(super) fn others_sleep(_: Duration) -> Result<(), String> {
    std::thread::sleep(Duration::from_millis(20));
    Ok(())
}

/// Wait for a child. If it has answered that is all; else this process ends as it did.
pub(super) fn wait_or_follow(child: Pid) {
    let status = loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Ok(Some((_, status))) => break status,
            Ok(None) | Err(_) => exit(101),
        }
    };
    if let Some(code) = status.exit_status() {
        if code != super::wire::ANSWERED {
            exit(code);
        }
    } else if let Some(signal) = status.terminating_signal() {
        // The child has left a core file already, if anybody wants one.
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = setrlimit(Resource::Core, none);
        // SAFETY: the default action runs no code of this process.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        exit(128 + signal);
    }
}

/// End this process at once: no destructors, no handlers.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// End this child when its worker ends, and after this many seconds anyway.
pub(super) fn limit_life(seconds: u32) {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // SAFETY: it takes a number. The signal's default action ends this process.
    unsafe { libc::alarm(seconds) };
}

/// Allocations beyond this fail, which aborts the process, before the machine suffers.
pub(super) fn limit_memory(megabytes: u64) {
    let bytes = megabytes.saturating_mul(1 << 20);
    // Where the system does not allow it there is no limit.
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    let _ = setrlimit(Resource::As, limit);
}

/// The socket on which a process says why it aborts.
static ABORT_SOCKET: AtomicI32 = AtomicI32::new(-1);

/// If this process aborts, say on this socket why, as far as it can be seen.
pub(super) fn explain_abort(socket: BorrowedFd<'_>) {
    ABORT_SOCKET.store(socket.as_raw_fd(), Ordering::Relaxed);
    // SAFETY: all zeros are a valid action, whose fields are set below. The handler calls what
    // may be called in one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_abort as *const () as libc::sighandler_t;
        libc::sigaction(libc::SIGABRT, &raw const action, std::ptr::null_mut());
    }
}

/// Once it returns, `abort` ends the process by the signal's default action.
extern "C" fn on_abort(_: libc::c_int) {
    let has_no_memory = retake_engine::internal::lacked_memory()
        || io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM);
    // SAFETY: all zeros are a valid value, and both calls are allowed in a handler. Rust's
    // handler of a stack overflow, which aborts, runs on the alternate stack.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &raw mut stack);
        let cause = match has_no_memory {
            _ if stack.ss_flags & libc::SS_ONSTACK != 0 => wire::STACK_OVERFLOW,
            true => wire::NO_MEMORY,
            false => return,
        };
        let [kind, a, b, c, d] = wire::header(wire::ABORTS, 1);
        let bytes = [kind, a, b, c, d, cause];
        let socket = ABORT_SOCKET.load(Ordering::Relaxed);
        libc::write(socket, bytes.as_ptr().cast(), bytes.len());
    }
}

/// Throw away what this process prints from now on.
pub(super) fn silence() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null.as_fd());
        let _ = rustix::stdio::dup2_stderr(null.as_fd());
    }
}

/// End a process group.
pub(super) fn kill_group(leader: u32) {
    let leader = i32::try_from(leader).ok().and_then(Pid::from_raw);
    if let Some(leader) = leader {
        let _ = kill_process_group(leader, Signal::KILL);
    }
}
