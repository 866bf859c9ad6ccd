//! What there is to see: the step, the actors, the details.

use ratatui::layout::Rect;
use retake_inspect::timeline::{Condition, QueuedMessage, World};
use retake_inspect::{Line, Timeline};
use retake_traces::TraceError;

use super::super::print::{ActorState, MarkLine, actor_state, label, mark_lines};
use super::super::source::Source;
use super::super::text::one_line;
use super::layout::{Panes, rows};

/// Which pane the arrow keys are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Focus {
    #[default]
    Steps,
    Actors,
    Details,
}

/// What the lower pane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    #[default]
    State,
    Message,
    Mailbox,
    Causes,
    Faults,
    Breaks,
}

impl Tab {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::State, "1 state"),
        (Self::Message, "2 step"),
        (Self::Mailbox, "3 mailbox"),
        (Self::Causes, "4 causes, effects"),
        (Self::Faults, "5 faults"),
        (Self::Breaks, "6 breakpoints"),
    ];
}

/// What is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) kind: PromptKind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptKind {
    Go,
    Search,
    Break,
}

/// An actor or task in its list.
#[derive(Clone, Debug)]
pub(super) struct ActorRow {
    pub(super) task: u32,
    pub(super) label: String,
    pub(super) mailbox: u32,
    pub(super) state: String,
    pub(super) steps_again: bool,
}

/// A line of the lower pane that leads to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) step: u64,
    pub(super) text: String,
}

/// Lines read around the step.
const AROUND: u64 = 120;
/// Messages of a mailbox, causes and effects that are read.
const LISTED_MAX: usize = 500;

pub(in super::super) struct Model {
    pub(super) timeline: Timeline,
    pub(super) title: String,
    pub(super) panes: Panes,
    pub(super) step: u64,
    /// Where the run was looked at before.
    pub(super) history: Vec<u64>,
    /// The task that the lists are about.
    pub(super) actor: u32,
    /// It stays the same when steps of others are looked at.
    pub(super) pinned: bool,
    pub(super) focus: Focus,
    pub(super) tab: Tab,
    /// The first row that the lower pane shows, or the chosen one where rows can be.
    pub(super) row: usize,
    pub(super) help: Option<usize>,
    pub(super) prompt: Option<Prompt>,
    pub(super) search: Option<String>,
    pub(super) breaks: Vec<Condition>,
    pub(super) status: String,
    pub(super) quits: bool,

    // What is read for all this.
    pub(super) now_ns: u64,
    pub(super) lines: Vec<Line>,
    pub(super) world: World,
    /// The rows of the list of actors that are in sight, and the number of the first.
    pub(super) actor_rows: Vec<ActorRow>,
    pub(super) first_actor: usize,
    pub(super) state: Option<ActorState>,
    pub(super) mailbox: Vec<QueuedMessage>,
    pub(super) causes: Vec<Line>,
    pub(super) effects: Vec<Line>,
    pub(super) marks: Vec<MarkLine>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// At a step of a run, for a terminal of this size.
    pub(in super::super) fn new(
        source: Source,
        step: u64,
        breaks: Vec<Condition>,
        area: Rect,
    ) -> Result<(Self, Option<tempfile::TempDir>), TraceError> {
        let Source {
            mut timeline,
            notes,
            folder,
        } = source;
        let header = timeline.header();
        let title = format!("{}, seed {}", header.scenario, header.config.seed);
        let notes: Vec<String> = header.reasons.iter().cloned().chain(notes).collect();
        let world = timeline.world(step)?;
        let mut model = Self {
            timeline,
            title,
            panes: Panes::of(area),
            step,
            history: Vec::new(),
            actor: 0,
            pinned: false,
            focus: Focus::default(),
            tab: Tab::default(),
            row: 0,
            help: None,
            prompt: None,
            search: None,
            breaks,
            status: if notes.is_empty() {
                "? shows the keys".to_owned()
            } else {
                notes.join("; ")
            },
            quits: false,
            now_ns: 0,
            lines: Vec::new(),
            world,
            actor_rows: Vec::new(),
            first_actor: 0,
            state: None,
            mailbox: Vec::new(),
            causes: Vec::new(),
            effects: Vec::new(),
            marks: Vec::new(),
        };
        model.look()?;
        Ok((model, folder))
    }

    pub(super) fn resize(&mut self, area: Rect) -> Result<(), TraceError> {
        self.panes = Panes::of(area);
        self.look_at_actors()
    }

