//! The timeline against a naive fold over all records, with blocks and limits so small
//! that everything is thinned out.

use proptest::prelude::*;
use tempfile::TempDir;

use super::build::{Limits, build};
use super::*;
use crate::story::{Line, lines};
use retake_traces::Label;
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::fault::kinds::{self, Kill};
use retake_traces::record::{
    Child, ChildNews, Choice, Event, EventKind, Injection, OutcomeKind, Panic, Record, State, Step,
    StepKind, Task, UnhandledMessage,
};
use retake_traces::run::Layers;
use retake_traces::sink::Sink;
use retake_traces::writer::TraceWriter;

/// What the next thing of a made-up run is.
#[derive(Clone, Debug)]
enum MadeUpEvent {
    Start,
    /// Of a task; with how far back its cause lies, 0 for none, and whether it has a state.
    Step(usize, StepKind, u64, bool),
    Event,
    Fault(usize),
    Panic(usize),
}

fn deed() -> impl Strategy<Value = MadeUpEvent> {
    let kind = prop_oneof![
        Just(StepKind::PostStart),
        Just(StepKind::Handle),
        Just(StepKind::Handle),
        Just(StepKind::Supervision),
        Just(StepKind::Resume),
        Just(StepKind::Task),
    ];
    prop_oneof![
        1 => Just(MadeUpEvent::Start),
        12 => (0..9_usize, kind, 0..12_u64, any::<bool>())
            .prop_map(|(task, kind, back, state)| MadeUpEvent::Step(task, kind, back, state)),
        2 => Just(MadeUpEvent::Event),
        1 => (0..9_usize).prop_map(MadeUpEvent::Fault),
        1 => (0..9_usize).prop_map(MadeUpEvent::Panic),
    ]
}

/// The records of a run, with states at the end of the tasks of even number.
fn records(deeds: &[MadeUpEvent]) -> Vec<Record> {
    let mut tasks = 0_u32;
    let mut step = 0;
    let mut now_ns = 0;
    let mut records = Vec::new();
    let mut start = |records: &mut Vec<Record>| {
        records.push(Record::Task(Task {
            id: tasks,
            kind: TaskKind::Actor,
            label: Label::new(format!("task-{tasks}"), 1),
            parent: None,
        }));
        tasks += 1;
        tasks
    };
    let mut count = start(&mut records);
    for deed in deeds {
        match deed {
            MadeUpEvent::Start => count = start(&mut records),
            MadeUpEvent::Step(task, kind, back, has_state) => {
                step += 1;
                let (task, elapsed_ns) = (*task as u32 % count, step % 3);
                now_ns += elapsed_ns;
                records.push(Record::Step(Step {
                    elapsed_ns,
                    task,
                    kind: *kind,
                    message: 0,
                    choice: Choice::Fifo,
                }));
                if *kind != StepKind::Resume {
                    records.push(Record::Detail(format!("message of {step}")));
                }
                if *back > 0 && *back < step {
                    records.push(Record::Cause(step - back));
                }
                if *kind != StepKind::Resume && *has_state {
                    let text = format!("state of {task} at {step}");
                    let at_end = false;
                    records.push(Record::State(State { task, text, at_end }));
                }
            }
            MadeUpEvent::Event => records.push(Record::Event(Event::log("told"))),
            MadeUpEvent::Fault(task) => records.push(Record::Fault(Injection {
                elapsed_ns: 0,
                task: *task as u32 % count,
                action: kinds::Panic::default().into(),
            })),
            MadeUpEvent::Panic(task) => records.push(Record::Panic(Panic {
                task: *task as u32 % count,
                message: "no more".to_owned(),
            })),
        }
    }
    // What is left in mailboxes was sent by any of the last steps, in their order.
    for task in 0..count {
        for sent in (1..=step).filter(|sent| (sent + u64::from(task)) % 7 == 0) {
            let text = format!("left by {sent}");
            records.push(Record::Unhandled(UnhandledMessage { task, sent, text }));
        }
    }
    for task in (0..count).step_by(2) {
        let text = format!("last state of {task}");
        let at_end = true;
        records.push(Record::State(State { task, text, at_end }));
    }
    records.push(Record::End(End {
        outcome: OutcomeKind::Panicked,
        detail: String::new(),
        steps: step,
        now_ns,
    }));
    records
}

