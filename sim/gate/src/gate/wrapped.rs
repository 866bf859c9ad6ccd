//! The callbacks of [`Simulated`].

use ractor::{Actor, ActorRef, Message, SupervisionEvent};
use retake_macros::async_trait;

use super::{CallbackResult, Gate, Simulated};

#[async_trait]
impl<A: Actor> Actor for Simulated<A>
where
    A::Msg: Message,
{
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
