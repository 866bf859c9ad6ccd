//! Where code panics, and that no panic goes unseen.
#![allow(
    clippy::disallowed_methods,
    reason = "what escapes the gates is under test"
)]

use ractor::Actor;
use retake_inspect::story::lines;
use retake_sim::explore::signature;
use retake_sim::{Outcome, Place, Run, Sim};
use retake_testkit::{MS, Order, child, panicked, recorded, servant, violated};

use super::alone::{alone, is_alone};
use super::blame::Leaf;

fn place(run: &Run<()>) -> &Place {
    match &run.outcome {
        Outcome::Panicked {
            place: Some(place), ..
        } => place,
        _ => panic!("{run}"),
    }
}

/// Run a scenario that passes; what its story says.
fn story<F: Future<Output = ()> + Send + 'static>(scenario: fn() -> F) -> Vec<String> {
    let (run, sink) = recorded(Sim::new().story(true), scenario);
    assert!(run.passed(), "{run}");
    let lines = lines(&sink.records());
    lines.iter().map(|line| line.what()).collect()
}

fn unwrap_nothing() -> u32 {
    let nothing: Option<u32> = std::hint::black_box(None);
    nothing.unwrap()
}

#[test]
fn a_panic_is_reported_with_the_line_of_the_users_code() {
    let line = line!() + 4;
    let run = Sim::new().run(|| async {
        retake::sleep(MS).await;
        let empty: Vec<u32> = Vec::new();
        empty.first().unwrap();
    });
    let at = place(&run);
    assert_eq!((&*at.file, at.line), (file!(), line));
    let headline = run.outcome.to_string();
    let first = format!(
        "panicked: scenario at {}:{line}:{}: called `Option::unwrap()`",
        file!(),
        at.column
    );
    assert!(headline.starts_with(&first), "{headline}");
}

#[test]
fn two_unwraps_have_two_signatures() {
    let of = |which: u32| {
        let run = Sim::new().run(move || async move {
            let nothing: Option<u32> = std::hint::black_box(None);
            match which {
                0 => nothing.unwrap(),
                _ => nothing.unwrap(),
            };
        });
        signature(&run.outcome)
    };
    let (one, other) = (of(0), of(1));
    assert_ne!(one, other);
    assert!(one.contains("(sim/tests/suite/ends/panics.rs:"), "{one}");
    let (_, line) = one.rsplit_once("panics.rs:").unwrap();
    assert!(
        line.trim_end_matches(')').parse::<u32>().is_ok(),
        "no column: {one}"
    );
}

#[test]
fn a_panic_that_a_supervisor_observes_is_in_the_trace_with_its_place_and_fails_nothing() {
    let story = story(|| async {
        let parent = servant("parent").await;
        let child = child("child", &parent).await;
        child.cast(Order::Panic("no more")).unwrap();
        retake::sleep(MS).await;
    });
    let mut panics = story;
    panics.retain(|line| line.starts_with("PANIC"));
    assert_eq!(panics.len(), 1, "{panics:?}");
    let place = "PANIC at sim/testkit/src/servant.rs:";
    assert!(panics[0].starts_with(place), "{panics:?}");
    assert!(panics[0].ends_with(": no more"), "{panics:?}");
}

#[test]
fn a_panic_in_a_task_that_no_gate_guards_fails_the_run() {
    let run = Sim::new().run(|| async {
        tokio::spawn(async {
            unwrap_nothing();
        });
        retake::sleep(MS).await;
    });
    let at = place(&run);
    assert_eq!(at.file, file!());
    assert_eq!(panicked(&run).0, "a task that no gate guards");
    assert!(run.output.is_none());
}

#[test]
fn a_panic_in_a_join_set_fails_the_run() {
    let run = Sim::new().run(|| async {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async {
            tokio::time::sleep(MS).await;
            panic!("in a set")
        });
        let _: Option<Result<(), _>> = tasks.join_next().await;
        retake::sleep(MS).await;
    });
    assert_eq!(panicked(&run).1, "in a set");
    place(&run);
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("in a drop");
        }
    }
}

#[test]
fn a_panic_in_a_drop_has_its_place_within_a_step_and_outside() {
    let within = Sim::new().run(|| async {
        drop(PanicsWhenDropped);
    });
    assert_eq!(place(&within).file, file!());
    let outside = Sim::new().run(|| async {
        let task = retake::spawn_named("holder", async {
            let _held = PanicsWhenDropped;
            std::future::pending::<()>().await;
        });
        retake::sleep(MS).await;
        task.abort();
        retake::sleep(MS).await;
    });
    let Outcome::Panicked {
        task, is_dropped, ..
    } = &outside.outcome
    else {
        panic!("{outside}")
    };
    assert_eq!((&**task, *is_dropped), ("holder", true));
    let shown = outside.outcome.to_string();
    assert!(shown.contains("holder, dropped at an await"), "{shown}");
    place(&outside);
}

#[test]
fn a_panic_that_a_step_catches_is_told_in_the_story() {
    let story = story(|| async {
        let caught = std::panic::catch_unwind(unwrap_nothing);
        assert!(caught.is_err());
    });
    let place = format!("| a panic at {}:", file!());
    let what = "was caught: called `Option::unwrap()`";
    let is_it = |line: &String| line.starts_with(&place) && line.contains(what);
    assert!(story.iter().any(is_it), "{story:#?}");
}

#[test]
fn a_violated_check_ends_its_step() {
    let run = Sim::new().run(|| async {
        let gone = servant("gone").await;
        gone.stop_and_wait(None, None).await.unwrap();
        while ractor::call!(gone, Order::Count).is_err() {
            retake::always!(false, "gone for good");
        }
    });
    assert_eq!(violated(&run).1, "gone for good");
}

#[test]
fn what_a_step_holds_is_dropped_when_a_check_ends_it() {
    static DROPPED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    struct DropCheck;
    impl Drop for DropCheck {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            // Code that unwinds may check as well.
            retake::never!("in a drop");
        }
    }
    let run = Sim::new().run(|| async {
        let _held = DropCheck;
        retake::never!("first");
    });
    assert_eq!(DROPPED.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(violated(&run).1, "first");
}

#[test]
fn a_check_that_a_start_violates_ends_the_step_of_who_starts_it() {
    let run = Sim::new().run(|| async { while Actor::spawn(None, Leaf, false).await.is_err() {} });
    violated(&run);
}

#[test]
fn a_monitor_that_refuses_an_event_ends_the_step() {
    let run = Sim::new()
        .monitor(|| {
            |_: &str, text: &str| match text {
                "wrong" => Err("a wrong event".to_owned()),
                _ => Ok(()),
            }
        })
        .run(|| async {
            loop {
                retake::event!("wrong");
            }
        });
    violated(&run);
}

/// Alone, because the hook is the process's.
#[test]
fn a_test_that_replaces_the_panic_hook_takes_no_place_away() {
    if !is_alone() {
        let child = alone!(a_test_that_replaces_the_panic_hook_takes_no_place_away).output();
        let child = child.unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    let fail = || Sim::new().run(|| async { panic!("again") });
    let before = fail().outcome;
    for _ in 0..3 {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(fail().outcome, before);
        std::panic::set_hook(hook);
        assert_eq!(fail().outcome, before);
    }
}