fn timeline(folder: &TempDir, records: &[Record], block: usize, limits: &Limits) -> Timeline {
    let header = Header {
        layers: Layers::ALL,
        ..Header::default()
    };
    let path = folder.path().join("a");
    let writer = TraceWriter::create(&path, &header).unwrap();
    let mut writer = writer.with_block_target(block);
    for record in records {
        writer.record(record).unwrap();
    }
    writer.finish().unwrap();
    build(TraceReader::open(&path).unwrap(), limits, |_| {}).unwrap()
}

/// Everything, the slow way.
struct Naive {
    lines: Vec<Line>,
    /// Step, task and text of recorded states.
    states: Vec<(u64, u32, String)>,
    left: Vec<UnhandledMessage>,
}

impl Naive {
    fn new(records: &[Record]) -> Self {
        let mut step = 0;
        let mut states = Vec::new();
        for record in records {
            step += u64::from(matches!(record, Record::Step(_)));
            if let Record::State(state) = record {
                let at = if state.at_end { u64::MAX } else { step };
                states.push((at, state.task, state.text.clone()));
            }
        }
        let left = records.iter().filter_map(|record| match record {
            Record::Unhandled(message) => Some(message.clone()),
            _ => None,
        });
        Self {
            lines: lines(records),
            states,
            left: left.collect(),
        }
    }

    fn steps(&self) -> impl DoubleEndedIterator<Item = (&Line, Step)> {
        let steps = self.lines.iter();
        steps.filter_map(|line| Some((line, *line.as_step()?)))
    }

    /// The step that led to one.
    fn cause(&self, step: u64) -> Option<u64> {
        let (line, it) = self.steps().find(|(line, _)| line.step == step)?;
        if let Some(cause) = line.cause {
            return Some(cause);
        }
        if it.kind != StepKind::Resume {
            return None;
        }
        let mut before = self.steps().filter(|(line, _)| line.step < step);
        let (before, _) = before.rfind(|(_, before)| before.task == it.task)?;
        self.cause(before.step)
    }

    fn mailbox(&self, task: u32, step: u64) -> Vec<(u64, Option<u64>, String)> {
        let handled = self
            .steps()
            .filter(|(line, it)| it.task == task && line.step > step)
            // Who woke or started one sent no message.
            .filter(|(_, it)| matches!(it.kind, StepKind::Handle | StepKind::Supervision))
            .filter_map(|(line, _)| Some((line.cause?, Some(line.step))))
            .filter(|(sent, _)| *sent <= step)
            .map(|(sent, handled)| (sent, handled, format!("message of {}", handled.unwrap())));
        let left = self.left.iter().filter(|it| it.task == task);
        let left = left.filter(|it| it.sent <= step);
        let left = left.map(|it| (it.sent, None, it.text.clone()));
        handled.chain(left).collect()
    }

    fn holds(&self, condition: &Condition, line: &Line, step: Step) -> bool {
        let is = |wanted: &Option<String>, text: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| text.is_some_and(|text| text.contains(wanted)))
        };
        let mut later = self.steps().filter(|(it, next)| {
            it.step > line.step && next.task == step.task && next.kind != StepKind::Resume
        });
        let found_by = later.next().map_or(u64::MAX, |(line, _)| line.step);
        let found = self
            .states
            .iter()
            .find(|(at, task, _)| (*at, *task) == (found_by, step.task));
        is(&condition.message, line.detail.as_deref())
            && is(&condition.state, found.map(|(.., text)| text.as_str()))
            && condition
                .actor
                .as_ref()
                .is_none_or(|actor| **actor == *line.who)
            && (condition.state.is_none() || step.kind != StepKind::Resume)
    }

    fn state(&self, task: u32, step: u64) -> Option<StateAt> {
        let of_task = || self.states.iter().filter(|(_, it, _)| *it == task);
        let recorded = |at: u64| of_task().find(|(it, ..)| *it == at).cloned();
        let next = self
            .steps()
            .find(|(line, it)| line.step > step && it.task == task && it.kind != StepKind::Resume);
        let next = next.map(|(line, _)| line.step);
        let last = of_task().rfind(|(at, ..)| *at <= step).cloned();
        let (found, seen) = match next {
            Some(next) => (recorded(next).or(last), StateAge::Next(next)),
            None => match recorded(u64::MAX) {
                Some(found) => (Some(found), StateAge::AtEnd),
                None => {
                    let at = last.as_ref().map_or(0, |(at, ..)| *at);
                    (last, StateAge::Before(at))
                }
            },
        };
        found.map(|(_, _, text)| StateAt { text, seen })
    }
}

