//! Runs in processes of their own: this test binary starts itself again as a worker.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::Rng as _;
use retake_sim::Outcome;
use retake_sim::explore::{self, Case, Exhaustive, Explorer, Scenario, shrink};
use retake_sim::isolate::{self, Launch, Workers};
use retake_testkit::{actor, join};
use retake_traces::MemorySink;

use super::Body;

/// A scenario whose runs take place in processes of this binary, which runs `test` alone there.
fn isolated(test: &str, scenario: fn() -> Body) -> Scenario {
    let scenario = Scenario::from(scenario);
    let name = crate::path(module_path!(), test);
    if isolate::is_worker() {
        explore::serve(|_| Ok(scenario.clone()));
    }
    let arguments = [
        &*name,
        "--exact",
        "--nocapture",
        "--test-threads=1",
        "--include-ignored",
    ];
    scenario.isolated(Arc::new(Workers::new(Launch {
        arguments: arguments.map(Into::into).into(),
        timeout: Duration::from_secs(60),
        memory_limit_mb: None,
        captures_output: true,
    })))
}

fn check(scenario: &Scenario) {
    let error = scenario.workers().and_then(|it| it.error());
    assert!(error.is_none(), "{error:?}");
}

/// Three tasks of two steps each.
async fn three_tasks(step: fn(usize)) {
    let tasks = [0, 1, 2].map(|number| {
        retake::spawn(async move {
            step(number);
            tokio::task::yield_now().await;
            step(number);
        })
    });
    join(tasks).await;
}

/// What the first run of a process leaves behind fails the others.
fn one_run_for_each_process() -> Body {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    static FIRST: OnceLock<usize> = OnceLock::new();
    Box::pin(async {
        let runs = RUNS.fetch_add(1, Ordering::Relaxed);
        retake::always!(runs == 0, "an earlier run has left something");
        three_tasks(|number| {
            let first = *FIRST.get_or_init(|| number);
            retake::event!("{first} was the first");
        })
        .await;
    })
}

#[test]
fn each_schedule_of_a_search_starts_from_the_same_statics() {
    let scenario = isolated(
        "each_schedule_of_a_search_starts_from_the_same_statics",
        one_run_for_each_process,
    );
    let search = Exhaustive::new("statics").delays(Some(2));
    let found = search.run(scenario.clone(), |_| {});
    check(&scenario);
    assert!(found.complete && found.found.passed(), "{found:?}");
    assert!(found.schedules > 5, "{found:?}");
    // Who is the first is an event, so it makes interleavings.
    assert!(found.interleavings >= 3, "{found:?}");
    // In one process the second schedule meets what the first has left.
    let found = search.run(one_run_for_each_process, |_| {});
    assert_eq!(found.found.runs, 2, "{found:?}");
    assert!(!found.found.passed());
}

fn clean() -> Body {
    Box::pin(three_tasks(|number| retake::event!("task {number}")))
}

#[test]
fn a_search_of_a_clean_program_gives_the_same_wherever_its_schedules_run() {
    let name = "a_search_of_a_clean_program_gives_the_same_wherever_its_schedules_run";
    let scenario = isolated(name, clean);
    let counts = |search: &Exhaustive, scenario: Scenario| {
        let found = search.run(scenario, |_| {});
        assert!(found.found.passed() && found.complete, "{found:?}");
        (found.schedules, found.reduced, found.interleavings)
    };
    let all = Exhaustive::new("clean");
    for search in [
        all.clone().delays(Some(2)),
        all.clone().reduce(true),
        all.clone().delays(Some(1)).reduce(true),
    ] {
        let here = counts(&search, Scenario::from(clean));
        assert_eq!(counts(&search, scenario.clone()), here, "{search:?}");
        let shared = scenario.clone().shared(true);
        assert_eq!(counts(&search, shared), here, "{search:?}");
    }
    check(&scenario);
}

fn aborts_where_the_last_is_first() -> Body {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    Box::pin(three_tasks(|number| {
        if COUNT.fetch_add(1, Ordering::Relaxed) == 0 && number == 2 {
            std::process::abort();
        }
    }))
}

