//! Campaigns find failures, make them small and say why.

use std::time::Duration;

use retake_sim::explore::Returned;
use retake_sim::explore::test_runner::Test;
use retake_sim::explore::{Case, Explorer, Search, ShrinkError, explain, shrink, signature};
use retake_sim::{Fault, FaultPlan, Strategy};

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
    for task in tasks {
        task.await.unwrap();
    }
    let (found, expected) = (number.load(Ordering::Relaxed), 2 * rounds);
    retake::always!(found == expected, "{found} of {expected}");
}

/// Fails only if the late task takes its step before all others of it.
async fn race() {
    let (send, receive) = std::sync::mpsc::channel();
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let send = send.clone();
            retake::spawn_named("racer", async move { send.send(number).unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let order: Vec<i32> = receive.try_iter().collect();
    retake::always!(order[0] != 5, "the last is first");
}

#[test]
fn a_campaign_is_the_same_with_any_number_of_jobs() {
    let campaign = |jobs| {
        let campaign = Explorer::new("race").seeds(0..300).jobs(jobs);
        let campaign = campaign.keep_going(true).run(race);
        serde_json::to_string(&campaign).unwrap()
    };
    let one = campaign(1);
    assert_eq!(one, campaign(1));
    assert_eq!(one, campaign(3));
    let first = |jobs| {
        let campaign = Explorer::new("race").jobs(jobs).run(race);
        serde_json::to_string(&campaign).unwrap()
    };
    assert_eq!(first(1), first(3));
}

#[test]
fn failures_are_grouped_and_the_smallest_story_is_told_with_its_reason() {
    let campaign = Explorer::new("race")
        .seeds(0..200)
        .keep_going(true)
        .run(race);
    assert_eq!(campaign.runs, 200);
    assert_eq!(campaign.failures.len(), 1);
    let failure = &campaign.failures[0];
    assert!(failure.count > 5 && failure.seeds[0] == failure.case.config.seed);
    assert_eq!(
        failure.case.signature,
        "violated: scenario: the last is first"
    );
    let shrunk = shrink(&failure.case, race, |_| {}).unwrap();
    assert!(shrunk.case.holds().len() <= 5, "{:?}", shrunk.case);
    let again = shrink(&failure.case, race, |_| {}).unwrap();
    assert_eq!(shrunk.case, again.case);
    let why = explain(&shrunk.case, race);
    let changes = why.sentences();
    assert!(!changes.is_empty(), "{why}");
    for change in &changes {
        assert!(change.starts_with("passes if `racer"), "{change}");
    }
    let last = " before `racer#6` begins";
    assert!(changes.iter().any(|change| change.contains(last)), "{why}");
    assert!(
        why.to_mermaid()
            .starts_with("sequenceDiagram\n  participant p0 as ")
    );
}

#[test]
fn a_load_is_made_small_too() {
    let campaign = Explorer::new("lost update").run(lost_update);
    let case = &campaign.failures[0].case;
    assert_eq!(case.signature, "violated: scenario: # of #");
    let shrunk = shrink(case, lost_update, |_| {}).unwrap();
    let limit = "load at most 1 @step 1".parse().unwrap();
    assert_eq!(shrunk.case.config.faults, [limit]);
    assert!(shrunk.case.steps < case.steps, "{shrunk:?}");
    let why = explain(&shrunk.case, lost_update).to_string();
    let plain = "it fails first in, first out, without any fault\n";
    assert!(shrunk.case.size() > 0 || why.contains(plain), "{why}");
}

#[test]
fn a_case_survives_its_file_and_a_wrong_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = Explorer::new("race").run(race);
    let case = shrink(&campaign.failures[0].case, race, |_| {})
        .unwrap()
        .case;
    let path = folder.path().join("cases").join(case.file_name());
    case.save(&path).unwrap();
    assert_eq!(Case::load(&path).unwrap(), case);
    let all = Case::load_all(path.parent().unwrap()).unwrap();
    assert_eq!(all, [(path.clone(), case.clone())]);
    assert!(Case::load_all(folder.path()).unwrap().is_empty());
    let run = case.sim().run(race);
    assert_eq!(signature(&run.outcome), case.signature);
    assert_eq!(run.outcome.to_string(), case.outcome);
    for text in [
        "",
        "{}",
        &std::fs::read_to_string(&path)
            .unwrap()
            .replace("seed", "sed"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Case::load(&path).unwrap_err().to_string();
        assert!(error.contains("is no saved case"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(Case::load(&path).is_err());
}

#[test]
fn a_case_that_does_not_fail_as_it_did_is_not_shrunk() {
    let campaign = Explorer::new("race").run(race);
    let case = &campaign.failures[0].case;
    let fixed = shrink(case, || async {}, |_| {});
    assert!(matches!(fixed, Err(ShrinkError::Passes)));
    let other = shrink(case, || async { retake::never!("another thing") }, |_| {});
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
    for (name, percent) in [
        ("random", 40.0),
        ("pct", 30.0),
        ("pos", 20.0),
        ("starve", 10.0),
    ] {
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
            retake::sleep(Duration::from_millis(1)).await;
        }
    };
    let explorer = Explorer::new("leaks").seeds(0..20).check_determinism(1.0);
    let campaign = explorer.run(leaks);
    let found = &campaign.failures[0].case;
    assert_eq!(found.signature, "not deterministic");
    for part in ["event hashes", "first divergence at step", "another run:"] {
        assert!(found.outcome.contains(part), "{}", found.outcome);
    }
    let explorer = Explorer::new("race").seeds(0..20).check_determinism(1.0);
    let campaign = explorer.keep_going(true).run(race);
    let found = campaign
        .failures
        .iter()
        .map(|it| it.case.signature.as_str());
    assert!(found.into_iter().all(|it| it != "not deterministic"));
}

#[test]
fn a_message_that_is_lost_while_its_actor_lives_is_found_out() {
    // A span taken and dropped by hand looks like such a message.
    let loses = || async {
        let _alone = retake_testkit::servant("alone").await;
        let span = tracing::Span::current();
        retake::sleep(Duration::from_millis(1)).await;
        drop(span);
        retake::sleep(Duration::from_millis(1)).await;
    };
    let explorer = Explorer::new("loses").seeds(0..1).check_determinism(1.0);
    let found = &explorer.run(loses).failures[0].case;
    assert_eq!(
        found.signature,
        "violated: messages: # of # messages were lost, the first one sent by step #"
    );
    // Nor does it pass when it is run again.
    assert!(!found.sim().run(loses).passed());
    assert!(shrink(found, loses, |_| ()).is_ok());
}

/// Starts a thread, and fails where the later of two tasks comes first.
#[allow(clippy::disallowed_methods, reason = "threads are tested")]
async fn with_a_thread() {
    let one = std::thread::spawn(|| 1).join().unwrap();
    let tasks = [one, 2].map(|number| {
        retake::spawn(async move {
            retake::sleep(Duration::from_millis(1)).await;
            number
        })
    });
    let [first, second] = tasks;
    let first = tokio::select! {
        biased;
        number = first => number.unwrap(),
        number = second => number.unwrap(),
    };
    assert_eq!(first, 1, "the second came first");
}

#[test]
fn a_case_keeps_that_its_runs_may_start_threads() {
    let explorer = Explorer::new("threads").seeds(0..40).allow_threads(true);
    let campaign = explorer.run(with_a_thread);
    let found = &campaign.failures[0].case;
    assert!(
        found.signature.contains("the second came first"),
        "{found:?}"
    );
    let read: Case = serde_json::from_str(&serde_json::to_string(found).unwrap()).unwrap();
    assert_eq!(read.sim().run(with_a_thread).outcome.name(), "panicked");
    if retake_sim::interpose::sees_threads() {
        // Without it, the thread is what fails.
        let refused = Explorer::new("threads").seeds(0..1).run(with_a_thread);
        let signature = &refused.failures[0].case.signature;
        assert!(!signature.contains("the second came first"), "{signature}");
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
    #[allow(clippy::disallowed_methods, reason = "the clock is planted")]
    fn clock() -> u64 {
        let now = std::time::SystemTime::now();
        let since = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        u64::from(since.subsec_nanos())
    }
    for planted in [order, clock] {
        let explorer = Explorer::new("planted").seeds(0..20).check_determinism(1.0);
        let campaign = explorer.run(move || async move {
            for _ in 0..planted() % 7 {
                retake::sleep(Duration::from_millis(1)).await;
            }
        });
        assert_eq!(campaign.failures[0].case.signature, "not deterministic");
    }
}

#[test]
fn goals_that_no_run_reached_are_told() {
    let campaign = Explorer::new("goals").seeds(0..50).run(|| async {
        let heads = retake_sim_coin();
        retake::sometimes!(heads, "heads");
        retake::sometimes!(false, "the edge");
    });
    assert!((5..45).contains(&campaign.goals["heads"]));
    assert_eq!(campaign.missed_goals(), ["the edge"]);
}

fn retake_sim_coin() -> bool {
    use rand_core::Rng as _;
    retake::rng().next_u32().is_multiple_of(2)
}

#[test]
fn a_swarm_kills_what_is_supervised_and_its_faults_are_made_explicit() {
    let campaign = Explorer::new("family")
        .faults(FaultPlan::swarm())
        .seeds(0..300)
        .run(retake_testkit::fragile_family);
    let failure = &campaign.failures[0];
    assert!(
        failure.case.signature.contains("a child was lost"),
        "{failure:?}"
    );
    let shrunk = shrink(&failure.case, retake_testkit::fragile_family, |_| {}).unwrap();
    let [fault, heal] = &shrunk.case.config.faults[..] else {
        panic!("{:?}", shrunk.case);
    };
    assert!(heal.heals() && shrunk.case.harmful_faults() == 1);
    assert!(fault.to_string().contains(" child"), "{fault}");
    let why = explain(&shrunk.case, retake_testkit::fragile_family);
    assert!(
        why.sentences()
            .iter()
            .any(|it| it.contains("passes without the fault `")),
        "{why}"
    );
    // No fault is injected into a task without a supervisor.
    let alone = Explorer::new("alone")
        .faults(FaultPlan::swarm())
        .seeds(0..200);
    assert_eq!(alone.run(retake_testkit::lonely_actor).failures.len(), 0);
    let kill = Fault::kill("alone").at_step(3);
    assert!(
        !retake_sim::Sim::new()
            .fault(kill)
            .run(retake_testkit::lonely_actor)
            .passed()
    );
    assert_eq!(Strategy::default(), Strategy::Random);
}

fn a_test() -> Test {
    let folder = tempfile::tempdir().unwrap();
    Test {
        crate_folder: folder.keep().to_str().unwrap().to_owned().leak(),
        crate_name: "crate-of-the-test",
        module: "tests::order",
        name: "the_last_is_not_first",
        seeds: 500,
        strategy: "mix",
        faults: "none",
        config: |config| config.step_limit = 10_000,
        horizon: "1h",
        isolation: "shared",
        timeout: "120s",
        memory_mb: 4096,
    }
}

/// What a test says when it fails.
fn message(test: &Test, scenario: fn() -> Body) -> Option<String> {
    let test = test.clone();
    let failed = std::panic::catch_unwind(move || test.run(scenario));
    let panic = failed.err()?;
    Some(*panic.downcast::<String>().unwrap())
}

#[test]
fn a_failing_test_tells_its_story_and_its_saved_case_runs_first_until_it_is_fixed() {
    let test = a_test();
    let folder = test.crate_folder;
    let broken: fn() -> Body = || Box::pin(race());
    let story = message(&test, broken).expect("it fails");
    for part in [
        " fails (strategy ",
        " and 0 faults to ",
        "order::the_last_is_not_first at step ",
        "violated: scenario: the last is first",
        "passes if `racer",
        "what led to it:",
        "-p crate-of-the-test order::the_last_is_not_first -- --exact",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    let line = |start: &str| story.lines().find_map(|line| line.strip_prefix(start));
    let (case, trace) = (line("case: ").unwrap(), line("trace: ").unwrap());
    assert!(case.contains("retake-cases/tests-order-the_last_is_not_first/"));
    assert!(trace.contains("retake/tests-order-the_last_is_not_first/"));
    assert_eq!(
        retake_traces::verify(trace).unwrap().outcome.word(),
        "violated"
    );
    // Without any seed the saved one fails; fixed, it passes.
    let none = Test { seeds: 1, ..test };
    let story = message(&none, broken).expect("the saved case fails");
    assert!(
        !story.contains("strategy ") && story.contains(case) && story.contains(trace),
        "{story}"
    );
    assert_eq!(message(&none, || Box::pin(async {})), None);
    std::fs::write(case, "{}").unwrap();
    let story = message(&none, || Box::pin(async {})).expect("the file is damaged");
    assert!(story.contains("is no saved case"), "{story}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_test_ends_at_its_horizon() {
    let sleep: fn() -> Body = || Box::pin(retake::sleep(Duration::from_secs(90)));
    let test = a_test();
    assert_eq!(message(&test, sleep), None);
    let wrong = Test {
        horizon: "60",
        ..test.clone()
    };
    let story = message(&wrong, sleep).expect("60 is no time");
    assert!(story.contains("the horizon `60`"), "{story}");
    let sooner = Test {
        horizon: "60s",
        ..test
    };
    let story = message(&sooner, sleep).expect("it takes longer");
    assert!(
        story.contains("did not return before the end of virtual time"),
        "{story}"
    );
    std::fs::remove_dir_all(sooner.crate_folder).unwrap();
}

#[test]
fn a_test_that_is_no_function_of_its_seed_says_so_and_where() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static RUNS: AtomicU32 = AtomicU32::new(0);
    // The first run of all measures, the others are those of the seeds.
    let differs: fn() -> Body = || {
        let is_odd = RUNS.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        Box::pin(async move {
            let name = if is_odd { "odd" } else { "even" };
            retake::spawn_named(name, async {}).await.unwrap();
            if is_odd {
                tokio::task::yield_now().await;
            }
        })
    };
    let test = a_test();
    let story = message(&test, differs).expect("two runs of a seed are not the same");
    for part in [
        "not deterministic: two runs of the seed",
        "not a function of the seed. Two further runs part here",
        " odd ",
        " even ",
        "docs/determinism.md",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    assert!(
        !std::path::Path::new(test.crate_folder)
            .join("retake-cases")
            .exists()
    );
    std::fs::remove_dir_all(test.crate_folder).unwrap();
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
    let fault = |text: &str| text.parse::<Fault>().unwrap();
    let point = "point a count is forgotten @500ms";
    let delay = "delay counter @step 3 until 100s";
    let heal = "heal @50s";
    let plan = |faults: &[&str]| FaultPlan {
        faults: faults.iter().map(|text| fault(text)).collect(),
        swarm: None,
    };
    let find = |faults: &[&str]| {
        let explorer = Explorer::new("count").seeds(0..1).faults(plan(faults));
        explorer.run(count_to_three).failures.into_iter().next()
    };
    assert!(find(&[delay, heal]).is_none(), "it waits for the heal");
    let failure = find(&[delay, point, heal]).expect("one is forgotten");
    let shrunk = shrink(&failure.case, count_to_three, |_| {}).unwrap();
    // Without the heal the delay alone would do, which is another story.
    assert!(
        shrunk.case.config.faults.iter().any(Fault::heals),
        "{:?}",
        shrunk.case.config.faults
    );
    let why = explain(&shrunk.case, count_to_three).to_string();
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
                retake::sleep(Duration::from_millis(1)).await;
            }
            retake::always!(was_lost, "an answer that never comes");
        }),
    ];
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn a_long_story_tells_its_beginning_its_end_and_what_decides() {
    let campaign = Explorer::new("vain").seeds(0..100).run(waits_in_vain);
    let shrunk = shrink(&campaign.failures[0].case, waits_in_vain, |_| {}).unwrap();
    let why = explain(&shrunk.case, waits_in_vain);
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

/// What another target's test of the same name saved is not run.
#[test]
fn a_case_is_run_by_the_test_whose_folder_it_lies_in() {
    let test = a_test();
    let folder = std::path::Path::new(test.crate_folder).join("retake-cases");
    let broken: fn() -> Body = || Box::pin(race());
    message(&test, broken).expect("it fails and is saved");
    let other = Test {
        module: "others::order",
        ..test.clone()
    };
    std::fs::rename(
        folder.join("tests-order-the_last_is_not_first"),
        folder.join("others-order-the_last_is_not_first"),
    )
    .unwrap();
    let none = |test| Test { seeds: 1, ..test };
    assert_eq!(message(&none(test.clone()), broken), None);
    assert!(message(&none(other), broken).is_some());
    std::fs::remove_dir_all(test.crate_folder).unwrap();
}

type Body = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// The attribute, on something that holds.
#[retake_sim::test(seeds = 20, strategy = "pos", faults = "swarm")]
async fn an_attribute_makes_a_campaign_of_a_test() {
    assert!(retake::is_simulated());
    retake_testkit::lonely_actor().await;
}

/// `?` works in it, as in any test.
#[retake_sim::test(seeds = 5)]
async fn an_attribute_goes_on_a_test_that_gives_a_result() -> Result<(), std::num::ParseIntError> {
    let one: u32 = "1".parse()?;
    assert_eq!(one, 1);
    Ok(())
}

#[test]
fn a_test_that_ends_with_an_error_fails_and_names_it() {
    let test = a_test();
    let story = message(&test, || {
        Box::pin(async { drop("x".parse::<u32>().map(drop).into_text()) })
    });
    std::fs::remove_dir_all(test.crate_folder).unwrap();
    let story = story.expect("it ends with an error");
    assert!(
        story.contains("the test ends with an error: ParseIntError"),
        "{story}"
    );
}
