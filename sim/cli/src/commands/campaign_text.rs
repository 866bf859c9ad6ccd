//! What a campaign found, for people.

use std::io::Write;

use retake_sim::explore::Campaign;
use retake_traces::counted;

use super::campaign::Remark;
use super::timeline_text::{quiet_in_words, timelines_in_words};
use crate::output::wrap;
use crate::status::Error;

/// How much was run, how fast, and what that says about the search.
pub(super) fn print_figures(
    found: &Campaign,
    seconds: f64,
    is_randomized: bool,
    out: &mut dyn Write,
) -> Result<(), Error> {
    wrap(
        &format!(
            "{}, {}, {} in {seconds:.1} s: {:.0} seeds/s, {:.0} steps/s; {} in {}",
            counted(found.runs, "seed"),
            counted(found.steps, "step"),
            counted(found.faults, "fault"),
            found.runs as f64 / seconds,
            found.steps as f64 / seconds,
            found.schedules_in_words(),
            counted(found.runs, "seed"),
        ),
        out,
    )?;
    if found.runs > 1 && found.schedules.len() == 1 {
        wrap(
            "warning: there was nothing to choose: start tasks by `retake::spawn`, and put \
             `#[retake::simulated]` on actors",
            out,
        )?;
    }
    for warning in found.faults_without_effect() {
        wrap(&format!("warning: {warning}"), out)?;
    }
    if found.ungated_max > 0 {
        wrap(
            &format!(
                "note: up to {} tokio tasks ran outside the scheduler at one time: ractor's own \
                 helpers, or tasks of `tokio::spawn`",
                found.ungated_max
            ),
            out,
        )?;
    }
    if is_randomized {
        wrap(
            "note: this system does not let addresses be the same in each process \
             (personality(2) is refused): what depends on them may differ",
            out,
        )?;
    }
    Ok(())
}

/// Timelines, goals, coverage, failures, and whether it is quiet.
pub(super) fn print_campaign(
    found: &Campaign,
    remarks: &[Vec<Remark>],
    out: &mut dyn Write,
) -> Result<(), Error> {
    let figures = (!found.timelines.is_empty()).then(|| found.timelines.figures());
    if let Some(figures) = &figures {
        wrap(&timelines_in_words(figures), out)?;
    }
    print_goals(found, out)?;
    if let Some(history) = &found.history {
        wrap(
            &format!(
                "note: seed {} depends on earlier runs of its process, if there are any ({} of the \
                 seeds that were compared): {}",
                history.seed, history.count, history.divergence
            ),
            out,
        )?;
    }
    print_failures(found, remarks, out)?;
    if let Some(quiet) = found.quiet {
        wrap(&quiet_in_words(quiet, found.runs, figures.as_ref()), out)?;
    }
    Ok(())
}

fn print_goals(found: &Campaign, out: &mut dyn Write) -> Result<(), Error> {
    for (goal, reached) in &found.goals {
        let mark = if *reached == 0 { "NEVER " } else { "" };
        wrap(
            &format!(
                "goal: {goal}: {mark}reached in {}",
                counted(*reached, "run")
            ),
            out,
        )?;
    }
    for (machine, states) in &found.coverage {
        let pairs = states
            .iter()
            .flat_map(|(state, events)| events.iter().map(move |(event, n)| (state, event, *n)));
        let all: Vec<_> = pairs.collect();
        let missed: Vec<String> = all
            .iter()
            .filter(|(.., times)| *times == 0)
            .map(|(state, event, _)| format!("{state} x {event}"))
            .collect();
        let met = all.len() - missed.len();
        let mut line = format!(
            "{machine}: {met} of {} pairs of state and event met",
            all.len()
        );
        if !missed.is_empty() {
            line += &format!("; never: {}", missed.join(", "));
        }
        wrap(&line, out)?;
    }
    Ok(())
}

fn print_failures(
    found: &Campaign,
    remarks: &[Vec<Remark>],
    out: &mut dyn Write,
) -> Result<(), Error> {
    match found.failures.len() {
        0 => writeln!(out, "no failure")?,
        count => writeln!(out, "{}", counted(count as u64, "failure"))?,
    }
    for (place, failure) in found.failures.iter().enumerate() {
        let others = failure.count - 1;
        let others = match others {
            0 => String::new(),
            1 => " (and 1 other)".to_owned(),
            count => format!(" (and {count} others)"),
        };
        wrap(
            &format!(
                "  seed {}{others}: {}",
                failure.case.config.seed, failure.case.outcome
            ),
            out,
        )?;
        for remark in remarks.get(place).into_iter().flatten() {
            match remark {
                Remark::Exact(line) => writeln!(out, "    {line}")?,
                Remark::Words(line) => wrap(&format!("    {line}"), out)?,
            }
        }
    }
    Ok(())
}