#[test]
fn a_schedule_that_aborts_is_a_failure_that_can_be_repeated_and_shrunk() {
    let scenario = isolated(
        "a_schedule_that_aborts_is_a_failure_that_can_be_repeated_and_shrunk",
        aborts_where_the_last_is_first,
    );
    let search = Exhaustive::new("aborts").delays(Some(2)).keep_going(true);
    let found = search.run(scenario.clone(), |_| {});
    check(&scenario);
    let [failure] = &found.found.failures[..] else {
        panic!("{found:?}");
    };
    assert!(found.complete && found.schedules > failure.count);
    assert!(failure.case.is_lost(), "{failure:?}");
    let shrunk = shrink(&failure.case, scenario.clone(), |_| {}).unwrap();
    for case in [&failure.case, &shrunk.case] {
        assert!(!case.holds().is_empty(), "{case:?}");
        let again = case.run(&scenario);
        assert!(matches!(again.outcome, Outcome::Lost { .. }), "{again}");
    }
}

/// Fails by what a process draws once, and by what it has run.
fn draws_once() -> Body {
    static DRAWN: OnceLock<u64> = OnceLock::new();
    static RUNS: AtomicU32 = AtomicU32::new(0);
    Box::pin(async {
        let drawn = DRAWN.get_or_init(|| retake::rng().next_u64());
        let runs = RUNS.fetch_add(1, Ordering::Relaxed);
        three_tasks(|_| {}).await;
        retake::always!(
            !(drawn + u64::from(runs)).is_multiple_of(5),
            "what is drawn once"
        );
    })
}

#[test]
fn seeds_give_the_same_in_any_order_and_with_any_number_of_workers() {
    let scenario = isolated(
        "seeds_give_the_same_in_any_order_and_with_any_number_of_workers",
        draws_once,
    );
    let explore = |jobs: usize, keep_going: bool, seeds: &mut dyn Iterator<Item = u64>| {
        let explorer = Explorer::new("draws").jobs(jobs).keep_going(keep_going);
        let seeds: Vec<u64> = seeds.collect();
        let (campaign, error) = explorer.run_seeds(&scenario, seeds.into_iter(), &());
        error.unwrap();
        serde_json::to_value(&campaign).unwrap()
    };
    let first = explore(1, true, &mut (0..40));
    let failures = &first["failures"][0]["count"];
    assert!((2..30).contains(&failures.as_u64().unwrap()), "{first}");
    for jobs in [1, 3] {
        assert_eq!(explore(jobs, true, &mut (0..40)), first);
        assert_eq!(explore(jobs, true, &mut (0..40).rev()), first);
        let mixed = &mut (0..40).map(|seed| seed * 7 % 40);
        assert_eq!(explore(jobs, true, mixed), first);
    }
    // Up to the first failure.
    let first = explore(1, false, &mut (0..40));
    assert_eq!(explore(3, false, &mut (0..40)), first);
}

/// Two tasks wait for each other, unless the process has run something before.
fn waits_in_the_first_run() -> Body {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    Box::pin(async {
        if RUNS.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let (to_left, from_right) = tokio::sync::oneshot::channel::<()>();
        let (to_right, from_left) = tokio::sync::oneshot::channel::<()>();
        let left = retake::spawn_named("left", async move {
            let _ = from_right.await;
            drop(to_right);
        });
        let right = retake::spawn_named("right", async move {
            let _ = from_left.await;
            drop(to_left);
        });
        left.await.unwrap();
        right.await.unwrap();
    })
}

#[test]
fn a_deadlock_is_probed_again_in_a_process_of_its_own() {
    let scenario = isolated(
        "a_deadlock_is_probed_again_in_a_process_of_its_own",
        waits_in_the_first_run,
    );
    let cycle = |scenario: Scenario| {
        let campaign = Explorer::new("waits").seeds(0..1).run(scenario);
        let case: &Case = &campaign.failures[0].case;
        assert!(case.signature.starts_with("deadlock"), "{case:?}");
        case.outcome.contains("wait cycle: ")
    };
    assert!(cycle(scenario.clone()));
    check(&scenario);
    // In one process the repetition is another run, and says nothing.
    assert!(!cycle(Scenario::from(waits_in_the_first_run)));
}

