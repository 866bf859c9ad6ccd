//! Programs as a user would bring them, with a bug and without: found, shrunk, explained.

use std::collections::BTreeSet;

use ractor::factory::{Factory, FactoryArguments, FactoryMessage, FactoryRef};
use ractor::factory::{Job, Worker, WorkerId, queues, routing, worker_builder};
use ractor::{Actor, ActorRef, RpcReplyPort, call, call_t};
use retake_sim::FaultPlan;
use retake_sim::explore::{Explorer, Search, explain};
use retake_testkit::{ActorResult, MS, actor, join};

use super::{found, shrunk};

/// The signature of what is found, and its explanation.
fn explained<F>(explorer: &Explorer, scenario: fn() -> F) -> (String, String)
where
    F: Future<Output = ()> + Send + 'static,
{
    let case = found(explorer, scenario);
    let small = shrunk(&case, scenario);
    assert!(small.size() <= 3, "{small:?}");
    (case.signature, explain(&small, scenario).to_string())
}

// --- a cache in front of a store: a slow read brings an old value back ---

#[derive(Debug)]
enum Store {
    Read(RpcReplyPort<u32>),
    Write(u32, RpcReplyPort<()>),
}

fn store(_: &ActorRef<Store>, message: Store, value: &mut u32) {
    match message {
        Store::Read(reply) => drop(reply.send(*value)),
        Store::Write(new, reply) => {
            *value = new;
            drop(reply.send(()));
        }
    }
}

/// A value and its version.
type Cached = (Option<u32>, u32);

#[derive(Debug)]
enum Cache {
    Get(RpcReplyPort<Cached>),
    Fill { value: u32, version: u32 },
    Invalidate,
}

fn cache(checks_version: bool) -> impl Fn(&ActorRef<Cache>, Cache, &mut Cached) {
    move |_, message, (cached, current)| match message {
        Cache::Get(reply) => drop(reply.send((*cached, *current))),
        Cache::Fill { value, version } => {
            if !checks_version || version == *current {
                *cached = Some(value);
            }
        }
        Cache::Invalidate => {
            *cached = None;
            *current += 1;
        }
    }
}

async fn read_through(cache: &ActorRef<Cache>, store: &ActorRef<Store>) -> u32 {
    let (cached, version) = call!(cache, Cache::Get).unwrap();
    match cached {
        Some(value) => value,
        None => {
            let value = call!(store, Store::Read).unwrap();
            cache.cast(Cache::Fill { value, version }).unwrap();
            value
        }
    }
}

async fn cache_and_store(checks_version: bool) {
    let store = actor("store", 1, store).await;
    let cache = actor("cache", (None, 0), cache(checks_version)).await;
    let reader = {
        let (cache, store) = (cache.clone(), store.clone());
        retake::spawn_named("reader", async move {
            read_through(&cache, &store).await;
        })
    };
    let writer = {
        let (cache, store) = (cache.clone(), store.clone());
        retake::spawn_named("writer", async move {
            call!(store, |reply| Store::Write(2, reply)).unwrap();
            cache.cast(Cache::Invalidate).unwrap();
        })
    };
    reader.await.unwrap();
    writer.await.unwrap();
    let read = read_through(&cache, &store).await;
    retake::always!(read == 2, "an old value is read: {read}");
}

/// For the list of `bugs`.
pub(super) async fn stale_cache() {
    cache_and_store(false).await;
}

