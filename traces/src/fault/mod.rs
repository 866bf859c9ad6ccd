//! Faults: what goes wrong on purpose.
//!
//! A fault is data: what, to which task, when. It parses from a line of text and prints as
//! one, it is recorded where it was injected, and a smaller failing run is found by leaving
//! some out.
//!
//! | class | how it is written |
//! |---|---|
//! | lifecycle | `kill`, `kill … in await`, `panic` and `fail` in any callback, `stop` (with its backlog), `drain`; `with 2 siblings` for several at once |
//! | restart | `panic`, `fail`, `slow` `in pre_start`: a crash during the restart, a slow one; `squat`: the name is not free yet |
//! | schedule | `delay` (starve, hang), several of them (a swizzle), the strategies |
//! | messages | `lose`, `duplicate` |
//! | RPC | `delay` and `slow` of who answers (late replies, a race with the timeout), `lose` (no reply at all), `kill … in await` of who asks (a reply to the dead) |
//! | timers | `late`, `coalesce`, `pause` (a backlog of ticks), `kill` before one fires |
//! | clock | `clock`: a step, a drift, a wave of the wall clock |
//! | load | `load` (bursts), `slow` (slow consumers), `delay` (growing mailboxes) |
//! | services | `break`: requests of a service fail, are slow, or are not answered |
//! | network | `cut`, `reset`, `lose packets`, `delay packets`, `duplicate packets`, `reorder packets` |
//! | disk | `crash disk`, `fill disk`, `fail disk`, `shorten disk`, `corrupt disk` |
//! | named places | `point`: what only code inside can do; `buggify`: all of them, now and then |
//! | end of chaos | `heal`: nothing goes wrong any more |
//!
//! The modules, in reading order: [`kinds`] has one file for each kind, with how it is
//! written, what it does, how it is drawn and what a person reads of it; `words` is what
//! they read and write, `recipe` what they are drawn from; `text` is the rest of the grammar,
//! `mistakes` refuses what a person cannot have meant, and [`swarm`] draws the faults of a run.

mod mistakes;
mod recipe;
mod text;

pub mod kinds;
pub mod swarm;
mod words;

use std::time::Duration;

use bincode::{Decode, Encode};
use retake_core::time::nanos;

pub use kinds::Action;
pub use retake_core::disk::{DiskFailure, DiskFailureKind, DiskOperation};
pub use retake_core::fault::{Effect, Moment, Skew, Target, When};
pub use retake_core::packet::{Link, PacketChange};
pub use retake_core::planned::PlannedFault;
pub use retake_core::service::{ServiceFailure, Share};
pub use text::FaultError;

