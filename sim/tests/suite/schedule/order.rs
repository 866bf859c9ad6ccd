//! Determinism, virtual time and supervision of ordinary actors.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorRef, RpcReplyPort};
use retake_sim::runnable::Runnable;
use retake_sim::strategy::{NewTask, Scheduler, TaskKind};
use retake_sim::{Sim, Strategy};
use retake_testkit::{ActorResult, MS, Order, Servant, join, recorded, servant};
use retake_traces::Record;

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, line: impl Into<String>) {
    log.lock().unwrap().push(line.into());
}

/// A parent that stops its children while one of them panics: what is recorded, and its hash.
fn family(seed: u64, strategy: Strategy) -> (Vec<Record>, u64) {
    let sim = Sim::new().seed(seed).strategy(strategy).story(true);
    let (run, sink) = recorded(sim, || async {
        let parent = servant("parent").await;
        let mut children = Vec::new();
        for number in 0..8 {
            let started = match number % 2 {
                0 => Actor::spawn_linked(None, Servant, (), parent.get_cell()).await,
                _ => parent.spawn_linked(None, Servant, ()).await,
            };
            let (child, _) = started.unwrap();
            child.cast(Order::Note(number)).unwrap();
            children.push(child);
        }
        children[3].cast(Order::Panic("no more")).unwrap();
        parent.stop_children(None);
        retake::sleep(MS).await;
        assert_eq!(parent.get_children().len(), 0);
        parent.stop_and_wait(None, None).await.unwrap();
    });
    assert!(run.passed(), "{run}");
    (sink.records(), run.event_hash)
}

#[test]
fn one_seed_gives_one_run_although_ractor_keeps_children_in_a_random_map() {
    for strategy in ["fifo", "random", "pct:depth=3,steps=100"] {
        let strategy: Strategy = strategy.parse().unwrap();
        let first = family(9, strategy.clone());
        for _ in 0..20 {
            assert_eq!(family(9, strategy.clone()), first, "{strategy}");
        }
    }
}

#[test]
fn seeds_give_different_runs() {
    let mut hashes: Vec<u64> = (0..20)
        .map(|seed| family(seed, Strategy::Random).1)
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn runs_on_many_threads_at_once_do_not_meet() {
    let alone = family(4, Strategy::Random);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| family(4, Strategy::Random)))
            .collect();
        for run in runs {
            assert_eq!(run.join().unwrap(), alone);
        }
    });
}

struct Timed(Log);

#[derive(Debug)]
enum TimedMessage {
    After(&'static str),
    Tick,
    Ask(RpcReplyPort<u32>),
}

fn at(log: &Log, what: &str) {
    note(log, format!("{:>9} {what}", retake::now().as_nanos()));
}

#[retake::simulated]
impl Actor for Timed {
    type Msg = TimedMessage;
    type State = u32;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<TimedMessage>, (): ()) -> ActorResult<u32> {
        Ok(0)
    }

    async fn handle(
        &self,
        myself: ActorRef<TimedMessage>,
        message: TimedMessage,
        ticks: &mut u32,
    ) -> ActorResult {
        match message {
            TimedMessage::After(what) => at(&self.0, what),
            TimedMessage::Tick => {
                *ticks += 1;
                at(&self.0, &format!("tick {ticks}"));
                if *ticks == 3 {
                    myself.stop(None);
                }
            }
            TimedMessage::Ask(reply) => {
                tokio::time::sleep(50 * MS).await;
                let _ = reply.send(7);
                at(&self.0, "replied");
            }
        }
        Ok(())
    }
}

