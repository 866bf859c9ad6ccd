//! Each kind of fault does what it is called, and is in the trace when it does.

use std::time::Duration;

use ractor::{Actor, ActorRef, SupervisionEvent};
use retake_inspect::story::lines;
use retake_sim::{Run, Sim};
use retake_testkit::faulted::{self, each_is_reported_and_changes_nothing, sides};
use retake_testkit::{
    ActorResult, MS, Order, Servant, child, recorded, servant, start, start_below, told, violated,
};
use retake_traces::MemorySink;

fn run<F, Fut>(texts: &[&str], scenario: F) -> (Run<Fut::Output>, MemorySink)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    let sim = Sim::new().seed(1).story(true);
    recorded(sim.faults(faulted::faults(texts)), scenario)
}

fn faults(sink: &MemorySink) -> Vec<String> {
    faulted::injected(&sink.records())
}

/// Keeps one child alive under a name: starts it again whenever it ends.
pub(super) struct Keeper;

#[retake::simulated]
impl Actor for Keeper {
    type Msg = ();
    type State = ();
    type Arguments = u32;

    async fn pre_start(&self, myself: ActorRef<()>, intensity: u32) -> ActorResult {
        if intensity > 0 {
            retake::restart_intensity(&myself, intensity, Duration::from_secs(10));
        }
        start_below(myself.get_cell(), "kept", Servant, ()).await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> ActorResult {
        if let SupervisionEvent::ActorStarted(_) = event {
            return Ok(());
        }
        let kept = || Some(retake::scoped_name("kept"));
        while let Err(error) = myself.spawn_linked(kept(), Servant, ()).await {
            let taken = error.to_string().contains("already registered");
            retake::event!("not restarted, name taken: {taken}");
            retake::sleep(10 * MS).await;
        }
        retake::event!("restarted");
        Ok(())
    }
}

/// A kept child is sent a message every 10 ms.
async fn kept(intensity: u32, notes: u32) {
    let _keeper = start("keeper", Keeper, intensity).await;
    for number in 0..notes {
        if let Some(kept) = retake::where_is("kept") {
            let _ = kept.send_message(Order::Note(number));
        }
        retake::sleep(10 * MS).await;
    }
}

#[test]
fn a_callback_of_any_kind_panics_or_fails_on_demand() {
    for row in [
        "panic kept in post_start @step 1 => its post_start panics",
        "fail kept in handle @15ms => its handler fails",
        "panic kept in handle @15ms => the next handler panics",
    ] {
        let (fault, what) = sides(row);
        let kept_says = match fault.starts_with("panic") {
            true => "PANIC: injected panic",
            false => "| failed: injected failure",
        };
        let (run, sink) = run(&[fault], || kept(0, 5));
        assert!(run.passed(), "{fault}: {run}");
        assert_eq!(faults(&sink), [format!("kept FAULT: {what}")]);
        let has = |who: &str, what: &str| told(&sink, who).iter().any(|it| it == what);
        assert!(has("kept", kept_says), "{fault}");
        assert!(has("keeper", "| restarted"), "{fault}");
    }
}

#[test]
fn a_supervision_handler_and_a_post_stop_go_wrong_on_demand() {
    let texts = ["kill kept @15ms", "fail keeper in supervision @1ms"];
    let (killed, sink) = run(&texts, || kept(0, 5));
    assert!(killed.passed(), "{killed}");
    let fails = "keeper FAULT: its supervision handler fails";
    assert_eq!(faults(&sink), ["kept FAULT: killed", fails]);
    assert!(!told(&sink, "keeper").contains(&"| restarted".to_owned()));
    let texts = ["stop kept @15ms", "panic kept in post_stop @1ms"];
    let (_, sink) = run(&texts, || kept(0, 5));
    let panics = "kept FAULT: its post_stop panics";
    assert_eq!(faults(&sink), ["kept FAULT: ordered to stop", panics]);
}

#[test]
fn a_restart_crashes_or_takes_long() {
    for (row, at) in [
        ("panic kept in pre_start => its pre_start panics", 25),
        ("fail *child in pre_start => its pre_start fails", 25),
        (
            "slow kept in pre_start by 7ms => starts 0.007000000 s late",
            22,
        ),
    ] {
        let (fault, what) = sides(row);
        let (run, sink) = run(&["kill kept @15ms", &format!("{fault} @11ms")], || {
            kept(0, 5)
        });
        assert!(run.passed(), "{fault}: {run}");
        let restart = format!("kept#2 FAULT: {what}");
        assert_eq!(faults(&sink), ["kept FAULT: killed", &restart]);
        let lines = lines(&sink.records());
        let again = lines.iter().find(|line| line.what() == "| restarted");
        assert_eq!(again.unwrap().now_ns, at * 1_000_000, "{fault}");
    }
}

#[test]
fn a_name_stays_taken_after_the_death_of_its_actor() {
    let texts = ["squat kept @14ms until 31ms", "kill kept @15ms"];
    let (run, sink) = run(&texts, || kept(0, 8));
    assert!(run.passed(), "{run}");
    let mut keeper = told(&sink, "keeper");
    keeper.retain(|it| it.contains("restarted"));
    let refused = "| not restarted, name taken: true";
    assert_eq!(keeper, [refused, refused, "| restarted"]);
}

#[test]
fn faults_that_are_drawn_stay_within_what_a_supervisor_stands() {
    let restarts = |target: &str, intensity| {
        let kills = [3, 4, 5, 6].map(|step| format!("kill {target} @step {step}"));
        let kills = kills.each_ref().map(String::as_str);
        let (run, _) = run(&kills, move || kept(intensity, 20));
        assert!(run.passed(), "{run}");
        run.stats.faults
    };
    assert_eq!(restarts("*supervised", 2), 2);
    assert_eq!(restarts("*supervised", 3), 3);
    assert_eq!(restarts("*child", 2), 4);
    // A supervisor that declares no limit survives any number.
    assert_eq!(restarts("*supervised", 0), 4);
}

/// A parent with three children, who sleep when asked to.
async fn three() {
    let parent = servant("parent").await;
    let mut children = Vec::new();
    for name in ["one", "two", "three"] {
        children.push(child(name, &parent).await);
    }
    for _ in 0..5 {
        for child in &children {
            let _ = child.cast(Order::Sleep(4 * MS));
        }
        retake::sleep(10 * MS).await;
    }
}

#[test]
fn siblings_are_killed_together_and_a_kill_may_wait_for_an_await() {
    let (run, sink) = run(&["kill two with 1 sibling @15ms"], three);
    assert!(run.passed(), "{run}");
    assert_eq!(faults(&sink), ["two FAULT: killed", "one FAULT: killed"]);
    let (_, sink) = self::run(&["kill *supervised in await @16ms"], three);
    let [killed] = &faults(&sink)[..] else {
        panic!("{:?}", faults(&sink));
    };
    let (name, _) = killed.split_once(' ').unwrap();
    let told = told(&sink, name).join("; ");
    assert!(told.contains("handles Sleep(4ms); FAULT: killed"), "{told}");
    let (_, sink) = self::run(&["kill t* @15ms"], three);
    assert_eq!(faults(&sink), ["two FAULT: killed", "three FAULT: killed"]);
}

#[test]
fn a_stop_leaves_the_backlog_and_a_drain_does_not() {
    let handled = |fault: &str| {
        let (run, sink) = run(&[fault], || async {
            let parent = servant("parent").await;
            let one = child("one", &parent).await;
            for _ in 0..4 {
                one.cast(Order::Sleep(10 * MS)).unwrap();
            }
            retake::sleep(100 * MS).await;
        });
        assert!(run.passed(), "{run}");
        let told = told(&sink, "one");
        told.iter().filter(|it| it.starts_with("handles")).count()
    };
    assert_eq!(handled("stop one @15ms"), 2);
    assert_eq!(handled("drain one @15ms"), 4);
}

#[test]
fn a_lost_message_drops_its_reply_port_and_its_actor_lives_on() {
    let (run, sink) = run(&["lose one @step 1"], || async {
        let one = servant("one").await;
        let first = one.call(Order::Count, None).await.unwrap();
        let second = ractor::call!(one, Order::Count).unwrap();
        (first.is_success(), second)
    });
    assert_eq!(run.expect_passed(), (false, 1));
    assert_eq!(faults(&sink), ["one FAULT: its message is lost"]);
}

#[test]
fn a_slow_actor_takes_its_time_for_each_step() {
    let times = |faults: &[&str]| {
        let (run, _) = run(faults, || async {
            let one = servant("one").await;
            for _ in 0..3 {
                ractor::call!(one, Order::Count).unwrap();
            }
            retake::now().as_nanos() / 1_000_000
        });
        run.expect_passed()
    };
    assert_eq!(times(&[]), 0);
    assert_eq!(times(&["slow one by 5ms @step 1 until 10s"]), 15);
    assert_eq!(times(&["slow one by 5ms @step 1 until 7ms"]), 10);
}

#[test]
fn in_a_pause_nothing_runs_and_ticks_pile_up() {
    let (run, sink) = run(&["pause @25ms until 65ms"], || async {
        let one = servant("one").await;
        let ticks = ractor::time::send_interval(10 * MS, one.get_cell(), || Order::Note(7));
        retake::sleep(100 * MS).await;
        ticks.abort();
    });
    assert!(run.passed(), "{run}");
    assert_eq!(faults(&sink), ["FAULT: nothing runs until 0.065000000 s"]);
    let lines = lines(&sink.records());
    let at: Vec<u64> = lines
        .iter()
        .filter(|line| &*line.who == "one" && line.what().starts_with("handles"))
        .map(|line| line.now_ns / 1_000_000)
        .collect();
    assert_eq!(at[..2], [10, 20]);
    assert_eq!(at.iter().filter(|at| **at == 65).count(), 4, "{at:?}");
    assert!(!at.iter().any(|at| (25..65).contains(at)), "{at:?}");
}

#[test]
fn timers_fire_late_or_together() {
    let wakes = |faults: &[&str]| {
        let (run, _) = run(faults, || async {
            let mut at = Vec::new();
            for _ in 0..5 {
                retake::sleep(3 * MS).await;
                at.push(retake::now().as_nanos());
            }
            at
        });
        run.expect_passed()
    };
    let gaps = |at: &[u64]| -> Vec<u64> { at.windows(2).map(|two| two[1] - two[0]).collect() };
    let late = gaps(&wakes(&["late by 2ms @step 1 until 1s"]));
    assert!(
        late.iter().all(|gap| (3_000_000..=5_000_000).contains(gap)),
        "{late:?}"
    );
    assert!(late.iter().any(|gap| *gap != late[0]), "{late:?}");
    let together = wakes(&["coalesce by 10ms @step 1 until 1s"]);
    assert!(
        together.iter().all(|at| at.is_multiple_of(10_000_000)),
        "{together:?}"
    );
}

#[test]
fn the_wall_clock_goes_wrong_and_the_monotonic_one_does_not() {
    let seconds = |fault: &str| {
        let (run, _) = run(&[fault], || async {
            let mut read = Vec::new();
            for _ in 0..4 {
                retake::sleep(Duration::from_secs(10)).await;
                let wall = retake::unix_time() - retake::SIMULATED_UNIX_START;
                let now = Duration::from_nanos(retake::now().as_nanos());
                let ahead = (wall.as_secs_f64() - now.as_secs_f64()) * 10.0;
                read.push(ahead.round() as i64);
            }
            read
        });
        run.expect_passed()
    };
    // In tenths of a second, at 10, 20, 30 and 40 s.
    assert_eq!(seconds("clock +5s @15s"), [0, 50, 50, 50]);
    assert_eq!(seconds("clock -5s @15s until 25s"), [0, -50, 0, 0]);
    assert_eq!(seconds("clock drift +100ms @10s"), [0, 10, 20, 30]);
    assert_eq!(seconds("clock wave 2s per 40s @10s"), [0, 20, 0, -20]);
}

#[test]
fn a_load_is_made_larger() {
    let (run, sink) = run(&["load x3 @step 1"], || async { retake::workload(20) });
    assert_eq!(run.expect_passed(), 60);
    assert_eq!(faults(&sink), ["FAULT: 3 times the load"]);
}

#[test]
fn a_marked_place_misbehaves_where_it_is_asked_to_and_the_trace_names_it() {
    let (run, sink) = run(&["point the door jams @step 2"], || async {
        let mut jams = Vec::new();
        for _ in 0..4 {
            jams.push(retake::buggify!("the door jams"));
            retake::sleep(MS).await;
        }
        jams
    });
    assert_eq!(run.expect_passed(), [false, true, false, false]);
    let jams = "scenario FAULT: misbehaves at the door jams";
    assert_eq!(faults(&sink), [jams]);
}

#[test]
fn marked_places_misbehave_now_and_then_from_when_it_is_asked_for_to_the_heal() {
    let run_of = |seed| {
        let faults = faulted::faults(&["buggify @500ms", "heal @1500ms"]);
        let sim = Sim::new().seed(seed).faults(faults);
        let run = sim.run(|| async {
            let mut jams = Vec::new();
            for _ in 0..200 {
                retake::sleep(10 * MS).await;
                if retake::buggify!("the door jams") {
                    jams.push(retake::now().as_nanos() / 1_000_000);
                }
            }
            jams
        });
        run.expect_passed()
    };
    let runs: Vec<_> = (0..20).map(run_of).collect();
    assert!(runs.iter().any(|jams| jams.len() > 10), "{runs:?}");
    let all = || runs.iter().flatten();
    assert!(all().all(|at| (500..=1500).contains(at)), "{runs:?}");
    assert_eq!(run_of(3), runs[3]);
}

#[test]
fn after_the_heal_nothing_lasts_and_nothing_strikes() {
    let texts = [
        "delay one @step 1 until 100s",
        "clock +5s @step 1",
        "kill one @2s",
        "heal @1s within 10s",
    ];
    let (run, sink) = run(&texts, || async {
        let one = servant("one").await;
        let asked = ractor::call!(one, Order::Count).unwrap();
        retake::healed().await;
        retake::sleep(Duration::from_secs(3)).await;
        let wall = retake::unix_time() - retake::SIMULATED_UNIX_START;
        let is_alive = one.get_status() == ractor::ActorStatus::Running;
        (asked, wall.as_secs(), is_alive)
    });
    assert_eq!(run.stats.faults, 2);
    assert_eq!(run.warnings, Vec::<String>::new());
    assert_eq!(run.expect_passed(), (1, 4, true));
    assert_eq!(faults(&sink).len(), 3);
}

#[test]
fn what_is_not_live_after_the_heal_fails() {
    let (run, _) = run(&["heal @1s within 5s"], || async {
        retake::healed().await;
        retake::sleep(Duration::from_secs(6)).await;
    });
    let what = "not live: it has not returned within 5s after the last fault";
    assert_eq!(violated(&run).1, what);
}

#[test]
fn chaos_ends_where_nothing_can_run_but_for_its_end() {
    let (run, _) = run(&["heal @step 1000"], || async {
        retake::healed().await;
        retake::now().as_nanos()
    });
    assert_eq!(run.expect_passed(), 0);
    // Without planned faults it does not wait.
    let (run, _) = self::run(&[], || async { retake::healed().await });
    assert!(run.passed());
}

/// Has all numbers that it was sent; the orders of others cannot be cloned.
struct Numbers;

#[retake::simulated]
impl Actor for Numbers {
    type Msg = u32;
    type State = Vec<u32>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<u32>, (): ()) -> ActorResult<Vec<u32>> {
        Ok(Vec::new())
    }

