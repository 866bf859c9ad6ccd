//! Campaigns find failures, make them small and say why.

use std::time::Duration;

use rand_core::Rng as _;
use retake_sim::explore::{Case, Explorer, Search, ShrinkError, explain, shrink};
use retake_sim::{Fault, FaultPlan, Sim};
use retake_testkit::faulted::faults;
use retake_testkit::{MS, fragile_family, join, lonely_actor, servant};

use super::{found, shrunk};

/// Two tasks read a number, wait, and write it back increased: an update may be lost.
async fn lost_update() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let number = std::sync::Arc::new(AtomicU32::new(0));
    let rounds = retake::workload(8);
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let number = number.clone();
            retake::spawn_named("adder", async move {
                for _ in 0..rounds {
                    let read = number.load(Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    number.store(read + 1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    join(tasks).await;
    let (found, expected) = (number.load(Ordering::Relaxed), 2 * rounds);
    retake::always!(found == expected, "{found} of {expected}");
}

/// Fails only if the late task takes its step before all others of it.
pub(super) async fn race() {
    let (send, receive) = std::sync::mpsc::channel();
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let send = send.clone();
            retake::spawn_named("racer", async move { send.send(number).unwrap() })
        })
        .collect();
    join(tasks).await;
    let order: Vec<i32> = receive.try_iter().collect();
    retake::always!(order[0] != 5, "the last is first");
}

#[test]
fn a_campaign_is_the_same_with_any_number_of_jobs() {
    let whole = Explorer::new("race").seeds(0..300).keep_going(true);
    for explorer in [whole, Explorer::new("race")] {
        let campaign = |jobs| {
            let campaign = explorer.clone().jobs(jobs).run(race);
            serde_json::to_string(&campaign).unwrap()
        };
        let one = campaign(1);
        assert_eq!(one, campaign(1));
        assert_eq!(one, campaign(3));
    }
}

#[test]
fn failures_are_grouped_and_the_smallest_story_is_told_with_its_reason() {
    let explorer = Explorer::new("race").seeds(0..200).keep_going(true);
    let campaign = explorer.run(race);
    assert_eq!(campaign.runs, 200);
    assert_eq!(campaign.failures.len(), 1);
    let failure = &campaign.failures[0];
    assert!(failure.count > 5 && failure.seeds[0] == failure.case.config.seed);
    let signature = "violated: scenario: the last is first";
    assert_eq!(failure.case.signature, signature);
    let small = shrunk(&failure.case, race);
    assert!(small.holds().len() <= 5, "{small:?}");
    assert_eq!(small, shrunk(&failure.case, race));
    let why = explain(&small, race);
    let changes = why.sentences();
    assert!(!changes.is_empty(), "{why}");
    for change in &changes {
        assert!(change.starts_with("passes if `racer"), "{change}");
    }
    let last = " before `racer#6` begins";
    assert!(changes.iter().any(|change| change.contains(last)), "{why}");
    let diagram = "sequenceDiagram\n  participant p0 as ";
    assert!(why.to_mermaid().starts_with(diagram));
}

#[test]
fn a_load_is_made_small_too() {
    let case = found(&Explorer::new("lost update"), lost_update);
    assert_eq!(case.signature, "violated: scenario: # of #");
    let small = shrunk(&case, lost_update);
    let limit = "load at most 1 @step 1".parse().unwrap();
    assert_eq!(small.config.faults, [limit]);
    assert!(small.steps < case.steps, "{small:?}");
    let why = explain(&small, lost_update).to_string();
    let plain = "it fails first in, first out, without any fault\n";
    assert!(small.size() > 0 || why.contains(plain), "{why}");
}

#[test]
fn a_case_that_does_not_fail_as_it_did_is_not_shrunk() {
    let case = found(&Explorer::new("race"), race);
    let fixed = shrink(&case, || async {}, |_| {});
    assert!(matches!(fixed, Err(ShrinkError::Passes)));
    let other = shrink(&case, || async { retake::never!("another thing") }, |_| {});
    assert!(matches!(other, Err(ShrinkError::Otherwise { .. })));
}

#[test]
fn each_strategy_has_its_share_of_a_mix() {
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..1000 {
        let strategy = Search::Mix.strategy(seed, 500).to_string();
        let name = strategy.split(':').next().unwrap().to_owned();
        *counts.entry(name).or_insert(0) += 1;
    }
    let share = |name: &str| counts[name] as f64 / 10.0;
    let shares = [
        ("random", 40.0),
        ("pct", 30.0),
        ("pos", 20.0),
        ("starve", 10.0),
    ];
    for (name, percent) in shares {
        assert!((share(name) - percent).abs() < 6.0, "{counts:?}");
    }
    for text in ["mix", "pos", "starve:steps=7"] {
        assert_eq!(text.parse::<Search>().unwrap().to_string(), text);
    }
}

#[test]
fn a_run_that_differs_from_itself_is_found_out() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let leaks = || async {
        // A static that survives the run.
        let runs = RUNS.fetch_add(1, Ordering::Relaxed);
        for _ in 0..runs % 3 {
            retake::sleep(MS).await;
        }
    };
    let explorer = Explorer::new("leaks").seeds(0..20).check_determinism(1.0);
    let case = found(&explorer, leaks);
    assert_eq!(case.signature, "not deterministic");
    for part in ["event hashes", "first divergence at step", "another run:"] {
        assert!(case.outcome.contains(part), "{}", case.outcome);
    }
    let explorer = Explorer::new("race").seeds(0..20).check_determinism(1.0);
    let campaign = explorer.keep_going(true).run(race);
    let mut found = campaign.failures.iter();
    assert!(found.all(|it| it.case.signature != "not deterministic"));
}

#[test]
fn a_message_that_is_lost_while_its_actor_lives_is_found_out() {
    // A span taken and dropped by hand looks like such a message.
    let loses = || async {
        let _alone = servant("alone").await;
        let span = tracing::Span::current();
        retake::sleep(MS).await;
        drop(span);
        retake::sleep(MS).await;
    };
    let explorer = Explorer::new("loses").seeds(0..1).check_determinism(1.0);
    let found = found(&explorer, loses);
    let signature = "violated: messages: # of # messages were lost, the first one sent by step #";
    assert_eq!(found.signature, signature);
    assert!(found.outcome.contains("1 of 1 messages were lost"));
    // Nor does it pass when it is run again.
    assert!(!found.sim().run(loses).passed());
    shrunk(&found, loses);
}

/// Starts a thread, and fails where the later of two tasks comes first.
#[allow(clippy::disallowed_methods, reason = "threads are tested")]
async fn with_a_thread() {
    let one = std::thread::spawn(|| 1).join().unwrap();
    let tasks = [one, 2].map(|number| {
        retake::spawn(async move {
            retake::sleep(MS).await;
            number
        })
    });
    let [one, two] = tasks;
    let first = tokio::select! {
        biased;
        number = one => number.unwrap(),
        number = two => number.unwrap(),
    };
    assert_eq!(first, 1, "the second came first");
}

#[test]
fn a_case_keeps_that_its_runs_may_start_threads() {
    let explorer = Explorer::new("threads").seeds(0..40).allow_threads(true);
    let case = found(&explorer, with_a_thread);
    let what = "the second came first";
    assert!(case.signature.contains(what), "{case:?}");
    let read: Case = serde_json::from_str(&serde_json::to_string(&case).unwrap()).unwrap();
    assert_eq!(read.sim().run(with_a_thread).outcome.name(), "panicked");
    if retake_sim::interpose::sees_threads() {
        // Without it, the thread is what fails.
        let refused = found(&Explorer::new("threads").seeds(0..1), with_a_thread);
        assert!(!refused.signature.contains(what), "{refused:?}");
    }
}

#[test]
fn what_is_random_where_nothing_is_interposed_is_found_out() {
    if retake_sim::interpose::is_active() {
        // Then it is part of the seed.
        return;
    }
    #[allow(clippy::disallowed_types, reason = "its order is planted")]
    fn order() -> u64 {
        let map: std::collections::HashMap<u64, ()> = (0..50).map(|key| (key, ())).collect();
        map.into_keys().next().unwrap_or_default()
    }
    fn clock() -> u64 {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::from(since.subsec_nanos())
    }
    for planted in [order, clock] {
        let explorer = Explorer::new("planted").seeds(0..20).check_determinism(1.0);
        let case = found(&explorer, move || async move {
            for _ in 0..planted() % 7 {
                retake::sleep(MS).await;
            }
        });
        assert_eq!(case.signature, "not deterministic");
    }
}

#[test]
fn goals_that_no_run_reached_are_told() {
    let campaign = Explorer::new("goals").seeds(0..50).run(|| async {
        retake::sometimes!(retake::rng().next_u32().is_multiple_of(2), "heads");
        retake::sometimes!(false, "the edge");
    });
    assert!((5..45).contains(&campaign.goals["heads"]));
    assert_eq!(campaign.missed_goals(), ["the edge"]);
}

#[test]
fn a_swarm_kills_what_is_supervised_and_its_faults_are_made_explicit() {
    let swarm = |name: &str| Explorer::new(name).faults(FaultPlan::swarm());
    let case = found(&swarm("family").seeds(0..300), fragile_family);
    assert!(case.signature.contains("a child was lost"), "{case:?}");
    let small = shrunk(&case, fragile_family);
    let [fault, heal] = &small.config.faults[..] else {
        panic!("{small:?}");
    };
    assert!(heal.heals() && small.harmful_faults() == 1);
    assert!(fault.to_string().contains(" child"), "{fault}");
    let why = explain(&small, fragile_family);
    let sentences = why.sentences().join("; ");
    assert!(sentences.contains("passes without the fault `"), "{why}");
    // No fault is injected into a task without a supervisor.
    let alone = swarm("alone").seeds(0..200).run(lonely_actor);
    assert_eq!(alone.failures.len(), 0);
    let kill = Sim::new().fault(Fault::kill("alone").at_step(3));
    assert!(!kill.run(lonely_actor).passed());
}

/// A task counts to three, and has done so when all is healed.
async fn count_to_three() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let counted = std::sync::Arc::new(AtomicU32::new(0));
    let task = {
        let counted = counted.clone();
        retake::spawn_named("counter", async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    retake::sleep(Duration::from_secs(1)).await;
    let forgotten = u32::from(retake::buggify!("a count is forgotten"));
    retake::healed().await;
    let _ = tokio::time::timeout(Duration::from_secs(1), task).await;
    let counted = counted.load(Ordering::Relaxed) - forgotten.min(counted.load(Ordering::Relaxed));
    retake::always!(counted == 3, "{counted} of 3");
}

#[test]
fn a_shrunk_case_waits_for_its_heal_as_the_whole_one_did() {
    let point = "point a count is forgotten @500ms";
    let delay = "delay counter @step 3 until 100s";
    let heal = "heal @50s";
    let explorer = |texts: &[&str]| {
        let plan = FaultPlan {
            faults: faults(texts),
            swarm: None,
        };
        Explorer::new("count").seeds(0..1).faults(plan)
    };
    let waits = explorer(&[delay, heal]).run(count_to_three);
    assert!(waits.passed(), "it waits for the heal");
    let case = found(&explorer(&[delay, point, heal]), count_to_three);
    let small = shrunk(&case, count_to_three);
    // Without the heal the delay alone would do, which is another story.
    let faults = &small.config.faults;
    assert!(faults.iter().any(Fault::heals), "{faults:?}");
    let why = explain(&small, count_to_three).to_string();
    assert!(why.contains("passes without the fault `point"), "{why}");
    assert!(!why.contains("passes without the fault `heal"), "{why}");
}

/// A client that asks in vain for long.
async fn waits_in_vain() {
    let is_lost = std::sync::Arc::new(std::sync::Mutex::new(false));
    let gives_up = is_lost.clone();
    let tasks = [
        retake::spawn_named("first", async move { *is_lost.lock().unwrap() = true }),
        retake::spawn_named("asker", async move {
            let was_lost = *gives_up.lock().unwrap();
            for _ in 0..100 {
                retake::sleep(MS).await;
            }
            retake::always!(was_lost, "an answer that never comes");
        }),
    ];
    join(tasks).await;
}

#[test]
fn a_long_story_tells_its_beginning_its_end_and_what_decides() {
    let case = found(&Explorer::new("vain").seeds(0..100), waits_in_vain);
    let why = explain(&shrunk(&case, waits_in_vain), waits_in_vain);
    let text = why.to_string();
    for part in [
        "passes if `first` begins",
        "scenario               begins",
        "first                  begins",
        "asker                  begins",
        "violated: an answer that never comes",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(why.lines().len() <= 40, "{text}");
    assert!(text.contains("(98 more times until 0.099 s"), "{text}");
}
