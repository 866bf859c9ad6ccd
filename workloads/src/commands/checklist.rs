//! `retake checklist`: is this machine ready to serve?

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use retake_system::invariants;
use retake_system::ledger::DataFolder;
use retake_traces::counted;

use super::keys::{open_to_others, read_key};
use crate::bench::machine::file_system;
use crate::recover::receipts;
use retake_cli::Program;
use retake_cli::command::{Error, Status};

/// Check whether this machine is ready to serve.
#[derive(Debug, Parser)]
#[command(name = "checklist")]
pub(crate) struct ChecklistArgs {
    /// Where the server is to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// The folder of the ledger.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The file with the secret of marketplace orders.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
}

/// What was found, or what to do.
type CheckResult = Result<String, String>;

pub(crate) fn checklist(
    _: &Program,
    args: &ChecklistArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let checks: [(&str, CheckResult); 9] = [
        ("panics unwind, so supervisors see them", unwinding()),
        ("the clock is plausible", clock()),
        ("enough files may be open", open_files()),
        ("the address is free", address(args.addr)),
        ("only this machine is served directly", exposure(args.addr)),
        ("no other server has the data folder", free(&args.data)),
        (
            "the data folder can be written and synced",
            syncing(&args.data),
        ),
        ("the ledger is whole", ledger(&args.data)),
        (
            "orders are signed with a good secret",
            secret(args.secret.as_deref()),
        ),
    ];
    let mut failed = 0;
    for (what, found) in &checks {
        let (word, found) = match found {
            Ok(found) => ("PASS", found),
            Err(found) => {
                failed += 1;
                ("FAIL", found)
            }
        };
        writeln!(out, "{word} {what}\n     {found}")?;
    }
    writeln!(out, "{} passed, {failed} failed", checks.len() - failed)?;
    Ok(if failed == 0 {
        Status::Passed
    } else {
        Status::Failed
    })
}

fn unwinding() -> CheckResult {
    if cfg!(panic = "unwind") {
        Ok("built with panic = \"unwind\"".to_owned())
    } else {
        Err("built with panic = \"abort\": build it without".to_owned())
    }
}

fn clock() -> CheckResult {
    /// 2025-01-01.
    const EARLIEST: Duration = Duration::from_secs(1_735_689_600);
    let now = retake::unix_time();
    if now < EARLIEST {
        return Err(format!("it says {} s of Unix time: set it", now.as_secs()));
    }
    Ok(format!("{} s of Unix time", now.as_secs()))
}

fn open_files() -> CheckResult {
    /// Connections, and some.
    const LEAST: u64 = 17_000;
    let limits = fs::read_to_string("/proc/self/limits");
    let limits = limits.map_err(|error| format!("/proc/self/limits: {error}"))?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    match soft.map(str::parse::<u64>) {
        Some(Ok(soft)) if soft < LEAST => Err(format!(
            "{soft}; raise it to {LEAST} (`ulimit -n`, or LimitNOFILE= of systemd)"
        )),
        Some(Ok(soft)) => Ok(soft.to_string()),
        // `unlimited`.
        _ => Ok("no limit".to_owned()),
    }
}

fn address(addr: SocketAddr) -> CheckResult {
    match std::net::TcpListener::bind(addr) {
        Ok(_) => Ok(addr.to_string()),
        Err(error) => Err(format!("{addr}: {error}")),
    }
}

fn exposure(addr: SocketAddr) -> CheckResult {
    if addr.ip().is_loopback() {
        Ok("a proxy with TLS in front of it serves others".to_owned())
    } else {
        Err(format!(
            "{addr} is reached from outside without TLS: listen on 127.0.0.1 behind a proxy"
        ))
    }
}

fn free(data: &Path) -> CheckResult {
    match DataFolder::look(data) {
        Ok(()) => Ok(data.display().to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn syncing(data: &Path) -> CheckResult {
    const TIMES: u32 = 20;
    let work = || -> std::io::Result<Duration> {
        if !data.exists() {
            // As the server makes it.
            drop(DataFolder::open(data).map_err(std::io::Error::other)?);
        }
        // Under a name that nobody can have prepared, as a link to another file.
        let mut builder = tempfile::Builder::new();
        let mut file = builder.prefix(".checklist.").tempfile_in(data)?;
        let start = retake::now();
        for _ in 0..TIMES {
            file.write_all(&[0; 512])?;
            file.as_file().sync_data()?;
        }
        let each = start.elapsed() / TIMES;
        file.close()?;
        Ok(each)
    };
    let kind = file_system(data).unwrap_or_else(|| "a file system".to_owned());
    match work() {
        Ok(_) if ["tmpfs", "ramfs"].contains(&kind.as_str()) => Err(format!(
            "{} lies in memory ({kind}): give a folder on a disk",
            data.display()
        )),
        Ok(each) => Ok(format!(
            "{} on {kind} takes {each:.0?} for each sync",
            data.display()
        )),
        Err(error) => Err(format!("{}: {error}", data.display())),
    }
}

fn ledger(data: &Path) -> CheckResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let Some(store) = runtime.block_on(receipts(&data.join("ledger.log")))? else {
        return Ok("a new one will be made".to_owned());
    };
    match invariants::ledger(&store).first() {
        None => Ok(format!(
            "{}, all chains verify",
            counted(store.len(), "receipt")
        )),
        Some(violation) => Err(violation.to_string()),
    }
}

fn secret(file: Option<&Path>) -> CheckResult {
    const LEAST: usize = 32;
    let Some(file) = file else {
        return Err("none: give --secret FILE".to_owned());
    };
    let of_file = |what: String| format!("{}: {what}", file.display());
    let length = read_key(file).map_err(of_file)?.len();
    if length < LEAST {
        return Err(of_file(format!(
            "{}, give at least {LEAST}",
            counted(length, "byte")
        )));
    }
    if let Some(mode) = open_to_others(file) {
        return Err(of_file(format!(
            "others may read it (mode {mode:o}): chmod 600"
        )));
    }
    Ok(of_file(format!(
        "{}, for its owner only",
        counted(length, "byte")
    )))
}
