//! Races in the dynamic supervisor of ractor-supervisor.
use ractor::{registry::where_is, Actor, ActorProcessingErr, ActorRef, ActorStatus};
use ractor_supervisor::*;
use std::time::Duration;
use tokio::time::sleep;

struct Child;
#[ractor::async_trait]
impl Actor for Child {
    type Msg = ();
    type State = ();
    type Arguments = ();
    async fn pre_start(&self, _: ActorRef<()>, _: ()) -> Result<(), ActorProcessingErr> {
        sleep(Duration::from_millis(1)).await;
        Ok(())
    }
    async fn handle(&self, _: ActorRef<()>, _: (), _: &mut ()) -> Result<(), ActorProcessingErr> {
        Err("it fails".into())
    }
}

fn child(id: &str) -> ChildSpec {
    let spawn_fn = SpawnFn::new(|supervisor, id| async move {
        let spawned = DynamicSupervisor::spawn_linked(id, Child, (), supervisor).await;
        spawned.map(|(actor, _)| actor.get_cell())
    });
    ChildSpec {
        id: id.into(),
        restart: Restart::Temporary,
        spawn_fn,
        backoff_fn: None,
        reset_after: None,
    }
}

async fn supervisor() -> ActorRef<DynamicSupervisorMsg> {
    let options = DynamicSupervisorOptions {
        max_children: None,
        max_restarts: 3,
        max_window: Duration::from_secs(10),
        reset_after: None,
    };
    DynamicSupervisor::spawn("supervisor".into(), options)
        .await
        .unwrap()
        .0
}

/// A child fails while it is terminated, and the supervisor continues. The failure comes between
/// the message being taken and being handled.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_fails_may_be_terminated() {
    let supervisor = supervisor().await;
    DynamicSupervisor::spawn_child(supervisor.clone(), child("child"))
        .await
        .unwrap();
    let cell = where_is("child").unwrap();
    let fails = tokio::spawn(async move { drop(ActorRef::<()>::from(cell).cast(())) });
    let terminates = tokio::spawn(DynamicSupervisor::terminate_child(
        supervisor.clone(),
        "child".into(),
    ));
    fails.await.unwrap();
    drop(terminates.await.unwrap());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(supervisor.get_status(), ActorStatus::Running);
}

/// A name is free once its child was terminated.
#[tokio::test]
async fn a_child_is_spawned_again_after_it_was_terminated() {
    let supervisor = supervisor().await;
    DynamicSupervisor::spawn_child(supervisor.clone(), child("child"))
        .await
        .unwrap();
    let again = tokio::spawn(async move {
        DynamicSupervisor::terminate_child(supervisor.clone(), "child".into())
            .await
            .unwrap();
        DynamicSupervisor::spawn_child(supervisor, child("child"))
            .await
            .unwrap();
    });
    again.await.unwrap();
    assert!(where_is("child").is_some(), "there is no child");
}
