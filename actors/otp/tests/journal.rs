//! The checks of journals hold for the actors under random failures, and each
//! catches a journal in which one thing is wrong.
#![allow(missing_docs)]

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use retake_otp::invariants::{
    Violation, calls, lives, mailbox_depth, messages, orphans, pool_journal, pool_leases,
    recovered_states, restart_sets, restarts, tree_at_rest, undisturbed, unheard, wait_cycles,
};
use retake_otp::journal::{Entry, Event, HandlerEnd, Journal, Lifecycle, Observed, Tag};
use retake_otp::supervisor::{ChildSpec, Strategy, SupervisorRef, SupervisorSpec};
use retake_otp::{Pool, PoolConfig, PoolRef, invariants};
use retake_sim::{Fault, Isolation, Sim};

fn numbers(violations: &[Violation]) -> Vec<u32> {
    violations
        .iter()
        .map(|violation| violation.invariant)
        .collect()
}

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
const PERIOD: Duration = Duration::from_secs(10);
/// No child takes longer to stop.
const BUSY: Duration = Duration::from_millis(20);

#[derive(Debug)]
enum Ask {
    Add(Tag),
    Crash(Tag),
    Fail(Tag),
    Count(RpcReplyPort<u32>),
    Forward(&'static str, Journal),
}

impl Ask {
    fn tag(&self) -> Option<Tag> {
        match self {
            Self::Add(tag) | Self::Crash(tag) | Self::Fail(tag) => Some(tag.clone()),
            Self::Count(_) | Self::Forward(..) => None,
        }
    }
}

struct Counter(&'static str);

#[retake::simulated]
impl Actor for Counter {
    type Msg = Ask;
    type State = u32;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<u32, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Ask>,
        ask: Ask,
        count: &mut u32,
    ) -> Result<(), ActorProcessingErr> {
        match ask {
            Ask::Add(_) => {
                *count += 1;
                retake::sleep(Duration::from_millis(5)).await;
            }
            Ask::Crash(_) => panic!("as asked"),
            Ask::Fail(_) => return Err("as asked".into()),
            Ask::Count(reply) => drop(reply.send(*count)),
            Ask::Forward(to, journal) => {
                let other: ActorRef<Ask> = retake::where_is(to).unwrap().into();
                let asked = other.call(Ask::Count, None);
                let _ = journal.call(self.0, to, asked).await;
            }
        }
        Ok(())
    }
}

fn observed(name: &'static str, journal: &Journal) -> Observed<Counter> {
    Observed::new(Counter(name), name, journal)
        .tagged(Ask::tag)
        .showing(u32::to_string)
}

async fn start_family(strategy: Strategy, intensity: u32, journal: &Journal) -> SupervisorRef {
    let mut spec = SupervisorSpec::new(strategy)
        .intensity(intensity, PERIOD)
        .journal("family", journal);
    for name in NAMES {
        let journal = journal.clone();
        spec = spec.child(ChildSpec::new(name, move || (observed(name, &journal), ())));
    }
    SupervisorRef::start(Some("family"), spec).await.unwrap()
}

/// Two senders, one of whom crashes counters now and then.
async fn family_under_fire(strategy: Strategy, intensity: u32) -> (Vec<Entry>, Vec<Violation>) {
    use rand::RngExt as _;
    let journal = Journal::new();
    let family = start_family(strategy, intensity, &journal).await;
    let sender = |from: &'static str, crash_rate: f64| {
        let journal = journal.clone();
        retake::spawn(async move {
            for _ in 0..20 {
                let to = NAMES[retake::rng().random_range(0..3)];
                // It may be down.
                if let Some(counter) = retake::where_is(to) {
                    let counter: ActorRef<Ask> = counter.into();
                    let tag = journal.send(from, to);
                    let crash = retake::rng().random_bool(crash_rate);
                    let ask = if crash {
                        Ask::Crash(tag)
                    } else {
                        Ask::Add(tag)
                    };
                    let _ = counter.cast(ask);
                    let asked = counter.call(Ask::Count, Some(Duration::from_millis(20)));
                    let _ = journal.call(from, to, asked).await;
                }
                let pause = retake::rng().random_range(0..1500);
                retake::sleep(Duration::from_millis(pause)).await;
            }
        })
    };
    let senders = [sender("ann", 0.0), sender("bob", 0.2)];
    for sender in senders {
        sender.await.unwrap();
    }
    retake::sleep(PERIOD).await;
    // One that has given up has no children.
    let tree = family.tree().await;
    let at_rest = tree.map_or(Vec::new(), |tree| tree_at_rest(&tree));
    family.stop().await;
    (journal.entries(), at_rest)
}