/// A fault: what, to whom, when.
///
/// Parses from and prints as a line of text. NAME is a label as traces show it; without
/// an incarnation number it means the one that is alive. `pool/*` means all whose label
/// begins so; `*` the task that has been ready to run for the longest time; `*supervised`
/// the first of these that is an actor with a supervisor, now or at a step after it, whose
/// supervisor survives it (see `retake::restart_intensity`); `*child` the same whatever its
/// supervisor survives.
///
/// | text | what |
/// |---|---|
/// | `kill NAME [in await] @WHEN` | kill it, what it does is dropped at its await; `in await`: as soon as it awaits something |
/// | `panic NAME [in PART] @WHEN` | its next callback panics: `handle`, or `pre_start` (of its next incarnation), `post_start`, `supervision`, `post_stop` |
/// | `fail NAME [in PART] @WHEN` | its next callback returns an error |
/// | `stop NAME @WHEN`, `drain NAME @WHEN` | it stops after its present message; after all it has |
/// | `lose NAME @WHEN` | its next message is dropped unhandled, with its reply port |
/// | `duplicate NAME @WHEN` | its next message that can be cloned is sent to it once more |
/// | `delay NAME @WHEN until TIME` | it does not run before this time |
/// | `slow NAME by 5ms @WHEN until TIME` | each step of it is delayed by this |
/// | `slow NAME in pre_start by 5ms @WHEN` | its next incarnation takes so long to start |
/// | `squat NAME @WHEN until TIME` | its name stays taken after its death |
/// | `pause @WHEN until TIME` | nothing runs, while time moves |
/// | `late by 5ms @WHEN until TIME` | timers of `retake` fire up to this late |
/// | `coalesce by 10ms @WHEN until TIME` | they fire at multiples of this time only |
/// | `clock +5s @WHEN`, `clock drift +10ms @WHEN`, `clock wave 2s per 60s @WHEN` | the wall clock is wrong: by this; by this more each second; back and forth. Optionally `until TIME` |
/// | `load x4 @WHEN`, `load at most 3 @WHEN` | `retake::workload` gives four times as much; no more than 3 |
/// | `point PLACE @WHEN` | the marked place of this name misbehaves the next time |
/// | `break SERVICE KIND [rate 10%] @WHEN [until TIME]` | requests of this service (`retake::service`; `*`: of the first that is asked), or a share of them, end as KIND: `unavailable`, `timeout`, `quota`, `denied`, `corrupt` or `slow by 50ms` |
/// | `cut LINK @WHEN [until TIME]` | packets of this link are lost: `client -> server`, or both ways `client - server`; `*` for the host of the first packet |
/// | `reset LINK @WHEN` | the next packet of this link becomes a reset of its connection, which both ends hear |
/// | `lose packets 5% [on LINK] @WHEN [until TIME]` | a share of the packets is lost, and sent again later |
/// | `delay packets by 5ms [rate 10%] [on LINK] @WHEN [until TIME]` | packets take longer |
/// | `duplicate packets 5% [on LINK] @WHEN [until TIME]` | they come twice |
/// | `reorder packets 5% [on LINK] @WHEN [until TIME]` | later ones may overtake them |
/// | `crash disk [NAME] @WHEN` | this disk, or each one, loses what was not synced, at its next operation |
/// | `fill disk [NAME] @WHEN [until TIME]` | writes fail, there is no room |
/// | `fail disk [NAME] reads [rate 5%] @WHEN [until TIME]` | these operations fail: `reads`, `writes` or `syncs` |
/// | `shorten disk [NAME] writes [rate 5%] @WHEN [until TIME]` | a part of the bytes is read or written: `reads` or `writes` |
/// | `corrupt disk [NAME] reads [rate 5%] @WHEN [until TIME]` | a bit of what is read is wrong |
/// | `buggify @WHEN` | marked places misbehave now and then from there on, which and when the seed draws |
/// | `heal @WHEN [within TIME]` | lasting faults end, and no further one is injected; `within`: the scenario has to return within this time |
///
/// WHEN is `step 120`, or a virtual time since the start such as `1.5s`. In files a
/// fault is its text.
///
/// ```
/// use retake_traces::fault::Fault;
/// let fault: Fault = "kill pool/worker-3 @1.5s".parse()?;
/// assert_eq!(fault.to_string(), "kill pool/worker-3 @1500ms");
/// # Ok::<(), retake_traces::fault::FaultError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Fault {
    /// What it affects.
    pub target: Target,
    /// What it does.
    pub action: Action,
    /// When.
    pub when: When,
    /// The number of other children of the same supervisor that it affects as well.
    pub siblings: u32,
}

impl Fault {
    /// This action on this target, at the first step.
    #[must_use]
    pub fn new(target: impl Into<Target>, action: impl Into<Action>) -> Self {
        Self {
            target: target.into(),
            action: action.into(),
            when: When::Step(1),
            siblings: 0,
        }
    }

    /// Kill the actor of this label, by default at the start.
    #[must_use]
    pub fn kill(target: impl Into<Target>) -> Self {
        Self::new(target, kinds::Kill { awaiting: false })
    }

    /// Make the next message handler of the actor of this label panic.
    #[must_use]
    pub fn panic(target: impl Into<Target>) -> Self {
        Self::new(target, kinds::Panic::default())
    }

    /// Keep the task of this label from running until a virtual time since the start.
    #[must_use]
    pub fn delay(target: impl Into<Target>, until: Duration) -> Self {
        let until_ns = nanos(until);
        Self::new(target, kinds::Delay { until_ns })
    }

    /// Let the marked place of this name misbehave the next time.
    #[must_use]
    pub fn point(place: impl Into<String>) -> Self {
        let place = place.into();
        Self::new(Target::Run, kinds::Point { place })
    }

    /// What a simulator needs to know of it.
    #[must_use]
    pub fn planned(&self) -> PlannedFault {
        PlannedFault {
            target: self.target.clone(),
            when: self.when,
            moment: self.action.moment(),
            effect: self.action.effect(),
        }
    }

    /// Whether it ends the harm that others do.
    #[must_use]
    pub fn heals(&self) -> bool {
        matches!(self.action, Action::Heal(_))
    }

    /// Whether it makes loads smaller.
    #[must_use]
    pub fn limits_load(&self) -> bool {
        matches!(self.action, Action::Load(kinds::Load::AtMost(_)))
    }

    /// Whether it does harm.
    #[must_use]
    pub fn is_harmful(&self) -> bool {
        !self.heals() && !self.limits_load()
    }

    /// Inject it just before this step (from 1) is chosen.
    #[must_use]
    pub fn at_step(self, step: u64) -> Self {
        Self {
            when: When::Step(step),
            ..self
        }
    }

    /// Inject it at this virtual time since the start of the run.
    #[must_use]
    pub fn at(self, time: Duration) -> Self {
        Self {
            when: When::At(time),
            ..self
        }
    }

    /// Affect so many other children of the same supervisor along with the target.
    #[must_use]
    pub fn with_siblings(self, siblings: u32) -> Self {
        Self { siblings, ..self }
    }
}
