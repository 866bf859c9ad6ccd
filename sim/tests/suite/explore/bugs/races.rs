//! Messages and memory that are used in the wrong order.

use ractor::{ActorRef, RpcReplyPort, call};

use super::{MS, Shared, actor, lock, shared, task, tell, together};

#[derive(Debug)]
enum Cell {
    Set(u32),
    Get(RpcReplyPort<u32>),
}

fn cell(_: &ActorRef<Cell>, message: Cell, value: &mut u32) {
    match message {
        Cell::Set(new) => *value = new,
        Cell::Get(reply) => drop(reply.send(*value)),
    }
}

/// A reader relies on being later than a writer.
async fn race(is_reversed: bool) {
    let counter = actor("counter", 0, cell).await;
    let (writes, reads) = (counter.clone(), counter);
    let writer = task("writer", async move { tell(&writes, Cell::Set(1)) });
    let reader = task("reader", async move {
        let read = call!(reads, Cell::Get).expect("it answers");
        retake::always!(read == 1, "read {read} before it is written");
    });
    let (first, second) = if is_reversed {
        (reader, writer)
    } else {
        (writer, reader)
    };
    together([first, second]).await;
}

/// In arrival order it is later.
pub async fn message_race() {
    race(false).await;
}

/// In arrival order it is earlier.
pub async fn reversed_message_race() {
    race(true).await;
}

