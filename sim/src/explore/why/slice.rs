//! Which lines of a failing run explain it, and no more of them than one reads.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use retake_inspect::fold::{Passage, fold, left_out};
use retake_inspect::story::Line;
use retake_traces::event::Occurrence;
use retake_traces::record::{ChildNews, EventKind, StepKind, TaskKind};

/// Lines that an explanation has at most, where nothing that must be shown needs more.
pub(super) const LINES_MAX: usize = 40;

/// Lines that must be shown, and those that are shown if these leave room.
const MUST_MAX: usize = 200;
const KEYS_MAX: usize = 50;

/// So many steps in a row that are not shown are mentioned.
const GAP_MIN: usize = 20;

/// Whether a callback failed or panicked here, or a check did.
fn tells_failure(line: &Line) -> bool {
    match &line.occurrence {
        Occurrence::Event(event) => event.kind != EventKind::Log,
        Occurrence::Panic(_) => true,
        _ => false,
    }
}

/// Ranks of lines, the lower the sooner they are shown: what must be shown, what is shown up
/// to [`KEYS_MAX`], and what is shown if there is room for it, by its distance.
const MUST: u32 = 0;
const KEY: u32 = 1;
const NEAR: u32 = 2;

/// The rank of a line for what it is: faults and failures, what ends and starts again and
/// which supervisor receives that, then what starts for the first time.
fn rank(line: &Line, has_started: bool) -> Option<u32> {
    match &line.occurrence {
        Occurrence::Step(step) if step.kind == StepKind::PostStop => Some(KEY),
        Occurrence::Step(step) if step.kind == StepKind::Supervision => {
            Some(match line.child.map(|child| child.news) {
                Some(ChildNews::Failed) => MUST,
                // Of what has started there is a line already, and a normal end is usual.
                Some(ChildNews::Started | ChildNews::Stopped) => NEAR + 1,
                Some(ChildNews::Ended) | None => KEY,
            })
        }
        // The tasks of a start are many, and known.
        Occurrence::Task(task) if task.kind == TaskKind::Actor => {
            let is_successor = task.label.incarnation > 1;
            (has_started || is_successor).then_some(if is_successor { KEY } else { NEAR })
        }
        Occurrence::Fault(_) | Occurrence::End(_) => Some(MUST),
        Occurrence::Ended(_) => Some(KEY),
        Occurrence::Event(_) | Occurrence::Panic(_) => tells_failure(line).then_some(MUST),
        Occurrence::Task(_) | Occurrence::Step(_) => None,
        Occurrence::Unhandled(_) | Occurrence::State(_) | Occurrence::Live(_) => None,
    }
}

/// How far each step is from the failure: a message's sender is near, what its task did
/// before is farther.
fn distances(lines: &[Line], nearest: &BTreeSet<u64>) -> BTreeMap<u64, u32> {
    const CAUSE: u32 = 1;
    const BEFORE: u32 = 4;
    let mut before: BTreeMap<u64, Vec<(u64, u32)>> = BTreeMap::new();
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    for line in lines {
        let Some(step) = line.as_step() else {
            continue;
        };
        let edges = before.entry(line.step).or_default();
        edges.extend(line.cause.map(|cause| (cause, CAUSE)));
        let previous = last.insert(step.task, line.step);
        edges.extend(previous.map(|previous| (previous, BEFORE)));
    }
    let mut distances = BTreeMap::new();
    let mut open: BinaryHeap<_> = nearest.iter().map(|step| Reverse((0, *step))).collect();
    while let Some(Reverse((distance, step))) = open.pop() {
        if distances.contains_key(&step) {
            continue;
        }
        distances.insert(step, distance);
        for (earlier, far) in before.get(&step).into_iter().flatten() {
            open.push(Reverse((distance + far, *earlier)));
        }
    }
    distances
}

