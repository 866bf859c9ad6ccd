//! What a test says of its runs: how it failed, with a saved case and its trace, and what is to
//! be known where it passed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use retake_traces::writer::TraceWriter;

use super::{SHRINK_STEPS_MAX, SHRINK_TIME_MAX, Test};
use crate::explore::remote::{Place, Recording};
use crate::explore::{Campaign, Case, Explanation, Scenario, shrink, why};
use crate::isolate::now;

impl Test {
    /// What is to be known of a test that has passed.
    pub(super) fn remark(&self, campaign: &Campaign, is_randomized: bool) {
        let path = self.path();
        if campaign.runs > 1 && campaign.schedules.len() == 1 {
            say(&format!(
                "{path}: 1 schedule in {} seeds: there was nothing to choose. Start tasks by \
                 `retake::spawn` and put `#[retake::simulated]` on actors",
                campaign.runs
            ));
        }
        if campaign.ungated_max > 0 {
            say(&format!(
                "{path}: up to {} tokio tasks ran outside the scheduler at one time: ractor's own \
                 timers and helpers, or tasks of `tokio::spawn`, which `retake::spawn` would have \
                 scheduled; `strict = true` makes them a failure",
                campaign.ungated_max
            ));
        }
        for warning in campaign.faults_without_effect() {
            say(&format!("{path}: {warning}"));
        }
        if let Some(history) = &campaign.history {
            say(&format!(
                "{path}: seed {} depends on earlier runs of its process, if there are any \
                 ({} of the seeds that were compared): {}",
                history.seed, history.count, history.divergence
            ));
        }
        if is_randomized {
            static ONCE: std::sync::Once = std::sync::Once::new();
            ONCE.call_once(|| {
                say(
                    "note: this system does not let addresses be the same in each process \
                     (personality(2) is refused): what depends on them may differ",
                );
            });
        }
    }

    /// Where the trace of a case is written.
    pub(super) fn trace(&self, case: &Path) -> PathBuf {
        let folder = Path::new(self.crate_folder).join("target/retake");
        let name = Path::new(case.file_name().unwrap_or_default()).with_extension("retake");
        folder.join(self.folder_name()).join(name)
    }

    /// Shrink, save and explain a failure.
    pub(super) fn report(&self, case: &Case, scenario: &Scenario) -> String {
        let seed = case.config.seed;
        let mut head = if case.is_plain() {
            "the plain run fails (first in, first out, without faults)".to_owned()
        } else {
            format!("seed {seed} fails (strategy {})", case.config.strategy)
        };
        if case.hangs() {
            // Each further run would take as long.
            let file = self.folder().join(case.file_name());
            let footer = match case.save(&file) {
                Ok(()) => self.footer(&file, None),
                Err(error) => format!("not saved: {error}"),
            };
            return format!("{head}\n{}: {}\n{footer}", self.path(), case.outcome);
        }
        let limits = shrink::Limits {
            steps: SHRINK_STEPS_MAX,
            until: Some(now() + SHRINK_TIME_MAX),
        };
        let case = match shrink::shrink_boxed(case, scenario, limits, |_| {}) {
            Ok(shrunk) => {
                head.push_str(&format!("; {shrunk}"));
                shrunk.case
            }
            Err(error) => {
                let path = self.path();
                // A seed that was run twice on purpose has shown already where the runs part.
                let (outcome, parting) = match case.outcome.split_once('\n') {
                    Some((outcome, parting)) if !case.is_deterministic() => {
                        (outcome, Some(parting.to_owned()))
                    }
                    _ => (&*case.outcome, case.where_two_runs_part(scenario)),
                };
                let parting = no_function_of_the_seed(parting.as_deref());
                return format!("{head}\n{path}: {outcome}\nrun again, {error}\n{parting}");
            }
        };
        let file = self.folder().join(case.file_name());
        let trace = self.trace(&file);
        let saved = case.save(&file).map_err(|error| error.to_string());
        let explanation = why::explain_boxed(&case, scenario);
        let written = write_trace(&trace, &case, &explanation, scenario);
        let footer = match saved {
            Ok(()) => self.footer(&file, written.is_ok().then_some(&*trace)),
            Err(error) => format!("not saved: {error}"),
        };
        let printed = match written.as_deref().map(str::trim_end) {
            Ok("") | Err(_) => String::new(),
            Ok(printed) => format!("\nit prints:\n{printed}"),
        };
        format!(
            "{head}\n{}{printed}\n{footer}",
            self.story(&case, &explanation)
        )
    }