fn check(records: &[Record], block: usize, limits: &Limits) {
    let folder = TempDir::new().unwrap();
    let mut timeline = timeline(&folder, records, block, limits);
    let naive = Naive::new(records);
    let steps = naive.steps().count() as u64;
    assert_eq!(timeline.steps(), steps);
    let tasks = timeline.tasks().len() as u32;
    for step in 0..=steps {
        let world = timeline.world(step).unwrap();
        let now_ns = naive.steps().take(step as usize).last();
        assert_eq!(world.now_ns, now_ns.map_or(0, |(line, _)| line.now_ns));
        for at in &world.alive {
            let of_task = || naive.steps().filter(|(_, it)| it.task == at.task);
            let before = of_task().rfind(|(line, _)| line.step <= step);
            assert_eq!(at.last_step, before.map_or(0, |(line, _)| line.step));
            assert_eq!(
                at.steps_again,
                of_task().any(|(line, _)| line.step > step),
                "task {} at {step}",
                at.task
            );
        }
        for task in 0..tasks {
            let mailbox = naive.mailbox(task, step);
            let found = timeline.mailbox(task, step, usize::MAX).unwrap();
            let found: Vec<_> = found
                .into_iter()
                .map(|it| (it.sent, it.handled, it.text.unwrap_or_default()))
                .collect();
            assert_eq!(found, mailbox, "task {task} at {step}");
            let some = timeline.mailbox(task, step, 2).unwrap();
            assert_eq!(some.len(), mailbox.len().min(2));
            if let Some(at) = world.alive.iter().find(|at| at.task == task) {
                assert_eq!(at.mailbox as usize, mailbox.len());
                assert_eq!(timeline.state(task, step).unwrap(), naive.state(task, step));
            }
            let of_task = || naive.steps().filter(|(_, it)| it.task == task);
            let next = of_task().find(|(line, _)| line.step > step);
            let previous = of_task().rfind(|(line, _)| line.step < step);
            for (direction, expected) in
                [(Direction::Forward, next), (Direction::Backward, previous)]
            {
                let found = timeline.find_step_of(task, step, direction).unwrap();
                assert_eq!(found, expected.map(|(line, _)| line.step));
            }
        }
        let effects: Vec<Line> = naive
            .steps()
            .filter(|(line, _)| step > 0 && line.cause == Some(step))
            .map(|(line, _)| line.clone())
            .collect();
        assert_eq!(timeline.effects(step).unwrap(), effects);
        let mut expected = Vec::new();
        let mut at = naive.cause(step);
        while let Some(cause) = at.filter(|_| expected.len() < 5) {
            expected.push(cause);
            at = naive.cause(cause);
        }
        let causes = timeline.causes(step, 5).unwrap();
        let causes: Vec<u64> = causes.iter().map(|line| line.step).collect();
        assert_eq!(causes, expected, "of {step}");
        let wanted = |event: &WholeEvent| matches!(event.occurrence, Occurrence::Panic(_));
        let next = naive.lines.iter().find(|it| it.step > step && wanted(it));
        let previous = naive.lines.iter().rfind(|it| it.step < step && wanted(it));
        for (direction, expected) in [(Direction::Forward, next), (Direction::Backward, previous)] {
            let found = timeline.find(step, direction, wanted).unwrap();
            assert_eq!(found.as_ref(), expected);
            let mark = timeline.find_mark(step, direction, |kind| *kind == MarkKind::Panic);
            assert_eq!(mark.unwrap(), expected.map(|line| line.step));
        }
        for condition in [
            "actor=task-1",
            "message=1",
            "state=1",
            "actor=task-0 state=at",
        ] {
            let condition: Condition = condition.parse().unwrap();
            let holds = |(line, it): &(&Line, Step)| naive.holds(&condition, line, *it);
            let hits: Vec<u64> = naive
                .steps()
                .filter(holds)
                .map(|(line, _)| line.step)
                .collect();
            let mut find = |direction| timeline.find_hit(step, direction, &condition).unwrap();
            let next = hits.iter().find(|hit| **hit > step).copied();
            assert_eq!(find(Direction::Forward), next, "{condition} after {step}");
            let previous = hits.iter().rfind(|hit| **hit < step).copied();
            assert_eq!(
                find(Direction::Backward),
                previous,
                "{condition} before {step}"
            );
        }
        let now_ns = world.now_ns;
        let last = naive.lines.iter().rfind(|line| line.now_ns <= now_ns);
        assert_eq!(timeline.step_at(now_ns).unwrap(), last.unwrap().step);
    }
    assert_eq!(timeline.lines(0, steps).unwrap(), naive.lines);
    assert_eq!(timeline.step(steps + 1).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_world_at_any_step_is_that_of_a_naive_fold(
        deeds in prop::collection::vec(deed(), 0..70),
        block in 20_usize..2000,
        places in 2_usize..40,
        checkpoints in 2_usize..20,
        size in 5_usize..200,
    ) {
        check(&records(&deeds), block, &Limits { places, checkpoints, size });
    }
}

#[test]
fn a_trace_without_its_end_is_cut_short_there() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    let mut writer = TraceWriter::create(&path, &Header::default()).unwrap();
    writer.record(&Record::Event(Event::log("x"))).unwrap();
    writer.finish().unwrap();
    let timeline = Timeline::open(&path).unwrap();
    assert_eq!(timeline.end().outcome, OutcomeKind::CutShort);
    let error = timeline.into_damage().unwrap().to_string();
    assert!(error.contains("the run's end is missing"), "{error}");
}

