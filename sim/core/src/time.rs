//! Durations as people write them.

use std::fmt;
use std::time::Duration;

/// Units from the largest to the smallest that a duration is printed in, in nanoseconds.
const PRINTED: [(&str, u64); 3] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];

/// Parse a duration such as `1.5s`, `20ms`, `7us` or `3ns`.
///
/// # Errors
/// A sentence about what is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(|| format!("`{text}` lacks a unit: write ns, us, ms, s, m or h"))?;
    let (number, unit) = text.split_at(split);
    let unit_ns: u64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => {
            return Err(format!(
                "`{unit}` is no unit of time: write ns, us, ms, s, m or h"
            ));
        }
    };
    let wrong = || format!("`{number}` is not a number");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || fraction.len() > 9 {
        return Err(wrong());
    }
    let scale = 10_u64.pow(fraction.len() as u32);
    let fraction: u64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().map_err(|_| wrong())?
    };
    let fraction_ns = u128::from(fraction) * u128::from(unit_ns) / u128::from(scale);
    whole
        .checked_mul(unit_ns)
        .and_then(|ns| ns.checked_add(u64::try_from(fraction_ns).ok()?))
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("`{text}` is too long a time"))
}

/// Nanoseconds; those of the longest duration that they can count, where it is longer.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds in the largest unit that keeps them whole, in the form that
/// [`parse_duration`] reads.
#[derive(Clone, Copy, Debug)]
pub struct Exact(pub u64);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in PRINTED {
            if self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}ns", self.0)
    }
}

/// Nanoseconds as seconds with all nine decimals.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_parses_from_what_it_prints_and_a_wrong_one_says_why() {
        for (text, ns) in [
            ("0s", 0),
            ("3ns", 3),
            ("7us", 7_000),
            ("1500ms", 1_500_000_000),
            ("3600s", 3_600_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(ns)));
            assert_eq!(Exact(ns).to_string(), text);
        }
        assert_eq!(parse_duration("1.5s"), parse_duration("1500ms"));
        for (text, problem) in [
            ("5", "lacks a unit"),
            ("5x", "no unit of time"),
            ("s", "not a number"),
            ("1.0000000001s", "not a number"),
            ("99999999999h", "too long a time"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
