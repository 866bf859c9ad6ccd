//! Following a live recording: who ran in the real process runs here, at the same time, and
//! is given the same values from outside.
//!
//! An actor of a real process may be idle while a message waits for it, since its thread has
//! other things to do, and be overtaken by something more urgent: the end of a child, or the
//! order to stop. Here nothing keeps it from taking the message at once. So where something
//! urgent is next, the callback before it is *held*: the actor learns of its return, and
//! looks into its mailbox, when the recorded one did.

mod script;

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use retake::engine::{Outside, StepEnd, Ticket};
use retake_traces::live::StepEnd as LiveEnd;
use retake_traces::record::StepKind;
use serde::Serialize;

pub(crate) use script::{Act, Mailboxes, Named, Script, ScriptEnd};

use crate::core::Core;
use crate::outcome::Outcome;

const NS_PER_MS: u64 = 1_000_000;

/// What the engine does next in a run that follows a recording.
pub(crate) enum Next {
    /// Let tokio's time reach this, and come back.
    Advance(u64),
    /// Time has moved: fire what is due, and come back.
    Moved,
    /// Wake this, and come back when everything that it causes has happened.
    Wake(Waker),
    /// A task has been woken to take its step.
    Granted,
    /// The run has its outcome.
    Finished,
}

/// How much of a recording was followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// Steps in the recording.
    pub recorded: u64,
    /// Steps that took place again as recorded.
    pub honoured: u64,
    /// The same by actor or task: steps as recorded, and steps in the recording.
    pub by_task: BTreeMap<String, (u64, u64)>,
    /// Values that the recorded process had made and that were made again, and how many there
    /// are in the recording, by name.
    pub outputs: BTreeMap<String, (u64, u64)>,
    /// The recorded process went on after the end of its recording: why that ends there.
    pub stops: Option<String>,
    /// The first step that did not take place again, and why.
    pub divergence: Option<String>,
    /// Checks that failed, as they did in the recorded process.
    pub violations: Vec<String>,
}

impl Followed {
    /// True if every recorded step took place again.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.divergence.is_none() && self.honoured == self.recorded
    }
}

/// Shared with the code that started the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report(Arc<Mutex<Followed>>);

impl Report {
    pub(crate) fn get(&self) -> MutexGuard<'_, Followed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run is to follow.
pub(crate) struct Plan {
    pub(crate) script: Script,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) report: Report,
    pub(crate) origin_ns: u64,
    pub(crate) unix_ns: u64,
}

/// A callback that has returned, and what ractor is not to know yet.
struct Held {
    waker: Waker,
    output: Box<dyn Any>,
    may_go: bool,
}

/// The task that starts what comes from outside.
#[derive(Default)]
struct Driver {
    slot: Option<u32>,
    inputs: VecDeque<Named>,
    waker: Option<Waker>,
}

pub(crate) struct Follow {
    script: Script,
    mailboxes: Mailboxes,
    report: Report,
    /// Added to the time since the start of the recording.
    pub(crate) origin_ns: u64,
    /// And to that for the time since the Unix epoch.
    pub(crate) unix_ns: u64,
    /// The recorded step that is next, or runs.
    act: Option<Act>,
    /// It runs.
    in_act: bool,
    /// A step runs that no recording has: the driver's.
    off_script: bool,
    is_input_given: bool,
    is_woken: bool,
    /// By recorded number.
    slots: Vec<u32>,
    labels: Vec<String>,
    /// So many tasks are the recorded ones; these are not compared yet.
    compared: usize,
    expected_labels: VecDeque<String>,
    started_labels: VecDeque<String>,
    /// What each runnable task is about to do, by slot.
    arrived: BTreeMap<u32, (StepKind, u16)>,
    held: BTreeMap<u32, Held>,
    driver: Driver,
}

