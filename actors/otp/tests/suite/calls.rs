//! Calls, ends and the order of messages.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use ractor::RpcReplyPort;
use retake_otp::{CallError, call};

use crate::common::*;

/// Counts what it is sent; answers after a while.
struct Counter(Arc<AtomicU32>);

#[derive(Debug)]
enum Count {
    Slowly(RpcReplyPort<u32>),
    Never(RpcReplyPort<u32>),
}

#[retake::simulated]
impl Actor for Counter {
    type Msg = Count;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Count>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Count>,
        message: Count,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Count::Slowly(reply) => {
                retake::sleep(50 * MS).await;
                let _ = reply.send(self.0.fetch_add(1, Ordering::Relaxed) + 1);
            }
            Count::Never(_reply) => {
                myself.kill();
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }
}

async fn counter() -> (ActorRef<Count>, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let (actor, _) = Actor::spawn(None, Counter(Arc::clone(&count)), ())
        .await
        .unwrap();
    (actor, count)
}

#[test]
fn a_call_to_one_that_dies_or_is_dead_is_an_error_at_once() {
    under_seeds(3, || async {
        let (counter, _) = counter().await;
        let start = retake::now();
        let long = Some(60 * SECOND);
        for ask in [Count::Never, Count::Slowly] {
            let answer = call(&counter, ask, long).await;
            assert_eq!(answer, Err(CallError::Closed));
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn an_answer_that_comes_too_late_is_dropped_and_the_work_is_done() {
    under_seeds(3, || async {
        let (counter, count) = counter().await;
        let short = 10 * MS;
        let late = call(&counter, Count::Slowly, Some(short)).await;
        assert_eq!(late, Err(CallError::Timeout(short)));
        assert_eq!(count.load(Ordering::Relaxed), 0);
        // The next call gets its own answer, not the late one.
        assert_eq!(call(&counter, Count::Slowly, None).await, Ok(2));
    });
}

#[test]
fn the_end_of_a_dead_actor_is_known_at_once_to_any_number_of_watchers() {
    under_seeds(3, || async {
        let (counter, _) = counter().await;
        let watchers = [0; 3].map(|_| {
            let cell = counter.get_cell();
            retake::spawn(async move { cell.wait(None).await })
        });
        settle().await;
        counter.kill();
        for watcher in watchers {
            watcher.await.unwrap().unwrap();
        }
        let start = retake::now();
        counter.get_cell().wait(None).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn messages_of_one_sender_are_handled_in_order_those_of_two_in_any() {
    struct Collector(Arc<Mutex<Vec<(u32, u32)>>>);
    #[retake::simulated]
    impl Actor for Collector {
        type Msg = (u32, u32);
        type State = ();
        type Arguments = ();
        async fn pre_start(
            &self,
            _: ActorRef<Self::Msg>,
            (): (),
        ) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
        async fn handle(
            &self,
            _: ActorRef<Self::Msg>,
            message: Self::Msg,
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            self.0.lock().unwrap().push(message);
            Ok(())
        }
    }
    let orders: BTreeSet<Vec<(u32, u32)>> = (0..400)
        .map(|seed| {
            let run = Sim::new().seed(seed).run(|| async {
                let seen = Arc::default();
                let collector = Collector(Arc::clone(&seen));
                let (collector, _) = Actor::spawn(None, collector, ()).await.unwrap();
                let senders = [0, 1].map(|sender| {
                    let collector = collector.clone();
                    retake::spawn(async move {
                        for number in 0..3 {
                            collector.cast((sender, number)).unwrap();
                            tokio::task::yield_now().await;
                        }
                    })
                });
                for sender in senders {
                    sender.await.unwrap();
                }
                settle().await;
                std::mem::take(&mut *seen.lock().unwrap())
            });
            run.expect_passed()
        })
        .collect();
    for order in &orders {
        for sender in [0, 1] {
            let of_sender = order.iter().filter(|(from, _)| *from == sender);
            let numbers: Vec<u32> = of_sender.map(|(_, number)| *number).collect();
            assert_eq!(numbers, [0, 1, 2]);
        }
    }
    assert_eq!(orders.len(), 20, "all of 6 over 3");
}