#[test]
fn what_comes_after_the_end_is_left_out() {
    let folder = TempDir::new().unwrap();
    let mut told = records(&[MadeUpEvent::Step(0, StepKind::Handle, 0, true)]);
    told.extend(told.clone());
    let mut timeline = timeline(&folder, &told, 30, &Limits::default());
    assert_eq!(
        (timeline.steps(), timeline.end().outcome.word()),
        (1, "panicked")
    );
    let is_later = |event: &WholeEvent| event.step > 1;
    assert_eq!(
        timeline.find(0, Direction::Forward, is_later).unwrap(),
        None
    );
    let error = timeline.into_damage().unwrap().to_string();
    assert!(error.contains("a record after the run's end"), "{error}");
}

/// Ask about every step and every task.
fn look_at_everything(timeline: &mut Timeline) {
    let steps = timeline.steps();
    let tasks = timeline.tasks().len() as u32;
    for step in 0..=steps + 1 {
        timeline.world(step).unwrap();
        timeline.causes(step, 5).unwrap();
        timeline.effects(step).unwrap();
        timeline.step_at(step).unwrap();
        for direction in [Direction::Forward, Direction::Backward] {
            timeline.find(step, direction, |_| false).unwrap();
            for task in 0..=tasks {
                timeline.find_step_of(task, step, direction).unwrap();
            }
        }
        for task in 0..=tasks {
            timeline.mailbox(task, step, 5).unwrap();
            timeline.state(task, step).unwrap();
        }
    }
}

