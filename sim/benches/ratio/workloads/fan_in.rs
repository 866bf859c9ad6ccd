//! A hundred senders to one dispatcher, which hands on to a pool of ten: the
//! shape of most services.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Notify;

const SENDERS: u64 = 100;
const WORKERS: usize = 10;

struct Sender {
    to_send: u64,
    dispatcher: ActorRef<u64>,
}

gate! {
    impl Actor for Sender {
        type Msg = ();
        type State = u64;
        type Arguments = ();

        async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<u64, ActorProcessingErr> {
            myself.cast(())?;
            Ok(0)
        }

        async fn handle(
            &self,
            myself: ActorRef<()>,
            (): (),
            sent: &mut u64,
        ) -> Result<(), ActorProcessingErr> {
            *sent += 1;
            self.dispatcher.cast(*sent)?;
            if *sent < self.to_send {
                myself.cast(())?;
            }
            Ok(())
        }
    }
}

struct Dispatcher(Vec<ActorRef<u64>>);

gate! {
    impl Actor for Dispatcher {
        type Msg = u64;
        type State = usize;
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<u64>, (): ()) -> Result<usize, ActorProcessingErr> {
            Ok(0)
        }

        async fn handle(
            &self,
            _: ActorRef<u64>,
            job: u64,
            next: &mut usize,
        ) -> Result<(), ActorProcessingErr> {
            self.0[*next].cast(job)?;
            *next = (*next + 1) % self.0.len();
            Ok(())
        }
    }
}

struct Worker {
    jobs_left: Arc<AtomicU64>,
    done: Arc<Notify>,
}

gate! {
    impl Actor for Worker {
        type Msg = u64;
        type State = u64;
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<u64>, (): ()) -> Result<u64, ActorProcessingErr> {
            Ok(0)
        }

        async fn handle(&self, _: ActorRef<u64>, job: u64, sum: &mut u64) -> Result<(), ActorProcessingErr> {
            *sum ^= job;
            if self.jobs_left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.done.notify_one();
            }
            Ok(())
        }
    }
}

/// Send about `messages` messages in all, three for each job.
pub(crate) async fn run(messages: u64) -> u64 {
    let to_send = messages / 3 / SENDERS;
    let done = Arc::new(Notify::new());
    let jobs_left = Arc::new(AtomicU64::new(to_send * SENDERS));
    let mut pool = Vec::with_capacity(WORKERS);
    for _ in 0..WORKERS {
        let worker = Worker {
            jobs_left: Arc::clone(&jobs_left),
            done: Arc::clone(&done),
        };
        pool.push(Actor::spawn(None, worker, ()).await.unwrap().0);
    }
    let (dispatcher, _) = Actor::spawn(None, Dispatcher(pool), ()).await.unwrap();
    for _ in 0..SENDERS {
        let sender = Sender {
            to_send,
            dispatcher: dispatcher.clone(),
        };
        Actor::spawn(None, sender, ()).await.unwrap();
    }
    done.notified().await;
    3 * to_send * SENDERS
}
