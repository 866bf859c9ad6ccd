//! What is printed of the tests, and written as JSON and as `JUnit`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use console::style;
use retake_traces::clean::{clean, one_line};
use retake_traces::counted;
use retake_traces::file::OutputFile;
use serde_json::json;

use crate::error::Error;
use crate::judged::{TestFindings, Verdict};

/// Prints results one after the other, under the names of their programs.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    binary: Option<String>,
}

impl Printer {
    /// Print one line about a test, and what is to be known about it.
    pub(crate) fn print(&mut self, judged: &TestFindings, out: &mut dyn Write) -> io::Result<()> {
        if self.binary.as_ref() != Some(&judged.binary) {
            writeln!(out, "\n{}", clean(&judged.binary))?;
            self.binary = Some(judged.binary.clone());
        }
        let line = in_words(judged);
        let line = match judged.verdict {
            Verdict::Failed | Verdict::FailsAsItIs => style(line).red().bold(),
            Verdict::Passed => style(line).green(),
            Verdict::NotRepeatable => style(line).yellow().bold(),
            Verdict::WithoutTasks | Verdict::Interrupted => style(line).dim(),
        };
        writeln!(out, "  {} ... {line}", one_line(judged.name()))?;
        for note in notes(judged) {
            writeln!(out, "      {}", one_line(&note))?;
        }
        Ok(())
    }
}

/// How a test was found, in one line.
fn in_words(judged: &TestFindings) -> String {
    let TestFindings { seeds, orders, .. } = judged;
    match judged.verdict {
        Verdict::Passed if !judged.is_repeatable => {
            format!("{}, not repeatable: allowed", counted(*seeds, "seed"))
        }
        Verdict::NotRepeatable => format!("NOT REPEATABLE, passes {}", counted(*seeds, "seed")),
        Verdict::Passed if *orders == 1 && *seeds > 1 => {
            format!("{}, 1 order: nothing to choose", counted(*seeds, "seed"))
        }
        Verdict::Passed => {
            let (seeds, orders) = (counted(*seeds, "seed"), counted(*orders, "order"));
            format!("{seeds}, {orders}")
        }
        Verdict::WithoutTasks => "passes, without tasks".to_owned(),
        Verdict::FailsAsItIs => "FAILS without Retake as well".to_owned(),
        Verdict::Interrupted => "interrupted".to_owned(),
        Verdict::Failed => failed(judged),
    }
}

fn failed(judged: &TestFindings) -> String {
    if judged.failures.iter().any(|failure| failure.is_saved) {
        let saved = judged.failures.len();
        return format!("FAILED: {}", counted(saved, "saved case"));
    }
    let first = judged.failures.iter().find_map(|failure| failure.seed);
    let failed = match judged.fails_under_faults_only() {
        true => "FAILED under faults only,",
        false => "FAILED",
    };
    let is_plain = judged.failures.iter().any(|failure| failure.seed.is_none());
    let seeds = counted(judged.seeds, "seed");
    match (is_plain, first) {
        (true, _) if judged.failing == 0 => "FAILED first in, first out".to_owned(),
        (true, _) => {
            let failing = judged.failing;
            format!("FAILED first in, first out, and under {failing} of {seeds}")
        }
        (false, Some(seed)) if judged.is_cut => match judged.seeds.saturating_sub(judged.failing) {
            0 => format!("{failed} under seed {seed}"),
            passed => format!("{failed} under seed {seed}, after {passed} that pass"),
        },
        (false, first) => {
            let first = first.map_or_else(String::new, |seed| format!(": seed {seed}"));
            format!("{failed} under {} of {seeds}{first}", judged.failing)
        }
    }
}

/// Whether notes may explain how the test was found. Those of others are counted at the end.
fn is_concerned(judged: &TestFindings) -> bool {
    judged.verdict != Verdict::Passed || !judged.is_repeatable
}

/// What is to be known about a test.
fn notes(judged: &TestFindings) -> Vec<String> {
    let mut notes = Vec::new();
    if !judged.is_repeatable {
        notes.push("two runs of one seed are not the same".to_owned());
        let parting = judged.parting.iter().flat_map(|text| text.lines());
        notes.extend(parting.map(|line| format!("  {line}")));
    }
    if is_concerned(judged) {
        notes.extend(judged.notes.iter().map(|note| format!("note: {note}")));
    }
    notes
}

