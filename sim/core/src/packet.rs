//! What faults do to packets, and on which links.

use std::fmt;

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketChange {
    /// It meets a link that is cut, and is lost.
    Cut,
    /// It is lost on its way.
    Lost,
    /// It takes longer.
    Late {
        /// By so many nanoseconds.
        by_ns: u64,
    },
    /// It comes twice.
    Twice,
    /// Later ones of its link may overtake it.
    Overtaken,
    /// Both ends of its connection hear instead that it was reset.
    Reset,
}

impl PacketChange {
    /// Whether a packet may have to be sent again.
    #[must_use]
    pub fn loses(self) -> bool {
        matches!(self, Self::Cut | Self::Lost | Self::Overtaken)
    }

    /// Whether it affects one packet only.
    #[must_use]
    pub fn is_once(self) -> bool {
        matches!(self, Self::Reset)
    }

    /// A word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Lost => "lost",
            Self::Late { .. } => "late",
            Self::Twice => "twice",
            Self::Overtaken => "overtaken",
            Self::Reset => "reset",
        }
    }
}

/// The way from one host to another, or both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Link {
    /// From this host; none means that of the first packet.
    pub from: Option<String>,
    /// To this one; none means that of the first packet.
    pub to: Option<String>,
    /// And back.
    pub is_both_ways: bool,
}

const ONE_WAY: &str = " -> ";
const BOTH_WAYS: &str = " - ";
const ANY: &str = "*";

impl Link {
    /// Parse a link such as `client -> server`, or `client - server` for both ways.
    ///
    /// # Errors
    /// A sentence about what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no link: write `A -> B`, or `A - B` for both ways, with two hosts")
        };
        let one_way = text.split_once(ONE_WAY).map(|hosts| (hosts, false));
        let both_ways = || text.split_once(BOTH_WAYS).map(|hosts| (hosts, true));
        let ((from, to), is_both_ways) = one_way.or_else(both_ways).ok_or_else(wrong)?;
        let (from, to) = (from.trim(), to.trim());
        let is_one_word = |host: &str| !host.is_empty() && !host.contains(' ');
        if !is_one_word(from) || !is_one_word(to) || (from == to && from != ANY) {
            return Err(wrong());
        }
        let host = |name: &str| (name != ANY).then(|| name.to_owned());
        Ok(Self {
            from: host(from),
            to: host(to),
            is_both_ways,
        })
    }

    /// Whether what goes from one host to another passes it.
    #[must_use]
    pub fn has(&self, from: &str, to: &str) -> bool {
        let is = |host: &Option<String>, name: &str| host.as_deref().is_none_or(|it| it == name);
        let is_forth = is(&self.from, from) && is(&self.to, to);
        is_forth || (self.is_both_ways && is(&self.from, to) && is(&self.to, from))
    }

    /// The same link, with hosts that it does not name taken from a packet's way.
    #[must_use]
    pub fn named(&self, from: &str, to: &str) -> Self {
        let is_forth = Self {
            is_both_ways: false,
            ..self.clone()
        };
        let (one, other) = if is_forth.has(from, to) {
            (from, to)
        } else {
            (to, from)
        };
        Self {
            from: Some(one.to_owned()),
            to: Some(other.to_owned()),
            is_both_ways: self.is_both_ways,
        }
    }

    /// The hosts that it names.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let hosts = [self.from.as_deref(), self.to.as_deref()];
        hosts.into_iter().flatten()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.is_both_ways {
            BOTH_WAYS
        } else {
            ONE_WAY
        };
        let host = |host: &Option<String>| host.clone().unwrap_or_else(|| ANY.to_owned());
        write!(f, "{}{way}{}", host(&self.from), host(&self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_parses_from_what_it_prints_and_a_wrong_one_says_why() {
        for text in ["a -> b", "a - b", "* -> b", "a-1 - *", "* - *"] {
            assert_eq!(Link::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "a",
            "a ->",
            "-> b",
            "a - a",
            "a b - c",
            "a->b",
            "a - b - c",
            "",
        ] {
            let error = Link::parse(text).unwrap_err();
            assert!(error.contains("write `A -> B`"), "{text}: {error}");
        }
    }

    #[test]
    fn a_link_has_the_packets_of_its_ways() {
        let one_way = Link::parse("a -> b").unwrap();
        assert!(one_way.has("a", "b") && !one_way.has("b", "a") && !one_way.has("a", "c"));
        let both = Link::parse("a - *").unwrap();
        assert!(both.has("a", "b") && both.has("b", "a") && !both.has("b", "c"));
        assert_eq!(both.named("b", "a").to_string(), "a - b");
        assert_eq!(
            Link::parse("* -> b").unwrap().named("a", "b").to_string(),
            "a -> b"
        );
    }
}
