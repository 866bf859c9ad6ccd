//! One worker, seen from the process that started it.

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

use super::{Launch, PADDING, VARIABLE, os, wire};

/// How long a program may take to become a worker: a large one in a debug build, on a busy
/// machine.
const START: Duration = Duration::from_secs(20);

/// Of what a run prints, this much is kept, in bytes.
const OUTPUT_MAX: usize = 64 << 10;

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// A worker process. It ends, with its children, when this is dropped.
#[derive(Debug)]
pub(super) struct Client {
    process: Child,
    socket: UnixStream,
    output: Option<Output>,
    /// Bytes that were read and not understood yet.
    bytes: Vec<u8>,
    is_randomized: bool,
    /// What it has run in its own process, oldest first.
    pub(super) history: Vec<Vec<u8>>,
}

/// What a worker and its children print.
#[derive(Debug)]
struct Output {
    reader: PipeReader,
    kept: Vec<u8>,
    dropped: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The worker ended before it began with the run.
    NotStarted(String),
    /// It refused.
    Refused(String),
    /// The run's process ended.
    Ended(String),
    /// The run took longer than it may.
    Hangs(Duration),
}

enum Message {
    /// A message of this kind.
    Part(u8, Vec<u8>),
    /// Nothing comes any more.
    End,
}

