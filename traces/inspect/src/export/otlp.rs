//! OpenTelemetry spans as OTLP JSON.
//!
//! A span is one handler, from the step at which it began to the last one at which it
//! went on: its length is the virtual time that it awaited. Its parent is the handler
//! that sent the message, or that started the task; a link leads to what the same task
//! did before. One more span is the run. Faults and logged lines are events of
//! spans, a panic gives its span the status of an error.
//!
//! Each line is an `ExportTraceServiceRequest` of its own, as the OTLP file exporter
//! writes and a collector's file receiver reads them; a run of up to 5,000 spans is
//! one. Ids derive from what was run, its seed and the step, so they are the same
//! whenever the run is.
//!
//! Encoding: "JSON Protobuf Encoding" of the OTLP specification (hexadecimal ids, 64-bit
//! numbers as strings, enumerations as numbers).

use std::collections::BTreeMap;
use std::io::Write;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use super::json::variant;
use super::otlp_json::{
    Attribute, CONSUMER, ERROR, Event, INTERNAL, Link, Request, Resource, ResourceSpans, Scope,
    ScopeSpans, Span, Status, number, text,
};
use super::{Entry, ExportError, Exporter, Start};
use crate::senders::Senders;
use retake_traces::clean::{Form, one_line};
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::header::Header;
use retake_traces::record::{OutcomeKind, StepKind};

/// Unix time at which simulations begin, 2020-01-01 00:00:00 UTC: a span without a time
/// does not exist.
pub const START_UNIX_NS: u64 = 1_577_836_800_000_000_000;
/// Spans of one request.
const REQUEST_SPANS: usize = 5_000;
/// Handlers that are kept open because they may resume. When there are more, all are
/// closed, and one that resumes is a span of its own.
const OPEN_MAX: usize = 50_000;

/// Writes OTLP JSON.
#[derive(Debug, Default)]
pub struct Otlp {
    run: Run,
    /// By step: the span that it belongs to.
    senders: Senders<u64>,
    /// By task: the handler that may resume.
    open: BTreeMap<u32, Open>,
    /// By task, the step that started it, until it runs.
    started: BTreeMap<u32, u64>,
    /// By task: the span before.
    last: BTreeMap<u32, u64>,
    /// The task that runs.
    running: Option<u32>,
    spans: Vec<Span>,
    now_ns: u64,
    end: Option<(OutcomeKind, String)>,
    /// Spans so far that are of no step.
    alone: u64,
}

#[derive(Debug, Default)]
struct Run {
    trace_id: u128,
    seed: u64,
    start_ns: u64,
    resource: Vec<Attribute>,
    version: String,
}

#[derive(Debug)]
struct Open {
    step: u64,
    span: Span,
}

fn unix(ns: u64) -> String {
    START_UNIX_NS.saturating_add(ns).to_string()
}

impl Run {
    fn new(header: &Header, start_ns: u64) -> Self {
        let identity = serde_json::to_vec(&(&header.scenario, &header.config, &header.code));
        let faults = header.config.fault_lines().join("; ");
        let (program, version) = header
            .program
            .split_once(' ')
            .unwrap_or((&header.program, ""));
        let mut resource = vec![
            text("service.name", &*header.scenario),
            text(
                "service.instance.id",
                format!("seed {}", header.config.seed),
            ),
            text("retake.program", program),
            text("retake.strategy", header.config.strategy.to_string()),
            text("retake.faults", faults),
            text("retake.code", &*header.code),
        ];
        if !header.reasons.is_empty() {
            resource.push(text("retake.reasons", header.reasons.join("; ")));
        }
        Self {
            // An id of zeros means none.
            trace_id: xxh3_128(&identity.unwrap_or_default()).max(1),
            seed: header.config.seed,
            start_ns,
            resource,
            version: version.to_owned(),
        }
    }

    fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The id of the span that begins at this step; of step 0 for the run.
    fn span_id(&self, step: u64) -> String {
        let id = xxh3_64_with_seed(&step.to_le_bytes(), self.seed ^ self.trace_id as u64);
        format!("{:016x}", id.max(1))
    }

