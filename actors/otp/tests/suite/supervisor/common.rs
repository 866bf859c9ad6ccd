//! What these tests share.

pub(crate) use crate::family::{
    Child, ChildMessage, Family, children, kill, settle, start, status, tell,
};
pub(crate) use ractor::{Actor, ActorRef, ActorStatus};
pub(crate) use retake_otp::supervisor::{
    AutoShutdown, Backoff, ChildError, ChildSpec, Restart, Shutdown, Strategy, Supervisor,
    SupervisorRef, SupervisorSpec,
};
pub(crate) use retake_sim::{Fault, Run, Sim};
pub(crate) use std::sync::{Arc, Mutex};
pub(crate) use std::time::Duration;

pub(crate) fn run<F, Fut>(scenario: F) -> Run<Fut::Output>
where
    F: Fn(Family) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    Sim::new().seed(3).run(move || scenario(Family::default()))
}
