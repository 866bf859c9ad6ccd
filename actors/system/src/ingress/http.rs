//! What each request is answered with.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use retake::ServiceFailure;
use serde_json::json;

use super::front::{FrontState, Ingress};
use super::limits::Admission;
use super::request::{Endpoint, RecordedRequest};
use super::response::{closing, compared, json_body, refusal, too_many, unavailable};
use super::secret::Token;
use crate::failures::Service;
use crate::stages::Stage;

pub(super) fn router(ingress: &Ingress) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/pubsub", post(pubsub))
        .route("/marketplace", post(marketplace))
        .route("/metrics", get(metrics))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "not_found", "no such path", None) })
        .method_not_allowed_fallback(|| async {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            refusal(
                status,
                "method_not_allowed",
                "this path has another method",
                None,
            )
        })
        .with_state(ingress.clone())
}

async fn health(State(ingress): State<Ingress>) -> Response {
    ingress.received(Endpoint::Health, None).await
}

async fn metrics(State(ingress): State<Ingress>, request: Request) -> Response {
    let token = ingress.0.config.metrics_token.as_ref();
    if !is_authorized(token, &request) {
        return ingress.turned_away(Endpoint::Metrics).await;
    }
    ingress.received(Endpoint::Metrics, None).await
}

async fn pubsub(State(ingress): State<Ingress>, request: Request) -> Response {
    let token = ingress.0.config.push_token.as_ref();
    if !is_authorized(token, &request) {
        return ingress.turned_away(Endpoint::Pubsub).await;
    }
    ingress.received(Endpoint::Pubsub, Some(request)).await
}

async fn marketplace(State(ingress): State<Ingress>, request: Request) -> Response {
    ingress.received(Endpoint::Marketplace, Some(request)).await
}

/// Whether a request brings the token, if one is asked for.
fn is_authorized(token: Option<&Token>, request: &Request) -> bool {
    let Some(token) = token else {
        return true;
    };
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
    });
    given.is_some_and(|given| token.fits(given))
}

impl Ingress {
    /// A request without the token: its body is not read, and it leaves no receipt.
    async fn turned_away(&self, endpoint: Endpoint) -> Response {
        let status = StatusCode::UNAUTHORIZED;
        let what = "give `Authorization: Bearer TOKEN`";
        let mut response = closing(refusal(status, "unauthorized", what, None));
        let scheme = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
        self.0
            .metrics
            .answered(endpoint.word(), status.as_u16(), Duration::ZERO);
        response
    }

    /// A request has come in: read its body, and do what it asks for.
    async fn received(&self, endpoint: Endpoint, request: Option<Request>) -> Response {
        let start = retake::now();
        let body = match request {
            Some(request) => self.0.read_body(request.into_body()).await,
            None => Ok(Vec::new()),
        };
        let (body, refused) = match body {
            Ok(body) => (Ok(body), None),
            Err(response) => (Err(response.status().as_u16()), Some(response)),
        };
        let request = Arc::new(RecordedRequest {
            endpoint,
            waited: start.elapsed(),
            body,
        });
        let answer = {
            let (ingress, request) = (self.clone(), Arc::clone(&request));
            async move { ingress.0.answer(&request).await }
        };
        let payload = || request.to_bytes();
        let answer = retake::record::input(endpoint.word(), payload, answer).await;
        refused.unwrap_or(answer)
    }

    /// Do again what a request asked for in a recorded process; false if the recording's
    /// input is no request.
    pub async fn again(&self, name: &str, payload: &[u8]) -> bool {
        let request = RecordedRequest::from_bytes(name, payload);
        if let Some(request) = &request {
            self.0.answer(request).await;
        }
        request.is_some()
    }
}

