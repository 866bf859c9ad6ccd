//! `show`, `diff` and `verify`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use retake_inspect::Line;
use retake_inspect::notes::Notes;
use retake_traces::TraceReader;
use retake_traces::clean::one_line;
use retake_traces::counted;

use super::live;
use crate::output::{print_json, terminal_width, wrap};
use crate::status::{Error, Status};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The trace.
    file: PathBuf,
    /// Only lines about this actor or task; without an incarnation number, about
    /// all of its incarnations.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only from this step on.
    #[arg(long, value_name = "STEP", default_value_t = 0)]
    from: u64,
    /// Only up to this step.
    #[arg(long, value_name = "STEP", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// Cut lines to this many characters; 0 means no limit. Default: the width
    /// of the terminal, no limit in a pipe.
    #[arg(long)]
    width: Option<usize>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<Status, Error> {
    if args.from > args.to {
        return Err(Error::Usage(format!(
            "--from {} is after --to {}",
            args.from, args.to
        )));
    }
    // A damaged file is shown as far as it is good, from its beginning.
    let file = live::find(&args.file);
    let checked = retake_traces::verify(&file);
    let reader = TraceReader::open(&file)?;
    let width = args.width.unwrap_or_else(terminal_width);
    if !args.json {
        print_header(&reader, out)?;
        writeln!(out, "{}", Line::heading(width))?;
    }
    let mut print = |line: Line| -> Result<bool, Error> {
        let wanted =
            line.step >= args.from && args.actor.as_ref().is_none_or(|name| line.is_about(name));
        if line.step > args.to {
            return Ok(false);
        }
        if wanted && args.json {
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else if wanted {
            writeln!(out, "{}", line.to_text(width))?;
        }
        Ok(true)
    };
    let events = match &checked {
        Ok(_) => reader.events_around(args.from)?.1,
        Err(_) => reader.events(),
    };
    let mut notes = Notes::new();
    let mut complete = true;
    for event in events {
        // The error is the same that the check gave, and comes below.
        let Ok(event) = event else { break };
        if event.has_line() {
            notes.add(Line::from(event));
        }
        if let Some(line) = notes.next() {
            complete = print(line)?;
            if !complete {
                break;
            }
        }
    }
    if complete {
        for line in notes.finish() {
            if !print(line)? {
                break;
            }
        }
    }
    checked?;
    Ok(Status::Passed)
}

fn print_header(reader: &TraceReader, out: &mut dyn Write) -> Result<(), Error> {
    let header = reader.header();
    writeln!(
        out,
        "{}, seed {}, strategy {}",
        one_line(&header.scenario),
        header.config.seed,
        one_line(&header.config.strategy.to_string())
    )?;
    for fault in &header.config.faults {
        writeln!(out, "with fault: {}", one_line(&fault.to_string()))?;
    }
    for reason in &header.reasons {
        wrap(reason, out)?;
    }
    if !header.layers.story {
        writeln!(
            out,
            "(the schedule alone: recorded without texts and causes)"
        )?;
    }
    writeln!(out)?;
    Ok(())
}

pub(crate) fn diff(
    left: &Path,
    right: &Path,
    strict: bool,
    json: bool,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    // Both are checked to their ends, also behind the first difference.
    retake_traces::verify(left)?;
    retake_traces::verify(right)?;
    if !strict {
        let diff = retake_inspect::causal_diff(left, right)?;
        if json {
            print_json(&diff, out)?;
        } else {
            writeln!(out, "{}", diff.to_text(terminal_width()))?;
        }
        return Ok(if diff.is_same() {
            Status::Passed
        } else {
            Status::Failed
        });
    }
    let diff = retake_inspect::diff(left, right)?;
    if json {
        print_json(&diff, out)?;
    } else {
        for field in &diff.header {
            wrap(
                &format!(
                    "header: {} is `{}` and `{}`",
                    field.field,
                    one_line(&field.left),
                    one_line(&field.right)
                ),
                out,
            )?;
        }
        if !diff.story_compared {
            writeln!(
                out,
                "only one of them has texts and causes: schedules compared"
            )?;
        }
        match &diff.divergence {
            None => writeln!(out, "identical: {}", counted(diff.same_steps, "step"))?,
            Some(divergence) => writeln!(out, "{}", divergence.to_text(terminal_width()))?,
        }
    }
    Ok(if diff.is_same() {
        Status::Passed
    } else {
        Status::Failed
    })
}

pub(crate) fn verify(file: &Path, json: bool, out: &mut dyn Write) -> Result<Status, Error> {
    let summary = retake_traces::verify(file)?;
    if json {
        print_json(&summary, out)?;
        return Ok(Status::Passed);
    }
    let header = &summary.header;
    writeln!(out, "{}: good", one_line(&file.display().to_string()))?;
    writeln!(
        out,
        "scenario     {}, seed {}, strategy {}",
        one_line(&header.scenario),
        header.config.seed,
        one_line(&header.config.strategy.to_string())
    )?;
    writeln!(
        out,
        "run          {} after {}, {:.3} s of virtual time",
        summary.outcome,
        counted(summary.steps, "step"),
        summary.now_ns as f64 / 1e9
    )?;
    writeln!(out, "event hash   {:016x}", summary.event_hash)?;
    writeln!(
        out,
        "content      {}, {}, {:.1} bytes a step",
        counted(summary.records, "record"),
        counted(summary.bytes, "byte"),
        summary.bytes as f64 / summary.steps.max(1) as f64
    )?;
    let versions: Vec<String> = header
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let mut program = format!("recorded by  {}", header.program);
    // The traces of tests know neither.
    if !header.code.is_empty() {
        program.push_str(&format!(", code {}", header.code));
    }
    if !versions.is_empty() {
        program.push_str(&format!(", with {}", versions.join(", ")));
    }
    wrap(&one_line(&program), out)?;
    Ok(Status::Passed)
}