fn check_family(entries: &[Entry], strategy: Strategy, intensity: u32) -> Vec<Violation> {
    [
        restarts(entries, "family", intensity, PERIOD),
        restart_sets(entries, "family", strategy),
        orphans(entries, "family", &NAMES),
        lives(entries),
        recovered_states(entries, |_, state| state == "0"),
        unheard(entries, "family", &NAMES, BUSY),
        messages(entries),
        calls(entries),
        wait_cycles(entries),
        mailbox_depth(entries, "alpha", 4),
    ]
    .concat()
}

#[test]
fn all_hold_for_supervised_actors_that_crash_and_are_killed() {
    let (mut crashes, mut escalations) = (0, 0);
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        for seed in 0..60 {
            let intensity = if seed % 4 == 0 { 1 } else { 30 };
            let kill = Fault::kill("beta").at(Duration::from_millis(300 * seed));
            let sim = Sim::new()
                .seed(seed)
                .fault(kill)
                .isolation(Isolation::Inline);
            let run = sim.run(move || family_under_fire(strategy, intensity));
            let (entries, mut violations) = run.expect_passed();
            violations.extend(check_family(&entries, strategy, intensity));
            assert_eq!(violations, [], "{strategy}, seed {seed}");
            let count = |what: fn(&Event) -> bool| {
                entries.iter().filter(|entry| what(&entry.event)).count()
            };
            crashes += count(|what| matches!(what, Event::Restart(_)));
            escalations += count(|what| matches!(what, Event::GaveUp(_)));
        }
    }
    assert!(
        crashes > 300 && escalations > 20,
        "{crashes}, {escalations}"
    );
}

/// The journal of a run of `one_for_all` in which `beta` crashes once.
fn one_crash() -> Vec<Entry> {
    let run = Sim::new().run(|| async {
        let journal = Journal::new();
        let family = start_family(Strategy::OneForAll, 1, &journal).await;
        let beta: ActorRef<Ask> = retake::where_is("beta").unwrap().into();
        for _ in 0..2 {
            beta.cast(Ask::Add(journal.send("ann", "beta"))).unwrap();
        }
        beta.cast(Ask::Crash(journal.send("ann", "beta"))).unwrap();
        retake::sleep(Duration::from_secs(1)).await;
        family.stop().await;
        journal.entries()
    });
    let entries = run.expect_passed();
    assert_eq!(check_family(&entries, Strategy::OneForAll, 1), []);
    entries
}

fn place_of(entries: &[Entry], who: &str, is_it: impl Fn(&Event) -> bool) -> usize {
    let place = entries
        .iter()
        .position(|entry| entry.who == who && is_it(&entry.event));
    place.unwrap_or_else(|| panic!("no such entry of {who} in {entries:#?}"))
}

fn life(number: u64, life: Lifecycle) -> impl Fn(&Event) -> bool {
    move |what| *what == Event::Life(number, life.clone())
}

fn incarnation(entries: &[Entry], who: &str) -> u64 {
    let place = place_of(entries, who, |what| {
        matches!(what, Event::Life(_, Lifecycle::Starting))
    });
    match entries[place].event {
        Event::Life(number, _) => number,
        _ => unreachable!("a life"),
    }
}