#[test]
fn tokio_and_ractor_timers_tick_in_milliseconds_and_retakes_are_exact() {
    let log = Log::default();
    let inner = log.clone();
    let sim = Sim::new().horizon(Duration::from_secs(3 * 3600));
    let run = sim.run(move || {
        let log = inner.clone();
        async move {
            let (actor, _) = Actor::spawn(None, Timed(log.clone()), ()).await.unwrap();
            actor.send_after(2 * MS, || TimedMessage::After("ractor 2 ms"));
            actor.send_after(MS, || TimedMessage::After("ractor 1 ms"));
            let exact = log.clone();
            retake::spawn(async move {
                retake::sleep(Duration::from_micros(1200)).await;
                at(&exact, "retake 1.2 ms");
                retake::sleep(Duration::from_nanos(1)).await;
                at(&exact, "retake +1 ns");
            });
            let ticking = log.clone();
            retake::spawn(async move {
                tokio::time::sleep(Duration::from_micros(1500)).await;
                at(&ticking, "tokio 1.5 ms, rounded up");
            });
            retake::sleep(5 * MS).await;
            let late = ractor::call_t!(actor, TimedMessage::Ask, 10);
            at(&log, &format!("call of 10 ms failed: {}", late.is_err()));
            let answer = ractor::call_t!(actor, TimedMessage::Ask, 200);
            at(&log, &format!("call of 200 ms: {:?}", answer.ok()));
            retake::sleep(Duration::from_secs(3600) + Duration::from_nanos(17)).await;
            at(&log, "an hour later");
            actor.send_interval(10 * MS, || TimedMessage::Tick);
            actor.wait(None).await.unwrap();
        }
    });
    assert!(run.passed(), "{run}");
    let log = log.lock().unwrap().join("\n");
    insta::assert_snapshot!(log, @r"
      1000000 ractor 1 ms
      1200000 retake 1.2 ms
      1200001 retake +1 ns
      2000000 ractor 2 ms
      2000000 tokio 1.5 ms, rounded up
     15000000 call of 10 ms failed: true
     55000000 replied
    105000000 replied
    105000000 call of 200 ms: Some(7)
    3600105000017 an hour later
    3600116000000 tick 1
    3600126000000 tick 2
    3600136000000 tick 3
    ");
}

#[test]
fn an_idle_year_takes_no_time() {
    let run = Sim::new().horizon(retake_sim::HORIZON_MAX).run(|| async {
        tokio::time::sleep(Duration::from_secs(300 * 24 * 3600)).await;
        retake::sleep(Duration::from_secs(60 * 24 * 3600)).await;
        retake::now().as_nanos()
    });
    assert_eq!(run.expect_passed(), 360 * 24 * 3600 * 1_000_000_000);
}

/// How many orders there are, over some seeds, in which tasks note their names.
fn orders<F: Future<Output = ()> + Send + 'static>(seeds: u64, scenario: fn(Log) -> F) -> usize {
    let order = |seed| {
        let run = Sim::new().seed(seed).run(move || async move {
            let log = Log::default();
            scenario(log.clone()).await;
            log.lock().unwrap().concat()
        });
        run.expect_passed()
    };
    let orders: BTreeSet<String> = (0..seeds).map(order).collect();
    orders.len()
}

#[test]
fn what_is_due_at_one_instant_comes_in_every_order() {
    let all = orders(100, |log| async move {
        let instant = retake::now() + MS;
        let mut tasks = Vec::new();
        for name in ["a", "b", "c"] {
            let log = log.clone();
            tasks.push(retake::spawn(async move {
                retake::sleep_until(instant).await;
                note(&log, name);
            }));
            // They begin to wait one after the other.
            retake::sleep(Duration::from_nanos(1)).await;
        }
        join(tasks).await;
    });
    assert_eq!(all, 6);
}

#[test]
fn a_task_that_yields_goes_on_in_any_order_with_those_that_are_runnable() {
    let all = orders(400, |log| async move {
        let tasks = ["a", "b"].map(|name| {
            let log = log.clone();
            retake::spawn(async move {
                for _ in 0..3 {
                    note(&log, name);
                    tokio::task::yield_now().await;
                }
            })
        });
        join(tasks).await;
    });
    assert_eq!(all, 20, "all of 6 over 3");
}

/// Runs actors first, by their labels, and notes what it is shown.
struct ByLabel {
    log: Log,
    labels: Vec<(TaskKind, String)>,
}

impl Scheduler for ByLabel {
    fn started(&mut self, task: &NewTask<'_>) {
        let label = task.label.to_string();
        note(
            &self.log,
            format!("{}: {:?} {label}", task.serial, task.kind),
        );
        // No task has ended here, so that no slot is taken twice.
        assert_eq!(task.slot as usize, self.labels.len());
        self.labels.push((task.kind, label));
    }

    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        let rank = |slot: &u32| {
            let (kind, label) = &self.labels[*slot as usize];
            (*kind != TaskKind::Actor, label.clone())
        };
        let slots: Vec<u32> = runnable.in_order().collect();
        slots.into_iter().min_by_key(rank)
    }
}

#[test]
fn a_scheduler_of_user_code_chooses_by_kind_and_label() {
    let seen = Log::default();
    let log = seen.clone();
    let sim = Sim::new().scheduler("by label", move |_| {
        Box::new(ByLabel {
            log: log.clone(),
            labels: Vec::new(),
        })
    });
    let (run, sink) = recorded(sim.story(true), || async {
        let (c, a, b) = (servant("c").await, servant("a").await, servant("b").await);
        retake::sleep(MS).await;
        let task = retake::spawn_named("a task", async { retake::event!("runs") });
        for actor in [c, a, b] {
            actor.cast(Order::Note(1)).unwrap();
        }
        task.await.unwrap();
    });
    assert!(run.passed(), "{run}");
    let lines = retake_inspect::story::lines(&sink.records());
    let events = lines.iter().filter(|line| line.what().starts_with("| "));
    let order: Vec<&str> = events.map(|line| &*line.who).collect();
    assert_eq!(order, ["a", "b", "c", "a task"]);
    let tasks = "0: Scenario scenario, 1: Actor c, 2: Actor a, 3: Actor b, 4: Task a task";
    assert_eq!(seen.lock().unwrap().join(", "), tasks);
}
