//! Workers for systems without `fork`: a process serves once, and each run starts another.
//!
//! A worker connects to a socket of the loopback device, whose address and a secret word it
//! finds in its environment. It watches the connection, and ends with the process that
//! started it. Limits of memory and fixed addresses are what this form does not have.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::{Killer, Link, Message, OutputHead, START, now, own_program, understand};
use super::server::{self, Runner};
use super::{Launch, PADDING, VARIABLE, wire};

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// How long to wait before looking again whether a process has connected.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How long to wait for the rest of what a process has printed.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(2);

/// The exit code of a worker that cannot serve.
const CANNOT_SERVE: i32 = 2;

/// A worker process. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Portable {
    process: Child,
    stream: TcpStream,
    output: Option<Output>,
    /// Bytes that were read and not understood yet.
    bytes: Vec<u8>,
    /// It ends by itself, with the run that it has taken.
    is_last_run: bool,
}

/// Start a worker and wait until it has connected.
///
/// # Errors
/// If the system does not start the process, or it ends or does not connect in time.
pub(super) fn start(launch: &Launch, is_elsewhere: bool, prints: bool) -> io::Result<Portable> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let word = secret_word();
    let mut command = Command::new(own_program());
    command
        .args(&launch.arguments)
        .env(VARIABLE, format!("{}/{word}", listener.local_addr()?))
        .stdin(Stdio::null());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        // Ctrl-C is for the process that starts workers.
        command
            .process_group(0)
            .arg0(std::env::args_os().next().unwrap_or_default());
    }
    if is_elsewhere {
        command.env(PADDING, "x".repeat(5000));
    }
    let output = direct_output(&mut command, launch, prints)?;
    let mut process = command.spawn()?;
    drop(command);
    match accept(&listener, &mut process, &word) {
        Ok(stream) => {
            remember(&process, &stream);
            Ok(Portable {
                process,
                stream,
                output,
                bytes: Vec::new(),
                is_last_run: false,
            })
        }
        Err(error) => {
            let _ = process.kill();
            let _ = process.wait();
            let printed = output.map(|it| {
                it.wait();
                it.take()
            });
            let printed = printed.unwrap_or_default();
            Err(match printed.trim() {
                "" => error,
                printed => io::Error::other(format!("{error}; it printed:\n{printed}")),
            })
        }
    }
}

/// Send what the process prints where it belongs. Gives where it is kept, if it is.
fn direct_output(
    command: &mut Command,
    launch: &Launch,
    prints: bool,
) -> io::Result<Option<Output>> {
    if !prints {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        return Ok(None);
    }
    if !launch.captures_output {
        command.stdout(io::stderr());
        return Ok(None);
    }
    let (mut reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let output = Output::default();
    let keeper = output.clone();
    #[allow(
        clippy::disallowed_methods,
        reason = "reads the output of another process, outside any simulation"
    )]
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut piece) {
            lock(&keeper.kept).add(&piece[..count]);
        }
        keeper.is_closed.store(true, Ordering::Release);
    });
    Ok(Some(output))
}

/// What a process prints.
#[derive(Clone, Debug, Default)]
struct Output {
    kept: Arc<Mutex<OutputHead>>,
    /// Nobody can print any more.
    is_closed: Arc<AtomicBool>,
}

impl Output {
    fn take(&self) -> String {
        lock(&self.kept).take()
    }

    /// Wait until all is read of a process that is about to end.
    fn wait(&self) {
        let deadline = now() + OUTPUT_TIMEOUT;
        while !self.is_closed.load(Ordering::Acquire) && now() < deadline {
            pause(LOOK_AGAIN);
        }
    }
}

/// Numbers that nobody can guess, so that no other program is taken for the worker.
#[allow(
    clippy::disallowed_types,
    reason = "a source of randomness that the standard library has, outside any simulation"
)]
fn secret_word() -> String {
    let drawn = [0, 1].map(|number: u8| std::hash::RandomState::new().hash_one(number));
    format!("{:016x}{:016x}", drawn[0], drawn[1])
}