/// A run in a file of many blocks, its bytes and the lines of its steps.
fn in_blocks(folder: &TempDir) -> (std::path::PathBuf, Vec<u8>, Vec<Line>) {
    let deeds: Vec<MadeUpEvent> = (0..24_u64)
        .flat_map(|it| {
            let kind = [StepKind::Handle, StepKind::Resume][usize::from(it % 5 == 4)];
            let step = MadeUpEvent::Step(it as usize % 3, kind, it % 4, it % 2 == 0);
            let between = match it {
                1 | 2 => MadeUpEvent::Start,
                9 => MadeUpEvent::Fault(1),
                17 => MadeUpEvent::Panic(2),
                _ => MadeUpEvent::Event,
            };
            [step, between]
        })
        .collect();
    let mut whole = timeline(folder, &records(&deeds), 60, &Limits::default());
    assert!(whole.places().len() > 10 && whole.damage().is_none());
    let lines = (1..=whole.steps()).map(|step| whole.step(step).unwrap().unwrap());
    let lines = lines.collect();
    let path = folder.path().join("a");
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes, lines)
}

/// What is there of a file is as it was.
fn check_rest(timeline: &mut Timeline, lines: &[Line], how: &str) {
    let steps = timeline.steps() as usize;
    for (step, line) in (1..).zip(&lines[..steps]) {
        let found = timeline.step(step).unwrap().unwrap();
        // The text and the cause of the last one may be in the block after.
        let of_step = |line: &Line| (line.step, line.who.clone(), line.occurrence.clone());
        assert_eq!(of_step(&found), of_step(line), "{how}");
        if (step as usize) < steps {
            assert_eq!(&found, line, "{how}");
        }
    }
    look_at_everything(timeline);
}

#[test]
fn a_trace_that_is_cut_anywhere_is_looked_at_up_to_there() {
    let folder = TempDir::new().unwrap();
    let (path, bytes, lines) = in_blocks(&folder);
    let (mut refused, mut steps) = (0, 0);
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let Ok(mut timeline) = Timeline::open(&path) else {
            assert_eq!(refused, length, "only the header cannot be left out");
            refused += 1;
            continue;
        };
        let how = format!("{length} of {} bytes", bytes.len());
        let damage = timeline.damage().expect("it is cut").to_string();
        assert!(damage.contains("before its end mark"), "{how}: {damage}");
        assert!(steps <= timeline.steps(), "{how}: more is there");
        steps = timeline.steps();
        check_rest(&mut timeline, &lines, &how);
        if timeline.end().outcome == OutcomeKind::CutShort {
            assert_eq!(timeline.end().steps, steps);
            assert_eq!(timeline.failure_step(), Some(steps));
        } else {
            assert_eq!(steps as usize, lines.len(), "{how}: the run's end is there");
        }
    }
    assert_eq!(steps as usize, lines.len());
    assert!(refused > 10 && refused < bytes.len() / 4, "{refused}");
}

#[test]
fn a_trace_with_a_wrong_byte_is_looked_at_up_to_there() {
    let folder = TempDir::new().unwrap();
    let (path, bytes, lines) = in_blocks(&folder);
    let mut cut_short = 0;
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        std::fs::write(&path, changed).unwrap();
        if let Ok(mut timeline) = Timeline::open(&path) {
            let how = format!("bit {} of byte {place}", place % 8);
            assert!(timeline.damage().is_some(), "{how}");
            check_rest(&mut timeline, &lines, &how);
            cut_short += usize::from(timeline.end().outcome == OutcomeKind::CutShort);
        }
    }
    assert!(cut_short > bytes.len() / 3, "{cut_short}");
}

