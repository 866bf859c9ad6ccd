//! What goes wrong when something else does, or by chance.

use ractor::{Actor, ActorCell, ActorRef, SupervisionEvent};
use rand::RngExt as _;
use retake_testkit::{ActorResult, actor_below, start};

use super::{MS, Shared, lock, shared, tell};

#[derive(Debug)]
struct Work(u32);

/// What workers have done.
type Jobs = Shared<Vec<u32>>;

async fn worker(supervisor: ActorCell, jobs: &Jobs) -> ActorRef<Work> {
    let jobs = Shared::clone(jobs);
    let works = |_: &ActorRef<Work>, Work(number), jobs: &mut Jobs| lock(jobs).push(number);
    actor_below(supervisor, "worker", jobs, works).await
}

#[derive(Debug)]
enum Order {
    Do(u32),
    Acknowledge(u32),
    Busy(bool),
}

/// Starts a worker, and another one when it fails.
struct Boss {
    /// Orders that are not acknowledged are given to the next worker.
    repeats: bool,
}

struct Staff {
    worker: ActorRef<Work>,
    done: Jobs,
    open: Vec<u32>,
    is_busy: bool,
}

#[retake::simulated]
impl Actor for Boss {
    type Msg = Order;
    type State = Staff;
    type Arguments = Jobs;

    async fn pre_start(&self, myself: ActorRef<Order>, done: Jobs) -> ActorResult<Staff> {
        Ok(Staff {
            worker: worker(myself.get_cell(), &done).await,
            done,
            open: Vec::new(),
            is_busy: false,
        })
    }

    async fn handle(&self, _: ActorRef<Order>, message: Order, staff: &mut Staff) -> ActorResult {
        match message {
            Order::Do(number) => {
                staff.open.push(number);
                tell(&staff.worker, Work(number));
            }
            Order::Acknowledge(number) => staff.open.retain(|open| *open != number),
            Order::Busy(is_busy) => staff.is_busy = is_busy,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Order>,
        event: SupervisionEvent,
        staff: &mut Staff,
    ) -> ActorResult {
        if let SupervisionEvent::ActorFailed(..) = event
            && !staff.is_busy
        {
            staff.worker = worker(myself.get_cell(), &staff.done).await;
            if self.repeats {
                for number in &staff.open {
                    tell(&staff.worker, Work(*number));
                }
            }
        }
        Ok(())
    }
}

async fn boss(repeats: bool) -> (ActorRef<Order>, Jobs) {
    let done = shared(Vec::new());
    (
        start("boss", Boss { repeats }, Shared::clone(&done)).await,
        done,
    )
}

/// A job that a worker has in its mailbox when it fails is not done by its successor.
pub async fn job_lost_in_a_restart() {
    let (boss, done) = boss(false).await;
    for number in 1..=3 {
        tell(&boss, Order::Do(number));
        retake::sleep(MS).await;
    }
    let done = lock(&done).clone();
    retake::always!(done.len() == 3, "only {done:?} are done");
}

/// A job is done, and before that is noted the worker fails: it is done again.
pub async fn processed_twice_after_a_crash() {
    let (boss, done) = boss(true).await;
    for number in 1..=3 {
        tell(&boss, Order::Do(number));
        retake::sleep(MS).await;
        if number == 3 {
            tell(&boss, Order::Acknowledge(number));
        }
    }
    retake::sleep(MS).await;
    let mut done = lock(&done).clone();
    let all = done.len();
    done.dedup();
    retake::always!(done.len() == all, "one is done twice");
    retake::always!(all == 3, "{all} are done");
}

/// A supervisor that is busy drops the end of its child.
pub async fn supervisor_forgets_while_busy() {
    let (boss, done) = boss(true).await;
    tell(&boss, Order::Busy(true));
    for number in 1..=3 {
        tell(&boss, Order::Do(number));
        retake::sleep(MS).await;
    }
    tell(&boss, Order::Busy(false));
    for number in 4..=6 {
        tell(&boss, Order::Do(number));
        retake::sleep(MS).await;
    }
    let done = lock(&done).len();
    retake::always!(done >= 6, "{done} of 6 are done");
}

/// Three of ten seeds draw the wrong number.
pub async fn draws_decide() {
    let is_bad = retake::rng().random_bool(0.3);
    retake::sleep(MS).await;
    retake::always!(!is_bad, "the draw is bad");
}

/// No order and no seed avoids this.
pub async fn fails_always() {
    retake::sleep(MS).await;
    let sum: u32 = [1, 2, 3].iter().sum();
    retake::always!(sum == 7, "the sum is {sum}");
}
