//! The bug zoo: small systems of actors, each with a bug of a known kind, and without it.
//!
//! The measure of a strategy is how many schedules it takes to the first failure; see
//! `retake zoo`. The variants without the bug must survive as many schedules.
//!
//! A program is one file with a function `run(fixed)`. Most actors here are a state and
//! a function (`actor`), so that a file shows the protocol and little else.

mod bank;
mod bounded_buffer;
mod chain_replication;
mod chord;
mod coffee_machine;
mod commit_crash;
mod commit_read_back;
mod controls;
mod failure_detector;
mod ladder;
mod pool_timeout;
mod queued_job;
mod raft;
mod register;
mod registered_name;
mod replicating_storage;
mod uneven;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, Message, SpawnErr};

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One program, with its bug and without.
pub struct Program {
    /// Its name, for example `zoo/raft`.
    pub name: &'static str,
    /// The bug, in a line.
    pub about: &'static str,
    /// Schedules within which the mix of strategies finds the bug in nearly all of 100
    /// campaigns, and which the fixed one survives.
    pub budget: u64,
    names: [&'static str; 2],
    run: [fn() -> Body; 2],
}

/// A program with its bug, or without.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// For example `zoo/raft/buggy`.
    pub name: &'static str,
    /// What it does.
    pub run: fn() -> Body,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.name).finish()
    }
}

impl Program {
    /// With the bug, and without.
    #[must_use]
    pub fn variants(&self) -> [Variant; 2] {
        [0, 1].map(|place| Variant {
            name: self.names[place],
            run: self.run[place],
        })
    }
}

/// The variant of this name.
///
/// ```
/// let raft = retake_workloads::zoo::find("zoo/raft/fixed").unwrap();
/// retake_sim::Sim::new().run(raft.run).expect_passed();
/// ```
#[must_use]
pub fn find(name: &str) -> Option<Variant> {
    PROGRAMS
        .iter()
        .flat_map(Program::variants)
        .find(|variant| variant.name == name)
}

/// Calls the macro `$then` with all programs, one a line: an identifier, the name behind `zoo/`,
/// the budget, the function, and the bug in a line.
#[doc(hidden)]
#[macro_export]
macro_rules! each_program_of_the_zoo {
    ($then:ident) => {
        $then! {
            raft "raft", 200, raft::run, "a vote granted twice is counted twice";
            failure_detector "failure_detector", 1_000, failure_detector::run, "a late timeout begins a round too many";
            chain_replication "chain_replication", 200, chain_replication::run, "updates sent again are appended again";
            replicating_storage "replicating_storage", 100, replicating_storage::run, "a late report brings a failed node back";
            chord "chord", 100, chord::run, "a key that nobody owns is looked up forever";
            commit_read_back "commit_read_back", 100, commit_read_back::run, "another client writes between write and read";
            commit_crash "commit_crash", 100, commit_crash::run, "a coordinator waits for a dead participant";
            bank "bank", 300, bank::run, "an abstract server lets the balance fall too low";
            coffee_machine "coffee_machine", 300, coffee_machine::run, "a crash leaves what a restart does not expect";
            bounded_buffer "bounded_buffer", 200, bounded_buffer::run, "the wrong one of those who wait is woken";
            registered_name "registered_name", 100, registered_name::run, "a stop is confirmed before the name is free";
            twenty_steps "ladder/twenty_steps", 200, ladder::twenty_steps, "one actor must run twenty steps first";
            check_then_act "ladder/check_then_act", 300, ladder::check_then_act, "between check and act another acts";
            lock_order "ladder/lock_order", 400, ladder::lock_order, "two locks are taken in different orders";
            uneven "uneven", 1_000, uneven::run, "one event must come after twenty-five others";
            register "register", 100, register::run, "one server is written, the other read";
            pool_timeout "pool_timeout", 50, pool_timeout::run, "a worker is leased to a client that has given up";
            queued_job "queued_job", 500, queued_job::run, "a restarted worker does not take queued work";
        }
    };
}

macro_rules! programs {
    ($($test:ident $name:literal, $budget:literal, $run:path, $about:literal;)*) => {
        &[$(Program {
            name: concat!("zoo/", $name),
            about: $about,
            budget: $budget,
            names: [concat!("zoo/", $name, "/buggy"), concat!("zoo/", $name, "/fixed")],
            run: [|| Box::pin($run(false)), || Box::pin($run(true))],
        }),*]
    };
}

/// All programs.
pub const PROGRAMS: &[Program] = each_program_of_the_zoo!(programs);

/// Programs without a bug, for exhaustive search.
pub const CONTROLS: &[Variant] = &[
    Variant {
        name: "control/readers",
        run: || Box::pin(controls::readers()),
    },
    Variant {
        name: "control/registry",
        run: || Box::pin(controls::registry()),
    },
];

/// An actor that is a state and a function.
struct FunctionActor<M, S>(PhantomData<fn(M, S)>);

type Handler<M, S> = fn(&ActorRef<M>, M, &mut S);

struct FunctionActorState<M: Message, S> {
    state: S,
    handler: Handler<M, S>,
}

// Debuggers show an actor's state: here without the function, which is an address.
impl<M: Message, S: fmt::Debug> fmt::Debug for FunctionActorState<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

#[retake::simulated]
impl<M: Message + fmt::Debug, S: fmt::Debug + Send + 'static> Actor for FunctionActor<M, S> {
    type Msg = M;
    type State = FunctionActorState<M, S>;
    type Arguments = FunctionActorState<M, S>;

    async fn pre_start(
        &self,
        _: ActorRef<M>,
        acted: FunctionActorState<M, S>,
    ) -> Result<FunctionActorState<M, S>, ActorProcessingErr> {
        Ok(acted)
    }

    async fn handle(
        &self,
        myself: ActorRef<M>,
        message: M,
        acted: &mut FunctionActorState<M, S>,
    ) -> Result<(), ActorProcessingErr> {
        (acted.handler)(&myself, message, &mut acted.state);
        Ok(())
    }
}

/// Start an actor that is a state and a function.
async fn start<M, S>(name: &str, state: S, handler: Handler<M, S>) -> Result<ActorRef<M>, SpawnErr>
where
    M: Message + fmt::Debug,
    S: fmt::Debug + Send + 'static,
{
    let name = Some(retake::scoped_name(name));
    let (actor, _) = Actor::spawn(
        name,
        FunctionActor(PhantomData),
        FunctionActorState { state, handler },
    )
    .await?;
    Ok(actor)
}

/// [`start`], where it cannot fail.
async fn actor<M, S>(name: &str, state: S, handler: Handler<M, S>) -> ActorRef<M>
where
    M: Message + fmt::Debug,
    S: fmt::Debug + Send + 'static,
{
    match start(name, state, handler).await {
        Ok(actor) => actor,
        Err(error) => panic!("an actor does not start: {error}"),
    }
}

/// Send; a receiver that has ended is no error.
fn tell<M: Message>(to: &ActorRef<M>, message: M) {
    let _ = to.cast(message);
}

/// Send over a network: by a task of its own, so what is sent later may come before.
fn send<M: Message>(to: &ActorRef<M>, message: M) {
    let to = to.clone();
    retake::spawn_named("network", async move { tell(&to, message) });
}

const MS: Duration = Duration::from_millis(1);

/// What the oracle of a program sees.
type Shared<T> = Arc<Mutex<T>>;

fn shared<T>(value: T) -> Shared<T> {
    Arc::new(Mutex::new(value))
}

fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
