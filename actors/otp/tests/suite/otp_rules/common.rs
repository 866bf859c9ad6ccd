//! What these tests share.

pub(crate) use crate::family::{ChildMessage, Family, children, kill, settle, start, status, tell};
pub(crate) use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort};
pub(crate) use retake_otp::supervisor::{
    Backoff, ChildCount, ChildSpec, Restart, Shutdown, StartedChild, Strategy, SupervisorRef,
    SupervisorSpec,
};
pub(crate) use retake_otp::{CallError, CheckoutError, PoolConfig, PoolRef, call};
pub(crate) use retake_sim::{Isolation, Sim};
pub(crate) use std::sync::atomic::{AtomicU32, Ordering};
pub(crate) use std::sync::{Arc, Mutex};
pub(crate) use std::time::Duration;

pub(crate) fn simulate<F, Fut>(scenario: F)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Sim::new().seed(11).run(scenario).expect_passed();
}

pub(crate) fn for_seeds<F, Fut>(seeds: u64, scenario: F)
where
    F: Fn() -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    for seed in 0..seeds {
        let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
        sim.run(scenario).expect_passed();
    }
}
