//! What a task is.

use std::fmt;

/// What a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bincode", derive(bincode::Encode, bincode::Decode))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum TaskKind {
    /// The scenario's own code.
    Scenario,
    /// A ractor actor.
    Actor,
    /// A task spawned through the facade.
    Task,
}

/// A task that came into existence, as a strategy sees it.
#[derive(Clone, Copy)]
pub struct NewTask<'a> {
    /// A small number that names the task until it ends, and then another one.
    pub slot: u32,
    /// Its number in traces, from 0 in order of creation.
    pub serial: u32,
    /// What it is.
    pub kind: TaskKind,
    /// Its label in traces, such as `ledger#2`; formatted if it is asked for.
    pub label: &'a dyn fmt::Display,
}

impl fmt::Debug for NewTask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTask")
            .field("slot", &self.slot)
            .field("serial", &self.serial)
            .field("kind", &self.kind)
            .field("label", &format_args!("{}", self.label))
            .finish()
    }
}
