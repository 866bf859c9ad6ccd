//! `retake serve`: the whole system behind HTTP, until a signal stops it.

use std::fs::TryLockError;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use retake_live::{Config, Recording, StartError};
use retake_sim::Fault;
use retake_system::IngressConfig;
use retake_system::ingress::{Secret, Token, check_name};
use retake_system::ledger::{DataFolder, Disk, FolderError};
use retake_traces::counted;
use tokio::net::{TcpListener, TcpSocket};

use super::keys::{open_to_others, read_key};
use crate::live_faults;
use crate::served::{self, Mode, SCENARIO, Setup};
use retake_cli::Program;
use retake_cli::command::{Error, Status, partial, stop_requested};

/// Serve the whole system over HTTP, until SIGTERM or Ctrl-C.
///
/// A restart with the same folder keeps every acknowledged receipt. Exit codes: 0 stopped
/// in order, 1 stopped with connections cut, 2 did not start, 3 the recording cannot be
/// written, 4 gave up while it served, 5 the data folder or the recording is in use by
/// another process.
#[derive(Debug, Parser)]
#[command(name = "serve")]
pub(crate) struct ServeArgs {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// The folder of the ledger, which one server has at a time. Made if it is not there;
    /// what is in it is served.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What an acknowledged receipt survives: the process (`memory` does not), or a
    /// loss of power.
    #[arg(long, value_enum, default_value_t = Mode::GroupCommit)]
    durability: Mode,
    /// The longest that a receipt waits for others in `group-commit`, in microseconds.
    #[arg(long, default_value_t = 1000, value_name = "MICROSECONDS")]
    commit_delay: u64,
    /// The file with the secret that marketplace orders are signed with: at least 16 bytes, 8
    /// of them different. Without it every order is refused.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// The file with the token that pushes have to bring (`Authorization: Bearer TOKEN`).
    /// Without it anybody may push.
    #[arg(long, value_name = "FILE")]
    push_token_file: Option<PathBuf>,
    /// The file with the token that requests for `/metrics` have to bring. Without it anybody
    /// may ask.
    #[arg(long, value_name = "FILE")]
    metrics_token_file: Option<PathBuf>,
    /// Requests worked on at once; one more is answered with 503.
    #[arg(long, default_value_t = IngressConfig::default().requests_max)]
    requests_max: usize,
    /// A body must have come, the work be done, and the answer be taken, within so many
    /// seconds each.
    #[arg(long, default_value_t = IngressConfig::default().request_timeout.as_secs(),
          value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    request_timeout: u64,
    /// Entitle this tenant at the start, unless it was suspended, revoked or the like: only an
    /// order changes that. May be given several times.
    #[arg(long = "entitle", value_name = "TENANT")]
    tenants: Vec<String>,
    /// Let something fail on purpose: `break SERVICE KIND [rate 10%] @TIME [until TIME]`, as
    /// `retake bench --fail`. May be given several times.
    #[arg(long = "fail", visible_alias = "fault", value_name = "FAULT",
          value_parser = live_faults::parse)]
    failures: Vec<Fault>,
    /// Lines of the log: people's or JSON.
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
    /// Mean time of an action's work, in milliseconds.
    #[arg(long, default_value_t = 20, value_name = "MS")]
    action_ms: u64,
    /// Record what the server does in this file, for `retake replay`. It then does one
    /// thing at a time. Bodies of requests are in it; secret and tokens are not. What a
    /// server that was killed has left there is kept as FILE.crash-1 and so on.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The recording stops at so many megabytes; the server continues.
    #[arg(long, value_name = "MB", requires = "record")]
    record_max: Option<u64>,
    /// Record texts of messages as well.
    #[arg(long, requires = "record")]
    record_texts: bool,
    /// Let the workers of this share of the actions die, from 0 to 1: to see what happens.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    fail_workers: f64,
    /// What is logged: error, warn, info, debug or trace.
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log_level: tracing::Level,
}

/// The exit code of a server that cannot continue by itself: its service manager starts it
/// again.
const GAVE_UP: u8 = 4;
/// The exit code where another process has what is needed.
const IN_USE: u8 = 5;

