//! The pool does what a model of it does, under random requests and schedules.

use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};
use proptest::strategy::Strategy;
use retake::spawn;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Without waiting.
    Try,
    /// Waiting for at most 10 ms.
    Wait,
    /// The oldest lease, or the newest.
    GiveBack { oldest: bool },
    /// The worker of the oldest lease dies, and then the lease is given back.
    KillLeased,
    /// The worker of a lease given back before, which is idle or gone.
    KillReturned,
    /// Somebody ends who has nothing to do with the pool.
    KillStranger,
    /// Several at once: as many checkouts without waiting, and one given back.
    Rush(u8),
    /// Everything at once: for each of these bits one more checkout that waits, one
    /// lease given back, one leased worker killed and given back, one returned worker
    /// killed, one worker checked in and then its lease given back.
    Storm(u8),
}

/// What can be seen of a pool from outside is a function of how many workers
/// are leased.
#[derive(Clone, Copy, Debug)]
struct Model {
    size: usize,
    max_overflow: usize,
    leased: usize,
}

impl Model {
    fn is_full(self) -> bool {
        self.leased >= self.size + self.max_overflow
    }

    fn state(self) -> PoolState {
        if self.is_full() {
            PoolState::Full
        } else if self.leased >= self.size {
            PoolState::Overflow
        } else {
            PoolState::Ready
        }
    }

    fn idle(self) -> usize {
        self.size.saturating_sub(self.leased)
    }

    fn overflow(self) -> usize {
        self.leased.saturating_sub(self.size)
    }
}

struct Stage {
    pool: PoolRef<()>,
    model: Model,
    leases: Vec<Lease<()>>,
    returned: Option<ActorRef<()>>,
}

impl Stage {
    async fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Try => {
                let answer = self.pool.try_checkout().await;
                self.keep(answer, CheckoutError::Full);
            }
            Operation::Wait => {
                let patience = 10 * MS;
                let answer = self.pool.checkout(patience).await;
                self.keep(answer, CheckoutError::Timeout(patience));
            }
            Operation::GiveBack { oldest } => {
                let lease = match oldest {
                    true => (!self.leases.is_empty()).then(|| self.leases.remove(0)),
                    false => self.leases.pop(),
                };
                if let Some(lease) = lease {
                    self.returned = Some(lease.clone());
                    self.model.leased -= 1;
                }
            }
            Operation::KillLeased => {
                if !self.leases.is_empty() {
                    self.leases.remove(0).kill();
                    self.model.leased -= 1;
                }
            }
            Operation::KillReturned => {
                // Leased again since, it may be ours: then that lease is void.
                if let Some(worker) = self.returned.take() {
                    worker.kill();
                    let before = self.leases.len();
                    self.leases
                        .retain(|lease| lease.get_id() != worker.get_id());
                    self.model.leased -= before - self.leases.len();
                }
            }
            Operation::KillStranger => {
                let (stranger, _) = Actor::spawn(None, Idler, ()).await.unwrap();
                stranger.kill();
                self.pool.check_in(&stranger);
            }
            Operation::Rush(clients) => self.rush(clients).await,
            Operation::Storm(deeds) => self.storm(deeds).await,
        }
        settle().await;
        let status = self.pool.status().await.unwrap();
        let overflow = status.overflow as usize;
        let seen = (status.state, status.idle, overflow, status.leased);
        let model = self.model;
        let expected = (model.state(), model.idle(), model.overflow(), model.leased);
        assert_eq!(status.waiting, 0, "after {operation:?}");
        assert_eq!(seen, expected, "after {operation:?}");
    }

    async fn rush(&mut self, clients: u8) {
        if self.leases.pop().is_some() {
            self.model.leased -= 1;
        }
        settle().await;
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                let pool = self.pool.clone();
                spawn(async move { pool.try_checkout().await })
            })
            .collect();
        for client in clients {
            // Those of them that came first: as many as there was room for.
            if let Ok(lease) = client.await.unwrap() {
                self.leases.push(lease);
                self.model.leased += 1;
                assert!(self.model.overflow() <= self.model.max_overflow);
            }
        }
    }

    async fn storm(&mut self, deeds: u8) {
        let mut others = Vec::new();
        let mut clients = Vec::new();
        for deed in (0..8).filter(|bit| deeds & (1 << bit) != 0) {
            let pool = self.pool.clone();
            match deed {
                0 | 1 => clients.push(spawn(async move { pool.checkout(10 * MS).await })),
                2 | 3 => {
                    if let Some(lease) = self.leases.pop() {
                        self.returned = Some(lease.clone());
                        others.push(spawn(async move { lease.check_in() }));
                    }
                }
                4 | 5 => {
                    if let Some(lease) = self.leases.pop() {
                        others.push(spawn(async move { lease.kill() }));
                    }
                }
                6 => {
                    if let Some(worker) = self.returned.take() {
                        others.push(spawn(async move { worker.kill() }));
                    }
                }
                _ => {
                    if let Some(lease) = self.leases.pop() {
                        // In this order: a worker that has been leased to another client
                        // since would be taken from them.
                        others.push(spawn(async move {
                            pool.check_in(&lease);
                            drop(lease);
                        }));
                    }
                }
            }
        }
        for other in others {
            other.await.unwrap();
        }
        for client in clients {
            self.leases.extend(client.await.unwrap());
        }
        settle().await;
        // A lease whose worker died in the storm is void; the others are all there are.
        let runs = |lease: &Lease<()>| lease.get_status() == ActorStatus::Running;
        self.leases.retain(runs);
        self.model.leased = self.leases.len();
    }

    /// Full, or timed out, if and only if no worker may be leased.
    fn keep(&mut self, answer: Result<Lease<()>, CheckoutError>, no: CheckoutError) {
        match answer {
            Ok(lease) => {
                assert!(!self.model.is_full());
                self.leases.push(lease);
                self.model.leased += 1;
            }
            Err(error) => {
                assert!(self.model.is_full());
                assert_eq!(error, no);
            }
        }
    }
}

