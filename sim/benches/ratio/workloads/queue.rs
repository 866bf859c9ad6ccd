//! An M/M/10 queue: Poisson arrivals at a utilisation of 0.8, ten workers with
//! exponential service times, first come, first served. Two timers and four
//! messages a job: the cost of virtual time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use rand_distr::{Distribution, Exp};
use tokio::sync::Notify;

use super::super::{sleep, spawn};

const WORKERS: usize = 10;
const UTILISATION: f64 = 0.8;
/// Jobs a second that one worker completes. Times are much longer than the
/// millisecond to which tokio rounds, so both sides run the same queue.
const SERVICE_RATE: f64 = 1.0;

/// Time to the next event of a Poisson process with so many events a second.
fn exponential(rate: f64) -> Duration {
    let seconds = Exp::new(rate).unwrap().sample(&mut retake::rng());
    Duration::from_secs_f64(seconds)
}

enum Message {
    Workers(Vec<ActorRef<u64>>),
    Job(u64),
    /// This worker has completed its job.
    Completed(usize),
}

struct Dispatcher {
    jobs: u64,
    done: Arc<Notify>,
}

#[derive(Default)]
struct Queue {
    workers: Vec<ActorRef<u64>>,
    idle: Vec<usize>,
    waiting: VecDeque<u64>,
    completed: u64,
}

gate! {
    impl Actor for Dispatcher {
        type Msg = Message;
        type State = Queue;
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<Queue, ActorProcessingErr> {
            Ok(Queue::default())
        }

        async fn handle(
            &self,
            _: ActorRef<Message>,
            message: Message,
            queue: &mut Queue,
        ) -> Result<(), ActorProcessingErr> {
            match message {
                Message::Workers(workers) => {
                    queue.idle = (0..workers.len()).collect();
                    queue.workers = workers;
                }
                Message::Job(job) => match queue.idle.pop() {
                    Some(worker) => queue.workers[worker].cast(job)?,
                    None => queue.waiting.push_back(job),
                },
                Message::Completed(worker) => {
                    queue.completed += 1;
                    if queue.completed == self.jobs {
                        self.done.notify_one();
                    }
                    match queue.waiting.pop_front() {
                        Some(job) => queue.workers[worker].cast(job)?,
                        None => queue.idle.push(worker),
                    }
                }
            }
            Ok(())
        }
    }
}

struct Worker {
    number: usize,
    dispatcher: ActorRef<Message>,
}

gate! {
    impl Actor for Worker {
        type Msg = u64;
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<u64>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }

        async fn handle(&self, _: ActorRef<u64>, _job: u64, (): &mut ()) -> Result<(), ActorProcessingErr> {
            sleep(exponential(SERVICE_RATE)).await;
            Ok(self.dispatcher.cast(Message::Completed(self.number))?)
        }
    }
}

/// Serve `jobs` jobs.
pub(crate) async fn run(jobs: u64) -> u64 {
    let done = Arc::new(Notify::new());
    let (dispatcher, _) = Actor::spawn(
        None,
        Dispatcher {
            jobs,
            done: Arc::clone(&done),
        },
        (),
    )
    .await
    .unwrap();
    let mut workers = Vec::with_capacity(WORKERS);
    for number in 0..WORKERS {
        let worker = Worker {
            number,
            dispatcher: dispatcher.clone(),
        };
        workers.push(Actor::spawn(None, worker, ()).await.unwrap().0);
    }
    dispatcher.cast(Message::Workers(workers)).unwrap();
    spawn(async move {
        for job in 0..jobs {
            sleep(exponential(UTILISATION * WORKERS as f64 * SERVICE_RATE)).await;
            dispatcher.cast(Message::Job(job)).unwrap();
        }
    });
    done.notified().await;
    jobs
}