#[test]
fn a_stale_fill_of_a_cache_is_found_and_told() {
    let explorer = || Explorer::new("cache").seeds(0..1000);
    let (signature, why) = explained(&explorer(), stale_cache);
    assert!(signature.contains("an old value is read"));
    // The slice leads from the wrong read to the fill and to the read before the write.
    for part in [
        "passes if ",
        "Fill { value: 1, version: 0 }",
        "Invalidate",
        "Read(",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert!(explorer().run(|| cache_and_store(true)).passed());
}

// --- a payment that is tried again when the answer is late ---

#[derive(Debug)]
struct Pay {
    id: u64,
    amount: u32,
    reply: RpcReplyPort<u32>,
}

async fn payment(is_idempotent: bool) {
    let bank = actor(
        "bank",
        (0, BTreeSet::new()),
        move |_, pay: Pay, (spent, done)| {
            if done.insert(pay.id) || !is_idempotent {
                *spent += pay.amount;
            }
            // The caller may have given up.
            let _ = pay.reply.send(*spent);
        },
    )
    .await;
    let pay = |id, amount| move |reply| Pay { id, amount, reply };
    while call_t!(bank, pay(7, 10), 50).is_err() {}
    // What was asked for comes, however late.
    retake::healed().await;
    retake::sleep(10_000 * MS).await;
    let spent = call!(bank, pay(8, 0)).unwrap();
    retake::always!(spent == 10, "{spent} was paid instead of 10");
}

#[test]
fn a_payment_tried_again_is_found_with_a_late_reply_and_not_without() {
    let explorer = || Explorer::new("payment").seeds(0..200);
    assert!(explorer().run(|| payment(false)).passed());
    let late = FaultPlan {
        faults: vec!["slow bank by 80ms @step 1 until 120ms".parse().unwrap()],
        swarm: None,
    };
    let (signature, why) = explained(&explorer().faults(late.clone()), || payment(false));
    assert!(signature.contains("# was paid instead of #"));
    assert!(why.contains("passes without the fault `slow bank"), "{why}");
    assert!(explorer().faults(late).run(|| payment(true)).passed());
}

// --- a lock with a lease that runs out ---

#[derive(Debug)]
enum Lock {
    Take(u32, RpcReplyPort<bool>),
    Release(u32),
}

/// The state is who has the lock, and until when.
fn locks(_: &ActorRef<Lock>, message: Lock, lock: &mut Option<(u32, retake::Instant)>) {
    match message {
        Lock::Take(who, reply) => {
            let is_free = lock.is_none_or(|(_, until)| retake::now() >= until);
            if is_free {
                *lock = Some((who, retake::now() + 10 * MS));
            }
            drop(reply.send(is_free));
        }
        Lock::Release(who) => *lock = lock.filter(|(owner, _)| *owner != who),
    }
}

/// Two workers; the work of one takes longer than its lease when it is held up.
async fn leases() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    let locks = actor("locks", None, locks).await;
    let inside = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..2)
        .map(|who| {
            let (locks, inside) = (locks.clone(), inside.clone());
            retake::spawn_named("worker", async move {
                while !call!(locks, |reply| Lock::Take(who, reply)).unwrap() {
                    retake::sleep(3 * MS).await;
                }
                // It may be held up here.
                tokio::task::yield_now().await;
                let others = inside.fetch_add(1, Ordering::Relaxed);
                retake::always!(others == 0, "two have the lock");
                retake::sleep(5 * MS).await;
                inside.fetch_sub(1, Ordering::Relaxed);
                locks.cast(Lock::Release(who)).unwrap();
            })
        })
        .collect();
    join(workers).await;
}

#[test]
fn a_lease_that_runs_out_is_found_by_a_swarm_of_delays() {
    let plan: FaultPlan = FaultPlan::named("swarm").unwrap();
    let explorer = Explorer::new("leases").seeds(0..3000).faults(plan);
    let (signature, why) = explained(&explorer, leases);
    assert!(signature.contains("two have the lock"), "{why}");
    assert!(why.contains("passes without the fault `"), "{why}");
}

// --- a subscriber that joins during a broadcast ---

#[derive(Debug)]
enum Topic {
    Publish(u32),
    Snapshot(RpcReplyPort<Vec<u32>>),
}

fn topic(_: &ActorRef<Topic>, message: Topic, published: &mut Vec<u32>) {
    match message {
        Topic::Publish(value) => {
            published.push(value);
            // In whatever order ractor's map has them.
            for member in ractor::pg::get_members(&retake::scoped_name("readers")) {
                let _ = member.send_message(ReaderMessage::Hear(value));
            }
        }
        Topic::Snapshot(reply) => drop(reply.send(published.clone())),
    }
}

struct Reader {
    joins_first: bool,
}

#[derive(Debug)]
enum ReaderMessage {
    Hear(u32),
    Heard(RpcReplyPort<Vec<u32>>),
}

#[retake::simulated]
impl Actor for Reader {
    type Msg = ReaderMessage;
    type State = Vec<u32>;
    type Arguments = ActorRef<Topic>;

    async fn pre_start(
        &self,
        myself: ActorRef<ReaderMessage>,
        topic: ActorRef<Topic>,
    ) -> ActorResult<Vec<u32>> {
        let join = || ractor::pg::join(retake::scoped_name("readers"), vec![myself.get_cell()]);
        if self.joins_first {
            join();
        }
        let heard = call!(topic, Topic::Snapshot)?;
        if !self.joins_first {
            join();
        }
        Ok(heard)
    }

    async fn handle(
        &self,
        _: ActorRef<ReaderMessage>,
        message: ReaderMessage,
        heard: &mut Vec<u32>,
    ) -> ActorResult {
        match message {
            ReaderMessage::Hear(value) if heard.contains(&value) => {}
            ReaderMessage::Hear(value) => heard.push(value),
            ReaderMessage::Heard(reply) => reply.send(heard.clone())?,
        }
        Ok(())
    }
}

