//! One worker, seen from the process that started it, however it is reached.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::link::{Killer, Link, Message, START, now};
use super::{Launch, LossReason, PORTABLE, Where, portable, wire};

/// A worker process. It ends, with its children, when this is dropped.
#[derive(Debug)]
pub(super) struct Client {
    link: Box<dyn Link>,
    is_randomized: bool,
    /// What it has run in its own process, oldest first.
    pub(super) history: Vec<Arc<[u8]>>,
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
    ) -> Result<Vec<u8>, LossReason> {
        let kind = if in_child { wire::FRESH } else { wire::SHARED };
        self.link.forget_output();
        // A worker that has ended is noticed below.
        if let Err(error) = self.link.send(kind, payload)
            && error.kind() == io::ErrorKind::InvalidInput
        {
            return Err(LossReason::Refused(error.to_string()));
        }
        let deadline = now() + timeout;
        let mut is_started = false;
        let mut cause = None;
        loop {
            match self.link.receive(deadline) {
                Ok(Message::Part(wire::STARTED, _)) => is_started = true,
                Ok(Message::Part(wire::PART, bytes)) => parts(&bytes),
                Ok(Message::Part(wire::ANSWER, bytes)) => return Ok(bytes),
                Ok(Message::Part(wire::REFUSAL, what)) => {
                    return Err(LossReason::Refused(
                        String::from_utf8_lossy(&what).into_owned(),
                    ));
                }
                Ok(Message::Part(wire::ABORTS, why)) => cause = in_words(&why),
                Ok(Message::Part(kind, _)) => {
                    return Err(LossReason::Refused(format!("an unknown message, {kind}")));
                }
                Ok(Message::End) => {
                    let ending = self.link.ending();
                    let ending = cause.map_or(ending, str::to_owned);
                    return Err(if is_started {
                        LossReason::Ended(ending)
                    } else {
                        LossReason::NotStarted(ending)
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(LossReason::Hangs(timeout));
                }
                Err(error) => return Err(LossReason::Refused(error.to_string())),
            }
        }
    }
}

/// Why a process has aborted.
fn in_words(cause: &[u8]) -> Option<&'static str> {
    match cause {
        [wire::NO_MEMORY] => Some("it got no more memory (SIGABRT): see its limit"),
        [wire::STACK_OVERFLOW] => Some("a stack overflowed (SIGABRT)"),
        _ => None,
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
