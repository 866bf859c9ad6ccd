//! Answers as text for people.

use std::io::{self, Write};

use retake_inspect::Line;
use retake_traces::counted;

use super::print::{ActorState, Answer, Answers, MarkLine, Row, Why};
use super::text::{Change, cut, cut_front, difference, one_line, seconds};
use crate::output::wrap;
use crate::status::Error;

/// Widths of columns.
const WHO: usize = 24;
const STEP: usize = 8;

impl Answers {
    /// As text, lists cut to lines of `width` characters; 0 means no limit.
    pub(super) fn write(&self, width: usize, out: &mut dyn Write) -> Result<(), Error> {
        writeln!(
            out,
            "{}, seed {}, strategy {}: {} after {}",
            one_line(&self.scenario),
            self.seed,
            one_line(&self.strategy),
            self.outcome,
            counted(self.steps, "step")
        )?;
        for note in &self.notes {
            // With paths, which are copied as they are.
            writeln!(out, "note: {}", one_line(note))?;
        }
        for reason in &self.reasons {
            wrap(&one_line(reason), out)?;
        }
        writeln!(out, "at step {}, {}", self.at, seconds(self.now_ns))?;
        for answer in &self.answers {
            writeln!(out)?;
            match answer {
                Answer::Why(why) => write_why(why, width, out)?,
                other => write_answer(other, width, out)?,
            }
        }
        Ok(())
    }
}

fn write_answer(answer: &Answer, width: usize, out: &mut dyn Write) -> io::Result<()> {
    match answer {
        Answer::Actors {
            actors,
            more,
            ended,
        } => {
            writeln!(
                out,
                "{:<WHO$} mailbox {:>STEP$}  state",
                "actor", "last step"
            )?;
            for row in actors {
                write_row(row, width, out)?;
            }
            left_out(*more, out)?;
            if *ended > 0 {
                writeln!(out, "({ended} more have ended)")?;
            }
        }
        Answer::State(state) => write_state(state, out)?,
        Answer::Mailbox {
            actor,
            depth,
            messages,
        } => {
            let word = if *depth == 1 { "message" } else { "messages" };
            writeln!(out, "mailbox of `{}`: {depth} {word}", one_line(actor))?;
            for message in messages {
                let text = message.text.as_deref().map_or_else(String::new, one_line);
                let handled = match message.handled {
                    Some(step) => format!("handled at step {step}"),
                    None => "never handled".to_owned(),
                };
                let line = format!(
                    "  {text} (sent by {} at step {}, {handled})",
                    one_line(&message.from),
                    message.sent
                );
                writeln!(out, "{}", cut(&line, width))?;
            }
            left_out((*depth as usize).saturating_sub(messages.len()), out)?;
        }
        Answer::Why(_) => {}
        Answer::Faults { marks, more } => {
            if marks.is_empty() {
                writeln!(out, "no faults, panics or supervision events")?;
            }
            write_marks(marks, width, out)?;
            left_out(*more, out)?;
        }
        Answer::Step { lines, state } => {
            write_lines("", lines, width, out)?;
            if let Some(state) = state {
                write_state(state, out)?;
            }
        }
        Answer::Causes { lines } => {
            write_lines("what led to it, the nearest first:", lines, width, out)?;
        }
        Answer::Effects { lines } => {
            write_lines("what came of its messages:", lines, width, out)?;
        }
        Answer::Find { text, lines, more } => {
            write_lines(&format!("lines with `{text}`:"), lines, width, out)?;
            and_more(*more, out)?;
        }
        Answer::Break {
            condition,
            lines,
            more,
        } => {
            write_lines(&format!("steps with {condition}:"), lines, width, out)?;
            and_more(*more, out)?;
        }
    }
    Ok(())
}

fn write_row(row: &Row, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let last = match row.last_step {
        0 => "-".to_owned(),
        step => step.to_string(),
    };
    let state = row.state.as_deref().unwrap_or("-");
    let line = format!(
        "{:<WHO$} {:>7} {last:>9}  {state}",
        cut_front(&one_line(&row.actor), WHO),
        row.mailbox
    );
    writeln!(out, "{}", cut(&line, width))
}

fn left_out(more: usize, out: &mut dyn Write) -> io::Result<()> {
    if more > 0 {
        writeln!(out, "({more} left out: see --most)")?;
    }
    Ok(())
}

fn and_more(more: bool, out: &mut dyn Write) -> io::Result<()> {
    if more {
        writeln!(out, "(there are more: see --most)")?;
    }
    Ok(())
}

fn write_lines(title: &str, lines: &[Line], width: usize, out: &mut dyn Write) -> io::Result<()> {
    if !title.is_empty() {
        writeln!(out, "{title}")?;
    }
    if lines.is_empty() {
        writeln!(out, "{:>STEP$}", "none")?;
    }
    for line in lines {
        writeln!(out, "{}", line.to_text(width))?;
    }
    Ok(())
}

fn write_marks(marks: &[MarkLine], width: usize, out: &mut dyn Write) -> io::Result<()> {
    for mark in marks {
        let line = format!(
            "{:>STEP$}  {:>16} {:<WHO$} {}",
            mark.step,
            seconds(mark.now_ns),
            cut_front(&one_line(&mark.who), WHO),
            one_line(&mark.what)
        );
        writeln!(out, "{}", cut(&line, width))?;
    }
    Ok(())
}

/// The state of an actor with what the step changed.
fn write_state(state: &ActorState, out: &mut dyn Write) -> io::Result<()> {
    let note = state.note.as_ref();
    let note = note.map_or_else(String::new, |note| format!(" ({note})"));
    writeln!(out, "state of `{}`{note}:", one_line(&state.actor))?;
    let Some(now) = &state.state else {
        return Ok(());
    };
    for line in now.text.lines() {
        writeln!(out, "  {line}")?;
    }
    if let Some(before) = &state.before {
        writeln!(out, "changed by this step:")?;
        for (change, line) in difference(before, &now.text) {
            writeln!(out, "  {}{line}", change.sign())?;
        }
    }
    Ok(())
}

fn write_why(why: &Why, width: usize, out: &mut dyn Write) -> Result<(), Error> {
    wrap(&format!("the run {}", why.end), out)?;
    if !why.chain.is_empty() {
        writeln!(out, "\nwhat led to this step:")?;
    }
    if !why.before.is_empty() {
        writeln!(
            out,
            "\nwho sent what woke this step is not known; before it came:"
        )?;
    }
    let lines = why.chain.iter().chain(&why.before);
    for line in lines.chain(&why.step).chain(&why.during) {
        writeln!(out, "{}", line.to_text(width))?;
    }
    if let Some(state) = &why.state {
        writeln!(out)?;
        match (&state.state, &state.before) {
            (Some(now), Some(before)) => {
                writeln!(
                    out,
                    "this step changed the state of `{}`:",
                    one_line(&state.actor)
                )?;
                for (change, line) in difference(before, &now.text) {
                    let mark = if change == Change::Gap {
                        "  …"
                    } else {
                        change.sign()
                    };
                    writeln!(out, "  {mark}{line}")?;
                }
            }
            _ => write_state(state, out)?,
        }
    }
    if !why.faults.is_empty() {
        writeln!(out, "\nfaults and panics up to here:")?;
        write_marks(&why.faults, width, out)?;
    }
    Ok(())
}