#[test]
fn a_task_ends_as_the_trace_tells() {
    let step = |task, kind| {
        Record::Step(Step {
            elapsed_ns: 1,
            task,
            kind,
            message: 0,
            choice: Choice::Fifo,
        })
    };
    let mut told = Vec::new();
    for (id, label) in ["stops", "panics", "fails", "killed", "child", "lives"]
        .into_iter()
        .enumerate()
    {
        told.push(Record::Task(Task {
            id: id as u32,
            kind: TaskKind::Actor,
            label: label.into(),
            parent: None,
        }));
    }
    told.extend([
        step(0, StepKind::PostStop),
        step(0, StepKind::Resume),
        step(1, StepKind::Handle),
        Record::Panic(Panic {
            task: 1,
            message: String::new(),
        }),
        step(2, StepKind::Handle),
        // What user code logs ends nobody, whatever it says.
        Record::Event(Event::log("failed: it")),
        step(2, StepKind::Resume),
        Record::Event(Event {
            kind: EventKind::Failed,
            text: "it".to_owned(),
        }),
        Record::Fault(Injection {
            elapsed_ns: 0,
            task: 3,
            action: Kill { awaiting: false }.into(),
        }),
        step(5, StepKind::Supervision),
        Record::Detail("ActorTerminated(lives, killed)".to_owned()),
        Record::Child(Child {
            task: 4,
            news: ChildNews::Ended,
        }),
        Record::End(End {
            outcome: OutcomeKind::Passed,
            detail: String::new(),
            steps: 6,
            now_ns: 6,
        }),
    ]);
    let folder = TempDir::new().unwrap();
    let mut timeline = timeline(&folder, &told, 1000, &Limits::default());
    let ended: Vec<_> = timeline
        .tasks()
        .iter()
        .map(|life| life.ended.map(|it| (it.step, it.how)))
        .collect();
    assert_eq!(
        ended,
        [
            Some((2, TaskEndKind::Stopped)),
            Some((3, TaskEndKind::Panicked)),
            Some((5, TaskEndKind::Failed)),
            Some((5, TaskEndKind::Killed)),
            Some((6, TaskEndKind::Gone)),
            None
        ]
    );
    let alive = |timeline: &mut Timeline, step| {
        let world = timeline.world(step).unwrap();
        let alive = world.alive.iter().map(|at| at.task).collect::<Vec<_>>();
        (alive, world.ended)
    };
    assert_eq!(alive(&mut timeline, 3), (vec![2, 3, 4, 5], 2));
    assert_eq!(alive(&mut timeline, 4), (vec![2, 3, 4, 5], 2));
    assert_eq!(alive(&mut timeline, 6), (vec![5], 5));
    assert_eq!(timeline.failure_step(), None);
}

#[test]
fn conditions_are_read_as_they_are_written() {
    for text in [
        "actor=ledger",
        "message=Append { a: 1 } state=None",
        "actor=pool#2 message=x state=a = b",
    ] {
        let condition: Condition = text.parse().unwrap();
        assert_eq!(condition.to_string(), text);
    }
    for (wrong, what) in [
        ("", "is empty"),
        ("ledger", "`ledger` is no condition"),
        ("actor=", "`actor=` has no value"),
        ("state=a state=b", "given twice"),
    ] {
        let error = wrong.parse::<Condition>().unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_step_with_very_many_states_is_searched_in_one_pass() {
    const STATES: u64 = 200;
    let mut records = vec![
        Record::Task(Task {
            id: 0,
            kind: TaskKind::Actor,
            label: "a".into(),
            parent: None,
        }),
        Record::Step(Step {
            elapsed_ns: 1,
            task: 0,
            kind: StepKind::Handle,
            message: 0,
            choice: Choice::Fifo,
        }),
    ];
    records.extend((0..STATES).map(|number| {
        Record::State(State {
            task: 0,
            text: format!("state {number}"),
            at_end: false,
        })
    }));
    records.push(Record::End(retake_traces::record::End {
        outcome: OutcomeKind::Passed,
        detail: String::new(),
        steps: 1,
        now_ns: 1,
    }));
    let folder = TempDir::new().unwrap();
    // A block for each record: nothing begins in those of the states.
    let mut timeline = timeline(&folder, &records, 1, &Limits::default());
    assert_eq!(timeline.places().len(), 3);
    let found = timeline.find(0, Direction::Forward, |line| line.step == 9);
    assert!(found.unwrap().is_none());
    // Each once, and the first of the next part to find where one ends.
    assert_eq!(timeline.segments.events_read, 3);
    assert_eq!(timeline.state(0, 1).unwrap().unwrap().text, "state 0");
}
