//! What all workers do: take a request, run it, answer.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use super::VARIABLE;
use super::wire::{self, Prefix};

/// Sends one part.
pub(crate) type PartSender = Box<dyn FnMut(&[u8]) + Send>;

/// Runs one request and gives its answer, or says why it cannot be run.
pub(crate) type Runner<'a> = &'a dyn Fn(&[u8], Parts<'_>) -> Result<Vec<u8>, String>;

/// Say that the variable of workers has a value that leads to nobody.
pub(super) fn refuse_variable(value: &str, error: &dyn Display) {
    eprintln!(
        "error: the environment variable {VARIABLE} is `{value}` ({error}): it is set for \
         processes that Retake starts, unset it"
    );
}

/// The connection to the process that asks.
pub(super) trait Connection {
    /// A writer of its own.
    fn writer(&self) -> io::Result<Box<dyn Write + Send>>;
}

#[cfg(unix)]
impl Connection for UnixStream {
    fn writer(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(self.try_clone()?))
    }
}

impl Connection for TcpStream {
    fn writer(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(self.try_clone()?))
    }
}

/// Takes what comes before the answer.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a>(&'a dyn Connection);

impl Parts<'_> {
    /// Sends one part at a time. The process ends where nobody takes them.
    ///
    /// # Errors
    /// If there is no descriptor left for it.
    pub(crate) fn sender(self) -> Result<PartSender, String> {
        let mut writer = self.0.writer().map_err(|error| error.to_string())?;
        Ok(Box::new(move |part| {
            if wire::send(&mut writer, wire::PART, part).is_err() {
                exit(0);
            }
        }))
    }
}

/// Read a request of this length, prepare for its limits, run it, and answer.
pub(super) fn answer<S: Connection>(
    stream: &S,
    length: usize,
    run: Runner<'_>,
    prepare: impl FnOnce(Prefix),
) where
    for<'a> &'a S: Read + Write,
{
    let mut payload = vec![0; length];
    let mut reader = stream;
    if reader.read_exact(&mut payload).is_err() {
        exit(0);
    }
    let answer = match Prefix::split(&payload) {
        None => Err("it does not understand the request".to_owned()),
        Some((limits, request)) => {
            prepare(limits);
            run(request, Parts(stream))
        }
    };
    // What was printed comes before the answer.
    let _ = io::stdout().flush();
    let sent = match answer {
        Ok(answer) => wire::send(stream, wire::ANSWER, &answer),
        Err(what) => wire::send(stream, wire::REFUSAL, what.as_bytes()),
    };
    if sent.is_err() {
        exit(0);
    }
}

/// End this process at once where the system has a way for it.
fn exit(code: i32) -> ! {
    #[cfg(unix)]
    super::os::exit(code);
    #[cfg(not(unix))]
    std::process::exit(code)
}
