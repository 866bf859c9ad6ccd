//! What these tests share.

pub(crate) use crate::conformance::under_seeds;
pub(crate) use crate::family::settle;
pub(crate) use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort,
};
pub(crate) use retake_otp::pool::{CHECKOUT_TIMEOUT, Order, Pool, PoolState};
pub(crate) use retake_otp::supervisor::{ChildKind, Restart, Shutdown, Strategy, SupervisorSpec};
pub(crate) use retake_otp::{CallError, CheckoutError, Lease, PoolConfig, PoolRef, call};
pub(crate) use std::time::Duration;

/// Poolboy's test worker: answers, hangs, dies.
pub(crate) struct Worker;

#[derive(Debug)]
pub(crate) enum Ask {
    Echo(u32, RpcReplyPort<u32>),
    Hang(RpcReplyPort<u32>),
    Die,
}

#[retake::simulated]
impl Actor for Worker {
    type Msg = Ask;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Ask>,
        ask: Ask,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match ask {
            Ask::Echo(number, reply) => Ok(reply.send(number)?),
            Ask::Hang(_reply) => {
                retake::sleep(Duration::from_secs(1000)).await;
                Ok(())
            }
            Ask::Die => {
                myself.stop(Some("as asked".to_owned()));
                Ok(())
            }
        }
    }
}

pub(crate) async fn start(size: u32, max_overflow: u32, order: Order) -> PoolRef<Ask> {
    let config = PoolConfig {
        size,
        max_overflow,
        order,
        max_waiting: None,
    };
    PoolRef::start("pool", config, |_| (Worker, ()))
        .await
        .unwrap()
}

pub(crate) async fn take(pool: &PoolRef<Ask>) -> Lease<Ask> {
    pool.checkout(CHECKOUT_TIMEOUT).await.unwrap()
}

pub(crate) async fn take_all(pool: &PoolRef<Ask>, number: usize) -> Vec<Lease<Ask>> {
    let mut leases = Vec::new();
    for _ in 0..number {
        leases.push(take(pool).await);
    }
    leases
}

/// Idle workers, all workers, and leases: poolboy's `get_avail_workers`,
/// `get_all_workers` and `get_all_monitors`.
pub(crate) async fn numbers(pool: &PoolRef<Ask>) -> (usize, usize, usize) {
    settle().await;
    let status = pool.status().await.unwrap();
    (status.idle, status.idle + status.leased, status.leased)
}

/// Outlives its clients, and hears of their ends.
pub(crate) struct Parent;

#[retake::simulated]
impl Actor for Parent {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: ractor::SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}
