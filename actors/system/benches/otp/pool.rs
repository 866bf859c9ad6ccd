//! Pools.

use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use retake_otp::pool::{PoolConfig, PoolRef};

use crate::figure::{Figure, note, per_second, times};

pub(crate) struct Echo;

#[retake::simulated]
impl Actor for Echo {
    type Msg = RpcReplyPort<()>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        reply: RpcReplyPort<()>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(reply.send(())?)
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);

async fn pool(size: u32) -> PoolRef<RpcReplyPort<()>> {
    let config = PoolConfig {
        size,
        max_overflow: 0,
        ..PoolConfig::default()
    };
    PoolRef::start("pool", config, |_| (Echo, ()))
        .await
        .unwrap()
}

pub(crate) async fn lend(clients: u64, with_call: bool) -> Figure {
    let pool = pool(10).await;
    let each = 40_000 / clients;
    let start = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    let lease = pool.checkout(TIMEOUT).await.unwrap();
                    if with_call {
                        lease.call(|reply| reply, None).await.unwrap();
                    }
                }
                each
            })
        })
        .collect();
    let mut done = 0;
    for client in clients {
        done += client.await.unwrap();
    }
    let figure = per_second(done, start);
    pool.stop().await;
    figure
}

/// Who dies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dies {
    Worker,
    Client,
}

/// From the death of a worker, or of the client that has it, until a waiter is served.
pub(crate) async fn replace(dies: Dies) -> Figure {
    let pool = pool(1).await;
    let mut times = times();
    let client = || {
        let (served, lease) = tokio::sync::oneshot::channel();
        let pool = pool.clone();
        let client = tokio::spawn(async move {
            let lease = pool.checkout(TIMEOUT).await.unwrap();
            served.send((*lease).clone()).unwrap();
            std::future::pending::<()>().await;
        });
        (client, lease)
    };
    let (mut holder, lease) = client();
    let mut worker = lease.await.unwrap();
    for _ in 0..2_000 {
        let (waiter, lease) = client();
        while pool.status().await.unwrap().waiting == 0 {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        match dies {
            Dies::Worker => worker.kill(),
            Dies::Client => holder.abort(),
        }
        worker = lease.await.unwrap();
        note(&mut times, start);
        holder.abort();
        holder = waiter;
    }
    holder.abort();
    pool.stop().await;
    Figure::Times(times)
}

/// From the death of all until the pool has noticed.
pub(crate) async fn give_up() -> Figure {
    const WAITERS: usize = 1_000;
    let pool = pool(1).await;
    let lease = pool.checkout(TIMEOUT).await.unwrap();
    let mut times = times();
    for _ in 0..10 {
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { drop(pool.checkout(TIMEOUT).await) })
            })
            .collect();
        while pool.status().await.unwrap().waiting < WAITERS {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        waiters.iter().for_each(tokio::task::JoinHandle::abort);
        while pool.status().await.unwrap().waiting > 0 {
            tokio::task::yield_now().await;
        }
        note(&mut times, start);
    }
    drop(lease);
    pool.stop().await;
    Figure::Times(times)
}

/// Five bursts of 1,000 clients on 10 workers and 5 more, each work taking so long:
/// how long clients wait for their worker.
pub(crate) async fn burst(work_us: u64) -> Figure {
    let config = PoolConfig {
        size: 10,
        max_overflow: 5,
        ..PoolConfig::default()
    };
    let pool = PoolRef::start("pool", config, |_| (Echo, ()))
        .await
        .unwrap();
    let mut times = times();
    for _ in 0..5 {
        let clients: Vec<_> = (0..1_000)
            .map(|_| {
                let pool = pool.clone();
                let start = Instant::now();
                tokio::spawn(async move {
                    let lease = pool.checkout(TIMEOUT).await.unwrap();
                    let wait = start.elapsed();
                    work(Duration::from_micros(work_us)).await;
                    drop(lease);
                    wait
                })
            })
            .collect();
        for client in clients {
            let wait = client.await.unwrap().as_nanos();
            times.saturating_record(u64::try_from(wait).unwrap_or(u64::MAX));
        }
    }
    pool.stop().await;
    Figure::Waits(times)
}

/// Tokio's timers are no finer than a millisecond, and come up to one late.
async fn work(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        tokio::task::yield_now().await;
    }
}