    /// Read what is to be seen of the step.
    pub(super) fn look(&mut self) -> Result<(), TraceError> {
        let step = self.step;
        self.now_ns = self.timeline.now_ns(step)?;
        let first = step.saturating_sub(AROUND);
        self.lines = self.timeline.lines(first, step + AROUND)?;
        self.world = self.timeline.world(step)?;
        if !self.pinned
            && let Some(line) = self.timeline.step(step)?
            && let Some(it) = line.as_step()
        {
            self.actor = it.task;
        }
        self.causes = self.timeline.causes(step, LISTED_MAX)?;
        self.effects = self.timeline.effects(step)?;
        self.effects.truncate(LISTED_MAX);
        self.row = 0;
        self.look_at_marks()?;
        self.look_at_actor()
    }

    /// Read the marks around the step, where they are shown.
    pub(super) fn look_at_marks(&mut self) -> Result<(), TraceError> {
        if self.tab != Tab::Faults {
            return Ok(());
        }
        let marks = self.timeline.marks();
        let before = marks.partition_point(|mark| mark.step <= self.step);
        let first = before.saturating_sub(LISTED_MAX / 2);
        let around: Vec<_> = marks.iter().skip(first).take(LISTED_MAX).cloned().collect();
        self.marks = mark_lines(&mut self.timeline, &around)?;
        // At the last one up to the step.
        self.row = (before - first).saturating_sub(1);
        Ok(())
    }

    /// Read what is to be seen of the chosen actor.
    pub(super) fn look_at_actor(&mut self) -> Result<(), TraceError> {
        let (actor, step) = (self.actor, self.step);
        self.state = Some(actor_state(&mut self.timeline, actor, step)?);
        self.mailbox = self.timeline.mailbox(actor, step, LISTED_MAX)?;
        self.look_at_actors()
    }

    /// Read the states of the actors that are in sight.
    fn look_at_actors(&mut self) -> Result<(), TraceError> {
        let height = rows(self.panes.actors).max(1);
        let place = self.actor_place().unwrap_or(0);
        if place < self.first_actor {
            self.first_actor = place;
        } else if place >= self.first_actor + height {
            self.first_actor = place + 1 - height;
        }
        let most = self.world.alive.len().saturating_sub(height);
        self.first_actor = self.first_actor.min(most);
        let in_sight = self.world.alive.iter().skip(self.first_actor).take(height);
        let in_sight: Vec<_> = in_sight.copied().collect();
        self.actor_rows.clear();
        for at in in_sight {
            let state = self.timeline.state(at.task, self.step)?;
            self.actor_rows.push(ActorRow {
                task: at.task,
                label: label(&self.timeline, at.task),
                mailbox: at.mailbox,
                state: state.map_or_else(String::new, |state| one_line(&state.text)),
                steps_again: at.steps_again,
            });
        }
        Ok(())
    }

    /// The place of the chosen actor among the living.
    pub(super) fn actor_place(&self) -> Option<usize> {
        self.world.alive.iter().position(|at| at.task == self.actor)
    }

    /// The rows of the lower pane that lead to steps, where it shows such.
    pub(super) fn links(&self) -> Vec<Link> {
        let of_line = |sign: &str, line: &Line| Link {
            step: line.step,
            text: format!("{sign} {:>8}  {} {}", line.step, line.who, line.what()),
        };
        match self.tab {
            Tab::State | Tab::Message | Tab::Breaks => Vec::new(),
            Tab::Mailbox => self
                .mailbox
                .iter()
                .map(|it| Link {
                    // One that is never handled leads to where it came from.
                    step: it.handled.unwrap_or(it.sent),
                    text: format!(
                        "{} (by {} at {}, {})",
                        one_line(it.text.as_deref().unwrap_or("a message")),
                        it.from,
                        it.sent,
                        match it.handled {
                            Some(step) => format!("handled at {step}"),
                            None => "never handled".to_owned(),
                        }
                    ),
                })
                .collect(),
            Tab::Causes => {
                let causes = self.causes.iter().rev().map(|line| of_line("↑", line));
                let effects = self.effects.iter().map(|line| of_line("↓", line));
                causes.chain(effects).collect()
            }
            Tab::Faults => self
                .marks
                .iter()
                .map(|mark| Link {
                    step: mark.step,
                    text: format!("{:>8}  {} {}", mark.step, mark.who, mark.what),
                })
                .collect(),
        }
    }
}
