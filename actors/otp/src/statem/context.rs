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

/// A change to a timeout.
pub(super) enum TimerChange<E> {
    Set(TimerKey, Duration, E),
    /// Another event, at the same time; at once if the timeout is not set.
    Update(TimerKey, E),
    Cancel(TimerKey),
}

/// What a handler did, in order.
pub(super) struct Effects<E> {
    pub(super) inserted: Vec<E>,
    pub(super) postponed: Option<E>,
    pub(super) timers: Vec<TimerChange<E>>,
    /// An enter action stops the machine, for this reason.
    pub(super) stop: Option<Option<String>>,
}

impl<E> Effects<E> {
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

/// Given to handlers of events: the `action()`s of `gen_statem`(3erl). Replies go out at
/// once, by the event's reply port; what is done here takes effect when the handler
/// has returned.
pub struct Context<'a, M: StateMachine> {
    pub(super) myself: &'a ActorRef<StatemMessage<M>>,
    pub(super) effects: Effects<M::Event>,
}

/// Given to enter actions: the `enter_action()`s of `gen_statem`(3erl), which leave out
/// `postpone` and `next_event`.
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

    /// Keep the event that is being handled until the state has changed: `postpone()`.
    pub fn postpone(&mut self, event: M::Event) {
        self.effects.postponed = Some(event);
    }

    /// Insert an event, handled before those that wait in the mailbox. Several
    /// are handled in the order of inserting. OTP's `next_event`.
    pub fn insert(&mut self, event: M::Event) {
        self.effects.inserted.push(event);
    }
}

impl<M: StateMachine> EnterContext<'_, M> {
    /// The machine's actor.
    #[must_use]
    pub fn myself(&self) -> &ActorRef<StatemMessage<M>> {
        self.myself
    }

    /// Stop the machine, for this reason; none is a normal end.
    pub fn stop(&mut self, reason: Option<String>) {
        self.effects.stop = Some(reason);
    }
}

/// Timeouts, for handlers and enter actions alike.
macro_rules! timeouts {
    ($context:ident) => {
        impl<M: StateMachine> $context<'_, M> {
            /// Set the state timeout: this event comes unless the state changes before.
            /// `{state_timeout, Time, EventContent}`.
            pub fn state_timeout(&mut self, after: Duration, event: M::Event) {
                self.change(TimerChange::Set(TimerKey::State, after, event));
            }

            /// Set the event timeout: this event comes unless any other comes before.
            /// `{timeout, Time, EventContent}`.
            pub fn event_timeout(&mut self, after: Duration, event: M::Event) {
                self.change(TimerChange::Set(TimerKey::Event, after, event));
            }

            /// Set a named timeout: this event comes unless it is cancelled or set again.
            /// `{{timeout, Name}, Time, EventContent}`.
            pub fn timeout(&mut self, name: &'static str, after: Duration, event: M::Event) {
                self.change(TimerChange::Set(TimerKey::Named(name), after, event));
            }

            /// Let the state timeout bring this event instead, when it comes; at once if
            /// it is not set. `{state_timeout, update, EventContent}`.
            pub fn update_state_timeout(&mut self, event: M::Event) {
                self.change(TimerChange::Update(TimerKey::State, event));
            }

            /// Let a named timeout bring this event instead, when it comes; at once if it
            /// is not set. `{{timeout, Name}, update, EventContent}`.
            pub fn update_timeout(&mut self, name: &'static str, event: M::Event) {
                self.change(TimerChange::Update(TimerKey::Named(name), event));
            }

            /// Cancel the state timeout. `{state_timeout, cancel}`.
            pub fn cancel_state_timeout(&mut self) {
                self.change(TimerChange::Cancel(TimerKey::State));
            }

            /// Cancel the event timeout that this handler or enter action follows.
            /// `{timeout, cancel}`.
            pub fn cancel_event_timeout(&mut self) {
                self.change(TimerChange::Cancel(TimerKey::Event));
            }

            /// Cancel a named timeout. `{{timeout, Name}, cancel}`.
            pub fn cancel_timeout(&mut self, name: &'static str) {
                self.change(TimerChange::Cancel(TimerKey::Named(name)));
            }

            fn change(&mut self, change: TimerChange<M::Event>) {
                self.effects.timers.push(change);
            }
        }
    };
}

timeouts!(Context);
timeouts!(EnterContext);

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
