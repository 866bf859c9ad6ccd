//! What happened, written down by those who took part, in the order in which it
//! happened: what [`invariants`](crate::invariants) about lives, messages, calls
//! and leases look at.
//!
//! [`JournaledActor`] wraps any actor and writes its life; a supervisor and a pool write
//! what they do when they are given a journal; senders write what they send with
//! [`Journal::send`] and what they ask with [`Journal::call`]. Works live and in
//! simulation, where the same seed gives the same journal.
//!
//! ```
//! use ractor::{Actor, ActorProcessingErr, ActorRef};
//! use retake_otp::invariants;
//! use retake_otp::journal::{Journal, JournaledActor};
//!
//! struct Printer;
//!
//! #[retake::simulated]
//! impl Actor for Printer {
//!     type Msg = String;
//!     type State = ();
//!     type Arguments = ();
//!     async fn pre_start(&self, _: ActorRef<String>, _: ()) -> Result<(), ActorProcessingErr> {
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let journal = Journal::new();
//! let printer = JournaledActor::new(Printer, "printer", &journal);
//! let (actor, handle) = Actor::spawn(None, printer, ()).await?;
//! actor.cast("hello".to_owned())?;
//! actor.drain()?;
//! handle.await?;
//! assert_eq!(journal.entries().len(), 6);
//! assert_eq!(invariants::lives(&journal.entries()), []);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

/// Entries in order. Clones share them.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    /// Numbers given out, for incarnations, messages and calls.
    numbers: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, since the start of the run.
    pub at: retake::Instant,
    /// The actor, by its name in the journal.
    pub who: String,
    /// What happened.
    pub event: Event,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.who, self.event)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An incarnation of an actor: what became of it.
    Life(u64, Lifecycle),
    /// A message was sent to this actor; its number is in the tag.
    Sent(String, u64),
    /// A call was made to this actor; its number.
    Asked(String, u64),
    /// A call has come to its end; its number.
    Resolved(u64),
    /// A supervisor got this child, after those that it has.
    Added(String),
    /// A supervisor received the notice that this child has ended by itself.
    ChildExited(String),
    /// A supervisor restarts because of this child; what it stops for that follows.
    Restart(String),
    /// A supervisor gives up, because restarts became too many with this child's.
    GaveUp(String),
    /// A supervisor was asked to stop this child.
    Terminate(String),
    /// A supervisor stops all its children.
    ShutDown,
    /// A supervisor stops this child, for what it wrote before.
    StopChild(String),
    /// A pool's client waits, with this number.
    Waits(u64),
    /// A pool's client does not wait any more.
    Withdrew(u64),
    /// A pool leased this worker to the client with this number.
    Leased(String, u64),
    /// The worker is not leased any more.
    Returned(String),
}

/// The life of an incarnation of an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// `pre_start` begins.
    Starting,
    /// `pre_start` has ended well; the first state, as [`JournaledActor::showing`] says.
    Started(String),
    /// `pre_start` has failed.
    StartFailed,
    /// A message begins to be handled; who sent it and its number, if it has a tag.
    Handling(Option<Tag>),
    /// The handler has ended.
    Handled(HandlerEnd),
    /// `post_stop` begins.
    Stopping,
    /// The incarnation is gone: `post_stop` is over, or its state has been dropped.
    /// Always the last.
    Ended,
}

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerEnd {
    /// It returned.
    Well,
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It was dropped at an await, as a kill does.
    Cut,
}

/// Tells a message from others of its sender. Put it into the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Who sent it.
    pub from: String,
    /// Numbers of one sender rise.
    pub number: u64,
}

impl Journal {
    /// Without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whole at any time, also after a panic of another holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All entries so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.inner().entries.clone()
    }

    /// Write an entry.
    pub fn write(&self, who: &str, event: Event) {
        let entry = Entry {
            at: retake::now(),
            who: who.to_owned(),
            event,
        };
        self.inner().entries.push(entry);
    }

    fn next_number(&self) -> u64 {
        let mut inner = self.inner();
        inner.numbers += 1;
        inner.numbers
    }

    /// Note that `from` sends a message to `to`; put the tag into it, and let the
    /// receiver's [`JournaledActor::tagged`] find it there.
    #[must_use]
    pub fn send(&self, from: &str, to: &str) -> Tag {
        let number = self.next_number();
        self.write(from, Event::Sent(to.to_owned(), number));
        Tag {
            from: from.to_owned(),
            number,
        }
    }

    /// Note a call from `from` to `to`, from its beginning until it is answered,
    /// timed out, failed or given up.
    pub async fn call<T>(&self, from: &str, to: &str, call: impl Future<Output = T>) -> T {
        let number = self.next_number();
        self.write(from, Event::Asked(to.to_owned(), number));
        let resolved = Resolution {
            journal: self,
            from,
            number,
        };
        let answer = call.await;
        drop(resolved);
        answer
    }

    /// Begin an incarnation; it ends when the guard is dropped.
    pub(crate) fn begin(&self, who: &str) -> Incarnation {
        let incarnation = Incarnation {
            journal: self.clone(),
            who: who.to_owned(),
            number: self.next_number(),
            has_ended: false,
        };
        incarnation.write(Lifecycle::Starting);
        incarnation
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({} entries)", self.inner().entries.len())
    }
}

