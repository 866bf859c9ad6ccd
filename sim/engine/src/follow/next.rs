//! What comes next, by the recording.

use retake_traces::record::StepKind;

use super::{Act, Follow, Next, ScriptEnd, describe};
use crate::outcome::Outcome;
use crate::view::View;

const NS_PER_MS: u64 = 1_000_000;

/// The end of the tick in which tokio fires everything due at this time.
fn tick_after(at_ns: u64) -> u64 {
    at_ns.div_ceil(NS_PER_MS).saturating_mul(NS_PER_MS)
}

impl Follow {
    /// What comes next, in a quiescent system. `tokio_ns` is tokio's time, which is ahead of
    /// the run's by up to two of its ticks.
    pub(crate) fn next(&mut self, view: &View<'_>, tokio_ns: u64) -> Next {
        let next = self.choose(view, tokio_ns);
        if matches!(next, Next::Finish(_)) {
            self.read_on();
        }
        next
    }

    fn choose(&mut self, view: &View<'_>, tokio_ns: u64) -> Next {
        if !self.read() {
            let stops = match self.script.end() {
                Some(ScriptEnd::Gap(why)) => Some(format!("the recording stops: {why}")),
                Some(ScriptEnd::Cut(error)) => Some(error.to_string()),
                _ => None,
            };
            self.report.get().stops = stops;
            return Next::Finish(Outcome::Passed);
        }
        let Some(act) = &mut self.act else {
            return Next::Finish(Outcome::Passed);
        };
        if let Some(task) = act.taken.pop_front() {
            // One that was killed meanwhile takes nothing any more.
            let slot = self.slots.get(task as usize).copied();
            return match slot.and_then(|slot| self.release(slot)) {
                Some(waker) => Next::Wake(waker),
                None => self.choose(view, tokio_ns),
            };
        }
        let (at_ns, step) = (act.at_ns, act.step);
        if at_ns > view.now_ns {
            if tokio_ns < tick_after(at_ns) {
                return Next::Advance(tick_after(at_ns));
            }
            return Next::Move(at_ns);
        }
        let Some(slot) = self.slots.get(step.task as usize).copied() else {
            return self.give_input(view);
        };
        if view.runnable.contains(slot) {
            let expected = (step.kind, step.message);
            if self.arrived.get(&slot) == Some(&expected) {
                self.in_act = true;
                if step.kind != StepKind::Resume {
                    self.mailboxes.begin(step.task);
                }
                return Next::Grant(slot);
            }
            return self.diverge(view, "something else came");
        }
        if step.kind != StepKind::Resume
            && let Some(waker) = self.release(slot)
        {
            return Next::Wake(waker);
        }
        // tokio's timers are rounded up by its ticks: they may be one late here.
        let late = tick_after(at_ns).saturating_add(NS_PER_MS);
        if tokio_ns < late {
            return Next::Advance(late);
        }
        if step.kind == StepKind::Resume && !std::mem::replace(&mut self.is_woken, true) {
            // Polled there, it is polled here, whether or not there is a reason.
            let waker = view.tasks.get(slot).and_then(|task| task.waker.clone());
            if let Some(waker) = waker {
                return Next::Wake(waker);
            }
        }
        self.diverge(view, "it cannot")
    }

    /// The next step is one of a task that is not there: something outside starts it.
    fn give_input(&mut self, view: &View<'_>) -> Next {
        let input = self.act.as_mut().and_then(|act| act.input.clone());
        let (Some(input), Some(driver)) = (input, self.driver.slot) else {
            return self.diverge(view, "there is no such task");
        };
        if !std::mem::replace(&mut self.is_input_given, true) {
            self.driver.inputs.push_back(input);
            if let Some(waker) = self.driver.waker.take() {
                return Next::Wake(waker);
            }
        }
        if view.runnable.contains(driver) {
            self.off_script = true;
            return Next::Grant(driver);
        }
        self.diverge(view, "nothing starts it from its input")
    }

    /// The run cannot follow the recording any more.
    fn diverge(&self, view: &View<'_>, why: &str) -> Next {
        let act = self.act.clone();
        let mut runnable = Vec::new();
        // The run ends here: what a copy costs does not matter.
        for slot in view.runnable.clone().in_order() {
            let Some(task) = view
                .tasks
                .get(slot)
                .filter(|_| self.driver.slot != Some(slot))
            else {
                continue;
            };
            let (kind, message) = self
                .arrived
                .get(&slot)
                .copied()
                .unwrap_or((StepKind::Task, 0));
            let text = task.about.as_ref().and_then(|about| about.text.as_deref());
            let text = text.filter(|_| kind != StepKind::Resume);
            let text = text.map(|text| view.clean(text.to_owned()));
            let what = describe(kind, message, text.as_deref());
            runnable.push(format!("`{}` {what}", view.label(task)));
        }
        let expected = act.as_ref().map(|act| self.describe(act));
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
        Next::Finish(self.diverged(act.as_ref(), &reason))
    }

    pub(super) fn diverged(&self, act: Option<&Act>, reason: &str) -> Outcome {
        let at = act.map_or(0, |act| act.at_ns) as f64 / 1e9;
        let mut report = self.report.get();
        let reason = format!("at step {} ({at:.6} s): {reason}", report.recorded);
        report.divergence = Some(reason.clone());
        drop(report);
        Outcome::Diverged { reason }
    }
}