/// A number for where memory is that is allocated now, of all sizes that an allocator may keep
/// apart: any other allocation before changes it.
fn addresses_of_all_sizes() -> usize {
    let heap: Vec<Vec<u8>> = (1..64).map(|size| Vec::with_capacity(16 * size)).collect();
    let heap = heap.iter().map(|it| it.as_ptr() as usize);
    heap.fold(0_usize, |all, it| all.wrapping_mul(31).wrapping_add(it))
}

/// In letters, as failures that differ in digits count as one.
fn letters(address: usize) -> String {
    let digits = (0..16).map(|place| (address >> (4 * place)) as u8 & 15);
    digits.map(|it| char::from(b'a' + it)).collect()
}

/// Fails, and says where things are.
fn where_things_are() -> Body {
    static SOMETHING: AtomicU32 = AtomicU32::new(7);
    Box::pin(async {
        let code = where_things_are as *const () as usize;
        let heap = addresses_of_all_sizes();
        let on_stack = 7_u8;
        let stack = std::hint::black_box(&raw const on_stack) as usize;
        let addresses = [code, &raw const SOMETHING as usize, heap, stack];
        three_tasks(|_| {}).await;
        // The mapping that the text is in, which may change, has to be executable.
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let is_executable = maps.lines().any(|line| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [start, end] = [start, end].map(|it| usize::from_str_radix(it, 16).unwrap());
            (start..end).contains(&code) && rest.starts_with("r-x")
        });
        retake::always!(is_executable, "the text is not executable");
        retake::always!(false, "things are at {:?}", addresses.map(letters));
    })
}

/// A worker that has made many children has its text in other pages.
#[test]
#[cfg(target_os = "linux")]
fn everything_stays_at_its_address_however_many_children_a_worker_has_made() {
    let name = "everything_stays_at_its_address_however_many_children_a_worker_has_made";
    let scenario = isolated(name, where_things_are);
    let explorer = Explorer::new("addresses").jobs(1).keep_going(true);
    let campaign = explorer.seeds(0..300).run(scenario.clone());
    check(&scenario);
    let [failure] = &campaign.failures[..] else {
        panic!("{campaign:?}");
    };
    // One more is the plain run.
    assert_eq!(failure.count, 301, "{failure:?}");
    let outcome = &failure.case.outcome;
    assert!(outcome.contains("things are at ["), "{failure:?}");
    // Also where it is run alone.
    let again = failure.case.run(&scenario);
    assert_eq!(again.outcome.to_string(), failure.case.outcome);
}

/// What an actor is sent: on the heap, also in an order that depends on the addresses, as that
/// of `ahash` does.
#[derive(Debug, Default)]
struct Kept {
    texts: Vec<String>,
    by_address: std::collections::BTreeMap<usize, Arc<str>>,
}

#[derive(Debug)]
enum Keep {
    Text(String),
    Addresses(ractor::RpcReplyPort<Vec<usize>>),
}

fn keep(_: &ractor::ActorRef<Keep>, message: Keep, kept: &mut Kept) {
    match message {
        Keep::Text(text) => {
            retake::event!("keeps a text of {} bytes", text.len());
            let shared: Arc<str> = Arc::from(&*text);
            kept.by_address.insert(shared.as_ptr() as usize, shared);
            kept.texts.push(text);
        }
        Keep::Addresses(reply) => {
            let texts = kept.texts.iter().map(|it| it.as_ptr() as usize);
            let _ = reply.send(texts.chain(kept.by_address.keys().copied()).collect());
        }
    }
}

/// Fails, and says in letters at which addresses two actors have kept what they were sent.
fn where_actors_keep_things() -> Body {
    Box::pin(async {
        let mut keepers = Vec::new();
        for name in ["one", "two"] {
            keepers.push(actor(name, Kept::default(), keep).await);
        }
        let senders = [0, 1, 2].map(|sender: usize| {
            let keepers = keepers.clone();
            retake::spawn(async move {
                for size in 1..20 {
                    let text = "x".repeat(sender * 100 + size * 7);
                    keepers[size % 2].cast(Keep::Text(text)).unwrap();
                    let wait = Duration::from_millis(retake::rng().next_u64() % 3);
                    retake::sleep(wait).await;
                }
            })
        });
        join(senders).await;
        let mut all = 0_usize;
        for keeper in keepers {
            for address in ractor::call!(keeper, Keep::Addresses).unwrap() {
                all = all.wrapping_mul(31).wrapping_add(address);
            }
        }
        retake::always!(false, "things are at [{:?}]", letters(all));
    })
}

