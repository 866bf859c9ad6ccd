//! What an actor knows of other actors, by ractor's id.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A map by ractor's actor id, to look up in and never to iterate.
///
/// The ids count up within a process, so their order and their numbers are not those of
/// another run. Where a state is shown, in a recorded trace for example, only the number
/// of entries is.
pub struct ActorMap<V>(BTreeMap<u64, V>);

impl<V> Default for ActorMap<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> Deref for ActorMap<V> {
    type Target = BTreeMap<u64, V>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<V> DerefMut for ActorMap<V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<V> fmt::Debug for ActorMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} actors", self.0.len())
    }
}
