//! `retake serve`: the whole system behind HTTP, until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use retake_actors::ingress::Secret;
use retake_actors::ledger::{Durability, FileDisk};
use retake_actors::{Ingress, IngressConfig, ServiceTime, System, SystemConfig};

use super::{Error, Status};

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
    /// Entitle this tenant at the start. May be given several times.
    #[arg(long = "entitle", value_name = "TENANT")]
    tenants: Vec<String>,
    /// Lines of the log: people's or JSON.
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
    /// Mean time of an action's work, in milliseconds.
    #[arg(long, default_value_t = 20, value_name = "MS")]
    action_ms: u64,
    /// What is logged: error, warn, info, debug or trace.
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log_level: tracing::Level,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Nothing but the death of an actor.
    Memory,
    /// A loss of power; receipts are synced together.
    GroupCommit,
    /// A loss of power; each receipt is synced by itself.
    Fsync,
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let config = SystemConfig {
        durability: durability(args)?,
        action_time: ServiceTime::Exponential(Duration::from_millis(args.action_ms)),
        ..SystemConfig::default()
    };
    let ingress_config = IngressConfig {
        requests_max: args.requests_max,
        secret,
        ..IngressConfig::default()
    };
    runtime.block_on(async {
        let system = System::start(config)
            .await
            .map_err(|error| Error::Usage(format!("the system does not start: {error}")))?;
        for tenant in &args.tenants {
            let entitled = system.entitle(tenant, true).await;
            entitled.map_err(|error| Error::Usage(format!("--entitle {tenant}: {error}")))?;
        }
        let listener = tokio::net::TcpListener::bind(args.addr).await;
        let listener = listener
            .map_err(|error| Error::Usage(format!("cannot listen on {}: {error}", args.addr)))?;
        let receipts = system.store().len();
        writeln!(
            out,
            "listening on http://{}, {receipts} receipts in {}",
            listener.local_addr()?,
            args.data.display()
        )?;
        out.flush()?;
        let ingress = Ingress::new(&system, ingress_config);
        let served = ingress.serve(listener, told_to_stop()).await;
        let receipts = system.store().len();
        system.stop().await;
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
    })
}

fn durability(args: &ServeArgs) -> Result<Durability, Error> {
    let unusable = |error: std::io::Error| {
        Error::Usage(format!(
            "cannot keep the ledger in {}: {error}",
            args.data.display()
        ))
    };
    std::fs::create_dir_all(&args.data).map_err(unusable)?;
    let disk = || {
        let disk = FileDisk::open(args.data.join("ledger.log")).map_err(unusable)?;
        Ok::<_, Error>(Arc::new(disk))
    };
    Ok(match args.durability {
        Mode::Memory => Durability::Memory,
        Mode::Fsync => Durability::Fsync(disk()?),
        Mode::GroupCommit => Durability::GroupCommit {
            disk: disk()?,
            delay: Duration::from_micros(args.commit_delay),
            batch: 100,
        },
    })
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