const SEEDS: u64 = 20;

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let one = (0..10, 1..5_u8, 0..=255_u8).prop_map(|(kind, clients, deeds)| match kind {
        0 | 1 => Operation::Try,
        2 => Operation::Wait,
        3 => Operation::GiveBack { oldest: true },
        4 => Operation::GiveBack { oldest: false },
        5 => Operation::KillLeased,
        6 if clients == 1 => Operation::KillStranger,
        6 => Operation::KillReturned,
        7 => Operation::Rush(clients),
        _ => Operation::Storm(deeds),
    });
    prop::collection::vec(one, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// 500 cases and 20 schedules each: 10,000 runs.
    #[test]
    fn the_pool_does_what_the_model_does(
        operations in operations(),
        size in 0..4_u32,
        max_overflow in 0..3_u32,
        fifo in proptest::bool::ANY,
    ) {
        for seed in 0..SEEDS {
            let operations = operations.clone();
            let scenario = move || {
                let operations = operations.clone();
                async move {
                    let order = if fifo { Order::Fifo } else { Order::Lifo };
                    let config = PoolConfig { size, max_overflow, order, max_waiting: None };
                    let pool = PoolRef::start("pool", config, |_| (Idler, ())).await.unwrap();
                    let model = Model {
                        size: size as usize,
                        max_overflow: max_overflow as usize,
                        leased: 0,
                    };
                    let mut stage = Stage { pool, model, leases: Vec::new(), returned: None };
                    for operation in operations {
                        stage.perform(operation).await;
                    }
                }
            };
            let run = Sim::new().seed(seed).isolation(Isolation::Inline).run(scenario);
            prop_assert!(run.passed(), "{run}");
        }
    }
}
