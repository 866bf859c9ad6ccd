//! A look at what waits, when a run has ended because nothing or not enough happens.
//!
//! Each future that waits is polled once more, and each thread that waits looks at its own
//! calls. It is no part of the run: the run was recorded before, and nothing that happens now is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::core::cycle;
use super::core::outcome::OutcomeKind;
use super::kernel::Kernel;
use super::record::Tag;
use super::state::{About, AwaitInfo, Entity, Look, What};
use super::sys;
use super::waits;

/// Tasks and threads that are looked at.
const LOOKS_MAX: usize = 64;
/// Tasks that are named of those that took the last steps.
const TURNS_NAMED_MAX: usize = 8;
/// Those that are listed.
const LISTED_MAX: usize = 32;
/// What one of them awaits at one time, by `select!` for example, that is listed.
const AWAITED_MAX: usize = 4;

impl Kernel {
    /// The run has ended so. Look at what waits before the process ends.
    pub(super) fn begin_look(&mut self, outcome: OutcomeKind, why: &str) {
        let number = self.current;
        self.record_end(outcome, why);
        self.finish_record();
        let alive = |slot: &u32| {
            let entity = &self.entities[*slot as usize];
            let can_run = self.runnable.contains(*slot) || entity.is_waiting;
            entity.what != What::Nothing && !can_run
        };
        let mut left: Vec<u32> = (0..self.entities.len() as u32).filter(alive).collect();
        left.sort_by_key(|slot| self.entities[*slot as usize].serial);
        left.truncate(LOOKS_MAX);
        left.reverse();
        self.look = Some(Look {
            outcome,
            why: why.to_owned(),
            left,
            now: number,
            thread: None,
            found: BTreeMap::new(),
        });
        waits::set_looks();
    }

    /// The thread that looks next. What it is to poll is in its place.
    pub(super) fn next_look(&mut self) -> u32 {
        loop {
            let slot = self.look.as_mut().and_then(|look| look.left.pop());
            let Some(slot) = slot else { self.end_look() };
            if let Some(thread) = self.look_at(slot) {
                return thread;
            }
        }
    }

    fn look_at(&mut self, slot: u32) -> Option<u32> {
        let entity = &self.entities[slot as usize];
        let (thread, polls) = match entity.what {
            What::Nothing => return None,
            What::Task { runtime } => {
                let it = &self.runtimes[runtime as usize];
                let driver = it.driver.filter(|_| it.is_active && entity.header != 0)?;
                if !self.is_polled(slot) {
                    return None;
                }
                // SAFETY: the task has not ended, and the address is of its header.
                unsafe { waits::wake(entity.header) };
                (driver, true)
            }
            What::Thread(number) => {
                let thread = &self.threads[number as usize];
                let is_active = |runtime: u32| self.runtimes[runtime as usize].is_active;
                let polls = thread.is_parked
                    || thread.wait.is_none() && thread.runtime.is_some_and(is_active);
                if !polls && (thread.wait.is_none() || !self.settings.backtraces) {
                    return None;
                }
                (number, polls)
            }
        };
        let serial = entity.serial;
        if polls {
            self.threads[thread as usize].assigned = Some(self.polled_for(slot));
        }
        let look = self.look.as_mut()?;
        look.now = serial;
        if !polls {
            look.thread = Some(thread);
        }
        Some(thread)
    }

    /// Whether this thread, which waits, is to look at its own calls.
    pub(super) fn looks_at_itself(&mut self, me: u32) -> bool {
        let look = self.look.as_mut();
        look.is_some_and(|look| look.thread.take_if(|thread| *thread == me).is_some())
    }

    /// What is looked at awaits this.
    pub(super) fn found(&mut self, awaited: AwaitInfo) {
        let Some(look) = &mut self.look else { return };
        let found = look.found.entry(look.now).or_default();
        if found.len() < AWAITED_MAX && !found.contains(&awaited) {
            found.push(awaited);
        }
    }

    /// What was found last is this more precisely.
    pub(super) fn found_more(&mut self, change: impl FnOnce(&mut AwaitInfo)) {
        let Some(look) = &mut self.look else { return };
        if let Some(last) = look.found.get_mut(&look.now).and_then(|it| it.last_mut()) {
            change(last);
        }
    }

    /// Whether it is known what that awaits which is looked at.
    pub(super) fn has_found(&self) -> bool {
        let look = self.look.as_ref();
        look.is_none_or(|look| look.found.contains_key(&look.now))
    }

    /// All were looked at.
    fn end_look(&mut self) -> ! {
        let Some(look) = self.look.take() else {
            unreachable!("there is one until here")
        };
        self.record.unmute();
        for (serial, awaited) in &look.found {
            for it in awaited {
                self.record.event(Tag::Awaits, |fields| {
                    fields.number(u64::from(*serial));
                    fields.text(&it.what).text(&it.place);
                    fields.number(it.of.map_or(0, |of| u64::from(of) + 1));
                });
            }
        }
        let text = self.words(&look);
        self.record_end(look.outcome, &text);
        self.record.finish();
        self.exit(look.outcome, &text)
    }

