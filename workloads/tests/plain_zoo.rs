//! The programs of the zoo as bodies of plain tests, for `cargo retake test`: on tokio as it is,
//! without a `Sim`. There each fixed one passes, and those with their bug fail under some seeds:
//!
//! ```sh
//! cargo retake test -p retake-workloads --test plain_zoo -- --include-ignored
//! ```
//!
//! Under `cargo test` the fixed ones run once, in tokio's order and on the real clock.
#![allow(missing_docs)]

use std::sync::{Arc, Mutex, PoisonError};

use ractor::{ActorCell, registry};
use retake_workloads::zoo;
use tracing::field::Field;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The checks that did not hold: outside of simulations they are events.
#[derive(Clone, Default)]
struct Violations(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Violations {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "retake::violated" {
            let mut violations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            event.record(&mut |_: &Field, value: &dyn std::fmt::Debug| {
                violations.push(format!("{value:?}"));
            });
        }
    }
}

/// The registry of names belongs to the process, and programs have names in common.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Run a program, and end the actors that it has left.
async fn run(name: &str) {
    let _alone = ALONE.lock().await;
    let violations = Violations::default();
    let subscriber = tracing_subscriber::registry().with(violations.clone());
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let program = zoo::find(name).expect("it is one of the zoo");
    (program.run)().await;
    let mut left: Vec<ActorCell> = registry::registered()
        .into_iter()
        .filter_map(registry::where_is)
        .collect();
    left.sort_by_key(ActorCell::get_id);
    for actor in left {
        // One that has ended by itself meanwhile is no error.
        let _ = actor.kill_and_wait(None).await;
    }
    let violations = violations.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(violations.is_empty(), "{violations:?}");
}

macro_rules! tests {
    ($($test:ident $name:literal, $budget:literal, $run:path, $about:literal;)*) => {
        $(mod $test {
            #[tokio::test]
            #[ignore = $about]
            async fn buggy() {
                super::run(concat!("zoo/", $name, "/buggy")).await;
            }

            #[tokio::test]
            async fn fixed() {
                super::run(concat!("zoo/", $name, "/fixed")).await;
            }
        })*
    };
}

retake_workloads::each_program_of_the_zoo!(tests);
