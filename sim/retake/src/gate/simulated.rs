//! The wrapper of actors that cannot carry the attribute.

use ractor::Actor;

use super::texts::state_text;

/// Gates an actor that cannot carry the [`simulated`](macro@crate::simulated)
/// attribute, one from another crate for example.
///
/// It has the same messages, state and arguments as the actor inside, and runs
/// it unchanged. Actors that the inner actor spawns by itself are not gated by
/// this: a simulation reports them.
///
/// ```
/// # use ractor::{Actor, ActorProcessingErr, ActorRef};
/// # struct Foreign;
/// # #[cfg_attr(feature = "async-trait", ractor::async_trait)]
/// # impl Actor for Foreign {
/// #     type Msg = u32;
/// #     type State = ();
/// #     type Arguments = ();
/// #     async fn pre_start(&self, _: ActorRef<u32>, (): ()) -> Result<(), ActorProcessingErr> {
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // `Foreign` is an actor of a crate that does not know of Retake.
/// let actor = retake::SimulatedActor::with_debug(Foreign);
/// let (actor, _) = Actor::spawn(None, actor, ()).await.unwrap();
/// actor.cast(7).unwrap();
/// # }
/// ```
pub struct SimulatedActor<A: Actor> {
    pub(super) actor: A,
    /// One pointer, not two: every actor has room for it.
    pub(super) texts: fn() -> Texts<A>,
}

/// How texts are made of an actor's messages and state.
pub(super) struct Texts<A: Actor> {
    pub(super) message: fn(&A::Msg) -> Option<String>,
    pub(super) state: fn(&A::State) -> Option<String>,
}

impl<A: Actor> SimulatedActor<A> {
    /// Wrap an actor; its messages appear in stories under their type's name.
    pub fn new(actor: A) -> Self {
        Self {
            actor,
            texts: || Texts {
                message: |_| None,
                state: |_| None,
            },
        }
    }

    /// Wrap an actor whose messages are `Debug`; they appear in stories as such.
    pub fn with_debug(actor: A) -> Self
    where
        A::Msg: std::fmt::Debug,
    {
        Self {
            actor,
            texts: || Texts {
                message: |message| Some(format!("{message:?}")),
                state: |_| None,
            },
        }
    }

    /// Wrap an actor whose messages and state are `Debug`, so that its state can be
    /// recorded as well.
    pub fn with_debug_state(actor: A) -> Self
    where
        A::Msg: std::fmt::Debug,
        A::State: std::fmt::Debug,
    {
        Self {
            actor,
            texts: || Texts {
                message: |message| Some(format!("{message:?}")),
                state: |state| Some(state_text(state)),
            },
        }
    }
}

impl<A: Actor + std::fmt::Debug> std::fmt::Debug for SimulatedActor<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SimulatedActor").field(&self.actor).finish()
    }
}
