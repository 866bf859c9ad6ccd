//! A Mermaid sequence diagram: who sent what to whom.

use std::fmt::Write as _;
use std::io::Write;

use super::{Entry, ExportError, Exporter, Start};
use crate::story::{self, Line};
use retake_traces::clean::Form;
use retake_traces::record::{Choice, Record, StepKind};

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
        .filter(|line| matches!(line.record, Record::Step(_)))
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
        let mark = match &line.record {
            Record::Step(step) if step.choice == Choice::Deviation => "*",
            _ => "",
        };
        let _ = match (&line.record, line.cause.and_then(taker)) {
            (Record::Step(_), Some(from)) => {
                writeln!(text, "  p{from}->>p{to}: {}{mark} {what}", line.step)
            }
            (Record::Step(_), None) => {
                writeln!(text, "  Note over p{to}: {}{mark} {what}", line.step)
            }
            (Record::Unhandled(_), Some(from)) => writeln!(text, "  p{from}-xp{to}: {what}"),
            _ => writeln!(text, "  Note over p{to}: {what}"),
        };
    }
    text
}

fn is_drawn(line: &Line) -> bool {
    !line.who.is_empty() && !matches!(line.record, Record::Task(_) | Record::State(_))
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
        if !entry.shown || !is_drawn(&entry.line) {
            return Ok(());
        }
        self.drawn += 1;
        if let Record::Step(step) = &entry.line.record {
            self.messages += usize::from(step.kind == StepKind::Handle);
        }
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
        if entry.shown && is_drawn(&entry.line) {
            self.lines.push(entry.line.clone());
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