impl Follow {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            script: plan.script,
            mailboxes: plan.mailboxes,
            report: plan.report,
            origin_ns: plan.origin_ns,
            unix_ns: plan.unix_ns,
            act: None,
            in_act: false,
            off_script: false,
            is_input_given: false,
            is_woken: false,
            slots: Vec::new(),
            labels: Vec::new(),
            compared: 0,
            expected_labels: VecDeque::new(),
            started_labels: VecDeque::new(),
            arrived: BTreeMap::new(),
            held: BTreeMap::new(),
            driver: Driver::default(),
        }
    }

    pub(crate) fn set_driver(&mut self, slot: u32) {
        self.driver.slot = Some(slot);
        // It was counted as one that the recording has.
        if self.slots.last() == Some(&slot) {
            self.slots.pop();
            self.labels.pop();
            self.started_labels.pop_back();
        }
    }

    pub(crate) fn started(&mut self, slot: u32, label: String) {
        self.slots.push(slot);
        self.started_labels.push_back(label.clone());
        self.labels.push(label);
    }

    pub(crate) fn violated(&mut self, what: String) {
        self.report.get().violations.push(what);
    }

    /// A gate waits for its turn.
    pub(crate) fn arrived(&mut self, slot: u32, kind: StepKind, message: u16) {
        self.arrived.insert(slot, (kind, message));
    }

    pub(crate) fn next_input(&mut self, waker: &Waker) -> Option<Named> {
        let input = self.driver.inputs.pop_front();
        if input.is_none() {
            self.driver.waker = Some(waker.clone());
        }
        input
    }

    pub(crate) fn hold(&mut self, slot: u32, waker: Waker, output: Box<dyn Any>) {
        let held = Held {
            waker,
            output,
            may_go: false,
        };
        self.held.insert(slot, held);
    }

    pub(crate) fn let_go(&mut self, slot: u32, waker: &Waker) -> Option<Box<dyn Any>> {
        let held = self.held.get_mut(&slot)?;
        if held.may_go {
            return self.held.remove(&slot).map(|held| held.output);
        }
        held.waker = waker.clone();
        None
    }

    /// A gate was dropped that held something, perhaps.
    pub(crate) fn forget(&mut self, slot: u32) -> Option<Box<dyn Any>> {
        self.arrived.remove(&slot);
        self.held.remove(&slot).map(|held| held.output)
    }

    fn release(&mut self, slot: u32) -> Option<Waker> {
        let held = self.held.get_mut(&slot)?;
        if std::mem::replace(&mut held.may_go, true) {
            return None;
        }
        Some(held.waker.clone())
    }

    /// The run is over: every task may continue. Returns the wakers to wake.
    pub(crate) fn release_all(&mut self) -> Vec<Waker> {
        let slots: Vec<u32> = self.held.keys().copied().collect();
        slots
            .into_iter()
            .filter_map(|slot| self.release(slot))
            .collect()
    }

    fn label(&self, task: u32) -> String {
        let label = self.labels.get(task as usize).cloned();
        label.unwrap_or_else(|| format!("task {task}"))
    }

    /// Read the next recorded step, if none is pending. False at the end.
    fn read(&mut self) -> bool {
        if self.act.is_some() {
            return true;
        }
        let Some(act) = self.script.next() else {
            return false;
        };
        self.expected_labels.extend(act.started.iter().cloned());
        self.count(&act);
        self.act = Some(act);
        self.is_input_given = false;
        self.is_woken = false;
        true
    }

    fn count(&self, act: &Act) {
        let mut report = self.report.get();
        report.recorded += 1;
        let label = self.label_of(act);
        report.by_task.entry(label).or_default().1 += 1;
        for (name, _) in &act.output {
            report.outputs.entry(name.clone()).or_default().1 += 1;
        }
    }

    /// The label as recorded: the task may be one that this step is to start.
    fn label_of(&self, act: &Act) -> String {
        let later = (act.step.task as usize).checked_sub(self.compared);
        let recorded = later.and_then(|later| self.expected_labels.get(later).cloned());
        recorded.unwrap_or_else(|| self.label(act.step.task))
    }

    /// Count what is left after a divergence.
    fn read_on(&mut self) {
        self.act = None;
        while self.read() {
            self.act = None;
        }
    }

    fn describe(&self, act: &Act) -> String {
        let what = describe(act.step.kind, act.step.message, act.text.as_deref());
        format!("`{}` {what}", self.label_of(act))
    }
}

fn describe(kind: StepKind, message: u16, text: Option<&str>) -> String {
    let word = kind.verb();
    match (text, kind) {
        (Some(text), _) => format!("{word} {text}"),
        (None, StepKind::Handle | StepKind::Supervision) => {
            format!("{word} a message of variant {message}")
        }
        (None, _) => word.to_owned(),
    }
}

