//! What isolation needs of the operating system: the only unsafe code of it.

#![allow(
    unsafe_code,
    reason = "fork, code between fork and exec, and a descriptor that was inherited"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, killpg, raise, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, alarm, fork};

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
        fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
        fix_addresses();
        Ok(())
    };
    // SAFETY: `inherit` makes two system calls and neither allocates nor takes a lock.
    unsafe { command.pre_exec(inherit) };
    command.spawn()
}

#[cfg(target_os = "linux")]
fn fix_addresses() {
    use nix::sys::personality::{self, Persona};
    // A container may refuse it, which the worker reports.
    if let Ok(persona) = personality::get() {
        let _ = personality::set(persona | Persona::ADDR_NO_RANDOMIZE);
    }
}

#[cfg(not(target_os = "linux"))]
fn fix_addresses() {}

/// Whether addresses of this process differ from those of the next one.
pub(super) fn is_randomized() -> bool {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::personality::{self, Persona};
        !personality::get().is_ok_and(|persona| persona.contains(Persona::ADDR_NO_RANDOMIZE))
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
    let moved = fcntl(inherited, FcntlArg::F_DUPFD_CLOEXEC(SOCKET_MIN))
        .or_else(|_| fcntl(inherited, FcntlArg::F_DUPFD_CLOEXEC(3)))?;
    // SAFETY: the call above has just made this descriptor, and the inherited one is not used
    // from here on.
    let (moved, inherited) = unsafe { (OwnedFd::from_raw_fd(moved), OwnedFd::from_raw_fd(number)) };
    drop(inherited);
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
    match unsafe { fork() }? {
        ForkResult::Child => Ok(Side::Child),
        ForkResult::Parent { child } => Ok(Side::Parent(child)),
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
    let myself = nix::unistd::gettid().to_string();
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
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            status => break status,
        }
    };
    match status {
        Ok(WaitStatus::Exited(_, super::wire::ANSWERED)) => {}
        Ok(WaitStatus::Exited(_, code)) => exit(code),
        Ok(WaitStatus::Signaled(_, with, _)) => {
            // The child has left a core file already, if anybody wants one.
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
            // SAFETY: the default action runs no code of this process.
            let _ = unsafe { signal(with, SigHandler::SigDfl) };
            let _ = raise(with);
            exit(128 + with as i32);
        }
        _ => exit(101),
    }
}

/// End this process at once: no destructors, no handlers.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { nix::libc::_exit(code) }
}

/// End this child when its worker ends, and after this many seconds anyway.
pub(super) fn limit_life(seconds: u32) {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    if seconds > 0 {
        let _ = alarm::set(seconds);
    }
}

/// Allocations beyond this fail, which aborts the process, before the machine suffers.
pub(super) fn limit_memory(megabytes: u64) {
    let bytes = megabytes.saturating_mul(1 << 20);
    // Where the system does not allow it there is no limit.
    let _ = setrlimit(Resource::RLIMIT_AS, bytes, bytes);
}

/// Throw away what this process prints from now on.
pub(super) fn silence() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(null.as_fd());
        let _ = nix::unistd::dup2_stderr(null.as_fd());
    }
}

/// End a process group.
pub(super) fn kill_group(leader: u32) {
    if let Ok(leader) = i32::try_from(leader) {
        let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
    }
}