    fn span(&self, step: u64, name: String, now_ns: u64) -> Span {
        Span {
            trace_id: self.trace_id(),
            span_id: self.span_id(step),
            parent_span_id: String::new(),
            name,
            kind: INTERNAL,
            start_time_unix_nano: unix(now_ns),
            end_time_unix_nano: unix(now_ns),
            attributes: Vec::new(),
            events: Vec::new(),
            dropped_events_count: 0,
            links: Vec::new(),
            status: Status::default(),
        }
    }
}

impl Otlp {
    fn write(&mut self, out: &mut dyn Write) -> Result<(), ExportError> {
        if self.spans.is_empty() {
            return Ok(());
        }
        let request = Request {
            resource_spans: [ResourceSpans {
                resource: Resource {
                    attributes: &self.run.resource,
                },
                scope_spans: [ScopeSpans {
                    scope: Scope {
                        name: "retake",
                        version: &self.run.version,
                    },
                    spans: &self.spans,
                }],
            }],
        };
        serde_json::to_writer(&mut *out, &request).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
        self.spans.clear();
        Ok(())
    }

    fn add(&mut self, span: Span, out: &mut dyn Write) -> Result<(), ExportError> {
        self.spans.push(span);
        if self.spans.len() >= REQUEST_SPANS {
            self.write(out)?;
        }
        Ok(())
    }

    fn close(&mut self, task: u32, out: &mut dyn Write) -> Result<(), ExportError> {
        match self.open.remove(&task) {
            Some(open) => self.add(open.span, out),
            None => Ok(()),
        }
    }

    fn close_all(&mut self, out: &mut dyn Write) -> Result<(), ExportError> {
        // In the order of their beginnings.
        let mut open: Vec<Open> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|open| open.step);
        open.into_iter()
            .try_for_each(|open| self.add(open.span, out))
    }

    fn step(&mut self, entry: &Entry, out: &mut dyn Write) -> Result<(), ExportError> {
        let line = &entry.event;
        let Some(step) = line.as_step() else {
            return Ok(());
        };
        let task = step.task;
        let sender = self.senders.of(entry);
        let goes_on = step.kind == StepKind::Resume;
        if goes_on && let Some(open) = self.open.get_mut(&task) {
            open.span.end_time_unix_nano = unix(line.now_ns);
            open.span.event(Event {
                time_unix_nano: unix(line.now_ns),
                name: step.kind.verb().to_owned(),
                attributes: vec![number("retake.step", line.step)],
            });
            let span_of = open.step;
            self.senders.put(line.step, || span_of);
            return Ok(());
        }
        self.close(task, out)?;
        if self.open.len() >= OPEN_MAX {
            self.close_all(out)?;
        }
        let mut span = self
            .run
            .span(line.step, name_of(line, step.kind), line.now_ns);
        if step.kind == StepKind::Handle {
            span.kind = CONSUMER;
        }
        let started = self.started.remove(&task);
        let parent = sender.or(started).unwrap_or(0);
        span.parent_span_id = self.run.span_id(parent);
        span.attributes = vec![
            text("retake.actor", &*line.who),
            number("retake.step", line.step),
        ];
        if let Some(detail) = &line.detail {
            span.attributes.push(text("retake.message", &**detail));
        }
        if let Some(cause) = line.cause {
            span.attributes.push(number("retake.cause", cause));
        }
        if let Some(state) = &line.state {
            span.attributes.push(text("retake.state", &**state));
        }
        if let Some(before) = self.last.insert(task, line.step) {
            span.links.push(Link {
                trace_id: self.run.trace_id(),
                span_id: self.run.span_id(before),
                attributes: vec![text("retake.link", "the same task before")],
            });
        }
        if step.kind == StepKind::PostStop {
            self.last.remove(&task);
        }
        self.senders.put(line.step, || line.step);
        let step = line.step;
        self.open.insert(task, Open { step, span });
        Ok(())
    }

    /// A span that is of no step, part of the run as a whole.
    fn span_alone(&mut self, name: String, now_ns: u64) -> Span {
        self.alone += 1;
        // No step has such a number.
        let number = self.alone | 1 << 63;
        let mut span = self.run.span(number, name, now_ns);
        span.parent_span_id = self.run.span_id(0);
        span
    }

    /// What happened to a task goes to its span, or makes one of its own.
    fn happened(
        &mut self,
        entry: &Entry,
        event: Event,
        status: Status,
        out: &mut dyn Write,
    ) -> Result<(), ExportError> {
        let is_error = status.code == ERROR;
        let task = entry.event.task.unwrap_or_default();
        if let Some(open) = self.open.get_mut(&task) {
            open.span.event(event);
            if is_error {
                open.span.status = status;
            }
            return Ok(());
        }
        let mut span = self.span_alone(event.name.clone(), entry.event.now_ns);
        span.attributes = vec![text("retake.actor", &*entry.event.who)];
        span.status = status;
        span.event(event);
        self.add(span, out)
    }
}

