//! Labels: who a task is, in a form that is the same in every run.

use std::fmt;
use std::sync::Arc;

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
pub use retake_core::label::is_meant;
use retake_core::label::numbered;
use serde::{Serialize, Serializer};

/// The name of a task, and which of those with this name it is.
///
/// As text the number follows behind `#`, from the second on: `ledger`, `ledger#2`. A name that
/// ends so itself always has it, so that a text means one label only: the second `a` is `a#2`,
/// and the first task of the name `a#2` is `a#2#1`.
///
/// ```
/// use retake_traces::Label;
/// assert_eq!(Label::new("ledger", 2).to_string(), "ledger#2");
/// assert_eq!(Label::from("ledger#2"), Label::new("ledger", 2));
/// assert_eq!(Label::new("a#2", 1).to_string(), "a#2#1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The name: the actor's own, or made of its type and its parent's label.
    pub name: Arc<str>,
    /// The number among the tasks of this name, in the order of starting, from 1.
    pub incarnation: u32,
}

impl Label {
    /// The label of this incarnation of the name.
    pub fn new(name: impl Into<Arc<str>>, incarnation: u32) -> Self {
        Self {
            name: name.into(),
            incarnation: incarnation.max(1),
        }
    }

    /// Whether somebody who writes `text` can mean it, see [`is_meant`].
    #[must_use]
    pub fn is_meant_by(&self, text: &str) -> bool {
        is_meant(&self.name, self.incarnation, text)
    }
}

/// The name and the number that a label's text has.
#[must_use]
pub fn parts(text: &str) -> (&str, u32) {
    numbered(text).unwrap_or((text, 1))
}

impl From<&str> for Label {
    /// The label of this text.
    fn from(text: &str) -> Self {
        let (name, incarnation) = parts(text);
        Self::new(name, incarnation)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.incarnation != 1 || numbered(&self.name).is_some() {
            write!(f, "#{}", self.incarnation)?;
        }
        Ok(())
    }
}

/// In traces as its text.
impl Encode for Label {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.to_string().encode(encoder)
    }
}

impl<Context> Decode<Context> for Label {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self::from(&*String::decode(decoder)?))
    }
}

bincode::impl_borrow_decode!(Label);

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_one_label_and_a_label_has_one_text() {
        let names = [
            "",
            "a",
            "a#2",
            "a#2#1",
            "#1",
            "a#",
            "a#02",
            "a#x",
            "é#7",
            "a#99999999999",
        ];
        let mut texts = std::collections::BTreeSet::new();
        for name in names {
            for incarnation in [1, 2, 12, u32::MAX] {
                let label = Label::new(name, incarnation);
                assert_eq!(Label::from(&*label.to_string()), label, "{label}");
                assert!(texts.insert(label.to_string()), "{label}");
            }
        }
    }

    #[test]
    fn a_name_means_all_of_its_incarnations_and_a_number_one() {
        let second = Label::new("a", 2);
        assert!(second.is_meant_by("a") && second.is_meant_by("a#2"));
        assert!(!second.is_meant_by("a#1") && !second.is_meant_by("b#2"));
        assert!(Label::new("a", 1).is_meant_by("a#1"));
        let odd = Label::new("a#2", 1);
        assert!(odd.is_meant_by("a#2") && odd.is_meant_by("a#2#1"));
        assert!(!odd.is_meant_by("a") && !odd.is_meant_by("a#2#2"));
    }
}