#[test]
fn mutants_of_supervisors_are_caught() {
    let good = one_crash();
    let check = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = good.clone();
        change(&mut entries);
        let mut found = numbers(&check_family(&entries, Strategy::OneForAll, 1));
        found.dedup();
        found
    };
    let restart = place_of(&good, "family", |what| matches!(what, Event::Restart(_)));
    // 1: one restart more than is allowed; giving up too early, and twice.
    let of_family = |what: Event| Entry {
        event: what,
        ..good[restart].clone()
    };
    let restarted = || of_family(Event::Restart("beta".to_owned()));
    let gave_up = || of_family(Event::GaveUp("beta".to_owned()));
    let once_more = |at: usize, more: &[Entry]| {
        let mut entries = good.clone();
        entries.splice(at..at, more.iter().cloned());
        let found = restarts(&entries, "family", 1, PERIOD);
        let found = found.iter().map(ToString::to_string);
        found.collect::<Vec<_>>().join("; ")
    };
    let end = good.len();
    for (at, more, found) in [
        (end, vec![restarted()], "family restarts `beta`: 2 in 10s"),
        (
            restart,
            vec![gave_up()],
            "family gives up after 0 restarts (`beta`); \
             invariant 1: family restarts `beta` after it gave up",
        ),
        (end, vec![gave_up(), gave_up()], "family gives up twice"),
    ] {
        assert_eq!(once_more(at, &more), format!("invariant 1: {found}"));
    }
    assert_eq!(once_more(end, &[gave_up()]), "");
    // 2: a child of the set is left running; the order is the wrong way round; one
    // outside of the set is stopped; one is stopped for no reason.
    let stops = |entries: &[Entry]| {
        place_of(entries, "family", |what| {
            *what == Event::StopChild("gamma".to_owned())
        })
    };
    assert_eq!(check(&|entries| drop(entries.remove(stops(&good)))), [2]);
    let reverse = |entries: &mut Vec<Entry>| {
        let second = place_of(entries, "family", |what| {
            *what == Event::StopChild("alpha".to_owned())
        });
        entries.swap(stops(&good), second);
    };
    assert_eq!(check(&reverse), [2]);
    let others = restart_sets(&good, "family", Strategy::RestForOne);
    assert_eq!(numbers(&others), [2]);
    let unasked = |entries: &mut Vec<Entry>| {
        entries.insert(restart, of_family(Event::StopChild("beta".to_owned())));
    };
    assert_eq!(check(&unasked), [2]);
    // 3: the supervisor is gone, and a child is not.
    let orphan = |entries: &mut Vec<Entry>| {
        let end = |entry: &Entry| {
            entry.who == "alpha" && matches!(entry.event, Event::Life(_, Lifecycle::Ended))
        };
        let last = entries.iter().rposition(end).unwrap();
        entries.remove(last);
    };
    assert_eq!(check(&orphan), [3]);
    // 4: two ends; two at a time.
    let beta = incarnation(&good, "beta");
    let end = place_of(&good, "beta", life(beta, Lifecycle::Ended));
    assert_eq!(
        check(&|entries| entries.insert(end, good[end].clone())),
        [4]
    );
    assert!(check(&|entries| drop(entries.remove(end))).contains(&4));
    let next = end
        + 1
        + place_of(&good[end + 1..], "beta", |what| {
            matches!(what, Event::Life(_, Lifecycle::Starting))
        });
    let haunts = |entries: &mut Vec<Entry>| {
        let end = entries.remove(end);
        let handling = Event::Life(beta, Lifecycle::Handling(None));
        entries.insert(
            next,
            Entry {
                event: handling,
                ..end.clone()
            },
        );
        entries.insert(next + 1, end);
    };
    assert!(check(&haunts).contains(&4));
    // 5: a restarted counter goes on where it was.
    let recovers = |entries: &mut Vec<Entry>| {
        for entry in entries.iter_mut() {
            if let Event::Life(number, Lifecycle::Started(state)) = &mut entry.event
                && entry.who == "beta"
                && *number != beta
            {
                *state = "2".to_owned();
            }
        }
    };
    assert_eq!(check(&recovers), [5]);
    // 6: the supervisor does not hear of the crash, and does nothing, until it ends or for
    // good; it hears of it late.
    let crash = place_of(&good, "beta", |what| {
        matches!(
            what,
            Event::Life(_, Lifecycle::Handled(HandlerEnd::Panicked))
        )
    });
    let unheard_of = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = good.clone();
        change(&mut entries);
        numbers(&unheard(&entries, "family", &NAMES, BUSY))
    };
    let deaf = |entries: &mut Vec<Entry>| {
        let ends = |what: &Event| matches!(what, Event::ShutDown | Event::Life(..));
        let of_end = place_of(entries, "family", |what| *what == Event::ShutDown);
        let mut place = 0;
        entries.retain(|entry| {
            place += 1;
            place <= crash || place > of_end || entry.who != "family" || ends(&entry.event)
        });
    };
    assert_eq!(unheard_of(&deaf), [6]);
    let for_good = |entries: &mut Vec<Entry>| entries.truncate(crash + 1);
    assert_eq!(unheard_of(&for_good), [6]);
    let late = |entries: &mut Vec<Entry>| {
        for entry in &mut entries[crash + 1..] {
            entry.at = entry.at + 2 * BUSY;
        }
    };
    assert_eq!(unheard_of(&late), [6]);
    assert!(unheard_of(&|_| ()).is_empty());
    // 7: post_stop of one that failed.
    let stopping = Entry {
        event: Event::Life(beta, Lifecycle::Stopping),
        ..good[end].clone()
    };
    assert_eq!(check(&|entries| entries.insert(end, stopping.clone())), [7]);
    // 13: a message after the stop, and after the end.
    let alpha = incarnation(&good, "alpha");
    let handling = Entry {
        event: Event::Life(alpha, Lifecycle::Handling(None)),
        ..good[place_of(&good, "alpha", life(alpha, Lifecycle::Stopping))].clone()
    };
    for place in [Lifecycle::Stopping, Lifecycle::Ended] {
        let place = place_of(&good, "alpha", life(alpha, place)) + 1;
        let late = check(&|entries| entries.insert(place, handling.clone()));
        assert_eq!(late, [13]);
    }
    // 39: a crash that nobody has planned.
    assert_eq!(numbers(&undisturbed(&good)), [39]);
}

