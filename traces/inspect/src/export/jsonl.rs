//! JSON lines: one object a record, described by `docs/schemas/retake-export.schema.json`.

use std::io::Write;

use serde::Serialize;

use super::{Entry, ExportError, Exporter, Start};
use retake_traces::clean::Form;
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::fault::Action;
use retake_traces::header::Header;
use retake_traces::record::{Choice, EventKind, OutcomeKind, StepKind, TaskKind};

/// Writes JSON lines. The first object is the run; the fields of the others depend on
/// what `record` says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jsonl;

#[derive(Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Object<'a> {
    Run {
        #[serde(flatten)]
        header: &'a Header,
    },
    Task {
        #[serde(flatten)]
        at: At<'a>,
        kind: TaskKind,
        parent: Option<u32>,
    },
    Step {
        #[serde(flatten)]
        at: At<'a>,
        kind: StepKind,
        message: u16,
        choice: Choice,
        detail: Option<&'a str>,
        cause: Option<u64>,
    },
    Fault {
        #[serde(flatten)]
        at: At<'a>,
        fault: &'a Action,
    },
    Panic {
        #[serde(flatten)]
        at: At<'a>,
        text: &'a str,
        /// In the sources, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        place: Option<&'a str>,
    },
    Event {
        #[serde(flatten)]
        at: At<'a>,
        kind: EventKind,
        text: &'a str,
    },
    State {
        #[serde(flatten)]
        at: At<'a>,
        text: &'a str,
        at_end: bool,
    },
    Ended {
        #[serde(flatten)]
        at: At<'a>,
        how: String,
        cause: Option<u64>,
    },
    Unhandled {
        #[serde(flatten)]
        at: At<'a>,
        text: &'a str,
        sent: u64,
    },
    Live {
        #[serde(flatten)]
        at: At<'a>,
        text: &'a str,
    },
    End {
        #[serde(flatten)]
        at: At<'a>,
        outcome: OutcomeKind,
        detail: &'a str,
        steps: u64,
    },
}

/// When it was, and whose it is.
#[derive(Serialize)]
struct At<'a> {
    /// The last step up to here.
    step: u64,
    time_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    who: &'a str,
}

impl<'a> At<'a> {
    fn of(event: &'a WholeEvent) -> Self {
        Self {
            step: event.step,
            time_ns: event.now_ns,
            task: event.task,
            who: &event.who,
        }
    }
}

fn write(object: &Object<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *out, object).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

impl Exporter for Jsonl {
    fn form(&self) -> Form {
        Form::Json
    }

    fn begin(&mut self, start: &Start<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
        let header = start.header;
        write(&Object::Run { header }, out)?;
        for task in start.tasks {
            let at = At {
                step: 0,
                time_ns: 0,
                task: Some(task.id),
                who: &task.label.to_string(),
            };
            let (kind, parent) = (task.kind, task.parent);
            write(&Object::Task { at, kind, parent }, out)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, out: &mut dyn Write) -> Result<(), ExportError> {
        if !entry.shown {
            return Ok(());
        }
        let event = &entry.event;
        let at = At::of(event);
        let object = match &event.occurrence {
            Occurrence::Step(step) => Object::Step {
                at,
                kind: step.kind,
                message: step.message,
                choice: step.choice,
                detail: event.detail.as_deref(),
                cause: event.cause,
            },
            Occurrence::Task(task) => Object::Task {
                at,
                kind: task.kind,
                parent: task.parent,
            },
            Occurrence::Fault(fault) => Object::Fault {
                at,
                fault: &fault.action,
            },
            Occurrence::Panic(panic) => Object::Panic {
                at,
                text: &panic.message,
                place: event.detail.as_deref(),
            },
            Occurrence::Event(it) => Object::Event {
                at,
                kind: it.kind,
                text: &it.text,
            },
            Occurrence::Live(_) => {
                let text = event.what();
                return write(&Object::Live { at, text: &text }, out);
            }
            Occurrence::End(end) => Object::End {
                at,
                outcome: end.outcome,
                detail: &end.detail,
                steps: end.steps,
            },
            Occurrence::State(state) => Object::State {
                at,
                text: &state.text,
                at_end: state.at_end,
            },
            Occurrence::Ended(ended) => Object::Ended {
                at,
                how: ended.how.to_string(),
                cause: event.cause,
            },
            Occurrence::Unhandled(message) => Object::Unhandled {
                at,
                text: &message.text,
                sent: message.sent,
            },
        };
        write(&object, out)?;
        let Some(text) = event.state.as_deref() else {
            return Ok(());
        };
        let (at, at_end) = (At::of(event), false);
        write(&Object::State { at, text, at_end }, out)
    }

    fn finish(&mut self, _: &mut dyn Write) -> Result<(), ExportError> {
        Ok(())
    }
}
