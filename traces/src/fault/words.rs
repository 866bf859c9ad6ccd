//! The words of a fault's text: what its kind reads of them, and writes.

use std::time::Duration;

use retake_core::fault::Moment;
use retake_core::service::Share;
use retake_core::step::StepKind;
use retake_core::time::parse_duration;

/// What follows a name after `in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// An await of any callback.
    Await,
    /// This callback.
    Callback(StepKind),
}

/// The words for parts.
pub(super) fn part_words() -> impl Iterator<Item = &'static str> {
    StepKind::callbacks().chain(["await"])
}

/// What a fault's text says besides its verb and its time. A kind takes what it has a
/// meaning for; what is left must be the target.
pub(super) struct Words<'a> {
    pub(super) verb: &'a str,
    pub(super) rest: &'a str,
    pub(super) last: Option<Last>,
}

/// A word with a time, which ends a fault's text.
pub(super) type Last = (&'static str, Duration);

impl<'a> Words<'a> {
    /// Take all but the last time.
    pub(super) fn take_rest(&mut self) -> &'a str {
        std::mem::take(&mut self.rest)
    }

    /// Take the time after this word, which ends the text.
    pub(super) fn last(&mut self, word: &str) -> Option<Duration> {
        let (_, time) = self.last.take_if(|(it, _)| *it == word)?;
        Some(time)
    }

    /// Take the time after `until`.
    pub(super) fn until(&mut self) -> Result<Duration, String> {
        let verb = self.verb;
        self.last("until")
            .ok_or_else(|| format!("a {verb} needs `until TIME`"))
    }

    /// Take the time after `by`.
    pub(super) fn by(&mut self) -> Result<Duration, String> {
        let (before, time) = self
            .rest
            .rsplit_once("by ")
            .filter(|(before, _)| before.is_empty() || before.ends_with(' '))
            .ok_or("`by TIME` is missing")?;
        self.rest = before.trim();
        parse_duration(time.trim())
    }

    /// Take what follows this word, which has a space before and after it.
    pub(super) fn after(&mut self, word: &str) -> Option<&'a str> {
        let (before, after) = self.rest.rsplit_once(word)?;
        self.rest = before.trim();
        Some(after.trim())
    }

    /// Take the share after `rate`: all where nothing is said.
    pub(super) fn rate(&mut self) -> Result<Share, String> {
        self.after(" rate ").map_or(Ok(Share::ALL), Share::parse)
    }

    /// Take what follows the name after `in`, if it is a callback or `await`; else it is a
    /// part of the name.
    pub(super) fn part(&mut self) -> Option<Part> {
        let (before, word) = self.rest.rsplit_once(" in ")?;
        let part = match word {
            "await" => Part::Await,
            _ => Part::Callback(StepKind::of_callback(word)?),
        };
        self.rest = before.trim();
        Some(part)
    }

    /// Take the callback that is affected: a handler where nothing is said.
    pub(super) fn callback(&mut self) -> Result<StepKind, String> {
        match self.part() {
            None => Ok(StepKind::Handle),
            Some(Part::Callback(kind)) => Ok(kind),
            Some(Part::Await) => Err(format!("a {} cannot be `in await`", self.verb)),
        }
    }

    /// Take `with N siblings`.
    pub(super) fn siblings(&mut self) -> Result<u32, String> {
        let Some((before, count)) = self.rest.rsplit_once(" with ") else {
            return Ok(0);
        };
        let number = count.strip_suffix(" siblings");
        let Some(number) = number.or_else(|| count.strip_suffix(" sibling")) else {
            return Ok(0);
        };
        self.rest = before.trim();
        number
            .parse()
            .map_err(|_| format!("`{number}` is no number of siblings"))
    }
}

/// What a kind adds to a fault's text.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// After the verb and the target, with a space before it.
    pub(super) words: String,
    /// A word and a time, in nanoseconds, at the end.
    pub(super) last: Option<(&'static str, u64)>,
}

impl Tail {
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            last: None,
        }
    }

    /// Of a kind that affects this callback.
    pub(super) fn callback(callback: StepKind) -> Self {
        match callback.callback() {
            Some(name) if callback != StepKind::Handle => Self::new(format!(" in {name}")),
            _ => Self::default(),
        }
    }

    pub(super) fn until(self, ns: u64) -> Self {
        let last = Some(("until", ns));
        Self { last, ..self }
    }

    pub(super) fn maybe_until(self, ns: Option<u64>) -> Self {
        match ns {
            Some(ns) => self.until(ns),
            None => self,
        }
    }

    /// A share after `rate`, if it is not all.
    pub(super) fn rate(mut self, share: Share) -> Self {
        if !share.is_all() {
            self.words.push_str(&format!(" rate {share}"));
        }
        self
    }

    pub(super) fn within(self, ns: u64) -> Self {
        let last = Some(("within", ns));
        Self { last, ..self }
    }
}

/// In the place of a name: the first that there is.
pub(super) const ANY: &str = "*";

/// The name of what a fault is about; none for the first that there is.
pub(super) fn name_of(text: &str) -> Result<Option<String>, String> {
    match text.trim() {
        "" => Err("the name of what fails is missing".to_owned()),
        ANY => Ok(None),
        name => Ok(Some(name.to_owned())),
    }
}

/// When what replaces a callback has its effect.
pub(super) fn callback_moment(callback: StepKind) -> Moment {
    match callback {
        StepKind::PreStart => Moment::Start,
        other => Moment::Callback(other),
    }
}

/// A callback, for a person.
pub(super) fn callback_words(callback: StepKind) -> &'static str {
    match callback {
        StepKind::PreStart => "pre_start",
        StepKind::PostStart => "post_start",
        StepKind::Supervision => "supervision handler",
        StepKind::PostStop => "post_stop",
        StepKind::Handle | StepKind::Task | StepKind::Resume => "handler",
    }
}
