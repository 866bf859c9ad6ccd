//! What moves besides the tasks: the run's [`Environment`].

use std::time::Duration;

use super::{Engine, nanos};
use retake_traces::fault::When;

use crate::core::Next;
use crate::environment::Environment;
use crate::injector::Injector;

impl Engine {
    /// Choose the next task, after what chooses faults.
    #[inline]
    pub(super) fn pick(&self) -> Next {
        if !self.injectors.borrow().is_empty() {
            self.ask_injectors();
        }
        self.core.borrow_mut().pick()
    }

    /// Plan the faults that injectors choose, once for each step.
    fn ask_injectors(&self) {
        let (view, step) = {
            let core = self.core.borrow();
            let step = core.stats.steps + 1;
            if core.runnable.is_empty() || self.injectors_asked.replace(step) == step {
                return;
            }
            (core.run_view(), step)
        };
        let mut faults = Vec::new();
        for injector in &mut *self.injectors.borrow_mut() {
            faults.extend(injector.before_step(&view));
        }
        let mut core = self.core.borrow_mut();
        for mut fault in faults {
            if matches!(fault.when, When::Step(at) if at < step) {
                fault = fault.at_step(step);
            }
            core.plan(fault);
        }
    }

    pub(crate) fn add_injector(&self, injector: Box<dyn Injector>) {
        if !self.core.borrow().config.only_planned_faults {
            self.injectors.borrow_mut().push(injector);
        }
    }

    pub(crate) fn set_environment(&self, environment: Option<Box<dyn Environment>>) {
        self.environment.replace(environment);
    }

    /// Nothing is runnable: the environment moves, and may wake some tasks.
    pub(super) fn environment_acts(&self) -> bool {
        let mut environment = self.environment.borrow_mut();
        let Some(environment) = environment.as_mut() else {
            return false;
        };
        let (now_ns, steps) = {
            let core = self.core.borrow();
            (core.now_ns, core.stats.steps)
        };
        self.environment_instant.set(now_ns);
        // After a step it may have woken tasks without knowing.
        let after_step = self.environment_acted.replace(steps) != steps;
        let acts = environment.act(Duration::from_nanos(now_ns)) || after_step;
        for text in environment.drain_events() {
            self.core.borrow_mut().log(text);
        }
        if acts {
            self.kick();
        }
        acts
    }

    /// At a new instant, the environment moves before the first task
    /// runs, if it is to move then: so its doings come in any order with what timers do.
    pub(super) fn environment_is_due(&self) -> bool {
        let core = self.core.borrow();
        core.instant_is_new
            && !core.is_over()
            && !core.has_grant()
            && !core.mode.is_standstill()
            && self.environment_instant.get() != core.now_ns
            && self
                .environment_next_ns()
                .is_some_and(|next_ns| next_ns <= core.now_ns)
    }

    pub(super) fn environment_next_ns(&self) -> Option<u64> {
        let environment = self.environment.borrow();
        Some(nanos(environment.as_ref()?.next()?))
    }
}
