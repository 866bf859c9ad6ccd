//! Injected faults strike once, where and when they were asked for, and are in the trace.

use std::time::Duration;

use ractor::ActorStatus;
use retake_sim::{Fault, Outcome, Run, Sim, inject};
use retake_testkit::{MS, Order, child, recorded, servant, tell, told};
use retake_traces::MemorySink;
use retake_traces::fault::{Action, kinds};
use retake_traces::record::Record;

fn faults(sink: &MemorySink) -> Vec<Action> {
    sink.records()
        .iter()
        .filter_map(|record| match record {
            Record::Fault(fault) => Some(fault.action.clone()),
            _ => None,
        })
        .collect()
}

/// A parent with two children that are sent messages, one of them faulty.
fn family(fault: Fault) -> (Run<()>, MemorySink) {
    recorded(Sim::new().seed(1).story(true).fault(fault), || async {
        let parent = servant("parent").await;
        let (one, two) = (child("one", &parent).await, child("two", &parent).await);
        for number in 0..5 {
            // A child that is gone hears nothing.
            tell(&one, Order::Note(number));
            tell(&two, Order::Sleep(4 * MS));
            retake::sleep(10 * MS).await;
        }
    })
}

#[test]
fn a_kill_drops_the_handler_at_its_await() {
    // Two milliseconds into the third sleep.
    let (run, sink) = family(Fault::kill("two").at(22 * MS));
    assert!(run.passed(), "{run}");
    assert_eq!(faults(&sink), [kinds::Kill { awaiting: false }.into()]);
    insta::assert_snapshot!(told(&sink, "two").join("\n"), @r"
    new actor, by scenario
    started
    handles Sleep(4ms)
    resumes
    handles Sleep(4ms)
    resumes
    handles Sleep(4ms)
    FAULT: killed
    ENDS: killed
    ");
    assert!(told(&sink, "parent").contains(&"supervises ActorTerminated(two, killed)".to_owned()));
}

#[test]
fn a_kill_at_a_step_strikes_just_before_that_step_is_chosen() {
    let (run, sink) = family(Fault::kill("one").at_step(8));
    assert!(run.passed(), "{run}");
    let records = sink.records();
    let before = records
        .iter()
        .take_while(|it| !matches!(it, Record::Fault(_)));
    let steps = before.filter(|it| matches!(it, Record::Step(_)));
    assert_eq!((steps.count(), faults(&sink).len()), (7, 1));
}

#[test]
fn a_panic_strikes_the_next_handler_and_the_supervisor_hears_of_it() {
    let (run, sink) = family(Fault::panic("one").at(15 * MS));
    assert!(run.passed(), "{run}");
    assert_eq!(faults(&sink), [kinds::Panic::default().into()]);
    let one = told(&sink, "one");
    assert!(
        one.contains(&"handles Note(2)".to_owned()) && !one.contains(&"| noted 2".to_owned()),
        "{one:?}"
    );
    assert!(one.contains(&"PANIC: injected panic".to_owned()), "{one:?}");
    let hears = |line: &String| line.starts_with("supervises ActorFailed(one, ");
    assert!(told(&sink, "parent").iter().any(hears));
}

#[test]
fn a_panic_in_an_actor_without_a_supervisor_fails_the_run() {
    let run = Sim::new()
        .fault(Fault::panic("alone").at(MS))
        .run(|| async {
            let alone = servant("alone").await;
            retake::sleep(2 * MS).await;
            alone.cast(Order::Note(1)).unwrap();
            retake::sleep(2 * MS).await;
        });
    assert_eq!(
        run.outcome,
        Outcome::Panicked {
            task: "alone".to_owned(),
            is_dropped: false,
            message: "injected panic".to_owned(),
            place: None,
        }
    );
}

#[test]
fn a_delayed_actor_handles_its_messages_when_the_delay_is_over() {
    let run = Sim::new()
        .fault(Fault::delay("slow", 50 * MS).at(10 * MS))
        .run(|| async {
            let slow = servant("slow").await;
            assert_eq!(ractor::call!(slow, Order::Count).unwrap(), 1);
            retake::sleep(20 * MS).await;
            slow.cast(Order::Note(1)).unwrap();
            let count = ractor::call!(slow, Order::Count).unwrap();
            assert_eq!((count, retake::now().as_nanos()), (3, 50_000_000));
        });
    assert_eq!(run.stats.faults, 1);
    run.expect_passed();
}

#[test]
fn a_star_strikes_whoever_is_about_to_run() {
    let (run, sink) = family(Fault::delay("*", 100 * MS).at_step(12));
    let until_ns = 100_000_000;
    assert_eq!(faults(&sink), [kinds::Delay { until_ns }.into()]);
    assert!(run.passed(), "{run}");
}

#[test]
fn a_fault_without_a_target_is_a_warning_with_the_names_that_are_near() {
    let meant = |name: &str| format!("the run has no task of this name: did you mean `{name}`?");
    let all = "the run has no task of this name: there is `one`, `parent`, `scenario`, `two`";
    for (name, why) in [
        ("twoo", &*meant("two")),
        ("two#3", &*meant("two")),
        ("parnt*", &*meant("parent")),
        ("xyz", all),
        ("scenario", "no such actor was alive then"),
    ] {
        let (run, sink) = family(Fault::kill(name).at(MS));
        assert!(run.passed() && faults(&sink).is_empty());
        let warning = format!("fault `kill {name} @1ms` was not injected: {why}");
        assert_eq!(run.warnings, [warning]);
    }
}

#[test]
fn a_label_without_a_number_means_the_incarnation_that_is_alive() {
    let run = Sim::new().run(|| async {
        let parent = servant("parent").await;
        let first = child("x", &parent).await;
        first.stop_and_wait(None, None).await.unwrap();
        let second = child("x", &parent).await;
        inject(Fault::kill("x").at(5 * MS));
        retake::sleep(10 * MS).await;
        assert_eq!(second.get_status(), ActorStatus::Stopped);
        let third = child("x", &parent).await;
        inject(Fault::kill("x#2").at(15 * MS));
        retake::sleep(10 * MS).await;
        assert_eq!(third.get_status(), ActorStatus::Running);
        inject(Fault::kill("x#3").at(25 * MS));
        retake::sleep(10 * MS).await;
        assert_eq!(third.get_status(), ActorStatus::Stopped);
    });
    assert_eq!(run.stats.faults, 2);
    let mut warnings = run.warnings.iter();
    assert!(warnings.any(|it| it.contains("kill x#2 @15ms")), "{run}");
    run.expect_passed();
}

#[test]
fn the_same_faults_give_the_same_run_and_others_another() {
    let hash = |fault: &str| family(fault.parse().unwrap()).0.event_hash;
    assert_eq!(hash("kill two @22ms"), hash("kill two @22ms"));
    assert_ne!(hash("kill two @22ms"), hash("kill two @23ms"));
}

#[test]
fn a_fault_in_the_past_strikes_at_once() {
    let run = Sim::new().run(|| async {
        retake::sleep(Duration::from_secs(1)).await;
        let servant = servant("late").await;
        inject(Fault::kill("late").at(MS));
        retake::sleep(MS).await;
        assert_eq!(servant.get_status(), ActorStatus::Stopped);
    });
    run.expect_passed();
}
