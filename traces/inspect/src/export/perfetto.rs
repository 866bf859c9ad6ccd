//! Chrome's trace events as JSON, which Perfetto and `chrome://tracing` open.
//!
//! The run is a process, each task a thread, each step a slice, each message an arrow
//! from the step that sent it to the one that handles it. Faults, panics and logged
//! lines are instants; where messages queue, a counter shows the depth of the mailbox.
//!
//! A step takes no virtual time, but must be seen: the steps of one instant are drawn
//! one after the other, each at most 1 µs wide and narrower where the next instant is
//! near. So a slice may begin a little after its instant, whose exact time is among
//! its arguments.
//!
//! The format: "Trace Event Format" of the Chromium project; flow events bind to the
//! slice that encloses them.

use std::collections::BTreeMap;
use std::io::Write;

use super::json::{JsonString, Micros, variant};
use super::mailbox::Mailbox;
use super::{Entry, ExportError, Exporter, Start};
use crate::senders::Senders;
use crate::story::seconds;
use retake_traces::clean::Form;
use retake_traces::event::Occurrence;
use retake_traces::record::{Choice, StepKind, Task};

/// Widest slice, in nanoseconds.
const WIDTH_MAX_NS: u64 = 1_000;
/// Entries of one instant that are kept to find how wide its slices are.
const INSTANT_MAX: usize = 1_024;
const PROCESS: u32 = 1;

/// Writes trace events.
#[derive(Debug, Default)]
pub struct Perfetto {
    senders: Senders<ArrowStart>,
    mailboxes: BTreeMap<u32, (String, Mailbox)>,
    /// What each task handles, for the steps that resume it.
    doing: BTreeMap<u32, String>,
    /// Entries of the present instant.
    instant: Vec<Entry>,
    /// Up to where slices have been drawn, in nanoseconds.
    drawn_ns: u64,
    is_first: bool,
}

/// Where an arrow begins.
#[derive(Clone, Copy, Debug)]
struct ArrowStart {
    task: u32,
    drawn_ns: u64,
    now_ns: u64,
    shown: bool,
}

/// A task's thread; 0 is no thread's number.
fn thread(task: u32) -> u64 {
    u64::from(task) + 1
}

impl Perfetto {
    fn event(
        &mut self,
        event: std::fmt::Arguments<'_>,
        out: &mut dyn Write,
    ) -> Result<(), ExportError> {
        let comma = if std::mem::replace(&mut self.is_first, false) {
            ""
        } else {
            ","
        };
        writeln!(out, "{comma}{{{event}}}")?;
        Ok(())
    }

    fn name_task(&mut self, task: &Task, out: &mut dyn Write) -> Result<(), ExportError> {
        let (id, label) = (thread(task.id), JsonString(&task.label.to_string()));
        for (name, key, value) in [
            ("thread_name", "name", label.to_string()),
            ("thread_sort_index", "sort_index", id.to_string()),
        ] {
            self.event(
                format_args!(
                    r#""ph":"M","pid":{PROCESS},"tid":{id},"name":"{name}","args":{{"{key}":{value}}}"#
                ),
                out,
            )?;
        }
        Ok(())
    }

    /// Write the entries of one instant; `next_ns` is when the next one is, if it is known.
    fn draw(&mut self, next_ns: Option<u64>, out: &mut dyn Write) -> Result<(), ExportError> {
        let entries = std::mem::take(&mut self.instant);
        let Some(first) = entries.first() else {
            return Ok(());
        };
        self.drawn_ns = self.drawn_ns.max(first.event.now_ns);
        let steps = entries.iter().filter(|entry| entry.event.is_step()).count() as u64;
        let width = next_ns.map_or(WIDTH_MAX_NS, |next_ns| {
            let room = next_ns.saturating_sub(self.drawn_ns);
            (room / steps.max(1)).clamp(1, WIDTH_MAX_NS)
        });
        // Instants stand within the slice of the step that they belong to.
        let mut place = self.drawn_ns;
        for entry in &entries {
            if entry.event.is_step() {
                place = self.drawn_ns;
                self.drawn_ns = self.drawn_ns.saturating_add(width);
                self.step(entry, place, width, out)?;
            } else if entry.shown {
                self.other(entry, place, out)?;
            }
        }
        self.instant = entries;
        self.instant.clear();
        Ok(())
    }

