//! An actor that is a state and a function.

use std::fmt::Debug;
use std::marker::PhantomData;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, Message};
use tokio::task::JoinHandle;

/// What a callback of an actor gives.
pub type ActorResult<T = ()> = Result<T, ActorProcessingErr>;

/// Handles each message by the function that it was started with.
pub struct FunctionActor<M, S>(PhantomData<fn(M, S)>);

type Handler<M, S> = Box<dyn Fn(&ActorRef<M>, M, &mut S) + Send + Sync>;

#[retake::simulated]
impl<M: Message + Debug, S: Send + 'static> Actor for FunctionActor<M, S> {
    type Msg = M;
    type State = (S, Handler<M, S>);
    type Arguments = (S, Handler<M, S>);

    async fn pre_start(&self, _: ActorRef<M>, state: Self::Arguments) -> ActorResult<Self::State> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<M>,
        message: M,
        (state, handler): &mut Self::State,
    ) -> ActorResult {
        handler(&myself, message, state);
        Ok(())
    }
}

/// Start an actor under a name.
pub fn start<A: Actor>(
    name: &str,
    actor: A,
    arguments: A::Arguments,
) -> impl Future<Output = ActorRef<A::Msg>> + Send + use<A> {
    let name = Some(retake::scoped_name(name));
    async {
        Actor::spawn(name, actor, arguments)
            .await
            .expect("its name is free")
            .0
    }
}

/// The same below a supervisor.
pub fn start_below<A: Actor>(
    supervisor: ActorCell,
    name: &str,
    actor: A,
    arguments: A::Arguments,
) -> impl Future<Output = ActorRef<A::Msg>> + Send + use<A> {
    let name = Some(retake::scoped_name(name));
    async {
        let started = Actor::spawn_linked(name, actor, arguments, supervisor).await;
        started.expect("its name is free").0
    }
}

/// Start an actor with this state, which handles each message so.
pub async fn actor<M: Message + Debug, S: Send + 'static>(
    name: &str,
    state: S,
    handler: impl Fn(&ActorRef<M>, M, &mut S) + Send + Sync + 'static,
) -> ActorRef<M> {
    let arguments: (S, Handler<M, S>) = (state, Box::new(handler));
    start(name, FunctionActor(PhantomData), arguments).await
}

/// The same below a supervisor.
pub async fn actor_below<M: Message + Debug, S: Send + 'static>(
    supervisor: ActorCell,
    name: &str,
    state: S,
    handler: impl Fn(&ActorRef<M>, M, &mut S) + Send + Sync + 'static,
) -> ActorRef<M> {
    let arguments: (S, Handler<M, S>) = (state, Box::new(handler));
    start_below(supervisor, name, FunctionActor(PhantomData), arguments).await
}

/// Wait for all of these tasks, once all have been spawned.
pub async fn join<T>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let tasks: Vec<JoinHandle<T>> = tasks.into_iter().collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("the task ends"));
    }
    results
}

/// Send; an actor that has ended is no error.
pub fn tell<M: Message>(to: &ActorRef<M>, message: M) {
    let _ = to.cast(message);
}
