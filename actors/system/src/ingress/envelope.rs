//! Signals as Pub/Sub pushes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::ledger::Key;
use crate::signal::Signal;

/// A push: `{"message": {"data", "messageId", "publishTime"}, "subscription"}`, with
/// the signal as JSON in base64 in `data`.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Tells a message from others of its tenant.
    pub message_id: String,
    /// The signal, with the message's id.
    pub signal: Signal,
}

/// What is wrong with a push.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is no envelope.
    #[error("invalid_envelope: {0}")]
    Envelope(String),
    /// The message has no data.
    #[error("missing_data: the message has no `data`")]
    NoData,
    /// The data is no signal.
    #[error("undecodable_data: {0}")]
    Data(String),
}

impl EnvelopeError {
    /// In one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Envelope(_) => "invalid_envelope",
            Self::NoData => "missing_data",
            Self::Data(_) => "undecodable_data",
        }
    }
}

#[derive(Deserialize)]
struct Push {
    message: Option<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    data: Option<String>,
    message_id: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    tenant_id: String,
    metric: String,
    value: f64,
    timestamp_ms: u64,
}

/// Longest name of a tenant or metric, and longest id, in bytes.
pub(super) const NAME_MAX: usize = 128;

/// Check a name of a tenant, metric, message or entitlement: it is neither empty nor longer
/// than 128 bytes and has no control characters.
///
/// # Errors
/// What `what` has to be like.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(format!("{what} has 1 to {NAME_MAX} bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err(format!("{what} has no control characters"));
    }
    Ok(())
}

impl Envelope {
    /// Read the body of a push.
    ///
    /// # Errors
    /// If it is no envelope, or its data is no signal.
    pub fn parse(body: &[u8]) -> Result<Self, EnvelopeError> {
        let push: Push = serde_json::from_slice(body)
            .map_err(|error| EnvelopeError::Envelope(error.to_string()))?;
        let message = push
            .message
            .ok_or_else(|| EnvelopeError::Envelope("it has no `message`".to_owned()))?;
        let message_id = message
            .message_id
            .ok_or_else(|| EnvelopeError::Envelope("the message has no `messageId`".to_owned()))?;
        check_name("`messageId`", &message_id).map_err(EnvelopeError::Envelope)?;
        let data = message.data.ok_or(EnvelopeError::NoData)?;
        let bytes = STANDARD
            .decode(data.as_bytes())
            .map_err(|error| EnvelopeError::Data(format!("no base64: {error}")))?;
        let data: Data = serde_json::from_slice(&bytes)
            .map_err(|error| EnvelopeError::Data(error.to_string()))?;
        check_name("`tenant_id`", &data.tenant_id).map_err(EnvelopeError::Data)?;
        check_name("`metric`", &data.metric).map_err(EnvelopeError::Data)?;
        if !data.value.is_finite() {
            return Err(EnvelopeError::Data("`value` is a number".to_owned()));
        }
        Ok(Self {
            signal: Signal {
                id: Some(message_id.clone()),
                tenant: data.tenant_id,
                metric: data.metric,
                value: data.value,
                timestamp_ms: data.timestamp_ms,
                ..Signal::default()
            },
            message_id,
        })
    }

    /// The idempotency key of the refusal of a push that is no envelope, or whose data is
    /// no signal; none if it has no id to be known by. Its tenant is not known.
    pub(super) fn refusal_key(body: &[u8]) -> Option<String> {
        let push: Push = serde_json::from_slice(body).ok()?;
        let id = push.message?.message_id?;
        check_name("`messageId`", &id).ok()?;
        Some(Key::Push { id: &id }.to_string())
    }

    /// The body of a push of this signal, for clients.
    #[must_use]
    pub fn to_json(signal: &Signal, message_id: &str, timestamp_ms: u64) -> String {
        let data = serde_json::json!({
            "tenant_id": signal.tenant,
            "metric": signal.metric,
            "value": signal.value,
            "timestamp_ms": timestamp_ms,
        });
        let push = serde_json::json!({
            "message": {
                "data": STANDARD.encode(data.to_string()),
                "messageId": message_id,
                "publishTime": timestamp_ms.to_string(),
            },
            "subscription": "projects/retake/subscriptions/signals",
        });
        push.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal() -> Signal {
        Signal {
            tenant: "acme".to_owned(),
            metric: "cpu".to_owned(),
            value: 70.5,
            ..Signal::default()
        }
    }

    #[test]
    fn what_a_client_writes_is_what_is_read() {
        let body = Envelope::to_json(&signal(), "m-1", 17);
        let read = Envelope::parse(body.as_bytes()).unwrap();
        let expected = Signal {
            id: Some("m-1".to_owned()),
            timestamp_ms: 17,
            ..signal()
        };
        assert_eq!((read.message_id.as_str(), read.signal), ("m-1", expected));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let push = |data: &str| format!(r#"{{"message":{{"messageId":"1","data":"{data}"}}}}"#);
        let encoded = |text: &str| push(&STANDARD.encode(text));
        let long = "x".repeat(NAME_MAX + 1);
        for (body, word) in [
            ("nonsense".to_owned(), "invalid_envelope"),
            ("{}".to_owned(), "invalid_envelope"),
            ("[]".to_owned(), "invalid_envelope"),
            (
                r#"{"message":{"data":"e30="}}"#.to_owned(),
                "invalid_envelope",
            ),
            (
                format!(r#"{{"message":{{"messageId":"{long}"}}}}"#),
                "invalid_envelope",
            ),
            (
                r#"{"message":{"messageId":"1"}}"#.to_owned(),
                "missing_data",
            ),
            (push("not base64!"), "undecodable_data"),
            (encoded("{}"), "undecodable_data"),
            (
                encoded(r#"{"tenant_id":"","metric":"cpu","value":1,"timestamp_ms":1}"#),
                "undecodable_data",
            ),
            (
                encoded(r#"{"tenant_id":"a","metric":"cpu","value":"1","timestamp_ms":1}"#),
                "undecodable_data",
            ),
            (
                encoded(r#"{"tenant_id":"a","metric":"cpu","value":1e999,"timestamp_ms":1}"#),
                "undecodable_data",
            ),
        ] {
            let error = Envelope::parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.word(), word, "{body}: {error}");
            assert!(error.to_string().starts_with(word));
        }
    }
}