/// Print each failure in full.
pub(crate) fn failures(all: &[TestFindings], out: &mut dyn Write) -> io::Result<()> {
    for judged in all.iter().filter(|judged| judged.failed()) {
        let name = match &judged.test {
            Some(test) => format!("{} {test}", judged.binary),
            None => judged.binary.clone(),
        };
        writeln!(out, "\n---- {} ----", one_line(&name))?;
        if judged.verdict == Verdict::FailsAsItIs {
            writeln!(out, "it fails without Retake as well, and prints:")?;
            writeln!(out, "{}", clean(judged.printed.trim_end()))?;
        }
        for failure in &judged.failures {
            writeln!(out, "{}", clean(failure.story.trim_end()))?;
            if failure.count > 1 {
                writeln!(out, "so fail {}", counted(failure.count, "seed"))?;
            }
            if let Some(replay) = &failure.replay {
                writeln!(out, "replay: {}", clean(replay))?;
            }
        }
    }
    Ok(())
}

/// Print how all tests were found.
pub(crate) fn summary(all: &[TestFindings], ignored: usize, out: &mut dyn Write) -> io::Result<()> {
    let count = |is: &dyn Fn(&TestFindings) -> bool| all.iter().filter(|it| is(it)).count();
    let failed = count(&|it| it.failed());
    let without = count(&|it| it.verdict == Verdict::WithoutTasks);
    let passed = count(&|it| it.verdict == Verdict::Passed) + without;
    let cut = count(&|it| it.verdict == Verdict::Interrupted);
    let seeds: u64 = all.iter().map(|it| it.seeds).sum();
    let mut text = format!("{passed} passed, {failed} failed, {ignored} ignored");
    if without > 0 {
        let _ = write!(text, ", {without} of them without tasks");
    }
    let unrepeatable = count(&|it| it.verdict == Verdict::NotRepeatable);
    if unrepeatable > 0 {
        let _ = write!(text, ", {unrepeatable} not repeatable");
    }
    if cut > 0 {
        let _ = write!(text, ", {cut} interrupted");
    }
    writeln!(out, "\n{text}; {}", counted(seeds, "run"))?;
    let mut notes: BTreeMap<&str, usize> = BTreeMap::new();
    let others = all.iter().filter(|judged| !is_concerned(judged));
    for note in others.flat_map(|judged| &judged.notes) {
        *notes.entry(note).or_default() += 1;
    }
    for (note, tests) in notes {
        writeln!(
            out,
            "note, of {}: {}",
            counted(tests, "test"),
            one_line(note)
        )?;
    }
    Ok(())
}

/// Everything as JSON.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn json(all: &[TestFindings], tokio: &str, path: &Path) -> Result<(), Error> {
    let report = json!({ "tokio": tokio, "tests": all });
    let text = serde_json::to_string_pretty(&report).map_err(io::Error::from)? + "\n";
    if path == Path::new("-") {
        io::stdout().write_all(text.as_bytes())?;
        return Ok(());
    }
    Ok(OutputFile::write_all_to(path, text)?)
}

/// Everything in the form of `JUnit`: a suite for each program.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn junit(all: &[TestFindings], path: &Path) -> Result<(), Error> {
    Ok(OutputFile::write_all_to(path, to_junit(all))?)
}

