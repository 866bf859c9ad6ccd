//! The supervisor does what a model of it does, under random requests and schedules.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;

const IDS: [&str; 4] = ["a", "b", "c", "d"];
const PERIOD: Duration = Duration::from_secs(10);

/// The rules again, as simply as they can be said.
#[derive(Clone, Debug)]
struct Model {
    strategy: Strategy,
    intensity: usize,
    restarts: VecDeque<retake::Instant>,
    /// In the order of starting: id, restart, running.
    children: Vec<(&'static str, Restart, bool)>,
    /// Starts that will fail.
    refuses: BTreeMap<&'static str, u32>,
    log: Vec<String>,
    has_ended: bool,
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
    /// So many of its next starts fail.
    Refuse(&'static str, u32),
    /// Time passes.
    Wait(u64),
}

impl Model {
    fn new(strategy: Strategy, intensity: u32) -> Self {
        Self {
            strategy,
            intensity: intensity as usize,
            restarts: VecDeque::new(),
            children: Vec::new(),
            refuses: BTreeMap::new(),
            log: Vec::new(),
            has_ended: false,
        }
    }

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

    fn start(&mut self, place: usize) -> bool {
        let id = self.children[place].0;
        let refuses = self.refuses.entry(id).or_default();
        let starts = *refuses == 0;
        *refuses = refuses.saturating_sub(1);
        self.children[place].2 = starts;
        let what = if starts { "starts" } else { "refuses" };
        self.log.push(format!("{id} {what}"));
        starts
    }

    fn ended(&mut self, place: usize, abnormal: bool) {
        let (id, restart, running) = &mut self.children[place];
        *running = false;
        match restart {
            Restart::Temporary => drop(self.children.remove(place)),
            Restart::Transient if !abnormal => {}
            _ => {
                // A start that fails is the next restart.
                let mut failed = Some(*id);
                while let Some(id) = failed.filter(|_| !self.has_ended) {
                    failed = self.restart(id);
                }
            }
        }
    }

    /// Gives the child that did not start, if there is one.
    fn restart(&mut self, id: &'static str) -> Option<&'static str> {
        let now = retake::now();
        self.restarts.push_back(now);
        self.restarts.retain(|at| now.duration_since(*at) <= PERIOD);
        if self.restarts.len() > self.intensity {
            for place in (0..self.children.len()).rev() {
                self.stop(place);
            }
            self.has_ended = true;
            return None;
        }
        let place = self.place(id).unwrap();
        let set = match self.strategy {
            Strategy::OneForAll => 0..self.children.len(),
            Strategy::RestForOne => place..self.children.len(),
            Strategy::OneForOne | Strategy::SimpleOneForOne => place..place + 1,
        };
        set.clone().rev().for_each(|place| self.stop(place));
        let rest = self.children.split_off(set.end);
        let set_children = self.children.split_off(set.start);
        let kept = |child: &(&str, Restart, bool)| child.0 == id || child.1 != Restart::Temporary;
        self.children.extend(set_children.into_iter().filter(kept));
        let end = self.children.len();
        self.children.extend(rest);
        let failed = (set.start..end).find(|place| !self.start(*place));
        failed.map(|place| self.children[place].0)
    }

    fn apply(&mut self, operation: Operation) {
        if self.has_ended {
            return;
        }
        match operation {
            Operation::Add(id, restart) => {
                if self.place(id).is_none() {
                    self.children.push((id, restart, false));
                    if !self.start(self.children.len() - 1) {
                        self.children.pop();
                    }
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
            Operation::Refuse(id, times) => drop(self.refuses.insert(id, times)),
            Operation::Wait(_) => {}
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

/// The supervisor and its children, who share a log.
struct Stage {
    supervisor: SupervisorRef,
    all: Family,
    family: BTreeMap<&'static str, Family>,
}

impl Stage {
    async fn new(strategy: Strategy, intensity: u32) -> Self {
        let all = Family::default();
        let spec = all.supervisor(strategy, &[]).intensity(intensity, PERIOD);
        Self {
            supervisor: start(spec).await,
            family: IDS.into_iter().map(|id| (id, all.apart())).collect(),
            all,
        }
    }

    async fn perform(&self, operation: Operation) {
        let supervisor = &self.supervisor;
        let told = |id: &str, message| {
            if let Some(child) = retake::where_is(id) {
                let _ = ActorRef::<ChildMessage>::from(child).cast(message);
            }
        };
        match operation {
            Operation::Add(id, restart) => {
                let child = self.family[id].child(id).restart(restart);
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
            Operation::Refuse(id, times) => self.family[id].refuse(times),
            Operation::Wait(seconds) => retake::sleep(Duration::from_secs(seconds)).await,
        }
    }

    async fn check(&self, model: &mut Model, context: &str) {
        let expected = std::mem::take(&mut model.log).join(", ");
        assert_eq!(self.all.take_log(), expected, "{context}");
        self.check_children(model, context).await;
    }

    async fn check_children(&self, model: &Model, context: &str) {
        let has_ended = status(&self.supervisor) == ActorStatus::Stopped;
        assert_eq!(has_ended, model.has_ended, "{context}");
        if has_ended {
            let orphan = IDS.into_iter().find(|id| retake::where_is(id).is_some());
            assert_eq!(orphan, None, "{context}");
        } else {
            assert_eq!(children(&self.supervisor).await, model.shown(), "{context}");
        }
    }
}

fn id() -> impl Generator<Value = &'static str> {
    prop::sample::select(IDS.to_vec())
}

fn one_restart() -> impl Generator<Value = Restart> {
    use Restart::{Permanent, Temporary, Transient};
    prop::sample::select(vec![Permanent, Transient, Temporary])
}

fn all_added() -> impl Generator<Value = Vec<Operation>> {
    [one_restart(), one_restart(), one_restart(), one_restart()].prop_map(|restarts| {
        let adds = IDS.into_iter().zip(restarts);
        adds.map(|(id, restart)| Operation::Add(id, restart))
            .collect()
    })
}

fn operations() -> impl Generator<Value = Vec<Operation>> {
    let one =
        (0..10, id(), one_restart(), 1..8_u64).prop_map(|(kind, id, restart, number)| match kind {
            0 => Operation::Add(id, restart),
            1 | 2 => Operation::Kill(id),
            3 => Operation::Fail(id),
            4 => Operation::Stop(id),
            5 => Operation::Terminate(id),
            6 => Operation::Restart(id),
            7 => Operation::Delete(id),
            8 => Operation::Refuse(id, number as u32 % 3),
            _ => Operation::Wait(number),
        });
    (all_added(), prop::collection::vec(one, 1..14))
        .prop_map(|(adds, then)| adds.into_iter().chain(then).collect())
}

const SEEDS: u64 = 10;

fn sim(seed: u64) -> Sim {
    Sim::new().seed(seed).isolation(Isolation::Inline)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 350, ..ProptestConfig::default() })]

    /// 350 cases, 3 strategies and 10 schedules each: 10,500 runs. Starts fail, and
    /// restarts may become too many.
    #[test]
    fn the_supervisor_does_what_the_model_does(
        operations in operations(),
        intensity in prop::sample::select(vec![0, 2, 4, 1_000]),
    ) {
        for strategy in STATIC {
            for seed in 0..SEEDS {
                let operations = operations.clone();
                let scenario = move || {
                    let operations = operations.clone();
                    async move {
                        let stage = Stage::new(strategy, intensity).await;
                        let mut model = Model::new(strategy, intensity);
                        for operation in operations {
                            let context = format!("{operation:?}");
                            stage.perform(operation).await;
                            model.apply(operation);
                            settle().await;
                            stage.check(&mut model, &context).await;
                        }
                    }
                };
                let run = sim(seed).run(scenario);
                prop_assert!(run.passed(), "{strategy:?}: {run}");
            }
        }
    }

    /// Children that die at the same time, in whatever order the supervisor hears of
    /// it: in the end those run that would if they had died one after another.
    #[test]
    fn simultaneous_deaths_end_as_if_they_came_one_by_one(
        adds in all_added(),
        deaths in prop::collection::vec(prop::collection::vec(id(), 1..4), 1..4),
    ) {
        for strategy in STATIC {
            for seed in 0..3 {
                let (adds, deaths) = (adds.clone(), deaths.clone());
                let scenario = move || {
                    let (adds, deaths) = (adds.clone(), deaths.clone());
                    async move {
                        let stage = Stage::new(strategy, 1_000).await;
                        let mut model = Model::new(strategy, 1_000);
                        for add in adds {
                            stage.perform(add).await;
                            model.apply(add);
                        }
                        for dying in deaths {
                            for id in &dying {
                                stage.perform(Operation::Kill(id)).await;
                            }
                            for id in &dying {
                                model.apply(Operation::Kill(id));
                            }
                            settle().await;
                            stage.check_children(&model, &format!("{dying:?}")).await;
                        }
                    }
                };
                let run = sim(seed).run(scenario);
                prop_assert!(run.passed(), "{strategy:?}: {run}");
            }
        }
    }
}
