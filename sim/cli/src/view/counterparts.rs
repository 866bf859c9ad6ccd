//! Two traces on one page: where they part, and which events of one the other also has.

use std::cmp::Ordering;

use retake_inspect::Diff;

use super::columns::Columns;
use super::texts::NONE;

/// For each row of either trace the row of the other one that is the same event: the n-th of
/// its task with this kind and this text. Behind the parting the schedules differ, and such
/// events are what they still share.
pub(super) fn partners(traces: [&Columns; 2]) -> [Vec<u32>; 2] {
    let mut partners = traces.map(|trace| vec![NONE; trace.len()]);
    let [left, right] = traces.map(Columns::keys);
    let (mut a, mut b) = (left.iter().peekable(), right.iter().peekable());
    while let (Some((key, row)), Some((other_key, other))) = (a.peek(), b.peek()) {
        let order = key.cmp(other_key);
        if order == Ordering::Equal {
            partners[0][*row as usize] = *other;
            partners[1][*other as usize] = *row;
        }
        if order != Ordering::Greater {
            a.next();
        }
        if order != Ordering::Less {
            b.next();
        }
    }
    partners
}

/// The rows at which two traces part: the first that differ. None when they do not part, or
/// not on this page. Where one has ended it is its last row.
pub(super) fn parting(diff: &Diff, traces: [&Columns; 2]) -> Option<[usize; 2]> {
    diff.divergence.as_ref()?;
    let row = |trace: &Columns| match diff.same_steps {
        steps if !diff.story_compared => trace.row_of_step(steps + 1),
        0 => trace.is_from_start().then_some(diff.same_lines as usize),
        steps => Some(trace.row_of_step(steps)? + 1 + diff.same_lines as usize),
    };
    let [left, right] = [row(traces[0])?, row(traces[1])?];
    let [left_rows, right_rows] = traces.map(Columns::len);
    if left >= left_rows && right >= right_rows {
        return None;
    }
    let last = |rows: usize| rows.checked_sub(1);
    Some([left.min(last(left_rows)?), right.min(last(right_rows)?)])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::view::Limits;
    use retake_inspect::diff;
    use retake_inspect::story::lines;
    use retake_traces::record::{
        Choice, End, Event, OutcomeKind, Record, Step, StepKind, Task, TaskKind,
    };
    use retake_traces::{Header, Sink, TraceWriter};

    fn task(id: u32, label: &str) -> Record {
        Record::Task(Task {
            id,
            kind: TaskKind::Actor,
            label: label.into(),
            parent: None,
        })
    }

    fn handles(task: u32, text: &str) -> [Record; 2] {
        let step = Step {
            elapsed_ns: 1,
            task,
            kind: StepKind::Handle,
            message: 0,
            choice: Choice::Fifo,
        };
        [Record::Step(step), Record::Detail(text.to_owned())]
    }

    /// Two tasks, and then these.
    fn run(rest: &[[Record; 2]], outcome: OutcomeKind) -> Vec<Record> {
        let mut records = vec![task(0, "a"), task(1, "b")];
        records.extend(rest.iter().flatten().cloned());
        records.push(Record::End(End {
            outcome,
            detail: String::new(),
            steps: rest.len() as u64,
            now_ns: 9,
        }));
        records
    }

    fn columns(records: &[Record]) -> Columns {
        let mut columns = Columns::new(Limits::PAGE, 0, 0);
        for line in lines(records) {
            columns.add(&line).expect("it is small");
        }
        columns
    }

    fn rows_of_parting(left: &[Record], right: &[Record]) -> Option<[usize; 2]> {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, records: &[Record]| {
            let path = folder.path().join(name);
            let mut writer = TraceWriter::create(&path, &Header::default()).expect("a file");
            for record in records {
                writer.record(record).expect("it is written");
            }
            writer.finish().expect("it is written");
            path
        };
        let (a, b): (&Path, &Path) = (&write("a", left), &write("b", right));
        let diff = diff(a, b).expect("both are whole");
        parting(&diff, [&columns(left), &columns(right)])
    }

    #[test]
    fn the_same_events_at_other_places_are_partners_and_the_second_of_two_is_not() {
        let [one, two] = [handles(0, "One"), handles(1, "Two")];
        let left = columns(&run(
            &[one.clone(), two.clone(), one.clone()],
            OutcomeKind::Passed,
        ));
        let right = columns(&run(&[two, one], OutcomeKind::Violated));
        let [left, right] = partners([&left, &right]);
        assert_eq!(left, [0, 1, 3, 2, NONE, 4]);
        assert_eq!(right, [0, 1, 3, 2, 5]);
    }

    #[test]
    fn two_traces_part_at_the_first_row_that_differs() {
        let logged = |text: &str| [Record::Event(Event::log(text)), Record::Cause(1)];
        let rest = [handles(0, "One"), logged("x"), handles(1, "Two")];
        let whole = run(&rest, OutcomeKind::Passed);
        assert_eq!(rows_of_parting(&whole, &whole), None);
        let with = |index: usize, other: [Record; 2]| {
            let mut rest = rest.to_vec();
            rest[index] = other;
            run(&rest, OutcomeKind::Passed)
        };
        let of = |other: &[Record]| rows_of_parting(&whole, other);
        assert_eq!(of(&with(0, handles(1, "One"))), Some([2, 2]));
        assert_eq!(of(&with(1, logged("y"))), Some([3, 3]));
        assert_eq!(of(&with(2, handles(1, "2"))), Some([4, 4]));
        // In what comes before the first step, and where one has ended.
        let mut renamed = whole.clone();
        renamed[1] = task(1, "c");
        assert_eq!(of(&renamed), Some([1, 1]));
        assert_eq!(of(&whole[..whole.len() - 1]), Some([5, 4]));
    }
}
