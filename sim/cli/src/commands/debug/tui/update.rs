//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use retake_inspect::timeline::{Condition, Direction, MarkKind};
use retake_traces::TraceError;

use super::super::names;
use super::super::print::has_text;
use super::layout::rows;
use super::model::{Focus, Model, Prompt, PromptKind, Tab};

/// Places that are remembered.
const HISTORY_MAX: usize = 1000;

impl Model {
    /// Do what a key is for.
    pub(super) fn key(&mut self, key: KeyEvent) {
        // What went wrong with the file is shown; the rest stays as it is.
        if let Err(error) = self.on_key(key) {
            self.status = error.to_string();
        }
    }

    fn on_key(&mut self, key: KeyEvent) -> Result<(), TraceError> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            self.quits = true;
            return Ok(());
        }
        if let Some(prompt) = self.prompt.take() {
            return self.type_key(prompt, key.code);
        }
        if let Some(row) = self.help {
            self.help = match key.code {
                KeyCode::Down | KeyCode::Char('j') => Some(row + 1),
                KeyCode::Up | KeyCode::Char('k') => Some(row.saturating_sub(1)),
                _ => None,
            };
            return Ok(());
        }
        self.status.clear();
        let page = rows(self.panes.steps).max(2) as u64 - 1;
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => self.quits = true,
            KeyCode::Char('?') | KeyCode::F(1) => self.help = Some(0),
            KeyCode::Tab => self.focus_next(1),
            KeyCode::BackTab => self.focus_next(2),
            KeyCode::Right | KeyCode::Char('l') => self.walk(self.step.saturating_add(1))?,
            KeyCode::Left | KeyCode::Char('h') => self.walk(self.step.saturating_sub(1))?,
            KeyCode::Down | KeyCode::Char('j') => self.down(1)?,
            KeyCode::Up | KeyCode::Char('k') => self.up(1)?,
            KeyCode::PageDown => self.down(page)?,
            KeyCode::PageUp => self.up(page)?,
            KeyCode::Home | KeyCode::Char('g') => self.go(0)?,
            KeyCode::End | KeyCode::Char('G') => self.go(self.timeline.steps())?,
            KeyCode::Char('f') => self.go_to_place("failure")?,
            KeyCode::Char(':') => self.ask(PromptKind::Go),
            KeyCode::Char('/') => self.ask(PromptKind::Search),
            KeyCode::Char('n') => self.search_on(Direction::Forward)?,
            KeyCode::Char('N') => self.search_on(Direction::Backward)?,
            KeyCode::Char('x') => self.go_to_mark(Direction::Forward, "fault", is_fault)?,
            KeyCode::Char('X') => self.go_to_mark(Direction::Backward, "fault", is_fault)?,
            KeyCode::Char('s') => {
                self.go_to_mark(Direction::Forward, "supervision event", is_heard)?;
            }
            KeyCode::Char('S') => {
                self.go_to_mark(Direction::Backward, "supervision event", is_heard)?;
            }
            KeyCode::Char('e') => self.go_to_step_of(Direction::Forward)?,
            KeyCode::Char('E') => self.go_to_step_of(Direction::Backward)?,
            KeyCode::Char('[') => self.go_to_cause()?,
            KeyCode::Char(']') => self.go_to_effect()?,
            KeyCode::Char('b') => self.ask(PromptKind::Break),
            KeyCode::Char('c') => self.run_on(Direction::Forward)?,
            KeyCode::Char('C') => self.run_on(Direction::Backward)?,
            KeyCode::Char('d') => self.drop_break(),
            KeyCode::Char('p') => self.pin()?,
            KeyCode::Char(digit @ '1'..='6') => {
                self.tab = Tab::ALL[usize::from(digit as u8 - b'1')].0;
                self.row = 0;
                self.look_at_marks()?;
            }
            KeyCode::Enter => self.follow()?,
            KeyCode::Backspace => self.go_back()?,
            _ => {}
        }
        Ok(())
    }

    fn focus_next(&mut self, by: usize) {
        const ORDER: [Focus; 3] = [Focus::Steps, Focus::Actors, Focus::Details];
        let now = ORDER.iter().position(|it| *it == self.focus).unwrap_or(0);
        self.focus = ORDER[(now + by) % ORDER.len()];
    }

    fn ask(&mut self, kind: PromptKind) {
        self.prompt = Some(Prompt {
            kind,
            text: String::new(),
        });
    }

    fn type_key(&mut self, mut prompt: Prompt, key: KeyCode) -> Result<(), TraceError> {
        match key {
            KeyCode::Esc => return Ok(()),
            KeyCode::Enter => {
                let text = prompt.text.trim();
                if text.is_empty() {
                    return Ok(());
                }
                return match prompt.kind {
                    PromptKind::Go => self.go_to_place(text),
                    PromptKind::Search => {
                        self.search = Some(text.to_owned());
                        self.search_on(Direction::Forward)
                    }
                    PromptKind::Break => {
                        self.add_break(text);
                        Ok(())
                    }
                };
            }
            KeyCode::Backspace if prompt.text.is_empty() => return Ok(()),
            KeyCode::Backspace => {
                prompt.text.pop();
            }
            KeyCode::Char(c) => prompt.text.push(c),
            _ => {}
        }
        self.prompt = Some(prompt);
        Ok(())
    }

    fn down(&mut self, by: u64) -> Result<(), TraceError> {
        match self.focus {
            Focus::Steps => self.walk(self.step.saturating_add(by)),
            Focus::Actors => self.choose_actor(by as i64),
            Focus::Details => {
                self.row = self.row.saturating_add(by as usize);
                let links = self.links().len();
                if links > 0 {
                    self.row = self.row.min(links - 1);
                }
                Ok(())
            }
        }
    }

    fn up(&mut self, by: u64) -> Result<(), TraceError> {
        match self.focus {
            Focus::Steps => self.walk(self.step.saturating_sub(by)),
            Focus::Actors => self.choose_actor(-(by as i64)),
            Focus::Details => {
                self.row = self.row.saturating_sub(by as usize);
                Ok(())
            }
        }
    }

    fn choose_actor(&mut self, by: i64) -> Result<(), TraceError> {
        let Some(last) = self.world.alive.len().checked_sub(1) else {
            return Ok(());
        };
        let now = self.actor_place().unwrap_or(0) as i64;
        let place = now.saturating_add(by).clamp(0, last as i64) as usize;
        self.actor = self.world.alive[place].task;
        self.pinned = true;
        self.row = 0;
        self.look_at_actor()
    }

    fn pin(&mut self) -> Result<(), TraceError> {
        self.pinned = !self.pinned;
        self.status = if self.pinned {
            "the actor stays chosen".to_owned()
        } else {
            "the actor is the one whose step it is".to_owned()
        };
        self.look()
    }

    /// Go to a step nearby.
    fn walk(&mut self, step: u64) -> Result<(), TraceError> {
        self.step = step.min(self.timeline.steps());
        self.look()
    }

    /// Go to a step, and remember the way back.
    fn go(&mut self, step: u64) -> Result<(), TraceError> {
        if step != self.step {
            if self.history.len() == HISTORY_MAX {
                self.history.remove(0);
            }
            self.history.push(self.step);
        }
        self.walk(step)
    }

    fn go_back(&mut self) -> Result<(), TraceError> {
        match self.history.pop() {
            Some(step) => self.walk(step),
            None => {
                self.status = "this is where you began".to_owned();
                Ok(())
            }
        }
    }

    fn go_or_say(&mut self, step: Option<u64>, none: &str) -> Result<(), TraceError> {
        match step {
            Some(step) => self.go(step),
            None => {
                self.status = none.to_owned();
                Ok(())
            }
        }
    }

    fn go_to_place(&mut self, place: &str) -> Result<(), TraceError> {
        match names::step_of(&mut self.timeline, place)? {
            Ok(step) => self.go(step),
            Err(what) => {
                self.status = what;
                Ok(())
            }
        }
    }

    fn go_to_mark(
        &mut self,
        direction: Direction,
        what: &str,
        wanted: impl Fn(&MarkKind) -> bool,
    ) -> Result<(), TraceError> {
        let found = self.timeline.find_mark(self.step, direction, wanted)?;
        self.go_or_say(found, &format!("no {what} {}", word(direction)))
    }

    fn go_to_step_of(&mut self, direction: Direction) -> Result<(), TraceError> {
        let found = self
            .timeline
            .find_step_of(self.actor, self.step, direction)?;
        self.pinned = true;
        self.go_or_say(found, &format!("no step of it {}", word(direction)))
    }

    fn go_to_cause(&mut self) -> Result<(), TraceError> {
        let step = self.causes.first().map(|line| line.step);
        self.pinned = false;
        self.go_or_say(step, "no step is known that led to it")
    }

    fn go_to_effect(&mut self) -> Result<(), TraceError> {
        let step = self.effects.first().map(|line| line.step);
        self.pinned = false;
        self.go_or_say(step, "no step handles a message of it")
    }

    fn search_on(&mut self, direction: Direction) -> Result<(), TraceError> {
        let Some(text) = self.search.clone() else {
            self.ask(PromptKind::Search);
            return Ok(());
        };
        let lower = text.to_lowercase();
        let found = self
            .timeline
            .find(self.step, direction, |line| has_text(line, &lower))?;
        let none = format!("no line with `{text}` {}", word(direction));
        self.go_or_say(found.map(|line| line.step), &none)
    }

    fn add_break(&mut self, text: &str) {
        match text.parse::<Condition>() {
            Ok(condition) => {
                let known = condition
                    .actor
                    .as_ref()
                    .map(|name| names::find_task(&self.timeline, name, self.step));
                if let Some(Err(unknown)) = known {
                    self.status = unknown;
                    return;
                }
                self.status = format!("breakpoint: {condition}; c runs to it, C back to it");
                self.breaks.push(condition);
                self.tab = Tab::Breaks;
                self.row = self.breaks.len() - 1;
            }
            Err(what) => self.status = what,
        }
    }

    fn drop_break(&mut self) {
        if self.tab == Tab::Breaks && self.row < self.breaks.len() {
            let dropped = self.breaks.remove(self.row);
            self.status = format!("no longer: {dropped}");
            self.row = self.row.min(self.breaks.len().saturating_sub(1));
        } else {
            self.status = "d removes the breakpoint chosen in pane 6".to_owned();
        }
    }

    /// To the nearest breakpoint that is hit.
    fn run_on(&mut self, direction: Direction) -> Result<(), TraceError> {
        if self.breaks.is_empty() {
            self.status = "there is no breakpoint: b adds one".to_owned();
            return Ok(());
        }
        let mut nearest: Option<(u64, String)> = None;
        for condition in self.breaks.clone() {
            let Some(hit) = self.timeline.find_hit(self.step, direction, &condition)? else {
                continue;
            };
            let is_nearer = nearest.as_ref().is_none_or(|(step, _)| match direction {
                Direction::Forward => hit < *step,
                Direction::Backward => hit > *step,
            });
            if is_nearer {
                nearest = Some((hit, condition.to_string()));
            }
        }
        match nearest {
            Some((step, condition)) => {
                self.pinned = false;
                self.go(step)?;
                self.status = format!("hit: {condition}");
            }
            None => self.status = format!("no breakpoint is hit {}", word(direction)),
        }
        Ok(())
    }

    /// Enter: to the step that the chosen row leads to.
    fn follow(&mut self) -> Result<(), TraceError> {
        match self.focus {
            Focus::Steps => Ok(()),
            Focus::Actors => {
                let place = self.actor_place();
                let last = place.map(|place| self.world.alive[place].last_step);
                self.go_or_say(last.filter(|step| *step > 0), "it has taken no step yet")
            }
            Focus::Details => {
                let step = self.links().get(self.row).map(|link| link.step);
                self.pinned = false;
                self.go_or_say(step, "this leads nowhere")
            }
        }
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "after this",
        Direction::Backward => "before this",
    }
}

fn is_fault(kind: &MarkKind) -> bool {
    matches!(kind, MarkKind::Fault(_) | MarkKind::Panic)
}

fn is_heard(kind: &MarkKind) -> bool {
    *kind == MarkKind::Supervision
}
