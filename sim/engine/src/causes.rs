//! Causality: which step sent the message that a step handles.
//!
//! ractor stores the sender's current `tracing` span with each message and
//! enters it around the handler. This subscriber answers "the current span" with
//! one that identifies the current step, so every message carries the number of
//! the step that sent it, at no cost to the message's type. Spans and events of
//! the user's own are passed to the subscriber that was there before.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroU64;

use tracing::callsite::Callsite;
use tracing::field::FieldSet;
use tracing::metadata::Kind;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::interpose::heap::LibraryHeap;
use crate::outcome::Messages;

/// Ids with this bit stand for steps; the user's subscriber does not see them.
const STEP: u64 = 1 << 63;
/// Those with this one as well stand for one message each, which is sent in a step.
const MESSAGE: u64 = 1 << 62;

/// The fate of messages. ractor keeps the span with the message, enters it around the
/// handler, and drops it with the message, so each is seen from its sending to its end.
#[derive(Debug, Default)]
struct Fates {
    counts: Messages,
    /// Those that are not at their end.
    open: BTreeMap<u64, SentMessage>,
    last: u64,
}

#[derive(Debug)]
struct SentMessage {
    step: u64,
    handled: bool,
    spans: u32,
}

thread_local! {
    /// The step that runs now, 0 for none.
    static RUNNING: Cell<u64> = const { Cell::new(0) };
    /// The step whose span was entered last and not left, 0 for none.
    static ENTERED: Cell<u64> = const { Cell::new(0) };
    /// Steps that have spawned tasks which no gate guards, with a number that the tokio task
    /// ids of all tasks spawned before are below.
    static SPAWNED: RefCell<Vec<(u64, u64)>> = const { RefCell::new(Vec::new()) };
    /// Messages, where they are watched.
    static WATCHED: RefCell<Option<Fates>> = const { RefCell::new(None) };
}

/// Follow the fate of messages from now on, or do not.
pub(crate) fn watch_messages(on: bool) {
    WATCHED.set(on.then(Fates::default));
}

/// What became of the messages that were watched.
pub(crate) fn watched_messages() -> Option<Messages> {
    WATCHED.with_borrow(|watched| {
        let watched = watched.as_ref()?;
        let queued = watched.open.values().filter(|sent| !sent.handled);
        Some(Messages {
            queued: queued.count() as u64,
            ..watched.counts.clone()
        })
    })
}

impl Fates {
    fn send(&mut self, step: u64) -> u64 {
        self.last += 1;
        self.counts.sent += 1;
        self.counts.ungated += u64::from(RUNNING.get() == 0);
        let sent = SentMessage {
            step,
            handled: false,
            spans: 1,
        };
        self.open.insert(self.last, sent);
        self.last
    }

    fn enter(&mut self, message: u64) -> u64 {
        let Some(sent) = self.open.get_mut(&message) else {
            return 0;
        };
        self.counts.handled += u64::from(!sent.handled);
        sent.handled = true;
        sent.step
    }

    fn close(&mut self, message: u64) {
        let Some(sent) = self.open.get_mut(&message) else {
            return;
        };
        sent.spans -= 1;
        if sent.spans > 0 {
            return;
        }
        let is_sent_now = match RUNNING.get() {
            // By a task that no gate guards, and not by an actor that ends.
            0 => message == self.last && spawner().is_some(),
            step => sent.step == step,
        };
        if !sent.handled && is_sent_now {
            self.counts.refused += 1;
        } else if !sent.handled {
            self.counts.lost += 1;
            self.counts.first_lost.get_or_insert(sent.step);
        }
        self.open.remove(&message);
    }
}

/// Do something with the messages that are watched.
fn watched<T>(work: impl FnOnce(&mut Fates) -> T) -> Option<T> {
    let _library = LibraryHeap::enter();
    // What is dropped while the thread ends is not watched any more.
    let done = WATCHED.try_with(|watched| {
        let mut watched = watched.try_borrow_mut().ok()?;
        watched.as_mut().map(work)
    });
    done.ok().flatten()
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
    SPAWNED.take();
}

fn number(id: tokio::task::Id) -> u64 {
    // It is shown as its number, and has no other way to it.
    id.to_string().parse().unwrap_or_default()
}

/// This step has spawned tasks that no gate guards, all of them before the task of this id.
pub(crate) fn spawned_before(id: tokio::task::Id, step: u64) {
    SPAWNED.with_borrow_mut(|spawned| spawned.push((number(id), step)));
}

/// The step that spawned the task which runs now, if no gate guards it: ids of tasks count up.
fn spawner() -> Option<u64> {
    let _library = LibraryHeap::enter();
    SPAWNED.with_borrow(|spawned| {
        let (last, _) = spawned.last()?;
        let id = tokio::task::try_id().map(number).filter(|id| id < last)?;
        let place = spawned.partition_point(|(before, _)| *before <= id);
        spawned.get(place).map(|(_, step)| *step)
    })
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

/// What an id means that is not the user's.
enum Ours {
    Step(u64),
    Message(u64),
}

fn ours(id: &Id) -> Option<Ours> {
    let id = id.into_u64();
    if id & STEP == 0 {
        return None;
    }
    let number = id & !(STEP | MESSAGE);
    Some(if id & MESSAGE == 0 {
        Ours::Step(number)
    } else {
        Ours::Message(number)
    })
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
        if ours(span).is_none() {
            self.inner.record(span, values);
        }
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        if ours(span).is_none() && ours(follows).is_none() {
            self.inner.record_follows_from(span, follows);
        }
    }

    fn event(&self, event: &Event<'_>) {
        self.inner.event(event);
    }

    fn enter(&self, span: &Id) {
        match ours(span) {
            Some(Ours::Step(step)) => ENTERED.set(step),
            Some(Ours::Message(message)) => {
                ENTERED.set(watched(|it| it.enter(message)).unwrap_or_default());
            }
            None => self.inner.enter(span),
        }
    }

    fn exit(&self, span: &Id) {
        match ours(span) {
            Some(_) => ENTERED.set(0),
            None => self.inner.exit(span),
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        match ours(id) {
            // With a message: `Span::current` asks for a span of its own.
            Some(Ours::Step(step)) => watched(|it| it.send(step))
                .map_or_else(|| id.clone(), |it| Id::from_u64(STEP | MESSAGE | it)),
            Some(Ours::Message(message)) => {
                watched(|it| {
                    if let Some(sent) = it.open.get_mut(&message) {
                        sent.spans += 1;
                    }
                });
                id.clone()
            }
            None => self.inner.clone_span(id),
        }
    }

    fn try_close(&self, id: Id) -> bool {
        match ours(&id) {
            Some(Ours::Message(message)) => {
                watched(|it| it.close(message));
                false
            }
            Some(Ours::Step(_)) => false,
            None => self.inner.try_close(id),
        }
    }

    fn current_span(&self) -> Current {
        let step = match RUNNING.get() {
            0 => spawner(),
            step => Some(step),
        };
        match step {
            Some(step) => Current::new(Id::from_u64(STEP | step), &METADATA),
            None => self.inner.current_span(),
        }
    }
}
