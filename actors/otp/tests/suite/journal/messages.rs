//! Messages, calls and the ends of handlers.

use super::*;

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
