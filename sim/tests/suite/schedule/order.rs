//! Determinism, virtual time and supervision of ordinary actors.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorRef, RpcReplyPort, SupervisionEvent};
use retake_sim::runnable::Runnable;
use retake_sim::strategy::{NewTask, Scheduler, TaskKind};
use retake_sim::{Sim, Strategy};
use retake_testkit::{ActorResult, MS, join};

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, line: impl Into<String>) {
    log.lock().unwrap().push(line.into());
}

struct Child(Log, u32);

#[derive(Debug)]
enum ChildMessage {
    Hello,
    Panic,
}

#[retake::simulated]
impl Actor for Child {
    type Msg = ChildMessage;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<ChildMessage>, (): ()) -> ActorResult {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<ChildMessage>,
        message: ChildMessage,
        (): &mut (),
    ) -> ActorResult {
        match message {
            ChildMessage::Hello => note(&self.0, format!("child {} hello", self.1)),
            ChildMessage::Panic => panic!("child {} panics", self.1),
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<ChildMessage>, (): &mut ()) -> ActorResult {
        note(&self.0, format!("child {} stops", self.1));
        Ok(())
    }
}

#[derive(Debug)]
enum ParentMessage {
    Spawn,
    StopChildren,
    Children(RpcReplyPort<usize>),
}

struct Parent(Log);

#[retake::simulated]
impl Actor for Parent {
    type Msg = ParentMessage;
    type State = Vec<ActorRef<ChildMessage>>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<ParentMessage>, (): ()) -> ActorResult<Self::State> {
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        myself: ActorRef<ParentMessage>,
        message: ParentMessage,
        children: &mut Self::State,
    ) -> ActorResult {
        match message {
            ParentMessage::Spawn => {
                for i in 0..8 {
                    let child = Child(self.0.clone(), i);
                    let (child, _) = match i % 2 {
                        0 => Actor::spawn_linked(None, child, (), myself.get_cell()).await?,
                        _ => myself.spawn_linked(None, child, ()).await?,
                    };
                    child.cast(ChildMessage::Hello)?;
                    children.push(child);
                }
            }
            ParentMessage::StopChildren => {
                children[3].cast(ChildMessage::Panic)?;
                myself.stop_children(None);
            }
            ParentMessage::Children(reply) => reply.send(myself.get_children().len())?,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<ParentMessage>,
        event: SupervisionEvent,
        children: &mut Self::State,
    ) -> ActorResult {
        let (cell, what) = match &event {
            SupervisionEvent::ActorStarted(cell) => (cell, "started".to_owned()),
            SupervisionEvent::ActorTerminated(cell, ..) => (cell, "terminated".to_owned()),
            SupervisionEvent::ActorFailed(cell, error) => (cell, format!("failed: {error}")),
            _ => return Ok(()),
        };
        let place = children.iter().position(|it| it.get_id() == cell.get_id());
        note(&self.0, format!("{place:?} {what}"));
        Ok(())
    }
}

fn family(seed: u64, strategy: Strategy) -> (Vec<String>, u64) {
    let log = Log::default();
    let inner = log.clone();
    let run = Sim::new().seed(seed).strategy(strategy).run(move || {
        let log = inner.clone();
        async move {
            let (parent, handle) = Actor::spawn(None, Parent(log), ()).await.unwrap();
            parent.cast(ParentMessage::Spawn).unwrap();
            parent.cast(ParentMessage::StopChildren).unwrap();
            retake::sleep(MS).await;
            assert_eq!(ractor::call!(parent, ParentMessage::Children).unwrap(), 0);
            parent.stop(None);
            handle.await.unwrap();
        }
    });
    assert!(run.passed(), "{run}");
    let log = log.lock().unwrap().clone();
    (log, run.event_hash)
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
    let (seen, heard) = (Log::default(), Log::default());
    let log = seen.clone();
    let sim = Sim::new().scheduler("by label", move |_| {
        Box::new(ByLabel {
            log: log.clone(),
            labels: Vec::new(),
        })
    });
    let log = heard.clone();
    let run = sim.run(move || {
        let log = log.clone();
        async move {
            let mut children = Vec::new();
            for (number, name) in ["c", "a", "b"].into_iter().enumerate() {
                let name = retake::scoped_name(name);
                let child = Child(log.clone(), number as u32);
                children.push(Actor::spawn(Some(name), child, ()).await.unwrap().0);
            }
            retake::sleep(MS).await;
            let log = log.clone();
            let task = retake::spawn_named("a task", async move { note(&log, "task") });
            for child in &children {
                child.cast(ChildMessage::Hello).unwrap();
            }
            task.await.unwrap();
        }
    });
    assert!(run.passed(), "{run}");
    let lines = |log: &Log| log.lock().unwrap().clone();
    let hellos = ["child 1 hello", "child 2 hello", "child 0 hello", "task"];
    assert_eq!(lines(&heard), hellos);
    let tasks = "0: Scenario scenario, 1: Actor c, 2: Actor a, 3: Actor b, 4: Task a task";
    assert_eq!(lines(&seen).join(", "), tasks);
}
