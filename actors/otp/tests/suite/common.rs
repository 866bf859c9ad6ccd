//! What the families of rules share.

pub(crate) use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus};
pub(crate) use retake_sim::{Fault, Isolation, Sim};
pub(crate) use std::sync::{Arc, Mutex};
pub(crate) use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Runs a scenario under some seeds; it has to pass under each.
pub(crate) fn under_seeds<F, Fut>(seeds: u64, scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    for seed in 0..seeds {
        let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
        sim.run(scenario.clone()).expect_passed();
    }
}

/// Lets everything happen that is due now.
pub(crate) async fn settle() {
    retake::sleep(MS).await;
}

/// Does nothing.
pub(crate) struct Idler;

#[retake::simulated]
impl Actor for Idler {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// Ends as soon as it has started.
pub(crate) struct Brief;

#[retake::simulated]
impl Actor for Brief {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        myself.stop(None);
        Ok(())
    }
}

pub(crate) type Ends = Arc<Mutex<Vec<String>>>;

/// Outlives its children, and writes down for which reasons they ended.
pub(crate) struct Parent;

#[retake::simulated]
impl Actor for Parent {
    type Msg = ();
    type State = Ends;
    type Arguments = Ends;

    async fn pre_start(&self, _: ActorRef<()>, ends: Ends) -> Result<Ends, ActorProcessingErr> {
        Ok(ends)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: ractor::SupervisionEvent,
        ends: &mut Ends,
    ) -> Result<(), ActorProcessingErr> {
        if let ractor::SupervisionEvent::ActorTerminated(_, _, reason) = event {
            ends.lock().unwrap().push(reason.unwrap_or_default());
        }
        Ok(())
    }
}

pub(crate) async fn parent() -> (ActorRef<()>, Ends) {
    let ends = Ends::default();
    let (parent, _) = Actor::spawn(None, Parent, ends.clone()).await.unwrap();
    (parent, ends)
}
