//! Races in ractor_actors.
use ractor_actors::sync::broadcast::{Broadcaster, BroadcasterConfig, BroadcasterMessage};
use ractor_actors::watchdog::{self, TimeoutStrategy};
use ractor_of_actors::{Actor, ActorProcessingErr, ActorRef, ActorStatus};
use std::time::Duration;
use tokio::time::sleep;

struct Target;
impl Actor for Target {
    type Msg = u32;
    type State = ();
    type Arguments = ();
    async fn pre_start(&self, _: ActorRef<u32>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// A target is removed, and stops then, while others broadcast.
#[tokio::test]
async fn a_target_that_was_removed_may_stop() {
    let (target, _) = Actor::spawn(None, Target, ()).await.unwrap();
    let config = BroadcasterConfig {
        initial_targets: vec![Broadcaster::get_unit_mapped_target(target.clone())],
        continue_with_dead_targets: false,
    };
    let (broadcaster, _) = Actor::spawn(None, Broadcaster::<u32>::new(), config)
        .await
        .unwrap();
    let sends = tokio::spawn({
        let broadcaster = broadcaster.clone();
        async move { broadcaster.cast(BroadcasterMessage::Broadcast(1)).unwrap() }
    });
    let removes = tokio::spawn({
        let broadcaster = broadcaster.clone();
        async move {
            broadcaster
                .cast(BroadcasterMessage::RemoveTarget(target.get_id()))
                .unwrap();
            target.stop_and_wait(None, None).await.unwrap();
        }
    });
    sends.await.unwrap();
    removes.await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(broadcaster.get_status(), ActorStatus::Running);
}

/// An actor that another task has unregistered gets an answer to its ping all the same.
#[tokio::test]
async fn a_ping_is_answered_while_another_task_unregisters() {
    let (target, _) = Actor::spawn(None, Target, ()).await.unwrap();
    watchdog::register(
        target.get_cell(),
        Duration::from_secs(1),
        TimeoutStrategy::Stop,
    )
    .await
    .unwrap();
    let (id, cell) = (target.get_id(), target.get_cell());
    let pings = tokio::spawn(async move { watchdog::ping(id).await });
    let unregisters = tokio::spawn(async move { watchdog::unregister(cell).await.unwrap() });
    unregisters.await.unwrap();
    pings.await.unwrap().expect("an answer");
}