#[test]
fn without_a_failure_nobody_is_restarted() {
    let run = Sim::new().run(|| async {
        let journal = Journal::new();
        let family = start_family(Strategy::OneForAll, 1, &journal).await;
        let beta: ActorRef<Ask> = retake::where_is("beta").unwrap().into();
        beta.cast(Ask::Add(journal.send("ann", "beta"))).unwrap();
        retake::sleep(Duration::from_secs(1)).await;
        family.stop().await;
        journal.entries()
    });
    assert_eq!(undisturbed(&run.expect_passed()), []);
}

#[test]
fn mutants_of_mailboxes_are_caught() {
    let good = one_crash();
    let handles =
        |entry: &Entry| matches!(&entry.event, Event::Life(_, Lifecycle::Handling(Some(_))));
    let places: Vec<usize> = (0..good.len()).filter(|at| handles(&good[*at])).collect();
    assert_eq!(places.len(), 3);
    let check = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = good.clone();
        change(&mut entries);
        numbers(&messages(&entries))
    };
    // 9: overtaken by one sent later.
    assert_eq!(check(&|entries| entries.swap(places[0], places[1])), [9]);
    // 11: handled twice; handled though nobody sent it; lost while the receiver lives.
    let twice = |entries: &mut Vec<Entry>| entries.insert(places[0], good[places[0]].clone());
    assert_eq!(check(&twice), [11]);
    let sent = place_of(&good, "ann", |what| matches!(what, Event::Sent(..)));
    assert_eq!(check(&|entries| drop(entries.remove(sent))), [11]);
    let lost = |entries: &mut Vec<Entry>| {
        entries.remove(places[0]);
        entries.retain(|entry| !matches!(entry.event, Event::Life(_, Lifecycle::Ended)));
    };
    assert_eq!(check(&lost), [11]);
    // 12: more wait than may.
    assert_eq!(mailbox_depth(&good, "beta", 3), []);
    assert_eq!(numbers(&mailbox_depth(&good, "beta", 2)), [12]);
}