struct Resolution<'a> {
    journal: &'a Journal,
    from: &'a str,
    number: u64,
}

impl Drop for Resolution<'_> {
    fn drop(&mut self) {
        self.journal.write(self.from, Event::Resolved(self.number));
    }
}

/// Writes an incarnation's end, at the latest when it is dropped.
#[derive(Debug)]
pub(crate) struct Incarnation {
    journal: Journal,
    who: String,
    number: u64,
    has_ended: bool,
}

impl Incarnation {
    pub(crate) fn write(&self, life: Lifecycle) {
        self.note(Event::Life(self.number, life));
    }

    pub(crate) fn note(&self, event: Event) {
        self.journal.write(&self.who, event);
    }

    /// After `post_stop`: ractor hands the state of an actor that stops to its
    /// supervisor, where it lives on until the notice of the stop is handled.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.write(Lifecycle::Ended);
        }
    }
}

impl Drop for Incarnation {
    fn drop(&mut self) {
        self.end();
    }
}

/// Writes how a handler ended, also when it is dropped before its end.
struct HandlerRecord<'a> {
    incarnation: &'a Incarnation,
    end: Option<HandlerEnd>,
}

impl Drop for HandlerRecord<'_> {
    fn drop(&mut self) {
        let end = self.end.unwrap_or(if std::thread::panicking() {
            HandlerEnd::Panicked
        } else {
            HandlerEnd::Cut
        });
        self.incarnation.write(Lifecycle::Handled(end));
    }
}

/// An actor that writes its life into a journal. Everything else is the actor's own.
pub struct JournaledActor<A: Actor> {
    actor: A,
    name: String,
    journal: Journal,
    tag: fn(&A::Msg) -> Option<Tag>,
    show: fn(&A::State) -> String,
}

impl<A: Actor> JournaledActor<A> {
    /// Write the life of `actor` under this name; for the child of a supervisor,
    /// its id.
    pub fn new(actor: A, name: &str, journal: &Journal) -> Self {
        Self {
            actor,
            name: name.to_owned(),
            journal: journal.clone(),
            tag: |_| None,
            show: |_| String::new(),
        }
    }

    /// Where a message has its tag.
    #[must_use]
    pub fn tagged(self, tag: fn(&A::Msg) -> Option<Tag>) -> Self {
        Self { tag, ..self }
    }

    /// How the first state of an incarnation is written down.
    #[must_use]
    pub fn showing(self, show: fn(&A::State) -> String) -> Self {
        Self { show, ..self }
    }
}

impl<A: Actor> fmt::Debug for JournaledActor<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JournaledActor").field(&self.name).finish()
    }
}

/// The state of an observed actor.
#[derive(Debug)]
pub struct ObservedState<S> {
    // Dropped in this order, so the state is gone when the end is written.
    state: S,
    incarnation: Incarnation,
}

// No gate of its own: the actor's callbacks have theirs.
#[retake::gate::callbacks]
impl<A: Actor> Actor for JournaledActor<A> {
    type Msg = A::Msg;
    type State = ObservedState<A::State>;
    type Arguments = A::Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let incarnation = self.journal.begin(&self.name);
        match self.actor.pre_start(myself, arguments).await {
            Ok(state) => {
                incarnation.write(Lifecycle::Started((self.show)(&state)));
                Ok(ObservedState { state, incarnation })
            }
            Err(error) => {
                incarnation.write(Lifecycle::StartFailed);
                Err(error)
            }
        }
    }

    async fn post_start(
        &self,
        myself: ActorRef<Self::Msg>,
        observed: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.actor.post_start(myself, &mut observed.state).await
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        observed: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let ObservedState { state, incarnation } = observed;
        incarnation.write(Lifecycle::Handling((self.tag)(&message)));
        let mut handling = HandlerRecord {
            incarnation,
            end: None,
        };
        let result = self.actor.handle(myself, message, state).await;
        handling.end = Some(match result {
            Ok(()) => HandlerEnd::Well,
            Err(_) => HandlerEnd::Failed,
        });
        result
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        observed: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let state = &mut observed.state;
        self.actor.handle_supervisor_evt(myself, event, state).await
    }

    async fn post_stop(
        &self,
        myself: ActorRef<Self::Msg>,
        observed: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        observed.incarnation.write(Lifecycle::Stopping);
        let result = self.actor.post_stop(myself, &mut observed.state).await;
        observed.incarnation.end();
        result
    }
}