    pub(super) fn story(&self, case: &Case, explanation: &Explanation) -> String {
        let seconds = case.virtual_time_ns as f64 / 1e9;
        // A process that was lost has not said how far it came.
        let place = match case.is_lost() {
            true => String::new(),
            false => format!(" at step {}, virtual time {seconds} s", case.steps),
        };
        format!("{}{place}:\n{}", self.path(), explanation.to_text(120))
    }

    pub(super) fn footer(&self, file: &Path, trace: Option<&Path>) -> String {
        let mut text = format!("case: {}", file.display());
        if let Some(trace) = trace {
            text.push_str(&format!("\ntrace: {}", trace.display()));
        }
        let path = self.path();
        text.push_str(&format!(
            "\nreplay: RETAKE_REPLAY={} cargo test -p {} {path} -- --exact",
            for_shell(file),
            self.crate_name,
        ));
        if let Some(trace) = trace {
            text.push_str(&format!("\nlook inside: retake debug {}", for_shell(trace)));
        }
        text
    }
}

/// Write a line to the standard error as it is: what a test prints is thrown away if it
/// passes.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A path as a shell takes it for one word.
pub(super) fn for_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What to make of two runs of a seed that are not the same, and part there.
fn no_function_of_the_seed(parting: Option<&str>) -> String {
    let mut text = "so something in it is not a function of the seed".to_owned();
    match parting {
        None => text.push_str("; two further runs were the same, or too long to be compared"),
        Some(parting) => {
            text.push_str(". Two further runs part here:");
            for line in parting.lines() {
                text.push_str(&format!("\n  {line}"));
            }
        }
    }
    text.push_str(
        "\nit may be: a static; tokio::spawn or a thread; select! without `biased`; a clock; the \
         order of a HashMap, of a process group or of a factory's workers; names or groups that \
         an earlier run left in ractor's registry; available_parallelism. See \
         docs/determinism.md, and the feature `interpose` of retake-sim",
    );
    text
}

/// Write the trace of a case. Gives what its run prints.
pub(super) fn write_trace(
    path: &Path,
    case: &Case,
    explanation: &Explanation,
    scenario: &Scenario,
) -> Result<String, String> {
    let write = || -> Result<TraceWriter, Box<dyn std::error::Error>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let program = format!("retake-sim {}", env!("CARGO_PKG_VERSION"));
        let mut header = case.header(program, case.code.clone());
        explanation.note_in(&mut header);
        Ok(TraceWriter::create(path, &header)?)
    };
    let writer = write().map_err(|error| error.to_string())?;
    let place = Place {
        prints: true,
        ..Place::fresh()
    };
    let ran = case.run_in(scenario, &place, Recording::for_people(true), writer);
    match ran.run.trace_error {
        None => Ok(ran.printed),
        Some(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{for_shell, no_function_of_the_seed};

    #[test]
    fn the_hint_at_nondeterminism_names_what_a_run_may_depend_on() {
        let hint = no_function_of_the_seed(None);
        for source in [
            "static",
            "tokio::spawn",
            "thread",
            "select! without `biased`",
            "clock",
            "HashMap",
            "process group",
            "registry",
            "available_parallelism",
            "docs/determinism.md",
            "`interpose`",
        ] {
            assert!(hint.contains(source), "{source}: {hint}");
        }
    }

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        let of = |path| for_shell(Path::new(path));
        assert_eq!(of("/a/b-c_1.json"), "/a/b-c_1.json");
        assert_eq!(of("my cases/$HOME.json"), "'my cases/$HOME.json'");
        assert_eq!(of("it's"), r"'it'\''s'");
    }
}
