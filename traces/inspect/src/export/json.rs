//! JSON written by hand, where a value for each event would cost too much.

use std::fmt;

/// A text as a JSON string.
pub(super) struct JsonString<'a>(pub(super) &'a str);

impl fmt::Display for JsonString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}

/// Nanoseconds as microseconds with all three decimals.
pub(super) struct Micros(pub(super) u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// The name of a message's variant: what its text begins with.
pub(crate) fn variant(detail: &str) -> &str {
    let end = detail
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.')))
        .unwrap_or(detail.len());
    let name = &detail[..end];
    if name.is_empty() { detail } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_named_without_its_fields() {
        assert_eq!(variant("CheckOut { id: 3 }"), "CheckOut");
        assert_eq!(variant("Pass(3)"), "Pass");
        assert_eq!(variant("Tick"), "Tick");
        assert_eq!(variant("(1, 2)"), "(1, 2)");
    }

    #[test]
    fn a_text_with_quotes_and_control_characters_stays_one_string() {
        assert_eq!(JsonString("a\"b\n\u{1}").to_string(), r#""a\"b\n\u0001""#);
    }
}
