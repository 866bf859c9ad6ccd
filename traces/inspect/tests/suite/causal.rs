//! Comparing runs by causality: what has to hold, and what a person reads.

use std::collections::BTreeMap;

use proptest::prelude::*;
use retake_inspect::causal::Verdict;
use retake_inspect::{CausalDiff, causal_diff};
use retake_testkit::Folder;
use retake_testkit::traces::runs::{any_run, detail, end, event, header, shop, step, task};
use retake_traces::record::{Record, StepKind, TaskKind};
use retake_traces::{Header, Layers};

fn compare(left: &[Record], right: &[Record]) -> CausalDiff {
    compare_with(&header(), left, &header(), right)
}

fn compare_with(a: &Header, left: &[Record], b: &Header, right: &[Record]) -> CausalDiff {
    let folder = Folder::new();
    let left = folder.write_trace("left", a, left);
    let right = folder.write_trace("right", b, right);
    let mut diff = causal_diff(&left, &right).unwrap();
    // The folder's name is of no interest.
    diff.names = ("left".into(), "right".into());
    diff
}

fn is_step(record: &Record) -> bool {
    matches!(record, Record::Step(_))
}

/// The same partial order in another total one, chosen by `picks`.
fn another_order(records: &[Record], picks: &[u16]) -> Vec<Record> {
    let (last, records) = records.split_last().unwrap();
    let first = records.iter().position(is_step).unwrap_or(records.len());
    let (before, steps) = records.split_at(first);
    // Each step with what belongs to it, by its number.
    let turns = steps.chunk_by(|_, next| !is_step(next));
    let mut left: Vec<(u64, &[Record])> = (1..).zip(turns).collect();
    let mut other = before.to_vec();
    // By old number: the new one.
    let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
    let mut picks = picks.iter().cycle();
    while !left.is_empty() {
        let may_go = (0..left.len()).filter(|place| {
            let Record::Step(step) = &left[*place].1[0] else {
                unreachable!("a turn begins with its step")
            };
            let of_task = |it: &Record| matches!(it, Record::Step(it) if it.task == step.task);
            let starts = |it: &Record| matches!(it, Record::Task(it) if it.id == step.task);
            let is_late =
                |it: &Record| matches!(it, Record::Cause(it) if !numbers.contains_key(it));
            let is_started = !left.iter().any(|(_, turn)| turn.iter().any(starts));
            let is_next = !left[..*place].iter().any(|(_, turn)| of_task(&turn[0]));
            is_started && is_next && !left[*place].1.iter().any(is_late)
        });
        let may_go: Vec<usize> = may_go.collect();
        let pick = *picks.next().unwrap_or(&0) as usize % may_go.len();
        let (number, turn) = left.remove(may_go[pick]);
        numbers.insert(number, numbers.len() as u64 + 1);
        other.extend(turn.iter().map(|record| match record {
            Record::Cause(cause) => Record::Cause(numbers[cause]),
            record => record.clone(),
        }));
    }
    other.push(last.clone());
    other
}

/// A pool that hears of a death before or after a worker is given back.
fn pool(down_first: bool) -> Vec<Record> {
    let mut records = vec![
        task(0, TaskKind::Scenario, "scenario", None),
        step(0, 0, StepKind::Task),
        task(1, TaskKind::Actor, "pool", Some(0)),
        task(2, TaskKind::Task, "client", Some(0)),
        task(3, TaskKind::Task, "monitor", Some(0)),
        step(2, 0, StepKind::Task),
        step(3, 1_000, StepKind::Task),
    ];
    let handles = |task: u32, text: &str, cause: u64| {
        [
            step(task, 0, StepKind::Handle),
            detail(text),
            Record::Cause(cause),
        ]
    };
    let check_in = handles(1, "CheckIn { worker: 1 }", 2);
    let down = handles(1, "Down { worker: 1 }", 3);
    if down_first {
        records.extend([down, check_in].concat());
        records.push(event("lends worker 1, which is dead"));
        records.extend(handles(2, "Lent(1)", 5));
        records.push(end("panicked", 6, 1_000));
    } else {
        records.extend([check_in, down].concat());
        records.push(end("passed", 5, 1_000));
    }
    records
}

#[test]
fn a_race_is_named_as_what_the_first_difference_depends_on() {
    let diff = compare(&pool(false), &pool(true));
    assert_eq!(diff.verdict, Verdict::Different);
    assert_eq!(diff.races.len(), 1);
    insta::assert_snapshot!(diff.to_text(80));
}

#[test]
fn a_race_without_consequences_is_no_reordering_of_independent_steps() {
    let mut other = pool(false);
    // Steps 4 and 5, three records each.
    let place = other.len() - 7;
    other[place..place + 6].rotate_left(3);
    let diff = compare(&pool(false), &other);
    assert_eq!((diff.verdict, diff.is_same()), (Verdict::Raced, false));
    assert_eq!(diff.alone, (0, 0));
    insta::assert_snapshot!(diff.to_text(80));
}

#[test]
fn independent_steps_in_another_order_are_the_same_run() {
    let mut other = pool(false);
    other.swap(5, 6);
    for record in &mut other {
        match record {
            Record::Cause(cause) => *cause = 5 - *cause,
            Record::Step(step) => step.elapsed_ns = 0,
            _ => {}
        }
    }
    let diff = compare(&pool(false), &other);
    assert_eq!((diff.verdict, diff.is_same()), (Verdict::Reordered, true));
    insta::assert_snapshot!(diff.to_text(80));
}

#[test]
fn a_difference_that_no_message_explains_shows_where_the_runs_part() {
    let mut other = shop();
    let text = other.iter_mut().find(|it| **it == detail("CheckOut(2)"));
    *text.unwrap() = detail("CheckOut(3)");
    let diff = compare(&shop(), &other);
    assert_eq!(diff.alone, (1, 1));
    insta::assert_snapshot!(diff.to_text(80));
}