    async fn handle(&self, _: ActorRef<u32>, number: u32, numbers: &mut Vec<u32>) -> ActorResult {
        numbers.push(number);
        retake::event!("{numbers:?}");
        Ok(())
    }
}

pub(super) async fn numbers() -> ActorRef<u32> {
    start("numbers", Numbers, ()).await
}

#[test]
fn a_message_that_can_be_cloned_is_sent_once_more() {
    let (run, sink) = run(&["duplicate numbers @step 1"], || async {
        let numbers = numbers().await;
        for number in 1..=3 {
            numbers.cast(number).unwrap();
        }
        retake::sleep(MS).await;
    });
    assert_eq!(run.stats.faults, 1);
    assert!(run.passed() && run.warnings.is_empty(), "{run}");
    let is = "numbers FAULT: its message is sent once more";
    assert_eq!(faults(&sink), [is]);
    // Behind those that it has already, as from a sender that repeats what it has sent.
    let last = told(&sink, "numbers").pop().unwrap();
    assert_eq!(last, "| [1, 2, 3, 1]");
}

#[test]
fn a_place_that_is_not_reached_is_a_warning_with_the_names_that_are_near() {
    let cases = [
        "point the dor jams @step 1 => no marked place of this name was reached: did you mean \
         `the door jams`?",
        "point the door jams @5s => that place was not reached from then on",
    ];
    each_is_reported_and_changes_nothing(&cases, || async { retake::buggify!("the door jams") });
}

#[test]
fn a_message_that_cannot_be_cloned_is_sent_once() {
    let case = "duplicate one @step 1 => the messages of this actor cannot be cloned: derive \
                `Clone` for their type";
    each_is_reported_and_changes_nothing(&[case], || async {
        let one = servant("one").await;
        for number in 0..2 {
            one.cast(Order::Note(number)).unwrap();
        }
        assert_eq!(ractor::call!(one, Order::Count).unwrap(), 3);
    });
}
