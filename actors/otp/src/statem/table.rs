//! What a state machine declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display, Write as _};

/// What a state does with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule<S> {
    /// Handle it; it may lead to these states, or keep the state.
    Handle(BTreeSet<S>),
    /// Keep it until the state changes: `gen_statem`(3erl), `postpone()`.
    Postpone,
    /// Drop it.
    Ignore,
}

/// The events that each state handles, and where they may lead.
///
/// Not from OTP, which has no declarations to check.
#[derive(Clone, Debug)]
pub struct Table<S, K> {
    initial: Vec<S>,
    rules: BTreeMap<(S, K), Rule<S>>,
    twice: Option<(S, K)>,
}

/// A mistake in a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No state to start in.
    #[error("the table names no initial state")]
    NoInitialState,
    /// A state has two rules for one event.
    #[error("state `{state}` has two rules for the event `{event}`")]
    Twice {
        /// The state.
        state: String,
        /// The event.
        event: String,
    },
    /// No path from an initial state leads there.
    #[error("state `{0}` cannot be reached from an initial state")]
    Unreachable(String),
}

impl<S: Copy + Ord + Debug + Display, K: Copy + Ord + Display> Table<S, K> {
    /// A machine that may start in these states; a diagram shows the first.
    #[must_use]
    pub fn new(initial: impl IntoIterator<Item = S>) -> Self {
        Self {
            initial: initial.into_iter().collect(),
            rules: BTreeMap::new(),
            twice: None,
        }
    }

    /// The state handles the event, which leads to one of `targets` or keeps the state.
    #[must_use]
    pub fn on(self, state: S, event: impl Into<K>, targets: impl IntoIterator<Item = S>) -> Self {
        self.rule(
            state,
            event.into(),
            Rule::Handle(targets.into_iter().collect()),
        )
    }

    /// The state keeps the event until it changes.
    #[must_use]
    pub fn postpone(self, state: S, event: impl Into<K>) -> Self {
        self.rule(state, event.into(), Rule::Postpone)
    }

    /// The state drops the event.
    #[must_use]
    pub fn ignore(self, state: S, event: impl Into<K>) -> Self {
        self.rule(state, event.into(), Rule::Ignore)
    }

    fn rule(mut self, state: S, event: K, rule: Rule<S>) -> Self {
        if self.rules.insert((state, event), rule).is_some() {
            self.twice.get_or_insert((state, event));
        }
        self
    }

    /// What a state does with an event; none if it is not declared.
    #[must_use]
    pub fn get(&self, state: S, event: impl Into<K>) -> Option<&Rule<S>> {
        self.rules.get(&(state, event.into()))
    }

    /// All rules, by state and event.
    pub fn rules(&self) -> impl Iterator<Item = (S, K, &Rule<S>)> {
        self.rules
            .iter()
            .map(|((state, event), rule)| (*state, *event, rule))
    }

    /// All states that are named, in order.
    #[must_use]
    pub fn states(&self) -> BTreeSet<S> {
        let mut states: BTreeSet<S> = self.initial.iter().copied().collect();
        for ((state, _), rule) in &self.rules {
            states.insert(*state);
            if let Rule::Handle(targets) = rule {
                states.extend(targets);
            }
        }
        states
    }

    /// Check for mistakes.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), TableError> {
        if self.initial.is_empty() {
            return Err(TableError::NoInitialState);
        }
        if let Some((state, event)) = self.twice {
            let (state, event) = (state.to_string(), event.to_string());
            return Err(TableError::Twice { state, event });
        }
        let reachable = self.reachable();
        let unreachable = self
            .states()
            .into_iter()
            .find(|state| !reachable.contains(state));
        match unreachable {
            Some(state) => Err(TableError::Unreachable(state.to_string())),
            None => Ok(()),
        }
    }

    fn reachable(&self) -> BTreeSet<S> {
        let mut reached: BTreeSet<S> = BTreeSet::new();
        let mut next = self.initial.clone();
        while let Some(state) = next.pop() {
            if !reached.insert(state) {
                continue;
            }
            for (from, _, rule) in self.rules() {
                if let Rule::Handle(targets) = rule
                    && from == state
                {
                    next.extend(targets);
                }
            }
        }
        reached
    }

    /// The table as a Mermaid state diagram.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("stateDiagram-v2\n");
        if let Some(initial) = self.initial.first() {
            let _ = writeln!(text, "    [*] --> {initial}");
        }
        // One arrow for each pair of states, with all events that take it.
        let mut arrows: BTreeMap<(S, S), Vec<String>> = BTreeMap::new();
        let mut notes: BTreeMap<S, Vec<String>> = BTreeMap::new();
        for (state, event, rule) in self.rules() {
            match rule {
                Rule::Handle(targets) if targets.is_empty() => {
                    arrows
                        .entry((state, state))
                        .or_default()
                        .push(event.to_string());
                }
                Rule::Handle(targets) => {
                    for target in targets {
                        arrows
                            .entry((state, *target))
                            .or_default()
                            .push(event.to_string());
                    }
                }
                Rule::Postpone => notes
                    .entry(state)
                    .or_default()
                    .push(format!("postpones {event}")),
                Rule::Ignore => notes
                    .entry(state)
                    .or_default()
                    .push(format!("ignores {event}")),
            }
        }
        for ((from, to), events) in arrows {
            let _ = writeln!(text, "    {from} --> {to}: {}", events.join(", "));
        }
        for (state, notes) in notes {
            let _ = writeln!(text, "    note right of {state}: {}", notes.join(", "));
        }
        text
    }
}
