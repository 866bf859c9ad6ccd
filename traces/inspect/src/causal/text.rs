//! A causal difference for people, in 80 columns or the width that is given.

use std::fmt;

use super::{Alone, CausalDiff, Race, Verdict};
use crate::story::{Line, shorten};
use retake_traces::clean::one_line;
use retake_traces::counted;

/// Lines are at least this long: the columns before the text need their place.
const WIDTH_MIN: usize = 60;
/// Characters of an event's text that are printed below a line without room for it.
const WHOLE_MAX: usize = 300;
/// Tasks with other counts that are printed.
const HANDLED_MAX: usize = 8;

impl CausalDiff {
    /// As text, with lines of at most `width` characters; 0 means 80.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let width = if width == 0 { 80 } else { width.max(WIDTH_MIN) };
        let mut text = Text {
            lines: Vec::new(),
            width,
        };
        self.heading(&mut text);
        match self.verdict {
            Verdict::Identical | Verdict::Reordered => {}
            Verdict::ByLine => {
                if let Some(divergence) = &self.by_line.divergence {
                    text.lines.push(divergence.to_text(width));
                }
            }
            Verdict::Raced | Verdict::Different => self.causes(&mut text),
        }
        self.outcomes(&mut text);
        text.lines.join("\n")
    }

    fn heading(&self, text: &mut Text) {
        if self.verdict != Verdict::Identical {
            text.wrap(&format!("A is {}", self.names.0), "     ");
            text.wrap(&format!("B is {}", self.names.1), "     ");
        }
        for field in &self.by_line.header {
            let (left, right) = (&field.left, &field.right);
            text.wrap(
                &format!("header: {} is `{left}` and `{right}`", field.field),
                "  ",
            );
        }
        if !self.causes_compared && self.verdict != Verdict::Identical {
            let what = "not both have causes: steps are aligned by what they are and how often";
            text.wrap(what, "  ");
        } else if !self.texts_compared && self.verdict != Verdict::Identical {
            text.wrap(
                "not both have texts: messages are compared by their variants",
                "  ",
            );
        }
        let moved = counted(self.moved, "event");
        let times = match self.retimed {
            0 => String::new(),
            retimed => format!(", {} at another virtual time", counted(retimed, "event")),
        };
        text.wrap(
            &match self.verdict {
                Verdict::Identical => {
                    format!("identical: {}", counted(self.by_line.same_steps, "step"))
                }
                Verdict::Reordered => {
                    format!("same up to the order of independent steps: {moved} moved{times}")
                }
                Verdict::Raced => format!(
                    "the same events, but {} took messages in another order ({moved} moved{times})",
                    counted(self.raced_tasks, "task")
                ),
                Verdict::Different => format!(
                    "different: {} only in A, {} only in B; {} took messages in another order",
                    counted(self.alone.0, "event"),
                    self.alone.1,
                    counted(self.raced_tasks, "task")
                ),
                Verdict::ByLine => {
                    "different, and too far apart to be aligned by causality: line by line"
                        .to_owned()
                }
            },
            "  ",
        );
    }

    fn causes(&self, text: &mut Text) {
        if !self.races.is_empty() {
            text.gap();
            text.wrap(
                match self.verdict {
                    Verdict::Raced => "order that differs, and nothing depends on it:",
                    _ => "order that differs, and that the first difference depends on:",
                },
                "  ",
            );
            for race in &self.races {
                text.race(race);
            }
        }
        for (name, other, alone) in [("A", "B", &self.left), ("B", "A", &self.right)] {
            let Some(alone) = alone else { continue };
            text.gap();
            text.alone(name, other, alone);
        }
        if self.races.is_empty() && self.verdict == Verdict::Different {
            self.parting(text);
        }
    }

    /// Where the schedules part, the only thing known where no message explains it.
    fn parting(&self, text: &mut Text) {
        text.gap();
        text.wrap(
            "no task took its messages in another order before that. So it depends on what \
             messages do not show: shared state, an answer, a timer, a draw, a fault.",
            "  ",
        );
        let Some(divergence) = &self.by_line.divergence else {
            return;
        };
        text.wrap("The first line that differs:", "  ");
        for (name, lines) in [("A", &divergence.left), ("B", &divergence.right)] {
            let line = lines.first().map(|line| line.to_text(text.width - 2));
            let line = line.unwrap_or_else(|| "(nothing: it has ended)".to_owned());
            text.lines.push(format!("{name} {line}"));
        }
    }

    fn outcomes(&self, text: &mut Text) {
        if self.outcome.differences.is_empty() && self.outcome.handled.is_empty() {
            return;
        }
        text.gap();
        for difference in &self.outcome.differences {
            let (left, right) = (&difference.left, &difference.right);
            text.row(&difference.what, left, right);
        }
        for handled in self.outcome.handled.iter().take(HANDLED_MAX) {
            let who = format!("handled by {}", handled.who);
            text.row(&who, &handled.left.to_string(), &handled.right.to_string());
        }
        let more = self.outcome.handled.len().saturating_sub(HANDLED_MAX);
        if more > 0 {
            text.wrap(&format!("(and {more} more tasks with other counts)"), "  ");
        }
    }
}

