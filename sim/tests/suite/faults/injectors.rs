//! Faults that are chosen while a run takes place.

use std::sync::Arc;
use std::time::Duration;

use retake_sim::explore::{Explorer, shrink, signature};
use retake_sim::{Fault, Injector, RunView, Sim, Strategy, add_injector, inject};
use retake_testkit::{fragile_family, recorded};
use retake_traces::{Record, Schedule};

/// Kills each child once, ten steps after it was seen first.
#[derive(Default)]
struct KillsChildren {
    seen: Vec<(String, u64)>,
}

impl Injector for KillsChildren {
    fn before_step(&mut self, run: &RunView) -> Vec<Fault> {
        for task in run.tasks.iter().filter(|task| task.supervisor.is_some()) {
            if self.seen.iter().all(|(label, _)| *label != task.label) {
                self.seen.push((task.label.clone(), run.step));
            }
        }
        let due = self.seen.iter().filter(|(_, step)| *step + 10 == run.step);
        due.map(|(label, _)| Fault::kill(label)).collect()
    }
}

async fn killed() {
    add_injector(|_| KillsChildren::default());
    fragile_family().await;
}

#[test]
fn what_an_injector_chooses_is_recorded_and_replayed() {
    let run = |strategy: Strategy, seed| {
        let (run, sink) = recorded(Sim::new().seed(seed).strategy(strategy), killed);
        (run, sink.records())
    };
    let mut some = 0;
    for seed in 0..20 {
        let (first, records) = run(Strategy::Random, seed);
        let is_fault = |it: &&Record| matches!(it, Record::Fault(_));
        let count = records.iter().filter(is_fault).count();
        assert_eq!(count as u64, first.stats.faults);
        some += usize::from(count > 0);
        let schedule = Schedule::read(records.iter().cloned().map(Ok)).unwrap();
        for again in [Strategy::Random, Strategy::Replay(Arc::new(schedule))] {
            let (again, replayed) = run(again, seed);
            assert_eq!(again.event_hash, first.event_hash, "{again}");
            assert_eq!(replayed, records);
        }
    }
    assert!(some > 10, "{some}");
}

#[test]
fn a_failure_by_an_injector_is_made_small_and_needs_it_no_more() {
    let campaign = Explorer::new("killed").seeds(0..100).run(killed);
    let failure = &campaign.failures[0];
    let shrunk = shrink(&failure.case, killed, |_| {}).unwrap();
    assert!(shrunk.case.config.only_planned_faults, "{:?}", shrunk.case);
    let [fault] = &shrunk.case.config.faults[..] else {
        panic!("{:?}", shrunk.case);
    };
    assert!(fault.to_string().starts_with("kill child-"), "{fault}");
    // The same without the injector.
    let again = shrunk.case.sim().run(fragile_family);
    assert_eq!(signature(&again.outcome), shrunk.case.signature);
}

#[test]
fn faults_of_a_scenario_are_left_out_where_the_list_is_complete() {
    let run = |is_complete| {
        let sim = Sim::new().only_planned_faults(is_complete);
        sim.run(|| async {
            inject(Fault::delay("scenario", Duration::from_secs(1)));
            retake::sleep(Duration::from_millis(1)).await;
            retake::now()
        })
    };
    assert_eq!(run(false).stats.faults, 1);
    assert_eq!(run(true).stats.faults, 0);
}

#[test]
fn an_injector_sees_each_step_once_and_tasks_with_their_supervisors() {
    #[derive(Clone, Default)]
    struct Looks(Arc<std::sync::Mutex<Vec<RunView>>>);
    impl Injector for Looks {
        fn before_step(&mut self, run: &RunView) -> Vec<Fault> {
            self.0.lock().unwrap().push(run.clone());
            Vec::new()
        }
    }
    let looks = Looks::default();
    let views = Arc::clone(&looks.0);
    let run = Sim::new().run(move || {
        let looks = looks.clone();
        async move {
            add_injector(|_| looks);
            fragile_family().await;
        }
    });
    assert_eq!(run.stats.faults, 0);
    let views = views.lock().unwrap();
    assert!(views.windows(2).all(|two| two[0].step < two[1].step));
    let has_choice = |view: &RunView| view.tasks.iter().any(|it| it.is_runnable);
    assert!(views.iter().all(has_choice));
    let supervised = views.iter().flat_map(|view| &view.tasks);
    let mut supervised = supervised.filter(|task| task.label.starts_with("child-"));
    assert!(supervised.any(|task| task.supervisor.is_some() && task.is_actor));
}