#[test]
fn incarnations_are_known_by_what_started_them_not_by_their_number() {
    let run = |swapped: bool| {
        let mut records = vec![
            task(0, TaskKind::Scenario, "scenario", None),
            step(0, 0, StepKind::Task),
            task(1, TaskKind::Actor, "executor", Some(0)),
        ];
        let jobs = if swapped { ["b", "a"] } else { ["a", "b"] };
        for (number, job) in jobs.into_iter().enumerate() {
            let label = ["runner", "runner#2"][number];
            let id = 2 + number as u32;
            records.extend([step(1, 0, StepKind::Handle), detail(job), Record::Cause(1)]);
            records.push(task(id, TaskKind::Task, label, Some(1)));
        }
        for (number, job) in jobs.into_iter().enumerate() {
            records.push(step(2 + number as u32, 0, StepKind::Task));
            records.push(event(&format!("does {job}")));
        }
        records.push(end("passed", 5, 0));
        records
    };
    let diff = compare(&run(false), &run(true));
    assert_eq!((diff.verdict, diff.raced_tasks), (Verdict::Raced, 1));
}

#[test]
fn runs_with_and_without_texts_and_causes_are_compared_by_the_rest() {
    let bare = Header {
        layers: Layers {
            states: true,
            ..Layers::default()
        },
        ..header()
    };
    let compare = |mut other: Vec<Record>| {
        other.retain(Record::is_schedule);
        compare_with(&header(), &pool(false), &bare, &other)
    };
    let diff = compare(pool(false));
    assert!(diff.is_same(), "{diff}");
    assert!(!diff.texts_compared && !diff.causes_compared);
    let diff = compare(pool(true));
    assert_eq!(diff.verdict, Verdict::Different, "{diff}");
}

#[test]
fn every_line_fits_into_its_width_whatever_the_names_are() {
    let long = "x".repeat(300);
    let rename = |mut records: Vec<Record>| {
        for record in &mut records {
            match record {
                Record::Task(task) => task.label.name = format!("{}{long}", task.label.name).into(),
                Record::Detail(text) => *text += &long,
                _ => {}
            }
        }
        records
    };
    let diff = compare(&rename(pool(false)), &rename(pool(true)));
    for width in [60, 80, 132] {
        for line in diff.to_text(width).lines() {
            // A word longer than a line has a line of its own.
            let is_word = line.trim().contains(&long) && !line.trim().contains(' ');
            assert!(line.chars().count() <= width || is_word, "{line}");
        }
    }
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = Folder::new();
    let good = folder.write_trace("good", &header(), &shop());
    let mut bytes = folder.bytes("good");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let bad = folder.write("bad", bytes);
    assert!(causal_diff(&good, &bad).is_err());
    assert!(causal_diff(&bad, &good).is_err());
}

/// What a difference says, from the left to the right or the other way round.
fn said(diff: &CausalDiff, is_mirrored: bool) -> String {
    let (mut alone, mut sides) = (diff.alone, (&diff.left, &diff.right));
    if is_mirrored {
        (alone, sides) = ((alone.1, alone.0), (sides.1, sides.0));
    }
    let lines = [sides.0, sides.1].map(|side| side.clone().map(|it| it.line));
    let counts = (diff.moved, diff.retimed, diff.raced_tasks);
    format!("{:?}", (diff.verdict, alone, counts, lines))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_run_is_identical_to_itself(records in any_run()) {
        let diff = compare(&records, &records);
        prop_assert_eq!(diff.verdict, Verdict::Identical);
        prop_assert!(diff.is_same());
    }

    #[test]
    fn another_order_of_the_same_partial_order_is_the_same_run(
        records in any_run(),
        picks in prop::collection::vec(any::<u16>(), 1..80),
    ) {
        let other = another_order(&records, &picks);
        let diff = compare(&records, &other);
        prop_assert!(diff.is_same(), "{}", diff);
        prop_assert_eq!(diff.alone, (0, 0));
        let is_other = diff.verdict == Verdict::Reordered;
        prop_assert_eq!(is_other, records != other);
    }

    #[test]
    fn both_directions_say_the_same(
        records in any_run(),
        others in any_run(),
        picks in prop::collection::vec(any::<u16>(), 1..80),
    ) {
        for right in [&others, &another_order(&records, &picks)] {
            let there = compare(&records, right);
            let back = compare(right, &records);
            prop_assert_eq!(said(&there, false), said(&back, true));
        }
    }

    #[test]
    fn a_changed_message_and_what_follows_from_it_are_the_only_differences(
        records in any_run(),
        which in any::<prop::sample::Index>(),
        picks in prop::collection::vec(any::<u16>(), 1..80),
    ) {
        let details: Vec<usize> = (0..records.len())
            .filter(|place| matches!(records[*place], Record::Detail(_)))
            .collect();
        let place = details[which.index(details.len())];
        let changed = records[..place].iter().filter(|it| is_step(it)).count() as u64;
        let mut other = records.clone();
        other[place] = detail("changed");
        // What that step caused, and so on.
        let mut follow = vec![changed];
        let mut number = 0;
        for record in &records {
            match record {
                Record::Step(_) => number += 1,
                Record::Cause(cause) if follow.contains(cause) => follow.push(number),
                _ => {}
            }
        }
        let diff = compare(&records, &another_order(&other, &picks));
        let count = follow.len() as u64;
        prop_assert_eq!(diff.alone, (count, count), "{}", diff);
        let first = diff.left.map(|alone| alone.line.step);
        prop_assert_eq!(first, Some(changed));
    }
}