#[test]
fn calls_in_a_circle_and_without_an_end_are_caught() {
    let run = Sim::new().run(|| async {
        let journal = Journal::new();
        let family = start_family(Strategy::OneForOne, 1, &journal).await;
        let asked = |from: &str, to: &'static str| {
            let from: ActorRef<Ask> = retake::where_is(from).unwrap().into();
            from.cast(Ask::Forward(to, journal.clone())).unwrap();
        };
        asked("alpha", "gamma");
        retake::sleep(Duration::from_secs(1)).await;
        assert!(calls(&journal.entries()).is_empty());
        for (from, to) in [("alpha", "beta"), ("beta", "gamma"), ("gamma", "alpha")] {
            asked(from, to);
        }
        retake::sleep(Duration::from_secs(1)).await;
        let stuck = journal.entries();
        // A kill ends them all.
        for name in NAMES {
            retake::where_is(name).unwrap().kill();
        }
        retake::sleep(Duration::from_secs(1)).await;
        family.stop().await;
        (stuck, journal.entries())
    });
    let (stuck, end) = run.expect_passed();
    assert_eq!(numbers(&calls(&stuck)), [10, 10, 10]);
    assert_eq!(
        wait_cycles(&stuck)[0].to_string(),
        "invariant 14: alpha waits for beta waits for gamma waits for alpha"
    );
    assert_eq!(wait_cycles(&stuck).len(), 1);
    assert_eq!((calls(&end), wait_cycles(&end)), (vec![], vec![]));
    let last = end
        .iter()
        .rposition(|entry| matches!(entry.event, Event::Resolved(_)));
    let mut twice = end.clone();
    twice.push(end[last.unwrap()].clone());
    assert_eq!(numbers(&calls(&twice)), [10]);
}

async fn start_pool(journal: &Journal, config: PoolConfig) -> PoolRef<Ask> {
    let pool = Pool::new("pool", |_| (Counter("worker"), ())).journal(journal);
    Actor::spawn(Some(retake::scoped_name("pool")), pool, config)
        .await
        .unwrap();
    PoolRef::new("pool")
}

