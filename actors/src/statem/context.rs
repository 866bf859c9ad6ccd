//! What a handler can do beside going to another state.

use std::time::Duration;

use ractor::ActorRef;

use super::{StateMachine, StatemMessage};

/// Which timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKey {
    State,
    Event,
    Named(&'static str),
}

/// A change to the timeouts: set, or cancelled where there is nothing to set.
pub(super) struct TimerChange<E> {
    pub(super) key: TimerKey,
    pub(super) set: Option<(Duration, E)>,
}

/// What a handler did, in order.
pub(super) struct Effects<E> {
    pub(super) inserted: Vec<E>,
    pub(super) postponed: Option<E>,
    pub(super) timers: Vec<TimerChange<E>>,
}

impl<E> Effects<E> {
    pub(super) fn none() -> Self {
        Self {
            inserted: Vec::new(),
            postponed: None,
            timers: Vec::new(),
        }
    }

    fn set(&mut self, key: TimerKey, after: Duration, event: E) {
        let set = Some((after, event));
        self.timers.push(TimerChange { key, set });
    }

    fn cancel(&mut self, key: TimerKey) {
        self.timers.push(TimerChange { key, set: None });
    }
}

/// Given to handlers of events. Replies go out at once, by the event's reply port;
/// what is done here takes effect when the handler has returned.
pub struct Context<'a, M: StateMachine> {
    pub(super) myself: &'a ActorRef<StatemMessage<M>>,
    pub(super) effects: Effects<M::Event>,
}

/// Given to enter actions.
pub struct EnterContext<'a, M: StateMachine> {
    pub(super) myself: &'a ActorRef<StatemMessage<M>>,
    pub(super) effects: Effects<M::Event>,
}

impl<M: StateMachine> Context<'_, M> {
    /// The machine's actor.
    #[must_use]
    pub fn myself(&self) -> &ActorRef<StatemMessage<M>> {
        self.myself
    }

    /// Keep the event that is being handled until the state has changed.
    pub fn postpone(&mut self, event: M::Event) {
        self.effects.postponed = Some(event);
    }

    /// Insert an event, handled before those that wait in the mailbox. Several
    /// are handled in the order of inserting. OTP's `next_event`.
    pub fn insert(&mut self, event: M::Event) {
        self.effects.inserted.push(event);
    }

    /// Set the state timeout: this event comes unless the state changes before.
    pub fn state_timeout(&mut self, after: Duration, event: M::Event) {
        self.effects.set(TimerKey::State, after, event);
    }

    /// Set the event timeout: this event comes unless any other comes before.
    pub fn event_timeout(&mut self, after: Duration, event: M::Event) {
        self.effects.set(TimerKey::Event, after, event);
    }

    /// Set a named timeout: this event comes unless it is cancelled or set again.
    pub fn timeout(&mut self, name: &'static str, after: Duration, event: M::Event) {
        self.effects.set(TimerKey::Named(name), after, event);
    }

    /// Cancel the state timeout.
    pub fn cancel_state_timeout(&mut self) {
        self.effects.cancel(TimerKey::State);
    }

    /// Cancel a named timeout.
    pub fn cancel_timeout(&mut self, name: &'static str) {
        self.effects.cancel(TimerKey::Named(name));
    }
}

impl<M: StateMachine> EnterContext<'_, M> {
    /// The machine's actor.
    #[must_use]
    pub fn myself(&self) -> &ActorRef<StatemMessage<M>> {
        self.myself
    }

    /// See [`Context::state_timeout`].
    pub fn state_timeout(&mut self, after: Duration, event: M::Event) {
        self.effects.set(TimerKey::State, after, event);
    }

    /// See [`Context::event_timeout`].
    pub fn event_timeout(&mut self, after: Duration, event: M::Event) {
        self.effects.set(TimerKey::Event, after, event);
    }

    /// See [`Context::timeout`].
    pub fn timeout(&mut self, name: &'static str, after: Duration, event: M::Event) {
        self.effects.set(TimerKey::Named(name), after, event);
    }

    /// See [`Context::cancel_timeout`].
    pub fn cancel_timeout(&mut self, name: &'static str) {
        self.effects.cancel(TimerKey::Named(name));
    }
}

impl<M: StateMachine> std::fmt::Debug for Context<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl<M: StateMachine> std::fmt::Debug for EnterContext<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnterContext").finish_non_exhaustive()
    }
}
