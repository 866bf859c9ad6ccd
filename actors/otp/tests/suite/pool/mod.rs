//! The pool leases, queues and replaces workers as poolboy does; many cases are from
//! `poolboy_tests`.

mod clients;
mod ends;
mod lending;
mod model;
mod workers;

use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::*;
use ractor::RpcReplyPort;
use retake_otp::pool::{CHECKOUT_TIMEOUT, Order, Pool, PoolState};
use retake_otp::{CallError, CheckoutError, Lease, PoolConfig, PoolRef, call};
use tokio::task::JoinHandle;

/// Answers, hangs, dies. Of those of one pool only so many start.
struct Worker(Arc<AtomicU32>);

#[derive(Debug)]
enum Ask {
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
        let seats = self.0.load(Ordering::Relaxed);
        self.0.store(
            seats.checked_sub(1).ok_or("out of seats")?,
            Ordering::Relaxed,
        );
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Ask>,
        ask: Ask,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match ask {
            Ask::Echo(number, reply) => reply.send(number)?,
            Ask::Hang(_reply) => retake::sleep(1000 * SECOND).await,
            Ask::Die => myself.stop(Some("as asked".to_owned())),
        }
        Ok(())
    }
}

fn worker(seats: u32) -> impl Fn(u32) -> (Worker, ()) {
    let seats = Arc::new(AtomicU32::new(seats));
    move |_| (Worker(Arc::clone(&seats)), ())
}

fn config(size: u32, max_overflow: u32) -> PoolConfig {
    PoolConfig {
        size,
        max_overflow,
        ..PoolConfig::default()
    }
}

async fn start_with(config: PoolConfig) -> PoolRef<Ask> {
    let pool = PoolRef::start("pool", config, worker(u32::MAX));
    pool.await.unwrap()
}

async fn start(size: u32, max_overflow: u32) -> PoolRef<Ask> {
    start_with(config(size, max_overflow)).await
}

async fn take(pool: &PoolRef<Ask>) -> Lease<Ask> {
    pool.checkout(CHECKOUT_TIMEOUT).await.unwrap()
}

async fn take_all(pool: &PoolRef<Ask>, number: usize) -> Vec<Lease<Ask>> {
    let mut leases = Vec::new();
    for _ in 0..number {
        leases.push(take(pool).await);
    }
    leases
}

/// A client that asks for a worker, and waits until one is free.
fn waiter(pool: &PoolRef<Ask>) -> JoinHandle<Result<Lease<Ask>, CheckoutError>> {
    let pool = pool.clone();
    retake::spawn(async move { pool.checkout(CHECKOUT_TIMEOUT).await })
}

/// Idle workers, all workers, and leases: poolboy's `get_avail_workers`,
/// `get_all_workers` and `get_all_monitors`.
async fn numbers(pool: &PoolRef<Ask>) -> (usize, usize, usize) {
    settle().await;
    let status = pool.status().await.unwrap();
    (status.idle, status.idle + status.leased, status.leased)
}
