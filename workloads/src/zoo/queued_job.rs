//! A dispatcher with one worker. A job that comes while the worker is being restarted is
//! queued, and the restarted worker takes it only when another job comes. Oracle: every
//! job is done.

use std::collections::VecDeque;

use ractor::ActorRef;

use super::{MS, Shared, actor, lock, shared, tell};

#[derive(Clone, Copy, Debug)]
enum Dispatcher {
    Job(u32),
    Done,
    WorkerDied,
    WorkerRestarted,
}

#[derive(Debug)]
struct State {
    fixed: bool,
    worker: ActorRef<(u32, ActorRef<Dispatcher>)>,
    is_alive: bool,
    is_busy: bool,
    queue: VecDeque<u32>,
}

fn give_next(myself: &ActorRef<Dispatcher>, state: &mut State) {
    if state.is_alive
        && !state.is_busy
        && let Some(job) = state.queue.pop_front()
    {
        state.is_busy = true;
        tell(&state.worker, (job, myself.clone()));
    }
}

fn dispatch(myself: &ActorRef<Dispatcher>, message: Dispatcher, state: &mut State) {
    match message {
        Dispatcher::Job(job) => {
            state.queue.push_back(job);
            give_next(myself, state);
        }
        Dispatcher::Done => {
            state.is_busy = false;
            give_next(myself, state);
        }
        Dispatcher::WorkerDied => {
            state.is_alive = false;
        }
        Dispatcher::WorkerRestarted => {
            state.is_alive = true;
            if state.fixed {
                give_next(myself, state);
            }
        }
    }
}

pub(super) async fn run(fixed: bool) {
    let done: Shared<Vec<u32>> = shared(Vec::new());
    let worker = actor(
        "worker",
        Shared::clone(&done),
        |_: &ActorRef<(u32, ActorRef<Dispatcher>)>,
         (job, dispatcher),
         done: &mut Shared<Vec<u32>>| {
            lock(done).push(job);
            tell(&dispatcher, Dispatcher::Done);
        },
    )
    .await;
    let state = State {
        fixed,
        worker,
        is_alive: true,
        is_busy: false,
        queue: VecDeque::new(),
    };
    let dispatcher = actor("dispatcher", state, dispatch).await;
    let other = dispatcher.clone();
    let restart = retake::spawn_named("restart", async move {
        tell(&other, Dispatcher::WorkerDied);
        tokio::task::yield_now().await;
        tell(&other, Dispatcher::WorkerRestarted);
    });
    let client = retake::spawn_named("client", async move {
        for job in 1..=3 {
            tell(&dispatcher, Dispatcher::Job(job));
            tokio::task::yield_now().await;
        }
    });
    let _ = restart.await;
    let _ = client.await;
    retake::sleep(MS).await;
    let done = lock(&done);
    retake::always!(done.len() == 3, "of three jobs {done:?} are done");
}
