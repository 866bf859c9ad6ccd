//! Causality: which step sent the message that a step handles.
//!
//! ractor stores the sender's current `tracing` span with each message and
//! enters it around the handler. This subscriber answers "the current span" with
//! one that stands for the current step, so every message carries the number of
//! the step that sent it, at no cost to the message's type. Spans and events of
//! the user's own go on to the subscriber that was there before.

use std::cell::Cell;
use std::num::NonZeroU64;

use tracing::callsite::Callsite;
use tracing::field::FieldSet;
use tracing::metadata::Kind;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

/// Ids with this bit stand for steps; the user's subscriber does not see them.
const STEP: u64 = 1 << 63;

thread_local! {
    /// The step that runs now, 0 for none.
    static RUNNING: Cell<u64> = const { Cell::new(0) };
    /// The step whose span was entered last and not left, 0 for none.
    static ENTERED: Cell<u64> = const { Cell::new(0) };
}

/// From now on messages are sent by this step; 0 for none.
pub(crate) fn set_running(step: u64) {
    RUNNING.set(step);
}

/// The step that sent the message whose handler is being polled.
pub(crate) fn sender() -> Option<NonZeroU64> {
    NonZeroU64::new(ENTERED.get())
}

/// Forget the state of an earlier run on this thread.
pub(crate) fn reset() {
    RUNNING.set(0);
    ENTERED.set(0);
}

struct StepSite;

static SITE: StepSite = StepSite;

static METADATA: Metadata<'static> = Metadata::new(
    "step",
    "retake::step",
    Level::INFO,
    None,
    None,
    None,
    FieldSet::new(&[], tracing::callsite::Identifier(&SITE)),
    Kind::SPAN,
);

impl Callsite for StepSite {
    fn set_interest(&self, _: Interest) {}
    fn metadata(&self) -> &Metadata<'_> {
        &METADATA
    }
}

/// The subscriber, in front of another one.
pub(crate) struct Causes {
    inner: Dispatch,
}

impl Causes {
    /// In front of the subscriber that is current on this thread.
    pub(crate) fn new() -> Self {
        Self {
            inner: tracing::dispatcher::get_default(Clone::clone),
        }
    }
}

fn step_of(id: &Id) -> Option<u64> {
    let id = id.into_u64();
    (id & STEP != 0).then_some(id & !STEP)
}

impl Subscriber for Causes {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.inner.register_callsite(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.enabled(metadata)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.inner.new_span(attributes)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if step_of(span).is_none() {
            self.inner.record(span, values);
        }
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        if step_of(span).is_none() && step_of(follows).is_none() {
            self.inner.record_follows_from(span, follows);
        }
    }

    fn event(&self, event: &Event<'_>) {
        self.inner.event(event);
    }

    fn enter(&self, span: &Id) {
        match step_of(span) {
            Some(step) => ENTERED.set(step),
            None => self.inner.enter(span),
        }
    }

    fn exit(&self, span: &Id) {
        match step_of(span) {
            Some(_) => ENTERED.set(0),
            None => self.inner.exit(span),
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        match step_of(id) {
            Some(_) => id.clone(),
            None => self.inner.clone_span(id),
        }
    }

    fn try_close(&self, id: Id) -> bool {
        match step_of(&id) {
            Some(_) => false,
            None => self.inner.try_close(id),
        }
    }

    fn current_span(&self) -> Current {
        match RUNNING.get() {
            0 => self.inner.current_span(),
            step => Current::new(Id::from_u64(STEP | step), &METADATA),
        }
    }
}
