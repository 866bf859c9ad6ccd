//! The callbacks of [`SimulatedActor`], in whichever form ractor's trait has.
//!
//! ractor's `Actor` is an async trait if its feature `async-trait` is on, which code cannot ask.
//! Without the feature of the same name here, `async_trait` below is the attribute of
//! `retake-macros`, and ractor's, which comes first, where ractor has one. Ractor's leaves the
//! `compile_error!` in place.

#[cfg(not(feature = "async-trait"))]
#[allow(unused_imports, ambiguous_glob_imports)]
// If `async_trait` is ambiguous here: turn on the feature `async-trait` of `retake`.
use {ractor::*, retake_macros::*};

#[cfg(feature = "async-trait")]
use ractor::{Actor, ActorRef, Message, SupervisionEvent, async_trait};

use super::{CallbackResult, Gate, SimulatedActor};

#[async_trait]
impl<A: Actor> Actor for SimulatedActor<A>
where
    A::Msg: Message,
{
    #[cfg(not(feature = "async-trait"))]
    compile_error!(
        "the feature `async-trait` of `ractor` is on: turn on the one of `retake` as well, as in \
         `retake = { …, features = [\"async-trait\"] }`"
    );

    type Msg = A::Msg;
    type State = A::State;
    type Arguments = A::Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<A::Msg>,
        args: A::Arguments,
    ) -> CallbackResult<A::State> {
        Gate::pre_start::<A>(&myself)
            .run(self.actor.pre_start(myself, args))
            .await
    }

    async fn post_start(
        &self,
        myself: ActorRef<A::Msg>,
        state: &mut A::State,
    ) -> CallbackResult<()> {
        Gate::post_start::<A>(&myself, || ((self.texts)().state)(state))
            .run(self.actor.post_start(myself, state))
            .await
    }

    async fn handle(
        &self,
        myself: ActorRef<A::Msg>,
        message: A::Msg,
        state: &mut A::State,
    ) -> CallbackResult<()> {
        Gate::handle::<A>(
            &myself,
            &message,
            |message| ((self.texts)().message)(message),
            // Whether another crate's messages can be cloned is not known here.
            |_| None,
            || ((self.texts)().state)(state),
        )
        .run(self.actor.handle(myself, message, state))
        .await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<A::Msg>,
        event: SupervisionEvent,
        state: &mut A::State,
    ) -> CallbackResult<()> {
        Gate::supervision::<A>(&myself, &event, || ((self.texts)().state)(state))
            .run(self.actor.handle_supervisor_evt(myself, event, state))
            .await
    }

    async fn post_stop(
        &self,
        myself: ActorRef<A::Msg>,
        state: &mut A::State,
    ) -> CallbackResult<()> {
        Gate::post_stop::<A>(&myself, || ((self.texts)().state)(state))
            .run(self.actor.post_stop(myself, state))
            .await
    }
}
