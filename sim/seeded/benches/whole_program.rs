//! `cargo bench -p retake-seeded`: programs with tokio as it is (bare), with gates in a `Sim`
//! (plain mode), and in a simulated process, where each message is a step (whole program). Time of
//! the processor, so that other programs matter little; they run in turns.
//!
//! `--in FOLDER` keeps what was built; a name runs only the programs that have it in theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use retake_seeded::child::Request;

const NAMES: [&str; 11] = [
    "ping-pong",
    "RPC",
    "ring of 1,000",
    "fan-in",
    "M/M/10",
    "small pool",
    "start-up",
    // As many messages among more and more actors.
    "gossip of 500",
    "gossip of 5,000",
    "gossip of 50,000",
    // Of 10,000 actors, each of which sends every ten seconds.
    "gossip, an hour",
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
    let bare = build(&project, "target/stock", &[], None)?;
    let gated = build(&project, "target/gated", &["--features=gated"], None)?;
    let whole = build(&project, "target/seeded", &[], Some(&tokio))?;
    println!(
        "{:<18}{:>10}{:>12}  {:>5}{:>16}  {:>5}",
        "ms", "bare", "plain mode", "ratio", "whole program", "ratio"
    );
    for name in NAMES {
        if !wanted.is_empty() && !wanted.iter().any(|it| name.contains(&**it)) {
            continue;
        }
        let mut least = [u64::MAX; 3];
        for _ in 0..ROUNDS {
            for (least, (program, is_simulated)) in
                least
                    .iter_mut()
                    .zip([(&bare, false), (&gated, false), (&whole, true)])
            {
                *least = (*least).min(run(program, name, folder, is_simulated)?);
            }
        }
        let [of_bare, of_gated, of_whole] = least;
        let ratio = |of: u64| of_bare as f64 / of.max(1) as f64;
        println!(
            "{name:<18}{:>10}{:>12}  {:>5.2}{:>16}  {:>5.2}",
            of_bare / 1_000_000,
            of_gated / 1_000_000,
            ratio(of_gated),
            of_whole / 1_000_000,
            ratio(of_whole),
        );
    }
    println!("ratio: speed compared with bare ractor");
    Ok(())
}

fn make_project(project: &Path) -> Result<()> {
    let of_it = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
    fs::create_dir_all(project.join("src")).map_err(|error| error.to_string())?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let repository = repository
        .canonicalize()
        .map_err(|error| error.to_string())?;
    for file in ["Cargo.toml", "src/main.rs", "src/gossip.rs", "src/how.rs"] {
        let of = |error: std::io::Error| format!("{file}: {error}");
        let text = fs::read_to_string(of_it.join(file)).map_err(of)?;
        let text = text.replace("REPOSITORY", &repository.display().to_string());
        fs::write(project.join(file), text).map_err(of)?;
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

fn build(project: &Path, target: &str, features: &[&str], tokio: Option<&Path>) -> Result<PathBuf> {
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
    arguments.extend(features);
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
