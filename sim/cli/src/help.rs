//! Help whose lines are wrapped at spaces, below the column at which a description begins.

/// The widest line.
const WIDTH: usize = 80;
/// Descriptions that begin further to the right are continued here.
const HANG_MAX: usize = 40;

/// The text, which may have colours, with no line wider than 80 columns but for single words.
pub(crate) fn wrapped(text: &str) -> String {
    let width = console::measure_text_width;
    let mut out = String::with_capacity(text.len() + 256);
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        if width(line) <= WIDTH {
            out.push_str(line);
            out.push_str(end);
            continue;
        }
        let hang = hang(&console::strip_ansi_codes(line));
        let mut column = 0;
        for (place, word) in line.split(' ').enumerate() {
            let length = width(word);
            if place > 0 && column + 1 + length > WIDTH && column > hang {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', hang));
                column = hang;
            } else if place > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
        }
        out.push_str(end);
    }
    out
}

/// Where the lines after the first begin: below the description, which two spaces separate
/// from the name of an option or command, or else below the first word.
fn hang(line: &str) -> usize {
    let start = line.len() - line.trim_start().len();
    let description = line[start..].rfind("  ").map(|place| start + place + 2);
    match description {
        Some(column) if column <= HANG_MAX => column,
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_continued_below_their_description() {
        let words = "word ".repeat(20);
        let text = format!("short\n  -o, --out <FILE>  {words}\n\n          {words}\n");
        let wrapped = wrapped(&text);
        assert!(
            wrapped.lines().all(|line| line.chars().count() <= WIDTH),
            "{wrapped}"
        );
        let lines: Vec<&str> = wrapped.lines().collect();
        assert_eq!(lines[0], "short");
        assert!(lines[1].starts_with("  -o, --out <FILE>  word word"));
        assert!(
            lines[2].starts_with(&format!("{}word", " ".repeat(20))),
            "{wrapped}"
        );
        let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(joined(&wrapped), joined(&text));
    }
}
