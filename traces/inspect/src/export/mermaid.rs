//! A Mermaid sequence diagram: who sent what to whom.

use std::fmt::Write as _;
use std::io::Write;

use super::{Entry, ExportError, Exporter, Start};
use crate::story::{self, Line};
use retake_traces::clean::Form;
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::record::{Choice, Step, StepKind};

/// Mermaid refuses longer diagrams by default (`maxTextSize`).
const TEXT_MAX: usize = 50_000;
/// Nobody reads more.
const MESSAGES_MAX: usize = 300;
/// Longer texts make a diagram too wide.
const LABEL_MAX: usize = 80;
/// Notes above the diagram may be this long.
const NOTE_MAX: usize = 300;

/// The diagram of these lines.
#[must_use]
pub fn diagram<'a>(lines: impl IntoIterator<Item = &'a Line> + Clone) -> String {
    diagram_with(&[], lines)
}

/// The diagram of these lines, with notes above it.
#[must_use]
pub fn diagram_with<'a>(
    notes: &[String],
    lines: impl IntoIterator<Item = &'a Line> + Clone,
) -> String {
    let mut text = String::from("sequenceDiagram\n");
    let mut names: Vec<&str> = Vec::new();
    for line in lines.clone().into_iter().filter(|line| is_drawn(line)) {
        if !names.contains(&&*line.who) {
            names.push(&line.who);
        }
    }
    for (place, name) in names.iter().enumerate() {
        let _ = writeln!(text, "  participant p{place} as {}", escape(name));
    }
    let over = match names.len() {
        0 | 1 => "p0".to_owned(),
        count => format!("p0,p{}", count - 1),
    };
    for note in notes.iter().filter(|_| !names.is_empty()) {
        let note = escape(&story::shorten(note, NOTE_MAX));
        let _ = writeln!(text, "  Note over {over}: {note}");
    }
    let number = |name: &str| names.iter().position(|known| *known == name);
    // By step: who took it.
    let takers: Vec<(u64, usize)> = lines
        .clone()
        .into_iter()
        .filter(|line| line.is_step())
        .filter_map(|line| Some((line.step, number(&line.who)?)))
        .collect();
    let taker = |step: u64| {
        let place = takers.binary_search_by_key(&step, |(step, _)| *step).ok()?;
        Some(takers[place].1)
    };
    for line in lines.into_iter().filter(|line| is_drawn(line)) {
        let Some(to) = number(&line.who) else {
            continue;
        };
        let what = escape(&story::shorten(&line.what(), LABEL_MAX));
        let is_deviation = |step: &Step| step.choice == Choice::Deviation;
        let mark = if line.as_step().is_some_and(is_deviation) {
            "*"
        } else {
            ""
        };
        let _ = match (&line.occurrence, line.cause.and_then(taker)) {
            (Occurrence::Step(_), Some(from)) => {
                writeln!(text, "  p{from}->>p{to}: {}{mark} {what}", line.step)
            }
            (Occurrence::Step(_), None) => {
                writeln!(text, "  Note over p{to}: {}{mark} {what}", line.step)
            }
            (Occurrence::Unhandled(_), Some(from)) => writeln!(text, "  p{from}-xp{to}: {what}"),
            _ => writeln!(text, "  Note over p{to}: {what}"),
        };
    }
    text
}

fn is_drawn(event: &WholeEvent) -> bool {
    let is_left_out = matches!(event.occurrence, Occurrence::Task(_) | Occurrence::State(_));
    !event.who.is_empty() && !is_left_out
}

/// A text that Mermaid reads as plain text: its own marks as entities.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' => escaped.push_str("#35;"),
            ';' => escaped.push_str("#59;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            // A comment, or an instruction.
            '%' => escaped.push_str("#37;"),
            ':' => escaped.push_str("#58;"),
            '@' => escaped.push_str("#64;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    if escaped.trim().is_empty() {
        escaped.push_str("#160;");
    }
    escaped
}

/// Writes a diagram of at most 300 messages.
#[derive(Debug, Default)]
pub struct Mermaid {
    reasons: Vec<String>,
    lines: Vec<Line>,
    drawn: usize,
    messages: usize,
}

impl Mermaid {
    fn too_large(what: &str) -> ExportError {
        ExportError::TooLarge(format!(
            "{what}; nobody could read it: choose a part with --from and --to, \
             or some actors with --actor"
        ))
    }
}

impl Exporter for Mermaid {
    fn form(&self) -> Form {
        Form::Text
    }

    /// Nothing is written of a run that is too large.
    fn wants_survey(&self) -> bool {
        true
    }

    fn survey(&mut self, entry: &Entry) -> Result<(), ExportError> {
        if !entry.shown || !is_drawn(&entry.event) {
            return Ok(());
        }
        self.drawn += 1;
        self.messages += usize::from(entry.event.kind() == Some(StepKind::Handle));
        // Whatever is drawn takes a place; only most of it are messages.
        if self.messages > MESSAGES_MAX || self.drawn > 4 * MESSAGES_MAX {
            return Err(Self::too_large(&format!(
                "the diagram would have more than {MESSAGES_MAX} messages"
            )));
        }
        Ok(())
    }

    fn begin(&mut self, start: &Start<'_>, _: &mut dyn Write) -> Result<(), ExportError> {
        self.reasons.clone_from(&start.header.reasons);
        self.lines.clear();
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, _: &mut dyn Write) -> Result<(), ExportError> {
        if entry.shown && is_drawn(&entry.event) {
            self.lines.push(Line::from(entry.event.clone()));
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<(), ExportError> {
        let text = diagram_with(&self.reasons, &self.lines);
        if text.len() > TEXT_MAX {
            return Err(Self::too_large(&format!(
                "the diagram would be {} characters long, and Mermaid takes {TEXT_MAX}",
                text.len()
            )));
        }
        out.write_all(text.as_bytes())?;
        Ok(())
    }
}
