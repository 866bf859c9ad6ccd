//! Those that wait in vain, and those that do not wait.

use ractor::{ActorRef, RpcReplyPort, call};
use retake_testkit::{Order, servant};

use super::{MS, Shared, actor, lock, shared, task, tell, together};

#[derive(Debug)]
enum Queue {
    IsEmpty(RpcReplyPort<bool>),
    Wait(RpcReplyPort<()>),
    Push,
}

/// Between the look into the queue and the wait an item comes, and nobody is woken.
pub async fn lost_wakeup() {
    let queue = actor(
        "queue",
        (0, Vec::new()),
        |_, message, (items, waiting): &mut (u32, Vec<RpcReplyPort<()>>)| match message {
            Queue::IsEmpty(reply) => drop(reply.send(*items == 0)),
            Queue::Wait(reply) => waiting.push(reply),
            Queue::Push => {
                *items += 1;
                if let Some(next) = waiting.pop() {
                    drop(next.send(()));
                }
            }
        },
    )
    .await;
    let (takes, puts) = (queue.clone(), queue);
    let consumer = async move {
        retake::sleep(MS).await;
        if call!(takes, Queue::IsEmpty).expect("it answers") {
            call!(takes, Queue::Wait).expect("it is woken");
        }
    };
    let producer = async move {
        retake::sleep(MS).await;
        tell(&puts, Queue::Push);
    };
    together([task("consumer", consumer), task("producer", producer)]).await;
}

/// Two actors call each other at the same time.
pub async fn calls_in_a_circle() {
    let (one, two) = (servant("one").await, servant("two").await);
    let calls = [("calls one", &one, &two), ("calls two", &two, &one)];
    let calls = calls.map(|(name, first, second)| {
        let (first, second) = (first.clone(), second.clone());
        task(name, async move {
            let _ = call!(first, |reply| Order::AskFor(second, reply));
        })
    });
    together(calls).await;
}

#[derive(Debug)]
enum Walker {
    Go,
    After,
}

/// Two step aside for each other for ever, if they meet.
pub async fn polite_for_ever() {
    let side = shared([0_u32; 2]);
    let mut walkers = Vec::new();
    for number in 0..2_usize {
        let walker = actor(
            ["left walker", "right walker"][number],
            (number, Shared::clone(&side)),
            |myself, message, (number, side): &mut (usize, Shared<[u32; 2]>)| {
                let mut side = lock(side);
                match message {
                    Walker::Go if side[1 - *number] == 1 => {
                        side[*number] = 0;
                        tell(myself, Walker::Go);
                    }
                    Walker::Go => {
                        side[*number] = 1;
                        tell(myself, Walker::After);
                    }
                    // Passed, and the way is free only if the other has not come yet.
                    Walker::After if side[1 - *number] == 0 => side[*number] = 0,
                    Walker::After => tell(myself, Walker::After),
                }
            },
        )
        .await;
        walkers.push(walker);
    }
    // The first has passed before the second comes, in arrival order.
    tell(&walkers[0], Walker::Go);
    let second = walkers[1].clone();
    let comes = retake::spawn_named("comes later", async move {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        *lock(&shared(())) = ();
        tell(&second, Walker::Go);
    });
    let _ = comes.await;
    retake::sleep(MS).await;
}

#[derive(Debug)]
enum Pool {
    Take(RpcReplyPort<()>),
    Return,
}

fn pool(
    _: &ActorRef<Pool>,
    message: Pool,
    (free, waiting): &mut (i32, std::collections::VecDeque<RpcReplyPort<()>>),
) {
    match message {
        Pool::Take(reply) if *free > 0 => {
            *free -= 1;
            let _ = reply.send(());
        }
        Pool::Take(reply) => waiting.push_back(reply),
        Pool::Return => match waiting.pop_front() {
            // The one that waited may have given up: what it gets is never returned.
            Some(next) => drop(next.send(())),
            None => *free += 1,
        },
    }
}

/// What is given to a client that has given up is never returned.
pub async fn lease_that_is_never_returned() {
    let pool = actor("pool", (1, std::collections::VecDeque::new()), pool).await;
    let clients = ["patient", "hasty"].map(|name| {
        let pool = pool.clone();
        let works = async move {
            if name == "hasty" {
                let taken = retake::timeout(MS, async { call!(pool, Pool::Take) }).await;
                if taken.is_ok() {
                    tell(&pool, Pool::Return);
                }
            } else {
                call!(pool, Pool::Take).expect("it answers");
                retake::sleep(2 * MS).await;
                tell(&pool, Pool::Return);
            }
        };
        task(name, works)
    });
    together(clients).await;
    call!(pool, Pool::Take).expect("it answers");
}

#[derive(Debug)]
enum Lock {
    Acquire(RpcReplyPort<bool>),
    Release,
}

/// A client that was refused releases all the same, and so what another one holds.
pub async fn double_release() {
    let inside = shared(0);
    let lock_actor = actor(
        "lock",
        false,
        |_, message, is_held: &mut bool| match message {
            Lock::Acquire(reply) => drop(reply.send(!std::mem::replace(is_held, true))),
            Lock::Release => *is_held = false,
        },
    )
    .await;
    let clients = ["ann", "bob", "cid"].map(|name| {
        let (lock_actor, inside) = (lock_actor.clone(), Shared::clone(&inside));
        let works = async move {
            let acquired = call!(lock_actor, Lock::Acquire);
            if acquired.expect("it answers") {
                *lock(&inside) += 1;
                let now = *lock(&inside);
                retake::always!(now == 1, "{now} are inside");
                retake::sleep(MS).await;
                *lock(&inside) -= 1;
            }
            tell(&lock_actor, Lock::Release);
        };
        task(name, works)
    });
    together(clients).await;
}