fn show(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => format!("`{text}`"),
        Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The end of the tick in which tokio fires everything due at this time.
fn tick_after(at_ns: u64) -> u64 {
    at_ns.div_ceil(NS_PER_MS).saturating_mul(NS_PER_MS)
}

impl Core {
    /// What comes next, in a quiescent system. `tokio_ns` is tokio's time, which is ahead of
    /// the run's by up to two of its ticks.
    pub(crate) fn follow_next(&mut self, tokio_ns: u64) -> Next {
        if self.is_over() {
            return Next::Finished;
        }
        let Some(mut follow) = self.follow.take() else {
            return Next::Finished;
        };
        let next = self.choose(&mut follow, tokio_ns);
        if matches!(next, Next::Finished) {
            follow.read_on();
        }
        self.follow = Some(follow);
        next
    }

    fn choose(&mut self, follow: &mut Follow, tokio_ns: u64) -> Next {
        if !follow.read() {
            let stops = match follow.script.end() {
                Some(ScriptEnd::Gap(why)) => Some(format!("the recording stops: {why}")),
                Some(ScriptEnd::Cut(error)) => Some(error.to_string()),
                _ => None,
            };
            follow.report.get().stops = stops;
            self.finish(Outcome::Passed);
            return Next::Finished;
        }
        let Some(act) = &mut follow.act else {
            return Next::Finished;
        };
        if let Some(task) = act.taken.pop_front() {
            // One that was killed meanwhile takes nothing any more.
            let slot = follow.slots.get(task as usize).copied();
            return match slot.and_then(|slot| follow.release(slot)) {
                Some(waker) => Next::Wake(waker),
                None => self.choose(follow, tokio_ns),
            };
        }
        let (at_ns, step) = (act.at_ns, act.step);
        if at_ns > self.now_ns {
            if tokio_ns < tick_after(at_ns) {
                return Next::Advance(tick_after(at_ns));
            }
            self.moved_to(at_ns);
            return Next::Moved;
        }
        let Some(slot) = follow.slots.get(step.task as usize).copied() else {
            return self.give_input(follow);
        };
        if self.runnable.contains(slot) {
            let expected = (step.kind, step.message);
            if follow.arrived.get(&slot) == Some(&expected) {
                follow.in_act = true;
                if step.kind != StepKind::Resume {
                    follow.mailboxes.begin(step.task);
                }
                self.grant_to(slot);
                return Next::Granted;
            }
            return self.diverge(follow, "something else came");
        }
        if step.kind != StepKind::Resume
            && let Some(waker) = follow.release(slot)
        {
            return Next::Wake(waker);
        }
        // tokio's timers are rounded up by its ticks: they may be one late here.
        let late = tick_after(at_ns).saturating_add(NS_PER_MS);
        if tokio_ns < late {
            return Next::Advance(late);
        }
        if step.kind == StepKind::Resume && !std::mem::replace(&mut follow.is_woken, true) {
            // Polled there, it is polled here, whether or not there is a reason.
            let waker = self.tasks.get(slot).and_then(|task| task.waker.clone());
            if let Some(waker) = waker {
                return Next::Wake(waker);
            }
        }
        self.diverge(follow, "it cannot")
    }

    /// The next step is one of a task that is not there: something outside starts it.
    fn give_input(&mut self, follow: &mut Follow) -> Next {
        let input = follow.act.as_mut().and_then(|act| act.input.clone());
        let (Some(input), Some(driver)) = (input, follow.driver.slot) else {
            return self.diverge(follow, "there is no such task");
        };
        if !std::mem::replace(&mut follow.is_input_given, true) {
            follow.driver.inputs.push_back(input);
            if let Some(waker) = follow.driver.waker.take() {
                return Next::Wake(waker);
            }
        }
        if self.runnable.contains(driver) {
            follow.off_script = true;
            self.grant_to(driver);
            return Next::Granted;
        }
        self.diverge(follow, "nothing starts it from its input")
    }

    /// The run cannot follow the recording any more.
    fn diverge(&mut self, follow: &mut Follow, why: &str) -> Next {
        let act = follow.act.clone();
        let mut runnable = Vec::new();
        let slots: Vec<u32> = self.runnable.in_order().collect();
        for slot in slots {
            let Some(task) = self
                .tasks
                .get(slot)
                .filter(|_| follow.driver.slot != Some(slot))
            else {
                continue;
            };
            let (kind, message) = follow
                .arrived
                .get(&slot)
                .copied()
                .unwrap_or((StepKind::Task, 0));
            let text = task.about.as_ref().and_then(|about| about.text.as_deref());
            let text = text.filter(|_| kind != StepKind::Resume);
            let text = text.map(|text| self.clean(text.to_owned()));
            let what = describe(kind, message, text.as_deref());
            runnable.push(format!("`{}` {what}", self.label(task)));
        }
        let expected = act.as_ref().map(|act| follow.describe(act));
        let runnable = match runnable.len() {
            0 => "nothing can run".to_owned(),
            1..=8 => format!("what can run: {}", runnable.join(", ")),
            more => format!(
                "what can run: {} and {} more",
                runnable[..8].join(", "),
                more - 8
            ),
        };
        let reason = format!(
            "recorded: {}; here {why}; {runnable}",
            expected.unwrap_or_default()
        );
        self.diverged(follow, act.as_ref(), &reason)
    }

    fn diverged(&mut self, follow: &mut Follow, act: Option<&Act>, reason: &str) -> Next {
        let at = act.map_or(0, |act| act.at_ns) as f64 / 1e9;
        let mut report = follow.report.get();
        let reason = format!("at step {} ({at:.6} s): {reason}", report.recorded);
        report.divergence = Some(reason.clone());
        drop(report);
        self.finish(Outcome::Diverged { reason });
        Next::Finished
    }

    /// A step has ended. True if its actor must not continue by itself.
    pub(crate) fn follow_end(&mut self, ticket: &Ticket, end: &StepEnd) -> bool {
        let Some(mut follow) = self.follow.take() else {
            return false;
        };
        let holds = self.compare_end(&mut follow, ticket, end);
        if self.is_over() {
            follow.read_on();
        }
        self.follow = Some(follow);
        holds
    }

    fn compare_end(&mut self, follow: &mut Follow, ticket: &Ticket, end: &StepEnd) -> bool {
        follow.arrived.remove(&ticket.task.0);
        if std::mem::take(&mut follow.off_script) || self.is_over() {
            return false;
        }
        follow.in_act = false;
        let Some(act) = follow.act.take() else {
            return false;
        };
        if let Some(reason) = difference(follow, &act, end) {
            let reason = format!("{} as recorded, but {reason}", follow.describe(&act));
            self.diverged(follow, Some(&act), &reason);
            return false;
        }
        let mut report = follow.report.get();
        report.honoured += 1;
        let label = follow.label(act.step.task);
        report.by_task.entry(label).or_default().0 += 1;
        use retake::engine::Part::{Handle, PostStart, Supervision};
        matches!(end, StepEnd::Returned)
            && matches!(ticket.part, PostStart | Handle | Supervision)
            && !follow.mailboxes.is_message_next(act.step.task)
    }

    pub(crate) fn follow_outside(&mut self, name: &str, must: bool) -> Outside {
        let Some(follow) = &mut self.follow else {
            return Outside::Unseen;
        };
        let act = follow.act.as_mut().filter(|_| follow.in_act);
        let Some(act) = act else {
            return Outside::Replayed(None);
        };
        if act.external.front().is_some_and(|(next, _)| next == name) {
            return Outside::Replayed(act.external.pop_front().map(|(_, value)| value));
        }
        if must {
            self.break_off(&format!(
                "it takes `{name}` from outside, as it did not there"
            ));
        }
        Outside::Replayed(None)
    }

    pub(crate) fn follow_output(&mut self, name: &str, bytes: &[u8]) {
        let Some(follow) = &mut self.follow else {
            return;
        };
        let Some(act) = follow.act.as_mut().filter(|_| follow.in_act) else {
            return;
        };
        let what = match act.output.pop_front() {
            Some((next, value)) if next == name && value == bytes => {
                let mut report = follow.report.get();
                report.outputs.entry(next).or_default().0 += 1;
                return;
            }
            Some((next, value)) => format!(
                "it makes {name} {} where it made {next} {}",
                show(bytes),
                show(&value)
            ),
            None => format!("it makes {name} {}, as it did not there", show(bytes)),
        };
        self.break_off(&what);
    }

    /// The step that runs is not what was recorded.
    fn break_off(&mut self, what: &str) {
        let Some(mut follow) = self.follow.take() else {
            return;
        };
        if !self.is_over() {
            let act = follow.act.clone();
            let who = act.as_ref().map(|act| follow.describe(act));
            let reason = format!("{} as recorded, but {what}", who.unwrap_or_default());
            self.diverged(&mut follow, act.as_ref(), &reason);
        }
        self.follow = Some(follow);
    }
}

/// In what a step that has run differs from the recorded one.
fn difference(follow: &mut Follow, act: &Act, end: &StepEnd) -> Option<String> {
    while let (Some(expected), Some(started)) = (
        follow.expected_labels.front(),
        follow.started_labels.front(),
    ) {
        if expected != started {
            return Some(format!(
                "it starts `{started}` where it started `{expected}`"
            ));
        }
        follow.compared += 1;
        follow.expected_labels.pop_front();
        follow.started_labels.pop_front();
    }
    if let Some(started) = follow.started_labels.front() {
        return Some(format!("it starts `{started}`, as it did not there"));
    }
    if let Some((name, value)) = act.output.front() {
        return Some(format!("it does not make {name} {}", show(value)));
    }
    if let Some((name, _)) = act.external.front() {
        return Some(format!("it does not take `{name}` from outside"));
    }
    let same = match (&act.end, end) {
        (LiveEnd::Pending, StepEnd::Pending) | (LiveEnd::Returned, StepEnd::Returned) => true,
        // Texts of errors may name what differs between processes.
        (LiveEnd::Failed(_), StepEnd::Failed(_)) => true,
        (LiveEnd::Panicked(_), StepEnd::Panicked(_)) => true,
        _ => false,
    };
    if same {
        return None;
    }
    let now = match end {
        StepEnd::Pending => "waits".to_owned(),
        StepEnd::Returned => "returned".to_owned(),
        StepEnd::Failed(error) => format!("failed: {error}"),
        StepEnd::Panicked(message) => format!("panicked: {message}"),
    };
    Some(format!("it {now} where it {}", act.end))
}