fn name_of(line: &WholeEvent, kind: StepKind) -> String {
    match (&line.detail, kind) {
        (Some(detail), StepKind::Handle) => format!("{} {}", line.who, variant(detail)),
        (Some(detail), StepKind::Supervision) => {
            format!("{} {} {}", line.who, kind.verb(), variant(detail))
        }
        _ => format!("{} {}", line.who, line.what()),
    }
}

impl Exporter for Otlp {
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

    fn begin(&mut self, start: &Start<'_>, _: &mut dyn Write) -> Result<(), ExportError> {
        self.run = Run::new(start.header, start.now_ns);
        self.now_ns = start.now_ns;
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, out: &mut dyn Write) -> Result<(), ExportError> {
        let line = &entry.event;
        self.now_ns = line.now_ns;
        if line.is_step() {
            self.running = line.task;
        }
        if !entry.shown {
            return Ok(());
        }
        let event = |name: String, attributes| Event {
            time_unix_nano: unix(line.now_ns),
            name,
            attributes,
        };
        match &line.occurrence {
            Occurrence::Step(_) => self.step(entry, out),
            Occurrence::Task(task) => {
                // The span of the step that started it.
                let parent = task.parent.filter(|parent| self.running == Some(*parent));
                if let Some(open) = parent.and_then(|parent| self.open.get(&parent)) {
                    self.started.insert(task.id, open.step);
                }
                Ok(())
            }
            Occurrence::Fault(_) => {
                let event = event(line.what(), Vec::new());
                self.happened(entry, event, Status::default(), out)
            }
            Occurrence::Panic(panic) => {
                let mut attributes = vec![text("exception.message", &*panic.message)];
                if let Some(place) = &line.detail {
                    attributes.push(text("exception.stacktrace", format!("at {place}")));
                }
                let status = Status {
                    message: panic.message.clone(),
                    code: ERROR,
                };
                self.happened(
                    entry,
                    event("exception".to_owned(), attributes),
                    status,
                    out,
                )
            }
            Occurrence::Event(logged) => {
                let text = one_line(&logged.to_string());
                self.happened(entry, event(text, Vec::new()), Status::default(), out)
            }
            Occurrence::Live(_) | Occurrence::Ended(_) => {
                let text = line.what().trim_start_matches("| ").to_owned();
                self.happened(entry, event(text, Vec::new()), Status::default(), out)
            }
            Occurrence::End(end) => {
                self.end = Some((end.outcome, end.detail.clone()));
                Ok(())
            }
            Occurrence::Unhandled(message) => {
                let sender = self.senders.of(entry);
                let name = format!("{} never handles {}", line.who, variant(&message.text));
                let mut span = self.span_alone(name, line.now_ns);
                if let Some(sender) = sender {
                    span.parent_span_id = self.run.span_id(sender);
                }
                span.attributes = vec![
                    text("retake.actor", &*line.who),
                    text("retake.message", &*message.text),
                ];
                self.add(span, out)
            }
            // The last state is of no span.
            Occurrence::State(_) => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<(), ExportError> {
        self.close_all(out)?;
        let mut span = self.run.span(0, "run".to_owned(), self.run.start_ns);
        span.end_time_unix_nano = unix(self.now_ns);
        span.attributes = vec![number("retake.seed", self.run.seed)];
        if let Some((outcome, detail)) = self.end.take() {
            span.attributes.push(text("retake.outcome", outcome.word()));
            if outcome != OutcomeKind::Passed {
                span.status = Status {
                    message: if detail.is_empty() {
                        outcome.word().to_owned()
                    } else {
                        detail
                    },
                    code: ERROR,
                };
            }
        }
        self.spans.push(span);
        self.write(out)
    }
}
