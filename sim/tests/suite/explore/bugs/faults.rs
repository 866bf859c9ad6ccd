//! What goes wrong when something else does, or by chance.

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use rand::RngExt as _;

use super::{MS, Shared, lock, shared, tell};

#[derive(Debug)]
struct Work(u32);

struct Worker;

/// What a worker has done, and whether it notes that before or after the work.
#[derive(Clone)]
struct Done(Shared<Vec<u32>>);

#[retake::simulated]
impl Actor for Worker {
    type Msg = Work;
    type State = Done;
    type Arguments = Done;

    async fn pre_start(&self, _: ActorRef<Work>, done: Done) -> Result<Done, ActorProcessingErr> {
        Ok(done)
    }

    async fn handle(
        &self,
        _: ActorRef<Work>,
        Work(number): Work,
        done: &mut Done,
    ) -> Result<(), ActorProcessingErr> {
        lock(&done.0).push(number);
        Ok(())
    }
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
    done: Done,
    open: Vec<u32>,
    is_busy: bool,
}

#[retake::simulated]
impl Actor for Boss {
    type Msg = Order;
    type State = Staff;
    type Arguments = Done;

    async fn pre_start(
        &self,
        myself: ActorRef<Order>,
        done: Done,
    ) -> Result<Staff, ActorProcessingErr> {
        let name = Some(retake::scoped_name("worker"));
        let cell = myself.get_cell();
        let (worker, _) = Actor::spawn_linked(name, Worker, done.clone(), cell).await?;
        Ok(Staff {
            worker,
            done,
            open: Vec::new(),
            is_busy: false,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<Order>,
        message: Order,
        staff: &mut Staff,
    ) -> Result<(), ActorProcessingErr> {
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
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event
            && !staff.is_busy
        {
            let name = Some(retake::scoped_name("worker"));
            let cell = myself.get_cell();
            let done = staff.done.clone();
            (staff.worker, _) = Actor::spawn_linked(name, Worker, done, cell).await?;
            if self.repeats {
                for number in &staff.open {
                    tell(&staff.worker, Work(*number));
                }
            }
        }
        Ok(())
    }
}

async fn boss(repeats: bool) -> (ActorRef<Order>, Shared<Vec<u32>>) {
    let done = shared(Vec::new());
    let name = Some(retake::scoped_name("boss"));
    let started = Actor::spawn(name, Boss { repeats }, Done(Shared::clone(&done))).await;
    (started.expect("its name is free").0, done)
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
