//! Texts of states, messages and times, made to fit.

use retake_traces::clean::is_harmful;
use similar::{ChangeTag, TextDiff};

/// Lines of context around a change.
const CONTEXT: usize = 2;

/// A time in seconds, without zeros at its end.
pub(super) fn seconds(ns: u64) -> String {
    let text = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') {
        format!("{short}0 s")
    } else {
        format!("{short} s")
    }
}

/// A text of several lines as one: `Memory {\n    a: 1,\n}` as `Memory { a: 1 }`.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let closes = word.starts_with([')', ']', '}']);
        if closes && line.ends_with(',') {
            line.pop();
        }
        let opens = line.ends_with(['(', '[']);
        let tight = line.is_empty() || opens || word.starts_with([')', ']']);
        if !tight {
            line.push(' ');
        }
        line.push_str(word);
    }
    line.chars()
        .map(|c| {
            if c.is_control() || is_harmful(c) {
                '·'
            } else {
                c
            }
        })
        .collect()
}

/// At most `width` characters; 0 means no limit.
pub(super) fn cut(text: &str, width: usize) -> String {
    if width == 0 || text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// At most `width` characters, of the end: labels differ there.
pub(super) fn cut_front(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let skipped = length - width.saturating_sub(1);
    let mut short = String::from("…");
    short.extend(text.chars().skip(skipped));
    short
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Same,
    Gone,
    New,
    /// Same lines that are left out.
    Gap,
}

impl Change {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Same => "  ",
            Self::Gone => "- ",
            Self::New => "+ ",
            Self::Gap => "  …",
        }
    }
}

/// The difference of two texts by lines, with a few lines around each change; empty when
/// they are the same.
pub(super) fn difference(before: &str, after: &str) -> Vec<(Change, String)> {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for (place, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if place > 0 {
            lines.push((Change::Gap, String::new()));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let kind = match change.tag() {
                ChangeTag::Equal => Change::Same,
                ChangeTag::Delete => Change::Gone,
                ChangeTag::Insert => Change::New,
            };
            lines.push((kind, change.value().trim_end_matches('\n').to_owned()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pretty_state_fits_on_a_line() {
        let text = format!(
            "{:#?}",
            (1, vec![Some("a"), None], std::time::Duration::ZERO)
        );
        assert_eq!(one_line(&text), "(1, [Some(\"a\"), None], 0ns)");
        assert_eq!(one_line("Memory {\n    a: 1,\n}"), "Memory { a: 1 }");
        assert_eq!(
            (cut("abcdef", 4), cut_front("abcdef", 4)),
            ("abc…".into(), "…def".into())
        );
    }

    #[test]
    fn times_have_no_zeros_to_skip() {
        assert_eq!(
            [seconds(0), seconds(1_500_000_000), seconds(7)],
            ["0.0 s", "1.5 s", "0.000000007 s"]
        );
    }

    #[test]
    fn a_difference_shows_changes_with_their_surroundings() {
        let before: String = (0..9).map(|n| format!("{n}\n")).collect();
        let after = before.replace("4\n", "four\n");
        let signs: Vec<String> = difference(&before, &after)
            .into_iter()
            .map(|(change, line)| format!("{}{line}", change.sign()))
            .collect();
        assert_eq!(signs, ["  2", "  3", "- 4", "+ four", "  5", "  6"]);
        assert!(difference("a\n", "a\n").is_empty());
    }
}
