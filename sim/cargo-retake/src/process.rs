//! One run of a test in a process of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use retake_core::outcome::OUT_OF_TIME;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::statvfs;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use tempfile::TempDir;

use crate::interrupt::Interrupt;
use crate::os;

/// A program with its arguments, where and with which environment it runs.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) executable: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) folder: PathBuf,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It took longer than this, and was killed.
    TimedOut(Duration),
    /// It printed more than it may, and was killed.
    PrintedTooMuch,
    /// It was killed, because this program is asked to end.
    Interrupted,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct ProcessEnd {
    pub(crate) exit: Exit,
    /// The end of what it printed, on both standard streams.
    pub(crate) printed: String,
}

/// What a run may print, in bytes: one that prints without end would fill the disk.
pub(crate) const PRINTED_MAX: u64 = 1 << 30;
/// Longer output is cut at its beginning, in bytes.
const KEPT_MAX: u64 = 64 << 10;
/// Files in memory, on Linux.
const MEMORY: &str = "/dev/shm";
/// What each run of those that take place at a time has there at least, in bytes.
const ROOM_MIN: u64 = 1 << 30;
/// How often a wait looks whether it is to be given up.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Folders for runs: each run has one alone, and what it leaves there is removed.
#[derive(Debug)]
pub(crate) struct Folders {
    base: TempDir,
    /// In memory, where there is room: runs write there through a mapping, which costs half of
    /// a short run on a disk.
    fast: Option<TempDir>,
    free: Mutex<Vec<usize>>,
    freed: Condvar,
}

/// The folder of one run, until it is dropped.
#[derive(Debug)]
pub(crate) struct Folder<'a> {
    folders: &'a Folders,
    number: usize,
}

impl Folders {
    /// For so many runs at a time.
    pub(crate) fn new(count: usize) -> io::Result<Self> {
        let mut name = tempfile::Builder::new();
        name.prefix("retake-");
        let has_room = statvfs(MEMORY).is_ok_and(|it| {
            let free = it.f_bavail.saturating_mul(it.f_frsize);
            free / count.max(1) as u64 >= ROOM_MIN
        });
        Ok(Self {
            base: name.tempdir()?,
            fast: has_room.then(|| name.tempdir_in(MEMORY).ok()).flatten(),
            free: Mutex::new((0..count.max(1)).rev().collect()),
            freed: Condvar::new(),
        })
    }

    /// Wait for a folder that no other run has.
    pub(crate) fn take(&self) -> Folder<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(number) = free.pop() {
                return Folder {
                    folders: self,
                    number,
                };
            }
            free = self
                .freed
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Folder<'_> {
    /// All paths have one length: what a run allocates does not depend on the number.
    fn path(&self) -> PathBuf {
        self.folders.base.path().join(format!("{:04}", self.number))
    }

    fn fast_path(&self) -> PathBuf {
        let base = self.folders.fast.as_ref().unwrap_or(&self.folders.base);
        base.path().join(format!("{:04}", self.number))
    }

    /// Where the run's events are written.
    pub(crate) fn answer(&self) -> PathBuf {
        self.fast_path().join("answer")
    }

    fn output(&self) -> PathBuf {
        self.path().join("output")
    }

    /// The `TMPDIR` of the run.
    fn temporary(&self) -> PathBuf {
        self.path().join("tmp")
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.path());
        let _ = fs::remove_dir_all(self.fast_path());
        let mut free = self
            .folders
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        free.push(self.number);
        self.folders.freed.notify_one();
    }
}

/// Limits of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of real time.
    pub(crate) time_max: Duration,
    /// Of its memory for data, in bytes.
    pub(crate) memory_max: u64,
    /// Of what it prints, in bytes. It is killed a moment after it has printed more.
    pub(crate) printed_max: u64,
}

/// Run a program in this folder, within these limits.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn run(
    program: &Program,
    variables: &[(&'static str, OsString)],
    folder: &Folder<'_>,
    limits: Limits,
    interrupt: &Interrupt,
) -> io::Result<ProcessEnd> {
    fs::create_dir_all(folder.temporary())?;
    fs::create_dir_all(folder.fast_path())?;
    let output = File::create(folder.output())?;
    let mut command = Command::new(&program.executable);
    command
        .args(&program.arguments)
        .current_dir(&program.folder)
        .env_clear()
        .envs(
            program
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .envs([
            ("RUST_TEST_THREADS", "1"),
            ("MALLOC_ARENA_MAX", "1"),
            ("RUST_BACKTRACE", "0"),
        ])
        .env("TMPDIR", folder.temporary())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?);
    os::prepare(&mut command, limits.memory_max);
    let mut child = command.spawn()?;
    let exit = wait(&mut child, &output, limits, interrupt);
    // What it has started and not ended would keep files and ports.
    kill_group(&child);
    Ok(ProcessEnd {
        exit: exit?,
        printed: end_of(&folder.output()).unwrap_or_default(),
    })
}

fn kill_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "limits of real time, outside any simulation"
)]
fn wait(
    child: &mut Child,
    output: &File,
    limits: Limits,
    interrupt: &Interrupt,
) -> io::Result<Exit> {
    let start = Instant::now();
    let pid = Pid::from_child(child);
    let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(exit_of(status));
        }
        let left = limits.time_max.saturating_sub(start.elapsed());
        let exit = if interrupt.is_asked() {
            Exit::Interrupted
        } else if left.is_zero() {
            Exit::TimedOut(limits.time_max)
        } else if output.metadata()?.len() > limits.printed_max {
            Exit::PrintedTooMuch
        } else {
            let most = left.min(LOOK_AGAIN);
            let timeout = Timespec {
                tv_sec: most.as_secs().cast_signed(),
                tv_nsec: i64::from(most.subsec_nanos()),
            };
            let mut ready = [PollFd::new(&descriptor, PollFlags::IN)];
            match poll(&mut ready, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
        };
        if let Exit::TimedOut(_) = exit {
            ask_to_end(pid, &descriptor);
        }
        kill_group(child);
        child.wait()?;
        return Ok(exit);
    }
}

/// Ask a simulated process to say what waits, and to end.
///
/// If it does not, it is killed, and has only said less.
fn ask_to_end(pid: Pid, descriptor: &OwnedFd) {
    const TIME: Timespec = Timespec {
        tv_sec: 3,
        tv_nsec: 0,
    };
    let signal = Signal::from_named_raw(OUT_OF_TIME);
    if signal.is_some_and(|signal| kill_process(pid, signal).is_ok()) {
        let _ = poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&TIME));
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// The last part of a file, as text.
fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(KEPT_MAX)))?;
    let mut bytes = Vec::new();
    file.take(KEPT_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_prints_without_end_is_killed_and_its_last_words_are_kept() {
        let folders = Folders::new(1).unwrap();
        let program = Program {
            executable: "/bin/sh".into(),
            arguments: vec!["-c".into(), "while :; do echo one more line; done".into()],
            folder: "/".into(),
            environment: Vec::new(),
        };
        let limits = Limits {
            time_max: Duration::from_secs(60),
            memory_max: 1 << 30,
            printed_max: 1 << 16,
        };
        let interrupt = Interrupt::default();
        let done = run(&program, &[], &folders.take(), limits, &interrupt).unwrap();
        assert_eq!(done.exit, Exit::PrintedTooMuch);
        assert!(done.printed.contains("\none more line\n"));
    }
}
