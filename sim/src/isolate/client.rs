//! One worker, seen from the process that started it, however it is reached.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Launch, Lost, PORTABLE, Where, portable, wire};

/// How long a program may take to become a worker: a large one in a debug build, on a busy
/// machine.
pub(super) const START: Duration = Duration::from_secs(20);

/// Of what a run prints, this many bytes are kept.
pub(super) const OUTPUT_MAX: usize = 64 << 10;

/// Ends the process of a worker from another thread.
pub(super) type Killer = Box<dyn Fn() + Send>;

/// A message of a worker.
pub(super) enum Message {
    /// Of this kind.
    Part(u8, Vec<u8>),
    /// Nothing comes any more.
    End,
}

/// The way to one worker process, which ends with its children when this is dropped.
pub(super) trait Link: fmt::Debug + Send {
    /// Send one message.
    ///
    /// # Errors
    /// If it is too long, or the worker has ended.
    fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()>;

    /// The next message.
    ///
    /// # Errors
    /// If the worker sends what is no message, or nothing until the deadline.
    fn receive(&mut self, deadline: Instant) -> io::Result<Message>;

    /// How the process ended, in words. It has to have ended.
    fn ending(&mut self) -> String;

    /// Forget what was printed so far.
    fn forget_output(&mut self);

    /// What was printed since.
    fn take_output(&mut self) -> String;

    /// What ends it from another thread.
    fn killer(&self) -> Killer;

    /// Whether the process ends with its first run that is not to share a process.
    fn serves_once(&self) -> bool;
}

/// A worker process. It ends, with its children, when this is dropped.
#[derive(Debug)]
pub(super) struct Client {
    link: Box<dyn Link>,
    is_randomized: bool,
    /// What it has run in its own process, oldest first.
    pub(super) history: Vec<Vec<u8>>,
}

impl Client {
    /// Start a worker for runs of this kind and wait until it is ready. Where processes cannot
    /// be silenced later, it is silent from its start unless it `prints`.
    pub(super) fn start(launch: &Launch, place: Where, prints: bool) -> Result<Self, String> {
        let link = start(launch, place == Where::Elsewhere, prints);
        let mut link =
            link.map_err(|error| format!("a worker process cannot be started: {error}"))?;
        let printed = |link: &mut Box<dyn Link>| match link.take_output().trim() {
            "" => String::new(),
            printed => format!("; it printed:\n{printed}"),
        };
        match link.receive(now() + START) {
            Ok(Message::Part(wire::READY, greeting)) => Ok(Self {
                link,
                is_randomized: greeting == [wire::RANDOMIZED],
                history: Vec::new(),
            }),
            Ok(Message::Part(wire::REFUSAL, what)) => Err(format!(
                "a worker process cannot serve: {}",
                String::from_utf8_lossy(&what)
            )),
            Ok(_) => Err(format!(
                "this program did not become a worker process but ended ({}){}",
                link.ending(),
                printed(&mut link)
            )),
            Err(error) => Err(format!(
                "this program did not become a worker process within {} s: {error}{}",
                START.as_secs(),
                printed(&mut link)
            )),
        }
    }

    pub(super) fn is_randomized(&self) -> bool {
        self.is_randomized
    }

    pub(super) fn killer(&self) -> Killer {
        self.link.killer()
    }

    /// Whether it can take another run after one of this kind.
    pub(super) fn serves_again(&self, place: Where) -> bool {
        place == Where::Shared || !self.link.serves_once()
    }

    /// What the last run has printed.
    pub(super) fn take_output(&mut self) -> String {
        self.link.take_output()
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
        self.link.forget_output();
        // A worker that has ended is noticed below.
        if let Err(error) = self.link.send(kind, payload)
            && error.kind() == io::ErrorKind::InvalidInput
        {
            return Err(Lost::Refused(error.to_string()));
        }
        let deadline = now() + timeout;
        let mut is_started = false;
        loop {
            match self.link.receive(deadline) {
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
                    let ending = self.link.ending();
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
}

/// Start a process that forks children, or one that serves once where there is no `fork`.
fn start(launch: &Launch, is_elsewhere: bool, prints: bool) -> io::Result<Box<dyn Link>> {
    #[cfg(unix)]
    if std::env::var_os(PORTABLE).is_none() {
        return Ok(Box::new(super::forking::start(launch, is_elsewhere)?));
    }
    Ok(Box::new(portable::start(launch, is_elsewhere, prints)?))
}

/// The first message among the bytes that were read, if it is whole.
///
/// # Errors
/// If its length is above the limit.
pub(super) fn understand(bytes: &mut Vec<u8>) -> io::Result<Option<Message>> {
    let Some(header) = bytes.first_chunk::<{ wire::HEADER }>() else {
        return Ok(None);
    };
    let (kind, length) = wire::parse(*header)?;
    let end = wire::HEADER + length;
    if bytes.len() < end {
        return Ok(None);
    }
    let payload = bytes[wire::HEADER..end].to_vec();
    bytes.drain(..end);
    Ok(Some(Message::Part(kind, payload)))
}

/// The first bytes of what a worker and its children print.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    dropped: u64,
}

impl Kept {
    pub(super) fn add(&mut self, piece: &[u8]) {
        let room = piece.len().min(OUTPUT_MAX - self.bytes.len());
        self.bytes.extend_from_slice(&piece[..room]);
        self.dropped += (piece.len() - room) as u64;
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn take(&mut self) -> String {
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        if self.dropped > 0 {
            text.push_str(&format!("\n({} further bytes are left out)", self.dropped));
        }
        self.forget();
        text
    }
}

/// This program, also if its file was replaced meanwhile.
pub(super) fn own_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return "/proc/self/exe".into();
    }
    std::env::current_exe().unwrap_or_default()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the timeout of another process, outside any simulation"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
