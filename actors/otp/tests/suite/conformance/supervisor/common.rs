//! What these tests share.

pub(crate) use crate::conformance::under_seeds;
pub(crate) use crate::family::{ChildMessage, Family, children, kill, settle, start, status, tell};
pub(crate) use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus};
pub(crate) use retake_otp::supervisor::{
    AutoShutdown, ChildCount, ChildError, ChildKind, ChildSpec, INTENSITY_EXCEEDED, Restart,
    Shutdown, SpecError, StartedChild, Strategy, SupervisorRef, SupervisorSpec,
};
pub(crate) use std::sync::Arc;
pub(crate) use std::time::Duration;

pub(crate) const STATIC: [Strategy; 3] = [
    Strategy::OneForOne,
    Strategy::OneForAll,
    Strategy::RestForOne,
];

/// A child that can be set to fail its start, apart from its siblings.
pub(crate) fn apart(family: &Family) -> Family {
    Family {
        refuses: Arc::default(),
        ignores: Arc::default(),
        ..family.clone()
    }
}

pub(crate) fn refuse(family: &Family, times: u32) {
    *family.refuses.lock().unwrap() = times;
}

pub(crate) fn ignore(family: &Family, on: bool) {
    *family.ignores.lock().unwrap() = on;
}

pub(crate) async fn count(supervisor: &SupervisorRef) -> (usize, usize, usize, usize) {
    let ChildCount {
        specs,
        active,
        supervisors,
        workers,
    } = supervisor.count_children().await.unwrap();
    (specs, active, supervisors, workers)
}

/// A dynamic supervisor and its children.
pub(crate) async fn dynamic(family: &Family, number: usize) -> (SupervisorRef, Vec<ActorCell>) {
    let spec = SupervisorSpec::new(Strategy::SimpleOneForOne);
    let supervisor = start(spec.intensity(1_000_000, Duration::from_secs(1))).await;
    let mut actors = Vec::new();
    for _ in 0..number {
        let child = family.child("child").unregistered();
        let started = supervisor.start_child(child).await.unwrap();
        actors.push(started.actor().unwrap());
    }
    (supervisor, actors)
}

/// Hears of ends, and does nothing about them.
pub(crate) struct Parent;

#[retake::simulated]
impl Actor for Parent {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

pub(crate) type Ends = Arc<std::sync::Mutex<Vec<String>>>;

/// Writes down for which reasons its children ended.
pub(crate) struct Watcher;

#[retake::simulated]
impl Actor for Watcher {
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
