//! Timers against messages.

use std::time::Duration;

use ractor::{ActorRef, RpcReplyPort, call};

use super::{MS, Shared, actor, lock, shared, task, tell, together};

#[derive(Debug)]
enum Job {
    Do(RpcReplyPort<u32>),
}

fn slow(_: &ActorRef<Job>, Job::Do(reply): Job, done: &mut u32) {
    *done += 1;
    let done = *done;
    retake::spawn_named("work", async move {
        retake::sleep(10 * MS).await;
        let _ = reply.send(done);
    });
}

/// The answer and the timeout come at the same time.
pub async fn reply_against_timeout() {
    let server = actor("server", 0, slow).await;
    let answer = retake::timeout(10 * MS, async { call!(server, Job::Do) }).await;
    retake::always!(answer.is_ok(), "the answer came too late");
}

#[derive(Debug)]
enum Session {
    Renew,
    Expire,
    Use,
}

/// A session that was renewed expires at the time of the old timer.
pub async fn timer_is_not_cancelled() {
    let session = actor(
        "session",
        true,
        |myself, message, is_open: &mut bool| match message {
            Session::Renew => {
                retake::send_after(myself, 10 * MS, || Session::Expire);
            }
            Session::Expire => *is_open = false,
            Session::Use => retake::always!(*is_open, "a renewed session has expired"),
        },
    )
    .await;
    tell(&session, Session::Renew);
    retake::sleep(5 * MS).await;
    tell(&session, Session::Renew);
    retake::sleep(5 * MS).await;
    tell(&session, Session::Use);
    retake::sleep(MS).await;
}

/// A client tries again when the answer is late; both are applied.
pub async fn retry_is_applied_twice() {
    let applied = shared(0);
    let server = actor(
        "bank",
        Shared::clone(&applied),
        |_, Job::Do(reply), applied: &mut Shared<u32>| {
            *lock(applied) += 1;
            retake::spawn_named("answers", async move {
                retake::sleep(5 * MS).await;
                let _ = reply.send(1);
            });
        },
    )
    .await;
    for _ in 0..3 {
        let paid = retake::timeout(5 * MS, async { call!(server, Job::Do) }).await;
        if paid.is_ok() {
            break;
        }
    }
    let applied = *lock(&applied);
    retake::always!(applied == 1, "paid {applied} times");
}

/// Clients that try again at the same time are more than a server takes.
pub async fn retries_overload() {
    let server = actor(
        "server",
        0,
        |myself, message, load: &mut u32| match message {
            Load::Request => {
                *load += 1;
                let now = *load;
                retake::always!(now < 4, "{now} at a time");
                retake::send_after(myself, 2 * MS, || Load::Done);
            }
            Load::Done => *load -= 1,
        },
    )
    .await;
    let clients = ["ann", "bob", "cid"].map(|name| {
        let server = server.clone();
        let asks = async move {
            for _ in 0..2 {
                tell(&server, Load::Request);
                retake::sleep(2 * MS).await;
            }
        };
        task(name, asks)
    });
    together(clients).await;
}

#[derive(Debug)]
enum Load {
    Request,
    Done,
}

#[derive(Debug)]
enum Node {
    Heartbeat,
    Check,
}

/// A node leads when no heartbeat came in time. Timer and heartbeat are due together.
pub async fn two_leaders() {
    let leaders = shared(1);
    let follower = actor(
        "follower",
        (false, Shared::clone(&leaders)),
        |_, message, (has_heard, leaders): &mut (bool, Shared<u32>)| match message {
            Node::Heartbeat => *has_heard = true,
            Node::Check => {
                if !std::mem::take(has_heard) {
                    *lock(leaders) += 1;
                    let now = *lock(leaders);
                    retake::always!(now == 1, "{now} lead");
                }
            }
        },
    )
    .await;
    let (beats, checks) = (follower.clone(), follower);
    let leader = async move {
        for _ in 0..3 {
            retake::sleep(10 * MS).await;
            tell(&beats, Node::Heartbeat);
        }
    };
    let timer = async move {
        for _ in 0..3 {
            retake::sleep(10 * MS).await;
            tell(&checks, Node::Check);
        }
    };
    together([task("leader", leader), task("timer", timer)]).await;
}

/// A client polls for what only an early message would have set.
pub async fn polls_a_flag_that_is_never_set() {
    let is_set = shared(false);
    let gate = actor(
        "gate",
        (true, Shared::clone(&is_set)),
        |_, message, (is_open, is_set): &mut (bool, Shared<bool>)| match message {
            Gate::Close => *is_open = false,
            Gate::Set => *lock(is_set) |= *is_open,
        },
    )
    .await;
    let (closes, sets) = (gate.clone(), gate);
    together([
        task("setter", async move { tell(&sets, Gate::Set) }),
        task("closer", async move { tell(&closes, Gate::Close) }),
    ])
    .await;
    let begun = Duration::from_secs(1);
    let mut waited = Duration::ZERO;
    while !*lock(&is_set) {
        retake::sleep(10 * MS).await;
        waited += 10 * MS;
        retake::always!(waited < begun, "it was never set");
    }
}

#[derive(Debug)]
enum Gate {
    Close,
    Set,
}
