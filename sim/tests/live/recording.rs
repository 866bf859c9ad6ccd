//! Live processes are recorded, and their recordings are followed.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes, clocks and threads"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorRef, RpcReplyPort, SupervisionEvent};
use rand::RngExt as _;
use retake::record;
use retake_live::{Config, StartError};
use retake_sim::Sim;
use retake_sim::recording::{Input, Recording, RecordingError};
use retake_testkit::{ActorResult, actor, diverged, join};
use tempfile::TempDir;

use super::{complete, file, one_at_a_time, record_and_follow, record_live, threads};

/// What happened, in order: state outside of the actors, which they share.
type Log = Arc<Mutex<Vec<String>>>;

/// Counts what it is sent, and panics at a number of its own choice.
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

    async fn pre_start(&self, myself: ActorRef<Count>, log: Log) -> ActorResult<(u64, Log)> {
        retake::send_after(&myself, Duration::from_millis(1), || Count::Tick);
        log.lock().unwrap().push("counter starts".to_owned());
        Ok((0, log))
    }

    async fn handle(
        &self,
        _: ActorRef<Count>,
        message: Count,
        (sum, log): &mut Self::State,
    ) -> ActorResult {
        match message {
            Count::Add(number) => {
                *sum += number;
                log.lock().unwrap().push(format!("sum {sum}"));
            }
            Count::Get(reply) => {
                let luck: u64 = retake::rng().random_range(0..1000);
                if luck < 150 {
                    retake::sleep(Duration::from_micros(luck)).await;
                }
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

/// Who asks for the counter.
type Keep = RpcReplyPort<ActorRef<Count>>;

#[retake::simulated]
impl Actor for Keeper {
    type Msg = Keep;
    type State = (ActorRef<Count>, Log);
    type Arguments = Log;

    async fn pre_start(&self, myself: ActorRef<Keep>, log: Log) -> ActorResult<Self::State> {
        let (counter, _) = myself.spawn_linked(None, Counter, log.clone()).await?;
        Ok((counter, log))
    }

    async fn handle(
        &self,
        _: ActorRef<Keep>,
        reply: Keep,
        (counter, _): &mut Self::State,
    ) -> ActorResult {
        let _ = reply.send(counter.clone());
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Keep>,
        event: SupervisionEvent,
        (counter, log): &mut Self::State,
    ) -> ActorResult {
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
                    let counter = ractor::call!(keeper, |reply| reply).unwrap();
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
    join(clients).await;
    // Nothing races with the end: the counter has nothing left, and its keeper heard all.
    let counter = ractor::call!(keeper, |reply| reply).unwrap();
    let _ = ractor::call!(counter, Count::Get);
    retake::sleep(Duration::from_millis(3)).await;
    keeper.stop(None);
    keeping.await.unwrap();
    let log = log.lock().unwrap().clone();
    record::output("log", || log.join("\n").into_bytes());
    log
}

#[test]
fn fifty_recordings_of_a_race_on_many_threads_are_followed_to_the_end() {
    let _one = one_at_a_time();
    let mut orders = std::collections::BTreeSet::new();
    let mut restarts = 0;
    for number in 0..50 {
        let (log, again, followed) = record_and_follow("race", || race(6));
        assert_eq!(again, log, "recording {number}");
        assert_eq!(followed.outputs["log"], (1, 1));
        restarts += usize::from(log.contains(&"restart".to_owned()));
        orders.insert(log);
    }
    assert!(restarts > 10, "{restarts} of them restarted a counter");
    // The races are real ones.
    assert!(orders.len() > 10, "{} different runs", orders.len());
}

/// Tasks end while others are joined: a task is over for its joiner as soon as its last
/// step is, or one that resumes meanwhile would wait where its replay does not.
#[test]
fn whoever_joins_tasks_finds_them_over_where_their_steps_are() {
    let _alone = one_at_a_time();
    let ranks = || async {
        // It answers with how often it was asked.
        let rank = actor("rank", 0, |_, reply: RpcReplyPort<u32>, count| {
            *count += 1;
            let _ = reply.send(*count);
        })
        .await;
        let clients = [(); 4].map(|()| {
            let rank = rank.clone();
            retake::spawn(async move { ractor::call!(rank, |reply| reply).unwrap() })
        });
        let mut ranks = Vec::new();
        for client in clients {
            ranks.push(client.await.unwrap());
        }
        ranks
    };
    for _ in 0..400 {
        let (live, again, _) = record_and_follow("ranks", ranks);
        assert_eq!(again, live);
    }
}

#[test]
fn a_killed_actor_is_killed_again_and_its_successor_goes_on() {
    async fn kill() -> Vec<String> {
        let log = Log::default();
        let (keeper, keeping) = Actor::spawn(None, Keeper, log.clone()).await.unwrap();
        let counter = ractor::call!(keeper, |reply| reply).unwrap();
        // It dies waiting, with messages behind that nobody sees.
        let asked = retake::spawn_named("client", {
            let counter = counter.clone();
            async move { counter.call(Count::Get, None).await.unwrap().is_success() }
        });
        counter.cast(Count::Add(1)).unwrap();
        retake::sleep(Duration::from_millis(3)).await;
        counter.cast(Count::Add(10)).unwrap();
        counter.kill_and_wait(None).await.unwrap();
        let was_answered = asked.await.unwrap();
        // Live, the keeper may be asked before it knows of the end.
        let mut successor = ractor::call!(keeper, |reply| reply).unwrap();
        while successor.get_id() == counter.get_id() {
            retake::sleep(Duration::from_millis(1)).await;
            successor = ractor::call!(keeper, |reply| reply).unwrap();
        }
        successor.cast(Count::Add(100)).unwrap();
        let sum = ractor::call!(successor, Count::Get).unwrap();
        log.lock().unwrap().push(format!("{was_answered} {sum}"));
        retake::sleep(Duration::from_millis(3)).await;
        keeper.stop(None);
        keeping.await.unwrap();
        log.lock().unwrap().clone()
    }
    let _one = one_at_a_time();
    for _ in 0..10 {
        let (log, again, _) = record_and_follow("kill", kill);
        assert!(log.contains(&"restart".to_owned()), "{log:?}");
        assert_eq!(again, log);
    }
}

#[test]
fn a_changed_program_stops_at_the_first_step_that_differs() {
    async fn program(change: u8) -> u64 {
        let (counter, counting) = Actor::spawn(None, Counter, Log::default()).await.unwrap();
        counter.cast(Count::Add(1)).unwrap();
        match change {
            1 => counter.cast(Count::Tick).unwrap(),
            2 => {}
            _ => counter.cast(Count::Add(2)).unwrap(),
        }
        let sum = ractor::call!(counter, Count::Get).unwrap();
        record::output("sum", || format!("{}", sum + u64::from(change == 3)).into());
        if change == 4 {
            retake::sleep(Duration::from_secs(1)).await;
        }
        if change == 5 {
            drop(retake::spawn(async {}));
        }
        counter.drain().unwrap();
        counting.await.unwrap();
        sum
    }
    let _one = one_at_a_time();
    let folder = TempDir::new().unwrap();
    let config = Config {
        texts: true,
        ..Config::new("program")
    };
    let (_, recorded) = record_live(&file(&folder), config, program(0));
    let recording = Recording::open(file(&folder)).unwrap();
    complete(recording.replay(|| program(0)).unwrap());
    let another = "recorded: `scenario/Counter` handles Add; here something else came";
    for (change, expected) in [
        (1, another),
        (2, another),
        (3, "but it makes sum"),
        (4, "`scenario/Counter` stops; here "),
        (5, "it starts `task`, as it did not there"),
    ] {
        let replayed = recording.replay(move || program(change)).unwrap();
        let followed = replayed.followed;
        let reason = followed.divergence.clone().unwrap_or_default();
        assert!(reason.contains(expected), "{change}: {reason}");
        assert_eq!(diverged(&replayed.run), reason);
        assert!(followed.honoured < recorded.steps && followed.recorded == recorded.steps);
        assert!(!followed.is_complete());
    }
}

#[test]
fn a_recording_without_an_end_is_followed_up_to_there_and_a_damaged_one_is_refused() {
    let _one = one_at_a_time();
    let folder = TempDir::new().unwrap();
    record_live(&file(&folder), Config::new("race"), race(200));
    let bytes = std::fs::read(file(&folder)).unwrap();
    let cut = folder.path().join("cut");
    // The first of at least two blocks is whole.
    std::fs::write(&cut, &bytes[..bytes.len() - 200]).unwrap();
    let replayed = Recording::open(&cut).unwrap().replay(|| race(200)).unwrap();
    let followed = replayed.followed;
    assert!(followed.is_complete(), "{:?}", followed.divergence);
    assert!(followed.recorded > 100, "{}", followed.recorded);
    let stops = followed.stops.unwrap();
    assert!(stops.contains("before its end mark"), "{stops}");
    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&cut, damaged).unwrap();
    let error = Recording::open(&cut).unwrap_err().to_string();
    assert!(error.contains("is damaged at byte"), "{error}");
}

#[test]
fn a_recording_that_reached_its_limit_says_so() {
    let _one = one_at_a_time();
    let folder = TempDir::new().unwrap();
    let config = Config {
        bytes_max: Some(2_000),
        ..Config::new("race")
    };
    let (log, recorded) = record_live(&file(&folder), config, race(30));
    assert!(log.len() > 100, "the process went on");
    assert!(recorded.gap.unwrap().contains("limit of 2000 bytes"));
    let replayed = Recording::open(file(&folder)).unwrap().replay(|| race(30));
    let followed = replayed.unwrap().followed;
    assert!(followed.is_complete(), "{:?}", followed.divergence);
    let stops = followed.stops.unwrap();
    assert!(stops.contains("it has reached its limit"), "{stops}");
}

#[test]
fn what_is_no_recording_or_a_second_one_is_refused() {
    let _one = one_at_a_time();
    let folder = TempDir::new().unwrap();
    let writer = retake_traces::TraceWriter::create(file(&folder), &Default::default()).unwrap();
    Sim::new().trace(writer).run(|| async {}).expect_passed();
    let error = Recording::open(file(&folder)).unwrap_err();
    assert!(matches!(error, RecordingError::NotLive(_)), "{error}");
    let first = retake_live::start(file(&folder), Config::new("a")).unwrap();
    let second = retake_live::start(file(&folder), Config::new("b"));
    assert!(matches!(second, Err(StartError::Busy)), "{second:?}");
    assert_eq!(first.finish().unwrap().steps, 0);
    let nowhere = folder.path().join("nowhere/a");
    let error = retake_live::start(nowhere, Config::new("a")).unwrap_err();
    assert!(matches!(error, StartError::File(_)), "{error}");
}

/// A stranger to the simulator: answers from a thread of its own.
async fn ask_a_thread(number: u64) -> std::io::Result<String> {
    let asked = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_micros(300));
        format!("{:?} says {number}", std::thread::current().id())
    });
    tokio::task::spawn_blocking(|| asked.join().unwrap())
        .await
        .map_err(std::io::Error::other)
}

