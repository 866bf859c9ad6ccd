//! The way to one worker process, whichever kind it is of.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::wire;

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
pub(super) struct OutputHead {
    bytes: Vec<u8>,
    dropped: u64,
}

impl OutputHead {
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
    reason = "the timeout of other processes, outside any simulation"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