/// The connection of the worker, which sends the secret word first.
fn accept(listener: &TcpListener, process: &mut Child, word: &str) -> io::Result<TcpStream> {
    let deadline = now() + START;
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(START))?;
                let mut sent = vec![0; word.len()];
                if stream.read_exact(&mut sent).is_ok() && sent == word.as_bytes() {
                    return Ok(stream);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = process.try_wait()? {
            return Err(io::Error::other(format!(
                "this program did not become a worker process but ended ({status})"
            )));
        }
        if now() > deadline {
            return Err(io::Error::other(format!(
                "this program did not become a worker process within {} s",
                START.as_secs()
            )));
        }
        pause(LOOK_AGAIN);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "waits for another process, outside any simulation"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

impl Link for Portable {
    fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        self.is_last_run |= kind == wire::FRESH;
        wire::send(&self.stream, kind, payload)
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<Message> {
        loop {
            if let Some(message) = understand(&mut self.bytes)? {
                return Ok(message);
            }
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            self.stream.set_read_timeout(Some(left))?;
            let start = self.bytes.len();
            self.bytes.resize(start + READ_SIZE, 0);
            let count = self.stream.read(&mut self.bytes[start..]);
            self.bytes.truncate(start + *count.as_ref().unwrap_or(&0));
            match count {
                Ok(0) => return Ok(Message::End),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    // The deadline is looked at above.
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                        return Ok(Message::End);
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    fn ending(&mut self) -> String {
        // Its connection is closed, so it is about to end.
        match self.process.wait() {
            #[cfg(unix)]
            Ok(status) => super::forking::in_words(status),
            #[cfg(not(unix))]
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    fn forget_output(&mut self) {
        if let Some(output) = &self.output {
            lock(&output.kept).forget();
        }
    }

    fn take_output(&mut self) -> String {
        let Some(output) = &self.output else {
            return String::new();
        };
        if self.is_last_run {
            output.wait();
        }
        output.take()
    }

    fn killer(&self) -> Killer {
        let stream = self.stream.try_clone();
        Box::new(move || {
            // The worker ends when its connection does.
            if let Ok(stream) = &stream {
                let _ = stream.shutdown(Shutdown::Both);
            }
        })
    }

    fn serves_once(&self) -> bool {
        true
    }
}

impl Drop for Portable {
    fn drop(&mut self) {
        alive().remove(&self.process.id());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Connections of the workers that this process has, by their processes.
fn alive() -> MutexGuard<'static, BTreeMap<u32, TcpStream>> {
    static ALIVE: Mutex<BTreeMap<u32, TcpStream>> = Mutex::new(BTreeMap::new());
    lock(&ALIVE)
}

fn remember(process: &Child, stream: &TcpStream) {
    if let Ok(stream) = stream.try_clone() {
        alive().insert(process.id(), stream);
    }
}

/// End all workers of this kind.
pub(super) fn kill_all() {
    for stream in alive().values() {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a value of [`VARIABLE`] is that of a worker of this kind.
pub(super) fn is_address(value: &str) -> bool {
    value.contains('/')
}

/// Serve the process that listens at this address.
pub(super) fn serve(address: &str, run: Runner<'_>) -> ! {
    let stream = connect(address);
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            server::refuse_variable(address, &error);
            std::process::exit(CANNOT_SERVE);
        }
    };
    if wire::send(&stream, wire::READY, &[wire::RANDOMIZED]).is_err() {
        std::process::exit(0);
    }
    loop {
        let started = wire::header(wire::STARTED, 0);
        let Ok(Some((kind, length))) = wire::next(&stream) else {
            // The client is gone.
            std::process::exit(0);
        };
        if stream.write_all(&started).is_err() {
            std::process::exit(0);
        }
        let is_last = kind != wire::SHARED;
        server::answer(&stream, length, run, |_| {
            if is_last && let Ok(stream) = stream.try_clone() {
                end_with(stream);
            }
        });
        if is_last {
            std::process::exit(0);
        }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let (address, word) = address.split_once('/').unwrap_or_default();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(word.as_bytes())?;
    Ok(stream)
}

/// End this process when the connection ends: no further request comes.
fn end_with(mut stream: TcpStream) {
    #[allow(
        clippy::disallowed_methods,
        reason = "watches over a run from outside of its simulation"
    )]
    std::thread::spawn(move || {
        while !matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_)) {}
        std::process::exit(0);
    });
}