    fn step(
        &mut self,
        entry: &Entry,
        place: u64,
        width: u64,
        out: &mut dyn Write,
    ) -> Result<(), ExportError> {
        let event = &entry.event;
        let Some(step) = event.as_step() else {
            return Ok(());
        };
        let task = step.task;
        let sender = self.senders.of(entry);
        self.senders.put(event.step, || ArrowStart {
            task,
            drawn_ns: place,
            now_ns: event.now_ns,
            shown: entry.shown,
        });
        if !entry.shown {
            return Ok(());
        }
        let name = self.name_of(entry, step.kind, step.message, task);
        let choice = match step.choice {
            Choice::Fifo => "fifo",
            Choice::Deviation => "deviation",
            Choice::Eager => "eager",
        };
        let mut arguments = format!(
            r#""step":{},"time":"{} s","choice":"{choice}""#,
            event.step,
            seconds(event.now_ns)
        );
        if let Some(detail) = &event.detail {
            arguments += &format!(r#","detail":{}"#, JsonString(detail));
        }
        if let Some(state) = &event.state {
            arguments += &format!(r#","state":{}"#, JsonString(state));
        }
        if let Some(cause) = event.cause {
            arguments += &format!(r#","cause":{cause}"#);
        }
        if let Some(sender) = &sender {
            let waited = event.now_ns.saturating_sub(sender.now_ns);
            arguments += &format!(r#","waited":"{} s""#, seconds(waited));
        }
        let (id, start, width) = (thread(task), Micros(place), Micros(width));
        self.event(
            format_args!(
                r#""ph":"X","pid":{PROCESS},"tid":{id},"ts":{start},"dur":{width},"cat":"{}","name":{},"args":{{{arguments}}}"#,
                step.kind.name(),
                JsonString(&name),
            ),
            out,
        )?;
        let Some(sender) = sender.filter(|sender| sender.shown) else {
            return Ok(());
        };
        let (from, sent) = (thread(sender.task), Micros(sender.drawn_ns));
        let number = event.step;
        self.event(
            format_args!(
                r#""ph":"s","pid":{PROCESS},"tid":{from},"ts":{sent},"id":{number},"cat":"message","name":"message""#
            ),
            out,
        )?;
        self.event(
            format_args!(
                r#""ph":"f","bp":"e","pid":{PROCESS},"tid":{id},"ts":{start},"id":{number},"cat":"message","name":"message""#
            ),
            out,
        )?;
        if step.kind == StepKind::Handle {
            self.queue(task, &event.who, sender.drawn_ns, Some(place), out)?;
        }
        Ok(())
    }

    fn name_of(&mut self, entry: &Entry, kind: StepKind, message: u16, task: u32) -> String {
        let verb = kind.verb();
        if kind == StepKind::Resume {
            let doing = self.doing.get(&task);
            return format!("… {}", doing.map_or(verb, String::as_str));
        }
        let name = match (&entry.event.detail, kind) {
            (Some(detail), StepKind::Handle) => variant(detail).to_owned(),
            (Some(detail), StepKind::Supervision) => format!("{verb} {}", variant(detail)),
            (None, StepKind::Handle) => format!("message {message}"),
            _ => verb.to_owned(),
        };
        if kind == StepKind::PostStop {
            self.doing.remove(&task);
        } else {
            self.doing.insert(task, name.clone());
        }
        name
    }

    fn depths(
        &mut self,
        task: u32,
        depths: &[(u64, u64)],
        out: &mut dyn Write,
    ) -> Result<(), ExportError> {
        let Some((who, _)) = self.mailboxes.get(&task) else {
            return Ok(());
        };
        let name = format!("mailbox of {who}");
        for (time, depth) in depths {
            self.event(
                format_args!(
                    r#""ph":"C","pid":{PROCESS},"ts":{},"name":{},"args":{{"messages":{depth}}}"#,
                    Micros(*time),
                    JsonString(&name),
                ),
                out,
            )?;
        }
        Ok(())
    }

    /// A message stays in its mailbox.
    fn stays(&mut self, entry: &Entry, place: u64, out: &mut dyn Write) -> Result<(), ExportError> {
        let event = &entry.event;
        let (Some(sender), Some(task)) = (self.senders.of(entry), event.task) else {
            return Ok(());
        };
        let sent = sender.drawn_ns.min(place);
        self.queue(task, &event.who, sent, None, out)
    }

    /// A message was sent, and handled or not.
    fn queue(
        &mut self,
        task: u32,
        who: &str,
        sent: u64,
        handled: Option<u64>,
        out: &mut dyn Write,
    ) -> Result<(), ExportError> {
        let mut depths = Vec::new();
        let mailbox = self.mailboxes.entry(task);
        let (_, mailbox) = mailbox.or_insert_with(|| (who.to_owned(), Mailbox::default()));
        mailbox.message(sent, handled, &mut |time, depth| depths.push((time, depth)));
        self.depths(task, &depths, out)
    }

    fn other(&mut self, entry: &Entry, place: u64, out: &mut dyn Write) -> Result<(), ExportError> {
        let event = &entry.event;
        let category = match &event.occurrence {
            Occurrence::Task(task) => return self.name_task(task, out),
            Occurrence::Fault(_) => "fault",
            Occurrence::Panic(_) => "panic",
            Occurrence::Event(_) | Occurrence::Live(_) | Occurrence::Ended(_) => "event",
            Occurrence::End(_) => "end",
            Occurrence::State(_) => "state",
            Occurrence::Unhandled(_) => {
                self.stays(entry, place, out)?;
                "unhandled"
            }
            Occurrence::Step(_) => return Ok(()),
        };
        let what = event.what();
        let name = match &event.occurrence {
            // The whole is among the arguments.
            Occurrence::Panic(_) => "PANIC",
            Occurrence::State(_) => "state at the end",
            Occurrence::End(end) => end.outcome.word(),
            _ => what.trim_start_matches("| "),
        };
        let (thread, scope) = match event.task {
            Some(task) => (thread(task), "t"),
            None => (0, "g"),
        };
        let cause = match event.cause {
            Some(cause) => format!(r#","cause":{cause}"#),
            None => String::new(),
        };
        self.event(
            format_args!(
                r#""ph":"i","s":"{scope}","pid":{PROCESS},"tid":{thread},"ts":{},"cat":"{category}","name":{},"args":{{"step":{},"time":"{} s","text":{}{cause}}}"#,
                Micros(place),
                JsonString(name),
                event.step,
                seconds(event.now_ns),
                JsonString(&what),
            ),
            out,
        )
    }
}

impl Exporter for Perfetto {
    fn form(&self) -> Form {
        Form::Json
    }

    fn wants_survey(&self) -> bool {
        true
    }

    fn survey(&mut self, entry: &Entry) -> Result<(), ExportError> {
        self.senders.survey(entry);
        Ok(())
    }

    fn begin(&mut self, start: &Start<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
        let header = start.header;
        let facts = serde_json::to_string(header).map_err(std::io::Error::from)?;
        writeln!(
            out,
            r#"{{"displayTimeUnit":"ns","otherData":{facts},"traceEvents":["#
        )?;
        self.is_first = true;
        let name = format!("{}, seed {}", header.scenario, header.config.seed);
        self.event(
            format_args!(
                r#""ph":"M","pid":{PROCESS},"tid":0,"name":"process_name","args":{{"name":{}}}"#,
                JsonString(&name)
            ),
            out,
        )?;
        for task in start.tasks {
            self.name_task(task, out)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, out: &mut dyn Write) -> Result<(), ExportError> {
        let now_ns = entry.event.now_ns;
        match self.instant.first() {
            Some(first) if first.event.now_ns != now_ns => self.draw(Some(now_ns), out)?,
            // More of the same may come: no room.
            Some(_) if self.instant.len() >= INSTANT_MAX => self.draw(Some(0), out)?,
            _ => {}
        }
        self.instant.push(entry.clone());
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<(), ExportError> {
        self.draw(None, out)?;
        for task in self.mailboxes.keys().copied().collect::<Vec<_>>() {
            let mut depths = Vec::new();
            if let Some((_, mailbox)) = self.mailboxes.get_mut(&task) {
                mailbox.finish(&mut |time, depth| depths.push((time, depth)));
            }
            self.depths(task, &depths, out)?;
        }
        writeln!(out, "]}}")?;
        Ok(())
    }
}
