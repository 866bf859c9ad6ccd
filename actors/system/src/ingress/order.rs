//! Signed orders from the marketplace.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::config::IngressConfig;
use super::envelope::check_name;
use super::secret::Secret;
use crate::action::ActionKind;
use crate::entitlements::Change;
use crate::ledger::Key;

/// An order: `{"entitlementId", "tenantId", "action", "timestamp", "signature"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Tells an entitlement from others of its tenant.
    pub entitlement_id: String,
    /// Whom it is for.
    pub tenant_id: String,
    /// A change of the entitlement (`grant`, `approve`, …) or an action (`scale`, …).
    pub action: String,
    /// When it was made, in milliseconds of Unix time.
    pub timestamp: u64,
    /// HMAC-SHA-256 over [`Order::signed_text`], in hexadecimal digits.
    pub signature: String,
}

/// What an order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// A change of the entitlement.
    Change(Change),
    /// An action, which needs an active entitlement.
    Action(ActionKind),
}

/// What is wrong with an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It is no order.
    #[error("invalid_order: {0}")]
    Malformed(String),
    /// It is not signed with the secret.
    #[error("bad_signature: the signature does not fit the order")]
    Signature,
    /// No such change or action.
    #[error("unknown_action: `{0}` is neither a change of an entitlement nor an action")]
    Unknown(String),
}

impl OrderError {
    /// In one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "invalid_order",
            Self::Signature => "bad_signature",
            Self::Unknown(_) => "unknown_action",
        }
    }
}

impl Order {
    /// Read the body of an order and check its signature. Without a secret none fits.
    ///
    /// # Errors
    /// If it is no order, its signature does not fit, or what it asks for is unknown.
    pub fn parse(body: &[u8], secret: Option<&Secret>) -> Result<(Self, OrderKind), OrderError> {
        let order: Self = serde_json::from_slice(body)
            .map_err(|error| OrderError::Malformed(error.to_string()))?;
        for (what, name) in [
            ("`tenantId`", &order.tenant_id),
            ("`entitlementId`", &order.entitlement_id),
        ] {
            check_name(what, name).map_err(OrderError::Malformed)?;
        }
        let signature = decode_hex(&order.signature).ok_or(OrderError::Signature)?;
        // In constant time, whatever the signature. A recording has what came of it, and
        // not the secret.
        let fits = retake::record::known("signature", || {
            secret.is_some_and(|secret| order.mac(secret).verify_slice(&signature).is_ok())
        });
        if !fits {
            return Err(OrderError::Signature);
        }
        let kind = OrderKind::parse(&order.action);
        let kind = kind.ok_or_else(|| OrderError::Unknown(shorten(&order.action)))?;
        Ok((order, kind))
    }

    /// What is signed: the body as compact JSON with its members in the order of
    /// the documentation above, without `signature`.
    #[must_use]
    pub fn signed_text(&self) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        format!(
            r#"{{"entitlementId":{},"tenantId":{},"action":{},"timestamp":{}}}"#,
            text(&self.entitlement_id),
            text(&self.tenant_id),
            text(&self.action),
            self.timestamp
        )
    }

    fn mac(&self, secret: &Secret) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(secret.bytes());
        let mut mac = mac.expect("HMAC takes keys of any length");
        mac.update(self.signed_text().as_bytes());
        mac
    }

    /// This order with its signature, for clients.
    #[must_use]
    pub fn sign(self, secret: &Secret) -> Self {
        let mac = self.mac(secret).finalize().into_bytes();
        let signature = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { signature, ..self }
    }

    /// What distinguishes it from other orders of its tenant.
    pub(super) fn id(&self) -> String {
        let Self {
            entitlement_id,
            action,
            timestamp,
            ..
        } = self;
        // The action and the number have no spaces.
        format!("{action} at {timestamp} of {entitlement_id}")
    }

    /// The idempotency key of its receipt.
    pub(super) fn key(&self, kind: OrderKind) -> String {
        let (tenant, id) = (&self.tenant_id, &self.id());
        let key = match kind {
            OrderKind::Action(_) => Key::Order { tenant, id },
            OrderKind::Change(_) => Key::Change { tenant, id },
        };
        key.to_string()
    }

    /// Whether it was made neither too long ago nor ahead of the clock.
    pub(super) fn is_timely(&self, config: &IngressConfig) -> bool {
        let made = Duration::from_millis(self.timestamp);
        let now = retake::unix_time();
        made + config.order_age_max >= now && made <= now + config.order_ahead_max
    }
}

