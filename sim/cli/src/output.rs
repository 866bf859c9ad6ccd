//! What a command's output passes before it reaches the terminal, a pipe or a file, and how
//! commands write JSON and long lines.
//!
//! The output passes, in this order: [`Clean`] escapes what a terminal would obey; `Paint`
//! colours verdicts on a terminal; `Stdout` knows that its reader may leave.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use console::Style;
use retake_traces::clean::{Clean, Form};

use crate::status::Error;

/// Where commands write.
pub(crate) type Out = BufWriter<Clean<Paint<Stdout>>>;

/// The output of this process. A command that `is_judged` runs on when nobody reads any more.
pub(crate) fn output(form: Form, is_judged: bool) -> Out {
    let stdout = Stdout {
        inner: io::stdout(),
        is_judged,
    };
    // JSON is for programs.
    let has_colours = form == Form::Text && console::colors_enabled();
    let paint = Paint {
        inner: stdout,
        has_colours,
        line: Vec::new(),
    };
    BufWriter::new(Clean::new(paint, form))
}

/// Columns of the terminal that standard output is, or 0 (no limit) in a pipe.
#[must_use]
pub fn terminal_width() -> usize {
    console::Term::stdout()
        .size_checked()
        .map_or(0, |(_, columns)| usize::from(columns))
}

/// Standard output, which its reader may leave early. What is only shown ends then; what is
/// judged runs to its end without being read, since its exit code is still to be known.
pub(crate) struct Stdout {
    /// Without a lock: a scenario may print as well, on another thread.
    inner: io::Stdout,
    is_judged: bool,
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.inner.write(bytes) {
            Err(error) if self.is_judged && error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(bytes.len())
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.inner.flush() {
            Err(error) if self.is_judged && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

/// Colours the verdict that a line begins with.
pub(crate) struct Paint<W> {
    inner: W,
    has_colours: bool,
    /// What there is of the current line.
    line: Vec<u8>,
}

impl<W: Write> Paint<W> {
    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        match verdict(&line) {
            Some((start, end, style)) => {
                let word = String::from_utf8_lossy(&line[start..end]);
                let word = style.force_styling(true).apply_to(word).to_string();
                self.inner.write_all(&line[..start])?;
                self.inner.write_all(word.as_bytes())?;
                self.inner.write_all(&line[end..])
            }
            None => self.inner.write_all(&line),
        }
    }
}

/// The verdict that a line begins with: from where to where, and how it looks.
fn verdict(line: &[u8]) -> Option<(usize, usize, Style)> {
    let start = line.len() - line.trim_ascii_start().len();
    let rest = &line[start..];
    let length = rest
        .iter()
        .position(|byte| !byte.is_ascii_uppercase())
        .unwrap_or(rest.len());
    let style = match &rest[..length] {
        b"PASS" => Style::new().green(),
        b"FAIL" | b"MISSED" | b"REGRESSED" | b"NEVER" => Style::new().red().bold(),
        b"ALERT" | b"CRITICAL" | b"CHANGED" => Style::new().yellow().bold(),
        b"WARN" | b"WARNING" => Style::new().yellow(),
        _ => return None,
    };
    let is_word = matches!(rest.get(length), None | Some(b' ' | b':' | b'\n'));
    is_word.then_some((start, start + length, style))
}

impl<W: Write> Write for Paint<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.has_colours {
            return self.inner.write(bytes);
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(line);
            if line.ends_with(b"\n") {
                self.end_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        self.inner.write_all(&line)?;
        self.inner.flush()
    }
}

/// Where a file is written until it is complete.
#[must_use]
pub fn partial(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    partial.into()
}

/// Print a value as JSON for people to read.
///
/// # Errors
/// If it cannot be written.
pub fn print_json(value: &impl serde::Serialize, out: &mut dyn Write) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// Print a text with lines wrapped at spaces to 80 columns, all but the first indented: a
/// text of others cannot begin a line of ours.
///
/// # Errors
/// If it cannot be written.
pub fn wrap(text: &str, out: &mut dyn Write) -> Result<(), Error> {
    const WIDTH: usize = 80;
    const INDENT: usize = 13;
    for (number, line) in text.lines().enumerate() {
        let mut column = 0;
        if number > 0 {
            column = INDENT;
            write!(out, "{:INDENT$}", "")?;
        }
        for (place, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            if place == 0 {
                write!(out, "{word}")?;
                column += length;
            } else if column + 1 + length > WIDTH {
                write!(out, "\n{:INDENT$}{word}", "")?;
                column = INDENT + length;
            } else {
                write!(out, " {word}")?;
                column += 1 + length;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(text: &str, has_colours: bool) -> String {
        let mut paint = Paint {
            inner: Vec::new(),
            has_colours,
            line: Vec::new(),
        };
        // In pieces, as output comes.
        for piece in text.as_bytes().chunks(3) {
            paint.write_all(piece).unwrap();
        }
        paint.flush().unwrap();
        String::from_utf8(paint.inner).unwrap()
    }

    #[test]
    fn only_a_verdict_at_the_start_of_a_line_is_coloured() {
        let text = "PASS    a: 1\n  FAIL b\nPASSED c\nit is a PASS\nALERT";
        let coloured = painted(text, true);
        assert_eq!(
            coloured,
            "\u{1b}[32mPASS\u{1b}[0m    a: 1\n  \u{1b}[31m\u{1b}[1mFAIL\u{1b}[0m b\nPASSED c\n\
             it is a PASS\nALERT"
        );
        assert_eq!(painted(text, false), text);
    }
}
