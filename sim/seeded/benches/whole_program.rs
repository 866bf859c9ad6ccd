//! `cargo bench -p retake-seeded`: programs with tokio as it is, and in a simulated process, where
//! each message is a step. Time of the processor, so that other programs matter little.
//!
//! `--in FOLDER` keeps what was built; a name runs only that program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use retake_seeded::child::Request;

const NAMES: [&str; 7] = [
    "ping-pong",
    "RPC",
    "ring of 1,000",
    "fan-in",
    "M/M/10",
    "small pool",
    "start-up",
];
/// The least of so many times counts.
const ROUNDS: usize = 3;

type Result<T> = std::result::Result<T, String>;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds it, and `cargo test` only wants to know that this compiles.
    if !arguments.iter().any(|it| it == "--bench") {
        return;
    }
    arguments.retain(|it| it != "--bench");
    let kept = match arguments.first().map(String::as_str) {
        Some("--in") if arguments.len() > 1 => arguments.drain(..2).nth(1).map(PathBuf::from),
        _ => None,
    };
    let temporary = std::env::temp_dir().join(format!("retake-bench-{}", std::process::id()));
    let measured = measure(kept.as_ref().unwrap_or(&temporary), &arguments);
    if kept.is_none() {
        let removed = fs::remove_dir_all(&temporary);
        drop(removed);
    }
    if let Err(problem) = measured {
        eprintln!("error: {problem}");
        std::process::exit(1);
    }
}

fn measure(folder: &Path, wanted: &[String]) -> Result<()> {
    let project = folder.join("bench");
    make_project(&project)?;
    let tokio = folder.join("tokio");
    let removed = fs::remove_dir_all(&tokio);
    drop(removed);
    let locked = locked_tokio(&project)?;
    retake_seeded::generate(&locked, &tokio).map_err(|error| error.to_string())?;
    let stock = build(&project, "target/stock", None)?;
    let seeded = build(&project, "target/seeded", Some(&tokio))?;
    println!("| | tokio, ms | simulated, ms | ratio |\n|---|---|---|---|");
    for name in NAMES {
        if !wanted.is_empty() && !wanted.iter().any(|it| name.contains(&**it)) {
            continue;
        }
        let (mut of_stock, mut of_seeded) = (u64::MAX, u64::MAX);
        for _ in 0..ROUNDS {
            of_stock = of_stock.min(run(&stock, name, folder, false)?);
            of_seeded = of_seeded.min(run(&seeded, name, folder, true)?);
        }
        let (stock_ms, seeded_ms) = (of_stock / 1_000_000, of_seeded / 1_000_000);
        let ratio = of_stock as f64 / of_seeded.max(1) as f64;
        println!("| {name} | {stock_ms} | {seeded_ms} | {ratio:.2} |");
    }
    Ok(())
}

fn make_project(project: &Path) -> Result<()> {
    let of_it = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
    fs::create_dir_all(project.join("src")).map_err(|error| error.to_string())?;
    for file in ["Cargo.toml", "src/main.rs"] {
        let copied = fs::copy(of_it.join(file), project.join(file));
        copied.map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

fn cargo(project: &Path, arguments: &[&str]) -> Result<String> {
    // By its name, so that rustup chooses one toolchain for all packages.
    let output = Command::new("cargo")
        .args(arguments)
        .current_dir(project)
        // Sources in folders would be built so, and those of a registry not.
        .env("CARGO_INCREMENTAL", "0")
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "cargo {arguments:?}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn locked_tokio(project: &Path) -> Result<PathBuf> {
    let metadata = cargo(project, &["metadata", "--format-version", "1"])?;
    let manifests = metadata.split("\"manifest_path\":\"").skip(1);
    let mut manifests = manifests.filter_map(|rest| rest.split('"').next());
    let manifest = manifests.find(|path| path.contains("/tokio-1."));
    let folder = manifest.and_then(|path| Path::new(path).parent());
    folder
        .map(Path::to_owned)
        .ok_or_else(|| "cargo names no tokio".to_owned())
}

fn build(project: &Path, target: &str, tokio: Option<&Path>) -> Result<PathBuf> {
    let target = project.join(target);
    let target_text = target.display().to_string();
    let paths = tokio.map(|tokio| format!("paths=[{:?}]", tokio.display().to_string()));
    let mut arguments = Vec::new();
    if let Some(paths) = &paths {
        arguments.extend(["--config", paths]);
    }
    arguments.extend([
        "build",
        "--release",
        "--quiet",
        "--target-dir",
        &target_text,
    ]);
    cargo(project, &arguments)?;
    Ok(target.join("release/bench"))
}

/// The time that it took, in nanoseconds.
fn run(program: &Path, name: &str, folder: &Path, is_simulated: bool) -> Result<u64> {
    let mut command = Command::new(program);
    command.arg(name);
    if is_simulated {
        let request = Request {
            seed: 1,
            step_limit: 1 << 40,
            horizon_ns: 1 << 60,
            answer: folder.join("answer"),
            ..Request::default()
        };
        command.envs(request.variables().map_err(|error| error.to_string())?);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{name}: {}:\n{text}{said}", output.status)
    })
}
