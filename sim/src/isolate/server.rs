//! The worker: forks a child for each request. The child does the work and answers.
//!
//! The worker reads nothing but headers and allocates nothing for a request, so the state
//! from which its children start stays what it was. The child reads the request.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::VARIABLE;
use super::os::{self, Side};
use super::wire::{self, Prefix};

/// How long the other threads of a worker may take to come to rest.
const REST: Duration = Duration::from_secs(10);

/// Sends one part.
pub(crate) type PartSender = Box<dyn FnMut(&[u8]) + Send>;

/// Runs one request and gives its answer, or says why it cannot be run.
pub(crate) type Runner<'a> = &'a dyn Fn(&[u8], Parts<'_>) -> Result<Vec<u8>, String>;

/// Serve the process that started this one, until it ends.
pub(crate) fn serve(run: Runner<'_>) -> ! {
    let number = std::env::var(VARIABLE).unwrap_or_default();
    let socket = number.parse().map_err(|_| "no number".to_owned());
    let socket = socket.and_then(|it| os::take_socket(it).map_err(|error| error.to_string()));
    let socket = match socket {
        Ok(socket) => UnixStream::from(socket),
        Err(error) => {
            eprintln!(
                "error: the environment variable {VARIABLE} is `{number}` ({error}): it is set \
                 for processes that Retake starts, unset it"
            );
            os::exit(2);
        }
    };
    if let Err(what) = os::others_sleep(REST) {
        let _ = wire::send(&socket, wire::REFUSAL, what.as_bytes());
        os::exit(2);
    }
    let greeting = if os::is_randomized() {
        wire::RANDOMIZED
    } else {
        0
    };
    if wire::send(&socket, wire::READY, &[greeting]).is_err() {
        os::exit(0);
    }
    loop {
        let started = wire::header(wire::STARTED, 0);
        let Ok(Some((kind, length))) = wire::next(&socket) else {
            // The client is gone.
            os::exit(0);
        };
        if (&socket).write_all(&started).is_err() {
            os::exit(0);
        }
        if kind == wire::SHARED {
            answer(&socket, length, run, false);
            continue;
        }
        match os::split() {
            Ok(Side::Child) => {
                let answered =
                    catch_unwind(AssertUnwindSafe(|| answer(&socket, length, run, true)));
                os::exit(answered.map_or(101, |()| wire::ANSWERED));
            }
            Ok(Side::Parent(child)) => os::wait_or_follow(child),
            Err(error) => {
                let what = format!("it cannot fork: {error}");
                let _ = wire::send(&socket, wire::REFUSAL, what.as_bytes());
                os::exit(2);
            }
        }
    }
}

/// Takes what comes before the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a>(&'a UnixStream);

impl Parts<'_> {
    /// Sends one part at a time. The process ends where nobody takes them.
    ///
    /// # Errors
    /// If there is no descriptor left for it.
    pub(crate) fn sender(self) -> Result<PartSender, String> {
        let socket = self.0.try_clone().map_err(|error| error.to_string())?;
        Ok(Box::new(move |part| {
            if wire::send(&socket, wire::PART, part).is_err() {
                os::exit(0);
            }
        }))
    }
}

/// Read a request of this length, run it, and answer.
fn answer(socket: &UnixStream, length: usize, run: Runner<'_>, is_child: bool) {
    let mut payload = vec![0; length];
    let mut stream = socket;
    if stream.read_exact(&mut payload).is_err() {
        os::exit(0);
    }
    let answer = match Prefix::split(&payload) {
        None => Err("it does not understand the request".to_owned()),
        Some((limits, request)) => {
            if is_child {
                os::limit_life(limits.alarm_s);
            }
            if limits.memory_mb > 0 {
                os::limit_memory(limits.memory_mb.into());
            }
            if !limits.prints {
                os::silence();
            }
            run(request, Parts(socket))
        }
    };
    // What was printed comes before the answer.
    let _ = std::io::stdout().flush();
    let sent = match answer {
        Ok(answer) => wire::send(socket, wire::ANSWER, &answer),
        Err(what) => wire::send(socket, wire::REFUSAL, what.as_bytes()),
    };
    if sent.is_err() {
        os::exit(0);
    }
}
