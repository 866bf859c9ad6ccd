//! How runs are compared, and how their lines read.

use retake_inspect::{Comparer, Divergence, Line, compare as compare_records, diff, story};
use retake_testkit::Folder;
use retake_testkit::traces::small::{header, small, step};
use retake_traces::fault::Fault;
use retake_traces::record::{Choice, Record};
use retake_traces::{Header, Sink as _, Strategy, TraceReader, Watch};

#[test]
fn a_story_reads_well_in_80_columns() {
    let lines = story::lines(&small());
    let text: Vec<String> = lines.iter().map(|line| line.to_text(80)).collect();
    insta::assert_snapshot!(format!("{}\n{}", Line::heading(80), text.join("\n")));
}

#[test]
fn the_first_divergence_is_shown_with_both_sides() {
    let folder = Folder::new();
    let left = folder.write_trace("a", &header(), &small());
    let mut other = small();
    other[6] = step(0, 1_500_000, Choice::Fifo);
    let right = folder.write_trace("b", &header(), &other);
    let same = diff(&left, &left).unwrap();
    assert!(same.is_same() && same.header.is_empty() && same.same_steps == 3);
    let mut divergence = *diff(&left, &right).unwrap().divergence.unwrap();
    divergence.names = ("a".into(), "b".into());
    insta::assert_snapshot!(divergence.to_text(80));
}

#[test]
fn a_difference_that_the_columns_do_not_show_is_said_in_words() {
    let compare = |left: &[Record], right: &[Record]| {
        let divergence = compare_records(("a", "b"), left, right);
        divergence.unwrap().to_text(60)
    };
    let mut other = small();
    let Record::Step(step) = &mut other[1] else {
        panic!("{other:?}")
    };
    step.message = 4;
    let text = compare(&small(), &other);
    assert!(
        text.ends_with("variant 3 and variant 4 of their enum: has its declaration changed?"),
        "{text}"
    );
    let mut other = small();
    let long = |end: &str| Record::Detail("x".repeat(100) + end);
    let mut one = small();
    (one[2], other[2]) = (long("1"), long("2"));
    let text = compare(&one, &other);
    assert!(text.contains("x1") && text.contains("x2"), "{text}");
}

#[test]
fn a_run_that_ends_early_or_late_diverges() {
    let folder = Folder::new();
    let path = folder.write_trace("a", &header(), &small());
    let compare = |records: &[Record]| {
        let mut comparer = Comparer::new(TraceReader::open(&path).unwrap(), "recorded", true);
        for record in records {
            comparer.record(record).unwrap();
        }
        let error = comparer.finish().err()?;
        let divergence = Divergence::from_error(error).unwrap();
        Some((divergence.left.len(), divergence.right.len()))
    };
    assert_eq!(compare(&small()), None);
    assert_eq!(compare(&small()[..small().len() - 1]), Some((1, 0)));
    assert_eq!(compare(&[small(), small()].concat()), Some((0, 5)));
    let mut other = small();
    other[2] = Record::Detail("Append { payload: 13 }".into());
    assert_eq!(compare(&other), Some((5, 5)));
}

#[test]
fn two_headers_that_differ_in_any_setting_say_in_which() {
    let folder = Folder::new();
    let one = folder.write_trace("one", &header(), &small());
    let fields = |change: fn(&mut Header)| -> Vec<(String, String)> {
        let mut changed = header();
        change(&mut changed);
        let other = folder.write_trace("other", &changed, &small());
        let found = diff(&one, other).unwrap().header;
        found.into_iter().map(|it| (it.field, it.right)).collect()
    };
    type Change = fn(&mut Header);
    let changes: [(Change, &str, &str); 5] = [
        (|it| it.config.strict = true, "strict", "true"),
        (
            |it| it.config.only_planned_faults = true,
            "only_planned_faults",
            "true",
        ),
        (
            |it| it.config.watch = Some(Watch::Lossless),
            "watch",
            "lossless",
        ),
        (|it| it.config.strategy = Strategy::Fifo, "strategy", "fifo"),
        (
            |it| it.config.faults.push(Fault::kill("b")),
            "faults",
            "kill b @step 1",
        ),
    ];
    for (change, field, value) in changes {
        assert_eq!(fields(change), [(field.to_owned(), value.to_owned())]);
    }
    assert_eq!(fields(|_| {}), []);
    assert_eq!(fields(|it| it.reasons.push("it passes".into())), []);
}