fn in_use(text: String) -> Error {
    Error::Other { code: IN_USE, text }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Log {
    Text,
    Json,
}

pub(crate) fn serve(
    program: &Program,
    args: &ServeArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    for tenant in &args.tenants {
        check_name("--entitle", tenant).map_err(Error::Usage)?;
    }
    let config = ingress_config(args)?;
    start_log(args);
    warn(args);
    let config = IngressConfig {
        connections_max: connections_max(raise_open_files()),
        ..config
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // Before anything is read, written or recorded: another server may be at work on it.
    let folder = DataFolder::open(&args.data).map_err(|error| unusable(args, &error))?;
    if let Some(mode) = folder.open_to_others() {
        let folder = args.data.display();
        tracing::warn!(%folder, "others may look into the data folder (mode {mode:o}): chmod 700");
    }
    if let Some(file) = &args.record {
        check_record(file, &args.data)?;
    }
    let listener = {
        let _runtime = runtime.enter();
        listen(args.addr)
            .map_err(|error| Error::Usage(format!("cannot listen on {}: {error}", args.addr)))?
    };
    let disk: Option<Arc<dyn Disk>> = match args.durability {
        Mode::Memory => None,
        Mode::GroupCommit | Mode::Fsync => {
            let disk = folder.ledger().map_err(|error| unusable(args, &error))?;
            Some(Arc::new(disk))
        }
    };
    if let Some(file) = &args.record {
        say_what_is_there(file, out)?;
    }
    let recording = args
        .record
        .as_deref()
        .map(|file| record(program, file, args))
        .transpose()?;
    let served = runtime.block_on(until_stopped(args, config, listener, disk, out));
    if let Some(recording) = recording {
        finish(recording, out)?;
    }
    // The folder is this process's to its end.
    drop(folder);
    served
}

async fn until_stopped(
    args: &ServeArgs,
    config: IngressConfig,
    listener: TcpListener,
    disk: Option<Arc<dyn Disk>>,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let setup = Setup {
        durability: args.durability,
        commit_delay_us: args.commit_delay,
        action_ms: args.action_ms,
        requests_max: args.requests_max,
        tenants: args.tenants.clone(),
        fail_workers: args.fail_workers,
        failures: args.failures.iter().map(ToString::to_string).collect(),
    };
    let system = setup.clone().start(disk).await.map_err(Error::Usage)?;
    let receipts = system.store().len();
    writeln!(
        out,
        "listening on http://{}, {} in {}",
        listener.local_addr()?,
        counted(receipts, "receipt"),
        args.data.display()
    )?;
    out.flush()?;
    let ingress = setup.ingress(&system, config);
    let gave_up = AtomicBool::new(false);
    let stop = async {
        tokio::select! {
            biased;
            () = system.ended() => gave_up.store(true, Ordering::Relaxed),
            () = stop_requested() => {}
        }
    };
    let served = ingress.serve(listener, stop).await;
    let receipts = system.store().len();
    served::stop(system).await;
    writeln!(
        out,
        "stopped after {}, {} cut; {}",
        counted(served.connections, "connection"),
        served.unfinished,
        counted(receipts, "receipt")
    )?;
    if gave_up.into_inner() {
        tracing::error!("gave up: parts of the system failed again and again");
        writeln!(out, "gave up: parts of the system failed again and again")?;
        return Ok(Status::Other(GAVE_UP));
    }
    Ok(if served.unfinished == 0 {
        Status::Passed
    } else {
        Status::Failed
    })
}

fn ingress_config(args: &ServeArgs) -> Result<IngressConfig, Error> {
    let read = |what: &str, file: &Option<PathBuf>| {
        let Some(file) = file else {
            return Ok(None);
        };
        let key = read_key(file);
        key.map(Some).map_err(|error| {
            let file = file.display();
            Error::Usage(format!("cannot use the {what} in {file}: {error}"))
        })
    };
    let request_timeout = Duration::from_secs(args.request_timeout);
    Ok(IngressConfig {
        request_timeout,
        write_timeout: request_timeout,
        secret: read("secret", &args.secret)?.map(Secret::new),
        push_token: read("token", &args.push_token_file)?.map(Token::new),
        metrics_token: read("token", &args.metrics_token_file)?.map(Token::new),
        ..IngressConfig::default()
    })
}

/// Say what an operator should know about how the server is set up.
fn warn(args: &ServeArgs) {
    if args.secret.is_none() {
        tracing::warn!("no --secret: every marketplace order is refused");
    }
    if !args.addr.ip().is_loopback() {
        let addr = args.addr;
        tracing::warn!(%addr, "others reach this address without TLS: put a proxy in front of it");
        if args.push_token_file.is_none() {
            tracing::warn!("no --push-token-file: anybody who reaches it may push signals");
        }
        if args.metrics_token_file.is_none() {
            tracing::warn!("no --metrics-token-file: anybody who reaches it may read figures");
        }
    }
    let keys = [
        &args.secret,
        &args.push_token_file,
        &args.metrics_token_file,
    ];
    for file in keys.into_iter().flatten() {
        if let Some(mode) = open_to_others(file) {
            let file = file.display();
            tracing::warn!(%file, "others may read this key (mode {mode:o}): chmod 600");
        }
    }
    for planned in &args.failures {
        tracing::warn!(%planned, "fails on purpose");
    }
}

fn unusable(args: &ServeArgs, error: &FolderError) -> Error {
    let text = format!("cannot keep the ledger in {}: {error}", args.data.display());
    match error {
        FolderError::InUse { .. } => in_use(text),
        FolderError::Io { .. } => Error::Usage(text),
    }
}

/// A recording goes neither over what is in the data folder, by whatever name, nor over
/// something that is no file.
fn check_record(file: &Path, data: &Path) -> Result<(), Error> {
    let wrong = |what: &str| Error::Usage(format!("--record {}: {what}", file.display()));
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A folder that is not there is found when the file is made.
    let inside = |path: &Path| match (path.canonicalize(), data.canonicalize()) {
        (Ok(path), Ok(data)) => path.starts_with(data),
        _ => false,
    };
    if inside(parent) || inside(file) {
        return Err(wrong("this is in the data folder: give a file elsewhere"));
    }
    if let Ok(found) = std::fs::metadata(file) {
        if !found.is_file() {
            return Err(wrong("this is no regular file: give another one"));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if found.nlink() > 1 {
                return Err(wrong(
                    "this file has another name as well: give another one",
                ));
            }
        }
    }
    Ok(())
}

/// Say what happens to files that earlier servers left under the name of a recording.
fn say_what_is_there(file: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let partial_file = partial(file);
    if partial_file.is_file()
        && let Ok(left) = std::fs::File::open(&partial_file)
    {
        if matches!(left.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return Err(in_use(format!(
                "--record {}: another process is recording to it: give another file, or stop \
                 that process",
                file.display()
            )));
        }
        writeln!(
            out,
            "{} is what a server that was killed has left: it is kept as {1}.crash-1, or the \
             next number that is free",
            partial_file.display(),
            file.display()
        )?;
    }
    if file.exists() {
        let file = file.display();
        writeln!(out, "{file} is replaced when the server stops")?;
    }
    Ok(())
}

fn finish(recording: Recording, out: &mut dyn Write) -> Result<(), Error> {
    let path = recording.path().display().to_string();
    let recorded = recording.finish()?;
    writeln!(
        out,
        "recorded {} in {path}, {:.1} MB",
        counted(recorded.steps, "step"),
        recorded.bytes as f64 / 1e6
    )?;
    if let Some(gap) = recorded.gap {
        writeln!(out, "the recording stopped before the server: {gap}")?;
    }
    Ok(())
}

/// Listen with room for a burst of clients. `TcpListener::bind` has room for 128 that were
/// not accepted yet; the kernel drops the next ones' packets, and they wait for a second.
fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    /// Linux's default limit (`net.core.somaxconn`).
    const BACKLOG: u32 = 4096;
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As `TcpListener::bind` does: a restarted server need not wait for old connections.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

fn record(program: &Program, file: &Path, args: &ServeArgs) -> Result<Recording, Error> {
    let config = Config {
        texts: args.record_texts,
        bytes_max: args.record_max.map(|mb| mb * 1_000_000),
        program: (program.name_and_version(), program.identity().to_owned()),
        ..Config::new(SCENARIO)
    };
    retake_live::start(file, config).map_err(|error| match error {
        StartError::File(error) => Error::File(error),
        other => Error::Usage(format!("--record: {other}")),
    })
}

/// Files besides connections: the ledger, the log, what the runtime needs.
const OTHER_FILES: u64 = 64;

/// Let this process open as many files as it may; gives how many that is. A connection
/// that cannot be accepted for want of a file would be tried again and again.
fn raise_open_files() -> u64 {
    let connections = IngressConfig::default().connections_max as u64;
    let wanted = connections + OTHER_FILES;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => {
            tracing::warn!(limit, wanted, "few files may be open: raise `ulimit -n`");
            limit
        }
        Ok(limit) => limit,
        Err(error) => {
            tracing::warn!(%error, "how many files may be open is not known");
            wanted
        }
    }
}

fn connections_max(open_files_max: u64) -> usize {
    let places = open_files_max.saturating_sub(OTHER_FILES).max(1);
    usize::try_from(places)
        .unwrap_or(usize::MAX)
        .min(IngressConfig::default().connections_max)
}

fn start_log(args: &ServeArgs) {
    let log = tracing_subscriber::fmt()
        .with_max_level(args.log_level)
        .with_ansi(console::colors_enabled_stderr())
        .with_writer(std::io::stderr);
    // An error means that somebody has set one up, which is as well.
    let _ = match args.log {
        Log::Text => log.try_init(),
        Log::Json => log.json().try_init(),
    };
}
