//! Supervisors and the lives of actors.

use super::*;

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

/// The numbers of what all checks of a family find after a change of a good journal.
fn found(good: &[Entry], change: impl FnOnce(&mut Vec<Entry>)) -> Vec<u32> {
    let mut entries = good.to_vec();
    change(&mut entries);
    let mut found = numbers(&check_family(&entries, Strategy::OneForAll, 1));
    found.dedup();
    found
}

/// An entry of the family's supervisor, as of its restart.
fn of_family(good: &[Entry], event: Event) -> Entry {
    let restart = place_of(good, "family", |what| matches!(what, Event::Restart(_)));
    Entry {
        event,
        ..good[restart].clone()
    }
}

#[test]
fn mutants_of_restarts_are_caught() {
    let good = one_crash();
    let restart = place_of(&good, "family", |what| matches!(what, Event::Restart(_)));
    let restarted = || of_family(&good, Event::Restart("beta".to_owned()));
    let gave_up = || of_family(&good, Event::GaveUp("beta".to_owned()));
    let once_more = |at: usize, more: &[Entry]| {
        let mut entries = good.clone();
        entries.splice(at..at, more.iter().cloned());
        let found = restarts(&entries, "family", 1, PERIOD);
        let found = found.iter().map(ToString::to_string);
        found.collect::<Vec<_>>().join("; ")
    };
    // 1: one restart more than is allowed; giving up too early, and twice.
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
    // 39: a crash that nobody has planned.
    assert_eq!(numbers(&undisturbed(&good)), [39]);
}

#[test]
fn mutants_of_restart_sets_are_caught() {
    let good = one_crash();
    let stop = |id: &str| Event::StopChild(id.to_owned());
    let [alpha, gamma] =
        ["alpha", "gamma"].map(|id| place_of(&good, "family", |what| *what == stop(id)));
    // 2: a child of the set is left running; the order is the wrong way round; one
    // outside of the set is stopped; one is stopped for no reason.
    assert_eq!(found(&good, |entries| drop(entries.remove(gamma))), [2]);
    assert_eq!(found(&good, |entries| entries.swap(gamma, alpha)), [2]);
    let others = restart_sets(&good, "family", Strategy::RestForOne);
    assert_eq!(numbers(&others), [2]);
    let restart = place_of(&good, "family", |what| matches!(what, Event::Restart(_)));
    let unasked = of_family(&good, stop("beta"));
    assert_eq!(
        found(&good, |entries| entries.insert(restart, unasked)),
        [2]
    );
}

#[test]
fn mutants_of_lives_are_caught() {
    let good = one_crash();
    // 3: the supervisor is gone, and a child is not.
    let is_end = |entry: &Entry| {
        entry.who == "alpha" && matches!(entry.event, Event::Life(_, Lifecycle::Ended))
    };
    let last = good.iter().rposition(is_end).unwrap();
    assert_eq!(found(&good, |entries| drop(entries.remove(last))), [3]);
    // 4: two ends; two at a time.
    let beta = incarnation(&good, "beta");
    let end = place_of(&good, "beta", life(beta, Lifecycle::Ended));
    let ended = good[end].clone();
    let of_beta = |life| Entry {
        event: Event::Life(beta, life),
        ..ended.clone()
    };
    assert_eq!(
        found(&good, |entries| entries.insert(end, ended.clone())),
        [4]
    );
    assert!(found(&good, |entries| drop(entries.remove(end))).contains(&4));
    let starts = |what: &Event| matches!(what, Event::Life(_, Lifecycle::Starting));
    let next = end + 1 + place_of(&good[end + 1..], "beta", starts);
    let haunts = |entries: &mut Vec<Entry>| {
        let end = entries.remove(end);
        entries.insert(next, of_beta(Lifecycle::Handling(None)));
        entries.insert(next + 1, end);
    };
    assert!(found(&good, haunts).contains(&4));
    // 5: a restarted counter continues where it was.
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
    assert_eq!(found(&good, recovers), [5]);
    // 7: post_stop of one that failed.
    let stopping = of_beta(Lifecycle::Stopping);
    assert_eq!(found(&good, |entries| entries.insert(end, stopping)), [7]);
    // 13: a message after the stop, and after the end.
    let alpha = incarnation(&good, "alpha");
    for place in [Lifecycle::Stopping, Lifecycle::Ended] {
        let place = place_of(&good, "alpha", life(alpha, place));
        let handling = Entry {
            event: Event::Life(alpha, Lifecycle::Handling(None)),
            ..good[place].clone()
        };
        let late = found(&good, |entries| entries.insert(place + 1, handling));
        assert_eq!(late, [13]);
    }
}

/// 6: the supervisor does not hear of the crash, and does nothing, until it ends or for good;
/// it hears of it late.
#[test]
fn mutants_of_supervisors_that_hear_nothing_are_caught() {
    let good = one_crash();
    let panicked = Lifecycle::Handled(HandlerEnd::Panicked);
    let beta = incarnation(&good, "beta");
    let crash = place_of(&good, "beta", life(beta, panicked));
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
    assert_eq!(unheard_of(&|entries| entries.truncate(crash + 1)), [6]);
    let late = |entries: &mut Vec<Entry>| {
        for entry in &mut entries[crash + 1..] {
            entry.at = entry.at + 2 * BUSY;
        }
    };
    assert_eq!(unheard_of(&late), [6]);
    assert!(unheard_of(&|_| ()).is_empty());
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
fn a_permanent_child_that_does_not_run_is_caught() {
    let run = Sim::new().run(|| async {
        let below = || {
            SupervisorSpec::new(Strategy::OneForOne).child(ChildSpec::new("idler", || (Idler, ())))
        };
        let spec = SupervisorSpec::new(Strategy::OneForOne);
        let spec = spec.child(ChildSpec::supervisor("below", below));
        let root = SupervisorRef::start(None, spec).await.unwrap();
        assert_eq!(tree_at_rest(&root.tree().await.unwrap()), []);
        let below = retake::where_is("below").unwrap();
        let below = SupervisorRef::from(ActorRef::from(below));
        below.terminate_child("idler").await.unwrap();
        let found = tree_at_rest(&root.tree().await.unwrap());
        assert_eq!(found[0].to_string(), "invariant 8: `idler` does not run");
    });
    run.expect_passed();
}
