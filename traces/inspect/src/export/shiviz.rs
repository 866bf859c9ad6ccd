//! A log with vector clocks, for `ShiViz`.
//!
//! The first line is the regular expression that the log is read with, the second is
//! empty (there is one execution), the log follows: two lines an event, its task and
//! clock and then what happened. A clock counts the events of each task up to here.
//! One event is before another if it is of the same task and earlier, if it sent the
//! message that the other handles, or if it started the other's task, and so on; the
//! clocks say so exactly. What a selection leaves out still carries causes.
//!
//! The rules that `ShiViz` checks: the clocks of a task count its own events from 1
//! without a gap, and name no event that the log does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::rc::Rc;

use super::json::JsonString;
use super::{Entry, ExportError, Exporter, Start};
use crate::senders::Senders;
use retake_traces::clean::Form;
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::record::Task;

/// Clocks grow with the number of tasks, and each event has one: a log of ten million
/// steps would fill a disk that the trace hardly shows on.
const BYTES_MAX: u64 = 1 << 30;

/// What the log is read with.
pub const PARSER: &str = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)";

/// By host, how many of its events happened; sorted, without zeros.
type Clock = Vec<(u32, u64)>;

/// A task that is shown.
#[derive(Debug)]
struct Host {
    name: String,
    /// The name as a key of a clock: clocks are long, and written at each event.
    key: String,
}

/// Writes a log with vector clocks.
#[derive(Debug, Default)]
pub struct Shiviz {
    senders: Senders<Rc<Clock>>,
    /// By task, in the first reading: the last step at which it is named.
    last_step: BTreeMap<u32, u64>,
    clocks: BTreeMap<u32, Rc<Clock>>,
    hosts: Vec<Host>,
    /// By task: its host.
    host_of: BTreeMap<u32, u32>,
    /// Names that are taken.
    names: BTreeSet<String>,
    /// Tasks of the present step.
    touched: Vec<u32>,
    line: String,
    /// Bytes of the log so far.
    bytes: u64,
}

/// A name without spaces, and no two names the same.
fn host_name(label: &str) -> String {
    let mut name = String::with_capacity(label.len());
    for c in label.chars() {
        if c.is_whitespace() || c.is_control() || c == '%' {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        } else {
            name.push(c);
        }
    }
    name
}

/// The larger of both, entry by entry.
fn merge(left: &Clock, right: &Clock) -> Clock {
    let mut merged = Vec::with_capacity(left.len().max(right.len()));
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        merged.push(match (left.peek(), right.peek()) {
            (None, None) => return merged,
            (Some(_), None) => *left.next().unwrap_or(&(0, 0)),
            (None, Some(_)) => *right.next().unwrap_or(&(0, 0)),
            (Some((a, x)), Some((b, y))) if a == b => {
                let both = (*a, *x.max(y));
                left.next();
                right.next();
                both
            }
            (Some((a, _)), Some((b, _))) if a < b => *left.next().unwrap_or(&(0, 0)),
            _ => *right.next().unwrap_or(&(0, 0)),
        });
    }
}

impl Shiviz {
    /// The host of a task, which is a new one if it has not been shown before.
    fn host(&mut self, task: u32, label: &str) -> u32 {
        if let Some(host) = self.host_of.get(&task) {
            return *host;
        }
        let mut name = host_name(label);
        // A forged trace may use a name twice, or none.
        if name.is_empty() || self.names.contains(&name) {
            name = format!("{name}%23{task}");
        }
        let host = self.hosts.len() as u32;
        let key = format!("{}:", JsonString(&name));
        self.names.insert(name.clone());
        self.hosts.push(Host { name, key });
        self.host_of.insert(task, host);
        host
    }