struct Text {
    lines: Vec<String>,
    width: usize,
}

impl Text {
    fn gap(&mut self) {
        self.lines.push(String::new());
    }

    /// Wrapped at spaces; the following lines are indented.
    fn wrap(&mut self, text: &str, indent: &str) {
        self.wrap_after("", text, indent);
    }

    fn wrap_after(&mut self, start: &str, text: &str, indent: &str) {
        let mut line = start.to_owned();
        for word in one_line(text).split(' ') {
            let fits = line.chars().count() + 1 + word.chars().count() <= self.width;
            if !line.is_empty() && !fits {
                self.lines
                    .push(std::mem::replace(&mut line, indent.to_owned() + word));
            } else if line.is_empty() {
                line = word.to_owned();
            } else {
                line.push(' ');
                line += word;
            }
        }
        self.lines.push(line);
    }

    fn race(&mut self, race: &Race) {
        let who = shorten(&format!("  `{}`", one_line(&race.who)), self.width - 1);
        self.lines.push(who + ":");
        let (first, second) = (&race.left_first, &race.right_first);
        for (name, places) in [
            ("in A", [(first.left, first), (second.left, second)]),
            ("in B", [(second.right, second), (first.right, first)]),
        ] {
            for (place, (step, event)) in places.into_iter().enumerate() {
                let name = if place == 0 { name } else { "" };
                let line = format!("  {name:<4} {step:>8} {}", one_line(&event.what));
                self.lines.push(shorten(&line, self.width));
            }
        }
    }

    fn alone(&mut self, name: &str, other: &str, alone: &Alone) {
        self.wrap(
            &format!("first event of {name} that {other} does not have:"),
            "  ",
        );
        let lines: Vec<&Line> = alone.causes.iter().chain([&alone.line]).collect();
        let last = lines.len() - 1;
        for (place, line) in lines.into_iter().enumerate() {
            let mark = if place == last { ">" } else { " " };
            let mut text = line.to_text(self.width);
            // The first column is a step's number, with spaces before.
            if text.starts_with(' ') {
                text.replace_range(..1, mark);
            }
            let is_cut = text.contains('…');
            self.lines.push(text);
            if place == last && is_cut {
                let whole = shorten(&line.what(), WHOLE_MAX);
                self.wrap_after("         ", &whole, "          ");
            }
        }
    }

    fn row(&mut self, what: &str, left: &str, right: &str) {
        const NAME: usize = 24;
        let room = self.width.saturating_sub(NAME + 4) / 2;
        let name = shorten(&one_line(what), NAME);
        let (left, right) = (&*one_line(left), &*one_line(right));
        if left.chars().count() <= room && right.chars().count() <= room {
            self.lines.push(
                format!("{name:<NAME$}  {left:<room$}  {right}")
                    .trim_end()
                    .to_owned(),
            );
            return;
        }
        let indent = " ".repeat(NAME + 5);
        self.wrap_after(&format!("{name:<NAME$}  A:"), left, &indent);
        self.wrap_after(&format!("{:<NAME$}  B:", ""), right, &indent);
    }
}

impl fmt::Display for CausalDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(0))
    }
}
