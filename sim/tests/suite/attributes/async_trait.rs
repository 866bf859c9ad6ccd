//! Actors of ractor's feature `async-trait`: `cargo test -p retake-sim --features async-trait`.

use super::spelling::{check_schedules, program};

// The attribute boxes the futures itself.
program!(alone: #[retake::simulated]);

program!(above: #[retake::simulated] #[ractor::async_trait]);

program!(below: #[ractor::async_trait] #[retake::simulated]);

program!(conditional_above:
    #[retake::simulated]
    #[cfg_attr(feature = "async-trait", ractor::async_trait)]);

program!(conditional_below:
    #[cfg_attr(feature = "async-trait", ractor::async_trait)]
    #[retake::simulated]);

program!(off: #[retake::simulated] #[cfg_attr(any(), ractor::async_trait)]);

program!(of_its_own_crate_above: #[retake::simulated] #[async_trait::async_trait]);

program!(of_its_own_crate_below: #[async_trait::async_trait] #[retake::simulated]);

mod renamed {
    pub(crate) use ractor::async_trait as at;
}

program!(renamed_above: #[retake::simulated] #[super::renamed::at]);

program!(renamed_below: #[super::renamed::at] #[retake::simulated]);

/// All the callbacks of an impl without the attribute, in its wrapper.
mod wrapped {
    use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

    pub(super) struct Plain;

    #[ractor::async_trait]
    impl Actor for Plain {
        type Msg = RpcReplyPort<u32>;
        type State = u32;
        type Arguments = u32;

        async fn pre_start(
            &self,
            _: ActorRef<Self::Msg>,
            number: u32,
        ) -> Result<u32, ActorProcessingErr> {
            Ok(number)
        }

        async fn handle(
            &self,
            _: ActorRef<Self::Msg>,
            reply: Self::Msg,
            number: &mut u32,
        ) -> Result<(), ActorProcessingErr> {
            reply.send(*number)?;
            Ok(())
        }
    }
}

#[test]
fn every_spelling_of_the_attributes_has_the_schedule_of_a_build_without_the_feature() {
    check_schedules(alone::scenario);
    check_schedules(above::scenario);
    check_schedules(below::scenario);
    check_schedules(conditional_above::scenario);
    check_schedules(conditional_below::scenario);
    check_schedules(off::scenario);
    check_schedules(of_its_own_crate_above::scenario);
    check_schedules(of_its_own_crate_below::scenario);
    check_schedules(renamed_above::scenario);
    check_schedules(renamed_below::scenario);
}

#[test]
fn a_wrapped_async_trait_actor_is_gated() {
    let run = retake_sim::Sim::new().strict(true).run(|| async {
        let actor = retake::Simulated::new(wrapped::Plain);
        let (actor, _) = ractor::Actor::spawn(None, actor, 7).await.unwrap();
        ractor::call!(actor, |reply| reply).unwrap()
    });
    assert_eq!(run.stats.actors, 1);
    assert_eq!(run.expect_passed(), 7);
}
