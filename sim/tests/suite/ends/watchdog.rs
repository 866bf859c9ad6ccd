//! A step that does not end is named by who waits for it.
#![allow(
    clippy::disallowed_methods,
    reason = "another thread looks at the simulation"
)]

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use retake_sim::Sim;
use retake_sim::watchdog::{InProgress, in_progress};

use super::alone::{alone, is_alone};

/// Run `scenario` with a signal to continue, and return what is seen in the meantime.
fn seen_in_a_step(seed: u64) -> InProgress {
    static GOES_ON: AtomicBool = AtomicBool::new(false);
    GOES_ON.store(false, Ordering::SeqCst);
    let (begins, begun) = mpsc::channel();
    let run = std::thread::spawn(move || {
        Sim::new().seed(seed).run(move || {
            let begins = begins.clone();
            async move {
                let endless = retake::spawn_named("endless", async move {
                    begins.send(()).unwrap();
                    while !GOES_ON.load(Ordering::SeqCst) {
                        std::hint::spin_loop();
                    }
                });
                endless.await.unwrap();
            }
        })
    });
    begun.recv().unwrap();
    let seen = in_progress().into_iter().find(|it| it.seed == seed);
    GOES_ON.store(true, Ordering::SeqCst);
    run.join().unwrap().expect_passed();
    seen.unwrap()
}

#[test]
fn a_step_that_does_not_end_is_seen_by_other_threads() {
    let seen = seen_in_a_step(4242);
    assert_eq!(seen.to_string(), "in step 2 of `endless`");
    assert_eq!(seen.strategy, "random");
    assert!(!in_progress().iter().any(|it| it.seed == 4242));
}

#[test]
fn who_waits_says_which_step_takes_so_long() {
    if is_alone() {
        let sim = Sim::new().seed(7).step_time(Duration::from_millis(50));
        sim.run(|| async {
            retake::spawn_named("stuck", async {
                loop {
                    std::hint::spin_loop();
                }
            })
            .await
            .unwrap();
        });
        return;
    }
    let mut child = alone!(who_waits_says_which_step_takes_so_long)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let line = errors
        .lines()
        .map(Result::unwrap)
        .find(|line| line.starts_with("retake: "));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        line.as_deref(),
        Some(
            "retake: the simulation has been in step 2 of `stuck` for 0.05 s (seed 7, strategy \
             random); does that code loop without an await, or block the thread?"
        )
    );
}