async fn subscribers(joins_first: bool) {
    let topic = actor("topic", Vec::new(), topic).await;
    let publisher = {
        let topic = topic.clone();
        retake::spawn_named("publisher", async move {
            for value in 0..3 {
                topic.cast(Topic::Publish(value)).unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    let joining: Vec<_> = (0..3)
        .map(|_| {
            let topic = topic.clone();
            retake::spawn_named("joining", async move {
                let reader = Actor::spawn(None, Reader { joins_first }, topic).await;
                reader.unwrap().0
            })
        })
        .collect();
    publisher.await.unwrap();
    let readers = join(joining).await;
    retake::sleep(MS).await;
    let members = retake::members("readers");
    let started: Vec<_> = members.iter().map(ractor::ActorCell::get_id).collect();
    assert!(started.is_sorted() && started.len() == 3);
    for reader in readers {
        let heard = call!(reader, ReaderMessage::Heard).unwrap();
        retake::always!(heard == [0, 1, 2], "a reader has heard {heard:?}");
    }
}

#[test]
fn a_subscriber_that_misses_news_is_found_and_groups_are_functions_of_the_seed() {
    let explorer = || Explorer::new("subscribers").seeds(0..300);
    let (signature, why) = explained(&explorer(), || subscribers(false));
    assert!(signature.contains("a reader has heard"));
    assert!(why.contains("Snapshot"), "{why}");
    for strategy in ["mix", "pos"] {
        let search: Search = strategy.parse().unwrap();
        let twice = explorer().search(search).check_determinism(1.0);
        let campaign = twice.run(|| subscribers(true));
        assert!(campaign.passed(), "{strategy}: {:?}", campaign.failures);
    }
}

// --- a factory whose worker dies with a job ---

struct Squarer;

#[derive(Debug)]
struct Square(u32, RpcReplyPort<u32>);

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Worker for Squarer {
    type Key = u32;
    type Message = Square;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: WorkerId, _: &FactoryRef<u32, Square>, (): ()) -> ActorResult {
        Ok(())
    }

    async fn handle(
        &self,
        _: WorkerId,
        _: &FactoryRef<u32, Square>,
        job: Job<u32, Square>,
        (): &mut (),
    ) -> ActorResult<u32> {
        let Square(number, reply) = job.msg;
        retake::sleep(5 * MS).await;
        let _ = reply.send(number * number);
        Ok(job.key)
    }
}

type Squarers = Factory<
    u32,
    Square,
    (),
    retake::SimulatedActor<Squarer>,
    routing::QueuerRouting<u32, Square>,
    queues::DefaultQueue<u32, Square>,
>;

async fn squares(tries_again: bool) {
    let arguments = FactoryArguments::builder()
        .worker_builder(Box::new(worker_builder(|_| {
            (retake::SimulatedActor::new(Squarer), ())
        })))
        .queue(Default::default())
        .router(Default::default())
        .num_initial_workers(2)
        .build();
    let factory = retake::SimulatedActor::new(Squarers::default());
    let (factory, _) = Actor::spawn(None, factory, arguments).await.unwrap();
    let clients: Vec<_> = (0..4_u32)
        .map(|number| {
            let factory = factory.clone();
            retake::spawn_named("client", async move {
                loop {
                    let (send, receive) = ractor::concurrency::oneshot();
                    let message = Square(number, send.into());
                    let job = Job::builder().key(number).msg(message).build();
                    factory.cast(FactoryMessage::Dispatch(job)).unwrap();
                    match receive.await {
                        Ok(square) => return square == number * number,
                        Err(_) if tries_again => {}
                        Err(_) => return false,
                    }
                }
            })
        })
        .collect();
    for is_answered in join(clients).await {
        retake::always!(is_answered, "a job is lost with its worker");
    }
}

#[test]
fn a_job_lost_with_a_factorys_worker_is_found_by_a_swarm() {
    let plan = "[swarm]\nkinds = [\"kill\", \"kill_awaiting\", \"panic\", \"delay\"]";
    let faults: FaultPlan = toml::from_str(plan).unwrap();
    let explorer = || {
        Explorer::new("squares")
            .seeds(0..500)
            .faults(faults.clone())
    };
    let (signature, why) = explained(&explorer(), || squares(false));
    assert!(signature.contains("a job is lost"));
    for part in ["passes without the fault `", "Squarer", "FAULT: "] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let campaign = explorer().run(|| squares(true));
    assert!(campaign.passed(), "{:?}", campaign.failures);
}
