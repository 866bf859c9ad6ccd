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
