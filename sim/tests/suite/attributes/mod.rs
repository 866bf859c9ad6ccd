//! What `#[retake::simulated]` accepts: blocks written in every way that ractor takes.

#[cfg(feature = "async-trait")]
mod async_trait;
pub(crate) mod foreign;
mod spelling;

use std::fmt::Debug;
use std::marker::PhantomData;

use ractor::{Actor, ActorRef, RpcReplyPort, call};
use retake_sim::Sim;
use retake_testkit::{ActorResult, MS, recorded};
use spelling::spellings;

spellings! {
    the_schedule_is_the_same_with_and_without_the_feature_async_trait:
    alone: #[retake::simulated];
}

/// Runs a scenario in which no task may be without a gate, and returns its story.
#[track_caller]
fn story<F: Future<Output = ()> + Send + 'static>(scenario: fn() -> F) -> String {
    let (run, sink) = recorded(Sim::new().strict(true).story(true), scenario);
    run.expect_passed();
    let lines = retake_inspect::story::lines(&sink.records()).into_iter();
    let about = lines.filter(|line| line.who.starts_with("scenario/"));
    let about = about.map(|line| format!("{}: {}\n", line.who, line.what()));
    about.collect()
}

macro_rules! actor {
    (
        $(#[$attribute:meta])* $visibility:vis $name:ident($message:ty) -> $state:ty, $first:expr,
        |$myself:ident, $received:pat_param, $kept:ident| $body:block, stop $stop:block
    ) => {
        $(#[$attribute])*
        $visibility struct $name;

        #[retake::simulated]
        impl Actor for $name {
            type Msg = $message;
            type State = $state;
            type Arguments = ();

            async fn pre_start(
                &self,
                _: ActorRef<$message>,
                (): (),
            ) -> ActorResult<$state> {
                Ok($first)
            }

            async fn handle(
                &self,
                $myself: ActorRef<$message>,
                $received: $message,
                $kept: &mut $state,
            ) -> ActorResult $body

            async fn post_stop(&self, _: ActorRef<$message>, _: &mut $state) -> ActorResult $stop
        }
    };
}

actor!(
    /// Made by a macro that takes the bodies of its callbacks.
    #[derive(Debug)]
    pub(crate) Made(u32) -> Vec<u32>, Vec::new(),
    |myself, number, numbers| {
        numbers.push(number);
        if numbers.len() == 2 {
            retake::event!("got {numbers:?}");
            myself.stop(None);
        }
        Ok(())
    },
    stop {
        retake::event!("stops");
        Ok(())
    }
);

#[test]
fn callbacks_whose_bodies_a_macro_takes_as_blocks_are_gated() {
    let story = story(|| async {
        let (made, ended) = Actor::spawn(None, Made, ()).await.unwrap();
        made.cast(1).unwrap();
        made.cast(2).unwrap();
        ended.await.unwrap();
    });
    insta::assert_snapshot!(story);
}

/// Type, const and lifetime parameters, bounds in both places.
struct Ring<T, const N: usize>(PhantomData<fn() -> T>);

impl<T, const N: usize> Ring<T, N> {
    const SIZE: usize = N;
}

#[retake::simulated]
impl<T: Clone, const N: usize> Actor for Ring<T, N>
where
    T: Send + Sync + Debug + Default + 'static,
    Vec<T>: Send,
{
    type Msg = (usize, T, Option<RpcReplyPort<Vec<T>>>);
    type State = Vec<T>;
    type Arguments = T;

    /// Documented, and a function that returns a future.
    fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        first: T,
    ) -> impl Future<Output = ActorResult<Self::State>> + Send {
        std::future::ready(Ok(vec![first; Self::SIZE]))
    }

    #[allow(clippy::unused_async)]
    #[inline]
    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        (index, value, reply): Self::Msg,
        ring: &mut Vec<T>,
    ) -> ActorResult
    where
        T: Clone,
    {
        // SAFETY: the index is below N.
        #[allow(unsafe_code)]
        let slot = unsafe { ring.get_unchecked_mut(index % N) };
        *slot = value;
        if let Some(reply) = reply {
            reply.send(ring.clone())?;
        }
        Ok(())
    }
}

#[test]
fn generic_blocks_with_bounds_consts_and_unsafe_code_are_gated() {
    let story = story(|| async {
        let (ring, _) = Actor::spawn(None, Ring::<u8, 3>(PhantomData), 9)
            .await
            .unwrap();
        ring.cast((1, 7, None)).unwrap();
        let values = call!(ring, |reply| (5, 8, Some(reply))).unwrap();
        assert_eq!(values, [9, 7, 8]);
    });
    insta::assert_snapshot!(story);
}

/// Callbacks that are compiled under a condition, or left out.
struct Conditional;

#[retake::simulated]
impl Actor for Conditional {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> ActorResult {
        Ok(())
    }

    #[cfg(any())]
    async fn post_start(&self, _: ActorRef<()>, (): &mut ()) -> ActorResult {
        unreachable!()
    }

    #[cfg(any())]
    async fn handle(&self, _: ActorRef<()>, (): (), (): &mut ()) -> ActorResult {
        unreachable!()
    }

