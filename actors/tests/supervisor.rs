//! The supervisor restarts, gives up and stops as OTP's does.
#![allow(missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus};
use retake_actors::supervisor::{ChildInfo, SupervisorMessage};
use retake_actors::{ChildSpec, Restart, Shutdown, Strategy, Supervisor, SupervisorSpec};
use retake_sim::{Fault, Run, Sim};

type Log = Arc<Mutex<Vec<String>>>;

/// Logs its starts and stops; fails to start while told to.
struct Child {
    id: &'static str,
    log: Log,
    refuses: Arc<Mutex<u32>>,
}

#[derive(Debug)]
enum ChildMessage {
    Stop,
    Hang,
}

impl Child {
    fn note(&self, what: &str) {
        self.log.lock().unwrap().push(format!("{} {what}", self.id));
    }
}

#[retake::simulated]
impl Actor for Child {
    type Msg = ChildMessage;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<ChildMessage>, (): ()) -> Result<(), ActorProcessingErr> {
        let mut refuses = self.refuses.lock().unwrap();
        if *refuses > 0 {
            *refuses -= 1;
            self.note("refuses");
            return Err("not now".into());
        }
        self.note("starts");
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<ChildMessage>,
        message: ChildMessage,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ChildMessage::Stop => myself.stop(None),
            ChildMessage::Hang => retake::sleep(Duration::from_secs(1000)).await,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<ChildMessage>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        self.note("stops");
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Family {
    log: Log,
    refuses: Arc<Mutex<u32>>,
}

impl Family {
    fn child(&self, id: &'static str) -> ChildSpec {
        let (log, refuses) = (self.log.clone(), self.refuses.clone());
        ChildSpec::new(id, move || {
            (
                Child {
                    id,
                    log: log.clone(),
                    refuses: refuses.clone(),
                },
                (),
            )
        })
    }

    fn take_log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(", ")
    }
}

async fn start(spec: SupervisorSpec) -> ActorRef<SupervisorMessage> {
    Actor::spawn(Some(retake::scoped_name("supervisor")), Supervisor, spec)
        .await
        .unwrap()
        .0
}

async fn children(supervisor: &ActorRef<SupervisorMessage>) -> Vec<ChildInfo> {
    ractor::call!(supervisor, SupervisorMessage::WhichChildren).unwrap()
}

async fn settle() {
    retake::sleep(Duration::from_millis(1)).await;
}

fn kill(id: &str) {
    retake::where_is(id).unwrap().kill();
}

fn run<F, Fut>(scenario: F) -> Run<Fut::Output>
where
    F: Fn(Family) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    Sim::new().seed(3).run(move || scenario(Family::default()))
}

#[test]
fn each_strategy_restarts_its_set_in_order() {
    for (strategy, expected) in [
        (Strategy::OneForOne, "b starts"),
        (
            Strategy::OneForAll,
            "c stops, a stops, a starts, b starts, c starts",
        ),
        (Strategy::RestForOne, "c stops, b starts, c starts"),
    ] {
        run(move |family| async move {
            let spec = SupervisorSpec::new(strategy);
            start(
                spec.child(family.child("a"))
                    .child(family.child("b"))
                    .child(family.child("c")),
            )
            .await;
            assert_eq!(family.take_log(), "a starts, b starts, c starts");
            kill("b");
            settle().await;
            assert_eq!(family.take_log(), expected);
        })
        .expect_passed();
    }
}

#[test]
fn stopping_goes_in_reverse_and_a_child_that_hangs_is_killed() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .child(family.child("a"))
            .child(
                family
                    .child("hangs")
                    .shutdown(Shutdown::Timeout(Duration::from_secs(2))),
            )
            .child(family.child("brutal").shutdown(Shutdown::Brutal))
            .child(family.child("d"));
        let supervisor = start(spec).await;
        family.take_log();
        let hanging: ActorRef<ChildMessage> = retake::where_is("hangs").unwrap().into();
        hanging.cast(ChildMessage::Hang).unwrap();
        settle().await;
        let before = retake::now();
        supervisor.stop_and_wait(None, None).await.unwrap();
        assert_eq!(family.take_log(), "d stops, a stops");
        assert_eq!(before.elapsed(), Duration::from_secs(2));
        assert_eq!(hanging.get_status(), ActorStatus::Stopped);
    })
    .expect_passed();
}

