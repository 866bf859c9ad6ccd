//! What a handler did, to take effect when it has returned.

use std::time::Duration;

/// Which timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKey<T> {
    State,
    Event,
    Named(T),
}

/// A change to a timeout.
pub(super) enum TimerChange<T, E> {
    Set(TimerKey<T>, Duration, E),
    /// Another event, at the same time; at once if the timeout is not set.
    Update(TimerKey<T>, E),
    Cancel(TimerKey<T>),
}

/// What a handler did, in order.
pub(super) struct Effects<T, E> {
    pub(super) inserted: Vec<E>,
    pub(super) postponed: Option<E>,
    pub(super) timers: Vec<TimerChange<T, E>>,
    /// An enter action stops the machine, for this reason.
    pub(super) stop: Option<Option<String>>,
}

impl<T, E> Effects<T, E> {
    pub(super) fn none() -> Self {
        Self {
            inserted: Vec::new(),
            postponed: None,
            timers: Vec::new(),
            stop: None,
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.inserted.is_empty()
            && self.postponed.is_none()
            && self.timers.is_empty()
            && self.stop.is_none()
    }
}