/// The steps that the last one can depend on: those before it of the same task, the one
/// that sent its message or its reply, that spawned it or woke it, and so on; and those
/// around `decisive` steps. What does not fit is left out, what is farthest from the failure
/// first. A dependence by memory that tasks share does not show otherwise.
pub(super) fn slice(lines: &[Line], decisive: &BTreeSet<u64>) -> Vec<Passage> {
    let steps = lines.iter().filter(|line| line.is_step()).count();
    let panicked = lines.iter().rev().find_map(|line| match line.occurrence {
        Occurrence::Panic(_) => Some(line.step),
        _ => None,
    });
    let failing = panicked.or_else(|| lines.iter().rev().find(|it| it.is_step()).map(|it| it.step));
    let mut nearest = decisive.clone();
    nearest.extend(failing);
    nearest.extend(
        lines
            .iter()
            .filter(|it| tells_failure(it))
            .map(|it| it.step),
    );
    let distances = distances(lines, &nearest);
    // Of a short run all is shown, for the sake of what memory its tasks share.
    let is_short = steps <= LINES_MAX;
    let mut has_started = false;
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    for line in lines {
        has_started |= line.kind() == Some(StepKind::Handle);
        let is_decisive = line.is_step() && nearest.contains(&line.step);
        let rank = if is_decisive {
            Some(MUST)
        } else {
            rank(line, has_started)
        };
        let is_near = match &line.occurrence {
            Occurrence::Step(_) | Occurrence::Event(_) | Occurrence::Panic(_) => {
                is_short || distances.contains_key(&line.step)
            }
            _ => false,
        };
        if rank.is_some() || is_near {
            if skipped.len() >= GAP_MIN {
                chosen.push(LineOrGap::Gap(Box::new(left_out(&skipped))));
            }
            skipped.clear();
            let far = distances
                .get(&line.step)
                .copied()
                .unwrap_or(u32::MAX - NEAR);
            let rank = rank.unwrap_or(u32::MAX).min(NEAR + far);
            chosen.push(LineOrGap::Line(line, rank));
        } else if line.is_step() {
            skipped.push(line);
        }
    }
    abridge(chosen, &nearest)
}

/// A line that is shown if there is room, and how far from the failure it is; or lines that it
/// does not depend on.
enum LineOrGap<'a> {
    Line(&'a Line, u32),
    Gap(Box<Passage>),
}

/// Not more passages than one reads, and the numbers of lines that are missing.
fn abridge(chosen: Vec<LineOrGap<'_>>, nearest: &BTreeSet<u64>) -> Vec<Passage> {
    let mut far: Vec<u32> = Vec::new();
    let mut passages = Vec::new();
    let mut run = Vec::new();
    // Gaps, by their place among the passages.
    let mut gaps: BTreeSet<usize> = BTreeSet::new();
    let must_show = |line: &Line| {
        let is_decisive = line.is_step() && nearest.contains(&line.step);
        is_decisive || matches!(line.occurrence, Occurrence::Fault(_)) || tells_failure(line)
    };
    let flush = |run: &mut Vec<Line>| fold(std::mem::take(run), must_show);
    for it in chosen {
        match it {
            LineOrGap::Line(line, distance) => {
                run.push(line.clone());
                far.push(distance);
            }
            LineOrGap::Gap(gap) => {
                passages.extend(flush(&mut run));
                gaps.insert(passages.len());
                passages.push(*gap);
            }
        }
    }
    passages.extend(flush(&mut run));
    // Where a passage starts among the lines.
    let mut start = 0;
    let mut ranks: Vec<(u32, usize)> = Vec::new();
    for (index, passage) in passages.iter().enumerate() {
        if gaps.contains(&index) {
            continue;
        }
        let end = start + passage.count();
        let nearest = far[start..end].iter().min().copied().unwrap_or_default();
        ranks.push((nearest, index));
        start = end;
    }
    // The nearest first; of the same distance the later ones.
    ranks.sort_by_key(|(far, index)| (*far, Reverse(*index)));
    let is_kept = |place: usize, far: u32| match far {
        MUST => place < MUST_MAX,
        KEY => place < KEYS_MAX,
        _ => place < LINES_MAX,
    };
    let mut kept: BTreeSet<usize> = ranks
        .iter()
        .enumerate()
        .filter(|(place, (far, _))| is_kept(*place, *far))
        .map(|(_, (_, index))| *index)
        .collect();
    gaps.retain(|index| matches!(passages[*index], Passage::Repeated { .. }));
    kept.extend(gaps);
    shown_of(passages, &kept)
}

/// The passages that are kept, with the numbers of lines between them.
fn shown_of(passages: Vec<Passage>, kept: &BTreeSet<usize>) -> Vec<Passage> {
    let mut shown = Vec::new();
    let mut gap: Vec<Passage> = Vec::new();
    let close = |gap: &mut Vec<Passage>, shown: &mut Vec<Passage>| match &gap[..] {
        [] => {}
        // As long as what would stand for it.
        [Passage::Line(_)] => shown.append(gap),
        lines => {
            let count = lines.iter().map(Passage::count).sum();
            shown.push(Passage::LeftOut(count));
            gap.clear();
        }
    };
    for (index, passage) in passages.into_iter().enumerate() {
        if kept.contains(&index) {
            close(&mut gap, &mut shown);
            shown.push(passage);
        } else {
            gap.push(passage);
        }
    }
    close(&mut gap, &mut shown);
    shown
}