impl Client {
    /// Start a worker and wait until it is ready.
    pub(super) fn start(launch: &Launch, is_elsewhere: bool) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("a worker process cannot be started: {error}");
        let (socket, theirs) = UnixStream::pair().map_err(cannot)?;
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
            let (reader, writer) = io::pipe().map_err(cannot)?;
            command.stderr(writer.try_clone().map_err(cannot)?);
            command.stdout(writer);
            Some(Output {
                reader,
                kept: Vec::new(),
                dropped: 0,
            })
        } else {
            let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(cannot)?;
            command.stdout(stderr);
            None
        };
        let process = os::start(&mut command, &theirs).map_err(cannot)?;
        alive().insert(process.id());
        drop((theirs, command));
        let mut client = Self {
            process,
            socket,
            output,
            bytes: Vec::new(),
            is_randomized: true,
            history: Vec::new(),
        };
        match client.receive(now() + START) {
            Ok(Message::Part(wire::READY, greeting)) => {
                client.is_randomized = greeting == [wire::RANDOMIZED];
                Ok(client)
            }
            Ok(Message::Part(wire::REFUSAL, what)) => Err(format!(
                "a worker process cannot serve: {}",
                String::from_utf8_lossy(&what)
            )),
            Ok(_) => Err(format!(
                "this program did not become a worker process but ended ({}){}",
                client.ending(),
                client.printed()
            )),
            Err(error) => Err(format!(
                "this program did not become a worker process within {} s: {error}{}",
                START.as_secs(),
                client.printed()
            )),
        }
    }

    pub(super) fn is_randomized(&self) -> bool {
        self.is_randomized
    }

    /// Run one request, in a new child or in the worker's own process. `parts` takes what
    /// comes before the answer.
    pub(super) fn ask(
        &mut self,
        payload: &[u8],
        in_child: bool,
        timeout: Duration,
        mut parts: impl FnMut(&[u8]),
    ) -> Result<Vec<u8>, Lost> {
        let kind = if in_child { wire::FRESH } else { wire::SHARED };
        if let Some(output) = &mut self.output {
            output.forget();
        }
        // A worker that has ended is noticed below.
        if let Err(error) = wire::send(&self.socket, kind, payload)
            && error.kind() == io::ErrorKind::InvalidInput
        {
            return Err(Lost::Refused(error.to_string()));
        }
        let deadline = now() + timeout;
        let mut is_started = false;
        loop {
            match self.receive(deadline) {
                Ok(Message::Part(wire::STARTED, _)) => is_started = true,
                Ok(Message::Part(wire::PART, bytes)) => parts(&bytes),
                Ok(Message::Part(wire::ANSWER, bytes)) => return Ok(bytes),
                Ok(Message::Part(wire::REFUSAL, what)) => {
                    return Err(Lost::Refused(String::from_utf8_lossy(&what).into_owned()));
                }
                Ok(Message::Part(kind, _)) => {
                    return Err(Lost::Refused(format!("an unknown message, {kind}")));
                }
                Ok(Message::End) => {
                    let ending = self.ending();
                    return Err(if is_started {
                        Lost::Ended(ending)
                    } else {
                        Lost::NotStarted(ending)
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(Lost::Hangs(timeout));
                }
                Err(error) => return Err(Lost::Refused(error.to_string())),
            }
        }
    }

    /// What the last run has printed.
    pub(super) fn take_output(&mut self) -> String {
        self.drain();
        self.output.as_mut().map_or_else(String::new, Output::take)
    }

    fn printed(&mut self) -> String {
        match self.take_output().trim() {
            "" => String::new(),
            printed => format!("; it printed:\n{printed}"),
        }
    }

    /// The next message. Reads what the worker prints meanwhile, which would wait otherwise.
    fn receive(&mut self, deadline: Instant) -> io::Result<Message> {
        loop {
            if let Some(message) = self.understand()? {
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

    /// The first message among the bytes that were read, if it is whole.
    fn understand(&mut self) -> io::Result<Option<Message>> {
        let Some(header) = self.bytes.first_chunk::<{ wire::HEADER }>() else {
            return Ok(None);
        };
        let (kind, length) = wire::parse(*header)?;
        let end = wire::HEADER + length;
        if self.bytes.len() < end {
            return Ok(None);
        }
        let payload = self.bytes[wire::HEADER..end].to_vec();
        self.bytes.drain(..end);
        Ok(Some(Message::Part(kind, payload)))
    }

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

    /// How it ended, in words.
    fn ending(&mut self) -> String {
        match self.process.wait() {
            Ok(status) => in_words(status),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Client {
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

/// End all workers, with their children, because this process is about to end.
pub fn kill_all() {
    for leader in &*alive() {
        os::kill_group(*leader);
    }
}

impl Output {
    /// None once nobody can print any more.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (self.dropped != u64::MAX).then(|| self.reader.as_fd())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut piece = [0; 4096];
        match self.reader.read(&mut piece)? {
            0 => self.dropped = u64::MAX,
            count => {
                let room = count.min(OUTPUT_MAX - self.kept.len().min(OUTPUT_MAX));
                self.kept.extend_from_slice(&piece[..room]);
                self.dropped = self.dropped.saturating_add((count - room) as u64);
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.kept.clear();
        if self.dropped != u64::MAX {
            self.dropped = 0;
        }
    }

    fn take(&mut self) -> String {
        let mut text = String::from_utf8_lossy(&self.kept).into_owned();
        if self.dropped > 0 && self.dropped != u64::MAX {
            text.push_str(&format!("\n({} further bytes are left out)", self.dropped));
        }
        self.forget();
        text
    }
}

/// This program, also if its file was replaced meanwhile.
fn own_program() -> std::path::PathBuf {
    if cfg!(target_os = "linux") {
        return "/proc/self/exe".into();
    }
    std::env::current_exe().unwrap_or_else(|_| "".into())
}

/// How a process ended.
fn in_words(status: ExitStatus) -> String {
    match status.signal() {
        Some(6) => {
            "it aborted (SIGABRT): memory above its limit, a stack overflow, or `abort`".to_owned()
        }
        Some(9) => "it was killed (SIGKILL)".to_owned(),
        Some(11) => "it overflowed its stack or used invalid memory (SIGSEGV)".to_owned(),
        Some(14) => "it ran for too long (SIGALRM)".to_owned(),
        _ => status.to_string(),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the timeout of another process, outside any simulation"
)]
fn now() -> Instant {
    Instant::now()
}
