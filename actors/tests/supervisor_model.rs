//! The supervisor does what a model of it does, under random requests and schedules.
#![allow(missing_docs)]

mod family;

use std::time::Duration;

use family::{ChildMessage, Family, children, settle, start};
use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};
use proptest::strategy::Strategy as Generator;
use ractor::ActorRef;
use retake_actors::supervisor::{Restart, Strategy, SupervisorRef};
use retake_sim::{Isolation, Sim};

/// The rules again, as simply as they can be said.
#[derive(Clone, Debug)]
struct Model {
    strategy: Strategy,
    /// In the order of starting: id, restart, running.
    children: Vec<(&'static str, Restart, bool)>,
    log: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Add(&'static str, Restart),
    Kill(&'static str),
    Fail(&'static str),
    Stop(&'static str),
    Terminate(&'static str),
    Restart(&'static str),
    Delete(&'static str),
}

impl Model {
    fn place(&self, id: &str) -> Option<usize> {
        self.children.iter().position(|child| child.0 == id)
    }

    fn running(&self, id: &str) -> Option<usize> {
        self.place(id).filter(|place| self.children[*place].2)
    }

    fn stop(&mut self, place: usize) {
        if std::mem::take(&mut self.children[place].2) {
            self.log.push(format!("{} stops", self.children[place].0));
        }
    }

    fn start(&mut self, place: usize) {
        self.children[place].2 = true;
        self.log.push(format!("{} starts", self.children[place].0));
    }

    fn ended(&mut self, place: usize, abnormal: bool) {
        let (id, restart, running) = &mut self.children[place];
        *running = false;
        match restart {
            Restart::Temporary => drop(self.children.remove(place)),
            Restart::Transient if !abnormal => {}
            _ => {
                let id = *id;
                let first = match self.strategy {
                    Strategy::OneForAll => 0,
                    _ => place,
                };
                if self.strategy != Strategy::OneForOne {
                    for other in (first..self.children.len()).rev() {
                        self.stop(other);
                    }
                    let set = self.children.split_off(first);
                    let kept = |child: &(&str, Restart, bool)| {
                        child.0 == id || child.1 != Restart::Temporary
                    };
                    self.children.extend(set.into_iter().filter(kept));
                    for other in first..self.children.len() {
                        self.start(other);
                    }
                } else {
                    self.start(place);
                }
            }
        }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Add(id, restart) => {
                if self.place(id).is_none() {
                    self.children.push((id, restart, false));
                    self.start(self.children.len() - 1);
                }
            }
            Operation::Kill(id) | Operation::Fail(id) => {
                if let Some(place) = self.running(id) {
                    self.ended(place, true);
                }
            }
            Operation::Stop(id) => {
                if let Some(place) = self.running(id) {
                    self.log.push(format!("{id} stops"));
                    self.ended(place, false);
                }
            }
            Operation::Terminate(id) => {
                if let Some(place) = self.place(id) {
                    self.stop(place);
                    if self.children[place].1 == Restart::Temporary {
                        self.children.remove(place);
                    }
                }
            }
            Operation::Restart(id) => {
                if let Some(place) = self.place(id).filter(|place| !self.children[*place].2) {
                    self.start(place);
                }
            }
            Operation::Delete(id) => {
                if let Some(place) = self.place(id).filter(|place| !self.children[*place].2) {
                    self.children.remove(place);
                }
            }
        }
    }

    fn shown(&self) -> String {
        let shown = self.children.iter().map(|(id, _, running)| match running {
            true => (*id).to_owned(),
            false => format!("({id})"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }
}

async fn perform(supervisor: &SupervisorRef, family: &Family, operation: Operation) {
    let told = |id: &str, message| {
        if let Some(child) = retake::where_is(id) {
            let _ = ActorRef::<ChildMessage>::from(child).cast(message);
        }
    };
    match operation {
        Operation::Add(id, restart) => {
            let child = family.child(id).restart(restart);
            drop(supervisor.start_child(child).await);
        }
        Operation::Kill(id) => {
            if let Some(child) = retake::where_is(id) {
                child.kill();
            }
        }
        Operation::Fail(id) => told(id, ChildMessage::Fail),
        Operation::Stop(id) => told(id, ChildMessage::Stop),
        Operation::Terminate(id) => drop(supervisor.terminate_child(id).await),
        Operation::Restart(id) => drop(supervisor.restart_child(id).await),
        Operation::Delete(id) => drop(supervisor.delete_child(id).await),
    }
    settle().await;
}

const SEEDS: u64 = 10;

fn operations() -> impl Generator<Value = Vec<Operation>> {
    let id = prop::sample::select(vec!["a", "b", "c", "d"]);
    let one = (0..7, id, one_restart()).prop_map(|(kind, id, restart)| match kind {
        0 => Operation::Add(id, restart),
        1 => Operation::Kill(id),
        2 => Operation::Fail(id),
        3 => Operation::Stop(id),
        4 => Operation::Terminate(id),
        5 => Operation::Restart(id),
        _ => Operation::Delete(id),
    });
    let adds = [one_restart(), one_restart(), one_restart(), one_restart()];
    let adds = adds.prop_map(|restarts| {
        let ids = ["a", "b", "c", "d"].into_iter();
        let adds = ids
            .zip(restarts)
            .map(|(id, restart)| Operation::Add(id, restart));
        adds.collect::<Vec<_>>()
    });
    (adds, prop::collection::vec(one, 1..12))
        .prop_map(|(adds, then)| adds.into_iter().chain(then).collect())
}

fn one_restart() -> impl Generator<Value = Restart> {
    prop::sample::select(vec![
        Restart::Permanent,
        Restart::Transient,
        Restart::Temporary,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 350, ..ProptestConfig::default() })]

    /// 350 cases, 3 strategies and 10 schedules each: 10,500 runs.
    #[test]
    fn the_supervisor_does_what_the_model_does(operations in operations()) {
        for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
            for seed in 0..SEEDS {
                let operations = operations.clone();
                let scenario = move || {
                    let operations = operations.clone();
                    async move {
                        let family = Family::default();
                        let spec = family.supervisor(strategy, &[]);
                        let supervisor = start(spec.intensity(1000, Duration::from_secs(1))).await;
                        let mut model = Model { strategy, children: Vec::new(), log: Vec::new() };
                        for operation in operations {
                            perform(&supervisor, &family, operation).await;
                            model.apply(operation);
                            assert_eq!(children(&supervisor).await, model.shown(), "{operation:?}");
                            assert_eq!(family.take_log(), std::mem::take(&mut model.log).join(", "), "{operation:?}");
                        }
                    }
                };
                let run = Sim::new().seed(seed).isolation(Isolation::Inline).run(scenario);
                prop_assert!(run.passed(), "{strategy:?}: {run}");
            }
        }
    }
}
