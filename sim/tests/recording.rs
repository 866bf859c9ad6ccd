//! Live processes are recorded, and their recordings are followed.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    reason = "real processes, clocks and threads"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use rand::RngExt as _;
use retake::record;
use retake_record::{Config, Recorded};
use retake_sim::Outcome;
use retake_sim::recording::{Followed, Recording, Replayed};
use tempfile::TempDir;

/// A process has one recording at a time.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happened, in the order in which it did: state beside the actors that they share.
type Log = Arc<Mutex<Vec<String>>>;

/// Counts what it is told, and panics at a number of its own choice.
struct Counter;

enum Count {
    Add(u64),
    Get(RpcReplyPort<u64>),
    Panic,
    Tick,
}

#[retake::simulated]
impl Actor for Counter {
    type Msg = Count;
    type State = (u64, Log);
    type Arguments = Log;

    async fn pre_start(
        &self,
        myself: ActorRef<Count>,
        log: Log,
    ) -> Result<(u64, Log), ActorProcessingErr> {
        retake::send_after(&myself, Duration::from_millis(1), || Count::Tick);
        log.lock().unwrap().push("counter starts".to_owned());
        Ok((0, log))
    }

    async fn handle(
        &self,
        _: ActorRef<Count>,
        message: Count,
        (sum, log): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Count::Add(number) => {
                *sum += number;
                log.lock().unwrap().push(format!("sum {sum}"));
            }
            Count::Get(reply) => {
                let luck: u64 = retake::rng().random_range(0..1000);
                retake::sleep(Duration::from_micros(luck % 300)).await;
                let line = format!("asked at {:?}, luck {luck}", retake::now());
                log.lock().unwrap().push(line);
                let _ = reply.send(*sum + luck);
            }
            Count::Panic => panic!("asked to"),
            Count::Tick => log.lock().unwrap().push("tick".to_owned()),
        }
        Ok(())
    }
}

/// Keeps a counter alive.
struct Keeper;

enum Keep {
    Current(RpcReplyPort<ActorRef<Count>>),
}

#[retake::simulated]
impl Actor for Keeper {
    type Msg = Keep;
    type State = (ActorRef<Count>, Log);
    type Arguments = Log;

    async fn pre_start(
        &self,
        myself: ActorRef<Keep>,
        log: Log,
    ) -> Result<Self::State, ActorProcessingErr> {
        let (counter, _) = myself.spawn_linked(None, Counter, log.clone()).await?;
        Ok((counter, log))
    }

    async fn handle(
        &self,
        _: ActorRef<Keep>,
        message: Keep,
        (counter, _): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let Keep::Current(reply) = message;
        let _ = reply.send(counter.clone());
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Keep>,
        event: SupervisionEvent,
        (counter, log): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) | SupervisionEvent::ActorTerminated(..) = event {
            log.lock().unwrap().push("restart".to_owned());
            *counter = myself.spawn_linked(None, Counter, log.clone()).await?.0;
        }
        Ok(())
    }
}

/// Clients that race for a counter, which one of them breaks.
async fn race(rounds: u64) -> Vec<String> {
    let log = Log::default();
    let (keeper, keeping) = Actor::spawn(Some(retake::scoped_name("keeper")), Keeper, log.clone())
        .await
        .unwrap();
    let clients: Vec<_> = (0..4_u64)
        .map(|client| {
            let (keeper, log) = (keeper.clone(), log.clone());
            retake::spawn_named("client", async move {
                for round in 0..rounds {
                    let counter = ractor::call!(keeper, Keep::Current).unwrap();
                    let _ = counter.cast(Count::Add(client + round));
                    if client == 3 && round == rounds / 2 {
                        let _ = counter.cast(Count::Panic);
                    }
                    let asked = counter.call(Count::Get, Some(Duration::from_secs(5)));
                    let answer = retake::timeout(Duration::from_micros(200), asked).await;
                    let word = match answer {
                        Ok(Ok(ractor::rpc::CallResult::Success(sum))) => format!("got {sum}"),
                        Ok(_) => "no answer".to_owned(),
                        Err(late) => late.to_string(),
                    };
                    log.lock().unwrap().push(format!("client {client}: {word}"));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    keeper.stop(None);
    keeping.await.unwrap();
    let log = log.lock().unwrap().clone();
    record::output("log", || log.join("\n").into_bytes());
    log
}

/// Record this on several threads.
fn record_live<F>(path: &Path, config: Config, scenario: F) -> (F::Output, Recorded)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let recording = retake_record::start(path, config).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let output = runtime.block_on(runtime.spawn(record::scenario(scenario)));
    let recorded = recording.finish().unwrap();
    (output.unwrap(), recorded)
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("live.retake")
}

fn complete<T>(replayed: Replayed<T>) -> (T, Followed) {
    let Replayed { run, followed } = replayed;
    assert!(followed.is_complete(), "{followed:#?}\n{:?}", run.outcome);
    assert_eq!(run.outcome, Outcome::Passed);
    (run.output.unwrap(), followed)
}

#[test]
fn fifty_recordings_of_a_race_on_many_threads_are_followed_to_the_end() {
    let _one = one_at_a_time();
    let mut orders = std::collections::BTreeSet::new();
    for number in 0..50 {
        let folder = TempDir::new().unwrap();
        let config = Config {
            texts: true,
            ..Config::new("race")
        };
        let (log, recorded) = record_live(&file(&folder), config, race(6));
        let recording = Recording::open(file(&folder)).unwrap();
        let replayed = recording.replay(|| race(6)).unwrap();
        let (again, followed) = complete(replayed);
        assert_eq!(again, log, "recording {number}");
        assert_eq!(followed.recorded, recorded.steps);
        assert_eq!(followed.outputs["log"], (1, 1));
        orders.insert(log);
    }
    // The races are real ones.
    assert!(orders.len() > 10, "{} different runs", orders.len());
}