impl FrontState {
    /// Do what was asked for. Others see only its result.
    async fn answer(&self, request: &RecordedRequest) -> Response {
        let start = retake::now();
        self.config.request_time.spend().await;
        let response = match (request.endpoint, &request.body) {
            // Its body could not be read, and its client knows.
            (_, Err(status)) => StatusCode::from_u16(*status)
                .unwrap_or(StatusCode::BAD_REQUEST)
                .into_response(),
            (Endpoint::Metrics, Ok(_)) => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                let figures = self.figures().await;
                return ([(header::CONTENT_TYPE, kind)], figures).into_response();
            }
            (Endpoint::Health, Ok(_)) => match self.system.health().await {
                Ok(()) => (StatusCode::OK, json_body(&json!({"status": "ok"}))).into_response(),
                Err(what) => unavailable("unhealthy", &what),
            },
            (Endpoint::Pubsub, Ok(body)) => {
                // Pub/Sub delivers at least once.
                if retake::buggify!("ingress: a push comes twice") {
                    drop(self.worked_on(body, Self::take_push).await);
                }
                self.worked_on(body, Self::take_push).await
            }
            (Endpoint::Marketplace, Ok(body)) => self.worked_on(body, Self::take_order).await,
        };
        let response = compared(response).await;
        let (status, time) = (response.status(), request.waited + start.elapsed());
        let endpoint = request.endpoint.word();
        self.metrics.answered(endpoint, status.as_u16(), time);
        // A client's own mistake is no failure of ours.
        let succeeded = !status.is_server_error();
        self.system.observations().note(succeeded, time);
        tracing::debug!(endpoint, status = status.as_u16(), ?time, "answered");
        response
    }

    /// Do the work, within the limits.
    async fn worked_on<'a>(
        &'a self,
        body: &'a [u8],
        work: impl AsyncFnOnce(&'a Self, &'a [u8], Admission) -> Result<Response, Response>,
    ) -> Response {
        if let Some(response) = self.fail_on_purpose().await {
            return response;
        }
        // Not before the body is there: who sends slowly keeps nobody else out.
        let Some(admitted) = self.limits.admit() else {
            tracing::warn!("shed: too many requests at once");
            return unavailable("overloaded", "too many requests at once; try again");
        };
        let work = work(self, body, admitted);
        match retake::timeout(self.config.request_timeout, work).await {
            Ok(Ok(response) | Err(response)) => response,
            Err(_) => unavailable("timeout", "the work took too long; ask again"),
        }
    }

    async fn read_body(&self, body: Body) -> Result<Vec<u8>, Response> {
        let read = retake::timeout(self.config.request_timeout, self.collect(body));
        match self.system.stages().timed(Stage::Body, read).await {
            Ok(read) => read,
            Err(_) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                let what = "the body came too slowly";
                Err(closing(refusal(status, "slow_body", what, None)))
            }
        }
    }

    /// Read a body to its end, within the bounds of one and of all.
    async fn collect(&self, mut body: Body) -> Result<Vec<u8>, Response> {
        let too_large = || {
            let what = format!("a body has at most {} bytes", self.config.body_max);
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            closing(refusal(status, "body_too_large", &what, None))
        };
        if body.size_hint().lower() > self.config.body_max as u64 {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let mut reserved = self.limits.reserve();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                let what = format!("the body cannot be read: {error}");
                closing(refusal(StatusCode::BAD_REQUEST, "broken_body", &what, None))
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > self.config.body_max {
                return Err(too_large());
            }
            if !reserved.grow_to(bytes.len() + data.len()) {
                let what = "too many large bodies at once; try again";
                return Err(closing(unavailable("large_bodies", what)));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }

    async fn fail_on_purpose(&self) -> Option<Response> {
        let what = "a failure on purpose";
        Some(match self.system.failures().injected(Service::Ingress)? {
            ServiceFailure::Slow(time) => {
                retake::sleep(time).await;
                return None;
            }
            ServiceFailure::Unavailable => unavailable("unavailable", what),
            ServiceFailure::Timeout => {
                retake::sleep(self.config.request_timeout).await;
                unavailable("timeout", what)
            }
            ServiceFailure::QuotaExceeded => too_many(what),
            ServiceFailure::PermissionDenied => {
                refusal(StatusCode::FORBIDDEN, "permission_denied", what, None)
            }
            ServiceFailure::Corrupt => refusal(StatusCode::BAD_REQUEST, "broken_body", what, None),
        })
    }
}
