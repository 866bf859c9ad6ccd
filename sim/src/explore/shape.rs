//! What texts of one failure have in common: the words, without the values in them.

/// Longer texts are cut.
const TEXT_MAX: usize = 300;
/// Letters of a word of hexadecimal digits, from which on it is taken for a value.
const HEX_MIN: usize = 6;

/// A text without values: numbers, identifiers and hexadecimal words become `#`, quoted
/// strings `"…"`, and what is in brackets or braces `[…]` and `{…}`, whatever its length.
///
/// What is in backquotes stays: that is a name more often than a value.
pub(super) fn shape(text: &str) -> String {
    let letters: Vec<char> = text.chars().take(4 * TEXT_MAX).collect();
    let mut shape = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let c = letters[at];
        let end = match c {
            '"' => closing_quote(&letters, at),
            '[' | '{' => closing_bracket(&letters, at),
            _ => None,
        };
        if let Some(end) = end {
            // What is empty has the shape of what is not.
            shape.extend([c, '…', letters[end]]);
            at = end + 1;
        } else if is_uuid(&letters[at..]) {
            if !shape.ends_with('#') {
                shape.push('#');
            }
            at += UUID;
        } else if c.is_alphanumeric() {
            let end = letters[at..].iter().position(|c| !c.is_alphanumeric());
            let end = end.map_or(letters.len(), |length| at + length);
            word(&letters[at..end], &mut shape);
            at = end;
        } else {
            let before = at.checked_sub(1).map(|before| letters[before]);
            // Parts of one value: a sign, a decimal point, a uuid, a version.
            let joins = matches!(c, '-' | '.' | ':' | '+') && shape.ends_with('#');
            let is_sign = matches!(c, '-' | '+') && before.is_none_or(char::is_whitespace);
            let next_is_value = letters.get(at + 1).is_some_and(char::is_ascii_digit);
            if !((joins || is_sign) && next_is_value) {
                shape.push(c);
            }
            at += 1;
        }
    }
    let cut = shape.char_indices().nth(TEXT_MAX);
    shape.truncate(cut.map_or(shape.len(), |(at, _)| at));
    shape
}

/// The text of a format string with `#` in the places of values; nothing where too few words
/// are left to know it by.
pub(super) fn of_format(format: &str) -> Option<String> {
    const WORD: usize = 3;
    let mut text = String::with_capacity(format.len());
    let mut letters = format.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '{' | '}' if letters.next_if_eq(&c).is_some() => text.push(c),
            '{' => {
                text.push('#');
                letters.by_ref().find(|c| *c == '}');
            }
            c => text.push(c),
        }
    }
    let mut words = text.split(|c: char| !c.is_alphabetic());
    words
        .any(|word| word.chars().count() >= WORD)
        .then_some(text)
}

/// Letters of a uuid.
const UUID: usize = 36;

fn is_uuid(letters: &[char]) -> bool {
    let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let fits = |(at, c): (usize, &char)| match is_dash(at) {
        true => *c == '-',
        false => c.is_ascii_hexdigit(),
    };
    letters.len() >= UUID
        && letters[..UUID].iter().enumerate().all(fits)
        && letters.get(UUID).is_none_or(|c| !c.is_alphanumeric())
}

/// Append a word: its digits as `#`, or `#` alone where it is a value as a whole.
fn word(letters: &[char], shape: &mut String) {
    let mut push = |c: char| {
        if c != '#' || !shape.ends_with('#') {
            shape.push(c);
        }
    };
    let has_digit = letters.iter().any(char::is_ascii_digit);
    let is_hex = letters.iter().all(char::is_ascii_hexdigit) && letters.len() >= HEX_MIN;
    let is_prefixed = matches!(letters, ['0', 'x' | 'X', ..]);
    // Digits between letters on both sides, as random names have them.
    let turns = letters
        .windows(2)
        .filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit())
        .count();
    if has_digit && (is_hex || is_prefixed || turns >= 3) {
        push('#');
        return;
    }
    for c in letters {
        push(if c.is_ascii_digit() { '#' } else { *c });
    }
}

fn closing_quote(letters: &[char], start: usize) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in letters.iter().enumerate().skip(start + 1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

fn closing_bracket(letters: &[char], start: usize) -> Option<usize> {
    let mut open = 0_usize;
    let mut at = start;
    while at < letters.len() {
        match letters[at] {
            '[' | '{' => open += 1,
            ']' | '}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            '"' => at = closing_quote(letters, at).unwrap_or(at),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{of_format, shape};

    #[test]
    fn a_check_is_known_by_its_text_whatever_its_values_say() {
        let of = |format| of_format(format).map(|text| shape(&text));
        assert_eq!(
            of("{first:?} and {} lead in term {term}").as_deref(),
            Some("# and # lead in term #")
        );
        assert_eq!(of("{{a}} is lost {x}").as_deref(), Some("{…} is lost #"));
        assert_eq!(of("not closed {x").as_deref(), Some("not closed #"));
        for unknown in ["", "{}", "{} of {}", "{what}: {why}"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn lists_and_words_of_data_have_one_shape_whatever_their_length() {
        let same = |texts: &[&str]| {
            for text in texts {
                assert_eq!(shape(text), shape(texts[0]), "{texts:?}");
            }
        };
        same(&[
            "only [] are done",
            "only [1] are done",
            "only [1, 22, 3] are done",
        ]);
        same(&[
            r#"["a", "b]"] is left"#,
            r#"["a, \"", "c"] is left"#,
            "[] is left",
        ]);
        same(&["{} open", "{1: {2: [3]}} open", r#"{"x": 1} open"#]);
        same(&[r#"`"ann" is twice"#, r#"`"bob and \"cid\"" is twice"#]);
        same(&[
            "Job { id: 1, by: Ann } lost",
            "Job { id: 22, by: Bob { x: 1 } } lost",
        ]);
        same(&[
            "worker-1 is gone",
            "worker-12 is gone",
            "worker-3.5 is gone",
        ]);
        same(&[
            "balance is 5",
            "balance is -5",
            "balance is 0.25",
            "balance is +1",
        ]);
        same(&["at 0x7ffe10", "at 0xdeadbeef", "at 12"]);
        same(&[
            "order 67e55044-10b1-426f-9247-bb680e5fe0c8",
            "order a1b2c3d4-0000-4fff-bfff-00000000000a",
        ]);
        same(&["commit 9fceb02d0ae598e9", "commit 0123456789abcdef"]);
    }

    #[test]
    fn words_of_the_message_stay_and_tell_failures_apart() {
        let kept = "violated: room: `done` after the end, and nobody's fault";
        assert_eq!(shape(kept), kept);
        assert_ne!(shape("overdrawn: 5"), shape("overdue: 5"));
        assert_ne!(shape("`a` lost"), shape("`b` lost"));
        assert_eq!(shape("x (1 of 2)"), "x (# of #)");
        // What is not closed is taken as it is.
        assert_eq!(shape("a [1, 2"), "a [#, #");
        assert_eq!(shape("deadbeef face"), "deadbeef face");
    }
}
