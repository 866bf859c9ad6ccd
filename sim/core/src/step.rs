//! Kinds of steps.

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

/// Callbacks of actors, by the words for them.
const CALLBACKS: [(&str, StepKind); 5] = [
    ("handle", StepKind::Handle),
    ("pre_start", StepKind::PreStart),
    ("post_start", StepKind::PostStart),
    ("supervision", StepKind::Supervision),
    ("post_stop", StepKind::PostStop),
];

impl StepKind {
    /// What a task does in such a step: `handles` for a message.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::PreStart => "starts",
            Self::PostStart => "started",
            Self::Handle => "handles",
            Self::Supervision => "supervises",
            Self::PostStop => "stops",
            Self::Task => "begins",
            Self::Resume => "resumes",
        }
    }

    /// The callback of this name.
    #[must_use]
    pub fn of_callback(name: &str) -> Option<Self> {
        let found = CALLBACKS.iter().find(|(word, _)| *word == name);
        found.map(|(_, kind)| *kind)
    }

    /// The names of all callbacks.
    pub fn callbacks() -> impl Iterator<Item = &'static str> {
        CALLBACKS.iter().map(|(word, _)| *word)
    }

    /// The name of the callback; none of what is no callback.
    #[must_use]
    pub fn callback(self) -> Option<&'static str> {
        let found = CALLBACKS.iter().find(|(_, kind)| *kind == self);
        found.map(|(word, _)| *word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_found_by_its_name() {
        for (name, kind) in CALLBACKS {
            assert_eq!(StepKind::of_callback(name), Some(kind));
            assert_eq!(kind.callback(), Some(name));
        }
        assert_eq!(StepKind::of_callback("resume"), None);
        assert_eq!(StepKind::Resume.callback(), None);
    }
}