    #[cfg(not(any()))]
    async fn handle(&self, myself: ActorRef<()>, (): (), (): &mut ()) -> ActorResult {
        myself.stop(None);
        Ok(())
    }

    #[cfg_attr(all(), cfg(any()))]
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: ractor::SupervisionEvent,
        (): &mut (),
    ) -> ActorResult {
        unreachable!()
    }
}

#[test]
fn callbacks_that_are_left_out_by_a_condition_are_gated_as_ractors_defaults() {
    let story = story(|| async {
        let (parent, ended) = Actor::spawn(None, Conditional, ()).await.unwrap();
        let (child, _) = parent.spawn_linked(None, Conditional, ()).await.unwrap();
        child.cast(()).unwrap();
        // ractor's default: the end of a child ends its supervisor.
        ended.await.unwrap();
    });
    insta::assert_snapshot!(story);
}

/// Another attribute macro on a callback, which reads its signature.
struct Instrumented;

struct NotDebug(u32);

#[retake::simulated]
impl Actor for Instrumented {
    type Msg = NotDebug;
    type State = u32;
    type Arguments = ();

    #[tracing::instrument(skip(self, _myself))]
    async fn pre_start(&self, _myself: ActorRef<NotDebug>, (): ()) -> ActorResult<u32> {
        Ok(1)
    }

    #[cfg_attr(all(), tracing::instrument(skip(self, myself, message), fields(number = message.0)))]
    async fn handle(
        &self,
        myself: ActorRef<NotDebug>,
        mut message: NotDebug,
        state: &mut u32,
    ) -> ActorResult {
        message.0 += *state;
        retake::event!("{}", message.0);
        myself.stop(None);
        Ok(())
    }
}

#[test]
fn callbacks_with_other_attribute_macros_keep_the_signature_that_these_see() {
    let story = story(|| async {
        let (actor, ended) = Actor::spawn(None, Instrumented, ()).await.unwrap();
        actor.cast(NotDebug(4)).unwrap();
        ended.await.unwrap();
    });
    insta::assert_snapshot!(story);
}

/// Messages without `Debug`: their variants are known from the handler alone.
struct Silent;

enum Quiet<T> {
    Unit,
    Tuple(T, u8),
    Named {
        value: T,
    },
    Other,
    #[allow(dead_code)]
    Unmatched,
}

#[retake::simulated]
impl Actor for Silent {
    type Msg = Quiet<u32>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Quiet<u32>>, (): ()) -> ActorResult {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Quiet<u32>>,
        message: Quiet<u32>,
        (): &mut (),
    ) -> ActorResult {
        match message {
            #[cfg(any())]
            Quiet::Absent => {}
            Quiet::Unit | Quiet::Tuple(1 | 2, _) => {}
            Quiet::Tuple(number, 0) if number > 7 => {}
            Self::Msg::Named { value: 5 } | Quiet::<u32>::Named { .. } => {}
            Quiet::Tuple(..) => {}
            other => {
                let _ = other;
            }
        }
        Ok(())
    }
}

/// Handlers from which nothing certain can be known.
struct Unclear;

#[retake::simulated]
impl Actor for Unclear {
    type Msg = Quiet<u32>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Quiet<u32>>, (): ()) -> ActorResult {
        Ok(())
    }

    #[allow(clippy::single_match)]
    async fn handle(
        &self,
        _: ActorRef<Quiet<u32>>,
        message: Quiet<u32>,
        (): &mut (),
    ) -> ActorResult {
        use Quiet::Tuple;
        match message {
            Tuple(..) => {}
            _ => {}
        }
        let message = Some(1);
        match message {
            Some(1) => {}
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn messages_without_debug_are_shown_by_their_variants_where_the_handler_names_them() {
    fn send(to: &ActorRef<Quiet<u32>>) {
        let named = Quiet::Named { value: 5 };
        for message in [Quiet::Unit, Quiet::Tuple(8, 0), named, Quiet::Other] {
            to.cast(message).unwrap();
        }
    }
    let story = story(|| async {
        let (silent, _) = Actor::spawn(None, Silent, ()).await.unwrap();
        let (unclear, _) = Actor::spawn(None, Unclear, ()).await.unwrap();
        send(&silent);
        send(&unclear);
        retake::sleep(MS).await;
    });
    insta::assert_snapshot!(story);
}

/// A block that ractor's own attribute makes.
struct Focused;

#[retake::simulated]
#[ractor::actor(message = enum FocusedMessage, state = u32, arguments = u32)]
impl Focused {
    async fn pre_start(&self, _: ActorRef<FocusedMessage>, first: u32) -> ActorResult<u32> {
        Ok(first)
    }

    #[ractor::message(Add(amount))]
    async fn add(&self, amount: u32, state: &mut u32) {
        retake::sleep(MS).await;
        *state += amount;
    }

    #[ractor::rpc(Read)]
    fn read(&self, state: &u32) -> u32 {
        *state
    }
}

#[test]
fn an_actor_of_ractors_own_attribute_is_gated() {
    let story = story(|| async {
        let (focused, _) = Actor::spawn(None, Focused, 1).await.unwrap();
        focused.cast(FocusedMessage::Add(2)).unwrap();
        assert_eq!(call!(focused, FocusedMessage::Read).unwrap(), 3);
    });
    insta::assert_snapshot!(story);
}
