//! Texts of others on a terminal: without what a terminal obeys.
//!
//! A label, message or file name may hold any character. Written as they are, control
//! characters (C0, DEL, C1) move the cursor, change titles and colours or answer for the
//! user, and bidirectional overrides show a text in another order than it has. [`Clean`]
//! wraps the output of a command, so that nothing passes it by; [`clean`] is for a single
//! text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// True for a character that a terminal may obey instead of showing it. Newlines and tabs
/// are not.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates that change the direction of text, and
        // two separators of lines.
        '\u{061c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

/// The text with harmful characters as `\u{1b}` is written in Rust.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    clean_into(text, Form::Text, &mut cleaned);
    Cow::Owned(cleaned)
}

/// The text on one line: newlines and tabs are escaped as well.
#[must_use]
pub fn one_line(text: &str) -> String {
    let is_plain = |c: char| !is_harmful(c) && !c.is_control();
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_plain(c) {
            line.push(c);
        } else {
            line.extend(c.escape_default());
        }
    }
    line
}

fn clean_into(text: &str, form: Form, cleaned: &mut String) {
    for c in text.chars() {
        if !is_harmful(c) {
            cleaned.push(c);
            continue;
        }
        let number = u32::from(c);
        // Writing to a string cannot fail. All of these have four digits or fewer.
        let _ = match form {
            Form::Text => write!(cleaned, "\\u{{{number:x}}}"),
            Form::Json => write!(cleaned, "\\u{number:04x}"),
        };
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people: `\u{1b}`.
    Text,
    /// JSON, where these characters stand in strings only: `\u001b`. It reads as the same
    /// value.
    Json,
}

/// Passes text on with harmful characters escaped. Bytes that are not UTF-8 become `\u{fffd}`.
#[derive(Debug)]
pub struct Clean<W> {
    inner: W,
    form: Form,
    /// The start of a character whose other bytes have not come yet.
    rest: Vec<u8>,
    cleaned: String,
}

impl<W: Write> Clean<W> {
    /// In front of this output.
    pub fn new(inner: W, form: Form) -> Self {
        Self {
            inner,
            form,
            rest: Vec::new(),
            cleaned: String::new(),
        }
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.utf8_chunks() {
            self.pass_text(chunk.valid())?;
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            // An incomplete character at the end may be completed by the next bytes.
            let at_end = invalid.as_ptr_range().end == bytes.as_ptr_range().end;
            let is_incomplete =
                std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if at_end && is_incomplete {
                self.rest = invalid.to_vec();
            } else {
                self.inner.write_all("\u{fffd}".as_bytes())?;
            }
        }
        Ok(())
    }

    fn pass_text(&mut self, text: &str) -> io::Result<()> {
        if !text.contains(is_harmful) {
            return self.inner.write_all(text.as_bytes());
        }
        self.cleaned.clear();
        clean_into(text, self.form, &mut self.cleaned);
        self.inner.write_all(self.cleaned.as_bytes())
    }
}

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.pass(bytes)?;
        } else {
            let mut all = std::mem::take(&mut self.rest);
            all.extend_from_slice(bytes);
            self.pass(&all)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind, and a text without any.
    const HOSTILE: &str = "a\u{1b}[2J\u{7}\r\u{7f}\u{9b}31m\u{202e}b\u{2066}\n\tünï€🦀";

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        let text =
            r"a\u{1b}[2J\u{7}\u{d}\u{7f}\u{9b}31m\u{202e}b\u{2066}".to_owned() + "\n\tünï€🦀";
        assert_eq!(clean(HOSTILE), text);
        assert!(matches!(clean("plain\n"), Cow::Borrowed(_)));
        for c in ('\0'..='\u{ffff}').filter(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            assert!(is_harmful(c), "{c:?}");
        }
    }

    #[test]
    fn text_in_pieces_of_any_length_comes_out_the_same() {
        for length in 1..9 {
            let mut out = Clean::new(Vec::new(), Form::Text);
            for piece in HOSTILE.as_bytes().chunks(length) {
                out.write_all(piece).unwrap();
            }
            assert_eq!(out.inner, clean(HOSTILE).as_bytes(), "{length}");
        }
        let mut out = Clean::new(Vec::new(), Form::Text);
        out.write_all(b"a\xff\xfeb\xc3").unwrap();
        out.write_all(b"c").unwrap();
        assert_eq!(
            String::from_utf8(out.inner).unwrap(),
            "a\u{fffd}\u{fffd}b\u{fffd}c"
        );
    }

    #[test]
    fn json_reads_as_the_same_value() {
        let mut out = Clean::new(Vec::new(), Form::Json);
        serde_json::to_writer(&mut out, HOSTILE).unwrap();
        let text = String::from_utf8(out.inner).unwrap();
        assert!(!text.contains(is_harmful), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), HOSTILE);
    }
}
