//! What the kinds of faults say about being drawn: recipes, and what these draw from.

use std::time::Duration;

use retake_core::service::Share;
use retake_core::step::StepKind;

use super::{Action, Fault, Target};

/// A way to draw faults: one, or several that belong together.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    pub(super) is_usual: bool,
    /// It is drawn once for a run, at its first step, and counts as no fault of the budget.
    pub(super) is_once: bool,
    /// It is drawn only for runs that have a network.
    pub(super) needs_network: bool,
    pub(super) draw: fn(&mut Dice<'_>) -> Vec<Fault>,
}

impl Recipe {
    const fn new(name: &'static str, draw: fn(&mut Dice<'_>) -> Vec<Fault>) -> Self {
        Self {
            name,
            is_usual: true,
            is_once: false,
            needs_network: false,
            draw,
        }
    }

    /// One that every system has to survive.
    pub(super) const fn usual(name: &'static str, draw: fn(&mut Dice<'_>) -> Vec<Fault>) -> Self {
        Self::new(name, draw)
    }

    /// One that is drawn only where it is asked for.
    pub(super) const fn unusual(name: &'static str, draw: fn(&mut Dice<'_>) -> Vec<Fault>) -> Self {
        Self {
            is_usual: false,
            ..Self::new(name, draw)
        }
    }

    /// One that every system with a network has to survive.
    pub(super) const fn of_network(
        name: &'static str,
        draw: fn(&mut Dice<'_>) -> Vec<Fault>,
    ) -> Self {
        Self {
            needs_network: true,
            ..Self::new(name, draw)
        }
    }

    /// One whose effect is that of the whole run.
    pub(super) const fn once(name: &'static str, draw: fn(&mut Dice<'_>) -> Vec<Fault>) -> Self {
        Self {
            is_once: true,
            ..Self::new(name, draw)
        }
    }
}

/// What recipes draw from. The times are drawn for each recipe, whether it needs them or not.
pub(super) struct Dice<'a> {
    below: &'a mut dyn FnMut(usize) -> usize,
    child: Target,
    /// Virtual time in which faults may be injected.
    chaos: Duration,
    /// The step at which the first of its faults is injected.
    pub(super) at: u64,
    /// From 1 ms to 2 s.
    pub(super) until_ns: u64,
    /// From 1 µs to 16 ms.
    pub(super) by_ns: u64,
    pub(super) coin: bool,
}

impl<'a> Dice<'a> {
    pub(super) fn new(
        child: Target,
        at: u64,
        chaos: Duration,
        below: &'a mut dyn FnMut(usize) -> usize,
    ) -> Self {
        let until_ns = 1_000_000 << below(12);
        let by_ns = 1_000 << below(15);
        let coin = below(2) == 0;
        Self {
            below,
            child,
            chaos,
            at,
            until_ns,
            by_ns,
            coin,
        }
    }

    /// A number below the bound.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.below)(bound)
    }

    /// A fault of a child, at the step.
    pub(super) fn fault(&self, action: impl Into<Action>) -> Fault {
        Fault::new(self.child.clone(), action).at_step(self.at)
    }

    /// A time at which faults may be injected, in milliseconds.
    pub(super) fn time(&mut self) -> Duration {
        let bound = usize::try_from(self.chaos.as_millis()).unwrap_or(usize::MAX);
        Duration::from_millis(self.below(bound.max(1)) as u64)
    }

    /// How much of something goes wrong: 1 % to all of it.
    pub(super) fn share(&mut self) -> Share {
        let percent = [1, 5, 20, 50, 100][self.below(5)];
        Share::of_millionths(percent * 10_000).unwrap_or(Share::ALL)
    }

    /// A callback that goes wrong: mostly a handler.
    pub(super) fn callback(&mut self) -> StepKind {
        match self.below(8) {
            0 => StepKind::PostStart,
            1 => StepKind::Supervision,
            2 => StepKind::PostStop,
            _ => StepKind::Handle,
        }
    }
}
