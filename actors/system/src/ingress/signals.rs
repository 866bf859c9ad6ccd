//! Signals, and what is refused.

use axum::http::StatusCode;
use axum::response::Response;

use super::envelope::Envelope;
use super::front::FrontState;
use super::limits::Admission;
use super::order::shorten;
use super::response::{accepted, not_entitled, refusal, taken_before, too_many, unavailable};
use crate::ledger::{Draft, NO_TENANT, Receipt, ReceiptKind};
use crate::signal::{Signal, Verdict};

impl FrontState {
    pub(super) async fn take_push(
        &self,
        body: &[u8],
        mut admitted: Admission,
    ) -> Result<Response, Response> {
        let signal = match Envelope::parse(body) {
            Ok(envelope) => envelope.signal,
            Err(error) => {
                let what = error.to_string();
                let key = Envelope::refusal_key(body);
                let refused = self.refuse(NO_TENANT, error.word(), &what, key);
                let receipt = refused.await?;
                let status = StatusCode::BAD_REQUEST;
                return Err(refusal(status, error.word(), &what, Some(&receipt)));
            }
        };
        self.signal(signal, &mut admitted).await
    }

    /// The answer to what is refused, with a receipt.
    pub(super) async fn refused(
        &self,
        tenant: &str,
        status: StatusCode,
        word: &str,
        what: &str,
    ) -> Response {
        match self.refuse(tenant, word, what, None).await {
            Ok(receipt) => refusal(status, word, what, Some(&receipt)),
            Err(response) => response,
        }
    }

    pub(super) async fn signal(
        &self,
        mut signal: Signal,
        admitted: &mut Admission,
    ) -> Result<Response, Response> {
        let tenant = signal.tenant.clone();
        if !admitted.of_tenant(&tenant) {
            return Err(too_many("too many requests of this tenant at once"));
        }
        let store = self.system.store();
        // At once: a governor that sees an action through would let it wait.
        if let Some(earlier) = signal.receipt(store) {
            return Ok(taken_before(&tenant, &earlier));
        }
        let key = signal.key();
        if !self.system.entitlements().knows(&tenant) {
            // No governor for a made-up name.
            let refused = self.refuse(NO_TENANT, "not_entitled", &tenant, key);
            return Err(not_entitled(&tenant, Some(&refused.await?)));
        }
        signal.deadline = Some(retake::now() + self.config.request_timeout);
        let verdict = match self.system.signal(signal).await {
            Ok(verdict) => verdict,
            Err(error) => return Err(unavailable("unavailable", &error.to_string())),
        };
        let receipt = match verdict {
            // It may share another one's receipt.
            Verdict::Refused(receipt) => store.get(receipt),
            _ => key.and_then(|key| store.of_key(&key)),
        };
        let receipt = receipt.as_ref();
        match verdict {
            Verdict::Stable => Ok(accepted("accepted", "stable", receipt)),
            Verdict::Warning => Ok(accepted("accepted", "warning", receipt)),
            Verdict::Acting(_) => Ok(accepted("accepted", "acting", receipt)),
            Verdict::Refused(_) => Err(not_entitled(&tenant, receipt)),
            // The two came at the same time.
            Verdict::Duplicate(_) => Ok(match receipt {
                Some(receipt) => taken_before(&tenant, receipt),
                None => unavailable("unavailable", "the receipt cannot be found"),
            }),
        }
    }

    /// Leave a receipt for what is refused; what has a key that is known leaves no second
    /// one, and too many at once share one.
    async fn refuse(
        &self,
        tenant: &str,
        reason: &str,
        what: &str,
        key: Option<String>,
    ) -> Result<Receipt, Response> {
        // A chain of its own is for those tenants only that somebody has entitled.
        let is_known = self.system.entitlements().knows(tenant);
        let tenant = if is_known { tenant } else { NO_TENANT };
        let draft = Draft {
            tenant: tenant.to_owned(),
            kind: ReceiptKind::Refusal {
                reason: reason.to_owned(),
            },
            payload: shorten(what),
            signal: None,
            key,
        };
        let refused = self.system.ledger().refuse(draft).await;
        refused.map_err(|error| unavailable("unavailable", &error.to_string()))
    }
}