#[derive(Debug)]
enum Room {
    IsFree(RpcReplyPort<bool>),
    Book(&'static str),
}

fn room(_: &ActorRef<Room>, message: Room, owner: &mut Option<&'static str>) {
    match message {
        Room::IsFree(reply) => drop(reply.send(owner.is_none())),
        Room::Book(guest) => {
            let before = owner.replace(guest);
            retake::always!(before.is_none(), "{guest} and {before:?} have one room");
        }
    }
}

/// Two guests ask whether a room is free, and then book it.
pub async fn check_then_act() {
    let room = actor("room", None, room).await;
    let guests = ["ann", "bob"].map(|guest| {
        let room = room.clone();
        let books = async move {
            if call!(room, Room::IsFree).expect("it answers") {
                tell(&room, Room::Book(guest));
            }
        };
        task(guest, books)
    });
    together(guests).await;
    retake::sleep(MS).await;
}

/// Two clients read, add one and write.
pub async fn lost_update() {
    let counter = actor("counter", 0, cell).await;
    let clients = ["ann", "bob"].map(|name| {
        let counter = counter.clone();
        let adds = async move {
            let value = call!(counter, Cell::Get).expect("it answers");
            tell(&counter, Cell::Set(value + 1));
        };
        task(name, adds)
    });
    together(clients).await;
    let value = call!(counter, Cell::Get).expect("it answers");
    retake::always!(value == 2, "{value} of 2 are counted");
}

#[derive(Debug)]
struct Answer(u32);

/// Two answers come by ways of their own; who waits takes them for ordered.
pub async fn replies_out_of_order() {
    let client = actor("client", 0, |_: &ActorRef<Answer>, Answer(number), last| {
        retake::always!(number > *last, "answer {number} after {last}");
        *last = number;
    })
    .await;
    let ways = [("first way", 1), ("second way", 2)].map(|(name, number)| {
        let client = client.clone();
        task(name, async move { tell(&client, Answer(number)) })
    });
    together(ways).await;
    retake::sleep(MS).await;
}

#[derive(Debug)]
enum Service {
    Configure(u32),
    Use,
}

/// A service is used by who does not know whether it is configured.
pub async fn used_before_it_is_configured() {
    let service = actor(
        "service",
        None,
        |_, message, limit: &mut Option<u32>| match message {
            Service::Configure(new) => *limit = Some(new),
            Service::Use => {
                limit.as_ref().expect("the service is configured");
            }
        },
    )
    .await;
    let (configures, uses) = (service.clone(), service);
    together([
        task(
            "setup",
            async move { tell(&configures, Service::Configure(5)) },
        ),
        task("user", async move { tell(&uses, Service::Use) }),
    ])
    .await;
    retake::sleep(MS).await;
}

#[derive(Debug)]
enum Log {
    Line(String),
    Close,
}

/// The log is closed while a worker still writes.
pub async fn log_closed_before_the_last_line() {
    let log = actor(
        "log",
        true,
        |_, message, is_open: &mut bool| match message {
            Log::Line(line) => retake::always!(*is_open, "`{line}` after the end of the log"),
            Log::Close => *is_open = false,
        },
    )
    .await;
    let (writes, closes) = (log.clone(), log);
    together([
        task("worker", async move {
            tell(&writes, Log::Line("done".to_owned()));
        }),
        task("shutdown", async move { tell(&closes, Log::Close) }),
    ])
    .await;
    retake::sleep(MS).await;
}

/// Who writes to one server and reads from another sees the old value.
pub async fn read_from_a_replica() {
    let replica = actor("replica", 0, cell).await;
    let primary = actor(
        "primary",
        replica.clone(),
        |_, message, replica: &mut ActorRef<Cell>| match message {
            Cell::Set(value) => {
                let replica = replica.clone();
                retake::spawn_named("network", async move { tell(&replica, Cell::Set(value)) });
            }
            Cell::Get(_) => {}
        },
    )
    .await;
    let reader = async move {
        let value = call!(replica, Cell::Get).expect("it answers");
        retake::always!(value == 1, "the replica has {value}");
    };
    tell(&primary, Cell::Set(1));
    together([task("reader", reader)]).await;
}

/// The later of two writers is thought to win.
pub async fn last_write_wins() {
    let cell = actor("cell", 0, cell).await;
    let writers = [("early", 1), ("late", 2)].map(|(name, value)| {
        let cell = cell.clone();
        task(name, async move { tell(&cell, Cell::Set(value)) })
    });
    together(writers).await;
    let value = call!(cell, Cell::Get).expect("it answers");
    retake::always!(value == 2, "{value} won");
}

/// Fails in arrival order, and passes only if each of two is in time.
pub async fn two_orders_are_needed() {
    let (left, right) = (actor("left", 0, cell).await, actor("right", 0, cell).await);
    let (a, b) = (left.clone(), right.clone());
    let check = async move {
        let one = call!(left, Cell::Get).expect("it answers");
        let two = call!(right, Cell::Get).expect("it answers");
        retake::always!(one + two == 2, "{one} and {two}");
    };
    together([
        task("check", check),
        task("fills left", async move { tell(&a, Cell::Set(1)) }),
        task("fills right", async move {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            tell(&b, Cell::Set(1));
        }),
    ])
    .await;
}

/// Two tasks share memory and no message.
pub async fn shared_memory() {
    let ready = shared(false);
    let (sets, reads) = (Shared::clone(&ready), ready);
    together([
        task("sets", async move { *lock(&sets) = true }),
        task("reads", async move {
            let is_ready = *lock(&reads);
            retake::always!(is_ready, "not ready");
        }),
    ])
    .await;
}

#[derive(Debug)]
struct Arrived(&'static str);

/// A barrier for two counts arrivals, not who arrives.
pub async fn barrier_counts_one_party_twice() {
    let open_for = shared(Vec::new());
    let barrier = actor(
        "barrier",
        Shared::clone(&open_for),
        |_, Arrived(who), parties: &mut Shared<Vec<&'static str>>| {
            let mut parties = lock(parties);
            parties.push(who);
            if parties.len() == 2 {
                let is_whole = parties[0] != parties[1];
                retake::always!(is_whole, "the barrier opens for {who} alone");
            }
        },
    )
    .await;
    let (again, other) = (barrier.clone(), barrier);
    together([
        task("ann", async move {
            tell(&again, Arrived("ann"));
            retake::spawn_named("ann's retry", async move { tell(&again, Arrived("ann")) });
        }),
        task("bob", async move { tell(&other, Arrived("bob")) }),
    ])
    .await;
    retake::sleep(MS).await;
    drop(open_for);
}