impl OrderKind {
    fn parse(action: &str) -> Option<Self> {
        const ACTIONS: [ActionKind; 3] = [
            ActionKind::Scale,
            ActionKind::Rollback,
            ActionKind::Throttle,
        ];
        let change = Change::of_word(action);
        let kind = ACTIONS.into_iter().find(|kind| kind.to_string() == action);
        change.map(Self::Change).or(kind.map(Self::Action))
    }
}

/// The first part of a text that may be long.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16);
    bytes
        .chunks(2)
        .map(|pair| u8::try_from(16 * digit(pair[0])? + digit(pair[1])?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(action: &str) -> Order {
        Order {
            entitlement_id: "e-1".to_owned(),
            tenant_id: "acme".to_owned(),
            action: action.to_owned(),
            timestamp: 5,
            signature: String::new(),
        }
    }

    #[test]
    fn only_what_is_signed_with_the_secret_is_taken() {
        let secret = Secret::new("secret");
        let good = order("scale").sign(&secret);
        // What is between the quotes, through `openssl dgst -sha256 -hmac secret`.
        assert_eq!(
            good.signed_text(),
            r#"{"entitlementId":"e-1","tenantId":"acme","action":"scale","timestamp":5}"#
        );
        let digest = "3da5e80f3aa534ea09569bee836be2bd083becfdfe6b7c83dc4322b5918a8500";
        assert_eq!(good.signature, digest);
        let parse =
            |order: &Order| Order::parse(&serde_json::to_vec(order).unwrap(), Some(&secret));
        assert_eq!(
            parse(&good).unwrap().1,
            OrderKind::Action(ActionKind::Scale)
        );
        let bad = [
            order("scale").sign(&Secret::new("guess")),
            order("scale"),
            Order {
                timestamp: 6,
                ..good.clone()
            },
            Order {
                tenant_id: "other".to_owned(),
                ..good.clone()
            },
            Order {
                entitlement_id: "e-2".to_owned(),
                ..good.clone()
            },
            Order {
                action: "rollback".to_owned(),
                ..good.clone()
            },
            Order {
                signature: "zz".repeat(32),
                ..good.clone()
            },
            Order {
                signature: good.signature[..62].to_owned(),
                ..good.clone()
            },
        ];
        for order in bad {
            assert_eq!(parse(&order), Err(OrderError::Signature), "{order:?}");
        }
    }

    #[test]
    fn without_a_secret_no_signature_fits() {
        for secret in ["", "not a secret"] {
            let order = order("scale").sign(&Secret::new(secret));
            let body = serde_json::to_vec(&order).unwrap();
            assert_eq!(Order::parse(&body, None), Err(OrderError::Signature));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let secret = Secret::new("secret");
        let unknown = order("explode").sign(&secret);
        let unknown = serde_json::to_vec(&unknown).unwrap();
        let nameless = Order {
            tenant_id: String::new(),
            ..order("scale")
        }
        .sign(&secret);
        for (body, word) in [
            (b"{}".to_vec(), "invalid_order"),
            (b"\xff".to_vec(), "invalid_order"),
            (serde_json::to_vec(&nameless).unwrap(), "invalid_order"),
            (unknown, "unknown_action"),
        ] {
            assert_eq!(Order::parse(&body, Some(&secret)).unwrap_err().word(), word);
        }
    }
}