#[test]
fn one_restart_too_many_ends_the_supervisor_and_its_children() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne).intensity(2, Duration::from_secs(10));
        let supervisor = start(spec.child(family.child("a")).child(family.child("b"))).await;
        for wait in [6, 6, 1] {
            kill("b");
            retake::sleep(Duration::from_secs(wait)).await;
            assert_eq!(supervisor.get_status(), ActorStatus::Running);
        }
        kill("b");
        settle().await;
        assert_eq!(supervisor.get_status(), ActorStatus::Stopped);
        assert!(family.take_log().ends_with("b starts, a stops"));
        assert!(retake::where_is("a").is_none());
    })
    .expect_passed();
}

#[test]
fn only_what_should_be_restarted_is() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .intensity(10, Duration::from_secs(1))
            .child(family.child("permanent"))
            .child(family.child("transient").restart(Restart::Transient))
            .child(family.child("temporary").restart(Restart::Temporary));
        let supervisor = start(spec).await;
        let stop = |id: &str| {
            ActorRef::<ChildMessage>::from(retake::where_is(id).unwrap())
                .cast(ChildMessage::Stop)
                .unwrap();
        };
        kill("transient");
        settle().await;
        stop("permanent");
        stop("transient");
        kill("temporary");
        settle().await;
        let left: Vec<_> = children(&supervisor)
            .await
            .into_iter()
            .map(|child| (child.id, child.actor.is_some()))
            .collect();
        // A transient child that ended normally keeps its spec, a temporary one does not.
        assert_eq!(
            left,
            [
                ("permanent".to_owned(), true),
                ("transient".to_owned(), false)
            ]
        );
    })
    .expect_passed();
}

#[test]
fn a_restart_that_fails_is_tried_again_and_counts() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne).intensity(3, Duration::from_secs(10));
        let supervisor = start(spec.child(family.child("a"))).await;
        *family.refuses.lock().unwrap() = 2;
        kill("a");
        settle().await;
        assert_eq!(
            family.take_log(),
            "a starts, a refuses, a refuses, a starts"
        );
        *family.refuses.lock().unwrap() = 1;
        kill("a");
        settle().await;
        assert_eq!(
            supervisor.get_status(),
            ActorStatus::Stopped,
            "the fourth restart is one too many"
        );
    })
    .expect_passed();
}

#[test]
fn a_child_that_does_not_start_stops_those_before_it() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .child(family.child("a"))
            .child(ChildSpec::new("b", {
                let log = family.log.clone();
                move || {
                    (
                        Child {
                            id: "b",
                            log: log.clone(),
                            refuses: Arc::new(Mutex::new(1)),
                        },
                        (),
                    )
                }
            }))
            .child(family.child("c"));
        let error = Actor::spawn(None, Supervisor, spec).await.unwrap_err();
        assert!(
            error.to_string().contains("child `b` failed to start"),
            "{error}"
        );
        assert_eq!(family.take_log(), "a starts, b refuses, a stops");
    })
    .expect_passed();
}

#[test]
fn a_spec_with_a_mistake_is_refused() {
    run(|family| async move {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .child(family.child("a"))
            .child(family.child("a"));
        assert!(
            spec.check()
                .unwrap_err()
                .to_string()
                .contains("two children have the id `a`")
        );
        assert!(Actor::spawn(None, Supervisor, spec).await.is_err());
        let spec = SupervisorSpec::new(Strategy::OneForOne).intensity(1, Duration::ZERO);
        assert!(
            spec.check()
                .unwrap_err()
                .to_string()
                .contains("period is zero")
        );
    })
    .expect_passed();
}

#[test]
fn an_injected_panic_is_a_restart_under_every_seed() {
    for seed in 0..50 {
        let run = Sim::new()
            .seed(seed)
            .fault(Fault::panic("b").at(Duration::from_millis(1)))
            .run(|| async {
                let family = Family::default();
                let supervisor = start(
                    SupervisorSpec::new(Strategy::OneForAll)
                        .child(family.child("a"))
                        .child(family.child("b")),
                )
                .await;
                retake::sleep(Duration::from_millis(2)).await;
                let b: ActorRef<ChildMessage> = retake::where_is("b").unwrap().into();
                b.cast(ChildMessage::Hang).unwrap();
                settle().await;
                assert_eq!(
                    family.take_log(),
                    "a starts, b starts, a stops, a starts, b starts"
                );
                supervisor.stop_and_wait(None, None).await.unwrap();
                assert_eq!(family.take_log(), "b stops, a stops");
            });
        assert_eq!(run.stats.faults, 1);
        run.expect_passed();
    }
}