    /// The log grows by so many bytes.
    fn grow(&mut self, bytes: usize) -> Result<(), ExportError> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > BYTES_MAX {
            return Err(ExportError::TooLarge(
                "the log would be longer than 1 GB, since each event has the clocks of all \
                 tasks before it: choose a part with --from, --to and --actor"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    fn begin_task(&mut self, task: &Task) {
        // What its parent has seen so far happened before anything that it does.
        if let Some(clock) = task.parent.and_then(|parent| self.clocks.get(&parent)) {
            self.clocks.insert(task.id, Rc::clone(clock));
            self.touched.push(task.id);
        }
    }

    /// The clock of `task` after this entry.
    fn tick(&mut self, task: u32, entry: &Entry, other: Option<&Clock>) -> Rc<Clock> {
        let own = self.clocks.remove(&task).unwrap_or_default();
        let mut own = match other {
            Some(other) => Rc::new(merge(&own, other)),
            None => own,
        };
        if entry.shown {
            let host = self.host(task, &entry.event.who);
            let clock = Rc::make_mut(&mut own);
            match clock.binary_search_by_key(&host, |(host, _)| *host) {
                Ok(place) => clock[place].1 += 1,
                Err(place) => clock.insert(place, (host, 1)),
            }
        }
        self.clocks.insert(task, Rc::clone(&own));
        self.touched.push(task);
        own
    }

    /// Forget the clocks of tasks that are not named from this step on.
    fn forget(&mut self, step: u64) {
        for task in self.touched.drain(..) {
            if self.last_step.get(&task) < Some(&step) {
                self.clocks.remove(&task);
            }
        }
    }
}

impl Exporter for Shiviz {
    fn form(&self) -> Form {
        Form::Text
    }

    fn wants_survey(&self) -> bool {
        true
    }

    fn survey(&mut self, entry: &Entry) -> Result<(), ExportError> {
        self.senders.survey(entry);
        if let Some(task) = entry.event.task {
            self.last_step.insert(task, entry.event.step);
        }
        if let Occurrence::Task(Task {
            parent: Some(parent),
            ..
        }) = entry.event.occurrence
        {
            self.last_step.insert(parent, entry.event.step);
        }
        Ok(())
    }

    fn begin(&mut self, _: &Start<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
        writeln!(out, "{PARSER}\n")?;
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, out: &mut dyn Write) -> Result<(), ExportError> {
        let Some(task) = entry.event.task else {
            return Ok(());
        };
        if let Occurrence::Task(record) = &entry.event.occurrence {
            self.begin_task(record);
            return Ok(());
        }
        if entry.event.is_step() {
            self.forget(entry.event.step);
        }
        if let Occurrence::State(_) = entry.event.occurrence {
            // Nothing happens to it.
            return Ok(());
        }
        let other = self.senders.of(entry);
        let clock = self.tick(task, entry, other.as_deref());
        if entry.event.is_step() {
            self.senders.put(entry.event.step, || Rc::clone(&clock));
        }
        if !entry.shown {
            return Ok(());
        }
        let host = self.host(task, &entry.event.who) as usize;
        self.line.clear();
        self.line += &self.hosts[host].name;
        self.line += " {";
        for (place, (host, count)) in clock.iter().enumerate() {
            if place > 0 {
                self.line.push(',');
            }
            self.line += &self.hosts[*host as usize].key;
            let _ = write!(self.line, "{count}");
        }
        self.line += "}\n";
        self.line += &what(&entry.event);
        self.line.push('\n');
        self.grow(self.line.len())?;
        out.write_all(self.line.as_bytes())?;
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn Write) -> Result<(), ExportError> {
        Ok(())
    }
}

/// One line that says when and what.
fn what(event: &WholeEvent) -> String {
    let time = crate::story::seconds(event.now_ns);
    if event.is_step() {
        format!("{} @{time} {}", event.step, event.what())
    } else {
        format!("@{time} {}", event.what())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_would_fill_the_disk_is_refused_with_what_to_do() {
        let mut log = Shiviz::default();
        log.grow(BYTES_MAX as usize).unwrap();
        let error = log.grow(1).unwrap_err();
        assert!(matches!(error, ExportError::TooLarge(_)), "{error}");
        assert!(error.to_string().contains("choose a part"), "{error}");
    }
}