/// Clients of whom some give up, some die with a lease, and whose workers crash.
async fn pool_under_fire() -> Vec<Entry> {
    use rand::RngExt as _;
    let journal = Journal::new();
    let config = PoolConfig {
        size: 2,
        max_overflow: 1,
        max_waiting: Some(4),
        ..PoolConfig::default()
    };
    let pool = start_pool(&journal, config.clone()).await;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (pool, journal, config) = (pool.clone(), journal.clone(), config.clone());
            retake::spawn(async move {
                for _ in 0..10 {
                    let status = pool.status().await.unwrap();
                    assert_eq!(invariants::pool(&config, &status), []);
                    let patience = Duration::from_millis(retake::rng().random_range(0..40));
                    if let Ok(lease) = pool.checkout(patience).await {
                        match retake::rng().random_range(0..8) {
                            0 => drop(lease.cast(Ask::Crash(journal.send("client", "worker")))),
                            1 => return,
                            _ => {}
                        }
                        let held = Duration::from_millis(retake::rng().random_range(0..30));
                        retake::sleep(held).await;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    retake::sleep(Duration::from_secs(1)).await;
    let status = pool.status().await.unwrap();
    assert_eq!(pool_leases(&status, 0), []);
    assert_eq!(invariants::pool(&config, &status), []);
    pool.stop().await;
    journal.entries()
}

#[test]
fn a_pool_lends_in_order_and_to_one_at_a_time_whatever_fails() {
    let mut waited = 0;
    for seed in 0..100 {
        let sim = Sim::new().seed(seed).isolation(Isolation::Inline);
        let entries = sim.run(pool_under_fire).expect_passed();
        assert_eq!(pool_journal(&entries, "pool"), [], "seed {seed}");
        let waits = |entry: &&Entry| matches!(entry.event, Event::Waits(_));
        waited += entries.iter().filter(waits).count();
    }
    assert!(waited > 1000, "{waited} waited");
}

#[test]
fn mutants_of_the_pools_journal_are_caught() {
    let run = Sim::new().run(|| async {
        let journal = Journal::new();
        let config = PoolConfig {
            size: 1,
            max_overflow: 0,
            ..PoolConfig::default()
        };
        let pool = start_pool(&journal, config).await;
        let first = pool.checkout(PERIOD).await.unwrap();
        let clients = [1, 2].map(|_| {
            let pool = pool.clone();
            retake::spawn(async move { drop(pool.checkout(PERIOD).await.unwrap()) })
        });
        retake::sleep(Duration::from_secs(1)).await;
        let kept = pool.status().await.unwrap();
        // 16: one is lent, and somebody holds it; then nobody would.
        assert_eq!(pool_leases(&kept, 1), []);
        assert_eq!(numbers(&pool_leases(&kept, 0)), [16]);
        drop(first);
        for client in clients {
            client.await.unwrap();
        }
        pool.stop().await;
        journal.entries()
    });
    let good = run.expect_passed();
    assert_eq!(pool_journal(&good, "pool"), []);
    let check = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = good.clone();
        change(&mut entries);
        numbers(&pool_journal(&entries, "pool"))
    };
    let returned: Vec<usize> = (0..good.len())
        .filter(|at| matches!(good[*at].event, Event::Returned(_)))
        .collect();
    // 17: lent before it is given back; given back twice.
    assert_eq!(check(&|entries| drop(entries.remove(returned[0]))), [17]);
    let twice = |entries: &mut Vec<Entry>| entries.insert(returned[2], good[returned[2]].clone());
    assert_eq!(check(&twice), [17]);
    // 18: the second is served first; the last is never served.
    let lent: Vec<usize> = (0..good.len())
        .filter(|at| matches!(good[*at].event, Event::Leased(..)))
        .collect();
    assert_eq!(check(&|entries| entries.swap(lent[1], lent[2])), [18]);
    let forgotten = |entries: &mut Vec<Entry>| {
        entries.remove(returned[2]);
        entries.remove(lent[2]);
    };
    assert_eq!(check(&forgotten), [18]);
}

#[test]
fn a_journal_tells_how_handlers_end() {
    let run = Sim::new().run(|| async {
        let journal = Journal::new();
        let family = start_family(Strategy::OneForOne, 10, &journal).await;
        for ask in [Ask::Crash, Ask::Fail] {
            let alpha: ActorRef<Ask> = retake::where_is("alpha").unwrap().into();
            alpha.cast(ask(journal.send("ann", "alpha"))).unwrap();
            retake::sleep(Duration::from_secs(1)).await;
        }
        let alpha: ActorRef<Ask> = retake::where_is("alpha").unwrap().into();
        for _ in 0..2 {
            alpha.cast(Ask::Add(journal.send("ann", "alpha"))).unwrap();
        }
        retake::sleep(Duration::from_millis(7)).await;
        alpha.kill();
        retake::sleep(Duration::from_secs(1)).await;
        family.stop().await;
        journal.entries()
    });
    let entries = run.expect_passed();
    let ends: Vec<HandlerEnd> = entries
        .iter()
        .filter_map(|entry| match entry.event {
            Event::Life(_, Lifecycle::Handled(end)) => Some(end),
            _ => None,
        })
        .collect();
    let mut sorted = ends.clone();
    sorted.sort_by_key(|end| format!("{end:?}"));
    use HandlerEnd::{Cut, Failed, Panicked, Well};
    assert_eq!(sorted, [Cut, Failed, Panicked, Well], "{ends:?}");
}
