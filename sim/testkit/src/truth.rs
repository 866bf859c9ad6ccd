//! Whether an explanation is true: each of its reasons is run.

use std::collections::BTreeSet;

use retake_inspect::story::{self, Line};
use retake_sim::explore::{
    Case, Delivery, Explanation, Order, Reason, Verdict, explain, signature,
};
use retake_sim::strategy::{StepOf, Strategy};
use retake_traces::sink::MemorySink;

/// Earlier bounds that are tried for each order.
const EARLIER_MAX: usize = 24;

/// A run's steps in their order, with the task and which of its steps each is.
fn steps<F, Fut>(case: &Case, scenario: F) -> (bool, String, Vec<(StepOf, Line)>)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let sink = MemorySink::new();
    let sim = case.sim().story(true).causality(true).trace(sink.clone());
    let run = sim.run(scenario);
    let mut counts = std::collections::BTreeMap::<u32, u32>::new();
    let mut steps = Vec::new();
    for line in story::lines(&sink.records()) {
        if let Some(step) = line.as_step() {
            let count = counts.entry(step.task).or_default();
            *count += 1;
            steps.push(((step.task, *count), line));
        }
    }
    (run.passed(), signature(&run.outcome), steps)
}

fn place(steps: &[(StepOf, Line)], step: StepOf) -> usize {
    let found = steps.iter().position(|(known, _)| *known == step);
    found.unwrap_or(usize::MAX)
}

/// Where a delivery is among the steps of a run, by what it is.
fn places(steps: &[(StepOf, Line)], delivery: &Delivery) -> BTreeSet<usize> {
    let is_it = |line: &Line| {
        let what = line.what();
        let is_what = match what.strip_prefix("handles ") {
            None => what == delivery.what,
            Some(message) => {
                let shown = delivery.what.trim_start_matches("handles `");
                message.starts_with(shown.trim_end_matches('`').trim_end_matches('…'))
            }
        };
        let by_number = |number: u64| steps.iter().find(|(_, line)| line.step == number);
        let sender = line.cause.and_then(by_number);
        let is_sender = delivery.sender.is_none()
            || sender.is_some_and(|(_, line)| Some(&*line.who) == delivery.sender.as_deref());
        *line.who == delivery.who && is_what && is_sender
    };
    let found = steps
        .iter()
        .enumerate()
        .filter(|(_, (_, line))| is_it(line));
    found.map(|(place, _)| place).collect()
}

fn check_order<F, Fut>(name: &str, order: &Order, case: &Case, scenario: F, earliest: bool)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (passed, _, passing) = steps(&order.passes, scenario.clone());
    assert!(passed, "{name}: it fails though released: {order}");
    let (passed, now, failing) = steps(&order.fails, scenario.clone());
    assert!(!passed, "{name}: it passes though held: {order}");
    assert_eq!(
        order.verdict == Verdict::FailsAlike,
        now == case.signature,
        "{name}: {order}"
    );
    // The constraint is kept in the one, and broken in the other.
    let (first, second) = order.constraint;
    assert!(
        place(&passing, first) < place(&passing, second),
        "{name}: {order}"
    );
    assert!(
        place(&failing, second) < place(&failing, first),
        "{name}: {order}"
    );
    // So are the deliveries that are named.
    let place_of_first = place(&passing, order.first.task_step);
    let place_of_second = place(&passing, order.second.task_step);
    assert!(place_of_first < place_of_second, "{name}: {order}");
    let (first, second) = (
        places(&failing, &order.first),
        places(&failing, &order.second),
    );
    assert!(!first.is_empty() || !second.is_empty(), "{name}: {order}");
    let least = |places: &BTreeSet<usize>| places.first().copied().unwrap_or(usize::MAX);
    let most = |places: &BTreeSet<usize>| places.last().copied().unwrap_or(usize::MAX);
    assert!(least(&second) < most(&first), "{name}: {order}");
    // The two differ by one bound.
    let holds = |case: &Case| case.holds().to_vec();
    let (kept, broken) = (holds(&order.passes), holds(&order.fails));
    let differ = broken.iter().filter(|hold| !kept.contains(hold)).count()
        + kept.iter().filter(|hold| !broken.contains(hold)).count();
    assert!((1..=2).contains(&differ), "{name}: {kept:?} and {broken:?}");
    if !earliest {
        return;
    }
    // No earlier bound decides: released after any step before, it passes.
    let Some(hold) = broken.iter().find(|hold| !kept.contains(hold)) else {
        return;
    };
    let Some(end) = failing.iter().position(|(step, _)| *step == hold.until) else {
        return;
    };
    for (step, _) in &failing[end.saturating_sub(EARLIER_MAX)..end] {
        let mut holds = order.fails.holds().to_vec();
        for held in holds.iter_mut().filter(|held| *held == hold) {
            held.until = *step;
        }
        let earlier = order.fails.with_strategy(Strategy::holds(&holds));
        let (passed, ..) = steps(&earlier, scenario.clone());
        assert!(
            passed,
            "{name}: {order} fails at an earlier bound, {step:?}"
        );
    }
}

/// Check that an explanation is there, is true, and is the same when repeated.
pub fn check<F, Fut>(name: &str, case: &Case, scenario: F) -> Explanation
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let why = explain(case, scenario.clone());
    let passes = |case: &Case| case.sim().run(scenario.clone()).passed();
    let has_reason = !why.reasons.is_empty();
    let seeds = why.seeds.as_ref();
    assert!(
        has_reason || seeds.is_some_and(|seeds| seeds.runs > 0),
        "{name}: {why}"
    );
    for reason in &why.reasons {
        match reason {
            Reason::ArrivalOrder(case) => assert!(passes(case), "{name}: {reason}"),
            Reason::Faults(without) => assert!(passes(&without.passes), "{name}: {reason}"),
            Reason::Ordering(ordering) => {
                assert!(passes(&ordering.passes), "{name}: {reason}");
                for order in &ordering.orders {
                    let is_single = ordering.orders.len() == 1 && why.case.size() > 0;
                    check_order(name, order, case, scenario.clone(), is_single);
                }
            }
        }
    }
    if let Some(seeds) = seeds {
        assert_eq!(seeds.passed > 0, seeds.example.is_some(), "{name}");
        assert!(seeds.example.iter().all(passes), "{name}: {why}");
    }
    for different in &why.different {
        let run = different.case.sim().run(scenario.clone());
        assert!(
            !run.passed() && signature(&run.outcome) != case.signature,
            "{name}: {why}"
        );
    }
    let text = why.to_string();
    if text.contains("no single change") {
        for place in 0..why.case.holds().len() {
            let mut holds = why.case.holds().to_vec();
            holds.remove(place);
            let without = why.case.with_strategy(Strategy::holds(&holds));
            assert!(!passes(&without), "{name}: {why}");
        }
    }
    let again = explain(case, scenario.clone());
    assert_eq!(text, again.to_string(), "{name}");
    why
}
