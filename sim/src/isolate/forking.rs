//! A worker that forks a child for each run, reached over a socket pair.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::link::{Killer, Link, Message, OutputHead, now, own_program, understand};
use super::{Launch, PADDING, VARIABLE, os, wire};

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// A worker process. It ends, with its children, when this is dropped.
#[derive(Debug)]
pub(super) struct ForkingWorker {
    process: Child,
    socket: UnixStream,
    output: Option<Output>,
    /// Bytes that were read and not understood yet.
    bytes: Vec<u8>,
}

/// What a worker and its children print.
#[derive(Debug)]
struct Output {
    reader: PipeReader,
    kept: OutputHead,
    /// Nobody can print any more.
    is_closed: bool,
}

/// Start a worker.
///
/// # Errors
/// If the system does not start the process.
pub(super) fn start(launch: &Launch, is_elsewhere: bool) -> io::Result<ForkingWorker> {
    let (socket, theirs) = UnixStream::pair()?;
    let theirs = OwnedFd::from(theirs);
    let mut command = Command::new(own_program());
    command
        .arg0(std::env::args_os().next().unwrap_or_default())
        .args(&launch.arguments)
        .env(VARIABLE, theirs.as_raw_fd().to_string())
        .stdin(Stdio::null());
    if is_elsewhere {
        // Moves the first thread's stack by more than a page.
        command.env(PADDING, "x".repeat(5000));
    }
    let output = if launch.captures_output {
        let (reader, writer) = io::pipe()?;
        command.stderr(writer.try_clone()?);
        command.stdout(writer);
        Some(Output {
            reader,
            kept: OutputHead::default(),
            is_closed: false,
        })
    } else {
        command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
        None
    };
    let process = os::start(&mut command, &theirs)?;
    alive().insert(process.id());
    Ok(ForkingWorker {
        process,
        socket,
        output,
        bytes: Vec::new(),
    })
}

impl Link for ForkingWorker {
    fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        wire::send(&self.socket, kind, payload)
    }

    /// Reads what the worker prints meanwhile, which would wait otherwise.
    fn receive(&mut self, deadline: Instant) -> io::Result<Message> {
        loop {
            if let Some(message) = understand(&mut self.bytes)? {
                return Ok(message);
            }
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            let (socket, output) = self.wait(left)?;
            if output && let Some(output) = &mut self.output {
                output.read()?;
            }
            if socket {
                let start = self.bytes.len();
                self.bytes.resize(start + READ_SIZE, 0);
                let count = match self.socket.read(&mut self.bytes[start..]) {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
                    count => count,
                };
                self.bytes.truncate(start + *count.as_ref().unwrap_or(&0));
                if count? == 0 {
                    return Ok(Message::End);
                }
            }
        }
    }

    fn ending(&mut self) -> String {
        match self.process.wait() {
            Ok(status) => in_words(status),
            Err(error) => error.to_string(),
        }
    }

    fn forget_output(&mut self) {
        if let Some(output) = &mut self.output {
            output.kept.forget();
        }
    }

    fn take_output(&mut self) -> String {
        self.drain();
        let output = self.output.as_mut();
        output.map_or_else(String::new, |it| it.kept.take())
    }

    fn killer(&self) -> Killer {
        let leader = self.process.id();
        Box::new(move || os::kill_group(leader))
    }

    fn serves_once(&self) -> bool {
        false
    }
}

impl ForkingWorker {
    /// Wait until the socket or the output can be read.
    fn wait(&self, left: Duration) -> io::Result<(bool, bool)> {
        // A moment more, so that the deadline is over then.
        let timeout = left + Duration::from_millis(1);
        let timeout = Timespec::try_from(timeout).ok();
        let mut ready = [
            Some(self.socket.as_fd()),
            self.output.as_ref().and_then(Output::descriptor),
        ]
        .into_iter()
        .flatten()
        .map(|it| PollFd::from_borrowed_fd(it, PollFlags::IN))
        .collect::<Vec<_>>();
        match poll(&mut ready, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |place: usize| ready.get(place).is_some_and(|it| !it.revents().is_empty());
        Ok((is_ready(0), is_ready(1)))
    }

    /// Read what was printed so far.
    fn drain(&mut self) {
        while let Some(output) = &mut self.output {
            let Some(descriptor) = output.descriptor() else {
                break;
            };
            let mut ready = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
            let count = poll(&mut ready, Some(&Timespec::default()));
            if count != Ok(1) || output.read().is_err() {
                break;
            }
        }
    }
}

impl Drop for ForkingWorker {
    fn drop(&mut self) {
        let mut alive = alive();
        os::kill_group(self.process.id());
        let _ = self.process.wait();
        alive.remove(&self.process.id());
    }
}

/// Process groups of the workers that this process has.
fn alive() -> MutexGuard<'static, BTreeSet<u32>> {
    static ALIVE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// End all workers of this kind, with their children.
pub(super) fn kill_all() {
    for leader in &*alive() {
        os::kill_group(*leader);
    }
}

impl Output {
    /// None once nobody can print any more.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (!self.is_closed).then(|| self.reader.as_fd())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut piece = [0; 4096];
        match self.reader.read(&mut piece)? {
            0 => self.is_closed = true,
            count => self.kept.add(&piece[..count]),
        }
        Ok(())
    }
}

/// How a process ended.
pub(super) fn in_words(status: ExitStatus) -> String {
    match status.signal() {
        Some(6) => "it aborted (SIGABRT)".to_owned(),
        Some(9) => "it was killed (SIGKILL)".to_owned(),
        Some(11) => "it overflowed its stack or used invalid memory (SIGSEGV)".to_owned(),
        Some(14) => "it ran for too long (SIGALRM)".to_owned(),
        _ => status.to_string(),
    }
}