fn to_junit(all: &[TestFindings]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in all.chunk_by(|one, other| one.binary == other.binary) {
        let failures = suite.iter().filter(|it| it.failed()).count();
        let errors = suite
            .iter()
            .filter(|it| it.verdict == Verdict::NotRepeatable);
        let errors = errors.count();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">",
            xml(&suite[0].binary),
            suite.len()
        );
        for judged in suite {
            test_case(judged, &mut text);
        }
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

fn test_case(judged: &TestFindings, text: &mut String) {
    let _ = write!(
        text,
        "    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\"",
        xml(judged.name()),
        xml(&judged.binary),
        judged.seconds
    );
    match judged.verdict {
        Verdict::Passed | Verdict::WithoutTasks => {
            text.push_str("/>\n");
            return;
        }
        Verdict::Interrupted => text.push_str(">\n      <skipped message=\"interrupted\"/>\n"),
        Verdict::NotRepeatable => {
            let _ = writeln!(
                text,
                ">\n      <error type=\"not repeatable\" message=\"{}\">{}</error>",
                xml(&in_words(judged)),
                xml(&notes(judged).join("\n"))
            );
        }
        Verdict::Failed | Verdict::FailsAsItIs => {
            let mut story = Vec::new();
            // A list in memory takes everything.
            let _ = failures(std::slice::from_ref(judged), &mut story);
            let _ = writeln!(
                text,
                ">\n      <failure message=\"{}\">{}</failure>",
                xml(&in_words(judged)),
                xml(String::from_utf8_lossy(&story).trim())
            );
        }
    }
    text.push_str("    </testcase>\n");
}

/// As text and attribute of an XML file. What XML cannot have is left out.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judged::Failure;
    use retake_sim::RunConfig;
    use retake_sim::explore::Case;

    fn judged(verdict: Verdict) -> TestFindings {
        TestFindings {
            verdict,
            seeds: 100,
            orders: 87,
            ..TestFindings::new("shop::it", Some("orders::are_kept"))
        }
    }

    fn failed() -> TestFindings {
        let failure = Failure {
            case: Case::new("shop::it orders::are_kept", RunConfig::default()),
            seed: Some(17),
            under_faults_only: false,
            count: 3,
            story: "seed 17 fails\npasses if a < b".to_owned(),
            file: None,
            is_saved: false,
            replay: Some("cargo retake replay a.json".to_owned()),
        };
        TestFindings {
            failing: 3,
            failures: vec![failure],
            ..judged(Verdict::Failed)
        }
    }

    fn printed(judged: &TestFindings) -> String {
        let mut out = Vec::new();
        Printer::default().print(judged, &mut out).unwrap();
        failures(std::slice::from_ref(judged), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        console::strip_ansi_codes(&text).into_owned()
    }

    #[test]
    fn a_test_that_passes_has_one_line() {
        let text = printed(&judged(Verdict::Passed));
        assert_eq!(
            text,
            "\nshop::it\n  orders::are_kept ... 100 seeds, 87 orders\n"
        );
    }

    #[test]
    fn a_failure_says_how_many_seeds_and_how_to_run_it_again() {
        let text = printed(&failed());
        assert!(text.contains("orders::are_kept ... FAILED under 3 of 100 seeds: seed 17\n"));
        assert!(text.contains("---- shop::it orders::are_kept ----\nseed 17 fails\npasses if"));
        assert!(
            text.ends_with("so fail 3 seeds\nreplay: cargo retake replay a.json\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_to_be_known_is_said() {
        let mut test = judged(Verdict::Passed);
        test.orders = 1;
        assert!(printed(&test).contains("100 seeds, 1 order: nothing to choose"));
        test.is_repeatable = false;
        test.notes.push("a real socket was used".to_owned());
        let text = printed(&test);
        assert!(
            text.contains("100 seeds, not repeatable: allowed"),
            "{text}"
        );
        assert!(text.contains("note: a real socket was used"), "{text}");
        test.verdict = Verdict::NotRepeatable;
        let text = printed(&test);
        assert!(
            text.contains("... NOT REPEATABLE, passes 100 seeds"),
            "{text}"
        );
        assert!(text.contains("note: a real socket was used"), "{text}");
        test.verdict = Verdict::Passed;
        test.is_repeatable = true;
        assert!(!printed(&test).contains("a real socket"));
        let mut out = Vec::new();
        summary(&[test.clone(), test.clone()], 3, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let line =
            "2 passed, 0 failed, 3 ignored; 200 runs\nnote, of 2 tests: a real socket was used\n";
        assert!(text.ends_with(line), "{text}");
        test.verdict = Verdict::FailsAsItIs;
        test.printed = "assertion failed".to_owned();
        assert!(printed(&test).contains("FAILS without Retake as well"));
    }

    #[test]
    fn a_report_for_machines_is_sound_xml() {
        let mut other = judged(Verdict::Passed);
        other.binary = "shop::<&\"\u{1}".to_owned();
        let mut unrepeatable = judged(Verdict::NotRepeatable);
        (unrepeatable.is_repeatable, unrepeatable.parting) =
            (false, Some("at step < 3".to_owned()));
        let text = to_junit(&[judged(Verdict::Passed), failed(), unrepeatable, other]);
        let suite = "<testsuite name=\"shop::it\" tests=\"3\" failures=\"1\" errors=\"1\">";
        assert!(text.contains(suite), "{text}");
        assert!(
            text.contains("<error type=\"not repeatable\" message=\"NOT REPEATABLE, "),
            "{text}"
        );
        assert!(text.contains("at step &lt; 3</error>"), "{text}");
        assert!(text.contains("<testsuite name=\"shop::&lt;&amp;&quot;\" tests=\"1\""));
        assert!(text.contains("passes if a &lt; b"), "{text}");
        assert_eq!(text.matches("<testcase ").count(), 4);
    }
}