/// Recording allocates: texts, states, causes, the trace itself.
#[test]
#[cfg_attr(
    not(all(feature = "heap", target_os = "linux", target_env = "gnu")),
    ignore = "what is simulated has no heap of its own"
)]
fn addresses_are_the_same_whatever_is_recorded_of_a_run() {
    let name = "addresses_are_the_same_whatever_is_recorded_of_a_run";
    let scenario = isolated(name, where_actors_keep_things);
    let explorer = Explorer::new("addresses").jobs(1).seeds(0..1);
    let campaign = explorer.keep_going(true).run(scenario.clone());
    check(&scenario);
    let found = &campaign.failures[0].case;
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..4 {
        let mut case = found.clone();
        case.config.seed = seed;
        case.config.strategy = "random".parse().unwrap();
        let outcome = case.run(&scenario).outcome.to_string();
        assert!(outcome.contains("things are at ["), "{outcome}");
        for states in [false, true] {
            let recorded = case.run_into(&scenario, MemorySink::new(), states);
            assert_eq!(recorded.outcome.to_string(), outcome);
        }
        outcomes.insert(outcome);
    }
    // Where things are is a function of the seed, and no constant.
    assert!(outcomes.len() > 2, "{outcomes:?}");
    let recorded = found.run_into(&scenario, MemorySink::new(), true);
    assert_eq!(recorded.outcome.to_string(), found.outcome);
}

/// Fails, and says where it has put the first things.
fn where_the_first_things_are() -> Body {
    Box::pin(async {
        let address = addresses_of_all_sizes();
        retake::always!(false, "they are at [{:?}]", letters(address));
    })
}

/// What chooses the steps, and which faults there are, is the engine's own.
#[test]
#[cfg_attr(
    not(all(feature = "heap", target_os = "linux", target_env = "gnu")),
    ignore = "what is simulated has no heap of its own"
)]
fn addresses_are_the_same_whatever_chooses_the_steps() {
    let name = "addresses_are_the_same_whatever_chooses_the_steps";
    let scenario = isolated(name, where_the_first_things_are);
    let campaign = Explorer::new("first").seeds(0..1).run(scenario.clone());
    check(&scenario);
    let found = &campaign.failures[0].case;
    assert!(found.outcome.contains("they are at ["), "{found:?}");
    let pct = "pct:depth=5,steps=100";
    for strategy in ["fifo", "random", pct, "pos", "delays", "starve"] {
        for faults in [vec![], vec![retake_sim::Fault::kill("nobody"); 20]] {
            let mut case = found.clone();
            (case.config.seed, case.config.faults) = (7, faults);
            case.config.strategy = strategy.parse().unwrap();
            let outcome = case.run(&scenario).outcome;
            assert_eq!(outcome.to_string(), found.outcome, "{strategy}");
            let recorded = case.run_into(&scenario, MemorySink::new(), true);
            assert_eq!(recorded.outcome.to_string(), found.outcome, "{strategy}");
        }
    }
}

/// Systems without `fork` start a process for each run. The variable has this one do so.
#[test]
fn processes_that_serve_once_do_the_same_as_those_that_fork() {
    for test in [
        "each_schedule_of_a_search_starts_from_the_same_statics",
        "a_schedule_that_aborts_is_a_failure_that_can_be_repeated_and_shrunk",
        "seeds_give_the_same_in_any_order_and_with_any_number_of_workers",
        "a_deadlock_is_probed_again_in_a_process_of_its_own",
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([&*crate::path(module_path!(), test), "--exact"])
            .env("RETAKE_WORKER_PORTABLE", "1")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success(), "{test}: {text}");
        assert!(text.contains("1 passed"), "{test}: {text}");
    }
}