    fn words(&self, look: &Look) -> String {
        let mut text = look.why.clone();
        let alive = self.alive().filter(|(it, _)| match it.what {
            // Most threads wait for work or for other threads.
            What::Thread(_) => look.found.contains_key(&it.serial),
            What::Task { .. } | What::Nothing => true,
        });
        let mut alive: Vec<_> = alive.collect();
        alive.sort_by_key(|(it, _)| it.serial);
        for (entity, about) in alive.iter().take(LISTED_MAX) {
            let name = self.label(entity.serial);
            let _ = write!(text, "\n  {name}");
            if let Some(place) = about.place {
                let (file, line) = (place.file(), place.line());
                let _ = match entity.what {
                    What::Task { .. } => write!(text, " (spawned at {file}:{line})"),
                    _ => write!(text, " (blocks at {file}:{line})"),
                };
            }
            let awaited = look.found.get(&entity.serial).map_or(&[][..], |it| it);
            let mut word = " awaits ";
            for AwaitInfo { what, place, of } in awaited {
                let _ = match of {
                    _ if what == waits::BLOCKED => write!(text, " is blocked"),
                    None => write!(text, "{word}{what}"),
                    Some(of) if what == "the end of a task" => {
                        write!(text, "{word}the end of {}", self.label(*of))
                    }
                    Some(of) => write!(text, "{word}{what} that {} holds", self.label(*of)),
                };
                if !place.is_empty() {
                    let comma = if text.ends_with(" holds") { "," } else { "" };
                    let _ = write!(text, "{comma} at {place}");
                }
                word = ", or ";
            }
            if awaited.is_empty() {
                text.push_str(match entity.is_waiting || self.can_run(entity.serial) {
                    true => " can run",
                    false => " waits",
                });
            }
        }
        if alive.len() > LISTED_MAX {
            let _ = write!(text, "\n  and {} more", alive.len() - LISTED_MAX);
        }
        self.add_last_turns(&mut text);
        let found = look.found.iter();
        let edges = found.flat_map(|(task, found)| {
            let others = found.iter().filter_map(|it| it.of);
            others.map(|of| (*task, of))
        });
        let circle = cycle::find(&edges.collect::<Vec<_>>());
        if let Some(first) = circle.first() {
            let names = circle.iter().chain([first]).map(|it| self.label(*it));
            let names: Vec<String> = names.collect();
            let _ = write!(text, "\nwait cycle: {}", names.join(" -> "));
        }
        if !self.settings.backtraces {
            text.push_str("\nnote: with RUST_BACKTRACE=1 it is said where each one waits");
        }
        text
    }

    /// Who took turns before the limit of steps was reached.
    fn add_last_turns(&self, text: &mut String) {
        let mut counts = BTreeMap::<u32, usize>::new();
        for serial in &self.last_turns {
            *counts.entry(*serial).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(serial, count)| (usize::MAX - count, *serial));
        let named = counts.iter().take(TURNS_NAMED_MAX);
        let named = named.map(|(serial, count)| format!("{} ({count})", self.label(*serial)));
        let named: Vec<String> = named.collect();
        if !named.is_empty() {
            let (steps, names) = (self.last_turns.len(), named.join(", "));
            let _ = write!(text, "\nthe last {steps} steps were taken by {names}");
        }
        if counts.len() > TURNS_NAMED_MAX {
            let _ = write!(text, " and {} others", counts.len() - TURNS_NAMED_MAX);
        }
    }

    /// What has not ended.
    fn alive(&self) -> impl Iterator<Item = (&Entity, &About)> {
        let all = self.entities.iter().zip(&self.abouts);
        all.filter(|(it, _)| it.what != What::Nothing)
    }

    fn can_run(&self, serial: u32) -> bool {
        let mut slots = self.runnable.slots();
        slots.any(|slot| self.entities[slot as usize].serial == serial)
    }

    /// What one is called, with its number if there are others of that name.
    fn label(&self, serial: u32) -> String {
        let Some((entity, about)) = self.alive().find(|(it, _)| it.serial == serial) else {
            return format!("task {serial}");
        };
        let Some(label) = about.label() else {
            return match entity.what {
                What::Thread(_) => format!("thread {serial}"),
                _ => format!("task {serial}"),
            };
        };
        let mut others = self.alive().filter(|(it, _)| it.serial != serial);
        match others.any(|(_, about)| about.label().as_ref() == Some(&label)) {
            true => format!("{label}#{serial}"),
            false => label,
        }
    }
}

impl About {
    /// Its name, or the type of its future in short.
    fn label(&self) -> Option<String> {
        if !self.name.is_empty() {
            return Some(self.name.clone());
        }
        let mut name = self.type_name;
        while let Some(outer) = name.strip_suffix("::{{closure}}") {
            name = outer;
        }
        (!name.is_empty()).then(|| match name.char_indices().nth(80) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name.to_owned(),
        })
    }
}
