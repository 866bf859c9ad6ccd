//! What the snapshot tests share: runs of scenarios, kept in memory.
//!
//! The tests themselves: `tests/suite/stories.rs` pins what people read, `golden.rs`
//! replays recorded traces, `determinism.rs` runs seeds twice, and
//! `planted.rs` plants what is not deterministic.

use std::sync::LazyLock;

use retake_cli::run::{RunReport, Settings, run_with_sink};
use retake_cli::{Program, Scenario};
use retake_inspect::notes::annotate;
use retake_inspect::story::lines;
use retake_inspect::{Line, compare};
use retake_traces::{Layers, MemorySink, Record};

/// The program whose runs are looked at: the `retake` command.
#[must_use]
pub fn program() -> &'static Program {
    static PROGRAM: LazyLock<Program> = LazyLock::new(retake_workloads::program);
    &PROGRAM
}

/// The scenario of this name.
///
/// # Panics
/// If it does not exist.
#[must_use]
pub fn scenario(name: &str) -> &'static Scenario {
    program()
        .find(name)
        .unwrap_or_else(|| panic!("there is no scenario `{name}`"))
}

/// Run a scenario and keep its records.
#[must_use]
pub fn record(name: &str, settings: &Settings) -> (RunReport, Vec<Record>) {
    let sink = MemorySink::new();
    let finished = run_with_sink(scenario(name), settings, sink.clone());
    (finished, sink.records())
}

/// The lines of a run with its story.
#[must_use]
pub fn story(name: &str, seed: u64) -> Vec<Line> {
    let settings = Settings {
        layers: Layers::STORY,
        ..Settings::of_seed(seed)
    };
    annotate(lines(&record(name, &settings).1))
}

/// Lines as text.
#[must_use]
pub fn text<'a>(lines: impl IntoIterator<Item = &'a Line>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|line| line.to_text(100)).collect();
    format!("{}\n{}", Line::heading(100), lines.join("\n"))
}

/// Run a seed again with records and say where two runs of it part.
#[must_use]
pub fn explain_divergence(name: &str, settings: &Settings) -> String {
    let settings = Settings {
        layers: Layers::STORY,
        ..settings.clone()
    };
    let (first, second) = (record(name, &settings).1, record(name, &settings).1);
    match compare(("first run", "second run"), &first, &second) {
        Some(divergence) => divergence.to_text(100),
        None => "two more runs of it were the same".to_owned(),
    }
}