#[test]
fn what_comes_from_outside_is_recorded_and_given_back() {
    /// Leaves in the log what it is asked to find out.
    async fn find_out(log: Log, number: u64) {
        let answer = record::outside("thread", ask_a_thread(number)).await;
        let now = record::known("clock", || format!("{:?}", std::time::SystemTime::now()));
        let line = format!("{} at {now}", answer.unwrap());
        record::output("line", || line.clone().into_bytes());
        log.lock().unwrap().push(line);
    }
    let _one = one_at_a_time();
    let folder = TempDir::new().unwrap();
    let recording = retake_live::start(file(&folder), Config::new("asked")).unwrap();
    let live = Log::default();
    threads().block_on(async {
        // As a server does for its clients: outside any gate.
        let asking: Vec<_> = (0..40_u64)
            .map(|number| {
                let work = find_out(live.clone(), number);
                let payload = move || number.to_le_bytes().into();
                tokio::spawn(record::input("ask", payload, work))
            })
            .collect();
        join(asking).await;
    });
    recording.finish().unwrap();
    let again = Log::default();
    let answers = again.clone();
    let on_input = move |Input { payload, .. }| {
        let number = u64::from_le_bytes(payload.try_into().unwrap());
        find_out(answers.clone(), number)
    };
    let recording = Recording::open(file(&folder)).unwrap();
    let replayed = recording.replay_inputs(None, std::future::pending::<()>, on_input);
    let followed = replayed.unwrap().followed;
    assert!(followed.is_complete(), "{:?}", followed.divergence);
    assert_eq!(followed.outputs["line"], (40, 40));
    assert_eq!(*again.lock().unwrap(), *live.lock().unwrap());
    // A program that does not handle inputs gets an error.
    let replayed = recording.replay(std::future::pending::<()>).unwrap();
    let reason = replayed.followed.divergence.unwrap();
    let part = "`ask` begins; here there is no such task";
    assert!(reason.contains(part), "{reason}");
}

#[test]
fn a_replay_is_an_ordinary_trace_with_texts_and_causes() {
    let _one = one_at_a_time();
    let folder = TempDir::new().unwrap();
    record_live(&file(&folder), Config::new("race"), race(20));
    let recording = Recording::open(file(&folder)).unwrap();
    let sink = retake_traces::MemorySink::new();
    let trace = Box::new(sink.clone());
    let replayed = recording.replay_inputs(Some(trace), || race(20), |_| async {});
    complete(replayed.unwrap());
    let lines: Vec<String> = retake_inspect::story::lines(&sink.records())
        .iter()
        .map(|line| line.to_text(0))
        .collect();
    let has = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(
        has("keeper") && has("handles Add <- ") && has("PANIC at ") && has(": asked to"),
        "{lines:#?}"
    );
    assert!(has("END: passed"));
}
