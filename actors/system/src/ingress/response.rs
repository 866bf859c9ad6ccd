//! Answers to requests.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::order::shorten;
use crate::ledger::{Receipt, ReceiptKind};

/// Leave the answer to compare a replay with, where there is a recording or a replay.
pub(super) async fn compared(response: Response) -> Response {
    if !retake::record::is_compared() {
        return response;
    }
    let (head, body) = response.into_parts();
    // It is in memory.
    let bytes = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let bytes = bytes.unwrap_or_default();
    retake::record::output("answer", || {
        let mut answer = format!("{} ", head.status.as_u16()).into_bytes();
        answer.extend_from_slice(&bytes);
        answer
    });
    Response::from_parts(head, Body::from(bytes))
}

pub(super) fn json_body(value: &Value) -> ([(header::HeaderName, &'static str); 1], String) {
    (
        [(header::CONTENT_TYPE, "application/json")],
        value.to_string(),
    )
}

pub(super) fn accepted(status: &str, verdict: &str, receipt: Option<&Receipt>) -> Response {
    // 200 says that there is a receipt.
    let Some(receipt) = receipt else {
        return unavailable("unavailable", "the receipt cannot be found");
    };
    let body = json!({
        "status": status,
        "verdict": verdict,
        "receipt": receipt.id,
        "hash": receipt.hash.to_string(),
    });
    (StatusCode::OK, json_body(&body)).into_response()
}

pub(super) fn refusal(
    status: StatusCode,
    word: &str,
    what: &str,
    receipt: Option<&Receipt>,
) -> Response {
    let body = json!({
        "error": word,
        "what": what,
        "receipt": receipt.map(|receipt| receipt.id),
    });
    (status, json_body(&body)).into_response()
}

/// What its signal's first request was answered with.
pub(super) fn taken_before(tenant: &str, receipt: &Receipt) -> Response {
    match &receipt.kind {
        ReceiptKind::Signal { verdict } => accepted("duplicate", verdict, Some(receipt)),
        _ => not_entitled(tenant, Some(receipt)),
    }
}

pub(super) fn not_entitled(tenant: &str, receipt: Option<&Receipt>) -> Response {
    let what = format!("`{}` is not entitled", shorten(tenant));
    refusal(StatusCode::FORBIDDEN, "not_entitled", &what, receipt)
}

/// When a client that was sent away may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) fn retry_later(mut response: Response) -> Response {
    let seconds = HeaderValue::from(RETRY_AFTER.as_secs());
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

pub(super) fn unavailable(word: &str, what: &str) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    retry_later(refusal(status, word, what, None))
}

pub(super) fn too_many(what: &str) -> Response {
    let status = StatusCode::TOO_MANY_REQUESTS;
    retry_later(refusal(status, "too_many_requests", what, None))
}

/// The rest of the body is not read, so the connection cannot be used again.
pub(super) fn closing(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
