//! The messages of OTLP, as far as they are written here, in their JSON form.

use serde::Serialize;

/// Events of one span; the others are counted.
const EVENTS_MAX: usize = 128;

pub(super) const ERROR: u8 = 2;
pub(super) const INTERNAL: u8 = 1;
pub(super) const CONSUMER: u8 = 5;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub(super) resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Debug, Serialize)]
pub(super) struct Resource<'a> {
    pub(super) attributes: &'a [Attribute],
}

#[derive(Debug, Serialize)]
pub(super) struct ScopeSpans<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) spans: &'a [Span],
}

#[derive(Debug, Serialize)]
pub(super) struct Scope<'a> {
    pub(super) name: &'static str,
    pub(super) version: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    pub(super) parent_span_id: String,
    pub(super) name: String,
    pub(super) kind: u8,
    pub(super) start_time_unix_nano: String,
    pub(super) end_time_unix_nano: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) events: Vec<Event>,
    pub(super) dropped_events_count: u32,
    pub(super) links: Vec<Link>,
    pub(super) status: Status,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Attribute {
    pub(super) key: &'static str,
    pub(super) value: Value,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Value {
    StringValue(String),
    /// A 64-bit number.
    IntValue(String),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) time_unix_nano: String,
    pub(super) name: String,
    pub(super) attributes: Vec<Attribute>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    pub(super) attributes: Vec<Attribute>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Status {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
    pub(super) code: u8,
}

pub(super) fn text(key: &'static str, value: impl Into<String>) -> Attribute {
    let value = Value::StringValue(value.into());
    Attribute { key, value }
}

pub(super) fn number(key: &'static str, value: u64) -> Attribute {
    let value = Value::IntValue(value.to_string());
    Attribute { key, value }
}

impl Span {
    pub(super) fn event(&mut self, event: Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push(event);
        } else {
            self.dropped_events_count = self.dropped_events_count.saturating_add(1);
        }
    }
}
