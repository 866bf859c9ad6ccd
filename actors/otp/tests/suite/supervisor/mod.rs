//! The supervisor restarts, gives up and stops as OTP's does; many cases are from
//! `supervisor_SUITE`.

mod children;
mod ends;
mod model;
mod restarts;

use retake_otp::supervisor::*;

use crate::common::*;
use crate::family::*;

const STATIC: [Strategy; 3] = [
    Strategy::OneForOne,
    Strategy::OneForAll,
    Strategy::RestForOne,
];

/// Specs, running children, supervisors, workers.
async fn count(supervisor: &SupervisorRef) -> (usize, usize, usize, usize) {
    let count = supervisor.count_children().await.unwrap();
    (count.specs, count.active, count.supervisors, count.workers)
}

/// A dynamic supervisor and its children.
async fn dynamic(family: &Family, number: usize) -> (SupervisorRef, Vec<ActorCell>) {
    let spec = SupervisorSpec::new(Strategy::SimpleOneForOne);
    let supervisor = start(spec.intensity(1_000_000, SECOND)).await;
    let mut actors = Vec::new();
    for _ in 0..number {
        let child = family.child("child").unregistered();
        let started = supervisor.start_child(child).await.unwrap();
        actors.push(started.actor().unwrap());
    }
    (supervisor, actors)
}

/// The name of the error with which a request was refused.
fn refusal<T>(answer: Result<T, ChildError>) -> String {
    let error = format!("{:?}", answer.err().expect("a refusal"));
    error.split(['(', ' ']).next().unwrap().to_owned()
}
