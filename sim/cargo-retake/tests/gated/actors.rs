//! An actor with gates and its supervisor, which say what happens to the actor.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::time::sleep;

type Seen = Arc<Mutex<Vec<String>>>;

struct Worker;

#[derive(Clone)]
struct Count(u32);

enum Order {
    Count(Count),
    Sum(RpcReplyPort<u32>),
}

impl Clone for Order {
    fn clone(&self) -> Self {
        match self {
            Self::Count(count) => Self::Count(count.clone()),
            Self::Sum(_) => unreachable!("it is asked for once, at the end"),
        }
    }
}

#[retake::simulated]
impl Actor for Worker {
    type Msg = Order;
    type State = u32;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Result<u32, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Order>,
        order: Order,
        sum: &mut u32,
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Count(Count(number)) => {
                if retake::buggify!("worker: counts double") {
                    *sum += number;
                }
                if retake::service("adder").is_none() {
                    *sum += number;
                }
            }
            Order::Sum(reply) => reply.send(*sum)?,
        }
        Ok(())
    }
}

struct Boss;

impl Actor for Boss {
    type Msg = ();
    type State = Seen;
    type Arguments = Seen;

    async fn pre_start(&self, _: ActorRef<()>, seen: Seen) -> Result<Seen, ActorProcessingErr> {
        Ok(seen)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        seen: &mut Seen,
    ) -> Result<(), ActorProcessingErr> {
        let text = match event {
            SupervisionEvent::ActorTerminated(_, _, reason) => format!("ended: {reason:?}"),
            SupervisionEvent::ActorFailed(_, error) => format!("failed: {error}"),
            _ => return Ok(()),
        };
        seen.lock().unwrap().push(text);
        Ok(())
    }
}

#[tokio::test]
async fn three_numbers_are_counted() {
    let seen = Seen::default();
    let (boss, _) = Actor::spawn(None, Boss, Arc::clone(&seen)).await.unwrap();
    let name = Some("worker".to_owned());
    let started = Actor::spawn_linked(name, Worker, (), boss.get_cell()).await;
    let sum = match started {
        Err(error) => format!("not started: {error}"),
        Ok((worker, _)) => {
            for number in 1..=3 {
                sleep(Duration::from_secs(1)).await;
                let _ = worker.cast(Order::Count(Count(number)));
            }
            sleep(Duration::from_secs(1)).await;
            match worker.call(Order::Sum, None).await {
                Ok(ractor::rpc::CallResult::Success(sum)) => sum.to_string(),
                _ => "no sum".to_owned(),
            }
        }
    };
    let seen = seen.lock().unwrap().join(", ");
    assert_eq!(format!("{sum}; {seen}"), "6; ");
}

#[tokio::test]
async fn what_waits_for_the_end_of_faults_waits_so_long() {
    let start = std::time::Instant::now();
    retake::healed().await;
    assert_eq!(start.elapsed().as_secs(), 0, "seconds until the heal");
}

#[tokio::test]
async fn a_task_with_a_name_ends() {
    let client = retake::spawn_named("client", async { sleep(Duration::from_secs(2)).await });
    let other = retake::spawn(async { sleep(Duration::from_secs(2)).await });
    let ends = (client.await, other.await);
    assert!(ends.0.is_ok() && ends.1.is_ok(), "{ends:?}");
}
