//! `retake serve`: the whole system behind HTTP, until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use retake_actors::ingress::Secret;
use retake_actors::ledger::{Disk, FileDisk};
use retake_actors::{IngressConfig, PlannedFailure};
use retake_record::{Config, Recording, StartError};
use tokio::net::{TcpListener, TcpSocket};

use super::{Error, Status};
use crate::served::{self, Mode, SCENARIO, Setup};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// The folder of the ledger. Made if it is not there; what is in it is served.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What an acknowledged receipt survives: the process (`memory` does not), or a
    /// loss of power.
    #[arg(long, value_enum, default_value_t = Mode::GroupCommit)]
    durability: Mode,
    /// The longest that a receipt waits for others in `group-commit`, in microseconds.
    #[arg(long, default_value_t = 1000, value_name = "MICROSECONDS")]
    commit_delay: u64,
    /// The file with the secret that marketplace orders are signed with.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// Requests worked on at once; one more is answered with 503.
    #[arg(long, default_value_t = IngressConfig::default().requests_max)]
    requests_max: usize,
    /// A body must have come, and the work be done, within so many seconds each.
    #[arg(long, default_value_t = IngressConfig::default().request_timeout.as_secs(),
          value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    request_timeout: u64,
    /// Entitle this tenant at the start. May be given several times.
    #[arg(long = "entitle", value_name = "TENANT")]
    tenants: Vec<String>,
    /// Let something fail on purpose: SERVICE:KIND[,rate=SHARE][,at=TIME][,for=TIME], as
    /// `retake bench --fail`. May be given several times.
    #[arg(long = "fail", value_name = "FAILURE", value_parser = super::planned_failure)]
    failures: Vec<PlannedFailure>,
    /// Lines of the log: people's or JSON.
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
    /// Mean time of an action's work, in milliseconds.
    #[arg(long, default_value_t = 20, value_name = "MS")]
    action_ms: u64,
    /// Record what the server does in this file, for `retake replay`. It then does one
    /// thing at a time. Bodies of requests are in it; the secret is not.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The recording stops at so many megabytes; the server goes on.
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Log {
    Text,
    Json,
}

pub(super) fn serve(args: &ServeArgs, out: &mut impl Write) -> Result<Status, Error> {
    let secret = match &args.secret {
        Some(file) => read_secret(file)?,
        None => IngressConfig::default().secret,
    };
    start_log(args);
    if args.secret.is_none() {
        tracing::warn!("no --secret: anybody can sign marketplace orders");
    }
    let open_files_max = raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for planned in &args.failures {
        tracing::warn!(%planned, "fails on purpose");
    }
    let setup = Setup {
        durability: args.durability,
        commit_delay_us: args.commit_delay,
        action_ms: args.action_ms,
        requests_max: args.requests_max,
        tenants: args.tenants.clone(),
        fail_workers: args.fail_workers,
        failures: args.failures.iter().map(ToString::to_string).collect(),
    };
    let ingress_config = IngressConfig {
        request_timeout: Duration::from_secs(args.request_timeout),
        secret,
        connections_max: connections_max(open_files_max),
        ..IngressConfig::default()
    };
    let disk = disk(args)?;
    let recording = args
        .record
        .as_deref()
        .map(|file| record(file, args))
        .transpose()?;
    let served = runtime.block_on(async {
        let system = setup.clone().start(disk).await.map_err(Error::Usage)?;
        let listener = listen(args.addr)
            .map_err(|error| Error::Usage(format!("cannot listen on {}: {error}", args.addr)))?;
        let receipts = system.store().len();
        writeln!(
            out,
            "listening on http://{}, {receipts} receipts in {}",
            listener.local_addr()?,
            args.data.display()
        )?;
        out.flush()?;
        let ingress = setup.ingress(&system, ingress_config);
        let served = ingress.serve(listener, told_to_stop()).await;
        let receipts = system.store().len();
        served::stop(system).await;
        writeln!(
            out,
            "stopped after {} connections, {} cut; {receipts} receipts",
            served.connections, served.unfinished
        )?;
        Ok(if served.unfinished == 0 {
            Status::Passed
        } else {
            Status::Failed
        })
    });
    if let Some(recording) = recording {
        let path = recording.path().display().to_string();
        let recorded = recording.finish()?;
        writeln!(
            out,
            "recorded {} steps in {path}, {:.1} MB",
            recorded.steps,
            recorded.bytes as f64 / 1e6
        )?;
        if let Some(gap) = recorded.gap {
            writeln!(out, "the recording stopped before the server: {gap}")?;
        }
    }
    served
}

/// Listen with room for a burst of clients. `TcpListener::bind` has room for 128 that were
/// not accepted yet; the kernel drops the next ones' packets, and they wait for a second.
fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    /// What Linux bounds it by, unless told otherwise (`net.core.somaxconn`).
    const BACKLOG: u32 = 4096;
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As `TcpListener::bind` does: a server started anew need not wait for old connections.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

fn record(file: &std::path::Path, args: &ServeArgs) -> Result<Recording, Error> {
    let config = Config {
        texts: args.record_texts,
        bytes_max: args.record_max.map(|mb| mb * 1_000_000),
        program: (
            format!("retake {}", env!("CARGO_PKG_VERSION")),
            env!("RETAKE_CODE").to_owned(),
        ),
        ..Config::new(SCENARIO)
    };
    retake_record::start(file, config).map_err(|error| match error {
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

fn disk(args: &ServeArgs) -> Result<Option<Arc<dyn Disk>>, Error> {
    let unusable = |error: std::io::Error| {
        Error::Usage(format!(
            "cannot keep the ledger in {}: {error}",
            args.data.display()
        ))
    };
    std::fs::create_dir_all(&args.data).map_err(unusable)?;
    if args.durability == Mode::Memory {
        return Ok(None);
    }
    let disk = FileDisk::open(args.data.join("ledger.log")).map_err(unusable)?;
    Ok(Some(Arc::new(disk)))
}

fn read_secret(file: &std::path::Path) -> Result<Secret, Error> {
    let unusable = |what: String| {
        Error::Usage(format!(
            "cannot use the secret in {}: {what}",
            file.display()
        ))
    };
    let text = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let key = text.trim_ascii();
    if key.len() < 16 {
        return Err(unusable(format!(
            "it has {} bytes, give at least 16",
            key.len()
        )));
    }
    Ok(Secret::new(key))
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

/// Ready on the first signal to end.
pub(super) async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without signals it serves until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
