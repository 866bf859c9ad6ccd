//! Who is called what in ractor's registry.

use std::sync::Arc;

use ractor::{ActorRef, Message};

/// The names of one system's actors.
///
/// Several systems in one process take different prefixes. Inside a simulation
/// the names are further scoped to the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    prefix: Option<Arc<str>>,
}

impl Names {
    /// The names of the only system of this process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names that begin with `prefix` and a slash.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        Self {
            prefix: Some(prefix.into()),
        }
    }

    /// The name of this part of the system.
    #[must_use]
    pub fn of(&self, part: &str) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}/{part}"),
            None => part.to_owned(),
        }
    }

    /// The actor that is registered under this name now. In a simulation the name is that
    /// of the run's own scope.
    #[must_use]
    pub fn find<M: Message>(name: &str) -> Option<ActorRef<M>> {
        retake::where_is(name).map(ActorRef::from)
    }
}
