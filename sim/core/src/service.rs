//! How requests fail on purpose, and how many of them.

use std::fmt;
use std::time::Duration;

/// How a request of a service fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum ServiceFailure {
    /// The service is not there.
    Unavailable,
    /// It does not answer.
    Timeout,
    /// It refuses, because too much was asked of it.
    QuotaExceeded,
    /// It refuses, because it may not.
    PermissionDenied,
    /// What it does is damaged, or done in part.
    Corrupt,
    /// It does what it should, this much later.
    #[cfg_attr(feature = "serde", serde(rename = "slow_by_ns"))]
    Slow(#[cfg_attr(feature = "serde", serde(serialize_with = "write_nanos"))] Duration),
}

/// As all other times of faults are written.
#[cfg(feature = "serde")]
fn write_nanos<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(crate::time::nanos(*time))
}

/// The words for failures without parameters.
const FAILURES: [(&str, ServiceFailure); 5] = [
    ("unavailable", ServiceFailure::Unavailable),
    ("timeout", ServiceFailure::Timeout),
    ("quota", ServiceFailure::QuotaExceeded),
    ("denied", ServiceFailure::PermissionDenied),
    ("corrupt", ServiceFailure::Corrupt),
];

impl ServiceFailure {
    /// The failure of this word; `slow` needs a time and is not among them.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let found = FAILURES.iter().find(|(it, _)| *it == word);
        found.map(|(_, failure)| *failure)
    }

    /// The word for it, `slow` for any delay.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = FAILURES.iter().find(|(_, failure)| *failure == self);
        found.map_or("slow", |(word, _)| word)
    }

    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        FAILURES.iter().map(|(word, _)| *word).chain(["slow"])
    }
}

impl fmt::Display for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slow(time) => return write!(f, "slow by {time:?}"),
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::QuotaExceeded => "quota exceeded",
            Self::PermissionDenied => "permission denied",
            Self::Corrupt => "corrupt",
        })
    }
}

/// A share of requests or packets, above 0 % and at most 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Share {
    millionths: u32,
}

/// The millionths of one percent, and of all.
const PERCENT: u32 = 10_000;
const ALL: u32 = 1_000_000;

impl Share {
    /// All of them.
    pub const ALL: Self = Self { millionths: ALL };

    /// So many millionths, from 1 to 1,000,000.
    #[must_use]
    pub const fn of_millionths(millionths: u32) -> Option<Self> {
        if millionths >= 1 && millionths <= ALL {
            Some(Self { millionths })
        } else {
            None
        }
    }

    /// Parse a share such as `5%` or `0.25%`.
    ///
    /// # Errors
    /// A sentence about what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = text
            .strip_suffix('%')
            .ok_or_else(|| format!("`{text}` is no share: write a percentage such as `5%`"))?;
        let wrong =
            || format!("`{text}` is no share: write from 0.0001% to 100%, with four decimals");
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str, max| {
            (1..=max).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit())
        };
        if !is_number(whole, 3) || !is_number(fraction, 4) {
            return Err(wrong());
        }
        let digits = |digits: &str| digits.parse::<u32>().map_err(|_| wrong());
        let fraction = digits(&format!("{fraction:0<4}"))?;
        Self::of_millionths(digits(whole)? * PERCENT + fraction).ok_or_else(wrong)
    }

    /// Whether nothing is left out.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.millionths == ALL
    }

    /// Whether a number that was drawn evenly from all of 64 bits is within the share.
    #[must_use]
    pub const fn has(self, drawn: u64) -> bool {
        // `drawn / 2^64 < millionths / 1,000,000`, in whole numbers.
        (drawn as u128) * (ALL as u128) < (self.millionths as u128) << 64
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.millionths / PERCENT, self.millionths % PERCENT);
        if fraction == 0 {
            return write!(f, "{whole}%");
        }
        let fraction = format!("{fraction:04}");
        write!(f, "{whole}.{}%", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_parses_from_what_it_prints_and_a_wrong_one_says_why() {
        for text in ["5%", "100%", "0.5%", "12.25%", "0.0001%", "99.9999%"] {
            assert_eq!(Share::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Share::parse("5.0%"), Share::parse("5%"));
        for (text, problem) in [
            ("5", "a percentage such as `5%`"),
            ("0.1", "a percentage such as `5%`"),
            ("0%", "from 0.0001% to 100%"),
            ("100.0001%", "from 0.0001% to 100%"),
            ("150%", "from 0.0001% to 100%"),
            ("-5%", "from 0.0001% to 100%"),
            ("0.00001%", "with four decimals"),
            ("5.%", "from 0.0001% to 100%"),
            ("%", "from 0.0001% to 100%"),
            ("NaN%", "from 0.0001% to 100%"),
        ] {
            let error = Share::parse(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn a_share_has_its_part_of_all_numbers() {
        let half = Share::parse("50%").unwrap();
        assert!(half.has(0) && half.has((1 << 63) - 1));
        assert!(!half.has(1 << 63) && !half.has(u64::MAX));
        assert!(Share::ALL.has(u64::MAX));
        let least = Share::of_millionths(1).unwrap();
        assert!(least.has(u64::MAX / 1_000_000) && !least.has(u64::MAX / 1_000_000 + 1));
        assert_eq!(Share::of_millionths(0), None);
    }

    #[test]
    fn a_failure_is_found_by_its_word() {
        for word in ServiceFailure::words().filter(|word| *word != "slow") {
            assert_eq!(ServiceFailure::of_word(word).unwrap().word(), word);
        }
        let slow = ServiceFailure::Slow(Duration::from_millis(30));
        assert_eq!(
            (slow.word(), slow.to_string()),
            ("slow", "slow by 30ms".to_owned())
        );
    }
}
