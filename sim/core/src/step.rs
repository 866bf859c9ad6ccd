//! Kinds of steps, and how they end.

use std::fmt;

/// Which callback of an actor, or which part of a task, a step ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum StepKind {
    /// `pre_start` of an actor that was started outside any step.
    PreStart,
    /// `post_start` of an actor.
    PostStart,
    /// `handle`: a message.
    Handle,
    /// `handle_supervisor_evt`: an event of a child or a monitored actor.
    Supervision,
    /// `post_stop` of an actor.
    PostStop,
    /// The first poll of a task that is no actor.
    Task,
    /// The continuation of any of these after an await.
    Resume,
}

impl StepKind {
    /// All kinds, each at its number as `u8`.
    pub const ALL: [Self; 7] = [
        Self::PreStart,
        Self::PostStart,
        Self::Handle,
        Self::Supervision,
        Self::PostStop,
        Self::Task,
        Self::Resume,
    ];

    /// The name, and what a task does in such a step.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::PreStart => ("pre_start", "starts"),
            Self::PostStart => ("post_start", "started"),
            Self::Handle => ("handle", "handles"),
            Self::Supervision => ("supervision", "supervises"),
            Self::PostStop => ("post_stop", "stops"),
            Self::Task => ("task", "begins"),
            Self::Resume => ("resume", "resumes"),
        }
    }

    /// What a task does in such a step: `handles` for a message.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        self.words().1
    }

    /// The name, as in exports of traces: `post_start`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.words().0
    }

    /// Whether it is a callback of an actor.
    #[must_use]
    pub const fn is_callback(self) -> bool {
        !matches!(self, Self::Task | Self::Resume)
    }

    /// The callback of this name.
    #[must_use]
    pub fn of_callback(name: &str) -> Option<Self> {
        let mut callbacks = Self::ALL.into_iter().filter(|kind| kind.is_callback());
        callbacks.find(|kind| kind.name() == name)
    }

    /// The names of all callbacks.
    pub fn callbacks() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter_map(Self::callback)
    }

    /// The name of the callback; none of what is no callback.
    #[must_use]
    pub fn callback(self) -> Option<&'static str> {
        self.is_callback().then(|| self.name())
    }
}

/// How the code of a step left it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum StepEnd {
    /// It awaits something.
    Pending,
    /// It returned.
    Returned,
    /// It returned an error, given as text: an actor dies of it.
    Failed(String),
    /// It panicked with this message.
    Panicked(String),
}

impl fmt::Display for StepEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("waits"),
            Self::Returned => f.write_str("returned"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_found_by_its_name() {
        for kind in StepKind::ALL {
            let found = StepKind::of_callback(kind.name());
            assert_eq!(found, kind.callback().map(|_| kind));
        }
        assert_eq!(StepKind::of_callback("resume"), None);
        assert_eq!(StepKind::PostStop.callback(), Some("post_stop"));
    }

    #[test]
    fn a_kind_is_at_its_number() {
        for (number, kind) in StepKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
